#include "sim/tenant.h"

#include <stdio.h>
#include <string.h>
#include "recipe/election.h"
#include "recipe/lock.h"
#include "recipe/semaphore.h"

typedef struct Tenant {
        Heart *heart;
        Actor *actor;
        const TenantPlan *plan;
        const RecipeType *recipe;
        void *machine;
        bool is_asking;
        uint64_t patience; /* counts the times of asking */
        unsigned pool, programs;
        bool is_shared;
} Tenant;

static Claim *claim_of(Tenant *tenant)
{
        return tenant->recipe->claim(tenant->machine);
}

/* The digits that the server has put behind the name of the znode. */
static int64_t order_of(const Claim *claim)
{
        size_t len = strlen(claim->node);
        int64_t order = 0;

        for (size_t i = len < 10 ? 0 : len - 10; i < len; i++)
                order = order * 10 + (claim->node[i] - '0');
        return order;
}

static void on_held(Tenant *tenant, uint64_t now_usec)
{
        Claim *claim = claim_of(tenant);

        tenant->is_asking = false;
        if (claim->state != CLAIM_HELD) {
                simulation_violate(tenant->actor->host->simulation, "HELD without a claim");
                return;
        }
        heart_add(tenant->heart, claim, now_usec);
        if (tenant->plan->is_fair)
                oracle_served_in_order(tenant->actor->host->oracle, tenant->actor->hold_base, order_of(claim));
}

static void step(Tenant *tenant, const Event *event, Effects *out)
{
        Effects effects;

        effects.n = 0;
        tenant->recipe->step(tenant->machine, event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                if (effects.items[i].kind == EFFECT_HELD)
                        on_held(tenant, event->now_usec);
                else if (effects.items[i].kind == EFFECT_RELEASED)
                        tenant->is_asking = false;
                *effects_append(out, effects.items[i].kind) = effects.items[i];
        }
}

static void step_kind(Tenant *tenant, enum EventKind kind, uint64_t now_usec, Effects *out)
{
        step(tenant, &(Event){.kind = kind, .now_usec = now_usec}, out);
}

/* PAYLOAD says of which time of asking. The supervisor may be another one by now. */
static void on_patience_over(void *object, void *payload, uint64_t incarnation)
{
        Tenant *tenant = object;
        Host *host = tenant->actor->host;
        const uint64_t *patience = payload;

        if (!host->is_up || host->incarnation != incarnation || host->is_frozen || host->is_suspended)
                return;
        if (tenant->patience == *patience && tenant->is_asking && *tenant->plan->give_up_percent) {
                simulation_trace(host->simulation, "host %u: gives up", host->id);
                host_tell(host, tenant->actor, (Event){.kind = EVENT_RELEASE});
        }
}

static void ask(Tenant *tenant, uint64_t now_usec, Effects *out)
{
        Host *host = tenant->actor->host;
        Simulation *s = host->simulation;

        if (tenant->actor->is_held || tenant->actor->is_lost)
                return; /* it was asked for already, before the release was through */
        tenant->is_asking = true;
        tenant->patience++;
        if (simulation_chance(s, *tenant->plan->give_up_percent))
                simulation_after(s, simulation_below(s, 2 * host->plan.timeout_usec), on_patience_over, tenant,
                        simulation_copy(s, &tenant->patience, sizeof(tenant->patience)), host->incarnation);
        step_kind(tenant, EVENT_START, now_usec, out);
}

/* What the gate of a unit does when the unit wants it closed. */
static void give_back(Tenant *tenant, uint64_t now_usec, Effects *out)
{
        heart_remove(tenant->heart, claim_of(tenant));
        tenant->is_asking = false;
        step_kind(tenant, EVENT_RELEASE, now_usec, out);
        step_kind(tenant, EVENT_DEAD, now_usec, out);
}

static void tenant_step(void *machine, const Event *event, Effects *out)
{
        Tenant *tenant = machine;
        Simulation *s = tenant->actor->host->simulation;
        Timing timing;

        switch (event->kind) {
        case EVENT_START:
                ask(tenant, event->now_usec, out);
                break;
        case EVENT_DEAD:
                if (simulation_chance(s, 50)) {
                        tenant->is_asking = true;
                        step(tenant, event, out);
                } else {
                        give_back(tenant, event->now_usec, out);
                }
                break;
        case EVENT_RELEASE:
                give_back(tenant, event->now_usec, out);
                if (simulation_chance(s, 10))
                        ask(tenant, event->now_usec, out);
                break;
        case EVENT_SESSION:
                if (event->session.change == SESSION_ATTACHED) {
                        timing = heart_timing(tenant->actor->host, event->session.timeout_usec);
                        tenant->recipe->set_timing(tenant->machine, &timing);
                }
                step(tenant, event, out);
                break;
        case EVENT_REPLY:
        case EVENT_WATCH:
        case EVENT_TIME:
                step(tenant, event, out);
                break;
        }
}

static uint64_t tenant_deadline(const void *machine)
{
        const Tenant *tenant = machine;

        return tenant->recipe->deadline(tenant->machine);
}

static void tenant_deinit(void *machine)
{
        Tenant *tenant = machine;

        tenant->recipe->deinit(tenant->machine);
}

/* --- making them -------------------------------------------------------------------------------- */

static void make_lock(Tenant *tenant, const char *name, const char *id, const Record *text, enum LockMode mode)
{
        LockConfig config = {.root = "/zksup", .name = name, .id = id, .mode = mode, .text = *text};
        Lock *lock;

        if (lock_new(&lock, &config) < 0)
                abort();
        tenant->machine = lock;
        tenant->recipe = &lock_recipe;
}

static void make_election(Tenant *tenant, const char *name, const char *id, const Record *text, unsigned host)
{
        ElectionConfig config = {.root = "/zksup",
                .name = name,
                .id = id,
                .priority = tenant->plan->has_priorities ? host : 0,
                .preempt = tenant->plan->preempts,
                .text = *text};
        Election *election;

        if (election_new(&election, &config) < 0)
                abort();
        tenant->machine = election;
        tenant->recipe = &election_recipe;
}

static void make_semaphore(Tenant *tenant, const char *name, const char *id, const Record *text)
{
        SemaphoreConfig config = {
                .root = "/zksup", .name = name, .id = id, .slots = tenant->plan->slots, .text = *text};
        Semaphore *semaphore;

        if (semaphore_new(&semaphore, &config) < 0)
                abort();
        tenant->machine = semaphore;
        tenant->recipe = &semaphore_recipe;
}

static void make_machine(Tenant *tenant, const Host *host)
{
        const char *name = tenant->pool == 0 ? "p" : "q";
        Record text = {0};
        char id[48];

        snprintf(id, sizeof(id), "%x-%x-%x", host->id, (unsigned)host->incarnation, tenant->pool);
        if (tenant->programs++) /* a name of its own, for when the old one is not needed */
                snprintf(id + strlen(id), sizeof(id) - strlen(id), "r%x", tenant->programs);
        snprintf(text.host, sizeof(text.host), "host%u", host->id);
        switch (tenant->plan->kind) {
        case TENANT_LOCK:
                make_lock(tenant, name, id, &text, LOCK_EXCLUSIVE);
                break;
        case TENANT_READWRITE:
                make_lock(tenant, name, id, &text, tenant->is_shared ? LOCK_SHARED : LOCK_WRITE);
                break;
        case TENANT_ELECTION:
                make_election(tenant, name, id, &text, host->id);
                break;
        case TENANT_SEMAPHORE:
                make_semaphore(tenant, name, id, &text);
                break;
        }
}

static bool tenant_save(const void *machine, SavedWriter *writer)
{
        const Tenant *tenant = machine;

        return tenant->recipe->save(tenant->machine, writer);
}

static void tenant_restore(void *machine, Saved *saved)
{
        Tenant *tenant = machine;
        Host *host = tenant->actor->host;
        Timing timing = heart_timing(host, host->client.timeout_usec);

        tenant_deinit(tenant);
        make_machine(tenant, host);
        if (tenant->recipe->restore(tenant->machine, saved) < 0)
                simulation_violate(host->simulation, "host %u: what was saved cannot be restored", host->id);
        tenant->recipe->set_timing(tenant->machine, &timing);
        heart_replace(tenant->heart, tenant->actor, claim_of(tenant), host_now(host));
}

static const ActorType tenant_type = {.name = "tenant",
        .step = tenant_step,
        .deadline = tenant_deadline,
        .deinit = tenant_deinit,
        .save = tenant_save,
        .restore = tenant_restore};

static void spawn(Host *host, Heart *heart, const TenantPlan *plan, unsigned pool)
{
        Tenant *tenant = simulation_allocate(host->simulation, sizeof(*tenant));

        tenant->heart = heart;
        tenant->plan = plan;
        tenant->pool = pool;
        tenant->is_shared = plan->kind == TENANT_READWRITE && simulation_chance(host->simulation, 60);
        make_machine(tenant, host);
        tenant->actor = host_add_actor(host, &tenant_type, tenant);
        tenant->actor->hold_base = pool * ORACLE_POOL_HOLDS + (tenant->is_shared ? ORACLE_SHARED : 0);
        heart_know(heart, tenant->actor, claim_of(tenant), NULL);
}

void tenant_spawn(Host *host, const TenantPlan *plan)
{
        Heart *heart = heart_spawn(host);

        for (unsigned pool = 0; pool < plan->n_pools; pool++)
                spawn(host, heart, plan, pool);
}
