/* Who watches: in true time, over all hosts.
 *
 *   - never two children of one hold execute at once, unless both share it
 *   - never more children of one pool than its limit execute at once
 *   - the fencing tokens of one hold grow with every grant, strictly; those of who share it are above
 *     that of the last who had it alone, and below that of the next
 *   - where nothing breaks, who came first is served first
 *   - after the healing everybody is served
 *
 * A child executes from its start until its death, less the time its machine was suspended. */
#pragma once

#include "sim/simulation.h"

/* Holds below this belong to the first pool, the others to the second. */
#define ORACLE_POOL_HOLDS 16
#define ORACLE_HOLDS 32
#define ORACLE_HOSTS 32
/* Added to a hold: shared. */
#define ORACLE_SHARED 64

typedef struct OracleHold {
        unsigned executing; /* the host + 1 */
        unsigned n_sharing; /* children that execute and share it */
        int64_t token, shared_token; /* the greatest */
        int64_t order, shared_order; /* in the queue */
        unsigned holder;             /* of the token */
} OracleHold;

typedef struct Oracle {
        Simulation *simulation;
        OracleHold holds[ORACLE_HOLDS];
        unsigned limit[2], n_executing[2]; /* of each pool; limit 0: none */
        unsigned served[ORACLE_HOSTS][2];  /* children started, of each pool */
        uint64_t n_starts, n_hand_overs;
} Oracle;

void oracle_init(Oracle *oracle, Simulation *simulation);
/* HOST was told that HOLD is its own under TOKEN. */
void oracle_granted(Oracle *oracle, unsigned hold, unsigned host, int64_t token);
/* ... and stood at ORDER in the queue for it. To be told only where nothing breaks. */
void oracle_served_in_order(Oracle *oracle, unsigned hold, int64_t order);
void oracle_executes(Oracle *oracle, unsigned hold, unsigned host);
void oracle_rests(Oracle *oracle, unsigned hold, unsigned host);
