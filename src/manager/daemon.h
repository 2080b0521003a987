/* zksup up: a manager with the units of a configuration, what administrators see of it and tell it, and what the
 * service manager hears. */
#pragma once

#include "config/config.h"
#include "manager/manager.h"

typedef struct Daemon Daemon;

/* What goes before the configuration, also after a reload; NULL: what it says. What is pointed to must stay. */
typedef struct DaemonOverrides {
        const char *connect, *root, *control;
} DaemonOverrides;

typedef struct DaemonConfig {
        const char *path;                  /* of the configuration; read again by a reload */
        DaemonOverrides overrides;
        Config *config;                    /* as read; the daemon takes it */
        const sigset_t *blocked, *ignored; /* as zksup was started; they must stay */
        Saved *saved;                      /* by the program that we have taken the place of; NULL: none. Not kept */
} DaemonConfig;

/* Returns 0, or a negative errno with a sentence in PROBLEM. What was not NULL in CONFIG is taken in every case. */
int daemon_new(Daemon **out, const DaemonConfig *config, char *problem, size_t problem_size);
Daemon *daemon_free(Daemon *daemon);
CLEANUP_DEFINE(Daemon, daemon_free);

/* Whether a program that reads CONFIG can go on from SAVED. Returns 0, or a negative errno with a sentence in PROBLEM. */
int daemon_can_restore(const Saved *saved, const Config *config, char *problem, size_t size);

/* Runs until told to stop. Returns the exit status. */
int daemon_run(Daemon *daemon);
