#include "sim/fault.h"

#include <stdio.h>

/* Faults come in episodes: something breaks, and some time later is whole again. */
typedef struct Episode {
        World *world;
        unsigned a, b;
} Episode;

static void on_end(void *object, void *payload, uint64_t number)
{
        unsigned fault = (unsigned)number;
        Episode *e = payload;

        if (e->world->is_healed)
                return;
        simulation_trace(
                &e->world->simulation, "-- over: %s (host %u, server %u)", fault_name(fault), e->a, e->b);
        fault_set(e->world, fault, e->a, e->b, false);
}

static uint64_t draw_length(World *world)
{
        Simulation *s = &world->simulation;
        uint64_t timeout = world->hosts[0].plan.timeout_usec;

        switch (simulation_below(s, 3)) {
        case 0:
                return simulation_between(s, 1000, timeout / 4);
        case 1:
                return simulation_between(s, timeout / 4, 3 * timeout / 2);
        default:
                return simulation_between(
                        s, timeout / 2, 2 * SYNC_LIMIT * world->ensemble.tick_usec + timeout);
        }
}

static void on_fault(void *object, void *payload, uint64_t number)
{
        World *world = object;
        Simulation *s = &world->simulation;
        Episode *e = simulation_allocate(s, sizeof(*e));
        unsigned fault = (unsigned)simulation_below(s, fault_count(world));

        if (world->is_healed)
                return;
        *e = (Episode){.world = world,
                .a = (unsigned)simulation_below(s, world->n_hosts),
                .b = (unsigned)simulation_below(s, world->ensemble.n_servers)};
        if (simulation_chance(s, 50)) /* the server that matters to the host */
                e->b = world->hosts[e->a].client.server;
        simulation_trace(s, "-- fault: %s (host %u, server %u)", fault_name(fault), e->a, e->b);
        world->n_faults++;
        fault_set(world, fault, e->a, e->b, true);
        simulation_after(s, draw_length(world), on_end, NULL, e, fault);
        simulation_after(s, simulation_between(s, 1000, (uint64_t)number), on_fault, world, NULL, number);
}

/* What is not a quiet moment passes. Not during the healing: whoever waits for a record to stand unchanged may begin
 * anew each time. NUMBER: the pace. */
static void on_reexec(void *object, void *payload, uint64_t number)
{
        World *world = object;
        Simulation *s = &world->simulation;

        if (world->is_healed)
                return;
        world->n_reexecs += host_reexec(&world->hosts[simulation_below(s, world->n_hosts)]);
        simulation_after(s, simulation_between(s, 1, number), on_reexec, world, NULL, number);
}

static void draw_clocks(World *world)
{
        static const uint64_t rates[] = {900, 900, 1000, 1100, 1100, 950, 1050};

        for (unsigned i = 0; i < world->n_hosts; i++)
                world->hosts[i].rate_permille =
                        rates[simulation_below(&world->simulation, ARRAY_SIZE(rates))];
}

static void draw_tenants(World *world, Random *r)
{
        TenantPlan *plan = &world->tenants;

        plan->n_pools = random_below(r, 3) ? 1 : 2;
        plan->slots = 1 + (unsigned)random_below(r, 3);
        plan->has_priorities = plan->kind == TENANT_ELECTION && !plan->is_fair && random_below(r, 2);
        plan->preempts = plan->has_priorities && random_below(r, 2);
        world->give_up_percent = random_below(r, 2) ? 30 : 0;
        for (unsigned pool = 0; plan->kind == TENANT_SEMAPHORE && pool < plan->n_pools; pool++)
                world->oracle.limit[pool] = plan->slots;
        if (plan->is_fair)
                world->ensemble.container_usec = 3600 * USEC_PER_SEC; /* or the count in the queue begins anew */
}

static void draw_world(World *world, uint64_t seed, const Subject *subject)
{
        static const uint64_t ticks[] = {500, 1000, 2000, 2000};
        Random r;
        uint64_t tick, timeout;
        unsigned n_servers, n_hosts;
        HostPlan plan = {0};

        random_init(&r, ~seed);
        tick = ticks[random_below(&r, ARRAY_SIZE(ticks))] * USEC_PER_MSEC;
        timeout = MAX(tick * (2 + random_below(&r, 5)), 2 * USEC_PER_SEC);
        n_servers = random_below(&r, 10) < 2 ? 1 : 3;
        n_hosts = 2 + (unsigned)random_below(&r, SCHEDULE_HOSTS - 1);
        plan.timeout_usec = timeout;
        plan.patience_usec = random_below(&r, 2) ? timeout / 6 : 0;
        plan.work_min_usec = random_below(&r, 2) ? timeout / 4 : 20 * timeout;
        plan.work_max_usec = plan.work_min_usec + timeout;
        plan.restart_percent = (unsigned)random_below(&r, 3) * 40;
        plan.stubborn_percent = (unsigned)random_below(&r, 3) * 50;
        plan.pause_max_usec = timeout;
        world_init(world, seed, subject, n_servers, n_hosts, tick, &plan, 1 + random_below(&r, 3));
        world->plan.n_pools = subject->is_naive || random_below(&r, 3) ? 1 : 2;
        world->plan.reuse = random_below(&r, 2) ? SEQUENCE_REUSE_SKIP : SEQUENCE_REUSE_WAIT;
        world->ensemble.refuses_moved = random_below(&r, 4) != 0;
        world->ensemble.container_usec = (1 + random_below(&r, 8)) * tick;
        if (subject->is_tenant)
                draw_tenants(world, &r);
        draw_clocks(world);
}

bool schedule_run(World *world, uint64_t seed, const Subject *subject)
{
        Simulation *s = &world->simulation;
        uint64_t timeout, pace;
        bool good;

        draw_world(world, seed, subject);
        timeout = world->hosts[0].plan.timeout_usec;
        world_boot(world);
        pace = simulation_between(s, timeout / 4, 2 * timeout);
        if (!subject->is_fair)
                simulation_after(s, simulation_below(s, 2 * timeout), on_fault, world, NULL, pace);
        if (subject->reexecs) {
                pace = simulation_between(s, timeout / 40, timeout / 2);
                simulation_after(s, pace, on_reexec, world, NULL, pace);
        }
        good = simulation_run(s, s->now_usec + simulation_between(s, 3 * timeout, 9 * timeout));
        if (good)
                good = world_heal(world);
        world_clear(world);
        return good;
}

void schedule_explain(World *world, uint64_t seed, const Subject *subject)
{
        world->simulation.tracing = true;
        schedule_run(world, seed, subject);
        world->simulation.tracing = false;
        fprintf(stderr, "---- transcript of seed %llu: %u servers, tick %.1fs, T %.1fs%s\n%s----\n",
                (unsigned long long)seed, world->ensemble.n_servers, (double)world->ensemble.tick_usec / 1e6,
                (double)world->hosts[0].plan.timeout_usec / 1e6,
                world->ensemble.refuses_moved ? "" : ", requests may be done at any later time",
                world->simulation.transcript.data ? world->simulation.transcript.data : "");
}
