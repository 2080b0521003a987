#include "api/http-reply.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define BAD(text) (*problem = (text), -EPROTO)
#define CHUNK_DIGITS_MAX 8

void http_reply_init(HttpReply *reply, bool head)
{
        *reply = (HttpReply){.head = head};
}

void http_reply_deinit(HttpReply *reply)
{
        text_buffer_deinit(&reply->line);
        text_buffer_deinit(&reply->body);
}

/* "HTTP/1.1 200 OK" */
static int on_status(HttpReply *reply, const char *line, const char **problem)
{
        uint64_t status;
        char digits[4];

        if (!text_has_prefix(line, "HTTP/1.") || !isdigit((unsigned char)line[7]) || line[8] != ' ' ||
                strnlen(line, 12) < 12 || (line[12] != ' ' && line[12] != '\0'))
                return BAD("it does not begin like HTTP");
        memcpy(digits, line + 9, 3);
        digits[3] = '\0';
        if (text_to_u64(digits, 100, 599, &status) < 0)
                return BAD("its status is no number from 100 to 599");
        reply->status = (unsigned)status;
        reply->state = HTTP_REPLY_HEADERS;
        return 0;
}

static int on_header(HttpReply *reply, char *line, const char **problem)
{
        char *value = strchr(line, ':'), *end;
        uint64_t length;

        if (!value || value == line || isspace((unsigned char)line[0]))
                return BAD("one of its headers is none");
        *value++ = '\0';
        value += strspn(value, " \t");
        for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
                end[-1] = '\0';
        if (strcasecmp(line, "content-length") == 0) {
                if (text_to_u64(value, 0, INT64_MAX, &length) < 0 || (reply->has_length && length != reply->left))
                        return BAD("its length is no number");
                reply->has_length = true;
                reply->left = length;
        } else if (strcasecmp(line, "transfer-encoding") == 0) {
                if (strcasecmp(value, "chunked") != 0)
                        return BAD("its transfer encoding is not known");
                reply->chunked = true;
        } else if (strcasecmp(line, "content-type") == 0) {
                reply->is_json = strncasecmp(value, "application/json", 16) == 0;
                reply->is_events = strncasecmp(value, "text/event-stream", 17) == 0;
        }
        return 0;
}

static void on_head_end(HttpReply *reply)
{
        if (reply->status < 200) {
                http_reply_deinit(reply);
                http_reply_init(reply, reply->head);
        } else if (reply->head || reply->status == 204 || reply->status == 304) {
                reply->state = HTTP_REPLY_DONE;
        } else if (reply->chunked) { /* takes precedence over a length, RFC 9112 section 6.3 */
                reply->state = HTTP_REPLY_CHUNK_SIZE;
        } else if (reply->has_length && reply->left == 0) {
                reply->state = HTTP_REPLY_DONE;
        } else {
                if (!reply->has_length)
                        reply->left = UINT64_MAX;
                reply->state = HTTP_REPLY_BODY;
        }
}

/* "1a2b" or "1a2b;extension" */
static int on_chunk_size(HttpReply *reply, const char *line, const char **problem)
{
        size_t digits = strspn(line, "0123456789abcdefABCDEF");

        if (digits == 0 || digits > CHUNK_DIGITS_MAX || (line[digits] && !strchr("; \t", line[digits])))
                return BAD("the size of a chunk is no number");
        reply->left = 0;
        for (size_t i = 0; i < digits; i++) {
                char c = (char)tolower((unsigned char)line[i]);

                reply->left = reply->left * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        reply->state = reply->left ? HTTP_REPLY_CHUNK : HTTP_REPLY_TRAILERS;
        return 0;
}

/* A line without its end. */
static int on_line(HttpReply *reply, char *line, const char **problem)
{
        switch (reply->state) {
        case HTTP_REPLY_STATUS:
                return on_status(reply, line, problem);
        case HTTP_REPLY_HEADERS:
                if (*line)
                        return on_header(reply, line, problem);
                on_head_end(reply);
                return 0;
        case HTTP_REPLY_CHUNK_SIZE:
                return on_chunk_size(reply, line, problem);
        case HTTP_REPLY_CHUNK_END:
                if (*line)
                        return BAD("a chunk is longer than it says");
                reply->state = HTTP_REPLY_CHUNK_SIZE;
                return 0;
        case HTTP_REPLY_TRAILERS:
                if (!*line)
                        reply->state = HTTP_REPLY_DONE;
                return 0;
        case HTTP_REPLY_BODY:
        case HTTP_REPLY_CHUNK:
        case HTTP_REPLY_DONE:
                break;
        }
        return 0;
}

/* Takes a line or what there is of it; returns how many bytes, or a negative errno. */
static int64_t feed_line(HttpReply *reply, const char *data, size_t len, const char **problem)
{
        const char *newline = memchr(data, '\n', len);
        size_t n = newline ? (size_t)(newline - data) + 1 : len;
        int r;

        reply->head_len += n;
        if (reply->head_len > HTTP_REPLY_HEAD_MAX)
                return BAD("its head is too long");
        text_buffer_append(&reply->line, data, n - (newline != NULL));
        if (!newline)
                return reply->line.failed ? -ENOMEM : (int64_t)n;
        if (reply->line.len && reply->line.data && reply->line.data[reply->line.len - 1] == '\r')
                reply->line.data[--reply->line.len] = '\0';
        if (reply->line.failed)
                return -ENOMEM;
        if (strlen(reply->line.data) != reply->line.len)
                return BAD("there is a NUL in its head");
        r = on_line(reply, reply->line.data, problem);
        if (r < 0)
                return r;
        reply->line.len = 0;
        if (reply->state >= HTTP_REPLY_BODY && reply->state <= HTTP_REPLY_CHUNK_END)
                reply->head_len = 0; /* of a stream, the chunks go on for ever */
        return (int64_t)n;
}

static int64_t feed_body(HttpReply *reply, const char *data, size_t len, size_t body_max)
{
        size_t n = len < reply->left ? len : (size_t)reply->left;

        if (reply->body.len + n > body_max)
                return -EMSGSIZE;
        text_buffer_append(&reply->body, data, n);
        if (reply->body.failed)
                return -ENOMEM;
        if (reply->left != UINT64_MAX)
                reply->left -= n;
        if (reply->left == 0)
                reply->state = reply->state == HTTP_REPLY_CHUNK ? HTTP_REPLY_CHUNK_END : HTTP_REPLY_DONE;
        return (int64_t)n;
}

int http_reply_feed(HttpReply *reply, const char *data, size_t len, size_t body_max, const char **problem)
{
        while (len > 0 && reply->state != HTTP_REPLY_DONE) {
                bool body = reply->state == HTTP_REPLY_BODY || reply->state == HTTP_REPLY_CHUNK;
                int64_t n = body ? feed_body(reply, data, len, body_max) : feed_line(reply, data, len, problem);

                if (n < 0)
                        return (int)n;
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

int http_reply_end(HttpReply *reply, const char **problem)
{
        if (reply->state == HTTP_REPLY_BODY && reply->left == UINT64_MAX)
                reply->state = HTTP_REPLY_DONE;
        return reply->state == HTTP_REPLY_DONE ? 0 : BAD("the connection ended before it was whole");
}
