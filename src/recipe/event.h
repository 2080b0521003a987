/* What flows into a recipe machine: replies, watches, changes of the session, time. Values only;
 * everything pointed to lives until x_step() returns and belongs to the caller. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "recipe/outcome.h"

/* The Stat of a znode, ZooKeeper Programmer's Guide, "ZooKeeper Stat Structure". */
typedef struct ZnodeStat {
        int64_t czxid, mzxid, pzxid;
        int64_t ctime_msec, mtime_msec; /* wall clock of the ensemble, for people; 0: not known */
        int32_t version, cversion;
        int64_t ephemeral_owner;
        int32_t data_length, num_children;
} ZnodeStat;

/* The result of one operation of a multi. PATH is that of a created znode (sequence included). */
typedef struct OpResult {
        enum Outcome outcome;
        const char *path;
        ZnodeStat stat; /* of a set */
} OpResult;

typedef struct Reply {
        uint32_t tag;             /* as in the request */
        enum Outcome outcome;     /* of a multi: OK, or that of the operation that failed */
        uint64_t sent_usec;       /* CLOCK_BOOTTIME read BEFORE the request was handed over */
        const char *path;         /* CREATE: the name made */
        ZnodeStat stat;           /* GET, EXISTS, SET, CHILDREN */
        const void *data;         /* GET */
        size_t data_len;
        const char *const *children; /* CHILDREN */
        size_t n_children;
        const OpResult *results; /* MULTI: one per operation; NULL if the outcome is UNKNOWN/EXPIRED */
        size_t n_results;
} Reply;

enum WatchKind {
        WATCH_CREATED,
        WATCH_DELETED,
        WATCH_CHANGED,
        WATCH_CHILDREN,
};

enum SessionChange {
        SESSION_ATTACHED,  /* connected to the session that was there before, or to the first one */
        SESSION_SUSPENDED, /* no contact now; the session may live. Not the same as lost */
        SESSION_EXPIRED,   /* the ensemble said so: the ephemerals are gone */
        SESSION_CLOSED,    /* closed by us, or never to come (authentication failed) */
};

enum EventKind {
        EVENT_START,   /* begin to ask for what this machine gets */
        EVENT_REPLY,   /* .reply */
        EVENT_WATCH,   /* .watch: a watch that this machine had set fired; it is used up */
        EVENT_SESSION, /* .session */
        EVENT_TIME,    /* x_deadline() has come (or a spurious wake-up) */
        EVENT_DEAD,    /* the guard has proved that the tree of the hold is dead */
        EVENT_RELEASE, /* give up: what is held or asked for is no longer wanted. Comes only when no
                          tree runs under the hold */
};

typedef struct Event {
        enum EventKind kind;
        uint64_t now_usec;
        union {
                Reply reply;
                struct {
                        uint32_t tag; /* of the request that set it */
                        enum WatchKind kind;
                        const char *path;
                } watch;
                struct {
                        enum SessionChange change;
                        int64_t id;            /* ATTACHED: session id; another id is another session */
                        uint64_t timeout_usec; /* ATTACHED: as granted: the smaller of creation's and now */
                } session;
        };
} Event;
