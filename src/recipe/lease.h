/* The lease of a session: one renewal for all claims that it holds.
 *
 * Every R one multi, per claim [ check node, set grant ]. Only an acknowledged, committed write
 * extends: pings, reads and sync are answered by servers that no longer decide. The deadline
 * counts from the moment of sending, so an answer may come as late as it likes. A claim whose
 * check fails is lost and the others are renewed at once without it. At deadline - K - G without
 * an acknowledged renewal a claim is lost here at the same moment at which its guard begins to
 * stop the tree, and nothing revives it.
 *
 * A server takes no request of any size, so a round of many claims is cut into batches, sent one after the
 * other. A multi names only the first operation that failed; lest a thousand claims that die together cost a
 * thousand large requests, batches become small after a failure, and large again after a success.
 *
 *             add                    check failed, stop time passed, expired
 *   (none) ----------> renewed ------------------------------------------------> LOST, removed
 *
 * The machine owns neither the claims nor their memory; it points to them from lease_add() until
 * they are lost or lease_remove(). Effects: REQUEST; EXTENDED (once a step: look at the deadline of
 * every claim); LOST (once a step: call lease_take_lost() until it gives NULL). */
#pragma once

#include "recipe/claim.h"

typedef struct Lease {
        Timing timing;
        bool attached;
        uint32_t tag;         /* of the newest renewal */
        bool under_way;       /* its reply is awaited */
        uint64_t next_usec;   /* when the next round is due */
        uint32_t round;       /* Claim.round of those that were sent in it */
        bool in_round;        /* some were not sent yet */
        size_t batch;         /* how many at most the next batch has */
        uint64_t stop_usec;   /* no claim has to stop earlier */
        Claim **claims;       /* held */
        Claim **sent;         /* in the renewal under way; NULL where removed since */
        Claim **lost;         /* lost, not yet taken by the layer above */
        Op *ops;
        size_t n_claims, n_sent, n_lost, room;
} Lease;

void lease_init(Lease *lease);
void lease_deinit(Lease *lease);
void lease_set_timing(Lease *lease, const Timing *timing);

/* Makes room for one claim more than there may be now, before it is asked for, so that nothing can
 * fail once it is held. Returns 0 or -ENOMEM. */
int lease_reserve(Lease *lease, size_t claims);
/* Begins to renew a claim that is HELD. */
void lease_add(Lease *lease, Claim *claim, uint64_t now_usec);
/* Stops renewing, for a release or because the layer above knows it lost. */
void lease_remove(Lease *lease, Claim *claim);
/* The next claim that was lost, or NULL. */
Claim *lease_take_lost(Lease *lease);

/* Events: REPLY (with a tag of ours), SESSION, TIME. */
void lease_step(Lease *lease, const Event *event, Effects *effects);
uint64_t lease_deadline(const Lease *lease);
