#include "recipe/cron-reply.h"

#include <stdio.h>
#include <string.h>
#include "recipe/cron-ask.h"
#include "recipe/cron-next.h"
#include "recipe/cron-sight.h"
#include "util/clock.h"
#include "util/macros.h"

static void on_no_book(Cron *c, uint64_t now_usec, Effects *effects)
{
        if (c->phase == CRON_ENDING) {
                c->book_done = true;
                cron_next_end(c, now_usec, effects);
                return;
        }
        if (c->phase != CRON_SEEKING)
                return;
        c->unsure = false; /* it would have been in there */
        if (!c->want) {
                cron_next_released(c, effects, "not wanted any more");
                return;
        }
        cron_plan_first_book(&c->rules, cron_next_wall_usec(c, now_usec), c->tick_now, &c->draft);
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
                        cron_next_fail(c, effects, OUTCOME_REFUSED, c->book_path, problem);
                } else if (c->phase == CRON_ENDING) {
                        c->book_done = true; /* somebody has spoilt it: give back what is ours */
                        cron_next_end(c, event->now_usec, effects);
                }
                return;
        }
        c->version = reply->stat.version;
        c->other_schedule = c->book.schedule[0] && (strcmp(c->book.schedule, c->rules.schedule->text) != 0 ||
                                                           strcmp(c->book.zone, zone_name(c->rules.zone)) != 0);
        cron_next_consider(c, event->now_usec, effects);
}

static void on_noted(Cron *c, const Event *event, Effects *effects)
{
        if (event->reply.outcome != OUTCOME_OK) {
                cron_next(c, effects); /* somebody else has written */
                return;
        }
        c->retries = 0;
        c->book = c->draft;
        c->version = event->reply.stat.version;
        cron_next_consider(c, event->now_usec, effects);
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
                cron_next(c, effects); /* still unsure: undoes it */
                return;
        }
        c->unsure = false;
        c->retries = 0;
        c->announced = CRON_NONE;
        c->timeout_at_usec = usec_add(event->now_usec, c->timeout_usec);
        cron_ask_enter(c, CRON_HELD, effects, "claimed");
        effect = effects_append(effects, EFFECT_HELD);
        effect->held.token = c->claim.token;
        effect->held.deadline_usec = c->claim.deadline_usec;
        cron_next(c, effects);
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
                cron_next(c, effects);
}

static void on_ended(Cron *c, const Event *event, Effects *effects)
{
        const Op *failed = failed_op(&event->reply, c->ops, ARRAY_SIZE(c->ops));

        if (event->reply.outcome == OUTCOME_OK) {
                c->unsure = false;
                c->book_done = true;
                if (c->phase == CRON_ENDING && c->grant_gone)
                        cron_next_end(c, event->now_usec, effects); /* the node is left */
                else if (c->phase == CRON_ENDING)
                        cron_next_ended(c, effects, "the run is in the book");
                else
                        cron_next(c, effects);
                return;
        }
        if (event->reply.outcome == OUTCOME_NO_NODE && failed) {
                c->book_done |= failed->path == c->book_path;
                c->grant_gone |= failed->path == c->claim.grant;
                c->record_gone |= failed->path == c->claim.record;
                c->claim.node_gone |= failed->path == c->claim.node;
        }
        if (event->reply.outcome == OUTCOME_NOT_EMPTY)
                cron_next_later(c, event->now_usec); /* somebody has put children below; keep trying, slowly */
        else
                cron_next(c, effects);
}

static void on_answer(Cron *c, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        switch (c->ask) {
        case CRON_ASK_SYNC:
                c->read_late = false;
                cron_next(c, effects);
                break;
        case CRON_ASK_READ:
                on_read(c, event, effects);
                break;
        case CRON_ASK_PARENTS:
                if (parents_on_reply(&c->parents, outcome))
                        cron_ask_parents(c, effects);
                else
                        cron_next(c, effects);
                break;
        case CRON_ASK_MAKE:
                if (outcome == OUTCOME_NO_NODE)
                        cron_ask_begin_parents(c, effects);
                else
                        cron_next(c, effects);
                break;
        case CRON_ASK_NOTE:
                on_noted(c, event, effects);
                break;
        case CRON_ASK_CLAIM:
                on_claim(c, event, effects);
                break;
        case CRON_ASK_LOOK:
                cron_sight_looked(c, event, effects);
                break;
        case CRON_ASK_RECORD:
                cron_sight_record(c, event, effects);
                break;
        case CRON_ASK_GRANT:
                cron_sight_grant(c, event, effects);
                break;
        case CRON_ASK_REAP:
                cron_sight_reaped(c, event, effects);
                break;
        case CRON_ASK_END:
                on_ended(c, event, effects);
                break;
        case CRON_ASK_DROP:
                cron_next_ended(c, effects, "the node is gone");
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

/* What was asked in an earlier phase is not looked at, but for what it may have made. */
static bool is_out_of_date(const Cron *c)
{
        if (c->phase == CRON_SEEKING)
                return !c->want && !c->unsure;
        if (c->phase != CRON_ENDING)
                return false;
        return c->ask != CRON_ASK_SYNC && c->ask != CRON_ASK_READ && c->ask != CRON_ASK_END &&
                c->ask != CRON_ASK_LOOK && c->ask != CRON_ASK_DROP;
}

void cron_reply_take(Cron *c, const Event *event, Effects *effects)
{
        if (event->reply.tag != c->tag || !c->under_way)
                return;
        c->under_way = false;
        if (!cron_next_is_asking(c))
                return;
        if (is_out_of_date(c)) {
                c->read_late |= event->reply.outcome == OUTCOME_UNKNOWN;
                cron_next(c, effects);
                return;
        }
        switch (event->reply.outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                on_answer(c, event, effects);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                c->read_late = true; /* it may have been done, and the server that we meet next may not know yet */
                cron_next_later(c, event->now_usec);
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                if (c->ask == CRON_ASK_CLAIM)
                        c->unsure = false;
                if (c->phase == CRON_SEEKING && !c->want && !c->unsure)
                        cron_next_released(c, effects, "not wanted any more");
                else if (c->phase == CRON_SEEKING && !c->unsure)
                        cron_next_fail(
                                c, effects, event->reply.outcome, path_asked(c), outcome_to_string(event->reply.outcome));
                else
                        cron_next_later(c, event->now_usec);
                break;
        }
        if (c->stirred && !c->under_way && cron_next_is_asking(c)) {
                c->stirred = false;
                cron_next(c, effects);
        }
}
