/* The machines of one number, put together as a supervisor does: sequence, lease and janitor behind
 * one step. The bits above SOURCE_SHIFT of a tag say whose request it is. */
#pragma once

#include "recipe/janitor.h"
#include "recipe/lease.h"
#include "recipe/sequence.h"
#include "sim/host.h"

typedef struct HolderPlan {
        const char *pool;
        uint64_t max; /* numbers 1..max */
        enum SequenceReuse reuse;
} HolderPlan;

typedef struct Holder {
        Simulation *simulation;
        uint64_t grace_usec;
        Timing timing;
        Lease lease;
        Sequence sequence;
        Janitor janitor;
} Holder;

extern const ActorType holder_type;

/* A holder that lives in the memory of the simulation. */
Holder *holder_new(Host *host, const HolderPlan *plan);
