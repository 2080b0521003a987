/* What a server does as the leader, as a follower towards its leader, and the packets between. */
#include "sim/client.h"
#include "sim/ensemble.h"

#include <string.h>

typedef struct Forward {
        Server *follower;
        uint64_t term;
        Query *query;
        Connection *connection;
        int64_t session;
        uint64_t timeout_usec;
        bool is_valid;
        uint64_t touched[SESSIONS_MAX / 64];
} Forward;

static void send_to(Server *from, Server *to, SimulationFn fn, void *object, void *payload, uint64_t number)
{
        network_send(&from->ensemble->network, from->id, to->id, 0, fn, object, payload, number);
}

static bool is_member(const Server *follower, uint64_t term)
{
        return follower->role == SERVER_FOLLOWING && follower->term == term;
}

/* Whether a packet of FOLLOWER's TERM still counts here; then it was heard of. */
static bool hear(Server *leader, const Server *follower, uint64_t term)
{
        if (leader->role != SERVER_LEADING || leader->terms[follower->id] != term)
                return false;
        leader->followers_heard_usec[follower->id] = leader->simulation->now_usec;
        return true;
}

/* ---- sessions ---- */

/* Sessions expire only at ticks of the expiry queue. */
static uint64_t next_tick(const Server *leader, uint64_t after_usec)
{
        uint64_t tick = leader->ensemble->tick_usec, phase = leader->ensemble->expiry_phase_usec[leader->id];

        return ((after_usec - phase) / tick + 1) * tick + phase;
}

void leader_touch(Server *leader, int64_t session)
{
        uint64_t *expiry = &leader->expiry_usec[session - 1];

        if (*expiry == 0)
                return; /* unknown or closing: nothing brings it back */
        *expiry = MAX(*expiry, next_tick(leader, leader->simulation->now_usec + leader->sessions[session - 1].timeout_usec));
}

static void track(Server *leader, int64_t session, uint64_t timeout_usec)
{
        leader->sessions[session - 1].timeout_usec = timeout_usec;
        leader->expiry_usec[session - 1] = 1;
        leader_touch(leader, session);
}

static void propose(Server *leader, Entry entry)
{
        leader_propose(leader, simulation_copy(leader->simulation, &entry, sizeof(entry)));
}

void leader_expire(Server *leader, int64_t session)
{
        if (leader->expiry_usec[session - 1] == 0)
                return;
        leader->expiry_usec[session - 1] = 0;
        simulation_trace(leader->simulation, "server %u: session %lld expires", leader->id, (long long)session);
        propose(leader, (Entry){.kind = ENTRY_CLOSE_SESSION, .session = session, .origin = leader->id});
}

/* ---- proposals ---- */

static void answer_sync(Server *leader, Query *query);

static void answer_syncs(Server *leader)
{
        Query *query = leader->syncs;

        leader->syncs = NULL;
        while (query) {
                Query *next = query->sync_next;

                answer_sync(leader, query);
                query = next;
        }
}

static void on_commit(void *object, void *payload, uint64_t term)
{
        Server *follower = object;

        if (!is_member(follower, term))
                return;
        follower->heard_usec = follower->simulation->now_usec;
        server_apply(follower, (size_t)(uintptr_t)payload);
}

static void try_commit(Server *leader)
{
        Ensemble *e = leader->ensemble;
        size_t n = leader->n_committed;

        for (unsigned i = 0; i < e->n_servers; i++) {
                size_t candidate = leader->acked[i];
                unsigned votes = 0;

                for (unsigned k = 0; k < e->n_servers; k++)
                        votes += leader->acked[k] >= candidate;
                if (votes > e->n_servers / 2)
                        n = MAX(n, candidate);
        }
        if (n == leader->n_committed)
                return;
        for (unsigned i = 0; i < e->n_servers; i++)
                if (leader->terms[i])
                        send_to(leader, &e->servers[i], on_commit, &e->servers[i], (void *)(uintptr_t)n,
                                leader->terms[i]);
        server_apply(leader, n);
        if (leader->n_committed == leader->n_log)
                answer_syncs(leader);
}

static void on_ack(void *object, void *payload, uint64_t term)
{
        Server *leader = object, *follower = payload;

        if (!hear(leader, follower, term))
                return;
        leader->acked[follower->id]++; /* in order, one for each proposal */
        try_commit(leader);
}

static void on_proposal(void *object, void *payload, uint64_t term)
{
        Server *follower = object;

        if (!is_member(follower, term))
                return;
        follower->heard_usec = follower->simulation->now_usec;
        server_append(follower, payload);
        send_to(follower, follower->leader, on_ack, follower->leader, follower, term);
}

void leader_propose(Server *leader, Entry *entry)
{
        Ensemble *e = leader->ensemble;

        entry->zxid = (int64_t)((uint64_t)leader->epoch << 32 | ++leader->counter);
        server_append(leader, entry);
        leader->acked[leader->id] = leader->n_log;
        for (unsigned i = 0; i < e->n_servers; i++)
                if (leader->terms[i])
                        send_to(leader, &e->servers[i], on_proposal, &e->servers[i], entry, leader->terms[i]);
        try_commit(leader);
}

/* ---- what connections bring ---- */

static bool has_moved(Server *leader, unsigned origin, int64_t session)
{
        int8_t *owner = &leader->owner[session - 1];

        if (*owner < 0)
                *owner = (int8_t)origin;
        return leader->ensemble->refuses_moved && *owner != (int8_t)origin;
}

void leader_on_query(Server *leader, unsigned origin, Query *query)
{
        int64_t session = query->connection->session;
        Entry entry = {.kind = query->request ? ENTRY_WRITE : ENTRY_CLOSE_SESSION, .session = session,
                .query = query, .origin = origin};

        entry.is_moved = has_moved(leader, origin, session);
        if (!query->request) {
                if (entry.is_moved)
                        return; /* the client will end it elsewhere, or it expires */
                leader->expiry_usec[session - 1] = 0;
        }
        propose(leader, entry);
}

static void on_forwarded_query(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (hear(object, f->follower, f->term))
                leader_on_query(object, f->follower->id, f->query);
}

static void on_attached(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (is_member(f->follower, f->term))
                server_finish_connect(f->connection, f->session, f->is_valid);
}

static Forward *forward_new(Server *follower)
{
        Forward *f = simulation_allocate(follower->simulation, sizeof(*f));

        f->follower = follower;
        f->term = follower->term;
        return f;
}

void leader_on_attach(Server *leader, unsigned origin, Connection *connection, int64_t session, uint64_t timeout_usec)
{
        bool is_valid = session <= leader->ensemble->last_session && leader->expiry_usec[session - 1] != 0;

        if (is_valid) {
                leader_touch(leader, session);
                leader->owner[session - 1] = (int8_t)origin;
        }
        if (origin == leader->id) {
                server_finish_connect(connection, session, is_valid);
        } else {
                Server *follower = &leader->ensemble->servers[origin];
                Forward *f = forward_new(follower);

                f->term = leader->terms[origin];
                f->connection = connection;
                f->session = session;
                f->is_valid = is_valid;
                send_to(leader, follower, on_attached, NULL, f, 0);
        }
}

static void leader_on_open(Server *leader, unsigned origin, Connection *connection, uint64_t timeout_usec)
{
        Ensemble *e = leader->ensemble;

        if (e->last_session == SESSIONS_MAX)
                return; /* a full ensemble does not answer */
        e->last_session++;
        track(leader, e->last_session, timeout_usec);
        leader->owner[e->last_session - 1] = (int8_t)origin;
        propose(leader, (Entry){.kind = ENTRY_OPEN_SESSION, .session = e->last_session,
                .timeout_usec = timeout_usec, .origin = origin, .connection = connection});
}

static void on_forwarded_connect(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (!hear(object, f->follower, f->term))
                return;
        if (f->session)
                leader_on_attach(object, f->follower->id, f->connection, f->session, f->timeout_usec);
        else
                leader_on_open(object, f->follower->id, f->connection, f->timeout_usec);
}

static void on_synced(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (is_member(f->follower, f->term))
                server_finish_query(f->query);
}

static void answer_sync(Server *leader, Query *query)
{
        Server *server = query->connection->server;

        query->reply = (Reply){.outcome = OUTCOME_OK};
        if (server == leader) {
                server_finish_query(query);
        } else if (leader->terms[server->id]) {
                Forward *f = forward_new(server);

                f->term = leader->terms[server->id];
                f->query = query;
                send_to(leader, server, on_synced, NULL, f, 0);
        }
}

/* No quorum is asked: answered at once if nothing is under way (Leader.processSync of 3.8). */
void leader_on_sync(Server *leader, unsigned origin, Query *query)
{
        if (leader->n_committed == leader->n_log) {
                answer_sync(leader, query);
                return;
        }
        query->sync_next = leader->syncs;
        leader->syncs = query;
}

static void on_forwarded_sync(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (hear(object, f->follower, f->term))
                leader_on_sync(object, f->follower->id, f->query);
}

/* ---- a connection's requests, on whatever server ---- */

void server_connect(Connection *connection, int64_t session, uint64_t timeout_usec, int64_t last_zxid)
{
        Server *server = connection->server;
        Forward *f;

        if (!connection->is_open)
                return;
        if (!server_is_serving(server) || last_zxid > server->zxid) {
                connection_reply_refused(connection, false);
                return;
        }
        timeout_usec = MIN(MAX(timeout_usec, 2 * server->ensemble->tick_usec), 20 * server->ensemble->tick_usec);
        connection->next = server->connections;
        server->connections = connection;
        server_touch(server, session);
        if (server->role == SERVER_LEADING) {
                if (session)
                        leader_on_attach(server, server->id, connection, session, timeout_usec);
                else
                        leader_on_open(server, server->id, connection, timeout_usec);
                return;
        }
        f = forward_new(server);
        f->connection = connection;
        f->session = session;
        f->timeout_usec = timeout_usec;
        send_to(server, server->leader, on_forwarded_connect, server->leader, f, 0);
}

void server_ask(Connection *connection, Query *query)
{
        Server *server = connection->server;
        bool is_write = !query->request || (query->request->kind <= REQUEST_SET || query->request->kind == REQUEST_MULTI);
        bool is_sync = query->request && query->request->kind == REQUEST_SYNC;
        Forward *f;

        if (!connection->is_open || !connection->is_attached)
                return;
        server_touch(server, connection->session);
        if (server_enqueue(connection, query))
                return;
        if (server->role == SERVER_LEADING) {
                if (is_write)
                        leader_on_query(server, server->id, query);
                else if (is_sync)
                        leader_on_sync(server, server->id, query);
                return;
        }
        f = forward_new(server);
        f->query = query;
        send_to(server, server->leader, is_sync ? on_forwarded_sync : on_forwarded_query, server->leader, f, 0);
}

void server_ping(Connection *connection, uint64_t number)
{
        if (!connection->is_open || !connection->is_attached)
                return;
        server_touch(connection->server, connection->session);
        connection_reply_pong(connection, number); /* by this server alone */
}

/* ---- ticks and membership ---- */

static void on_gone(void *object, void *payload, uint64_t term)
{
        Server *follower = object;

        if (!is_member(follower, term))
                return;
        simulation_trace(follower->simulation, "server %u: its leader is gone", follower->id);
        server_leave(follower, SERVER_LOOKING);
        ensemble_look(follower->ensemble, follower);
}

static void on_pong(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;
        Server *leader = object;

        if (!hear(leader, f->follower, f->term))
                return;
        for (size_t i = 0; i < (size_t)leader->ensemble->last_session; i++)
                if (f->touched[i / 64] & 1ULL << (i % 64))
                        leader_touch(leader, (int64_t)i + 1);
}

static void on_ping(void *object, void *payload, uint64_t term)
{
        Server *follower = object;
        Forward *f;

        if (!is_member(follower, term))
                return;
        follower->heard_usec = follower->simulation->now_usec;
        f = forward_new(follower);
        memcpy(f->touched, follower->touched, sizeof(f->touched));
        memset(follower->touched, 0, sizeof(follower->touched));
        send_to(follower, follower->leader, on_pong, follower->leader, f, 0);
}

void leader_dismiss(Server *leader, unsigned follower)
{
        Server *server = &leader->ensemble->servers[follower];

        if (leader->terms[follower] == 0)
                return;
        send_to(leader, server, on_gone, server, NULL, leader->terms[follower]);
        leader->terms[follower] = 0;
}

static bool has_quorum(Server *leader)
{
        Ensemble *e = leader->ensemble;
        unsigned votes = 1;

        for (unsigned i = 0; i < e->n_servers; i++) {
                if (leader->terms[i] == 0)
                        continue;
                if (leader->followers_heard_usec[i] + SYNC_LIMIT * e->tick_usec >= leader->simulation->now_usec)
                        votes++;
                else
                        leader_dismiss(leader, i);
        }
        return votes > e->n_servers / 2;
}

static void reap_containers(Server *leader)
{
        Ensemble *e = leader->ensemble;
        const Znode *node;

        if (leader->simulation->now_usec % e->container_usec >= e->tick_usec / 2)
                return;
        node = tree_find_empty_container(&leader->tree);
        if (node)
                propose(leader, (Entry){.kind = ENTRY_REAP_CONTAINER, .path = node->path, .origin = leader->id});
}

static void beat_leader(Server *leader)
{
        Ensemble *e = leader->ensemble;

        if (!has_quorum(leader)) {
                simulation_trace(leader->simulation, "server %u: no quorum, leads no longer", leader->id);
                for (unsigned i = 0; i < e->n_servers; i++)
                        leader_dismiss(leader, i);
                server_leave(leader, SERVER_LOOKING);
                ensemble_look(e, leader);
                return;
        }
        for (unsigned i = 0; i < e->n_servers; i++)
                if (leader->terms[i])
                        send_to(leader, &e->servers[i], on_ping, &e->servers[i], NULL, leader->terms[i]);
        reap_containers(leader);
}

static void beat_follower(Server *follower)
{
        Ensemble *e = follower->ensemble;

        if (follower->heard_usec + SYNC_LIMIT * e->tick_usec >= follower->simulation->now_usec)
                return;
        simulation_trace(follower->simulation, "server %u: leader silent, follows no longer", follower->id);
        server_leave(follower, SERVER_LOOKING);
        ensemble_look(e, follower);
}

/* Every half tick, aligned to the server's own phase. */
static void on_beat(void *object, void *payload, uint64_t generation)
{
        Server *server = object;
        Ensemble *e = server->ensemble;
        uint64_t half = e->tick_usec / 2, now = server->simulation->now_usec, phase = e->beat_phase_usec[server->id];

        if (server->generation != generation)
                return;
        if (e->network.frozen[server->id]) {
                /* it cannot look at its clock now */
        } else if (server->role == SERVER_LEADING)
                beat_leader(server);
        else if (server->role == SERVER_FOLLOWING)
                beat_follower(server);
        if (server->generation == generation)
                simulation_at(server->simulation, ((now - phase) / half + 1) * half + phase, on_beat, server, NULL, generation);
}

static void on_expiry_tick(void *object, void *payload, uint64_t generation)
{
        Server *leader = object;
        uint64_t now = leader->simulation->now_usec;

        if (leader->generation != generation)
                return;
        for (size_t i = 0; i < (size_t)leader->ensemble->last_session; i++)
                if (leader->expiry_usec[i] != 0 && leader->expiry_usec[i] <= now &&
                        !leader->ensemble->network.frozen[leader->id])
                        leader_expire(leader, (int64_t)i + 1);
        simulation_at(leader->simulation, next_tick(leader, now), on_expiry_tick, leader, NULL, generation);
}

void leader_start(Server *leader)
{
        Ensemble *e = leader->ensemble;

        leader->role = SERVER_LEADING;
        leader->generation++;
        leader->counter = 0;
        leader->syncs = NULL;
        memset(leader->terms, 0, sizeof(leader->terms));
        memset(leader->acked, 0, sizeof(leader->acked));
        memset(leader->expiry_usec, 0, sizeof(leader->expiry_usec));
        memset(leader->owner, -1, sizeof(leader->owner));
        leader->acked[leader->id] = leader->n_log;
        server_apply(leader, leader->n_log); /* a majority has this log */
        for (size_t i = 0; i < (size_t)e->last_session; i++)
                if (leader->sessions[i].is_open)
                        track(leader, (int64_t)i + 1, leader->sessions[i].timeout_usec);
        simulation_after(leader->simulation, 0, on_beat, leader, NULL, leader->generation);
        simulation_at(leader->simulation, next_tick(leader, leader->simulation->now_usec), on_expiry_tick, leader, NULL,
                leader->generation);
}

void leader_admit(Server *leader, Server *follower)
{
        Ensemble *e = leader->ensemble;

        follower->role = SERVER_FOLLOWING;
        follower->generation++;
        follower->leader = leader;
        follower->epoch = leader->epoch;
        follower->term = ++e->last_term;
        follower->heard_usec = follower->simulation->now_usec;
        leader->terms[follower->id] = follower->term;
        leader->followers_heard_usec[follower->id] = leader->simulation->now_usec;
        leader->acked[follower->id] = follower->n_log;
        server_apply(follower, leader->n_committed);
        simulation_after(follower->simulation, 0, on_beat, follower, NULL, follower->generation);
        try_commit(leader);
}
