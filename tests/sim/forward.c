/* What connections bring, on whatever server, and its way from a follower to the leader and back. */
#include "sim/client.h"
#include "sim/ensemble.h"

typedef struct Forward {
        Server *follower;
        uint64_t term;
        Query *query;
        Connection *connection;
        int64_t session;
        uint64_t timeout_usec;
        bool is_valid;
} Forward;

static Forward *forward_new(Server *follower)
{
        Forward *f = simulation_allocate(follower->simulation, sizeof(*f));

        f->follower = follower;
        f->term = follower->term;
        return f;
}

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
        Entry entry = {.kind = query->request ? ENTRY_WRITE : ENTRY_CLOSE_SESSION,
                .session = session,
                .query = query,
                .origin = origin};

        entry.is_moved = has_moved(leader, origin, session);
        if (!query->request) {
                if (entry.is_moved)
                        return; /* the client will end it elsewhere, or it expires */
                leader->expiry_usec[session - 1] = 0;
        }
        leader_propose(leader, entry);
}

static void on_forwarded_query(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (leader_hear(object, f->follower, f->term))
                leader_on_query(object, f->follower->id, f->query);
}

static void on_attached(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (server_is_member(f->follower, f->term))
                server_finish_connect(f->connection, f->session, f->is_valid);
}

void leader_on_attach(
        Server *leader, unsigned origin, Connection *connection, int64_t session, uint64_t timeout_usec)
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
                server_send(leader, follower, on_attached, NULL, f, 0);
        }
}

static void leader_on_open(Server *leader, unsigned origin, Connection *connection, uint64_t timeout_usec)
{
        Ensemble *e = leader->ensemble;

        if (e->last_session == SESSIONS_MAX)
                return; /* a full ensemble does not answer */
        e->last_session++;
        leader_track(leader, e->last_session, timeout_usec);
        leader->owner[e->last_session - 1] = (int8_t)origin;
        leader_propose(leader, (Entry){.kind = ENTRY_OPEN_SESSION,
                                       .session = e->last_session,
                                       .timeout_usec = timeout_usec,
                                       .origin = origin,
                                       .connection = connection});
}

static void on_forwarded_connect(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (!leader_hear(object, f->follower, f->term))
                return;
        if (f->session)
                leader_on_attach(object, f->follower->id, f->connection, f->session, f->timeout_usec);
        else
                leader_on_open(object, f->follower->id, f->connection, f->timeout_usec);
}

static void on_synced(void *object, void *payload, uint64_t number)
{
        const Forward *f = payload;

        if (server_is_member(f->follower, f->term))
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
                server_send(leader, server, on_synced, NULL, f, 0);
        }
}

void leader_answer_syncs(Server *leader)
{
        Query *query = leader->syncs;

        leader->syncs = NULL;
        while (query) {
                Query *next = query->sync_next;

                answer_sync(leader, query);
                query = next;
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

        if (leader_hear(object, f->follower, f->term))
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
        timeout_usec =
                MIN(MAX(timeout_usec, 2 * server->ensemble->tick_usec), 20 * server->ensemble->tick_usec);
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
        server_send(server, server->leader, on_forwarded_connect, server->leader, f, 0);
}

void server_ask(Connection *connection, Query *query)
{
        Server *server = connection->server;
        bool is_write = !query->request ||
                        (query->request->kind <= REQUEST_SET || query->request->kind == REQUEST_MULTI);
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
        server_send(server, server->leader, is_sync ? on_forwarded_sync : on_forwarded_query, server->leader,
                f, 0);
}

void server_ping(Connection *connection, uint64_t number)
{
        if (!connection->is_open || !connection->is_attached)
                return;
        server_touch(connection->server, connection->session);
        connection_reply_pong(connection, number); /* by this server alone */
}
