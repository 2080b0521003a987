#include "sim/fault.h"

/* The most that a fault waits for the moment it wants. */
#define MOMENT_STEP_USEC 300
#define MOMENT_TRIES 4000

typedef void (*FaultFn)(World *world, unsigned a, unsigned b, bool begins);

static void cut_host(World *world, unsigned a, unsigned b, bool begins)
{
        for (unsigned i = 0; i < world->ensemble.n_servers; i++)
                host_cut(&world->hosts[a], i, true, true, begins);
}

static void cut_host_from_server(World *world, unsigned a, unsigned b, bool begins)
{
        host_cut(&world->hosts[a], b, true, true, begins);
}

static void cut_replies(World *world, unsigned a, unsigned b, bool begins)
{
        host_cut(&world->hosts[a], b, false, true, begins);
}

static void cut_requests(World *world, unsigned a, unsigned b, bool begins)
{
        host_cut(&world->hosts[a], b, true, false, begins);
}

static void slow_host(World *world, unsigned a, unsigned b, bool begins)
{
        Network *network = &world->ensemble.network;
        uint64_t extra = begins ? simulation_below(&world->simulation, world->hosts[a].plan.timeout_usec) : 0;

        network->links[network_host(a)][b].extra_usec = extra;
        network->links[b][network_host(a)].extra_usec = simulation_chance(&world->simulation, 50) ? extra : 0;
}

static void slow_server(World *world, unsigned a, unsigned b, bool begins)
{
        Network *network = &world->ensemble.network;
        unsigned server = b, other = (b + 1) % world->ensemble.n_servers;
        uint64_t extra = begins ? simulation_below(&world->simulation, 4 * world->ensemble.tick_usec) : 0;

        network->links[other][server].extra_usec = extra;
}

static void isolate_server(World *world, unsigned a, unsigned b, bool begins)
{
        ensemble_isolate(&world->ensemble, b, begins);
}

static void isolate_leader(World *world, unsigned a, unsigned b, bool begins)
{
        Server *leader = ensemble_find_leader(&world->ensemble);

        if (begins && leader)
                b = leader->id;
        for (unsigned i = 0; i < world->ensemble.n_servers; i++)
                if (begins ? i == b : true)
                        ensemble_isolate(&world->ensemble, i, begins);
}

static void cut_pair(World *world, unsigned a, unsigned b, bool begins)
{
        ensemble_cut(&world->ensemble, b, (b + 1) % world->ensemble.n_servers, begins);
}

static void cut_one_way(World *world, unsigned a, unsigned b, bool begins)
{
        network_cut(&world->ensemble.network, b, (b + 1) % world->ensemble.n_servers, begins);
}

static void crash_server(World *world, unsigned a, unsigned b, bool begins)
{
        if (begins)
                ensemble_crash(&world->ensemble, b, simulation_chance(&world->simulation, 60));
        else
                ensemble_restart(&world->ensemble, b);
}

static void freeze_server(World *world, unsigned a, unsigned b, bool begins)
{
        ensemble_freeze(&world->ensemble, b, begins);
}

static void freeze_supervisor(World *world, unsigned a, unsigned b, bool begins)
{
        host_freeze(&world->hosts[a], begins);
}

static void suspend_machine(World *world, unsigned a, unsigned b, bool begins)
{
        host_suspend(&world->hosts[a], begins);
}

static void kill_supervisor(World *world, unsigned a, unsigned b, bool begins)
{
        if (begins)
                host_kill_supervisor(&world->hosts[a]);
        else if (!world->hosts[a].is_up)
                host_boot(&world->hosts[a]);
}

static void crash_host(World *world, unsigned a, unsigned b, bool begins)
{
        if (begins)
                host_crash(&world->hosts[a]);
        else if (!world->hosts[a].is_up)
                host_boot(&world->hosts[a]);
}

static void lose_messages(World *world, unsigned a, unsigned b, bool begins)
{
        world->hosts[a].client.has_fates = begins;
        world->hosts[a].client.late_usec =
                simulation_between(&world->simulation, 1000, 2 * world->hosts[a].plan.timeout_usec);
}

/* The rule holds even if a session ends long before its time. That the naive leases do not survive
 * this would prove little: they are left what ZooKeeper promises. */
static void expire_session(World *world, unsigned a, unsigned b, bool begins)
{
        Server *leader = ensemble_find_leader(&world->ensemble);

        if (begins && leader && world->hosts[a].client.session && !world->subject.is_naive)
                leader_expire(leader, world->hosts[a].client.session);
}

/* ---- faults that wait for their moment: a request is under way ---- */

typedef struct Moment {
        World *world;
        unsigned host, server;
        uint64_t incarnation, tries;
        void (*fn)(struct Moment *moment);
} Moment;

static void on_moment(void *object, void *payload, uint64_t number)
{
        Moment *m = object;
        Host *host = &m->world->hosts[m->host];
        const Client *client = &host->client;

        if (m->world->is_healed || m->tries-- == 0)
                return;
        if (host->is_up && client->state == CLIENT_CONNECTED && client->pending && client->pending->is_sent)
                m->fn(m);
        else
                simulation_after(&m->world->simulation, MOMENT_STEP_USEC, on_moment, m, NULL, 0);
}

static void await_moment(World *world, unsigned host, void (*fn)(Moment *))
{
        Moment *m = simulation_allocate(&world->simulation, sizeof(*m));

        *m = (Moment){.world = world, .host = host, .tries = MOMENT_TRIES, .fn = fn};
        on_moment(m, NULL, 0);
}

static void freeze_now(Moment *m)
{
        host_freeze(&m->world->hosts[m->host], true);
}

/* What it waits for is in its socket when it goes on. */
static void freeze_amid_request(World *world, unsigned a, unsigned b, bool begins)
{
        if (begins)
                await_moment(world, a, freeze_now);
        else
                host_freeze(&world->hosts[a], false);
}

static void on_silence(void *object, void *payload, uint64_t number)
{
        const Moment *m = object;

        if (!m->world->is_healed)
                cut_host(m->world, m->host, 0, true);
}

static void on_late_reply(void *object, void *payload, uint64_t number)
{
        const Moment *m = object;

        if (m->world->is_healed)
                return;
        host_cut(&m->world->hosts[m->host], m->server, false, true, false);
        simulation_after(&m->world->simulation, 3000, on_silence, object, NULL, 0);
}

static void on_expiry(void *object, void *payload, uint64_t number)
{
        const Moment *m = object;
        Server *leader = ensemble_find_leader(&m->world->ensemble);

        if (!m->world->is_healed && leader && m->world->hosts[m->host].client.session)
                leader_expire(leader, m->world->hosts[m->host].client.session);
}

static void hold_reply_now(Moment *m)
{
        Simulation *s = &m->world->simulation;
        Host *host = &m->world->hosts[m->host];
        uint64_t timeout = host->plan.timeout_usec;

        m->server = host->client.server;
        host_cut(host, m->server, false, true, true);
        simulation_after(s, simulation_between(s, timeout / 4, timeout * 2 / 3), on_late_reply, m, NULL, 0);
        if (simulation_chance(s, 60) && !m->world->subject.is_naive)
                simulation_after(s, simulation_between(s, 5000, 100000), on_expiry, m, NULL, 0);
}

/* The answer to a request comes late, and after it nothing any more. Meanwhile the session may end. */
static void last_reply_late(World *world, unsigned a, unsigned b, bool begins)
{
        if (begins)
                await_moment(world, a, hold_reply_now);
        else
                cut_host(world, a, b, false);
}

/* Some node that one of ours stands in line with, or holds. Not its record: who deletes that gives away
 * what it says. */
static void delete_node(World *world, unsigned a, unsigned b, bool begins)
{
        static const char *const queues[] = {"/zksup/lock/p", "/zksup/lock/q", "/zksup/election/p",
                "/zksup/election/q", "/zksup/semaphore/p/locks", "/zksup/semaphore/p/leases"};
        Server *leader = ensemble_find_leader(&world->ensemble);
        unsigned left = (unsigned)simulation_below(&world->simulation, world->n_hosts);

        if (!begins || !leader)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
                const Znode *queue = tree_find(&leader->tree, queues[i]);

                for (const Znode *node = queue ? queue->children : NULL; node; node = node->next)
                        if (left-- == 0) {
                                leader_delete(leader, node->path);
                                return;
                        }
        }
}

static const struct {
        const char *name;
        FaultFn fn;
} faults[] = {
        {"host cut off", cut_host},
        {"host cut from a server", cut_host_from_server},
        {"replies to a host cut", cut_replies},
        {"requests of a host cut", cut_requests},
        {"host slow", slow_host},
        {"server slow", slow_server},
        {"server isolated", isolate_server},
        {"leader isolated", isolate_leader},
        {"two servers cut", cut_pair},
        {"two servers cut one way", cut_one_way},
        {"server crash", crash_server},
        {"server frozen", freeze_server},
        {"supervisor frozen", freeze_supervisor},
        {"machine suspended", suspend_machine},
        {"supervisor killed", kill_supervisor},
        {"host crash", crash_host},
        {"messages lost and late", lose_messages},
        {"session expired", expire_session},
        {"supervisor frozen amid a request", freeze_amid_request},
        {"a late reply, then silence", last_reply_late},
        {"a node deleted by hand", delete_node},
};

#define OF_TENANTS 1 /* the last of them; the schedules of others remain what they were */

unsigned fault_count(const World *world)
{
        return ARRAY_SIZE(faults) - (world->subject.is_tenant ? 0 : OF_TENANTS);
}

const char *fault_name(unsigned fault)
{
        return faults[fault].name;
}

void fault_set(World *world, unsigned fault, unsigned host, unsigned server, bool begins)
{
        faults[fault].fn(world, host, server, begins);
}
