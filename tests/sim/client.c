#include "sim/client.h"
#include "sim/ensemble.h"
#include "sim/host.h"

#include <string.h>

#define PAUSE_FRACTION 60 /* T/60 between attempts, as the C client does */

void client_init(Client *client, Host *host, Simulation *simulation, Ensemble *ensemble, unsigned id,
        uint64_t timeout_usec)
{
        uint64_t connection_id = client->connection_id; /* of the process before: never again */

        memset(client, 0, sizeof(*client));
        client->connection_id = connection_id;
        client->host = host;
        client->simulation = simulation;
        client->ensemble = ensemble;
        client->id = id;
        client->asked_usec = client->timeout_usec = timeout_usec;
        client->pending_end = &client->pending;
        client->server = (unsigned)simulation_below(simulation, ensemble->n_servers);
}

void client_start(Client *client)
{
        client->state = CLIENT_WAITING;
        client->attempt_usec = host_monotonic(client->host);
}

static void answer(Client *client, const Pending *pending, Reply reply)
{
        if (!pending->request)
                return;
        reply.tag = pending->request->tag;
        reply.sent_usec = pending->sent_usec;
        host_on_reply(client->host, pending->actor, &reply);
}

/* What is asked from now on belongs to the next connection. */
static Pending *take_pending(Client *client)
{
        Pending *pending = client->pending;

        client->pending = NULL;
        client->pending_end = &client->pending;
        return pending;
}

static void answer_all(Client *client, const Pending *pending, enum Outcome outcome)
{
        for (; pending; pending = pending->next)
                answer(client, pending, (Reply){.outcome = outcome});
}

/* The connection or the attempt is over; the session may live. */
static void lose_connection(Client *client, bool say_so, const char *cause)
{
        bool was_connected = client->state == CLIENT_CONNECTED;
        Pending *pending = take_pending(client);

        if (say_so && client->connection)
                connection_send_end(client->connection);
        client->connection = NULL;
        client->connection_id++; /* whatever comes from the old one comes too late */
        client->state = CLIENT_WAITING;
        client->attempt_usec = host_monotonic(client->host) + client->timeout_usec / PAUSE_FRACTION;
        simulation_trace(client->simulation, "host %u: %s, session %lld", client->id, cause,
                (long long)client->session);
        if (was_connected)
                host_on_session(client->host, SESSION_SUSPENDED, client->session, client->timeout_usec);
        answer_all(client, pending, OUTCOME_UNKNOWN);
}

static void attempt(Client *client)
{
        client->server = (client->server + 1) % client->ensemble->n_servers;
        client->state = CLIENT_CONNECTING;
        client->attempt_usec = host_monotonic(client->host);
        client->connection = connection_open(client, &client->ensemble->servers[client->server]);
        connection_send_connect(client->connection, client->session,
                client->session ? client->created_usec : client->asked_usec, client->last_zxid);
}

static uint64_t silence_deadline(const Client *client)
{
        uint64_t deadline = client->read_usec + client->timeout_usec * 2 / 3;

        if (client->patience_usec && client->pending && client->pending->is_sent)
                deadline = MIN(deadline, MAX(client->read_usec, client->ping_usec) + client->patience_usec);
        return deadline;
}

static uint64_t ping_deadline(const Client *client)
{
        if (client->pending)
                return USEC_INFINITY; /* a request under way does as well */
        return client->write_usec + client->timeout_usec / 3;
}

uint64_t client_deadline(const Client *client)
{
        switch (client->state) {
        case CLIENT_OFF:
                return USEC_INFINITY;
        case CLIENT_WAITING:
                return client->attempt_usec;
        case CLIENT_CONNECTING:
                return client->attempt_usec + client->timeout_usec * (client->patience_usec ? 1 : 4) / 6;
        case CLIENT_CONNECTED:
                return MIN(silence_deadline(client), ping_deadline(client));
        }
        return USEC_INFINITY;
}

void client_on_time(Client *client)
{
        uint64_t now = host_monotonic(client->host);

        if (now < client_deadline(client))
                return;
        switch (client->state) {
        case CLIENT_OFF:
                break;
        case CLIENT_WAITING:
                attempt(client);
                break;
        case CLIENT_CONNECTING:
                lose_connection(client, true, "attempt timed out");
                break;
        case CLIENT_CONNECTED:
                if (now >= silence_deadline(client)) {
                        lose_connection(client, true, "server silent");
                        break;
                }
                client->write_usec = now;
                connection_send_ping(client->connection, host_now(client->host));
                break;
        }
}

/* What was asked is counted from its sending for the watchdog: ping_usec is the latest sending
 * while nothing else was under way. */
static void send_pending(Client *client, Pending *pending)
{
        client->write_usec = host_monotonic(client->host);
        if (pending == client->pending)
                client->ping_usec = client->write_usec;
        pending->is_sent = true;
        connection_send_query(client->connection, pending->request, pending->number);
}

static void ask(Client *client, unsigned actor, const Request *request)
{
        Pending *pending = simulation_allocate(client->simulation, sizeof(*pending));

        *pending = (Pending){.request = request,
                .actor = actor,
                .sent_usec = host_now(client->host),
                .number = ++client->last_number};
        *client->pending_end = pending;
        client->pending_end = &pending->next;
        if (client->state == CLIENT_CONNECTED)
                send_pending(client, pending);
}

static const Request *copy_request(Simulation *s, const Request *request)
{
        Request *copy = simulation_copy(s, request, sizeof(*request));
        Op *ops;

        copy->path = simulation_copy_string(s, request->path);
        copy->data = simulation_copy(s, request->data, request->data_len);
        if (request->n_ops == 0)
                return copy;
        ops = simulation_copy(s, request->ops, request->n_ops * sizeof(*ops));
        for (size_t i = 0; i < request->n_ops; i++) {
                ops[i].path = simulation_copy_string(s, ops[i].path);
                ops[i].data = simulation_copy(s, ops[i].data, ops[i].data_len);
        }
        copy->ops = ops;
        return copy;
}

void client_ask(Client *client, unsigned actor, const Request *request)
{
        if (client->state != CLIENT_OFF)
                ask(client, actor, copy_request(client->simulation, request));
}

void client_close(Client *client)
{
        if (client->state == CLIENT_CONNECTED)
                ask(client, 0, NULL);
        else
                client_drop(client, true);
}

void client_drop(Client *client, bool says_so)
{
        if (says_so && client->connection)
                connection_send_end(client->connection);
        client->state = CLIENT_OFF;
        client->connection = NULL;
        client->connection_id++;
}

/* The new process does not know the last zxid, but syncs before it says that it is attached: what it reads is no older
 * than what was seen. Modelled is what comes of that. */
void client_reexec(Client *client)
{
        client_drop(client, true);
        client->watches = NULL;
        client_start(client);
}

void client_cut(Client *client)
{
        if (client->state == CLIENT_CONNECTING || client->state == CLIENT_CONNECTED)
                lose_connection(client, true, "cut");
}

static bool is_present(const Client *client, uint64_t connection_id)
{
        return client->connection && client->connection_id == connection_id;
}

void client_on_connected(Client *client, uint64_t connection_id, int64_t session, uint64_t timeout_usec)
{
        if (!is_present(client, connection_id) || client->state != CLIENT_CONNECTING)
                return;
        client->state = CLIENT_CONNECTED;
        client->read_usec = client->write_usec = client->ping_usec = host_monotonic(client->host);
        if (client->session == 0) {
                client->created_usec = timeout_usec;
                client->watches = NULL;
        }
        client->session = session;
        client->timeout_usec = MIN(timeout_usec, client->created_usec);
        simulation_trace(client->simulation, "host %u: connected to server %u, session %lld", client->id,
                client->server, (long long)session);
        if (client->watches)
                connection_send_watches(client->connection, client->watches, client->last_zxid);
        for (Pending *pending = client->pending; pending; pending = pending->next)
                send_pending(client, pending);
        host_on_session(client->host, SESSION_ATTACHED, session, client->timeout_usec);
}

static void expire(Client *client)
{
        int64_t session = client->session;
        Pending *pending = take_pending(client);

        simulation_trace(client->simulation, "host %u: session %lld expired", client->id, (long long)session);
        connection_send_end(client->connection);
        client->connection = NULL;
        client->connection_id++;
        client->session = client->last_zxid = 0;
        client->watches = NULL;
        client->timeout_usec = client->asked_usec;
        client_start(client);
        host_on_session(client->host, SESSION_EXPIRED, session, 0);
        answer_all(client, pending, OUTCOME_EXPIRED);
}

void client_on_refused(Client *client, uint64_t connection_id, bool is_expired)
{
        if (!is_present(client, connection_id))
                return;
        if (is_expired && client->session)
                expire(client);
        else
                lose_connection(client, false, "refused");
}

static void keep_watch(Client *client, const Pending *pending, enum Outcome outcome)
{
        const Request *request = pending->request;
        bool is_for_creation = outcome == OUTCOME_NO_NODE;
        ClientWatch *watch;

        if (!request->watch ||
                (outcome != OUTCOME_OK && (!is_for_creation || request->kind != REQUEST_EXISTS)))
                return;
        for (watch = client->watches; watch; watch = watch->next)
                if (watch->actor == pending->actor && watch->tag == request->tag &&
                        watch->is_child == (request->kind == REQUEST_CHILDREN) &&
                        watch->is_for_creation == is_for_creation && strcmp(watch->path, request->path) == 0)
                        return;
        watch = simulation_allocate(client->simulation, sizeof(*watch));
        *watch = (ClientWatch){.next = client->watches,
                .path = request->path,
                .is_child = request->kind == REQUEST_CHILDREN,
                .is_for_creation = is_for_creation,
                .actor = pending->actor,
                .tag = request->tag};
        client->watches = watch;
}

void client_on_reply(Client *client, uint64_t connection_id, const Query *query, int64_t zxid)
{
        Pending *pending = client->pending;

        if (!is_present(client, connection_id) || !pending || pending->number != query->number)
                return;
        client->read_usec = host_monotonic(client->host);
        client->last_zxid = MAX(client->last_zxid, zxid);
        client->pending = pending->next;
        if (!client->pending)
                client->pending_end = &client->pending;
        if (!pending->request) {
                client_drop(client, true);
                host_on_session(client->host, SESSION_CLOSED, client->session, 0);
                return;
        }
        keep_watch(client, pending, query->reply.outcome);
        answer(client, pending, query->reply);
}

void client_on_pong(Client *client, uint64_t connection_id, uint64_t number)
{
        if (!is_present(client, connection_id))
                return;
        client->read_usec = host_monotonic(client->host);
        host_on_pong(client->host, number);
}

static bool is_met(const ClientWatch *watch, enum WatchKind kind)
{
        switch (kind) {
        case WATCH_CREATED:
        case WATCH_CHANGED:
                return !watch->is_child;
        case WATCH_CHILDREN:
                return watch->is_child;
        case WATCH_DELETED:
                return !watch->is_for_creation;
        }
        return false;
}

void client_on_watch(Client *client, uint64_t connection_id, enum WatchKind kind, const char *path)
{
        ClientWatch *met = NULL;

        if (!is_present(client, connection_id))
                return;
        client->read_usec = host_monotonic(client->host);
        for (ClientWatch **at = &client->watches; *at;)
                if (is_met(*at, kind) && strcmp((*at)->path, path) == 0) {
                        ClientWatch *watch = *at;

                        *at = watch->next;
                        watch->next = met;
                        met = watch;
                } else
                        at = &(*at)->next;
        for (; met; met = met->next)
                host_on_watch(client->host, met->actor, met->tag, kind, path);
}

void client_on_closed(Client *client, uint64_t connection_id)
{
        if (is_present(client, connection_id))
                lose_connection(client, false, "connection closed");
}
