/* Who watches: in true time, over all hosts.
 *
 *   - never two children of one hold execute at once
 *   - the fencing tokens of one hold grow with every grant, strictly
 *   - after the healing everybody is served
 *
 * A child executes from its start until its death, less the time its machine was suspended. */
#pragma once

#include "sim/simulation.h"

/* Holds below this belong to the first pool, the others to the second. */
#define ORACLE_POOL_HOLDS 16
#define ORACLE_HOLDS 32
#define ORACLE_HOSTS 32

typedef struct Oracle {
        Simulation *simulation;
        unsigned executing[ORACLE_HOLDS]; /* the host + 1 */
        int64_t tokens[ORACLE_HOLDS];
        unsigned holder_of_token[ORACLE_HOLDS];
        unsigned served[ORACLE_HOSTS][2]; /* children started, of each pool */
        uint64_t n_starts, n_hand_overs;
} Oracle;

void oracle_init(Oracle *oracle, Simulation *simulation);
/* HOST was told that HOLD is its own under TOKEN. */
void oracle_granted(Oracle *oracle, unsigned hold, unsigned host, int64_t token);
void oracle_executes(Oracle *oracle, unsigned hold, unsigned host);
void oracle_rests(Oracle *oracle, unsigned hold, unsigned host);
