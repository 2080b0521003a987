/* One ZooKeeper server of the simulated ensemble: what a client's connection meets.
 *
 *   down <--> looking --elected--> leading    --no quorum for syncLimit ticks--> looking
 *                     --joined---> following  --leader silent that long-------->  looking
 *
 * Writes go to the leader, which proposes them; what a majority has logged is committed and applied
 * by every server when it hears of it, the follower later than the leader. Reads and pings are
 * answered by the server at hand from what it has applied, be it out of date or deposed: as the real
 * ones do (Leader.java, Learner.java, ExpiryQueue.java, LearnerSessionTracker.java of ZooKeeper 3.8).
 * A follower reports which sessions it has heard of only in its answers to the leader's pings, every
 * half tick, and only the leader expires.
 *
 * Invariants: a majority has logged what is committed; what is applied is committed and never taken
 * back; log, tree and epoch survive a crash. A TERM is one membership of a follower with a leader:
 * packets of an earlier one are ignored. */
#pragma once

#include "sim/network.h"
#include "sim/tree.h"

#define SESSIONS_MAX 512
#define SYNC_LIMIT 5 /* ticks */

typedef struct Client Client;
typedef struct Ensemble Ensemble;
typedef struct Server Server;
typedef struct Connection Connection;

enum EntryKind {
        ENTRY_WRITE,
        ENTRY_OPEN_SESSION,
        ENTRY_CLOSE_SESSION,
        ENTRY_REAP_CONTAINER,
        ENTRY_DELETE_BY_HAND,
};

/* What a client asked for, on its way through a server. */
typedef struct Query Query;
struct Query {
        Query *next, *sync_next;
        Connection *connection;
        const Request *request; /* NULL: close the session */
        uint64_t number;        /* the client's, comes back with the reply */
        bool done;
        Reply reply;
};

/* One entry of the log. Shared between servers, never changed once proposed. */
typedef struct Entry {
        int64_t zxid;
        enum EntryKind kind;
        int64_t session;
        uint64_t timeout_usec;  /* OPEN_SESSION */
        const char *path;       /* REAP_CONTAINER, DELETE_BY_HAND */
        bool is_moved;          /* the session belongs to another server by now: refused */
        unsigned origin;        /* the server that answers */
        Query *query;           /* WRITE, CLOSE_SESSION by the client */
        Connection *connection; /* OPEN_SESSION */
} Entry;

typedef struct ServerWatch ServerWatch;
struct ServerWatch {
        ServerWatch *next;
        const char *path;
        bool is_child, is_for_creation;
};

/* The server's end of a client's connection. */
struct Connection {
        Connection *next;
        Server *server;
        Client *client;
        unsigned host;
        uint64_t id; /* the client's count of its connections */
        int64_t session;
        bool is_open, is_attached;
        Query *queue, **queue_end; /* in order of arrival, answered in this order */
        ServerWatch *watches;
};

enum ServerRole {
        SERVER_DOWN,
        SERVER_LOOKING,
        SERVER_FOLLOWING,
        SERVER_LEADING,
};

typedef struct SessionEntry {
        uint64_t timeout_usec;
        bool is_open;
} SessionEntry;

struct Server {
        Ensemble *ensemble;
        Simulation *simulation;
        unsigned id;
        enum ServerRole role;
        uint64_t generation; /* of the role: timers of an earlier one are ignored */
        uint64_t term;       /* following: of this membership */
        Server *leader;      /* following */
        uint64_t heard_usec; /* following: the leader, last */

        /* on disk */
        uint32_t epoch;
        Entry **log;
        size_t n_log, log_room;

        /* the replicated state */
        size_t n_committed, n_applied;
        Tree tree;
        int64_t zxid; /* applied */
        SessionEntry sessions[SESSIONS_MAX];
        size_t n_sessions;

        Connection *connections;
        uint64_t touched[SESSIONS_MAX / 64]; /* following: heard of since the last report */

        /* leading */
        uint32_t counter;
        uint64_t expiry_usec[SESSIONS_MAX]; /* 0: not tracked, or closing */
        int8_t owner[SESSIONS_MAX];         /* the server that may write for it; -1: the first who does */
        uint64_t terms[NETWORK_SERVERS];    /* of its followers; 0: none */
        uint64_t followers_heard_usec[NETWORK_SERVERS];
        size_t acked[NETWORK_SERVERS]; /* log entries; its own as well */
        Query *syncs;                  /* waiting for what is under way; in no order */
};

void server_init(Server *server, Ensemble *ensemble, unsigned id);
/* Leaves its role and drops its connections; LOOKING or DOWN. */
void server_leave(Server *server, enum ServerRole role);
/* Cuts the log back to COUNT entries, none of which may be applied. */
void server_truncate(Server *server, size_t count);
void server_append(Server *server, Entry *entry);
/* Applies what is committed and answers those who wait for it here. */
void server_apply(Server *server, size_t n_committed);
void server_touch(Server *server, int64_t session);
bool server_is_serving(const Server *server);
bool server_knows_session(const Server *server, int64_t session);

/* What a connection brings. SESSION 0 asks for a new one. */
void server_connect(Connection *connection, int64_t session, uint64_t timeout_usec, int64_t last_zxid);
void server_finish_connect(Connection *connection, int64_t session, bool is_valid);
void server_ask(Connection *connection, Query *query);
void server_ping(Connection *connection, uint64_t number);
void server_disconnect(Connection *connection);
void server_finish_query(Query *query);
/* Puts QUERY behind those before it and answers what can be. Returns whether it is a read: nothing
 * else is to be done for it. */
bool server_enqueue(Connection *connection, Query *query);

/* forward.c: the same whether it comes from a follower or from the leader itself. */
void leader_on_query(Server *leader, unsigned origin, Query *query);
void leader_on_attach(
        Server *leader, unsigned origin, Connection *connection, int64_t session, uint64_t timeout_usec);
void leader_on_sync(Server *leader, unsigned origin, Query *query);
/* Answers the syncs that waited for what was under way. */
void leader_answer_syncs(Server *leader);

/* leader.c */
void leader_start(Server *leader);
/* Takes FOLLOWER in, whose log is already the leader's. */
void leader_admit(Server *leader, Server *follower);
/* Logs and proposes a copy of ENTRY under the next zxid. */
void leader_propose(Server *leader, Entry entry);
/* A packet of FOLLOWER's TERM has come: whether it counts; then the follower was heard of. */
bool leader_hear(Server *leader, const Server *follower, uint64_t term);
bool server_is_member(const Server *follower, uint64_t term);
/* FN happens at TO. */
void server_send(Server *from, Server *to, SimulationFn fn, void *object, void *payload, uint64_t number);
/* Begins to count the time of SESSION. */
void leader_track(Server *leader, int64_t session, uint64_t timeout_usec);
/* SESSION was heard of: its time begins again. */
void leader_touch(Server *leader, int64_t session);
/* Ends the membership of FOLLOWER and says so. */
void leader_dismiss(Server *leader, unsigned follower);
/* Closes SESSION now, as if its time were up. */
void leader_expire(Server *leader, int64_t session);
/* Deletes PATH on behalf of some other client. */
void leader_delete(Server *leader, const char *path);
