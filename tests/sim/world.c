#include <stdio.h>
#include "sim/schedule.h"

static void spawn(Host *host, void *userdata)
{
        World *world = userdata;

        if (world->subject.is_naive)
                host_add_actor(host, &naive_type, naive_new(host, world->subject.naive));
        else if (world->subject.is_tenant)
                tenant_spawn(host, &world->tenants);
        else
                holder_spawn(host, &world->plan);
}

void world_init(World *world, uint64_t seed, const Subject *subject, unsigned n_servers, unsigned n_hosts,
        uint64_t tick_usec, const HostPlan *plan, uint64_t max_number)
{
        Simulation *s = &world->simulation;

        simulation_reset(s, seed);
        ensemble_init(&world->ensemble, s, n_servers, tick_usec);
        oracle_init(&world->oracle, s);
        world->n_hosts = n_hosts;
        world->subject = *subject;
        world->plan = (HolderPlan){.n_pools = 1, .max = subject->is_naive ? 1 : max_number};
        world->give_up_percent = 0;
        world->tenants = (TenantPlan){.kind = subject->tenant,
                .n_pools = 1,
                .slots = (unsigned)max_number,
                .give_up_percent = &world->give_up_percent,
                .is_fair = subject->is_fair};
        world->is_healed = false;
        world->n_faults = world->n_reexecs = world->heal_usec = 0;
        for (unsigned i = 0; i < n_hosts; i++) {
                host_init(&world->hosts[i], s, &world->ensemble, &world->oracle, i, plan);
                world->hosts[i].spawn = spawn;
                world->hosts[i].userdata = world;
                world->hosts[i].timer_min_usec = claim_mutant == MUTANT_NONE ? 0 : 10 * USEC_PER_MSEC;
                world->hosts[i].uses_monotonic = subject->uses_monotonic;
                world->hosts[i].releases_early = subject->releases_early;
        }
}

void world_boot(World *world)
{
        for (unsigned i = 0; i < world->n_hosts; i++)
                host_boot(&world->hosts[i]);
}

void world_clear(World *world)
{
        for (unsigned i = 0; i < world->n_hosts; i++)
                host_deinit(&world->hosts[i]);
        world->n_hosts = 0;
}

void world_deinit(World *world)
{
        world_clear(world);
        simulation_deinit(&world->simulation);
}

static bool is_served(const World *world, unsigned host)
{
        unsigned n_pools = world->subject.is_tenant ? world->tenants.n_pools : world->plan.n_pools;

        for (unsigned pool = 0; pool < n_pools; pool++)
                if (world->oracle.served[host][pool] == 0)
                        return false;
        return true;
}

static bool is_everybody_served(const World *world)
{
        for (unsigned i = 0; i < world->n_hosts; i++)
                if (!is_served(world, i))
                        return false;
        return true;
}

static void heal_hosts(World *world)
{
        for (unsigned i = 0; i < world->n_hosts; i++) {
                Host *host = &world->hosts[i];

                host_suspend(host, false);
                host_freeze(host, false);
                if (!host->is_up)
                        host_boot(host);
                /* From now on nobody keeps what others wait for. */
                host->client.has_fates = false;
                host->plan.restart_percent = 0;
                host->plan.work_min_usec = 1000;
                host->plan.work_max_usec = host->plan.timeout_usec / 4;
                host->plan.pause_max_usec = host->plan.timeout_usec * (world->tenants.has_priorities ? 4 : 1);
                for (unsigned k = 0; k < host->n_actors; k++) /* who works now, for that long still */
                        host_retire_child(host, &host->actors[k]);
        }
}

bool world_heal(World *world)
{
        Simulation *s = &world->simulation;
        uint64_t timeout = world->hosts[0].plan.timeout_usec, step = timeout / 4, begin = s->now_usec, limit;

        simulation_trace(s, "everything is healed");
        world->is_healed = true;
        world->give_up_percent = 0;
        ensemble_heal(&world->ensemble);
        heal_hosts(world);
        for (unsigned i = 0; i < world->n_hosts; i++)
                world->oracle.served[i][0] = world->oracle.served[i][1] = 0;
        /* Servers find each other, sessions expire, records of the dead stand for W each, and all of
         * it with slow clocks; then the numbers go round. */
        limit = begin + 60 * world->ensemble.tick_usec + (15 + 5 * world->n_hosts) * timeout;
        if (world->tenants.has_priorities) /* until the better ones all happen to pause */
                limit += 100 * timeout;
        while (!is_everybody_served(world)) {
                if (s->now_usec > limit) {
                        if (!world->ensemble.refuses_moved)
                                return true; /* of such an ensemble only safety is asked, see ensemble.h */
                        for (unsigned i = 0; i < world->n_hosts; i++)
                                if (!is_served(world, i))
                                        simulation_violate(s, "host %u is not served %.1fs after the healing",
                                                i, (double)(s->now_usec - begin) / 1e6);
                        return false;
                }
                if (!simulation_run(s, s->now_usec + step))
                        return false;
        }
        world->heal_usec = s->now_usec - begin;
        return true;
}
