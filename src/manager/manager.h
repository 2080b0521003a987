/* The supervisor: one loop, one session, one lease page, and the units. It joins client, heart and
 * units, and passes signals on. */
#pragma once

#include "client/client.h"
#include "manager/unit.h"

typedef struct Manager Manager;

typedef struct ManagerConfig {
        ClientConfig client;
        uint64_t grace_usec; /* 0: derived from the granted session timeout */
} ManagerConfig;

/* Remembers the signal mask and the ignored signals that we were started with, and then blocks every
 * signal that is passed on. To be called first of all, while there is one thread. */
void manager_save_signals(sigset_t *blocked, sigset_t *ignored);

/* Returns 0 or a negative errno with a sentence in PROBLEM. */
int manager_new(Manager **out, const ManagerConfig *config, char *problem, size_t problem_size);
Manager *manager_free(Manager *manager);
CLEANUP_DEFINE(Manager, manager_free);

/* Adds a unit and wants it up. The first one is the primary: when it has finished the others are
 * stopped. What CONFIG points to must stay. Returns 0 or a negative errno. */
int manager_add(Manager *manager, const UnitConfig *config);
/* Runs until all units have finished and the session is closed. Returns the exit status of the primary. */
int manager_run(Manager *manager);
