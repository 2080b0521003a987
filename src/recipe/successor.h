/* The record of whoever holds what we wait for, kept in sight by the one that is next, so that after
 * a crash W has usually run out by the time the session of the dead expires.
 *
 * The grant is read with a watch, which fires at each renewal, and read again. A version that
 * stood for W = timing_takeover_wait_usec(lease it says) may be taken; the wait counts from the moment
 * the read that showed it was ANSWERED: it was written before that. A lock that is shared has
 * several grants: each is kept in sight, and taken by itself.
 *
 * Invariants: what is deleted is named by its grant and the version that was seen for W, so that a
 * renewal in between makes the multi fail. A WEDGED grant is never due. What cannot be read, a record
 * without a grant, and one with children that are none, count as the longest lease there is.
 * Impossible on purpose: two requests of one successor under way at once. */
#pragma once

#include "recipe/claim.h"

#define SUCCESSOR_GRANTS_MAX 32   /* of a shared lock; more are looked at once these are gone */
#define SUCCESSOR_SHARED "shared" /* child of a record that is shared, and the record's data */

enum SuccessorKind {
        SUCCESSOR_UNKNOWN,
        SUCCESSOR_GONE,      /* there is no record, or there was none when we last heard */
        SUCCESSOR_ONE,       /* one grant */
        SUCCESSOR_BARE,      /* a record without one: made, or damaged, by hand */
        SUCCESSOR_SHARED_BY, /* <record>/shared with one grant for each that shares it */
};

typedef struct Sight {
        char grant[128];
        int32_t version;
        uint64_t since_usec, wait_usec; /* in sight with this version; W by what it says */
        bool known;                     /* version and since_usec are of a read that was answered */
        bool stale;                     /* to be read again */
        bool listed;
        uint32_t watch_tag;
        Record text;
} Sight;

typedef struct Successor {
        char record[ZNODE_PATH_MAX];
        char path[ZNODE_PATH_MAX + 160], shared[ZNODE_PATH_MAX];
        enum SuccessorKind kind;
        bool active, attached, under_way;
        bool shares; /* we only want to know whether it is shared, not by whom. Set it after successor_init()
                      */
        bool awaits; /* where there is no record, watches for one. Set it after successor_init() */
        bool read_record, read_list, await; /* to be done */
        enum SuccessorAsked { ASKED_RECORD, ASKED_AWAIT, ASKED_LIST, ASKED_GRANT, ASKED_TAKE } asked;
        bool after_record; /* the grant is being read because the record has just named it */
        int32_t record_version;
        int64_t record_czxid, empty_czxid; /* of the record read last; of the one that had nothing below it */
        enum Outcome refused;              /* OK, or why the record cannot be read, for good */
        bool is_crowded;                   /* the record has children that are no grants */
        Sight sights[SUCCESSOR_GRANTS_MAX];
        size_t n_sights, current;
        uint32_t tags, tag, record_tag, list_tag;
        uint64_t retry_usec;
        unsigned failures;
} Successor;

/* TAGS as for the queue engine: a range of its own. Returns 0 or -ENAMETOOLONG. */
int successor_init(Successor *successor, const char *record, uint32_t tags);

/* Keeps the record in sight from now on. GRANT: the one that it is known to have; NULL: look. What is
 * in sight already goes on counting. */
void successor_watch(Successor *successor, const char *grant, Effects *effects);
/* Reads the record anew: a claim has found it other than we thought. */
void successor_look_again(Successor *successor, Effects *effects);
/* Nothing is watched any more; replies that come yet are passed over. */
void successor_stop(Successor *successor);
/* A multi of ours could not delete the record, because it has children that are no grants. */
void successor_crowded(Successor *successor, uint64_t now_usec);

/* All events. Returns whether anything of what the functions below say may have changed. */
bool successor_step(Successor *successor, const Event *event, Effects *effects);
/* When a request has to be repeated. */
uint64_t successor_deadline(const Successor *successor);

/* Whether all that stands against us is known: nothing is to be read first. */
bool successor_is_settled(const Successor *successor);
/* When the first of what is in sight may be taken; USEC_INFINITY: when it is wedged, or nothing is there. */
uint64_t successor_due_usec(const Successor *successor);
/* Puts the operations that take ONE, BARE, or a SHARED_BY nobody, away. At most 2; returns how many. */
size_t successor_take_ops(Successor *successor, Op *ops);
/* SHARED_BY: takes one grant that is due. */
void successor_take_one(Successor *successor, uint64_t now_usec, Effects *effects);
/* For people, after "waiting": what it is that we wait for. */
void successor_describe(const Successor *successor, uint64_t now_usec, char *text, size_t size);
/* Where the holder may be alive and well: who it is. Returns whether that is known. */
bool successor_describe_holder(const Successor *successor, char *text, size_t size);
bool successor_is_wedged(const Successor *successor);
