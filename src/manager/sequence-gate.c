/* The gate "number": waits for a number and keeps it. Carries out what the sequence machine and the
 * janitor decide, and hands the hold to the heart. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "manager/gate.h"
#include "recipe/janitor.h"
#include "recipe/sequence.h"
#include "util/clock.h"
#include "util/log.h"

typedef struct SequenceGate {
        Gate gate;
        Client *client;
        Heart *heart;
        Sequence sequence;
        Janitor janitor;
        Timer sequence_timer, janitor_timer;
        Hold hold;
        bool renewed; /* the hold is in the heart's care */
} SequenceGate;

static void step_sequence(SequenceGate *gate, const Event *event);
static void step_janitor(SequenceGate *gate, const Event *event);

static Event event_now(enum EventKind kind)
{
        return (Event){.kind = kind, .now_usec = clock_boottime_usec()};
}

static void on_sequence_reply(void *userdata, const Event *event)
{
        step_sequence(userdata, event);
}

static void on_janitor_reply(void *userdata, const Event *event)
{
        step_janitor(CONTAINER_OF(userdata, SequenceGate, janitor), event);
}

static void on_sequence_timer(void *userdata)
{
        Event event = event_now(EVENT_TIME);

        step_sequence(userdata, &event);
}

static void on_janitor_timer(void *userdata)
{
        Event event = event_now(EVENT_TIME);

        step_janitor(userdata, &event);
}

static void start_janitor(SequenceGate *gate, bool has_number)
{
        Event event = event_now(EVENT_START);

        if (!has_number && gate->janitor.state != JANITOR_OFF) {
                /* Waiting already. The janitor has no watch on the pool, but the sequence has while it
                 * waits: a holder whose znode went away is dead from now on, so look at the lists again. */
                event.kind = EVENT_WATCH;
                event.watch.kind = WATCH_CHILDREN;
                step_janitor(gate, &event);
                return;
        }
        janitor_set_number(&gate->janitor, has_number, gate->sequence.number);
        step_janitor(gate, &event);
}

static void stop_janitor(SequenceGate *gate)
{
        Event event = event_now(EVENT_RELEASE);

        step_janitor(gate, &event);
}

static void stop_renewing(SequenceGate *gate)
{
        if (gate->renewed)
                heart_remove(gate->heart, &gate->hold);
        gate->renewed = false;
}

static void on_held(SequenceGate *gate, const Effect *effect)
{
        char text[40];

        gate->renewed = true;
        heart_add(gate->heart, &gate->hold);
        start_janitor(gate, true);
        snprintf(text, sizeof(text), "number %" PRIu64, effect->held.number);
        gate_tell(&gate->gate, (GateEvent){.kind = GATE_OPENED,
                           .text = text,
                           .token = effect->held.token,
                           .deadline_usec = effect->held.deadline_usec});
}

static void perform(SequenceGate *gate, const Effects *effects)
{
        for (size_t i = 0; i < effects->n; i++) {
                const Effect *effect = &effects->items[i];

                switch (effect->kind) {
                case EFFECT_REQUEST:
                        if (client_submit(gate->client, &effect->request, on_sequence_reply, gate) < 0) {
                                Event lost = event_now(EVENT_REPLY);

                                lost.reply = (Reply){.tag = effect->request.tag, .outcome = OUTCOME_UNKNOWN};
                                step_sequence(gate, &lost); /* asks again later */
                        }
                        break;
                case EFFECT_HELD:
                        on_held(gate, effect);
                        break;
                case EFFECT_WAITING:
                        if (effect->waiting.first) /* the others would only look at the same */
                                start_janitor(gate, false);
                        gate_tell(&gate->gate, (GateEvent){.kind = GATE_WAITING, .text = effect->waiting.text});
                        break;
                case EFFECT_RELEASED:
                        stop_janitor(gate);
                        gate_tell(&gate->gate, (GateEvent){.kind = GATE_CLOSED});
                        break;
                case EFFECT_FAILED:
                        gate_tell(&gate->gate, (GateEvent){.kind = GATE_FAILED,
                                           .outcome = effect->failed.outcome,
                                           .text = effect->failed.text});
                        break;
                case EFFECT_TRACE:
                        log_debug("%s", effect->trace.text);
                        break;
                case EFFECT_EXTENDED: /* the heart's */
                case EFFECT_LOST:
                case EFFECT_YIELD: /* nobody has a better right to a number */
                        break;
                }
        }
}

static void step_sequence(SequenceGate *gate, const Event *event)
{
        Effects effects = {0};

        sequence_step(&gate->sequence, event, &effects);
        perform(gate, &effects);
        timer_set(&gate->sequence_timer, sequence_deadline(&gate->sequence));
}

static void step_janitor(SequenceGate *gate, const Event *event)
{
        uint64_t removed = gate->janitor.removed;
        Effects effects = {0};

        janitor_step(&gate->janitor, event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                if (effects.items[i].kind != EFFECT_REQUEST)
                        continue;
                if (client_submit(gate->client, &effects.items[i].request, on_janitor_reply, &gate->janitor) < 0)
                        log_error("cannot look after the records of %s: out of memory", gate->janitor.records);
        }
        if (gate->janitor.removed > removed)
                log_info("removed the record of a holder that died without release, below %s", gate->janitor.records);
        timer_set(&gate->janitor_timer, janitor_deadline(&gate->janitor));
}

static void on_extended(Hold *hold, uint64_t deadline_usec)
{
        SequenceGate *gate = CONTAINER_OF(hold, SequenceGate, hold);

        gate_tell(&gate->gate, (GateEvent){.kind = GATE_EXTENDED, .deadline_usec = deadline_usec});
}

static void on_lost(Hold *hold, const char *reason)
{
        SequenceGate *gate = CONTAINER_OF(hold, SequenceGate, hold);

        gate->renewed = false;
        stop_janitor(gate);
        gate_tell(&gate->gate, (GateEvent){.kind = GATE_LOST, .text = reason});
}

/* --- the table ---------------------------------------------------------------------------------- */

static void sequence_gate_free(Gate *base)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);

        stop_renewing(gate);
        client_cancel(gate->client, gate);
        client_cancel(gate->client, &gate->janitor);
        timer_deinit(&gate->janitor_timer);
        timer_deinit(&gate->sequence_timer);
        janitor_deinit(&gate->janitor);
        sequence_deinit(&gate->sequence);
        free(gate);
}

static void free_half_made(SequenceGate *gate)
{
        sequence_gate_free(&gate->gate);
}
CLEANUP_DEFINE(SequenceGate, free_half_made);

static void sequence_gate_set_timing(Gate *base, const Timing *timing)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);

        sequence_set_timing(&gate->sequence, timing);
        janitor_set_pause(&gate->janitor, timing->renew_usec);
}

static void sequence_gate_on_session(Gate *base, const Event *event)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);

        step_sequence(gate, event);
        step_janitor(gate, event);
}

static void sequence_gate_open(Gate *base)
{
        Event event = event_now(EVENT_START);

        step_sequence(CONTAINER_OF(base, SequenceGate, gate), &event);
}

/* After a loss too: what is lost is not asked for again by itself, because a number that comes while nobody
 * waits for it would go unheard. */
static void sequence_gate_close(Gate *base)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);
        Event event = event_now(EVENT_RELEASE);

        stop_renewing(gate);
        stop_janitor(gate);
        step_sequence(gate, &event);
        /* The tree is dead, which is all that LOST waits for. */
        event = event_now(EVENT_DEAD);
        step_sequence(gate, &event);
}

static void sequence_gate_lose(Gate *base, const char *reason)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);

        if (!gate->renewed)
                return;
        stop_renewing(gate);
        stop_janitor(gate);
        claim_lose(&gate->sequence.claim, reason);
}

static void sequence_gate_wedge(Gate *base)
{
        claim_wedge(&CONTAINER_OF(base, SequenceGate, gate)->sequence.claim);
}

static void on_node_deleted(void *userdata, const Event *event)
{
        /* If the reply was lost the number stays ours until the session ends. */
}

/* The machine sees its node deleted as if somebody had done it by hand. The number may be another's by now: ours it is
 * only while our grant is there. */
static void sequence_gate_abandon(Gate *base, const char *reason)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);
        const Claim *claim = &gate->sequence.claim;
        const Op ops[] = {{.kind = OP_CHECK, .path = claim->grant, .version = VERSION_ANY},
                {.kind = OP_DELETE, .path = claim->node, .version = VERSION_ANY}};
        const Request request = {.kind = REQUEST_MULTI, .path = claim->node, .ops = ops, .n_ops = ARRAY_SIZE(ops)};

        sequence_gate_lose(base, reason);
        if (client_submit(gate->client, &request, on_node_deleted, gate) < 0)
                log_error("cannot leave %s to others: out of memory", claim->node);
}

static void sequence_gate_env(const Gate *base, GateEnv *env)
{
        gate_env_add(env, "ZK_SEQUENCE", "%" PRIu64, CONTAINER_OF(base, SequenceGate, gate)->sequence.number);
}

static bool sequence_gate_save(const Gate *base, SavedWriter *w)
{
        const SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);

        return gate->renewed == (gate->sequence.claim.state == CLAIM_HELD) && sequence_save(&gate->sequence, w);
}

/* What the janitor had in sight it looks at anew. */
static int sequence_gate_restore(Gate *base, Saved *saved)
{
        SequenceGate *gate = CONTAINER_OF(base, SequenceGate, gate);
        int r = sequence_restore(&gate->sequence, saved);

        if (r < 0 || gate->sequence.claim.state != CLAIM_HELD)
                return r;
        gate->renewed = true;
        heart_add(gate->heart, &gate->hold);
        start_janitor(gate, true);
        return 0;
}

static const GateType type = {.noun = "number",
        .free = sequence_gate_free,
        .set_timing = sequence_gate_set_timing,
        .on_session = sequence_gate_on_session,
        .open = sequence_gate_open,
        .close = sequence_gate_close,
        .lose = sequence_gate_lose,
        .wedge = sequence_gate_wedge,
        .abandon = sequence_gate_abandon,
        .env = sequence_gate_env,
        .save = sequence_gate_save,
        .restore = sequence_gate_restore};

int sequence_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const SequenceConfig *config)
{
        CLEANUP(free_half_made) SequenceGate *gate = calloc(1, sizeof(*gate));
        int r;

        if (!gate)
                return -ENOMEM;
        gate->gate.type = &type;
        gate->client = client;
        gate->heart = heart;
        gate->hold = (Hold){.claim = &gate->sequence.claim, .extended = on_extended, .lost = on_lost};
        list_init(&gate->hold.link);
        r = sequence_init(&gate->sequence, config);
        if (r < 0)
                return r;
        janitor_init(&gate->janitor, gate->sequence.pool, gate->sequence.records, config->first, USEC_PER_SEC);
        r = timer_init(&gate->sequence_timer, event, SD_EVENT_PRIORITY_NORMAL, on_sequence_timer, gate);
        if (r < 0)
                return r;
        r = timer_init(&gate->janitor_timer, event, SD_EVENT_PRIORITY_IDLE, on_janitor_timer, gate);
        if (r < 0)
                return r;
        *out = &TAKE(gate)->gate;
        return 0;
}
