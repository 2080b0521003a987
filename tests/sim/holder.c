#include "sim/holder.h"

#include <assert.h>
#include <stdio.h>

enum Source {
        SOURCE_LEASE,
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

static void step_janitor(Holder *h, const Event *event, Effects *out)
{
        Effects effects;

        effects.n = 0;
        janitor_step(&h->janitor, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                pass_on(SOURCE_JANITOR, &effects.items[i], out);
}

static void tell_janitor(Holder *h, enum EventKind kind, uint64_t now_usec, Effects *out)
{
        step_janitor(h, &(Event){.kind = kind, .now_usec = now_usec}, out);
}

static void on_held(Holder *h, const Effect *effect, uint64_t now_usec, Effects *out)
{
        lease_add(&h->lease, &h->sequence.claim, now_usec);
        pass_on(SOURCE_SEQUENCE, effect, out);
        janitor_set_number(&h->janitor, true, effect->held.number);
        tell_janitor(h, EVENT_START, now_usec, out);
}

/* Whoever waits looks after the dead. The janitor has no watch on the pool, but the sequence has while
 * it is the first in line, and says again that it waits: then look again. */
static void look_after(Holder *h, uint64_t now_usec, Effects *out)
{
        if (h->janitor.state != JANITOR_OFF) {
                step_janitor(h,
                        &(Event){.kind = EVENT_WATCH, .now_usec = now_usec, .watch.kind = WATCH_CHILDREN},
                        out);
                return;
        }
        janitor_set_number(&h->janitor, false, 0);
        tell_janitor(h, EVENT_START, now_usec, out);
}

static void step_sequence(Holder *h, const Event *event, Effects *out)
{
        Effects effects;

        effects.n = 0;
        sequence_step(&h->sequence, event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                const Effect *effect = &effects.items[i];

                if (effect->kind == EFFECT_HELD) {
                        on_held(h, effect, event->now_usec, out);
                        continue;
                }
                pass_on(SOURCE_SEQUENCE, effect, out);
                if (effect->kind == EFFECT_WAITING) {
                        look_after(h, event->now_usec, out);
                } else if (effect->kind == EFFECT_RELEASED) {
                        tell_janitor(h, EVENT_RELEASE, event->now_usec, out);
                }
        }
}

static void step_lease(Holder *h, const Event *event, Effects *out)
{
        Effects effects;
        Effect *effect;
        Claim *claim;

        effects.n = 0;
        lease_step(&h->lease, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                if (effects.items[i].kind == EFFECT_REQUEST) {
                        pass_on(SOURCE_LEASE, &effects.items[i], out);
                } else if (effects.items[i].kind == EFFECT_EXTENDED) {
                        effect = effects_append(out, EFFECT_EXTENDED);
                        effect->held.deadline_usec = h->sequence.claim.deadline_usec;
                }
        while ((claim = lease_take_lost(&h->lease))) {
                effect = effects_append(out, EFFECT_LOST);
                snprintf(effect->lost.text, sizeof(effect->lost.text), "%s", claim->reason);
                tell_janitor(h, EVENT_RELEASE, event->now_usec, out);
        }
}

static void step_owner(Holder *h, enum Source source, const Event *event, Effects *out)
{
        switch (source) {
        case SOURCE_LEASE:
                step_lease(h, event, out);
                break;
        case SOURCE_SEQUENCE:
                step_sequence(h, event, out);
                break;
        case SOURCE_JANITOR:
                step_janitor(h, event, out);
                break;
        }
}

static void on_session(Holder *h, const Event *event, Effects *out)
{
        char problem[256];

        if (event->session.change == SESSION_ATTACHED) {
                if (timing_init(&h->timing, event->session.timeout_usec, h->grace_usec, problem,
                            sizeof(problem)) < 0)
                        simulation_violate(h->simulation, "%s", problem);
                sequence_set_timing(&h->sequence, &h->timing);
                lease_set_timing(&h->lease, &h->timing);
                janitor_set_pause(&h->janitor, h->timing.renew_usec);
        }
        step_lease(h, event, out);
        step_sequence(h, event, out);
        step_janitor(h, event, out);
}

static void holder_step(void *machine, const Event *event, Effects *out)
{
        Holder *h = machine;
        Event copy = *event;

        switch (event->kind) {
        case EVENT_START:
        case EVENT_DEAD:
                step_sequence(h, event, out);
                break;
        case EVENT_RELEASE:
                lease_remove(&h->lease, &h->sequence.claim);
                step_sequence(h, event, out);
                break;
        case EVENT_REPLY:
                copy.reply.tag &= (1u << SOURCE_SHIFT) - 1;
                step_owner(h, event->reply.tag >> SOURCE_SHIFT, &copy, out);
                break;
        case EVENT_WATCH:
                copy.watch.tag &= (1u << SOURCE_SHIFT) - 1;
                step_owner(h, event->watch.tag >> SOURCE_SHIFT, &copy, out);
                break;
        case EVENT_SESSION:
                on_session(h, event, out);
                break;
        case EVENT_TIME:
                step_lease(h, event, out);
                step_sequence(h, event, out);
                step_janitor(h, event, out);
                break;
        }
}

static uint64_t holder_deadline(const void *machine)
{
        const Holder *h = machine;

        return MIN(MIN(lease_deadline(&h->lease), sequence_deadline(&h->sequence)),
                janitor_deadline(&h->janitor));
}

static void holder_deinit(void *machine)
{
        Holder *h = machine;

        lease_deinit(&h->lease);
        sequence_deinit(&h->sequence);
        janitor_deinit(&h->janitor);
}

const ActorType holder_type = {
        .name = "holder", .step = holder_step, .deadline = holder_deadline, .deinit = holder_deinit};

Holder *holder_new(Host *host, const HolderPlan *plan)
{
        Holder *h = simulation_allocate(host->simulation, sizeof(*h));
        SequenceConfig config = {.root = "/zksup",
                .pool = plan->pool,
                .first = 1,
                .max = plan->max,
                .prefer = UINT64_MAX,
                .reuse = plan->reuse};
        char id[40];

        h->simulation = host->simulation;
        h->grace_usec = host->plan.grace_usec;
        snprintf(id, sizeof(id), "host%u-%llu", host->id, (unsigned long long)host->incarnation);
        config.id = id;
        snprintf(config.text.host, sizeof(config.text.host), "host%u", host->id);
        lease_init(&h->lease);
        if (lease_reserve(&h->lease, 1) < 0 || sequence_init(&h->sequence, &config) < 0)
                abort();
        janitor_init(&h->janitor, h->sequence.pool, h->sequence.records, 1, 0);
        return h;
}
