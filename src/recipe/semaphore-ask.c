#include "recipe/semaphore-ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC

static const char *state_to_string(enum SemaphoreState state)
{
        switch (state) {
        case SEMAPHORE_IDLE:
                return "idle";
        case SEMAPHORE_QUEUE:
                return "in line";
        case SEMAPHORE_RECORDS:
                return "reading the records";
        case SEMAPHORE_LEASES:
                return "reading the leases";
        case SEMAPHORE_FULL:
                return "waiting for a slot";
        case SEMAPHORE_LEASE:
                return "adding a lease";
        case SEMAPHORE_CLAIM:
                return "claiming";
        case SEMAPHORE_HELD:
                return "held";
        case SEMAPHORE_LOST:
                return "lost";
        case SEMAPHORE_CLEAN:
                return "cleaning up";
        case SEMAPHORE_LEAVE:
                return "leaving";
        case SEMAPHORE_RELEASED:
                return "released";
        case SEMAPHORE_FAILED:
                return "failed";
        }
        return "?";
}

void semaphore_ask_tell_janitor(Semaphore *s, const Event *event, Effects *effects)
{
        size_t before = effects->n;

        janitor_step(&s->janitor, event, effects);
        for (size_t i = before; i < effects->n; i++)
                if (effects->items[i].kind == EFFECT_REQUEST)
                        effects->items[i].request.tag |= SEMAPHORE_JANITOR_TAGS;
}

static bool janitor_works_in(enum SemaphoreState state)
{
        return state == SEMAPHORE_RECORDS || state == SEMAPHORE_LEASES || state == SEMAPHORE_FULL;
}

void semaphore_ask_enter(Semaphore *s, enum SemaphoreState state, Effects *effects, const char *cause)
{
        if (state == s->state)
                return;
        assert(s->state != SEMAPHORE_FAILED || state == SEMAPHORE_LEAVE);
        assert(state != SEMAPHORE_HELD || s->state == SEMAPHORE_CLAIM);
        assert(s->state != SEMAPHORE_LOST || state == SEMAPHORE_CLEAN);
        assert(state != SEMAPHORE_RELEASED || !s->claim_maybe);
        if (s->janitor.state != JANITOR_OFF && !janitor_works_in(state))
                semaphore_ask_tell_janitor(s, &(Event){.kind = EVENT_RELEASE}, effects);
        if (!janitor_works_in(state))
                s->watching = false;
        snprintf(effects_append(effects, EFFECT_TRACE)->trace.text, sizeof((Effect){0}.trace.text),
                "semaphore: %s -> %s (%s)", state_to_string(s->state), state_to_string(state), cause);
        s->state = state;
        s->retry_usec = USEC_INFINITY;
}

static Request *ask(Semaphore *s, Effects *effects, enum RequestKind kind, const char *path)
{
        assert(!s->under_way && s->attached);
        s->under_way = true;
        s->retry_usec = USEC_INFINITY;
        s->tag = (s->tag + 1) & 0xffffff;
        return effects_request(effects, kind, s->tag, path);
}

static void ask_multi(Semaphore *s, Effects *effects, const Claim *claim)
{
        Request *request = ask(s, effects, REQUEST_MULTI, claim->ops[0].path);

        request->ops = claim->ops;
        request->n_ops = claim->n_ops;
}

void semaphore_ask_records(Semaphore *s, Effects *effects, const char *cause)
{
        semaphore_ask_enter(s, SEMAPHORE_RECORDS, effects, cause);
        s->stirred = false;
        ask(s, effects, REQUEST_CHILDREN, s->records)->watch = s->watching;
}

void semaphore_ask_leases(Semaphore *s, Effects *effects)
{
        semaphore_ask_enter(s, SEMAPHORE_LEASES, effects, "no slot is free");
        ask(s, effects, REQUEST_CHILDREN, s->leases_path)->watch = true;
}

void semaphore_ask_claim(Semaphore *s, Effects *effects)
{
        Op mutex = contend_own_op(&s->locks, NULL), lease = contend_own_op(&s->leases, NULL);
        char record[ZNODE_PATH_MAX + 24], id[80];

        snprintf(record, sizeof(record), "%s/%u", s->records, s->slot);
        snprintf(id, sizeof(id), "%s-%u", s->id, s->attempts++);
        s->text.lease_usec = s->timing.lease_usec;
        if (claim_init(&s->claim, lease.path, record, id, &s->text) < 0) {
                semaphore_ask_fail(s, effects, OUTCOME_REFUSED, s->records);
                return;
        }
        semaphore_ask_enter(s, SEMAPHORE_CLAIM, effects, "a slot is free");
        s->claim_maybe = s->node_lives = true;
        mutex.kind = OP_DELETE;
        s->claim.ops[0] = mutex;
        s->claim.ops[1] = lease;
        claim_add_create_ops(&s->claim, 2);
        ask_multi(s, effects, &s->claim);
}

void semaphore_ask_clean(Semaphore *s, Effects *effects, const char *cause)
{
        semaphore_ask_enter(s, SEMAPHORE_CLEAN, effects, cause);
        claim_make_release_ops(&s->claim, s->node_lives);
        ask_multi(s, effects, &s->claim);
}

void semaphore_ask_later(Semaphore *s, uint64_t now_usec)
{
        unsigned doublings = MIN(s->failures, 6U);

        s->failures++;
        s->retry_usec = now_usec + MIN(RETRY_USEC << doublings, RETRY_MAX_USEC);
}

void semaphore_ask_fail(Semaphore *s, Effects *effects, enum Outcome outcome, const char *path)
{
        Effect *effect;

        semaphore_ask_enter(s, SEMAPHORE_FAILED, effects, outcome_to_string(outcome));
        effect = effects_append(effects, EFFECT_FAILED);
        effect->failed.outcome = outcome;
        snprintf(effect->failed.text, sizeof(effect->failed.text), "%.190s: %s", path, outcome_to_string(outcome));
}
