/* The queue engine under lock, election and semaphore: one node of ours in a queue of ephemeral
 * sequential nodes, and who is before us. It knows nothing of records and claims.
 *
 * Create with the id in the name ("protected"): a create whose reply was lost is found again by its
 * id, and a second node of ours is deleted. The list says who is before us; only our predecessor is
 * watched, so one change wakes one waiter. The owner of our node is checked (ephemeralOwner is our
 * session) before the order is believed: after an expiry the list may still show the node of our
 * former session. A node whose deletion was not acknowledged is deleted again until it is known to
 * be gone.
 *
 * With "mark", as in a lock: who claims sets the data of its own node to the name of its grant, in
 * the claim. Its successor, whose watch fires by that, then knows that it is next, what to keep in
 * sight, and, once that node is gone, that nobody else is before it: no list is read at a hand-over. Elections
 * must not do that (election.h), and read the list.
 *
 *   OUT -> CREATE -> LIST -> LOOK -> BEHIND -> (LIST | FRONT)
 *            |  ^     |  \-> FRONT                   (any) -> LEAVE -> OUT
 *            v  |     v                              FRONT -> REST -> OUT
 *           PARENTS  OWNER, DROP -> LIST             (any) -> FAILED
 *
 * How a recipe uses it: contend_init(); every event through contend_step(), whose news it heeds;
 * contend_join() to stand in line; at FRONT its own multi, with contend_own_op() as first operation;
 * then contend_rest() if that was granted, and contend_forget() once a later multi of the recipe has
 * deleted the node. The engine has a range of tags of its own (tags + 1 ...): a recipe with requests of
 * its own, or a second engine, uses another range, and offers every event to all.
 *
 * Costs, to be kept by a test: joining a queue 3 requests (create, list, watch the predecessor); a
 * hand-over, from release to the successor's claim and what its own successor does on that, at most 5
 * with the closing of the releaser's session.
 * Impossible on purpose: two requests of one engine under way at once. */
#pragma once

#include "recipe/contender.h"
#include "recipe/effect.h"
#include "recipe/parents.h"
#include "util/saved.h"

#define CONTEND_DATA_MAX 320
#define CONTEND_GRANT_MAX 128
#define CONTEND_PATH_MAX (ZNODE_PATH_MAX + 200)
/* Tags of one engine: CONTEND_TAGS(0) for the first in a machine, (1) for the second, ... */
#define CONTEND_TAGS(n) ((uint32_t)((n) + 1) << 24)

enum ContendRule {
        CONTEND_EXCLUSIVE, /* everybody who came earlier is before us */
        CONTEND_SHARED,    /* everybody who came earlier and does not share */
        CONTEND_ELECTION,  /* ours by priority, then age; never past a foreign one (election.h) */
        CONTEND_SLOTS,     /* at the front while no more than .slots stand there, whoever came first:
                              the leases of Curator's semaphore */
};

enum ContendState {
        CONTEND_OUT,
        CONTEND_PARENTS,
        CONTEND_CREATE,
        CONTEND_LIST,
        CONTEND_OWNER, /* a node of ours whose creation was not acknowledged: which session made it? */
        CONTEND_DROP,  /* deleting a second node of ours, or one of a former session */
        CONTEND_LOOK,  /* setting the watch on the predecessor, reading its data */
        CONTEND_BEHIND,
        CONTEND_FRONT,
        CONTEND_REST, /* the recipe has claimed; the engine asks for nothing */
        CONTEND_LEAVE,
        CONTEND_FAILED,
};

/* What a step has brought; at most one a step. */
enum ContendNews {
        CONTEND_NO_NEWS,
        CONTEND_IS_BEHIND,  /* BEHIND: somebody else is watched than before, or its data has changed */
        CONTEND_IS_FRONT,   /* FRONT: claim. Told again after each contend_look_again() that finds it so */
        CONTEND_IS_OUT,     /* after contend_leave(): no node of ours is left */
        CONTEND_HAS_FAILED, /* EFFECT_FAILED was appended */
};

typedef struct ContendConfig {
        const char *queue; /* full path; copied, like the others */
        const char *id;    /* unique in the world (a uuid) */
        const char *kind;  /* what stands before the digits: "lock-", "__READ__", "p5!-latch-", "lease-" */
        const char *data;  /* of our node: one line for people */
        enum ContendRule rule;
        unsigned slots; /* CONTEND_SLOTS */
        uint32_t tags;  /* CONTEND_TAGS() */
} ContendConfig;

/* Whom we wait for: the one that is watched. */
typedef struct ContendAhead {
        char path[CONTEND_PATH_MAX];
        bool shared, foreign;
        char text[CONTEND_DATA_MAX];  /* first line of its data */
        char grant[CONTEND_GRANT_MAX]; /* its mark: the name of the grant that it claimed with; "": none */
        int64_t since_msec; /* wall clock of the ensemble: since when it holds or, unmarked, waits; 0: not known */
} ContendAhead;

typedef struct Contend {
        char queue[ZNODE_PATH_MAX], id[64], kind[32];
        char data[CONTEND_DATA_MAX], marked[CONTEND_DATA_MAX + CONTEND_GRANT_MAX];
        enum ContendRule rule;
        unsigned slots;
        Parents parents; /* of the queue; the recipe adds its own after contend_init() */

        enum ContendState state, asked; /* asked: the state that the request under way was made in */
        bool attached, under_way;
        bool want;  /* between contend_join() and contend_leave() or contend_forget() */
        bool maybe; /* there may be a node of ours that we do not know */
        bool stirred;        /* LOOK: a watch of before has fired meanwhile */
        bool looking_second; /* LOOK: at .second */
        int64_t session_id;
        char node[CONTEND_PATH_MAX];  /* ours, made in this session; "": none that we know */
        char other[CONTEND_PATH_MAX]; /* OWNER, DROP: what the request is about */
        int64_t order;                /* of our node */

        /* By the last list. */
        ContendAhead ahead;
        char second[CONTEND_PATH_MAX]; /* ELECTION: the one before ahead; watched as well */
        size_t position;   /* 1: first in line, by the rule */
        size_t n_ahead;    /* of them those that we have to wait for */
        bool only_sharers; /* ... all of which share */
        bool adjacent;     /* nobody stands between ahead and us */

        uint32_t tags, tag; /* of the newest request */
        uint32_t ahead_tag, second_tag, list_tag; /* of the watches that count */
        uint64_t retry_usec;
        unsigned failures;
} Contend;

/* Returns 0, -ENAMETOOLONG or -ENOMEM. */
int contend_init(Contend *contend, const ContendConfig *config);
/* Also after an init that failed, and of zeros. */
void contend_deinit(Contend *contend);

/* Stands in line, at its end; news comes from later steps. Also while a contend_leave() is under way:
 * that is finished first. */
void contend_join(Contend *contend, Effects *effects);
/* Leaves the line, from whatever state. IS_OUT follows from a later step, or is returned at once: when
 * nothing was made, or what was made went with its session. */
enum ContendNews contend_leave(Contend *contend, Effects *effects);
/* At FRONT: the recipe's claim is granted, or under way. The engine asks for nothing. */
void contend_rest(Contend *contend);
/* Reads the list again, from FRONT, BEHIND or REST: after a claim that failed, say. */
void contend_look_again(Contend *contend, Effects *effects);
/* A multi of the recipe has found a parent missing (of its record): makes all of them, then LIST. */
void contend_make_parents(Contend *contend, Effects *effects);
/* A multi of the recipe has found our node missing: somebody has deleted it. Stands in line anew. */
void contend_node_gone(Contend *contend, Effects *effects);
/* A multi of the recipe has deleted our node: OUT, until contend_join(). */
void contend_forget(Contend *contend);

/* The operation for the recipe's multi that proves our node to be there. GRANT: the mark (a SET), valid
 * until the next call; NULL: none (a CHECK). Only while there is a node: at FRONT or REST. */
Op contend_own_op(Contend *contend, const char *grant);

/* All events, also those that answer somebody else's requests. */
enum ContendNews contend_step(Contend *contend, const Event *event, Effects *effects);
uint64_t contend_deadline(const Contend *contend);
/* For the program that takes our place, in the same session. Returns false while a request is under way, or we leave. */
bool contend_save(const Contend *contend, SavedWriter *writer);
/* Into one that was just made for the same queue. Whoever waited finds its node by its id, as after a lost reply: what
 * has changed meanwhile is seen in the list. Returns 0 or -EBADMSG. */
int contend_restore(Contend *contend, const Saved *saved);

/* Whom we wait for, in words: "position 3 in line, behind unit 'web' on host-a (process 123)". */
void contend_describe(const Contend *contend, char *text, size_t size);
const char *contend_state_to_string(enum ContendState state);
