#include "util/zone.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "util/civil.h"
#include "util/file.h"
#include "util/text.h"
#include "util/zone-rule.h"

#define DIRECTORY "/usr/share/zoneinfo"
#define LOCALTIME "/etc/localtime"
#define FILE_MAX (1 << 20)
#define HEADER_SIZE 44
#define OFFSET_MAX (26 * 3600) /* RFC 8536, 3.2: beyond it a reader need not go */

struct Zone {
        char *name;
        int64_t *times;   /* when it changed, ascending */
        int32_t *offsets; /* n + 1: before the first, and from each on */
        size_t n;
        bool has_rule; /* after the last one */
        ZoneRule rule;
};

/* --- the file ----------------------------------------------------------------------------------- */

typedef struct Block {
        size_t n_utc, n_standard, n_leap, n_times, n_types, n_chars;
        size_t size; /* of all that follows the header */
} Block;

static uint32_t get32(const unsigned char *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get64(const unsigned char *p)
{
        return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

static bool read_header(const unsigned char *p, size_t len, size_t time_size, Block *b)
{
        if (len < HEADER_SIZE || memcmp(p, "TZif", 4) != 0)
                return false;
        *b = (Block){get32(p + 20), get32(p + 24), get32(p + 28), get32(p + 32), get32(p + 36), get32(p + 40), 0};
        if (b->n_utc > 256 || b->n_standard > 256 || b->n_types == 0 || b->n_types > 256 || b->n_leap > 10000 ||
                b->n_times > FILE_MAX || b->n_chars > 10000)
                return false;
        b->size = b->n_times * (time_size + 1) + b->n_types * 6 + b->n_chars + b->n_leap * (time_size + 4) +
                b->n_standard + b->n_utc;
        return len - HEADER_SIZE >= b->size;
}

static int read_changes(Zone *zone, const unsigned char *p, const Block *b, size_t time_size)
{
        const unsigned char *index = p + b->n_times * time_size, *types = index + b->n_times;

        zone->times = calloc(b->n_times + 1, sizeof(*zone->times));
        zone->offsets = calloc(b->n_times + 1, sizeof(*zone->offsets));
        if (!zone->times || !zone->offsets)
                return -ENOMEM;
        zone->offsets[0] = (int32_t)get32(types);
        for (size_t i = 0; i < b->n_times; i++) {
                if (index[i] >= b->n_types)
                        return -EBADMSG;
                zone->times[i] = time_size == 8 ? get64(p + i * 8) : (int32_t)get32(p + i * 4);
                zone->offsets[i + 1] = (int32_t)get32(types + 6 * index[i]);
                if (i && zone->times[i] <= zone->times[i - 1])
                        return -EBADMSG;
        }
        zone->n = b->n_times;
        for (size_t i = 0; i <= zone->n; i++)
                if (zone->offsets[i] < -OFFSET_MAX || zone->offsets[i] > OFFSET_MAX)
                        return -EBADMSG;
        return 0;
}

/* "\nCET-1CEST,M3.5.0,M10.5.0/3\n", empty if nothing is known. */
static int read_footer(Zone *zone, const unsigned char *p, size_t len)
{
        char text[128];
        const unsigned char *end = len > 1 && *p == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;

        if (!end || (size_t)(end - p) > sizeof(text))
                return -EBADMSG;
        snprintf(text, sizeof(text), "%.*s", (int)(end - p - 1), (const char *)p + 1);
        zone->has_rule = text[0] != '\0';
        return zone->has_rule ? zone_rule_parse(&zone->rule, text) : 0;
}

static int read_zone(Zone *zone, const unsigned char *p, size_t len)
{
        size_t time_size = 4;
        Block b;
        int r;

        if (!read_header(p, len, time_size, &b))
                return -EBADMSG;
        if (p[4] >= '2') { /* the same again, with times of 64 bits */
                p += HEADER_SIZE + b.size;
                len -= HEADER_SIZE + b.size;
                time_size = 8;
                if (!read_header(p, len, time_size, &b))
                        return -EBADMSG;
        }
        r = read_changes(zone, p + HEADER_SIZE, &b, time_size);
        if (r == 0 && time_size == 8)
                r = read_footer(zone, p + HEADER_SIZE + b.size, len - HEADER_SIZE - b.size);
        return r;
}

/* --- names -------------------------------------------------------------------------------------- */

static const char *directory(void)
{
        const char *dir = getenv("TZDIR");

        return dir && dir[0] == '/' ? dir : DIRECTORY;
}

/* Whether it stays below the directory of zones. */
static bool is_plain_name(const char *name)
{
        if (name[0] == '\0' || name[0] == '/' || strlen(name) > 128)
                return false;
        for (const char *p = name; *p; p++) {
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/", *p))
                        return false;
        }
        return true; /* without a '.', there is no ".." */
}

static int load(Zone *zone, const char *path)
{
        CLEANUP_STRING data = NULL;
        size_t len;
        int r = file_read(path, FILE_MAX, &data, &len);

        return r < 0 ? r : read_zone(zone, (const unsigned char *)data, len);
}

static int load_named(Zone *zone, const char *name)
{
        char path[PATH_MAX];

        if (!is_plain_name(name))
                return -EINVAL;
        snprintf(path, sizeof(path), "%s/%s", directory(), name);
        return load(zone, path);
}

static int set_utc(Zone *zone)
{
        return zone_rule_parse(&zone->rule, "UTC0") < 0 ? -EINVAL : (zone->has_rule = true, 0);
}

static int load_host(Zone *zone)
{
        const char *tz = getenv("TZ");
        int r;

        if (tz && *tz == ':')
                tz++;
        if (tz && *tz == '\0')
                return set_utc(zone);
        if (tz) {
                r = *tz == '/' ? load(zone, tz) : load_named(zone, tz);
                if (r == 0 || *tz == '/')
                        return r;
                zone->has_rule = zone_rule_parse(&zone->rule, tz) == 0;
                return zone->has_rule ? 0 : -EINVAL;
        }
        r = load(zone, LOCALTIME);
        return r == -ENOENT ? set_utc(zone) : r;
}

static char *host_name(void)
{
        const char *tz = getenv("TZ"), *base;
        char target[PATH_MAX];
        ssize_t n;

        if (tz)
                return strdup(*tz == ':' ? tz + 1 : *tz ? tz : "UTC");
        n = readlink(LOCALTIME, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        base = strstr(target, "zoneinfo/");
        return strdup(base ? base + strlen("zoneinfo/") : n < 0 ? "UTC" : "localtime");
}

int zone_new(Zone **out, const char *name, char *problem, size_t problem_size)
{
        CLEANUP(zone_free) Zone *zone = calloc(1, sizeof(*zone));
        int r;

        if (zone)
                zone->name = name ? strdup(name) : host_name();
        if (!zone || !zone->name) {
                snprintf(problem, problem_size, "out of memory");
                return -ENOMEM;
        }
        r = !name ? load_host(zone) : strcmp(name, "UTC") == 0 ? set_utc(zone) : load_named(zone, name);
        if (r < 0) {
                snprintf(problem, problem_size, "time zone '%s' is not known here (looked %s%s): write a name like "
                                                "Europe/Berlin, and see that the package tzdata is installed",
                        zone->name, name ? "below " : getenv("TZ") ? "at $TZ and below " : "at " LOCALTIME ", ",
                        name || getenv("TZ") ? directory() : strerror(-r));
                return r;
        }
        *out = TAKE(zone);
        return 0;
}

Zone *zone_free(Zone *zone)
{
        if (!zone)
                return NULL;
        free(zone->offsets);
        free(zone->times);
        free(zone->name);
        free(zone);
        return NULL;
}

const char *zone_name(const Zone *zone)
{
        return zone->name;
}

/* --- spans -------------------------------------------------------------------------------------- */

/* By the rule. A zone whose change is at the turn of the year may have it in the year before or after. */
static ZoneSpan span_by_rule(const ZoneRule *rule, int64_t t)
{
        ZoneSpan span = {.from = INT64_MIN, .to = INT64_MAX, .offset = rule->standard};
        int64_t year = civil_from_days(civil_floor(t, SECONDS_PER_DAY)).year, begin, end;

        if (!rule->has_saving)
                return span;
        for (int64_t y = year - 2; y <= year + 2; y++) {
                zone_rule_changes(rule, y, &begin, &end);
                if (begin <= t && begin >= span.from) {
                        span.from = begin;
                        span.offset = rule->saving;
                }
                if (end <= t && end > span.from) { /* saved all the year: it ends when it begins */
                        span.from = end;
                        span.offset = rule->standard;
                }
                if (begin > t)
                        span.to = MIN(span.to, begin);
                if (end > t)
                        span.to = MIN(span.to, end);
        }
        return span;
}

ZoneSpan zone_span(const Zone *zone, int64_t t)
{
        size_t low = 0, high = zone->n; /* how many changes are at or before t */
        ZoneSpan span;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (zone->times[middle] <= t)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == zone->n && zone->has_rule) {
                span = span_by_rule(&zone->rule, t);
                if (low)
                        span.from = MAX(span.from, zone->times[low - 1]);
                return span;
        }
        return (ZoneSpan){.from = low ? zone->times[low - 1] : INT64_MIN,
                .to = low < zone->n ? zone->times[low] : INT64_MAX,
                .offset = zone->offsets[low]};
}
