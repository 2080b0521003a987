/* The guard and the tree under it, on one host: lives on whatever becomes of the supervisor, unless
 * the machine itself goes down.
 *
 *   NONE --start--> STARTING --> RUNNING --stop or deadline - K - G--> STOPPING --> NONE
 *
 * The guard reads its deadline from the lease page (page_usec) only when its own timer has come. The
 * tree is dead at the latest K after SIGKILL, which comes at deadline - K or earlier; a prompt child
 * dies soon after the stop signal. The supervisor hears of the death by a message, if it is there. */
#pragma once

#include "recipe/timing.h"
#include "sim/simulation.h"

typedef struct Host Host;
typedef struct Actor Actor;

enum ChildState {
        CHILD_NONE,
        CHILD_STARTING,
        CHILD_RUNNING,
        CHILD_STOPPING, /* still executing */
};

typedef struct Child {
        Host *host;
        Actor *actor; /* NULL once the supervisor is gone */
        enum ChildState state;
        uint64_t generation; /* timers of an earlier one are ignored */
        unsigned hold;
        Timing timing;
        uint64_t page_usec;  /* the deadline, local */
        uint64_t death_usec; /* STOPPING: local */
        bool by_guard;
        bool is_seen; /* by the oracle, to execute */
} Child;

/* In the memory of the simulation. */
Child *child_new(Host *host, Actor *actor);
void child_start(Child *child, unsigned hold, uint64_t deadline_usec, const Timing *timing);
/* What the supervisor writes into the lease page. */
void child_extend(Child *child, uint64_t deadline_usec);
/* The supervisor asks the guard to stop the tree, or its end of the socketpair is closed. */
void child_stop(Child *child);
/* The machine is gone with it, or back from suspend. */
void child_vanish(Child *child);
void child_suspend(Child *child);
void child_resume(Child *child);
/* Draws anew when the child ends by itself. */
void child_retire(Child *child);
bool child_is_executing(const Child *child);
