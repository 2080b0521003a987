/* When a job is due: the five fields of cron, @daily and the like, and "@every DURATION". A tick is a
 * second since the epoch. Pure: the same schedule and the same zone give the same ticks on every host.
 *
 *   minute 0-59, hour 0-23, day of month 1-31, month 1-12 or jan-dec, day of week 0-7 or sun-sat;
 *   each a list of '*', 'a' or 'a-b', and 'star/n' or 'a-b/n'. 0 and 7 are Sunday.
 *
 * Where day of month and day of week are both restricted, that is neither begins with '*', a day that is
 * one of either will do; else it must be both.
 *
 * When clocks change by less than three hours, cron(8) says: jobs for a certain time (neither minute nor
 * hour begins with '*') that fall into a skipped hour run right after the change, and in a repeated
 * hour run once, the first time; other jobs follow the clock, so they do not run in an hour that is not
 * there and run twice in one that comes twice. Several times of one job in a skipped hour are one tick.
 * Greater changes are corrections, and mean nothing special. @every does not know of zones: its ticks
 * are the multiples of the duration since 1970.
 *
 * Ticks before 1970 do not exist. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/zone.h"

#define CRON_SCHEDULE_TEXT_MAX 256
#define CRON_SCHEDULE_NEVER INT64_MAX

typedef struct CronSchedule {
        char text[CRON_SCHEDULE_TEXT_MAX]; /* as written, with one space between fields */
        int64_t every;                     /* seconds; 0: fields */
        uint64_t minutes, hours, days, months, weekdays; /* bit n: n will do; Sunday is bit 0 */
        bool either_day;                   /* one of days and weekdays will do */
        bool follows_clock;                /* minute or hour begins with '*' */
} CronSchedule;

/* Returns 0, or -EINVAL with a sentence in PROBLEM that names the field, its text and what is allowed. A
 * schedule that never comes, as on 30 February, is refused. */
int cron_schedule_parse(CronSchedule *schedule, const char *text, char *problem, size_t problem_size);

/* The first tick after T, CRON_SCHEDULE_NEVER if none comes within a hundred years. */
int64_t cron_schedule_next(const CronSchedule *schedule, const Zone *zone, int64_t t);
/* The latest tick at or before T; -1 if there was none since 1970. */
int64_t cron_schedule_last(const CronSchedule *schedule, const Zone *zone, int64_t t);
/* How many ticks are after FROM and before TO; counts no further than LIMIT. */
uint64_t cron_schedule_count(
        const CronSchedule *schedule, const Zone *zone, int64_t from, int64_t to, uint64_t limit);

#define CRON_TICK_STRING_MAX 40
/* "2026-03-29 03:00:00 +0200": local time. Returns BUF. */
const char *cron_tick_to_string(int64_t tick, const Zone *zone, char buf[CRON_TICK_STRING_MAX]);
