/* Schedules and rules of time zones, as people write them; the book of a job, as others may have left it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "recipe/cron-plan.h"
#include "util/clock.h"
#include "util/zone-rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

static void schedule(const char *text, const Zone *zone, int64_t from)
{
        CronSchedule s, again;
        char problem[512] = "";
        int64_t next, t = from;

        if (cron_schedule_parse(&s, text, problem, sizeof(problem)) < 0) {
                CHECK(strlen(problem) > 0);
                return;
        }
        CHECK(cron_schedule_parse(&again, s.text, problem, sizeof(problem)) == 0);
        for (int i = 0; i < 3; i++, t = next) {
                next = cron_schedule_next(&s, zone, t);
                CHECK(next > t);
                if (next == CRON_SCHEDULE_NEVER) /* only a time that is skipped every year */
                        return;
                CHECK(next == cron_schedule_next(&again, zone, t));
                CHECK(cron_schedule_last(&s, zone, next) == next);
                CHECK(cron_schedule_last(&s, zone, next - 1) <= t);
        }
}

static void rule(const char *text)
{
        ZoneRule r;
        int64_t begin, end;

        if (zone_rule_parse(&r, text) < 0 || !r.has_saving)
                return;
        for (int64_t year = 1970; year < 2100; year += 13)
                zone_rule_changes(&r, year, &begin, &end);
}

static uint64_t accounted(const CronBook *b)
{
        uint64_t n = (cron_book_running(b) != NULL) + (b->queued >= 0);

        for (int i = CRON_RUNNING + 1; i < CRON_MARKS; i++)
                n += b->totals[i];
        return n;
}

/* What is read can be written and read again; and whatever is planned by it, each tick is counted once. */
static void book(const uint8_t *data, size_t size, const Zone *zone)
{
        char text[CRON_BOOK_TEXT_MAX], again[CRON_BOOK_TEXT_MAX], problem[512];
        CronBook b, copy;
        CronSchedule s;
        size_t n;

        if (cron_book_parse(&b, data, size, problem, sizeof(problem)) < 0)
                return;
        n = cron_book_to_string(&b, text);
        CHECK(cron_book_parse(&copy, text, n, problem, sizeof(problem)) == 0);
        CHECK(cron_book_to_string(&copy, again) == n && memcmp(text, again, n) == 0);
        CHECK(cron_schedule_parse(&s, "@every 10s", problem, sizeof(problem)) == 0);
        for (int overlap = CRON_OVERLAP_SKIP; overlap <= CRON_OVERLAP_KILL; overlap++) {
                CronRules rules = {.schedule = &s, .zone = zone, .overlap = (enum CronOverlap)overlap, .late_usec = 0};
                int64_t now = b.last - b.last % 10 + 40, last = b.last - b.last % 10;
                uint64_t before;

                copy = b;
                copy.last = last;
                before = accounted(&copy);
                if (now >= INT32_MAX ||
                        cron_plan(&rules, (uint64_t)now * USEC_PER_SEC, "id", "host", &copy).kind == CRON_PLAN_WAIT)
                        continue;
                CHECK(accounted(&copy) - before == (uint64_t)(copy.last - last) / 10);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static Zone *zones[2];
        CLEANUP_STRING text = malloc(size + 1);
        char problem[512];

        memcpy(text, data, size);
        text[size] = '\0';
        if (!zones[0] && (zone_new(&zones[0], "UTC", problem, sizeof(problem)) < 0 ||
                                 zone_new(&zones[1], "Europe/Berlin", problem, sizeof(problem)) < 0))
                abort();
        schedule(text, zones[0], 1772323199);
        schedule(text, zones[1], 1774652400);
        rule(text);
        book(data, size, zones[0]);
        return 0;
}
