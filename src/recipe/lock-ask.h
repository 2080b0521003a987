/* The requests of the lock machine itself, one at a time, and the one setter of its state. What to ask is
 * decided in lock.c; here is how. Internal to the lock machine, and to the election, which is a lock with
 * other names, another order, and an eye on those who preempt. */
#pragma once

#include "recipe/lock.h"
#include "recipe/successor.h"

/*   IDLE -> QUEUE -> CLAIM -> HELD -> LOST -> CLEAN -> (QUEUE | LEAVE -> RELEASED)
 *             ^  \     |                        ^
 *             |   \    +--- reply lost ---------+
 *             +-----<--+--- failed                                     (any) -> FAILED
 *
 * Invariants: the claim is asked for at the front of the queue only; after LOST nothing is asked until
 * EVENT_DEAD. What may have been made (claim) is known to be gone or is removed before RELEASED. */
enum LockState {
        LOCK_IDLE,
        LOCK_QUEUE, /* the queue engine and the successor are at work */
        LOCK_CLAIM,
        LOCK_HELD,
        LOCK_LOST,
        LOCK_CLEAN, /* taking away the claim */
        LOCK_LEAVE, /* ... and the node */
        LOCK_RELEASED,
        LOCK_FAILED,
};

/* How the record is given away. */
enum LockClean {
        LOCK_CLEAN_ALL,      /* grant, [shared,] record, [node] in one multi */
        LOCK_CLEAN_NOT_LAST, /* others share: grant, [node] */
        LOCK_CLEAN_EMPTY,    /* ... who may have seen ours as we saw theirs: shared, record, if that was so */
};

struct Lock {
        char record[ZNODE_PATH_MAX], shared[ZNODE_PATH_MAX], name[256], id[64];
        enum LockMode mode;
        bool elects; /* an election: no marks, and the list is read again before a claim */
        Record text;

        enum LockState state;
        Timing timing;
        Contend contend;
        Successor successor;
        Claim claim;

        bool attached, under_way;
        bool want;
        bool claim_maybe; /* the claim may have been made, or is to be taken away */
        bool drop_node;   /* our node is to go with it */
        bool fresh;       /* election: at the front by a list that was read since we last waited */
        bool beside;      /* the claim was to share with those that do already */
        enum LockClean clean;
        size_t n_take; /* operations of the claim under way that take a dead holder's record */
        uint32_t tags, tag;
        uint64_t retry_usec;
        uint64_t not_before_usec; /* the next claim, after some that failed */
        unsigned failures, attempts;
        char waiting[160]; /* what was said last */
};

typedef struct LockNames {
        const char *root, *dir, *name; /* <root>/<dir>/<name>, <root>/record/<dir>/<name> */
        const char *id, *kind, *data;
        enum ContendRule rule;
} LockNames;

int lock_init(Lock *lock, const LockNames *names, const Record *text);
void lock_step(void *lock, const Event *event, Effects *effects);
uint64_t lock_deadline(const void *lock);
void lock_set_timing(void *lock, const Timing *timing);
void lock_deinit(void *machine);
Claim *lock_claim(void *lock);

void lock_ask_enter(Lock *lock, enum LockState state, Effects *effects, const char *cause);
void lock_ask_claim(Lock *lock, Effects *effects, const char *cause);
void lock_ask_clean(Lock *lock, Effects *effects, const char *cause);
/* The node, once the claim is gone; then RELEASED, or the queue anew. */
void lock_ask_leave(Lock *lock, Effects *effects, const char *cause);
/* Our node is gone: RELEASED, or the queue anew if it is wanted. */
void lock_ask_out(Lock *lock, Effects *effects, const char *cause);
void lock_ask_released(Lock *lock, Effects *effects, const char *cause);
void lock_ask_fail(Lock *lock, Effects *effects, enum Outcome outcome, const char *path);
/* How long to wait after so many in a row. */
uint64_t lock_ask_pause_usec(unsigned failures);
void lock_ask_later(Lock *lock, uint64_t now_usec);
