#include "sim/ensemble.h"

#include <assert.h>
#include <string.h>

/* Gives FOLLOWER the leader's log, as the synchronization phase does (DIFF, TRUNC). */
static void synchronize(Server *leader, Server *follower)
{
        size_t common = MIN(leader->n_log, follower->n_log);

        while (common > 0 && leader->log[common - 1] != follower->log[common - 1])
                common--;
        server_truncate(follower, common);
        for (size_t i = common; i < leader->n_log; i++)
                server_append(follower, leader->log[i]);
        leader_admit(leader, follower);
}

static bool may_join(const Ensemble *e, const Server *leader, const Server *server)
{
        return leader != server && leader->role == SERVER_LEADING && leader->epoch >= server->epoch &&
               network_is_open(&e->network, leader->id, server->id);
}

static int64_t last_zxid(const Server *server)
{
        return server->n_log ? server->log[server->n_log - 1]->zxid : 0;
}

static bool may_vote(const Ensemble *e, const Server *a, const Server *b)
{
        return b->role == SERVER_LOOKING && (a == b || network_is_open(&e->network, a->id, b->id));
}

/* The order of FastLeaderElection: the epoch first. A log that looks newer may be that of a leader
 * whom nobody followed, from before the history that a majority has since agreed on. */
static bool is_better(const Server *a, const Server *b)
{
        if (a->epoch != b->epoch)
                return a->epoch > b->epoch;
        if (last_zxid(a) != last_zxid(b))
                return last_zxid(a) > last_zxid(b);
        return a->id > b->id;
}

static Server *best_candidate(Ensemble *e, Server *server)
{
        Server *best = server;

        for (unsigned i = 0; i < e->n_servers; i++) {
                Server *s = &e->servers[i];

                if (may_vote(e, server, s) && is_better(s, best))
                        best = s;
        }
        return best;
}

/* An election that lasts no time; what comes before it, the looking, does. */
static bool elect(Ensemble *e, Server *server)
{
        Server *leader = best_candidate(e, server);
        uint32_t epoch = 0;
        unsigned votes = 0;

        for (unsigned i = 0; i < e->n_servers; i++)
                if (may_vote(e, leader, &e->servers[i])) {
                        votes++;
                        epoch = MAX(epoch, e->servers[i].epoch);
                }
        if (votes <= e->n_servers / 2)
                return false;
        leader->epoch = epoch + 1;
        simulation_trace(e->simulation, "server %u: leads, epoch %u", leader->id, leader->epoch);
        leader_start(leader);
        for (unsigned i = 0; i < e->n_servers; i++)
                if (&e->servers[i] != leader && may_vote(e, leader, &e->servers[i]))
                        synchronize(leader, &e->servers[i]);
        return true;
}

static void on_look(void *object, void *payload, uint64_t generation)
{
        Server *server = object, *leader = NULL;
        Ensemble *e = server->ensemble;

        if (server->generation != generation || server->role != SERVER_LOOKING)
                return;
        for (unsigned i = 0; i < e->n_servers; i++)
                if (may_join(e, &e->servers[i], server) && (!leader || e->servers[i].epoch > leader->epoch))
                        leader = &e->servers[i];
        if (leader) {
                simulation_trace(e->simulation, "server %u: follows %u", server->id, leader->id);
                synchronize(leader, server);
        } else if (e->network.frozen[server->id] || !elect(e, server))
                ensemble_look(e, server);
}

void ensemble_look(Ensemble *e, Server *server)
{
        simulation_after(e->simulation, simulation_between(e->simulation, 200000, 800000), on_look, server,
                NULL, server->generation);
}

void ensemble_init(Ensemble *e, Simulation *simulation, unsigned n_servers, uint64_t tick_usec)
{
        assert(n_servers > 0 && n_servers <= NETWORK_SERVERS);
        memset(e, 0, offsetof(Ensemble, servers));
        e->simulation = simulation;
        e->n_servers = n_servers;
        e->tick_usec = tick_usec;
        e->container_usec = 60 * USEC_PER_SEC;
        e->refuses_moved = true;
        network_init(&e->network, simulation);
        for (unsigned i = 0; i < n_servers; i++) {
                e->beat_phase_usec[i] = simulation_below(simulation, tick_usec);
                e->expiry_phase_usec[i] = simulation_below(simulation, tick_usec);
                server_init(&e->servers[i], e, i);
                e->servers[i].role = SERVER_LOOKING;
        }
        e->servers[0].epoch = 1;
        leader_start(&e->servers[0]);
        for (unsigned i = 1; i < n_servers; i++)
                synchronize(&e->servers[0], &e->servers[i]);
}

Server *ensemble_find_leader(Ensemble *e)
{
        Server *leader = NULL;

        for (unsigned i = 0; i < e->n_servers; i++)
                if (e->servers[i].role == SERVER_LEADING && (!leader || e->servers[i].epoch > leader->epoch))
                        leader = &e->servers[i];
        return leader;
}

void ensemble_cut(Ensemble *e, unsigned a, unsigned b, bool cut)
{
        network_cut(&e->network, a, b, cut);
        network_cut(&e->network, b, a, cut);
}

void ensemble_isolate(Ensemble *e, unsigned server, bool cut)
{
        for (unsigned i = 0; i < e->n_servers; i++)
                if (i != server)
                        ensemble_cut(e, server, i, cut);
}

void ensemble_crash(Ensemble *e, unsigned id, bool says_so)
{
        Server *server = &e->servers[id];

        if (server->role == SERVER_DOWN)
                return;
        simulation_trace(e->simulation, "server %u: crashes%s", id, says_so ? "" : " silently");
        if (server->role == SERVER_LEADING && says_so)
                for (unsigned i = 0; i < e->n_servers; i++)
                        leader_dismiss(server, i);
        if (!says_so)
                for (Connection *c = server->connections; c; c = c->next)
                        c->is_open = false;
        if (!says_so)
                server->connections = NULL;
        server_leave(server, SERVER_DOWN);
        memset(server->terms, 0, sizeof(server->terms));
}

void ensemble_restart(Ensemble *e, unsigned id)
{
        Server *server = &e->servers[id];

        if (server->role != SERVER_DOWN)
                return;
        simulation_trace(e->simulation, "server %u: starts", id);
        server->role = SERVER_LOOKING;
        server->generation++;
        ensemble_look(e, server);
}

void ensemble_freeze(Ensemble *e, unsigned server, bool frozen)
{
        network_freeze(&e->network, server, frozen);
}

void ensemble_heal(Ensemble *e)
{
        for (unsigned from = 0; from < NETWORK_ENDPOINTS; from++)
                for (unsigned to = 0; to < NETWORK_ENDPOINTS; to++) {
                        network_cut(&e->network, from, to, false);
                        e->network.links[from][to].extra_usec = 0;
                }
        for (unsigned i = 0; i < e->n_servers; i++) {
                ensemble_freeze(e, i, false);
                ensemble_restart(e, i);
        }
}
