#include "recipe/cron-next.h"

#include <stdio.h>
#include <string.h>
#include "recipe/cron-ask.h"
#include "util/clock.h"
#include "util/macros.h"

#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC

uint64_t cron_next_wall_usec(const Cron *c, uint64_t now_usec)
{
        return (uint64_t)((int64_t)now_usec + c->clock_usec);
}

int64_t cron_next_wall_seconds(const Cron *c, uint64_t now_usec)
{
        return (int64_t)(cron_next_wall_usec(c, now_usec) / USEC_PER_SEC);
}

static uint64_t boottime_usec(const Cron *c, uint64_t when_usec)
{
        int64_t t = when_usec == USEC_INFINITY ? INT64_MAX : (int64_t)when_usec - c->clock_usec;

        return when_usec == USEC_INFINITY ? USEC_INFINITY : t < 0 ? 0 : (uint64_t)t;
}

/* --- what is told ------------------------------------------------------------------------------- */

void cron_next_released(Cron *c, Effects *effects, const char *cause)
{
        cron_ask_enter(c, CRON_RELEASED, effects, cause);
        effects_append(effects, EFFECT_RELEASED);
}

void cron_next_fail(Cron *c, Effects *effects, enum Outcome outcome, const char *path, const char *what)
{
        Effect *effect;

        cron_ask_enter(c, CRON_FAILED, effects, outcome_to_string(outcome));
        effect = effects_append(effects, EFFECT_FAILED);
        effect->failed.outcome = outcome;
        snprintf(effect->failed.text, sizeof(effect->failed.text), "%.120s%s%s", path, path[0] ? ": " : "", what);
}

static const char *tick_string(const Cron *c, int64_t tick, char buf[CRON_TICK_STRING_MAX])
{
        return cron_tick_to_string(tick, c->rules.zone, buf);
}

void cron_next_announce(Cron *c, const CronEntry *running, int64_t tick, Effects *effects)
{
        char a[CRON_TICK_STRING_MAX];
        Effect *effect;

        tick = running ? running->tick : tick;
        if (c->announced == tick)
                return;
        c->announced = tick;
        effect = effects_append(effects, EFFECT_WAITING);
        effect->waiting.first = true;
        if (running)
                snprintf(effect->waiting.text, sizeof(effect->waiting.text), "the run of %s on %s is under way",
                        tick_string(c, tick, a), running->host);
        else if (tick == CRON_SCHEDULE_NEVER)
                snprintf(effect->waiting.text, sizeof(effect->waiting.text), "the schedule has no tick any more");
        else
                snprintf(effect->waiting.text, sizeof(effect->waiting.text), "the next tick is %s",
                        tick_string(c, tick, a));
}

/* With tick_now: nothing (more) to run. */
static void finish(Cron *c, Effects *effects)
{
        const CronEntry *e = cron_book_find(&c->book, c->now_tick), *running = cron_book_running(&c->book);
        char a[CRON_TICK_STRING_MAX], b[CRON_TICK_STRING_MAX], text[200];

        tick_string(c, c->now_tick, a);
        if (c->had_turn)
                snprintf(text, sizeof(text), "tick %s was run here", a);
        else if (!e)
                snprintf(text, sizeof(text), "tick %s was dealt with before", a);
        else if (e->mark == CRON_RUNNING)
                snprintf(text, sizeof(text), "tick %s is being run by %s", a, e->host);
        else if (e->mark == CRON_MISSED)
                snprintf(text, sizeof(text), "tick %s is too long ago to be run now", a);
        else if (e->mark == CRON_SKIPPED && running)
                snprintf(text, sizeof(text), "tick %s is skipped: the run of %s on %s is under way", a,
                        tick_string(c, running->tick, b), running->host);
        else if (e->mark == CRON_SKIPPED)
                snprintf(text, sizeof(text), "tick %s was skipped: another run was under way", a);
        else
                snprintf(text, sizeof(text), "tick %s was run by %s: %s, status %d", a, e->host,
                        cron_mark_to_string(e->mark), e->status);
        cron_next_fail(c, effects, OUTCOME_OK, "", text);
}

void cron_next_yield(Cron *c, enum CronMark mark, const char *text, Effects *effects)
{
        if (c->asked_to_yield)
                return;
        c->asked_to_yield = true;
        c->mark = mark;
        snprintf(effects_append(effects, EFFECT_YIELD)->yield.text, sizeof((Effect){0}.yield.text), "%s", text);
}

/* --- what to do next ---------------------------------------------------------------------------- */

/* The phases in which nothing is asked any more pass over what comes late. */
bool cron_next_is_asking(const Cron *c)
{
        return c->phase == CRON_SEEKING || c->phase == CRON_HELD || c->phase == CRON_ENDING;
}

void cron_next(Cron *c, Effects *effects)
{
        if (!c->attached || c->under_way)
                return; /* on ATTACHED, or on the reply */
        switch (c->phase) {
        case CRON_SEEKING:
                if (!c->want && !c->unsure) {
                        cron_next_released(c, effects, "not wanted any more");
                        break;
                }
                cron_ask_read(c, effects);
                break;
        case CRON_HELD:
        case CRON_ENDING:
                cron_ask_read(c, effects);
                break;
        case CRON_IDLE:
        case CRON_LOST:
        case CRON_RELEASED:
        case CRON_FAILED:
                break;
        }
}

/* Something changed nothing, or a reply settles nothing: again, a little later. */
void cron_next_later(Cron *c, uint64_t now_usec)
{
        unsigned doublings = MIN(c->retries, 6U);

        c->retries++;
        c->wake_usec = now_usec + MIN(RETRY_USEC << doublings, RETRY_MAX_USEC);
}

static void claim_tick(Cron *c, int64_t tick, Effects *effects)
{
        c->tick = tick;
        c->mark = CRON_UNKNOWN;
        c->status = CRON_NONE;
        c->asked_to_yield = false;
        if (cron_ask_claim(c, effects) < 0)
                cron_next_fail(c, effects, OUTCOME_REFUSED, c->record_path, "the name is too long");
}

/* Nothing to be done before the clock says so, or the run under way ends. */
static void rest(Cron *c, const CronPlan *plan, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);
        bool to_come = plan->kind == CRON_PLAN_RUN || c->book.queued >= 0 ||
                plan->tick <= cron_next_wall_seconds(c, now_usec);

        if (c->tick_now && !to_come) {
                finish(c, effects);
                return;
        }
        c->plan_usec = plan->kind == CRON_PLAN_WAIT ? boottime_usec(c, plan->when_usec) : now_usec + RETRY_MAX_USEC;
        c->wake_usec = c->plan_usec;
        if (running || c->blocked) {
                cron_ask_look(c, effects); /* whether its host lives */
                return;
        }
        c->retries = 0;
        if (plan->tick > cron_next_wall_seconds(c, now_usec) + ANNOUNCE_SECONDS)
                cron_next_announce(c, NULL, plan->tick, effects);
}

static void seek(Cron *c, uint64_t now_usec, Effects *effects)
{
        CronPlan plan;

        if (c->tick_now && c->had_turn) {
                finish(c, effects);
                return;
        }
        c->draft = c->book;
        snprintf(c->run_id, sizeof(c->run_id), "%s-%u", c->id, c->attempts);
        plan = cron_plan(&c->rules, cron_next_wall_usec(c, now_usec), c->run_id, c->text.host, &c->draft);
        switch (plan.kind) {
        case CRON_PLAN_NOTE:
                cron_ask_note(c, effects);
                break;
        case CRON_PLAN_RUN:
                if (c->blocked) {
                        rest(c, &plan, now_usec, effects);
                        break;
                }
                c->attempts++;
                claim_tick(c, plan.tick, effects);
                break;
        case CRON_PLAN_WAIT:
                rest(c, &plan, now_usec, effects);
                break;
        }
}

/* While our run is under way: it may be asked to stop, and ticks go by. */
static void hold(Cron *c, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);
        CronPlan plan;

        if (!running || strcmp(running->id, c->run_id) != 0)
                return; /* taken from us: the next renewal will tell */
        if (strcmp(c->book.stop, c->run_id) == 0)
                cron_next_yield(c, CRON_KILLED, "the next tick is due", effects);
        c->draft = c->book;
        plan = cron_plan(&c->rules, cron_next_wall_usec(c, now_usec), c->run_id, c->text.host, &c->draft);
        if (plan.kind == CRON_PLAN_NOTE)
                cron_ask_note(c, effects);
        else
                c->wake_usec = boottime_usec(c, plan.when_usec);
}

void cron_next_ended(Cron *c, Effects *effects, const char *cause)
{
        c->claim.state = CLAIM_NONE;
        c->had_turn = true;
        c->retries = 0;
        if (!c->want) {
                cron_next_released(c, effects, cause);
                return;
        }
        cron_ask_enter(c, CRON_SEEKING, effects, cause);
        cron_next(c, effects);
}

void cron_next_end(Cron *c, uint64_t now_usec, Effects *effects)
{
        if (!c->book_done) {
                c->draft = c->book;
                c->book_done = !cron_book_end(
                        &c->draft, c->run_id, c->mark, cron_next_wall_seconds(c, now_usec), c->status);
        }
        if (!c->book_done || !c->grant_gone)
                cron_ask_end(c, effects);
        else if (c->node_lives && !c->claim.node_gone)
                cron_ask_look(c, effects);
        else
                cron_next_ended(c, effects, "nothing of the run is left");
}

/* Whether the claim whose reply was lost was applied; then it is undone: nothing has run under it. */
static bool undo(Cron *c, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->unsure = running && strcmp(running->id, c->run_id) == 0;
        if (!c->unsure)
                return false;
        c->draft = c->book;
        (void)cron_book_undo(&c->draft, c->run_id);
        c->book_done = false;
        cron_ask_end(c, effects);
        return true;
}

/* The book was read. */
void cron_next_consider(Cron *c, uint64_t now_usec, Effects *effects)
{
        switch (c->phase) {
        case CRON_SEEKING:
                if (c->unsure && undo(c, effects))
                        break;
                if (c->want)
                        seek(c, now_usec, effects);
                else
                        cron_next_released(c, effects, "not wanted any more");
                break;
        case CRON_HELD:
                hold(c, now_usec, effects);
                break;
        case CRON_ENDING:
                cron_next_end(c, now_usec, effects);
                break;
        case CRON_IDLE:
        case CRON_LOST:
        case CRON_RELEASED:
        case CRON_FAILED:
                break;
        }
}
