#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_COMPONENT_MAX 200

int text_to_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
        uint64_t v = 0;

        if (!isdigit((unsigned char)*text))
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (!isdigit((unsigned char)*p))
                        return -EINVAL;
                if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
                        return -ERANGE;
        }
        if (v < min || v > max)
                return -ERANGE;
        *out = v;
        return 0;
}

bool text_has_prefix(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_has_suffix(const char *text, const char *suffix)
{
        size_t n = strlen(text), m = strlen(suffix);

        return n >= m && strcmp(text + n - m, suffix) == 0;
}

const char *text_component_problem(const char *name)
{
        if (*name == '\0')
                return "is empty";
        if (strlen(name) > TEXT_COMPONENT_MAX)
                return "is longer than 200 bytes";
        if (strchr(name, '/'))
                return "contains '/'";
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "zookeeper") == 0)
                return "is a name that ZooKeeper keeps for itself";
        for (const unsigned char *p = (const unsigned char *)name; *p; p++)
                if (*p < 0x20 || *p == 0x7f)
                        return "contains a control character";
        return NULL;
}

static bool reserve(TextBuffer *b, size_t more)
{
        size_t room = b->room ? b->room : 64;
        char *bigger;

        if (b->failed)
                return false;
        while (room - b->len <= more)
                room *= 2;
        if (room == b->room)
                return true;
        bigger = realloc(b->data, room);
        if (!bigger) {
                b->failed = true;
                return false;
        }
        b->data = bigger;
        b->room = room;
        return true;
}

void text_buffer_append(TextBuffer *b, const void *data, size_t len)
{
        if (!reserve(b, len))
                return;
        if (len)
                memcpy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = '\0';
}

void text_buffer_puts(TextBuffer *b, const char *s)
{
        text_buffer_append(b, s, strlen(s));
}

void text_buffer_printf(TextBuffer *b, const char *fmt, ...)
{
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0 || !reserve(b, (size_t)n))
                return;
        va_start(ap, fmt);
        vsnprintf(b->data + b->len, b->room - b->len, fmt, ap);
        va_end(ap);
        b->len += (size_t)n;
}

char *text_buffer_take(TextBuffer *b)
{
        char *data;

        text_buffer_append(b, "", 0);
        if (b->failed) {
                text_buffer_deinit(b);
                return NULL;
        }
        data = b->data;
        *b = (TextBuffer){0};
        return data;
}

void text_buffer_deinit(TextBuffer *b)
{
        free(b->data);
        *b = (TextBuffer){0};
}
