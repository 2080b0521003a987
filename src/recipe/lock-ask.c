#include "recipe/lock-ask.h"

#include <stdio.h>
#include <string.h>
#include "recipe/lock-text.h"
#include "util/clock.h"
#include "util/macros.h"

#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC

void lock_ask_enter(Lock *l, enum LockState state, Effects *effects, const char *cause)
{
        if (state == l->state)
                return;
        assert(l->state != LOCK_FAILED || state == LOCK_LEAVE);
        assert(state != LOCK_HELD || l->state == LOCK_CLAIM);
        assert(l->state != LOCK_LOST || state == LOCK_CLEAN);
        snprintf(effects_append(effects, EFFECT_TRACE)->trace.text, sizeof((Effect){0}.trace.text),
                "%s: %s -> %s (%s)", l->elects ? "election" : "lock", lock_text_of_state(l->state),
                lock_text_of_state(state), cause);
        l->state = state;
        l->retry_usec = USEC_INFINITY;
        l->waiting[0] = '\0';
        if (state != LOCK_QUEUE && state != LOCK_CLAIM)
                successor_stop(&l->successor);
}

static void ask_multi(Lock *l, Effects *effects)
{
        Request *request;

        assert(!l->under_way && l->attached);
        l->under_way = true;
        l->retry_usec = USEC_INFINITY;
        l->tag = l->tags + ((l->tag + 1) & 0xffffff);
        request = effects_request(effects, REQUEST_MULTI, l->tag, l->claim.ops[0].path);
        request->ops = l->claim.ops;
        request->n_ops = l->claim.n_ops;
}

static int make_claim(Lock *l)
{
        char id[80];

        snprintf(id, sizeof(id), "%s-%u", l->id, l->attempts++);
        l->text.lease_usec = l->timing.lease_usec;
        return claim_init(
                &l->claim, l->contend.node, l->mode == LOCK_SHARED ? l->shared : l->record, id, &l->text);
}

/* [set our node], [take what stands there], [create record], create record or shared, grant, set grant */
static void make_claim_ops(Lock *l)
{
        Op take[2];
        size_t n = 0;

        l->claim.ops[n++] = contend_own_op(&l->contend, l->elects ? NULL : strrchr(l->claim.grant, '/') + 1);
        l->n_take = l->beside ? 0 : successor_take_ops(&l->successor, take);
        memcpy(l->claim.ops + n, take, l->n_take * sizeof(Op));
        n += l->n_take;
        if (l->mode == LOCK_SHARED && !l->beside)
                l->claim.ops[n++] = (Op){.kind = OP_CREATE,
                        .mode = CREATE_PERSISTENT,
                        .path = l->record,
                        .data = SUCCESSOR_SHARED,
                        .data_len = strlen(SUCCESSOR_SHARED),
                        .version = VERSION_ANY};
        claim_add_create_ops(&l->claim, n);
        if (l->beside) { /* <record>/shared is there */
                memmove(l->claim.ops + n, l->claim.ops + n + 1, (l->claim.n_ops - n - 1) * sizeof(Op));
                l->claim.n_ops--;
        }
}

void lock_ask_claim(Lock *l, Effects *effects, const char *cause)
{
        if (make_claim(l) < 0) {
                lock_ask_fail(l, effects, OUTCOME_REFUSED, l->record);
                return;
        }
        make_claim_ops(l);
        l->claim_maybe = true;
        l->drop_node = false;
        lock_ask_enter(l, LOCK_CLAIM, effects, cause);
        ask_multi(l, effects);
}

void lock_ask_clean(Lock *l, Effects *effects, const char *cause)
{
        bool with_node = l->drop_node && l->contend.node[0] && strcmp(l->contend.node, l->claim.node) == 0;
        Op *ops = l->claim.ops;

        lock_ask_enter(l, LOCK_CLEAN, effects, cause);
        if (!l->attached || l->under_way)
                return; /* on ATTACHED, or on the reply */
        claim_make_release_ops(&l->claim, with_node);
        if (l->clean == LOCK_CLEAN_EMPTY) {
                ops[0] = (Op){.kind = OP_DELETE, .path = l->shared, .version = VERSION_ANY};
                ops[1] = (Op){.kind = OP_DELETE, .path = l->record, .version = VERSION_ANY};
                l->claim.n_ops = 2;
                ask_multi(l, effects);
                return;
        }
        /* grant, shared, [node]: the record goes after shared, or both stay */
        if (l->mode == LOCK_SHARED && l->clean == LOCK_CLEAN_ALL) {
                memmove(ops + 3, ops + 2, (l->claim.n_ops - 2) * sizeof(Op));
                ops[2] = (Op){.kind = OP_DELETE, .path = l->record, .version = VERSION_ANY};
                l->claim.n_ops++;
        } else if (l->mode == LOCK_SHARED) {
                memmove(ops + 1, ops + 2, (l->claim.n_ops - 2) * sizeof(Op));
                l->claim.n_ops--;
        }
        ask_multi(l, effects);
}

void lock_ask_released(Lock *l, Effects *effects, const char *cause)
{
        lock_ask_enter(l, LOCK_RELEASED, effects, cause);
        effects_append(effects, EFFECT_RELEASED);
}

void lock_ask_leave(Lock *l, Effects *effects, const char *cause)
{
        l->drop_node = false;
        lock_ask_enter(l, LOCK_LEAVE, effects, cause);
        if (contend_leave(&l->contend, effects) == CONTEND_IS_OUT)
                lock_ask_out(l, effects, cause);
}

void lock_ask_out(Lock *l, Effects *effects, const char *cause)
{
        if (l->want) {
                lock_ask_enter(l, LOCK_QUEUE, effects, cause);
                contend_join(&l->contend, effects);
        } else {
                lock_ask_released(l, effects, cause);
        }
}

void lock_ask_fail(Lock *l, Effects *effects, enum Outcome outcome, const char *path)
{
        Effect *effect = effects_append(effects, EFFECT_FAILED);

        effect->failed.outcome = outcome;
        snprintf(effect->failed.text, sizeof(effect->failed.text), "%.190s: %s", path,
                outcome_to_string(outcome));
        lock_ask_enter(l, LOCK_FAILED, effects, outcome_to_string(outcome));
        (void)contend_leave(&l->contend, effects); /* not to be in the way of others */
}

uint64_t lock_ask_pause_usec(unsigned failures)
{
        return MIN(RETRY_USEC << MIN(failures, 6U), RETRY_MAX_USEC);
}

void lock_ask_later(Lock *l, uint64_t now_usec)
{
        l->retry_usec = now_usec + lock_ask_pause_usec(l->failures++);
}
