#include "api/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "api/http-reply.h"
#include "util/clock.h"
#include "util/macros.h"
#include "util/text.h"

#define BODY_MAX (256U << 20) /* of a reply */
#define EVENT_MAX (16U << 20) /* of an event */
#define PIECE 65536

#define PROBLEM(r, ...) (snprintf(c->problem, c->problem_size, __VA_ARGS__), (r))

typedef struct Call {
        const char *socket;
        int fd;
        uint64_t deadline_usec;
        char *problem;
        size_t problem_size;
} Call;

static inline void call_deinit_cleanup(Call *c)
{
        fd_close(c->fd);
}

static inline void http_reply_deinit_cleanup(HttpReply *reply)
{
        http_reply_deinit(reply);
}

#define CLEANUP_TEXT __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer

static int timed_out(Call *c)
{
        return PROBLEM(-ETIMEDOUT, "the supervisor at '%s' does not answer in time; is it stopped or overloaded?",
                c->socket);
}

static int wait_for(Call *c, short events)
{
        struct pollfd p = {.fd = c->fd, .events = events};
        uint64_t now = clock_boottime_usec(), left = usec_sub(c->deadline_usec, now);
        int n;

        if (left == 0)
                return timed_out(c);
        n = poll(&p, 1,
                left == USEC_INFINITY ? -1 : (int)MIN((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC, 1U << 30));
        if (n < 0 && errno != EINTR)
                return PROBLEM(-errno, "cannot wait for the supervisor at '%s': %s", c->socket, strerror(errno));
        return 0;
}

static int explain_connect(Call *c, int error)
{
        switch (error) {
        case ENOENT:
        case ECONNREFUSED:
        case ENOTSOCK:
                return PROBLEM(-error,
                        "no supervisor listens at '%s'; start one with 'zksup up', or name its socket", c->socket);
        case EACCES:
        case EPERM:
                return PROBLEM(-error,
                        "you may not use the socket '%s'; ask as its owner, as root, or in its group", c->socket);
        default:
                return PROBLEM(-error, "cannot connect to the supervisor at '%s': %s", c->socket, strerror(error));
        }
}

/* A full queue makes a non-blocking connect() fail with EAGAIN, and there is nothing to poll for: so this one may
 * block, for as long as the send timeout says. */
static int call_connect(Call *c)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        uint64_t left = usec_sub(c->deadline_usec, clock_boottime_usec());
        struct timeval limit = {.tv_sec = (time_t)MIN(left / USEC_PER_SEC, 1U << 30),
                .tv_usec = (suseconds_t)(left % USEC_PER_SEC)};

        if (left == 0)
                return timed_out(c);
        if (strlen(c->socket) >= sizeof(address.sun_path))
                return PROBLEM(-ENAMETOOLONG, "the path of the socket '%s' is longer than %zu bytes", c->socket,
                        sizeof(address.sun_path) - 1);
        strcpy(address.sun_path, c->socket);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
                return PROBLEM(-errno, "cannot make a socket: %s", strerror(errno));
        (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return 0;
        return errno == EAGAIN || errno == EINTR ? timed_out(c) : explain_connect(c, errno);
}

/* A supervisor that turns us away does not read; its answer is there all the same, so EPIPE is no error. */
static int call_send(Call *c, const TextBuffer *text)
{
        for (size_t done = 0; done < text->len;) {
                ssize_t n = send(c->fd, text->data + done, text->len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
                int r;

                if (n >= 0) {
                        done += (size_t)n;
                        continue;
                }
                if (errno == EPIPE)
                        return 0;
                if (errno != EAGAIN && errno != EINTR)
                        return PROBLEM(
                                -errno, "cannot write to the supervisor at '%s': %s", c->socket, strerror(errno));
                r = wait_for(c, POLLOUT);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads a piece into REPLY. Returns 1, 0 at the end, or a negative errno. */
static int call_read(Call *c, HttpReply *reply, size_t body_max)
{
        char piece[PIECE];
        const char *why = "it is too long";
        ssize_t n = recv(c->fd, piece, sizeof(piece), MSG_DONTWAIT);
        int r;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                r = wait_for(c, POLLIN);
                return r < 0 ? r : 1;
        }
        if (n < 0 && errno != ECONNRESET)
                return PROBLEM(-errno, "cannot read from the supervisor at '%s': %s", c->socket, strerror(errno));
        if (n <= 0 && reply->is_events && reply->state >= HTTP_REPLY_BODY)
                return 0; /* events have no end but that of the program that tells them, which closes no chunk */
        r = n > 0 ? http_reply_feed(reply, piece, (size_t)n, body_max, &why) : http_reply_end(reply, &why);
        if (r == -ENOMEM)
                return PROBLEM(
                        r, "there is not enough memory for the answer of the supervisor at '%s'", c->socket);
        if (r < 0)
                return PROBLEM(-EPROTO, "what answers at '%s' is no zksup: %s", c->socket, why);
        return n > 0 && reply->state != HTTP_REPLY_DONE;
}

static int call_begin(Call *c, const char *method, const char *path, const char *accept, const json_t *body)
{
        CLEANUP_TEXT text = {0};
        CLEANUP_STRING json = body ? json_dumps(body, JSON_COMPACT) : NULL;
        int r;

        if (body && !json)
                return PROBLEM(-ENOMEM, "there is not enough memory for the request");
        text_buffer_printf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\nConnection: close\r\n",
                method, path, accept);
        if (json)
                text_buffer_printf(&text, "Content-Type: application/json\r\n");
        if (json || strcmp(method, "POST") == 0)
                text_buffer_printf(&text, "Content-Length: %zu\r\n", json ? strlen(json) : 0);
        text_buffer_printf(&text, "\r\n%s", json ? json : "");
        if (text.failed)
                return PROBLEM(-ENOMEM, "there is not enough memory for the request");
        r = call_connect(c);
        return r < 0 ? r : call_send(c, &text);
}

static int take_json(Call *c, HttpReply *reply, json_t **out)
{
        json_error_t error;

        if (!reply->is_json)
                return 0;
        *out = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, JSON_DECODE_ANY, &error);
        if (*out)
                return 0;
        return PROBLEM(-EPROTO, "the supervisor at '%s' answers with JSON that is none: line %d: %s", c->socket,
                error.line, error.text);
}

void api_reply_deinit(ApiReply *reply)
{
        json_decref(reply->json);
        *reply = (ApiReply){0};
}

int api_request(const char *socket, const char *method, const char *path, const json_t *body,
        uint64_t timeout_usec, ApiReply *out, char *problem, size_t problem_size)
{
        __attribute__((cleanup(call_deinit_cleanup))) Call c = {.socket = socket,
                .fd = -1,
                .deadline_usec = usec_add(clock_boottime_usec(), timeout_usec),
                .problem = problem,
                .problem_size = problem_size};
        __attribute__((cleanup(http_reply_deinit_cleanup))) HttpReply reply;
        int r;

        *out = (ApiReply){0};
        http_reply_init(&reply, strcmp(method, "HEAD") == 0);
        r = call_begin(&c, method, path, "application/json", body);
        if (r < 0)
                return r;
        do
                r = call_read(&c, &reply, BODY_MAX);
        while (r > 0);
        if (r < 0)
                return r;
        out->status = reply.status;
        return take_json(&c, &reply, &out->json);
}

typedef struct Stream {
        Call *call;
        ApiEventHandler handler;
        void *userdata;
        char name[64];
        TextBuffer data;
        bool stopped;
} Stream;

static int on_event(Stream *s)
{
        Call *c = s->call;
        json_error_t error;
        json_t *json;

        if (!s->data.data || s->data.len == 0)
                return 0;
        json = json_loadb(s->data.data, s->data.len, JSON_DECODE_ANY, &error);
        if (!json)
                return PROBLEM(-EPROTO, "the supervisor at '%s' sends an event that is no JSON: %s", c->socket,
                        error.text);
        s->stopped = !s->handler(s->userdata, s->name[0] ? s->name : "message", json);
        json_decref(json);
        s->data.len = 0;
        s->name[0] = '\0';
        return 0;
}

static int on_line(Stream *s, char *line)
{
        Call *c = s->call;

        if (*line == '\0')
                return on_event(s);
        if (text_has_prefix(line, "event: "))
                snprintf(s->name, sizeof(s->name), "%s", line + 7);
        else if (text_has_prefix(line, "data: ")) {
                if (s->data.len)
                        text_buffer_puts(&s->data, "\n");
                text_buffer_puts(&s->data, line + 6);
        }
        return s->data.failed ? PROBLEM(-ENOMEM, "there is not enough memory for an event") : 0;
}

/* Takes the whole lines out of BODY. */
static int take_lines(Stream *s, TextBuffer *body)
{
        char *p = body->data, *newline;
        int r = 0;

        while (r == 0 && !s->stopped && p && (newline = memchr(p, '\n', (size_t)(body->data + body->len - p)))) {
                *newline = '\0';
                r = on_line(s, p);
                p = newline + 1;
        }
        if (p && p > body->data) {
                body->len -= (size_t)(p - body->data);
                memmove(body->data, p, body->len + 1);
        }
        return r;
}

static int listen_problem(Call *c, HttpReply *reply)
{
        json_t *json = NULL;
        const char *text;
        int r = take_json(c, reply, &json);

        if (r < 0)
                return r;
        text = json_string_value(json_object_get(json, "error"));
        if (text)
                snprintf(c->problem, c->problem_size, "%s", text);
        else
                snprintf(c->problem, c->problem_size, "the supervisor at '%s' does not tell events: status %u",
                        c->socket, reply->status);
        json_decref(json);
        return reply->status == 403 ? -EACCES : -EPROTO;
}

int api_listen(const char *socket, uint64_t timeout_usec, ApiEventHandler handler, void *userdata, char *problem,
        size_t problem_size)
{
        __attribute__((cleanup(call_deinit_cleanup))) Call c = {.socket = socket,
                .fd = -1,
                .deadline_usec = usec_add(clock_boottime_usec(), timeout_usec),
                .problem = problem,
                .problem_size = problem_size};
        __attribute__((cleanup(http_reply_deinit_cleanup))) HttpReply reply;
        Stream s = {.call = &c, .handler = handler, .userdata = userdata};
        int r;

        http_reply_init(&reply, false);
        r = call_begin(&c, "GET", "/v1/events", "text/event-stream", NULL);
        if (r == 0)
                do {
                        r = call_read(&c, &reply, EVENT_MAX);
                        if (r >= 0 && reply.is_events && reply.state >= HTTP_REPLY_BODY) {
                                int error = take_lines(&s, &reply.body);

                                r = error < 0 ? error : r;
                        }
                } while (r > 0 && !s.stopped);
        text_buffer_deinit(&s.data);
        if (r < 0 || s.stopped)
                return r < 0 ? r : 0;
        if (reply.status != 200)
                return listen_problem(&c, &reply);
        snprintf(problem, problem_size,
                "the supervisor at '%s' has ended, or has dropped a listener that was too slow", socket);
        return -ECONNRESET;
}
