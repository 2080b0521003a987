/* A claim: one thing held (a number, a leadership, a lock slot) and the record that says so.
 *
 *   node    <queue or pool>/...           ephemeral; says that our session lives
 *   record  <root>/record/<kind>/<name>   persistent, one fixed name per thing: the exclusion.
 *                                         Its data is the name of the grant
 *   grant   <record>/<id>                 persistent, a name never used twice: the identity.
 *                                         Its data is the record text (record.h); the renewals set it
 *
 * The grant is what makes "is it still mine?" a question the ensemble can decide inside a multi:
 * versions start again at 0 when a znode is made anew, so a late renewal or release that names
 * only the record and a version could hit the record of the next holder. A path that is never
 * used again cannot.
 *
 *   claim    multi[ (own queue znode), create record, create grant, set grant ]
 *   renew    multi[ check node, set grant ]            for all claims of a session at once (lease.h)
 *   release  multi[ delete grant, delete record, delete node ]      after the tree is proved dead
 *   take     multi[ delete grant (version), delete record ]         a record unchanged for W
 *
 * The fencing token is the czxid of the grant, which is the zxid of the claim.
 *
 * Invariants: deadline_usec never decreases while HELD and is never moved once stop_usec() has
 * passed; LOST is left only by claim_init(). The struct belongs to its recipe; lease.h keeps a
 * pointer to it while it is HELD. */
#pragma once

#include "recipe/effect.h"
#include "recipe/parents.h"
#include "recipe/record.h"
#include "recipe/timing.h"
#include "util/saved.h"

enum ClaimState {
        CLAIM_NONE, /* not held, never was, or given back */
        CLAIM_HELD,
        CLAIM_LOST, /* no longer provably ours; reason says why */
};

typedef struct Claim {
        char node[ZNODE_PATH_MAX], record[ZNODE_PATH_MAX], grant[ZNODE_PATH_MAX];
        char data[RECORD_TEXT_MAX]; /* what the grant says */
        size_t data_len;
        enum ClaimState state;
        char reason[160];
        bool node_gone; /* the ensemble said so: it must not be deleted, it may be another's by now */
        int64_t token;
        uint64_t lease_usec; /* what the grant says; 0: nothing, which others take for the longest */
        uint64_t deadline_usec;
        uint32_t round; /* of lease.h: in which it was renewed last */
        Op ops[8]; /* of the claim or the release under way */
        size_t n_ops;
} Claim;

/* Sets the paths and the text. NODE and RECORD are full paths, ID names the grant and is never used
 * twice in the life of the ensemble. Returns 0 or -ENAMETOOLONG. */
int claim_init(Claim *claim, const char *node, const char *record, const char *id, const Record *text);

/* The ID of claim_init(). */
const char *claim_id(const Claim *claim);
/* Appends to claim->ops, after the N_OWN operations that the recipe has put there itself, those
 * that create the record. */
void claim_add_create_ops(Claim *claim, size_t n_own);
/* Fills claim->ops with those that take everything of the claim away. WITH_NODE: the session that
 * made the node still lives. */
void claim_make_release_ops(Claim *claim, bool with_node);

/* The reply to a claim was OK: HELD until sent + D, D being that of TIMING or of the grant, whichever
 * is less; or LOST at once, when so much time has passed that the tree could not run until a renewal. */
void claim_grant(Claim *claim, const Timing *timing, const Reply *reply, uint64_t now_usec);
/* A renewal that was sent at SENT_USEC was acknowledged. Extends, unless it is too late. */
void claim_extend(Claim *claim, const Timing *timing, uint64_t sent_usec, uint64_t now_usec);
void claim_lose(Claim *claim, const char *reason);
/* The tree will not die: the text says WEDGED from the next renewal on. Not undone. */
void claim_wedge(Claim *claim);

/* For the program that takes our place, in the same session: a claim that is HELD. */
void claim_save(const Claim *claim, SavedWriter *writer);
/* Whatever the deadline is by now: lease.h sees to that. RECORD: where it must have it, or below. Returns 0 or -EBADMSG,
 * and then the claim is as before. */
int claim_restore(Claim *claim, const Saved *saved, const char *record);

/* When the guard begins to stop the tree: deadline - K - G. From then on nothing revives it. */
uint64_t claim_stop_usec(const Claim *claim, const Timing *timing);

#ifdef ZKSUP_MUTANTS /* compiled into the simulator only */
/* One rule broken on purpose, for the tests that must notice. */
enum ClaimMutantKind {
        MUTANT_NONE,
        MUTANT_READ_LEASE,      /* an answered read renews: a server that no longer decides answers too */
        MUTANT_NO_WAIT,         /* the successor does not wait for W */
        MUTANT_REPLY_TIME,      /* deadline from the time of the reply */
        MUTANT_REVIVE,          /* a deadline that passed is revived by a late reply */
        MUTANT_TAKE_UNCHECKED,  /* a take-over does not name the version that was in sight for W */
        MUTANT_GHOST_UNCHECKED, /* grants have no name of their own: who deletes its ghost deletes whatever is there */
        MUTANT_ORDER_ONLY,      /* the record excludes nobody: who is first in the queue is the owner */
};
extern enum ClaimMutantKind claim_mutant;
#define CLAIM_MUTANT(x) (claim_mutant == (x))
#else
#define CLAIM_MUTANT(x) false
#endif
