/* JSON written straight into a text, without a tree in between: a thousand units take a few milliseconds less that
 * way, and the loop has them. Reading is jansson's. Strings that are no UTF-8 (a command line may hold anything)
 * come out with U+FFFD in place of what is wrong, so the text is always JSON (RFC 8259). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "util/text.h"

/* Zero-initialised but for OUT. Members are comma-separated by themselves; KEY is NULL in arrays and at the top.
 */
typedef struct JsonText {
        TextBuffer *out;
        bool comma;
} JsonText;

void json_text_begin(JsonText *j, const char *key, char bracket); /* '{' or '[' */
void json_text_end(JsonText *j, char bracket);                    /* '}' or ']' */
/* NULL is null. */
void json_text_string(JsonText *j, const char *key, const char *value);
/* LEN bytes, NUL among them. */
void json_text_bytes(JsonText *j, const char *key, const char *value, size_t len);
void json_text_null(JsonText *j, const char *key);
void json_text_bool(JsonText *j, const char *key, bool value);
void json_text_number(JsonText *j, const char *key, uint64_t value);
/* As a string, since it may be beyond 2^53, where JavaScript's and jq's numbers end. */
void json_text_decimal(JsonText *j, const char *key, int64_t value);
/* USEC as seconds with a fraction; never in exponents. */
void json_text_seconds(JsonText *j, const char *key, uint64_t usec);
/* A point in CLOCK_REALTIME as "2026-01-31T12:34:56.123456Z" (RFC 3339); 0 is null, and so is
 * what lies beyond the year 9999. */
void json_text_time(JsonText *j, const char *key, uint64_t usec);
