#include "recipe/cron.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "recipe/cron-ask.h"
#include "recipe/cron-next.h"
#include "recipe/cron-reply.h"
#include "util/clock.h"
#include "util/macros.h"

/* Reading two clocks takes a little time; what is more is a step. */
#define CLOCK_STEP_USEC (5 * USEC_PER_MSEC)

static void on_session(Cron *c, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                c->attached = true;
                c->under_way = false;
                c->session_id = event->session.id;
                cron_next(c, effects);
                break;
        case SESSION_SUSPENDED:
                c->attached = false;
                c->read_late = true;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                c->attached = c->under_way = c->node_lives = false;
                c->read_late = true;
                if (c->phase == CRON_HELD) {
                        claim_lose(&c->claim, "the session has expired");
                        cron_ask_enter(c, CRON_LOST, effects, "the session has expired");
                }
                break;
        }
}

static void begin_ending(Cron *c, Effects *effects, const char *cause)
{
        cron_ask_enter(c, CRON_ENDING, effects, cause);
        cron_next(c, effects);
}

static void on_start(Cron *c, uint64_t now_usec, Effects *effects)
{
        c->want = true;
        if (c->phase != CRON_IDLE && c->phase != CRON_RELEASED)
                return;
        if (c->now_tick == CRON_NONE)
                c->now_tick = cron_schedule_last(
                        c->rules.schedule, c->rules.zone, cron_next_wall_seconds(c, now_usec));
        cron_ask_enter(c, CRON_SEEKING, effects, "start");
        cron_next(c, effects);
}

static void on_release(Cron *c, Effects *effects)
{
        c->want = false;
        switch (c->phase) {
        case CRON_IDLE:
                cron_next_released(c, effects, "nothing was asked for");
                break;
        case CRON_HELD:
                if (c->claim.state == CLAIM_HELD) /* else EVENT_DEAD is still to come */
                        begin_ending(c, effects, "the run is over");
                break;
        case CRON_SEEKING:
                if (!c->unsure && (!c->attached || !c->under_way))
                        cron_next_released(c, effects, "nothing was claimed");
                break; /* else on the reply */
        case CRON_FAILED: /* what was refused was not made */
                cron_next_released(c, effects, "nothing was claimed");
                break;
        case CRON_RELEASED: /* asked once more, and answered */
                effects_append(effects, EFFECT_RELEASED);
                break;
        case CRON_LOST:
        case CRON_ENDING:
                break;
        }
}

/* The tree of a hold that was lost is dead: from HELD (lease.h has lost it, we learn it here), or from LOST. */
static void on_dead(Cron *c, Effects *effects)
{
        if (c->phase != CRON_LOST && (c->phase != CRON_HELD || c->claim.state != CLAIM_LOST))
                return;
        if (!c->asked_to_yield)
                c->mark = CRON_KILLED;
        begin_ending(c, effects, c->claim.reason);
}

static void on_time(Cron *c, uint64_t now_usec, Effects *effects)
{
        if (c->phase == CRON_HELD && now_usec >= c->timeout_at_usec)
                cron_next_yield(c, CRON_TIMEOUT, "the run takes longer than --timeout", effects);
        if (now_usec >= c->wake_usec && cron_next_is_asking(c)) {
                c->wake_usec = USEC_INFINITY;
                cron_next(c, effects);
        }
}

void cron_step(Cron *c, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_START:
                on_start(c, event->now_usec, effects);
                break;
        case EVENT_REPLY:
                cron_reply_take(c, event, effects);
                break;
        case EVENT_WATCH:
                c->blocked = false;
                c->stirred = c->under_way;
                if (cron_next_is_asking(c))
                        cron_next(c, effects);
                break;
        case EVENT_SESSION:
                on_session(c, event, effects);
                break;
        case EVENT_TIME:
                on_time(c, event->now_usec, effects);
                break;
        case EVENT_DEAD:
                on_dead(c, effects);
                break;
        case EVENT_RELEASE:
                on_release(c, effects);
                break;
        }
}

uint64_t cron_deadline(const Cron *c)
{
        uint64_t timeout = c->phase == CRON_HELD && !c->asked_to_yield ? c->timeout_at_usec : USEC_INFINITY;

        return MIN(timeout, c->attached && !c->under_way && cron_next_is_asking(c) ? c->wake_usec : USEC_INFINITY);
}

void cron_ended(Cron *c, int status)
{
        c->status = status;
        if (c->mark == CRON_UNKNOWN)
                c->mark = CRON_DONE;
}

void cron_set_timing(Cron *c, const Timing *timing)
{
        c->timing = *timing;
}

void cron_set_clock(Cron *c, int64_t realtime_minus_boottime_usec)
{
        int64_t moved = realtime_minus_boottime_usec - c->clock_usec;

        c->clock_usec = realtime_minus_boottime_usec;
        if (c->wake_usec != USEC_INFINITY && (moved > (int64_t)CLOCK_STEP_USEC || moved < -(int64_t)CLOCK_STEP_USEC))
                c->wake_usec = 0; /* the plan was made by another clock */
}

int cron_init(Cron *c, const CronConfig *config)
{
        char parent[ZNODE_PATH_MAX];
        int n, m, r;

        *c = (Cron){.rules = config->rules,
                .timeout_usec = config->timeout_usec,
                .tick_now = config->tick_now,
                .text = config->text,
                .now_tick = CRON_NONE,
                .announced = CRON_NONE,
                .timeout_at_usec = USEC_INFINITY,
                .plan_usec = USEC_INFINITY,
                .wake_usec = USEC_INFINITY};
        n = snprintf(c->book_path, sizeof(c->book_path), "%s/cron/%s", config->root, config->name);
        m = snprintf(c->record_path, sizeof(c->record_path), "%s/record/cron/%s", config->root, config->name);
        if (n + 8 >= ZNODE_PATH_MAX || m + CRON_ID_MAX + 1 >= ZNODE_PATH_MAX)
                return -ENAMETOOLONG;
        snprintf(c->run_path, sizeof(c->run_path), "%.*s/run", n, c->book_path);
        snprintf(c->id, sizeof(c->id), "%.*s", CRON_ID_MAX - 12, config->id);
        parents_init(&c->parents);
        snprintf(parent, sizeof(parent), "%s/cron", config->root);
        r = parents_add(&c->parents, parent);
        if (r < 0)
                return r;
        snprintf(parent, sizeof(parent), "%s/record/cron", config->root);
        return parents_add(&c->parents, parent);
}

void cron_deinit(Cron *c)
{
        parents_deinit(&c->parents);
}
