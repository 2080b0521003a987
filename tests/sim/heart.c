#include "sim/heart.h"

#include <assert.h>

typedef struct Known {
        Actor *actor;
        Claim *claim;
        void (*on_lost)(Actor *actor, uint64_t now_usec);
} Known;

struct Heart {
        Host *host;
        Lease lease;
        Known known[HEART_CLAIMS];
        unsigned n_known;
};

Timing heart_timing(const Host *host, uint64_t timeout_usec)
{
        Timing timing = {0};
        char problem[256];

        if (timing_init(&timing, timeout_usec, host->plan.grace_usec, problem, sizeof(problem)) < 0)
                simulation_violate(host->simulation, "%s", problem);
        return timing;
}

void heart_add(Heart *heart, Claim *claim, uint64_t now_usec)
{
        lease_add(&heart->lease, claim, now_usec);
}

void heart_remove(Heart *heart, Claim *claim)
{
        lease_remove(&heart->lease, claim);
}

static void lose(Heart *heart, const Claim *claim, uint64_t now_usec)
{
        for (unsigned i = 0; i < heart->n_known; i++) {
                Known *known = &heart->known[i];

                if (known->claim != claim)
                        continue;
                if (known->on_lost)
                        known->on_lost(known->actor, now_usec);
                actor_lose(known->actor, claim->reason);
        }
}

static void heart_step(void *machine, const Event *event, Effects *out)
{
        Heart *heart = machine;
        Effects effects;
        Claim *claim;

        if (event->kind == EVENT_SESSION && event->session.change == SESSION_ATTACHED) {
                Timing timing = heart_timing(heart->host, event->session.timeout_usec);

                lease_set_timing(&heart->lease, &timing);
        }
        effects.n = 0;
        lease_step(&heart->lease, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                if (effects.items[i].kind == EFFECT_REQUEST)
                        *effects_append(out, EFFECT_REQUEST) = effects.items[i];
                else if (effects.items[i].kind == EFFECT_EXTENDED)
                        for (unsigned k = 0; k < heart->n_known; k++)
                                actor_extend(heart->known[k].actor, heart->known[k].claim->deadline_usec);
        while ((claim = lease_take_lost(&heart->lease)))
                lose(heart, claim, event->now_usec);
}

static uint64_t heart_deadline(const void *machine)
{
        const Heart *heart = machine;

        return lease_deadline(&heart->lease);
}

static void heart_deinit(void *machine)
{
        Heart *heart = machine;

        lease_deinit(&heart->lease);
}

static bool heart_save(const void *machine, SavedWriter *writer)
{
        const Heart *heart = machine;

        return !heart->lease.under_way && !heart->lease.n_lost; /* the claims are said by those that have them */
}

static void heart_restore(void *machine, Saved *saved)
{
        Heart *heart = machine;
        Timing timing = heart_timing(heart->host, heart->host->client.timeout_usec);

        lease_deinit(&heart->lease);
        lease_init(&heart->lease);
        lease_set_timing(&heart->lease, &timing);
        if (lease_reserve(&heart->lease, HEART_CLAIMS) < 0)
                abort();
}

static const ActorType heart_type = {.name = "lease",
        .step = heart_step,
        .deadline = heart_deadline,
        .deinit = heart_deinit,
        .save = heart_save,
        .restore = heart_restore};

Heart *heart_spawn(Host *host)
{
        Heart *heart = simulation_allocate(host->simulation, sizeof(*heart));

        heart->host = host;
        lease_init(&heart->lease);
        if (lease_reserve(&heart->lease, HEART_CLAIMS) < 0)
                abort();
        host_add_actor(host, &heart_type, heart);
        return heart;
}

void heart_know(Heart *heart, Actor *actor, Claim *claim, void (*on_lost)(Actor *actor, uint64_t now_usec))
{
        assert(heart->n_known < HEART_CLAIMS);
        heart->known[heart->n_known++] = (Known){.actor = actor, .claim = claim, .on_lost = on_lost};
}

void heart_replace(Heart *heart, const Actor *actor, Claim *claim, uint64_t now_usec)
{
        for (unsigned i = 0; i < heart->n_known; i++)
                if (heart->known[i].actor == actor)
                        heart->known[i].claim = claim;
        if (claim->state == CLAIM_HELD)
                heart_add(heart, claim, now_usec);
}
