#include "recipe/cron-schedule.h"

#include <stdio.h>
#include "util/civil.h"

/* 29 February and a step of weekdays that must both fit: 40 years, across 2100. */
#define YEARS_MAX 100
#define CORRECTION (3 * 3600) /* a change of the clock from which on it means nothing special */

static bool is_day(const CronSchedule *s, int64_t days, int day)
{
        bool of_month = s->days & 1ULL << day, of_week = s->weekdays & 1ULL << civil_weekday(days);

        return s->either_day ? of_month || of_week : of_month && of_week;
}

static int lowest_from(uint64_t bits, int from)
{
        bits &= ~0ULL << from;
        return bits ? __builtin_ctzll(bits) : -1;
}

/* The first minute of the day at or after MINUTE, -1 if none. */
static int minute_of_day(const CronSchedule *s, int minute)
{
        int hour = minute / 60, h = lowest_from(s->hours, hour), m;

        if (h == hour) {
                m = lowest_from(s->minutes, minute % 60);
                if (m >= 0)
                        return h * 60 + m;
                h = lowest_from(s->hours, hour + 1);
        }
        return h < 0 ? -1 : h * 60 + lowest_from(s->minutes, 0);
}

/* The first matching local time at or after LOCAL and before END, in seconds as if there were no zones;
 * CRON_SCHEDULE_NEVER if none. */
static int64_t next_local(const CronSchedule *s, int64_t local, int64_t end)
{
        int64_t up = civil_floor(local + 59, 60), days = civil_floor(up, 1440);
        int minute = (int)(up - days * 1440);
        CivilDate date = civil_from_days(days);

        while (days < end / SECONDS_PER_DAY + 1) {
                int found = -1;

                if (!(s->months & 1ULL << date.month)) {
                        days += civil_days_of_month(date.year, date.month) - date.day + 1;
                        date = (CivilDate){date.year + (date.month == 12), date.month % 12 + 1, 1};
                        minute = 0;
                        continue;
                }
                if (is_day(s, days, date.day))
                        found = minute_of_day(s, minute);
                if (found >= 0) {
                        local = days * SECONDS_PER_DAY + found * 60;
                        return local < end ? local : CRON_SCHEDULE_NEVER;
                }
                days++;
                minute = 0;
                if (++date.day > civil_days_of_month(date.year, date.month))
                        date = (CivilDate){date.year + (date.month == 12), date.month % 12 + 1, 1};
        }
        return CRON_SCHEDULE_NEVER;
}

/* The first tick at or after T within SPAN and before END. GAP: how much local time went forward at its
 * begin, negative: back. */
static int64_t next_in_span(const CronSchedule *s, const ZoneSpan *span, int32_t gap, int64_t t, int64_t end)
{
        int64_t local = t + span->offset, begin = span->from + span->offset, found;

        if (!s->follows_clock && gap > 0 && gap < CORRECTION && t == span->from &&
                next_local(s, begin - gap, begin) != CRON_SCHEDULE_NEVER)
                return t; /* what was skipped comes now */
        if (!s->follows_clock && gap < 0 && gap > -CORRECTION && local < begin - gap)
                local = begin - gap; /* what is repeated has been */
        found = next_local(s, local, (span->to < end ? span->to : end) + span->offset);
        return found == CRON_SCHEDULE_NEVER ? found : found - span->offset;
}

static int32_t gap_before(const Zone *zone, const ZoneSpan *span)
{
        return span->from == INT64_MIN ? 0 : span->offset - zone_span(zone, span->from - 1).offset;
}

int64_t cron_schedule_next(const CronSchedule *s, const Zone *zone, int64_t t)
{
        int64_t end = t + (int64_t)YEARS_MAX * 366 * SECONDS_PER_DAY, found = CRON_SCHEDULE_NEVER;

        if (t < -1)
                t = -1;
        if (s->every)
                return (civil_floor(t, s->every) + 1) * s->every;
        for (t++; found == CRON_SCHEDULE_NEVER && t < end;) {
                ZoneSpan span = zone_span(zone, t);

                found = next_in_span(s, &span, gap_before(zone, &span), t, end);
                t = span.to;
        }
        return found;
}

int64_t cron_schedule_last(const CronSchedule *s, const Zone *zone, int64_t t)
{
        int64_t low, high = t, step = 60;

        if (s->every)
                return t < 0 ? -1 : t / s->every * s->every;
        /* next(x) <= t holds for x below the latest tick and for no other. */
        for (low = t - step; low >= 0 && cron_schedule_next(s, zone, low) > t; low = t - step) {
                high = low;
                step *= 8;
        }
        if (low < 0) {
                low = -1;
                if (t < 0 || cron_schedule_next(s, zone, low) > t)
                        return -1;
        }
        while (high - low > 1) {
                int64_t middle = low + (high - low) / 2;

                if (cron_schedule_next(s, zone, middle) <= t)
                        low = middle;
                else
                        high = middle;
        }
        return low + 1;
}

uint64_t cron_schedule_count(const CronSchedule *s, const Zone *zone, int64_t from, int64_t to, uint64_t limit)
{
        uint64_t n = 0;

        if (s->every) {
                int64_t first = cron_schedule_next(s, zone, from);

                n = first < to ? (uint64_t)((to - 1 - first) / s->every) + 1 : 0;
                return n < limit ? n : limit;
        }
        while (n < limit && (from = cron_schedule_next(s, zone, from)) < to)
                n++;
        return n;
}

const char *cron_tick_to_string(int64_t tick, const Zone *zone, char buf[CRON_TICK_STRING_MAX])
{
        int32_t offset = zone_span(zone, tick).offset;
        int64_t local = tick + offset, days = civil_floor(local, SECONDS_PER_DAY);
        int second = (int)(local - days * SECONDS_PER_DAY), east = offset < 0 ? -offset : offset;
        CivilDate date = civil_from_days(days);

        snprintf(buf, CRON_TICK_STRING_MAX, "%04d-%02d-%02d %02d:%02d:%02d %c%02d%02d", (int)date.year,
                date.month, date.day, second / 3600, second / 60 % 60, second % 60, offset < 0 ? '-' : '+', east / 3600, east / 60 % 60);
        return buf;
}
