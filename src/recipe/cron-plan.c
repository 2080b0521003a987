#include "recipe/cron-plan.h"

#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/random.h"

/* After a silence of years, every second: the count is a number for people. */
#define COUNT_MAX 100000
#define LATE_MAX_USEC (60 * USEC_PER_SEC)

static uint64_t jitter(const CronRules *rules, int64_t tick)
{
        Random random;

        random_init(&random, rules->seed ^ (uint64_t)tick);
        return random_below(&random, rules->jitter_usec);
}

/* When TICK is to be tried, on the wall clock. */
static uint64_t due_usec(const CronRules *rules, int64_t tick)
{
        return (uint64_t)tick * USEC_PER_SEC + jitter(rules, tick);
}

static bool is_too_late(const CronRules *rules, int64_t tick, uint64_t now_usec)
{
        uint64_t limit = rules->late_usec;

        if (limit == CRON_LATE_DEFAULT) {
                int64_t next = cron_schedule_next(rules->schedule, rules->zone, tick);

                limit = next == CRON_SCHEDULE_NEVER ? LATE_MAX_USEC :
                                                      MIN(LATE_MAX_USEC, (uint64_t)(next - tick) * USEC_PER_SEC / 2);
        }
        return now_usec > usec_add(due_usec(rules, tick), limit);
}

void cron_plan_first_book(const CronRules *rules, uint64_t now_usec, bool tick_now, CronBook *book)
{
        int64_t tick = cron_schedule_last(rules->schedule, rules->zone, (int64_t)(now_usec / USEC_PER_SEC));

        if (tick_now && tick > 0 && !is_too_late(rules, tick, now_usec))
                tick = cron_schedule_last(rules->schedule, rules->zone, tick - 1);
        cron_book_init(book, MAX(tick, 0));
}

/* Notes the ticks after book->last and before TICK, which is the new last one. */
static void pass_over(const CronRules *rules, CronBook *book, enum CronMark mark, int64_t tick)
{
        int64_t first = cron_schedule_next(rules->schedule, rules->zone, book->last);
        uint64_t n = cron_schedule_count(rules->schedule, rules->zone, book->last, tick, COUNT_MAX);

        if (n)
                cron_book_note(book, mark, first, cron_schedule_last(rules->schedule, rules->zone, tick - 1), n);
        book->last = tick;
}

static void overlap(const CronRules *rules, CronBook *book, int64_t tick)
{
        const CronEntry *running = cron_book_running(book);

        pass_over(rules, book, CRON_SKIPPED, tick);
        switch (rules->overlap) {
        case CRON_OVERLAP_SKIP:
                cron_book_note(book, CRON_SKIPPED, tick, tick, 1);
                return;
        case CRON_OVERLAP_KILL:
                running = cron_book_running(book);
                strcpy(book->stop, running->id);
                break;
        case CRON_OVERLAP_QUEUE:
                break;
        }
        if (book->queued < 0)
                book->queued = tick;
        else
                cron_book_note(book, CRON_SKIPPED, tick, tick, 1);
}

static CronPlan run_tick(CronBook *book, int64_t tick, uint64_t now_usec, const char *id, const char *host)
{
        cron_book_begin(book, tick, (int64_t)(now_usec / USEC_PER_SEC), id, host);
        return (CronPlan){.kind = CRON_PLAN_RUN, .tick = tick};
}

static CronPlan wait_for(const CronRules *rules, int64_t tick)
{
        if (tick == CRON_SCHEDULE_NEVER)
                return (CronPlan){.kind = CRON_PLAN_WAIT, .tick = tick, .when_usec = USEC_INFINITY};
        return (CronPlan){.kind = CRON_PLAN_WAIT, .tick = tick, .when_usec = due_usec(rules, tick)};
}

CronPlan cron_plan(const CronRules *rules, uint64_t now_usec, const char *id, const char *host, CronBook *book)
{
        int64_t now = (int64_t)(now_usec / USEC_PER_SEC), newest, tick;

        snprintf(book->schedule, sizeof(book->schedule), "%s", rules->schedule->text);
        snprintf(book->zone, sizeof(book->zone), "%s", zone_name(rules->zone));
        if (book->queued >= 0 && !cron_book_running(book)) {
                tick = book->queued;
                book->queued = CRON_NONE;
                return run_tick(book, tick, now_usec, id, host);
        }
        newest = cron_schedule_last(rules->schedule, rules->zone, now);
        if (newest <= book->last)
                return wait_for(rules, cron_schedule_next(rules->schedule, rules->zone, MAX(now, book->last)));
        if (now_usec < due_usec(rules, newest))
                return wait_for(rules, newest);
        if (cron_book_running(book)) {
                overlap(rules, book, newest);
                return (CronPlan){.kind = CRON_PLAN_NOTE, .tick = newest};
        }
        pass_over(rules, book, CRON_MISSED, newest);
        if (!is_too_late(rules, newest, now_usec))
                return run_tick(book, newest, now_usec, id, host);
        cron_book_note(book, CRON_MISSED, newest, newest, 1);
        return (CronPlan){.kind = CRON_PLAN_NOTE, .tick = newest};
}
