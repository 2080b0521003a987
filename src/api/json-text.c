#include "api/json-text.h"

#include <stdio.h>
#include <string.h>
#include "api/decimal.h"
#include "api/utf8.h"
#include "util/civil.h"
#include "util/clock.h"

static void escape(TextBuffer *out, unsigned char c)
{
        switch (c) {
        case '"':
                text_buffer_puts(out, "\\\"");
                break;
        case '\\':
                text_buffer_puts(out, "\\\\");
                break;
        case '\n':
                text_buffer_puts(out, "\\n");
                break;
        case '\t':
                text_buffer_puts(out, "\\t");
                break;
        default:
                text_buffer_printf(out, "\\u%04x", c);
                break;
        }
}

static bool is_plain(unsigned char c)
{
        return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void quoted(TextBuffer *out, const char *text, size_t len)
{
        const unsigned char *p = (const unsigned char *)text, *end = p + len;

        text_buffer_append(out, "\"", 1);
        while (p < end) {
                const unsigned char *from = p;
                size_t n;

                while (p < end && is_plain(*p))
                        p++;
                if (p > from)
                        text_buffer_append(out, from, (size_t)(p - from));
                if (p == end)
                        break;
                n = utf8_length((const char *)p, (size_t)(end - p));
                if (n > 1)
                        text_buffer_append(out, p, n);
                else if (n == 1)
                        escape(out, *p);
                else
                        text_buffer_puts(out, UTF8_REPLACEMENT);
                p += n ? n : 1;
        }
        text_buffer_append(out, "\"", 1);
}

static void member(JsonText *j, const char *key)
{
        if (j->comma)
                text_buffer_append(j->out, ",", 1);
        j->comma = true;
        if (key) { /* one of ours: nothing in it to be escaped */
                text_buffer_append(j->out, "\"", 1);
                text_buffer_append(j->out, key, strlen(key));
                text_buffer_append(j->out, "\":", 2);
        }
}

void json_text_begin(JsonText *j, const char *key, char bracket)
{
        member(j, key);
        text_buffer_append(j->out, &bracket, 1);
        j->comma = false;
}

void json_text_end(JsonText *j, char bracket)
{
        text_buffer_append(j->out, &bracket, 1);
        j->comma = true;
}

void json_text_string(JsonText *j, const char *key, const char *value)
{
        if (value)
                json_text_bytes(j, key, value, strlen(value));
        else
                json_text_null(j, key);
}

void json_text_bytes(JsonText *j, const char *key, const char *value, size_t len)
{
        member(j, key);
        quoted(j->out, value, len);
}

void json_text_null(JsonText *j, const char *key)
{
        member(j, key);
        text_buffer_append(j->out, "null", 4);
}

void json_text_bool(JsonText *j, const char *key, bool value)
{
        member(j, key);
        text_buffer_puts(j->out, value ? "true" : "false");
}

void json_text_number(JsonText *j, const char *key, uint64_t value)
{
        member(j, key);
        decimal_append(j->out, value);
}

void json_text_decimal(JsonText *j, const char *key, int64_t value)
{
        member(j, key);
        text_buffer_puts(j->out, value < 0 ? "\"-" : "\"");
        decimal_append(j->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
        text_buffer_append(j->out, "\"", 1);
}

void json_text_seconds(JsonText *j, const char *key, uint64_t usec)
{
        member(j, key);
        decimal_append_seconds(j->out, usec);
}

/* WIDTH digits of VALUE, and then C. */
static char *put_digits(char *p, uint64_t value, int width, char c)
{
        for (int i = width - 1; i >= 0; i--, value /= 10)
                p[i] = (char)('0' + value % 10);
        p[width] = c;
        return p + width + 1;
}

void json_text_time(JsonText *j, const char *key, uint64_t usec)
{
        uint64_t seconds = usec / USEC_PER_SEC, second = seconds % SECONDS_PER_DAY;
        CivilDate date = civil_from_days((int64_t)(seconds / SECONDS_PER_DAY));
        char text[32], *p = text;

        if (usec == 0 || date.year > 9999) {
                json_text_null(j, key);
                return;
        }
        member(j, key);
        *p++ = '"';
        p = put_digits(p, (uint64_t)date.year, 4, '-');
        p = put_digits(p, (uint64_t)date.month, 2, '-');
        p = put_digits(p, (uint64_t)date.day, 2, 'T');
        p = put_digits(p, second / 3600, 2, ':');
        p = put_digits(p, second / 60 % 60, 2, ':');
        p = put_digits(p, second % 60, 2, '.');
        p = put_digits(p, usec % USEC_PER_SEC, 6, 'Z');
        *p++ = '"';
        text_buffer_append(j->out, text, (size_t)(p - text));
}
