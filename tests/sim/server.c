#include "sim/client.h"
#include "sim/ensemble.h"

#include <assert.h>
#include <string.h>

void server_init(Server *server, Ensemble *ensemble, unsigned id)
{
        memset(server, 0, sizeof(*server));
        server->ensemble = ensemble;
        server->simulation = ensemble->simulation;
        server->id = id;
        server->role = SERVER_DOWN;
        tree_init(&server->tree, server->simulation);
}

bool server_is_serving(const Server *server)
{
        return server->role == SERVER_FOLLOWING || server->role == SERVER_LEADING;
}

bool server_knows_session(const Server *server, int64_t session)
{
        return session > 0 && session <= SESSIONS_MAX && server->sessions[session - 1].is_open;
}

void server_leave(Server *server, enum ServerRole role)
{
        server->role = role;
        server->generation++;
        server->term = 0;
        server->leader = NULL;
        memset(server->touched, 0, sizeof(server->touched));
        while (server->connections)
                server_disconnect(server->connections);
}

void server_truncate(Server *server, size_t count)
{
        assert(count >= server->n_applied); /* what is applied is never taken back */
        server->n_log = MIN(server->n_log, count);
}

void server_append(Server *server, Entry *entry)
{
        if (server->n_log == server->log_room) {
                size_t room = server->log_room ? 2 * server->log_room : 256;
                Entry **log = simulation_allocate(server->simulation, room * sizeof(*log));

                if (server->n_log > 0)
                        memcpy(log, server->log, server->n_log * sizeof(*log));
                server->log = log;
                server->log_room = room;
        }
        server->log[server->n_log++] = entry;
}

static bool wants(const ServerWatch *watch, const TreeChange *change)
{
        switch (change->kind) {
        case WATCH_CREATED:
        case WATCH_CHANGED:
                if (watch->is_child)
                        return false;
                break;
        case WATCH_CHILDREN:
                if (!watch->is_child)
                        return false;
                break;
        case WATCH_DELETED:
                break;
        }
        return strcmp(watch->path, change->path) == 0;
}

static void fire_watches(Server *server)
{
        const Tree *tree = &server->tree;

        for (Connection *c = server->connections; c; c = c->next)
                for (size_t i = 0; c->watches && i < tree->n_changes; i++) {
                        bool fired = false;

                        for (ServerWatch **at = &c->watches; *at;)
                                if (wants(*at, &tree->changes[i])) {
                                        fired = true;
                                        *at = (*at)->next;
                                } else
                                        at = &(*at)->next;
                        if (fired) /* once, whatever the number of watches */
                                connection_reply_watch(c, tree->changes[i].kind, tree->changes[i].path);
                }
}

static enum Outcome write_request(Server *server, const Entry *entry, OpResult *results, size_t *n)
{
        const Request *request = entry->query->request;
        Op op = {.mode = request->mode,
                .version = request->version,
                .path = request->path,
                .data = request->data,
                .data_len = request->data_len};

        *n = 1;
        switch (request->kind) {
        case REQUEST_CREATE:
                op.kind = OP_CREATE;
                break;
        case REQUEST_DELETE:
                op.kind = OP_DELETE;
                break;
        case REQUEST_SET:
                op.kind = OP_SET;
                break;
        case REQUEST_MULTI:
                *n = request->n_ops;
                return tree_write(&server->tree, entry->zxid, entry->session, request->ops, *n, results);
        case REQUEST_GET:
        case REQUEST_EXISTS:
        case REQUEST_CHILDREN:
        case REQUEST_SYNC:
                assert(false); /* not a write */
        }
        return tree_write(&server->tree, entry->zxid, entry->session, &op, 1, results);
}

static void apply_write(Server *server, const Entry *entry)
{
        static OpResult results[TREE_OPS_MAX];
        Query *query = entry->query;
        enum Outcome outcome;
        size_t n = 0;

        server->tree.n_changes = 0;
        if (entry->is_moved) {
                /* The leader believes the session to be elsewhere; the connection is torn down so that
                 * client and leader agree again (ZOOKEEPER-710). */
                if (entry->origin == server->id)
                        server_disconnect(query->connection);
                return;
        }
        if (!server_knows_session(server, entry->session))
                outcome = OUTCOME_EXPIRED;
        else
                outcome = write_request(server, entry, results, &n);
        fire_watches(server);
        if (entry->origin != server->id)
                return;
        query->reply = (Reply){.outcome = outcome};
        if (query->request->kind == REQUEST_MULTI) {
                query->reply.n_results = n;
                query->reply.results =
                        n ? simulation_copy(server->simulation, results, n * sizeof(*results)) : NULL;
        } else if (outcome == OUTCOME_OK) {
                query->reply.path = results[0].path;
                query->reply.stat = results[0].stat;
        }
        server_finish_query(query);
}

static void apply_open_session(Server *server, const Entry *entry)
{
        server->sessions[entry->session - 1] = (SessionEntry){entry->timeout_usec, true};
        server->n_sessions = MAX(server->n_sessions, (size_t)entry->session);
        if (entry->origin == server->id)
                server_finish_connect(entry->connection, entry->session, true);
}

static void apply_close_session(Server *server, const Entry *entry)
{
        server->sessions[entry->session - 1].is_open = false;
        server->expiry_usec[entry->session - 1] = 0;
        tree_end_session(&server->tree, entry->zxid, entry->session);
        fire_watches(server);
        if (entry->query && entry->origin == server->id)
                server_finish_query(entry->query);
        for (Connection *c = server->connections, *next; c; c = next) {
                next = c->next;
                if (c->session == entry->session)
                        server_disconnect(c);
        }
}

static void apply_delete(Server *server, const Entry *entry)
{
        Op op = {.kind = OP_DELETE, .path = entry->path, .version = VERSION_ANY};
        OpResult result;

        server->tree.n_changes = 0;
        (void)tree_write(&server->tree, entry->zxid, 0, &op, 1, &result);
        fire_watches(server);
}

static void apply_entry(Server *server, const Entry *entry)
{
        switch (entry->kind) {
        case ENTRY_WRITE:
                apply_write(server, entry);
                break;
        case ENTRY_OPEN_SESSION:
                apply_open_session(server, entry);
                break;
        case ENTRY_CLOSE_SESSION:
                apply_close_session(server, entry);
                break;
        case ENTRY_REAP_CONTAINER:
                tree_reap_container(&server->tree, entry->zxid, entry->path);
                fire_watches(server);
                break;
        case ENTRY_DELETE_BY_HAND:
                apply_delete(server, entry);
                break;
        }
        server->zxid = entry->zxid;
}

void server_apply(Server *server, size_t n_committed)
{
        server->n_committed = MAX(server->n_committed, MIN(n_committed, server->n_log));
        while (server->n_applied < server->n_committed)
                apply_entry(server, server->log[server->n_applied++]);
}

void server_touch(Server *server, int64_t session)
{
        if (session <= 0)
                return;
        if (server->role == SERVER_LEADING)
                leader_touch(server, session);
        else if (server->role == SERVER_FOLLOWING)
                server->touched[(session - 1) / 64] |= 1ULL << ((session - 1) % 64);
}

static void watch_node(Connection *connection, const char *path, bool is_child)
{
        ServerWatch *watch = simulation_allocate(connection->server->simulation, sizeof(*watch));

        *watch = (ServerWatch){.next = connection->watches, .path = path, .is_child = is_child};
        connection->watches = watch;
}

static void read_children(Server *server, const Znode *node, Reply *reply)
{
        size_t n = 0, prefix = node == server->tree.root ? 1 : strlen(node->path) + 1;
        const char **names =
                simulation_allocate(server->simulation, (size_t)node->stat.num_children * sizeof(*names) + 1);

        for (const Znode *child = node->children; child; child = child->next)
                names[n++] = child->path + prefix;
        reply->children = names;
        reply->n_children = n;
}

static void answer_read(Connection *connection, Query *query)
{
        Server *server = connection->server;
        const Request *request = query->request;
        const Znode *node = tree_find(&server->tree, request->path);
        Reply *reply = &query->reply;

        *reply = (Reply){.outcome = node ? OUTCOME_OK : OUTCOME_NO_NODE};
        if (request->watch && (node || request->kind == REQUEST_EXISTS))
                watch_node(connection, request->path, request->kind == REQUEST_CHILDREN);
        if (!node)
                return;
        reply->stat = node->stat;
        if (request->kind == REQUEST_GET) {
                reply->data = node->data;
                reply->data_len = (size_t)node->stat.data_length;
        } else if (request->kind == REQUEST_CHILDREN)
                read_children(server, node, reply);
}

static bool is_read(const Request *request)
{
        return request && (request->kind == REQUEST_GET || request->kind == REQUEST_EXISTS ||
                                  request->kind == REQUEST_CHILDREN);
}

/* Answers from the head as far as is done; reads wait for the writes before them. */
static void drain(Connection *connection)
{
        while (connection->is_open && connection->queue) {
                Query *query = connection->queue;

                if (is_read(query->request))
                        answer_read(connection, query);
                else if (!query->done)
                        return;
                connection->queue = query->next;
                connection_reply(connection, query);
        }
}

void server_finish_query(Query *query)
{
        query->done = true;
        drain(query->connection);
}

bool server_enqueue(Connection *connection, Query *query)
{
        if (!connection->queue)
                connection->queue_end = &connection->queue;
        query->next = NULL;
        *connection->queue_end = query;
        connection->queue_end = &query->next;
        if (!is_read(query->request))
                return false;
        drain(connection);
        return true;
}

void server_finish_connect(Connection *connection, int64_t session, bool is_valid)
{
        Server *server = connection->server;

        if (!connection->is_open)
                return;
        if (!is_valid) {
                connection_reply_refused(connection, true);
                return;
        }
        for (Connection *c = server->connections, *next; c; c = next) {
                next = c->next;
                if (c != connection && c->session == session)
                        server_disconnect(c);
        }
        connection->session = session;
        connection->is_attached = true;
        connection_reply_connected(connection, session, server->sessions[session - 1].timeout_usec);
}

void server_disconnect(Connection *connection)
{
        if (!connection->is_open)
                return;
        connection->is_open = false;
        for (Connection **at = &connection->server->connections; *at; at = &(*at)->next)
                if (*at == connection) {
                        *at = connection->next;
                        break;
                }
        connection_reply_end(connection);
}
