/* The ZooKeeper client library of one supervisor, modelled: connects to one server after another,
 * pings, gives up on a silent server after 2/3 T, queues what it is given while it connects, answers
 * all that is outstanding with UNKNOWN when a connection ends, sets its watches again after a
 * reconnect, makes a new session after an expiry.
 *
 * All its times are those of its host (host.h). A reply that belongs to an earlier connection never
 * reaches the recipes. */
#pragma once

#include "sim/server.h"

typedef struct Host Host;

enum ClientState {
        CLIENT_OFF,     /* no process, or ended for good */
        CLIENT_WAITING, /* until the next attempt */
        CLIENT_CONNECTING,
        CLIENT_CONNECTED,
};

typedef struct Pending Pending;
struct Pending {
        Pending *next;
        const Request *request; /* NULL: close the session */
        unsigned actor;
        uint64_t sent_usec, number;
        bool is_sent;
};

typedef struct ClientWatch ClientWatch;
struct ClientWatch {
        ClientWatch *next;
        const char *path;
        bool is_child, is_for_creation;
        unsigned actor;
        uint32_t tag;
};

/* How a message between a client and its server fares. */
enum Fate {
        FATE_PROMPT,
        FATE_LATE, /* by late_usec, and all after it on the connection */
        FATE_LOST, /* and the connection with it */
};

struct Client {
        Host *host;
        Simulation *simulation;
        Ensemble *ensemble;
        unsigned id; /* of the host */
        enum ClientState state;
        Connection *connection;
        uint64_t connection_id;
        unsigned server; /* the one tried last */
        int64_t session, last_zxid;
        uint64_t asked_usec, created_usec, timeout_usec;         /* T: wanted, at creation, now */
        uint64_t attempt_usec, read_usec, write_usec, ping_usec; /* the host's CLOCK_MONOTONIC */
        uint64_t patience_usec; /* cut a server that leaves a request unanswered for so long; 0: never */
        Pending *pending, **pending_end;
        uint64_t last_number;
        ClientWatch *watches;
        bool has_fates; /* the fate of every message is a choice */
        uint64_t late_usec;
};

void client_init(Client *client, Host *host, Simulation *simulation, Ensemble *ensemble, unsigned id,
        uint64_t timeout_usec);
/* Begins to connect, for a new session. */
void client_start(Client *client);
/* The process is gone: nothing is said but what the kernel says (SAYS_SO: its connections are closed). */
void client_drop(Client *client, bool says_so);
/* Another process goes on with the session: what this one knew of the connection and the watches is gone. Only when nothing
 * is under way. */
void client_reexec(Client *client);
/* The reply comes as an event to ACTOR. The request is copied. */
void client_ask(Client *client, unsigned actor, const Request *request);
/* Ends the session by a request; then nothing more comes from this client. */
void client_close(Client *client);
/* Shuts the connection down, so that the next server is tried. */
void client_cut(Client *client);

/* In CLOCK_MONOTONIC of the host. */
void client_on_time(Client *client);
uint64_t client_deadline(const Client *client);

/* From the servers; they compare connection ids. */
void client_on_connected(Client *client, uint64_t connection_id, int64_t session, uint64_t timeout_usec);
void client_on_refused(Client *client, uint64_t connection_id, bool is_expired);
void client_on_reply(Client *client, uint64_t connection_id, const Query *query, int64_t zxid);
void client_on_pong(Client *client, uint64_t connection_id, uint64_t number);
void client_on_watch(Client *client, uint64_t connection_id, enum WatchKind kind, const char *path);
void client_on_closed(Client *client, uint64_t connection_id);

/* connection.c: packets between the two ends. */
Connection *connection_open(Client *client, Server *server);
void connection_send_connect(
        Connection *connection, int64_t session, uint64_t timeout_usec, int64_t last_zxid);
void connection_send_query(Connection *connection, const Request *request, uint64_t number);
void connection_send_watches(Connection *connection, const ClientWatch *watches, int64_t last_zxid);
void connection_send_ping(Connection *connection, uint64_t number);
void connection_send_end(Connection *connection);
void connection_reply_connected(Connection *connection, int64_t session, uint64_t timeout_usec);
void connection_reply_refused(Connection *connection, bool is_expired);
void connection_reply(Connection *connection, Query *query);
void connection_reply_pong(Connection *connection, uint64_t number);
void connection_reply_watch(Connection *connection, enum WatchKind kind, const char *path);
void connection_reply_end(Connection *connection);
