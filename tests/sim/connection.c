/* Packets between a client and its server, in both directions, and what becomes of them. */
#include "sim/client.h"
#include "sim/ensemble.h"

#include <string.h>

typedef struct Message {
        Connection *connection;
        int64_t session, last_zxid;
        uint64_t timeout_usec;
        bool is_expired;
        enum WatchKind kind;
        const char *path;
        Query *query;
        ServerWatch *watches;
        size_t n_watches;
} Message;

static Message *message_new(Connection *connection)
{
        Message *m = simulation_allocate(connection->server->simulation, sizeof(*m));

        m->connection = connection;
        return m;
}

static void on_end_at_server(void *object, void *payload, uint64_t number)
{
        server_disconnect(object);
}

static void on_end_at_client(void *object, void *payload, uint64_t number)
{
        client_on_closed(object, number);
}

static void transmit(
        Connection *c, bool to_server, uint64_t late_usec, SimulationFn fn, void *payload, uint64_t number)
{
        unsigned host = network_host(c->host), server = c->server->id;

        network_send(&c->server->ensemble->network, to_server ? host : server, to_server ? server : host,
                late_usec, fn, to_server ? (void *)c : (void *)c->client, payload, number);
}

static void post(Connection *c, bool to_server, SimulationFn fn, void *payload, uint64_t number)
{
        enum Fate fate = FATE_PROMPT;

        if (c->client->has_fates && c->is_attached)
                fate = simulation_choose(c->server->simulation, 3, 90);
        switch (fate) {
        case FATE_PROMPT:
                transmit(c, to_server, 0, fn, payload, number);
                break;
        case FATE_LATE:
                simulation_trace(c->server->simulation, "host %u: a message %s server %u is late", c->host,
                        to_server ? "to" : "from", c->server->id);
                transmit(c, to_server, c->client->late_usec, fn, payload, number);
                break;
        case FATE_LOST:
                simulation_trace(c->server->simulation, "host %u: a message %s server %u is lost", c->host,
                        to_server ? "to" : "from", c->server->id);
                transmit(c, true, 0, on_end_at_server, NULL, 0);
                transmit(c, false, 0, on_end_at_client, NULL, c->id);
                break;
        }
}

Connection *connection_open(Client *client, Server *server)
{
        Connection *c = simulation_allocate(client->simulation, sizeof(*c));

        c->server = server;
        c->client = client;
        c->host = client->id;
        c->id = ++client->connection_id;
        c->is_open = true;
        return c;
}

/* ---- towards the server ---- */

static void on_connect(void *object, void *payload, uint64_t number)
{
        const Message *m = payload;

        server_connect(object, m->session, m->timeout_usec, m->last_zxid);
}

void connection_send_connect(Connection *c, int64_t session, uint64_t timeout_usec, int64_t last_zxid)
{
        Message *m = message_new(c);

        m->session = session;
        m->timeout_usec = timeout_usec;
        m->last_zxid = last_zxid;
        transmit(c, true, 0, on_connect, m, 0);
}

static void on_query(void *object, void *payload, uint64_t number)
{
        server_ask(object, payload);
}

void connection_send_query(Connection *c, const Request *request, uint64_t number)
{
        Query *query = simulation_allocate(c->server->simulation, sizeof(*query));

        query->connection = c;
        query->request = request;
        query->number = number;
        post(c, true, on_query, query, 0);
}

/* Fires at once what has happened since LAST_ZXID, arms the rest (DataTree.setWatches). */
static void on_watches(void *object, void *payload, uint64_t number)
{
        const Message *m = payload;
        Connection *c = object;

        if (!c->is_open)
                return;
        for (size_t i = 0; i < m->n_watches; i++) {
                ServerWatch *watch = &m->watches[i];
                const Znode *node = tree_find(&c->server->tree, watch->path);

                if (watch->is_for_creation ? node != NULL : !node)
                        connection_reply_watch(c, node ? WATCH_CREATED : WATCH_DELETED, watch->path);
                else if (node && (watch->is_child ? node->stat.pzxid : node->stat.mzxid) > m->last_zxid)
                        connection_reply_watch(
                                c, watch->is_child ? WATCH_CHILDREN : WATCH_CHANGED, watch->path);
                else {
                        watch->next = c->watches;
                        c->watches = watch;
                }
        }
}

void connection_send_watches(Connection *c, const ClientWatch *watches, int64_t last_zxid)
{
        Message *m = message_new(c);

        m->last_zxid = last_zxid;
        for (const ClientWatch *w = watches; w; w = w->next)
                m->n_watches++;
        m->watches = simulation_allocate(c->server->simulation, m->n_watches * sizeof(*m->watches) + 1);
        m->n_watches = 0;
        for (const ClientWatch *w = watches; w; w = w->next)
                m->watches[m->n_watches++] = (ServerWatch){
                        .path = w->path, .is_child = w->is_child, .is_for_creation = w->is_for_creation};
        transmit(c, true, 0, on_watches, m, 0);
}

static void on_ping(void *object, void *payload, uint64_t number)
{
        server_ping(object, number);
}

void connection_send_ping(Connection *c, uint64_t number)
{
        transmit(c, true, 0, on_ping, NULL, number);
}

void connection_send_end(Connection *c)
{
        transmit(c, true, 0, on_end_at_server, NULL, 0);
}

/* ---- towards the client; NUMBER is the connection's id ---- */

static void on_connected(void *object, void *payload, uint64_t id)
{
        const Message *m = payload;

        client_on_connected(object, id, m->session, m->timeout_usec);
}

void connection_reply_connected(Connection *c, int64_t session, uint64_t timeout_usec)
{
        Message *m = message_new(c);

        m->session = session;
        m->timeout_usec = timeout_usec;
        transmit(c, false, 0, on_connected, m, c->id);
}

static void on_refused(void *object, void *payload, uint64_t id)
{
        const Message *m = payload;

        client_on_refused(object, id, m->is_expired);
}

void connection_reply_refused(Connection *c, bool is_expired)
{
        Message *m = message_new(c);

        m->is_expired = is_expired;
        transmit(c, false, 0, on_refused, m, c->id);
}

static void on_reply(void *object, void *payload, uint64_t id)
{
        const Message *m = payload;

        client_on_reply(object, id, m->query, m->last_zxid);
}

void connection_reply(Connection *c, Query *query)
{
        Message *m = message_new(c);

        m->query = query;
        m->last_zxid = c->server->zxid;
        post(c, false, on_reply, m, c->id);
}

static void on_pong(void *object, void *payload, uint64_t id)
{
        client_on_pong(object, id, (uint64_t)(uintptr_t)payload);
}

void connection_reply_pong(Connection *c, uint64_t number)
{
        transmit(c, false, 0, on_pong, (void *)(uintptr_t)number, c->id);
}

static void on_watch(void *object, void *payload, uint64_t id)
{
        const Message *m = payload;

        client_on_watch(object, id, m->kind, m->path);
}

void connection_reply_watch(Connection *c, enum WatchKind kind, const char *path)
{
        Message *m = message_new(c);

        m->kind = kind;
        m->path = path;
        transmit(c, false, 0, on_watch, m, c->id);
}

void connection_reply_end(Connection *c)
{
        transmit(c, false, 0, on_end_at_client, NULL, c->id);
}
