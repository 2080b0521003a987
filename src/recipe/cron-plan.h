/* What to do about a job now: a function of its book, its schedule and the clock. Knows nothing of the
 * ensemble: whether the plan comes true is decided by whoever writes the book first. */
#pragma once

#include "recipe/cron-book.h"

enum CronOverlap {
        CRON_OVERLAP_SKIP,  /* a tick during a run is skipped */
        CRON_OVERLAP_QUEUE, /* one waits until the run is over, further ones are skipped */
        CRON_OVERLAP_KILL,  /* the run is asked to stop, and the tick waits until it has */
};

typedef struct CronRules {
        const CronSchedule *schedule;
        const Zone *zone;
        enum CronOverlap overlap;
        uint64_t late_usec;   /* how late a tick may begin; CRON_LATE_DEFAULT */
        uint64_t jitter_usec; /* a tick is tried this much later at most ... */
        uint64_t seed;        /* ... by what this says */
} CronRules;

/* A minute, or half the time to the next tick if that is less. */
#define CRON_LATE_DEFAULT (UINT64_MAX - 1)

enum CronPlanKind {
        CRON_PLAN_WAIT, /* until when_usec; the book stays as it is */
        CRON_PLAN_NOTE, /* write the book, then plan again */
        CRON_PLAN_RUN,  /* write the book together with the claim, then run the tick */
};

typedef struct CronPlan {
        enum CronPlanKind kind;
        uint64_t when_usec; /* wall clock, since the epoch */
        int64_t tick;       /* WAIT: the next one; RUN: this one. CRON_SCHEDULE_NEVER: none */
} CronPlan;

/* A book for a job that has none yet. NOW_USEC is the wall clock. With TICK_NOW the tick that has just
 * passed is still to be run, if it is not too late; otherwise those to come. */
void cron_plan_first_book(const CronRules *rules, uint64_t now_usec, bool tick_now, CronBook *book);

/* Changes BOOK into what is to be written. A run of ID on HOST begins at NOW_USEC, if it does. */
CronPlan cron_plan(const CronRules *rules, uint64_t now_usec, const char *id, const char *host, CronBook *book);
