/* Text: strict numbers, a growing buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macros.h"

/* A whole decimal number within [min, max]: no sign, no space, nothing after it.
 * Returns 0, -EINVAL (no number) or -ERANGE. *out is written only on success. */
int text_to_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);

bool text_has_prefix(const char *text, const char *prefix);
bool text_has_suffix(const char *text, const char *suffix);

/* Whether NAME can be one component of a znode path: not empty, no '/', not "." or "..", no
 * control characters, not "zookeeper" (ZooKeeper Programmer's Guide, "Data Model"), and at most
 * 200 bytes. Returns NULL if it can, else the reason in words. */
const char *text_component_problem(const char *name);

/* A NUL-terminated buffer that grows. A failed allocation sticks: later appends do nothing and
 * text_buffer_take() returns NULL, so only the end needs a check. */
typedef struct TextBuffer {
        char *data;
        size_t len, room;
        bool failed;
} TextBuffer;

void text_buffer_append(TextBuffer *b, const void *data, size_t len);
void text_buffer_puts(TextBuffer *b, const char *s);
void text_buffer_printf(TextBuffer *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The text, owned by the caller, and an empty buffer; NULL if an append had failed. */
char *text_buffer_take(TextBuffer *b);
void text_buffer_deinit(TextBuffer *b);
static inline void text_buffer_deinit_cleanup(TextBuffer *b)
{
        text_buffer_deinit(b);
}
