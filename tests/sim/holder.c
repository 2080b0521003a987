#include "sim/holder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct Seat {
        Heart *heart;
        Actor *actor;
        Timing timing;
        Sequence sequence;
        Janitor janitor;
        const HolderPlan *plan;
        unsigned pool, programs;
} Seat;

enum Source {
        SOURCE_SEQUENCE,
        SOURCE_JANITOR,
};
#define SOURCE_SHIFT 28

static void pass_on(enum Source source, const Effect *from, Effects *to)
{
        Effect *effect = effects_append(to, from->kind);

        *effect = *from;
        if (from->kind == EFFECT_REQUEST)
                effect->request.tag |= (uint32_t)source << SOURCE_SHIFT;
}

static void step_janitor(Seat *seat, const Event *event, Effects *out)
{
        Effects effects;

        effects.n = 0;
        janitor_step(&seat->janitor, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                pass_on(SOURCE_JANITOR, &effects.items[i], out);
}

static void tell_janitor(Seat *seat, enum EventKind kind, uint64_t now_usec, Effects *out)
{
        step_janitor(seat, &(Event){.kind = kind, .now_usec = now_usec}, out);
}

static void on_held(Seat *seat, const Effect *effect, uint64_t now_usec, Effects *out)
{
        heart_add(seat->heart, &seat->sequence.claim, now_usec);
        pass_on(SOURCE_SEQUENCE, effect, out);
        janitor_set_number(&seat->janitor, true, effect->held.number);
        tell_janitor(seat, EVENT_START, now_usec, out);
}

/* Whoever waits looks after the dead. The janitor has no watch on the pool, but the sequence has while
 * it is the first in line, and says again that it waits: then look again. */
static void look_after(Seat *seat, uint64_t now_usec, Effects *out)
{
        if (seat->janitor.state != JANITOR_OFF) {
                step_janitor(seat,
                        &(Event){.kind = EVENT_WATCH, .now_usec = now_usec, .watch.kind = WATCH_CHILDREN},
                        out);
                return;
        }
        janitor_set_number(&seat->janitor, false, 0);
        tell_janitor(seat, EVENT_START, now_usec, out);
}

static void step_sequence(Seat *seat, const Event *event, Effects *out)
{
        Effects effects;

        effects.n = 0;
        sequence_step(&seat->sequence, event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                const Effect *effect = &effects.items[i];

                if (effect->kind == EFFECT_HELD) {
                        on_held(seat, effect, event->now_usec, out);
                        continue;
                }
                pass_on(SOURCE_SEQUENCE, effect, out);
                if (effect->kind == EFFECT_WAITING && effect->waiting.first) {
                        look_after(seat, event->now_usec, out);
                } else if (effect->kind == EFFECT_RELEASED) {
                        tell_janitor(seat, EVENT_RELEASE, event->now_usec, out);
                }
        }
}

static void step_owner(Seat *seat, enum Source source, const Event *event, Effects *out)
{
        switch (source) {
        case SOURCE_SEQUENCE:
                step_sequence(seat, event, out);
                break;
        case SOURCE_JANITOR:
                step_janitor(seat, event, out);
                break;
        }
}

static void seat_step(void *machine, const Event *event, Effects *out)
{
        Seat *seat = machine;
        Event copy = *event;

        switch (event->kind) {
        case EVENT_START:
        case EVENT_DEAD:
                step_sequence(seat, event, out);
                break;
        case EVENT_RELEASE:
                heart_remove(seat->heart, &seat->sequence.claim);
                step_sequence(seat, event, out);
                break;
        case EVENT_REPLY:
                copy.reply.tag &= (1u << SOURCE_SHIFT) - 1;
                step_owner(seat, event->reply.tag >> SOURCE_SHIFT, &copy, out);
                break;
        case EVENT_WATCH:
                copy.watch.tag &= (1u << SOURCE_SHIFT) - 1;
                step_owner(seat, event->watch.tag >> SOURCE_SHIFT, &copy, out);
                break;
        case EVENT_SESSION:
                if (event->session.change == SESSION_ATTACHED) {
                        seat->timing = heart_timing(seat->actor->host, event->session.timeout_usec);
                        sequence_set_timing(&seat->sequence, &seat->timing);
                        janitor_set_pause(&seat->janitor, seat->timing.renew_usec);
                }
                step_sequence(seat, event, out);
                step_janitor(seat, event, out);
                break;
        case EVENT_TIME:
                step_sequence(seat, event, out);
                step_janitor(seat, event, out);
                break;
        }
}

static uint64_t seat_deadline(const void *machine)
{
        const Seat *seat = machine;

        return MIN(sequence_deadline(&seat->sequence), janitor_deadline(&seat->janitor));
}

static void seat_deinit(void *machine)
{
        Seat *seat = machine;

        sequence_deinit(&seat->sequence);
        janitor_deinit(&seat->janitor);
}

static void make_machines(Seat *seat, Host *host)
{
        SequenceConfig config = {.root = "/zksup",
                .pool = seat->pool == 0 ? "p" : "q",
                .first = 1,
                .max = seat->plan->max,
                .prefer = UINT64_MAX,
                .reuse = seat->plan->reuse};
        char id[40];

        snprintf(id, sizeof(id), "host%u-%llu", host->id, (unsigned long long)host->incarnation);
        if (seat->programs++) /* a name of its own, for when the old one is not needed */
                snprintf(id + strlen(id), sizeof(id) - strlen(id), "r%u", seat->programs);
        config.id = id;
        snprintf(config.text.host, sizeof(config.text.host), "host%u", host->id);
        if (sequence_init(&seat->sequence, &config) < 0)
                abort();
        janitor_init(&seat->janitor, seat->sequence.pool, seat->sequence.records, 1, 0);
}

static bool seat_save(const void *machine, SavedWriter *writer)
{
        return sequence_save(&((const Seat *)machine)->sequence, writer);
}

/* The janitor of a number starts with the machine, that of a wait when it is said that it goes on. */
static void seat_restore(void *machine, Saved *saved)
{
        Seat *seat = machine;
        Host *host = seat->actor->host;
        Timing timing = heart_timing(host, host->client.timeout_usec);
        Effects nothing;

        seat_deinit(seat);
        make_machines(seat, host);
        if (sequence_restore(&seat->sequence, saved) < 0)
                simulation_violate(host->simulation, "host %u: what was saved cannot be restored", host->id);
        sequence_set_timing(&seat->sequence, &timing);
        heart_replace(seat->heart, seat->actor, &seat->sequence.claim, host_now(host));
        if (seat->sequence.state != SEQUENCE_HELD)
                return;
        nothing.n = 0;
        janitor_set_number(&seat->janitor, true, seat->sequence.number);
        tell_janitor(seat, EVENT_START, host_now(host), &nothing);
        assert(nothing.n == 0);
}

static const ActorType seat_type = {.name = "seat",
        .step = seat_step,
        .deadline = seat_deadline,
        .deinit = seat_deinit,
        .save = seat_save,
        .restore = seat_restore};

static void on_lost(Actor *actor, uint64_t now_usec)
{
        Effects nothing;

        nothing.n = 0;
        tell_janitor(actor->machine, EVENT_RELEASE, now_usec, &nothing);
        assert(nothing.n == 0);
}

static void seat_spawn(Heart *heart, Host *host, const HolderPlan *plan, unsigned pool)
{
        Seat *seat = simulation_allocate(host->simulation, sizeof(*seat));

        seat->plan = plan;
        seat->pool = pool;
        make_machines(seat, host);
        seat->heart = heart;
        seat->actor = host_add_actor(host, &seat_type, seat);
        seat->actor->hold_base = pool * ORACLE_POOL_HOLDS;
        heart_know(heart, seat->actor, &seat->sequence.claim, on_lost);
}

void holder_spawn(Host *host, const HolderPlan *plan)
{
        Heart *heart = heart_spawn(host);

        for (unsigned pool = 0; pool < plan->n_pools; pool++)
                seat_spawn(heart, host, plan, pool);
}
