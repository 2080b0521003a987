/* The machines of one session, put together as a supervisor does: a heart (heart.h) for all its holds,
 * and for each pool a seat, that is a sequence and a janitor. The bits above SOURCE_SHIFT of a seat's
 * tag say whose request it is. */
#pragma once

#include "recipe/janitor.h"
#include "recipe/sequence.h"
#include "sim/heart.h"

#define HOLDER_POOLS 2

typedef struct HolderPlan {
        unsigned n_pools; /* each host wants one number of each */
        uint64_t max;     /* numbers 1..max */
        enum SequenceReuse reuse;
} HolderPlan;

/* Gives HOST, which boots, the actors for PLAN. They live in the memory of the simulation. The holds
 * of the second pool count from ORACLE_POOL_HOLDS. */
void holder_spawn(Host *host, const HolderPlan *plan);
