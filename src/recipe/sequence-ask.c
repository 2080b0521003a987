#include "recipe/sequence-ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "recipe/ticket.h"
#include "util/clock.h"
#include "util/macros.h"

/* After a reply that settles nothing although there is contact, or a lost race. Short: the others
 * have what they wanted; not nothing: the list that the next try reads must be able to change. */
#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC

void sequence_ask_enter(Sequence *s, enum SequenceState state, Effects *effects, const char *cause)
{
        if (state == s->state)
                return;
        assert(s->state != SEQUENCE_FAILED || !s->want);
        assert(state != SEQUENCE_HELD || s->state == SEQUENCE_CLAIM);
        assert(s->state != SEQUENCE_LOST || state == SEQUENCE_CLEAN);
        snprintf(effects_append(effects, EFFECT_TRACE)->trace.text, sizeof((Effect){0}.trace.text),
                "sequence: %s -> %s (%s)", sequence_state_to_string(s->state), sequence_state_to_string(state), cause);
        s->state = state;
        s->retry_usec = USEC_INFINITY;
}

Request *sequence_ask(Sequence *s, Effects *effects, enum RequestKind kind, const char *path)
{
        assert(!s->under_way);
        s->under_way = true;
        s->retry_usec = USEC_INFINITY;
        return effects_request(effects, kind, ++s->tag, path);
}

static void ask_children(Sequence *s, Effects *effects, const char *path, bool watch)
{
        sequence_ask(s, effects, REQUEST_CHILDREN, path)->watch = watch;
}

static void ask_multi(Sequence *s, Effects *effects, const Op *ops, size_t n)
{
        Request *request = sequence_ask(s, effects, REQUEST_MULTI, ops[0].path);

        request->ops = ops;
        request->n_ops = n;
}

void sequence_ask_ticket(Sequence *s, Effects *effects, const char *cause)
{
        sequence_ask_enter(s, SEQUENCE_TICKET, effects, cause);
        snprintf(s->ticket, sizeof(s->ticket), "%s/" TICKET_PREFIX "%s-", s->pool, s->id);
        s->ticket_maybe = true;
        sequence_ask(s, effects, REQUEST_CREATE, s->ticket)->mode = CREATE_EPHEMERAL_SEQUENTIAL;
}

void sequence_ask_pool(Sequence *s, Effects *effects, const char *cause)
{
        sequence_ask_enter(s, SEQUENCE_POOL, effects, cause);
        s->dropping = false;
        ask_children(s, effects, s->pool, s->watching);
}

void sequence_ask_clean(Sequence *s, Effects *effects, const char *cause)
{
        sequence_ask_enter(s, SEQUENCE_CLEAN, effects, cause);
        s->clean_step = SEQUENCE_CLEAN_CLAIM;
        claim_make_release_ops(&s->claim, s->node_lives);
        ask_multi(s, effects, s->claim.ops, s->claim.n_ops);
}

void sequence_ask_parents(Sequence *s, Effects *effects, const char *cause)
{
        sequence_ask_enter(s, SEQUENCE_PARENTS, effects, cause);
        parents_request(&s->parents, sequence_ask(s, effects, REQUEST_CREATE, s->pool));
}

void sequence_ask_begin_parents(Sequence *s, Effects *effects, const char *cause)
{
        parents_begin(&s->parents);
        sequence_ask_parents(s, effects, cause);
}

static int make_claim(Sequence *s, uint64_t number)
{
        char node[ZNODE_PATH_MAX + 24], record[ZNODE_PATH_MAX + 24], id[80];

        snprintf(node, sizeof(node), "%s/%" PRIu64, s->pool, number);
        snprintf(record, sizeof(record), "%s/%" PRIu64, s->records, number);
        snprintf(id, sizeof(id), "%s-%u", s->id, s->attempts++);
        s->text.lease_usec = s->timing.lease_usec;
        return claim_init(&s->claim, node, record, id, &s->text);
}

void sequence_ask_fail(Sequence *s, Effects *effects, enum Outcome outcome, const char *path)
{
        Effect *effect;

        sequence_ask_enter(s, SEQUENCE_FAILED, effects, outcome_to_string(outcome));
        effect = effects_append(effects, EFFECT_FAILED);
        effect->failed.outcome = outcome;
        snprintf(effect->failed.text, sizeof(effect->failed.text), "%.190s: %s", path, outcome_to_string(outcome));
}

void sequence_ask_claim(Sequence *s, uint64_t number, Effects *effects)
{
        if (make_claim(s, number) < 0) {
                sequence_ask_fail(s, effects, OUTCOME_REFUSED, s->pool);
                return;
        }
        sequence_ask_enter(s, SEQUENCE_CLAIM, effects, "a number is free");
        s->number = number;
        s->claim_maybe = s->node_lives = s->ticket_maybe = true;
        s->claim.ops[0] = (Op){.kind = OP_DELETE, .path = s->ticket, .version = VERSION_ANY};
        /* Its data tells it from that of another unit of our session. */
        s->claim.ops[1] = (Op){.kind = OP_CREATE, .mode = CREATE_EPHEMERAL, .path = s->claim.node};
        s->claim.ops[1].data = claim_id(&s->claim);
        s->claim.ops[1].data_len = strlen(s->claim.ops[1].data);
        claim_add_create_ops(&s->claim, 2);
        ask_multi(s, effects, s->claim.ops, s->claim.n_ops);
}

/* A try that changed nothing, or a reply that settles nothing: again, a little later. */
void sequence_ask_later(Sequence *s, uint64_t now_usec)
{
        unsigned doublings = MIN(s->collisions, 6U);

        s->collisions++;
        s->retry_usec = now_usec + MIN(RETRY_USEC << doublings, RETRY_MAX_USEC);
}

void sequence_ask_released(Sequence *s, Effects *effects, const char *cause)
{
        sequence_ask_enter(s, SEQUENCE_RELEASED, effects, cause);
        effects_append(effects, EFFECT_RELEASED);
}

/* From whatever state that waits for nothing: the next thing to do. */
void sequence_ask_next(Sequence *s, Effects *effects, const char *cause)
{
        if (!s->attached || s->under_way)
                return; /* on ATTACHED, or on the reply */
        if (s->claim_maybe) {
                sequence_ask_clean(s, effects, cause);
        } else if (!s->want) {
                if (s->ticket_made || s->ticket_maybe)
                        sequence_ask_pool(s, effects, cause); /* finds it by its id, and deletes it */
                else
                        sequence_ask_released(s, effects, cause);
        } else {
                sequence_ask_enter(s, SEQUENCE_RECORDS, effects, cause);
                s->stirred = false;
                ask_children(s, effects, s->records, s->watching);
        }
}
