#include "recipe/cron.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "recipe/cron-ask.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/macros.h"

#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC
/* Reading two clocks takes a little time; what is more is a step. */
#define CLOCK_STEP_USEC (5 * USEC_PER_MSEC)
/* A tick that is nearer, or a run that began later, is not worth a line. */
#define ANNOUNCE_SECONDS 5

static void consider(Cron *c, uint64_t now_usec, Effects *effects);

static uint64_t wall_usec(const Cron *c, uint64_t now_usec)
{
        return (uint64_t)((int64_t)now_usec + c->clock_usec);
}

static int64_t wall_seconds(const Cron *c, uint64_t now_usec)
{
        return (int64_t)(wall_usec(c, now_usec) / USEC_PER_SEC);
}

static uint64_t boottime_usec(const Cron *c, uint64_t when_usec)
{
        int64_t t = when_usec == USEC_INFINITY ? INT64_MAX : (int64_t)when_usec - c->clock_usec;

        return when_usec == USEC_INFINITY ? USEC_INFINITY : t < 0 ? 0 : (uint64_t)t;
}

/* --- what is told ------------------------------------------------------------------------------- */

static void released(Cron *c, Effects *effects, const char *cause)
{
        cron_ask_enter(c, CRON_RELEASED, effects, cause);
        effects_append(effects, EFFECT_RELEASED);
}

static void fail(Cron *c, Effects *effects, enum Outcome outcome, const char *path, const char *what)
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

static void announce(Cron *c, const CronEntry *running, int64_t tick, Effects *effects)
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
                snprintf(effect->waiting.text, sizeof(effect->waiting.text), "the next tick is %s", tick_string(c, tick, a));
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
        fail(c, effects, OUTCOME_OK, "", text);
}

static void yield(Cron *c, enum CronMark mark, const char *text, Effects *effects)
{
        if (c->asked_to_yield)
                return;
        c->asked_to_yield = true;
        c->mark = mark;
        snprintf(effects_append(effects, EFFECT_YIELD)->yield.text, sizeof((Effect){0}.yield.text), "%s", text);
}

/* --- what to do next ---------------------------------------------------------------------------- */

static void next(Cron *c, Effects *effects)
{
        if (!c->attached || c->under_way)
                return; /* on ATTACHED, or on the reply */
        switch (c->phase) {
        case CRON_SEEKING:
                if (!c->want && !c->unsure) {
                        released(c, effects, "not wanted any more");
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
static void later(Cron *c, uint64_t now_usec)
{
        unsigned doublings = MIN(c->retries, 6U);

        c->retries++;
        c->wake_usec = now_usec + MIN(RETRY_USEC << doublings, RETRY_MAX_USEC);
}

static void forget_sighting(Cron *c)
{
        c->sighting.grant[0] = '\0';
        c->no_record = false;
}

static void claim_tick(Cron *c, int64_t tick, Effects *effects)
{
        c->tick = tick;
        c->mark = CRON_UNKNOWN;
        c->status = CRON_NONE;
        c->asked_to_yield = false;
        if (cron_ask_claim(c, effects) < 0)
                fail(c, effects, OUTCOME_REFUSED, c->record_path, "the name is too long");
}

/* Nothing to be done before the clock says so, or the run under way ends. */
static void rest(Cron *c, const CronPlan *plan, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);
        bool to_come = plan->kind == CRON_PLAN_RUN || plan->tick <= wall_seconds(c, now_usec) || c->book.queued >= 0;

        if (c->tick_now && !to_come) {
                finish(c, effects);
                return;
        }
        c->plan_usec = plan->kind == CRON_PLAN_WAIT ? boottime_usec(c, plan->when_usec) : now_usec + RETRY_MAX_USEC;
        c->wake_usec = c->plan_usec;
        if (running || c->blocked)
                cron_ask_look(c, effects); /* whether its host lives */
        else if (plan->tick > wall_seconds(c, now_usec) + ANNOUNCE_SECONDS)
                announce(c, NULL, plan->tick, effects);
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
        plan = cron_plan(&c->rules, wall_usec(c, now_usec), c->run_id, c->text.host, &c->draft);
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
                yield(c, CRON_KILLED, "the next tick is due", effects);
        c->draft = c->book;
        plan = cron_plan(&c->rules, wall_usec(c, now_usec), c->run_id, c->text.host, &c->draft);
        if (plan.kind == CRON_PLAN_NOTE)
                cron_ask_note(c, effects);
        else
                c->wake_usec = boottime_usec(c, plan.when_usec);
}

static void ended(Cron *c, Effects *effects, const char *cause)
{
        c->claim.state = CLAIM_NONE;
        c->had_turn = true;
        if (!c->want) {
                released(c, effects, cause);
                return;
        }
        cron_ask_enter(c, CRON_SEEKING, effects, cause);
        next(c, effects);
}

static void end(Cron *c, uint64_t now_usec, Effects *effects)
{
        if (!c->book_done) {
                c->draft = c->book;
                c->book_done = !cron_book_end(&c->draft, c->run_id, c->mark, wall_seconds(c, now_usec), c->status);
        }
        if (!c->book_done || !c->grant_gone)
                cron_ask_end(c, effects);
        else if (c->node_lives && !c->claim.node_gone)
                cron_ask_look(c, effects);
        else
                ended(c, effects, "nothing of the run is left");
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
static void consider(Cron *c, uint64_t now_usec, Effects *effects)
{
        switch (c->phase) {
        case CRON_SEEKING:
                if (c->unsure && undo(c, effects))
                        break;
                if (c->want)
                        seek(c, now_usec, effects);
                else
                        released(c, effects, "not wanted any more");
                break;
        case CRON_HELD:
                hold(c, now_usec, effects);
                break;
        case CRON_ENDING:
                end(c, now_usec, effects);
                break;
        case CRON_IDLE:
        case CRON_LOST:
        case CRON_RELEASED:
        case CRON_FAILED:
                break;
        }
}

/* --- replies ------------------------------------------------------------------------------------ */

static void on_no_book(Cron *c, uint64_t now_usec, Effects *effects)
{
        if (c->phase == CRON_ENDING) {
                c->book_done = true;
                end(c, now_usec, effects);
                return;
        }
        if (c->phase != CRON_SEEKING)
                return;
        c->unsure = false; /* it would have been in there */
        if (!c->want) {
                released(c, effects, "not wanted any more");
                return;
        }
        cron_plan_first_book(&c->rules, wall_usec(c, now_usec), c->tick_now, &c->draft);
        snprintf(c->draft.schedule, sizeof(c->draft.schedule), "%s", c->rules.schedule->text);
        snprintf(c->draft.zone, sizeof(c->draft.zone), "%s", zone_name(c->rules.zone));
        cron_ask_make(c, effects);
}

static void on_read(Cron *c, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        char problem[160];

        if (reply->outcome == OUTCOME_NO_NODE) {
                on_no_book(c, event->now_usec, effects);
                return;
        }
        if (cron_book_parse(&c->book, reply->data, reply->data_len, problem, sizeof(problem)) < 0) {
                if (c->phase == CRON_SEEKING) {
                        fail(c, effects, OUTCOME_REFUSED, c->book_path, problem);
                } else if (c->phase == CRON_ENDING) {
                        c->book_done = true; /* somebody has spoilt it: give back what is ours */
                        end(c, event->now_usec, effects);
                }
                return;
        }
        c->version = reply->stat.version;
        c->other_schedule = c->book.schedule[0] && (strcmp(c->book.schedule, c->rules.schedule->text) != 0 ||
                                                           strcmp(c->book.zone, zone_name(c->rules.zone)) != 0);
        consider(c, event->now_usec, effects);
}

static void on_noted(Cron *c, const Event *event, Effects *effects)
{
        if (event->reply.outcome != OUTCOME_OK) {
                next(c, effects); /* somebody else has written */
                return;
        }
        c->book = c->draft;
        c->version = event->reply.stat.version;
        consider(c, event->now_usec, effects);
}

/* The operation at which a multi failed. */
static const Op *failed_op(const Reply *reply, const Op *ops, size_t n)
{
        for (size_t i = 0; i < reply->n_results && i < n; i++)
                if (reply->results[i].outcome != OUTCOME_OK && reply->results[i].outcome != OUTCOME_ROLLED_BACK)
                        return &ops[i];
        return NULL;
}

static void on_claimed(Cron *c, const Event *event, Effects *effects)
{
        Effect *effect;

        parents_settled(&c->parents);
        claim_grant(&c->claim, &c->timing, &event->reply, event->now_usec);
        if (!c->want || c->claim.state == CLAIM_LOST) {
                next(c, effects); /* still unsure: undoes it */
                return;
        }
        c->unsure = false;
        c->announced = CRON_NONE;
        c->timeout_at_usec = usec_add(event->now_usec, c->timeout_usec);
        cron_ask_enter(c, CRON_HELD, effects, "claimed");
        effect = effects_append(effects, EFFECT_HELD);
        effect->held.token = c->claim.token;
        effect->held.deadline_usec = c->claim.deadline_usec;
        next(c, effects);
}

static void on_claim(Cron *c, const Event *event, Effects *effects)
{
        const Op *failed = failed_op(&event->reply, c->claim.ops, c->claim.n_ops);

        if (event->reply.outcome == OUTCOME_OK) {
                on_claimed(c, event, effects);
                return;
        }
        c->unsure = false;
        if (event->reply.outcome == OUTCOME_NODE_EXISTS)
                c->blocked = true;
        if (event->reply.outcome == OUTCOME_NO_NODE && failed != &c->claim.ops[0] && c->want)
                cron_ask_begin_parents(c, effects);
        else
                next(c, effects);
}

static void on_ended(Cron *c, const Event *event, Effects *effects)
{
        const Op *failed = failed_op(&event->reply, c->ops, ARRAY_SIZE(c->ops));

        if (event->reply.outcome == OUTCOME_OK) {
                c->unsure = false;
                c->book_done = true;
                if (c->phase == CRON_ENDING && c->grant_gone)
                        end(c, event->now_usec, effects); /* the node is left */
                else if (c->phase == CRON_ENDING)
                        ended(c, effects, "the run is in the book");
                else
                        next(c, effects);
                return;
        }
        if (event->reply.outcome == OUTCOME_NO_NODE && failed) {
                c->book_done |= failed->path == c->book_path;
                c->grant_gone |= failed->path == c->claim.grant;
                c->record_gone |= failed->path == c->claim.record;
                c->claim.node_gone |= failed->path == c->claim.node;
        }
        if (event->reply.outcome == OUTCOME_NOT_EMPTY)
                later(c, event->now_usec); /* somebody has put children below; keep trying, slowly */
        else
                next(c, effects);
}

/* --- a run whose host may be dead --------------------------------------------------------------- */

static void rest_until(Cron *c, uint64_t when_usec, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->wake_usec = MIN(c->plan_usec, when_usec);
        if (running && wall_seconds(c, now_usec) >= running->start + ANNOUNCE_SECONDS)
                announce(c, running, 0, effects);
}

static void on_looked(Cron *c, const Event *event, Effects *effects)
{
        bool there = event->reply.outcome == OUTCOME_OK;

        if (c->phase == CRON_ENDING) {
                if (there && event->reply.stat.ephemeral_owner == c->session_id)
                        cron_ask_drop(c, effects);
                else
                        ended(c, effects, "nothing of the run is left");
                return;
        }
        if (!there) {
                cron_ask_record(c, effects);
                return;
        }
        forget_sighting(c);
        rest_until(c, USEC_INFINITY, event->now_usec, effects); /* its end fires the watch */
}

/* No node and no record, but the book says that a run is under way. It may have ended between two reads;
 * if we see that twice, somebody has deleted what it had. */
static void on_no_record(Cron *c, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->blocked = false;
        if (!running || !c->no_record) {
                c->no_record = c->read_late = true;
                next(c, effects);
                return;
        }
        c->draft = c->book;
        (void)cron_book_end(&c->draft, running->id, CRON_UNKNOWN, CRON_NONE, CRON_NONE);
        c->no_record = false;
        cron_ask_note(c, effects);
}

static void on_record(Cron *c, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        char name[CRON_ID_MAX];

        if (reply->outcome == OUTCOME_NO_NODE) {
                on_no_record(c, effects);
                return;
        }
        c->no_record = false;
        if (reply->data_len == 0 || reply->data_len >= sizeof(name) || memchr(reply->data, '/', reply->data_len)) {
                rest_until(c, USEC_INFINITY, event->now_usec, effects); /* made by hand: to be deleted by hand */
                return;
        }
        snprintf(name, sizeof(name), "%.*s", (int)reply->data_len, (const char *)reply->data);
        if (strcmp(name, c->sighting.grant) != 0)
                forget_sighting(c);
        snprintf(c->grant_path, sizeof(c->grant_path), "%s/%s", c->record_path, name);
        cron_ask_grant(c, effects);
}

static void reap(Cron *c, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->draft = c->book;
        if (running)
                (void)cron_book_end(&c->draft, running->id, CRON_UNKNOWN, wall_seconds(c, now_usec), CRON_NONE);
        cron_ask_reap(c, effects);
}

static void on_grant(Cron *c, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        const char *name = strrchr(c->grant_path, '/') + 1;
        uint64_t due;
        Record text;

        if (reply->outcome == OUTCOME_NO_NODE) {
                later(c, event->now_usec);
                return;
        }
        (void)record_parse(reply->data, reply->data_len, &text);
        if (strcmp(name, c->sighting.grant) != 0 || reply->stat.version != c->sighting.version) {
                snprintf(c->sighting.grant, sizeof(c->sighting.grant), "%s", name);
                c->sighting.version = reply->stat.version;
                c->sighting.since_usec = event->now_usec; /* it was written before that */
                c->sighting.wait_usec = timing_takeover_wait_usec(text.lease_usec);
        }
        due = usec_add(c->sighting.since_usec, c->sighting.wait_usec);
        if (text.state == RECORD_WEDGED)
                rest_until(c, USEC_INFINITY, event->now_usec, effects); /* until told otherwise */
        else if (event->now_usec >= due)
                reap(c, event->now_usec, effects);
        else
                rest_until(c, due, event->now_usec, effects);
}

static void on_reaped(Cron *c, const Event *event, Effects *effects)
{
        forget_sighting(c);
        c->blocked = false;
        if (event->reply.outcome == OUTCOME_NOT_EMPTY)
                later(c, event->now_usec);
        else
                next(c, effects);
}

/* --- events ------------------------------------------------------------------------------------- */

static void on_answer(Cron *c, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        switch (c->ask) {
        case CRON_ASK_SYNC:
                c->read_late = false;
                next(c, effects);
                break;
        case CRON_ASK_READ:
                on_read(c, event, effects);
                break;
        case CRON_ASK_PARENTS:
                if (parents_on_reply(&c->parents, outcome))
                        cron_ask_parents(c, effects);
                else
                        next(c, effects);
                break;
        case CRON_ASK_MAKE:
                if (outcome == OUTCOME_NO_NODE)
                        cron_ask_begin_parents(c, effects);
                else
                        next(c, effects);
                break;
        case CRON_ASK_NOTE:
                on_noted(c, event, effects);
                break;
        case CRON_ASK_CLAIM:
                on_claim(c, event, effects);
                break;
        case CRON_ASK_LOOK:
                on_looked(c, event, effects);
                break;
        case CRON_ASK_RECORD:
                on_record(c, event, effects);
                break;
        case CRON_ASK_GRANT:
                on_grant(c, event, effects);
                break;
        case CRON_ASK_REAP:
                on_reaped(c, event, effects);
                break;
        case CRON_ASK_END:
                on_ended(c, event, effects);
                break;
        case CRON_ASK_DROP:
                ended(c, effects, "the node is gone");
                break;
        }
}

static const char *path_asked(const Cron *c)
{
        switch (c->ask) {
        case CRON_ASK_PARENTS:
                return parents_path(&c->parents);
        case CRON_ASK_LOOK:
        case CRON_ASK_DROP:
                return c->run_path;
        case CRON_ASK_CLAIM:
        case CRON_ASK_RECORD:
        case CRON_ASK_GRANT:
        case CRON_ASK_REAP:
        case CRON_ASK_END:
                return c->record_path;
        case CRON_ASK_SYNC:
        case CRON_ASK_READ:
        case CRON_ASK_MAKE:
        case CRON_ASK_NOTE:
                return c->book_path;
        }
        return c->book_path;
}

/* The phases in which nothing is asked any more pass over what comes late. */
static bool is_asking(const Cron *c)
{
        return c->phase == CRON_SEEKING || c->phase == CRON_HELD || c->phase == CRON_ENDING;
}

static void on_reply(Cron *c, const Event *event, Effects *effects)
{
        if (event->reply.tag != c->tag || !c->under_way)
                return;
        c->under_way = false;
        if (!is_asking(c))
                return;
        /* What was asked in an earlier phase is not looked at, but for what it may have made. */
        if ((c->phase == CRON_ENDING && c->ask != CRON_ASK_READ && c->ask != CRON_ASK_END && c->ask != CRON_ASK_LOOK &&
                    c->ask != CRON_ASK_DROP && c->ask != CRON_ASK_SYNC) ||
                (c->phase == CRON_SEEKING && !c->want && !c->unsure)) {
                c->read_late |= event->reply.outcome == OUTCOME_UNKNOWN;
                next(c, effects);
                return;
        }
        switch (event->reply.outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                if (event->reply.outcome == OUTCOME_OK)
                        c->retries = 0;
                on_answer(c, event, effects);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                c->read_late = true; /* it may have been done, and the server that we meet next may not know yet */
                later(c, event->now_usec);
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                if (c->phase == CRON_SEEKING && (!c->unsure || c->ask == CRON_ASK_CLAIM))
                        fail(c, effects, event->reply.outcome, path_asked(c), outcome_to_string(event->reply.outcome));
                else
                        later(c, event->now_usec);
                break;
        }
        if (c->stirred && !c->under_way && is_asking(c)) {
                c->stirred = false;
                next(c, effects);
        }
}

static void on_session(Cron *c, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                c->attached = true;
                c->under_way = false;
                c->session_id = event->session.id;
                next(c, effects);
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
        next(c, effects);
}

static void on_start(Cron *c, uint64_t now_usec, Effects *effects)
{
        c->want = true;
        if (c->phase != CRON_IDLE && c->phase != CRON_RELEASED)
                return;
        if (c->now_tick == CRON_NONE)
                c->now_tick = cron_schedule_last(c->rules.schedule, c->rules.zone, wall_seconds(c, now_usec));
        cron_ask_enter(c, CRON_SEEKING, effects, "start");
        next(c, effects);
}

static void on_release(Cron *c, Effects *effects)
{
        c->want = false;
        switch (c->phase) {
        case CRON_IDLE:
                released(c, effects, "nothing was asked for");
                break;
        case CRON_HELD:
                if (c->claim.state == CLAIM_HELD) /* else EVENT_DEAD is still to come */
                        begin_ending(c, effects, "the run is over");
                break;
        case CRON_SEEKING:
                if (!c->unsure && (!c->attached || !c->under_way))
                        released(c, effects, "nothing was claimed");
                break; /* else on the reply */
        case CRON_LOST:
        case CRON_ENDING:
        case CRON_RELEASED:
        case CRON_FAILED:
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
                yield(c, CRON_TIMEOUT, "the run takes longer than --timeout", effects);
        if (now_usec >= c->wake_usec && is_asking(c)) {
                c->wake_usec = USEC_INFINITY;
                next(c, effects);
        }
}

void cron_step(Cron *c, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_START:
                on_start(c, event->now_usec, effects);
                break;
        case EVENT_REPLY:
                on_reply(c, event, effects);
                break;
        case EVENT_WATCH:
                c->blocked = false;
                c->stirred = c->under_way;
                if (is_asking(c))
                        next(c, effects);
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

        return MIN(timeout, c->attached && !c->under_way ? c->wake_usec : USEC_INFINITY);
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
