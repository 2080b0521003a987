/* The reply to one HTTP/1.1 request (RFC 9112), as its bytes come in: status, headers, and a body by length, in
 * chunks, or up to the end of the connection. Pure; what it keeps is bounded. Interim replies (1xx) are skipped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "util/text.h"

#define HTTP_REPLY_HEAD_MAX 16384

enum HttpReplyState {
        HTTP_REPLY_STATUS, /* the status line */
        HTTP_REPLY_HEADERS,
        HTTP_REPLY_BODY, /* by length, or to the end */
        HTTP_REPLY_CHUNK_SIZE,
        HTTP_REPLY_CHUNK,
        HTTP_REPLY_CHUNK_END,
        HTTP_REPLY_TRAILERS,
        HTTP_REPLY_DONE,
};

typedef struct HttpReply {
        enum HttpReplyState state;
        unsigned status;
        bool is_json, is_events; /* Content-Type */
        TextBuffer body;         /* so far; a reader may take from it */
        /* inside */
        bool head, chunked, has_length;
        uint64_t left;
        size_t head_len;
        TextBuffer line;
} HttpReply;

/* HEAD: the request was one, so that no body follows. */
void http_reply_init(HttpReply *reply, bool head);
void http_reply_deinit(HttpReply *reply);

/* Takes LEN bytes. Returns 0, or -EPROTO with the reason in PROBLEM, -EMSGSIZE if BODY grows beyond BODY_MAX,
 * -ENOMEM. What follows the reply's end is not looked at. */
int http_reply_feed(HttpReply *reply, const char *data, size_t len, size_t body_max, const char **problem);
/* The connection has ended. Returns 0 if the reply is whole, else -EPROTO. */
int http_reply_end(HttpReply *reply, const char **problem);
