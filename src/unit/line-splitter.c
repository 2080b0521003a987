#include "unit/line-splitter.h"

#include <stdlib.h>
#include <string.h>
#include "util/macros.h"

#define HELD_ROOM_MIN 256

void line_splitter_deinit(LineSplitter *s)
{
        free(s->held);
        *s = (LineSplitter){0};
}

static void emit(LineSplitter *s, const char *data, size_t len, bool cut, LineHandler handler, void *userdata)
{
        handler(userdata, &(Line){.data = data, .len = len, .continues = s->continues, .cut = cut});
        s->continues = cut;
}

/* How many of the LEN bytes are whole characters: a sequence of UTF-8 that does not end is left out. */
static size_t whole_characters(const char *data, size_t len)
{
        for (size_t back = 1; back <= 3 && back < len; back++) {
                unsigned char c = (unsigned char)data[len - back];
                size_t needs = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;

                if (c < 0x80)
                        return len;
                if (c >= 0xC0)
                        return needs > back ? len - back : len;
        }
        return len;
}

static bool hold(LineSplitter *s, const char *data, size_t len)
{
        size_t room = MAX(s->room, HELD_ROOM_MIN);
        char *bigger;

        while (room < s->len + len)
                room *= 2;
        if (room != s->room) {
                bigger = realloc(s->held, room);
                if (!bigger)
                        return false;
                s->held = bigger;
                s->room = room;
        }
        memcpy(s->held + s->len, data, len);
        s->len += len;
        return true;
}

/* Hands on what is held, up to the last whole character if more of the line follows. */
static void emit_held(LineSplitter *s, bool cut, LineHandler handler, void *userdata)
{
        size_t n = cut ? whole_characters(s->held, s->len) : s->len;

        emit(s, s->held, n, cut, handler, userdata);
        s->len -= n;
        memmove(s->held, s->held + n, s->len);
}

/* Without memory to hold it, it is handed on as it is. */
static void hold_or_emit(LineSplitter *s, const char *data, size_t len, LineHandler handler, void *userdata)
{
        if (len == 0 || hold(s, data, len))
                return;
        if (s->len)
                emit_held(s, true, handler, userdata);
        s->len = 0;
        emit(s, data, len, true, handler, userdata);
}

/* A stretch without newline, which ENDED the line or not. */
static void take(
        LineSplitter *s, const char *data, size_t len, bool ended, LineHandler handler, void *userdata)
{
        while (s->len + len > LINE_MAX_LENGTH) {
                size_t n = LINE_MAX_LENGTH - s->len;

                if (s->len) {
                        hold_or_emit(s, data, n, handler, userdata);
                        if (s->len)
                                emit_held(s, true, handler, userdata);
                } else {
                        n = whole_characters(data, n);
                        emit(s, data, n, true, handler, userdata);
                }
                data += n;
                len -= n;
        }
        if (!ended) {
                hold_or_emit(s, data, len, handler, userdata);
                return;
        }
        if (s->len)
                hold_or_emit(s, data, len, handler, userdata);
        if (s->len)
                emit_held(s, false, handler, userdata);
        else
                emit(s, data, len, false, handler, userdata);
        free(TAKE(s->held));
        s->room = 0;
}

void line_splitter_feed(LineSplitter *s, const char *data, size_t len, LineHandler handler, void *userdata)
{
        while (len) {
                const char *newline = memchr(data, '\n', len);
                size_t n = newline ? (size_t)(newline - data) : len;

                take(s, data, n, newline != NULL, handler, userdata);
                n += newline != NULL;
                data += n;
                len -= n;
        }
}

void line_splitter_flush(LineSplitter *s, LineHandler handler, void *userdata)
{
        if (s->len)
                emit_held(s, false, handler, userdata);
        line_splitter_deinit(s);
}
