#include "unit/line-ring.h"

#include <string.h>

#define ROOM_MIN 1024

struct LineRing {
        unsigned references;
        uint64_t total;
        size_t n; /* lines in it */
        char *data;
        size_t room, start, len;
};

LineRing *line_ring_new(void)
{
        LineRing *ring = calloc(1, sizeof(*ring));

        if (ring)
                ring->references = 1;
        return ring;
}

LineRing *line_ring_ref(LineRing *ring)
{
        ring->references++;
        return ring;
}

LineRing *line_ring_unref(LineRing *ring)
{
        if (ring && --ring->references == 0) {
                free(ring->data);
                free(ring);
        }
        return NULL;
}

/* The bytes from OFFSET on that lie together; at most LEN. */
static size_t stretch(const LineRing *ring, size_t offset, size_t len, size_t *at)
{
        *at = (ring->start + offset) % ring->room;
        return MIN(len, ring->room - *at);
}

static void copy_out(const LineRing *ring, size_t offset, char *to, size_t len)
{
        while (len) {
                size_t at, n = stretch(ring, offset, len, &at);

                memcpy(to, ring->data + at, n);
                to += n;
                offset += n;
                len -= n;
        }
}

static void copy_in(LineRing *ring, const char *from, size_t len)
{
        while (len) {
                size_t at, n = stretch(ring, ring->len, len, &at);

                memcpy(ring->data + at, from, n);
                from += n;
                ring->len += n;
                len -= n;
        }
}

static void forget_oldest(LineRing *ring)
{
        size_t at, n, skip = 0;
        const char *end = NULL;

        while (!end && skip < ring->len) {
                n = stretch(ring, skip, ring->len - skip, &at);
                end = memchr(ring->data + at, '\n', n);
                skip += end ? (size_t)(end - ring->data) - at + 1 : n;
        }
        ring->start = (ring->start + skip) % ring->room;
        ring->len -= skip;
        ring->n--;
}

/* More room, as long as there is memory and the bound is not reached. */
static void grow(LineRing *ring, size_t need)
{
        size_t room = ring->room ? ring->room : ROOM_MIN;
        char *data;

        while (room < need && room < LINE_RING_MAX)
                room *= 2;
        if (room == ring->room)
                return;
        data = malloc(room);
        if (!data)
                return;
        if (ring->room)
                copy_out(ring, 0, data, ring->len);
        free(ring->data);
        ring->data = data;
        ring->room = room;
        ring->start = 0;
}

void line_ring_add(LineRing *ring, const char *line, size_t len)
{
        ring->total++;
        if (ring->len + len + 1 > ring->room)
                grow(ring, ring->len + len + 1);
        if (len + 1 > ring->room)
                return;
        while (ring->len + len + 1 > ring->room)
                forget_oldest(ring);
        copy_in(ring, line, len);
        copy_in(ring, "\n", 1);
        ring->n++;
}

uint64_t line_ring_total(const LineRing *ring)
{
        return ring->total;
}

void line_ring_set_total(LineRing *ring, uint64_t total)
{
        ring->total = total;
}

/* The length of the character of UTF-8 that begins here, 0: none does (RFC 3629, section 4). */
static size_t character_length(const unsigned char *p, size_t len)
{
        size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;

        if (p[0] == 0 || (p[0] >= 0x80 && p[0] < 0xC2) || p[0] > 0xF4 || n > len)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
                (p[0] == 0xF4 && p[1] > 0x8F))
                return 0;
        return n;
}

static void append_utf8(TextBuffer *text, const char *data, size_t len)
{
        size_t good = 0;

        while (good < len) {
                size_t n = character_length((const unsigned char *)data + good, len - good);

                if (n) {
                        good += n;
                        continue;
                }
                text_buffer_append(text, data, good);
                text_buffer_puts(text, "?");
                data += good + 1;
                len -= good + 1;
                good = 0;
        }
        text_buffer_append(text, data, len);
}

size_t line_ring_tail(const LineRing *ring, size_t n, TextBuffer *text)
{
        char *all;
        const char *from;

        if (ring->n == 0)
                return 0;
        all = malloc(ring->len);
        if (!all)
                return 0;
        copy_out(ring, 0, all, ring->len);
        from = all;
        for (size_t skip = ring->n > n ? ring->n - n : 0; skip; skip--)
                from = (const char *)memchr(from, '\n', ring->len - (size_t)(from - all)) + 1;
        append_utf8(text, from, ring->len - (size_t)(from - all));
        free(all);
        return MIN(n, ring->n);
}
