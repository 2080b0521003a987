#include "api/json-text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/civil.h"
#include "util/clock.h"

#define NUMBER_MAX 24

/* The length of the character of UTF-8 at P, or 0 if there is none (RFC 3629: no overlong form, no surrogate). */
static size_t character(const unsigned char *p, size_t len)
{
        unsigned char low = 0x80, high = 0xbf;
        size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

        if (n == 0 || n > len)
                return 0;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
                if (p[i] < low || p[i] > high)
                        return 0;
        return n;
}

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
                n = character(p, (size_t)(end - p));
                if (n > 1)
                        text_buffer_append(out, p, n);
                else if (n == 1)
                        escape(out, *p);
                else
                        text_buffer_puts(out, "\xef\xbf\xbd");
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

/* VALUE's digits at the end of BUF; faster than printf, which counts when there are a thousand units. */
static const char *digits(uint64_t value, char buf[NUMBER_MAX])
{
        char *p = buf + NUMBER_MAX - 1;

        *p = '\0';
        do
                *--p = (char)('0' + value % 10);
        while (value /= 10);
        return p;
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
        char buf[NUMBER_MAX];

        member(j, key);
        text_buffer_puts(j->out, digits(value, buf));
}

void json_text_decimal(JsonText *j, const char *key, int64_t value)
{
        member(j, key);
        text_buffer_printf(j->out, "\"%" PRId64 "\"", value);
}

void json_text_seconds(JsonText *j, const char *key, uint64_t usec)
{
        char buf[NUMBER_MAX], fraction[7];
        uint64_t rest = usec % USEC_PER_SEC;
        int n = 6;

        member(j, key);
        text_buffer_puts(j->out, digits(usec / USEC_PER_SEC, buf));
        if (rest == 0)
                return;
        for (int i = 5; i >= 0; i--, rest /= 10)
                fraction[i] = (char)('0' + rest % 10);
        while (fraction[n - 1] == '0')
                n--;
        text_buffer_append(j->out, ".", 1);
        text_buffer_append(j->out, fraction, (size_t)n);
}

void json_text_time(JsonText *j, const char *key, uint64_t usec)
{
        int64_t seconds = (int64_t)(usec / USEC_PER_SEC), second = seconds % SECONDS_PER_DAY;
        CivilDate date = civil_from_days(seconds / SECONDS_PER_DAY);

        if (usec == 0) {
                json_text_null(j, key);
                return;
        }
        member(j, key);
        text_buffer_printf(j->out, "\"%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%06uZ\"", date.year, date.month, date.day,
                (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60), (unsigned)(usec % USEC_PER_SEC));
}
