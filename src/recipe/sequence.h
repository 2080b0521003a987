/* The lowest free number of a pool, held while this session lives: what a child gets as ZK_SEQUENCE.
 *
 *   <root>/sequence/POOL/N              ephemeral, N decimal
 *   <root>/sequence/POOL/t-<id>-<seq>   ticket, ephemeral: who is about to choose, in what order
 *   <root>/record/sequence/POOL/N       record (claim.h)
 *
 * Each newcomer lists the records, adds a ticket, lists the pool once and takes the k-th free
 * number for its rank k among the tickets: a thousand starting together do not fight over the
 * lowest one. Tickets and numbers are children of one znode, so one list is one moment; and the
 * claim removes the ticket in the same multi that makes the number, so whoever comes next sees
 * either both or neither. The records are listed before: a number in the records but not in the
 * pool belongs to a holder who died without release, and is passed over (or waited for).
 *
 *   IDLE -> RECORDS -> TICKET -> POOL -> CLAIM -> HELD -> LOST -> CLEAN -> (RECORDS | RELEASED)
 *              |  ^        |      |  ^      |        \______________^
 *              v  |        v      v  |      v
 *            PARENTS     RECORDS WAIT      CLEAN (reply lost: what was made is unmade first)
 *
 * Invariants: HELD is announced only for a claim whose reply was OK. After LOST nothing is asked
 * of the ensemble until EVENT_DEAD. What may have been made (ticket, claim) is either known to be
 * gone or is removed before RELEASED, as far as the ensemble can be reached.
 * Impossible on purpose: two requests of one machine under way at once. */
#pragma once

#include "recipe/claim.h"
#include "recipe/numbers.h"
#include "recipe/parents.h"

enum SequenceReuse {
        SEQUENCE_REUSE_SKIP, /* pass over a number whose holder died, until its record is gone */
        SEQUENCE_REUSE_WAIT, /* wait for it */
};

typedef struct SequenceConfig {
        const char *root, *pool; /* copied */
        const char *id;          /* unique in the world, for tickets and grants (a uuid); copied */
        uint64_t first;          /* the lowest number */
        uint64_t max;            /* the highest; UINT64_MAX - 1: no bound */
        uint64_t prefer;         /* taken if it is free; UINT64_MAX: none */
        enum SequenceReuse reuse;
        Record text; /* what the record says; the lease is filled in */
} SequenceConfig;

enum SequenceState {
        SEQUENCE_IDLE,
        SEQUENCE_RECORDS,
        SEQUENCE_PARENTS,
        SEQUENCE_TICKET,
        SEQUENCE_POOL,
        SEQUENCE_CLAIM,
        SEQUENCE_WAIT,
        SEQUENCE_HELD,
        SEQUENCE_LOST,
        SEQUENCE_CLEAN,
        SEQUENCE_RELEASED,
        SEQUENCE_FAILED,
};

typedef struct Sequence {
        char pool[ZNODE_PATH_MAX], records[ZNODE_PATH_MAX], id[48];
        uint64_t first, max, prefer;
        enum SequenceReuse reuse;
        Record text;

        enum SequenceState state;
        Timing timing;
        Claim claim;
        uint64_t number;

        bool attached;
        bool under_way;    /* a reply is awaited */
        bool want;         /* false once released */
        bool ticket_made;  /* ticket is its path */
        bool ticket_maybe; /* the reply to its creation, or to the claim that removes it, was lost */
        bool claim_maybe;  /* likewise the claim */
        bool node_lives;   /* the session that made the claim's node still lives */
        bool watching;     /* the lists are read with watches: we are first in line and must wait */
        bool stirred;      /* a watch has fired since the records were asked for */
        bool dropping;     /* in POOL: the request under way deletes a ticket of ours */
        int clean_step;
        int64_t session_id;
        char ticket[ZNODE_PATH_MAX + 128], ahead[ZNODE_PATH_MAX + 128];
        uint64_t retry_usec; /* when to ask again, USEC_INFINITY: on an event */
        unsigned attempts, collisions;
        uint32_t tag;
        Numbers dead; /* the records */
        Parents parents;
} Sequence;

/* Returns 0, or -ENAMETOOLONG when root and pool together are too long or too deep for a path. */
int sequence_init(Sequence *sequence, const SequenceConfig *config);
/* Also after an init that failed. */
void sequence_deinit(Sequence *sequence);
/* To be told before ATTACHED is delivered, at every connect. */
void sequence_set_timing(Sequence *sequence, const Timing *timing);

/* All events. The lease of a HELD claim is renewed by lease.h: when that says that it is lost, pass
 * EVENT_DEAD here once the tree is dead; the machine cleans up and asks again, or after EVENT_RELEASE
 * ends in RELEASED. EVENT_RELEASE in HELD says that the tree is dead and the number not wanted. */
void sequence_step(Sequence *sequence, const Event *event, Effects *effects);
uint64_t sequence_deadline(const Sequence *sequence);
/* As recipe.h says, where all of this is for recipes. */
bool sequence_save(const Sequence *sequence, SavedWriter *writer);
int sequence_restore(Sequence *sequence, const Saved *saved);
const char *sequence_state_to_string(enum SequenceState state);
