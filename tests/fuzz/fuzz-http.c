/* Requests to the control interface, in this process: the input is a method, a target and a body, each ended by a
 * newline but the last; a leading '-' goes to the public listener. Whatever comes, the answer is one that is
 * documented, and JSON where it says so. A leading '<' feeds the rest to the reader of replies instead, in two
 * halves. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "api/http-reply.h"
#include "api/router.h"
#include "../unit/api/fake-manager.h"
#include "util/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                                  \
        do {                                                                                                      \
                if (!(x)) {                                                                                       \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                   \
                        abort();                                                                                  \
                }                                                                                                 \
        } while (0)

/* Linked without the server: nobody listens here. */
void api_tell_unit(Api *api, const SnapshotUnit *unit)
{
}

void api_answer_json(ApiAnswer *answer, const char *json)
{
}

void api_answer_problem(ApiAnswer *answer, int error, const char *problem)
{
}

static FakeManager *manager(void)
{
        static FakeManager m;

        if (!m.units)
                fake_manager_init(&m, 3);
        return &m;
}

/* Up to the newline, or to the end. */
static char *take_line(const char **p, const char *end)
{
        const char *newline = memchr(*p, '\n', (size_t)(end - *p));
        size_t len = (size_t)((newline ? newline : end) - *p);
        char *line = malloc(len + 1);

        memcpy(line, *p, len);
        line[len] = '\0';
        *p = newline ? newline + 1 : end;
        return line;
}

static void check_reply(RouterReply *reply)
{
        json_t *json;

        CHECK(reply->status == 200 || reply->status == 202 || reply->status == 400 || reply->status == 404 ||
                reply->status == 405 || reply->status == 409 || reply->status == 503);
        CHECK((reply->status == 405) == (reply->allow != NULL));
        if (reply->kind != ROUTER_ANSWERED)
                return;
        CHECK(reply->type && reply->body.data && !reply->body.failed);
        if (strcmp(reply->type, "application/json") != 0)
                return;
        json = json_loadb(reply->body.data, reply->body.len, JSON_REJECT_DUPLICATES, NULL);
        CHECK(json_is_object(json));
        CHECK((reply->status >= 400) == (json_object_get(json, "error") != NULL));
        json_decref(json);
}

static void route(const char *p, const char *end)
{
        bool public = p < end && *p == '-';
        RouterReply reply = {0};
        CLEANUP_STRING method = take_line((p += public, &p), end);
        CLEANUP_STRING target = take_line(&p, end);
        CLEANUP_STRING body = malloc((size_t)(end - p) + 1); /* exact: the sanitizer sees one byte too many */
        RouterRequest request = {.method = method,
                .target = target,
                .body = body,
                .len = (size_t)(end - p),
                .accept = public ? body : NULL};

        memcpy(body, p, request.len);
        body[request.len] = '\0';
        manager()->bad_file = request.len % 2;
        (public ? router_public : router_control)(&fake_manager_ops, manager(), &request, &reply);
        check_reply(&reply);
        text_buffer_deinit(&reply.body);
}

static void read_reply(const char *p, const char *end)
{
        size_t len = (size_t)(end - p), half = len / 2;
        const char *problem = NULL;
        HttpReply reply;
        int r;

        http_reply_init(&reply, false);
        r = http_reply_feed(&reply, p, half, 1024, &problem);
        if (r == 0)
                r = http_reply_feed(&reply, p + half, len - half, 1024, &problem);
        if (r == 0 && http_reply_end(&reply, &problem) == 0)
                CHECK(reply.state == HTTP_REPLY_DONE && reply.status >= 200 && reply.status <= 599);
        CHECK(reply.body.len <= 1024 && reply.line.len <= HTTP_REPLY_HEAD_MAX);
        http_reply_deinit(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *p = (const char *)data, *end = p + size;

        if (size && *p == '<')
                read_reply(p + 1, end);
        else
                route(p, end);
        return 0;
}
