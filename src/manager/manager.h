/* The supervisor: one loop, one session, one lease page, and the units. It joins client, heart and
 * units, and passes signals on. */
#pragma once

#include "client/client.h"
#include "manager/unit.h"

typedef struct Manager Manager;

enum ManagerNewsKind {
        MANAGER_SESSION,     /* .event: the units and the heart have been told */
        MANAGER_NO_CONTACT,  /* .text: still without the ensemble, and why */
        MANAGER_UNIT,        /* .unit, .unit_userdata, .unit_news */
        MANAGER_SIGNAL,      /* .signal */
};

typedef struct ManagerNews {
        enum ManagerNewsKind kind;
        const Event *event; /* MANAGER_SESSION: the EVENT_SESSION itself */
        const char *text;
        Unit *unit;
        void *unit_userdata;
        const UnitNews *unit_news;
        int signal;
} ManagerNews;

typedef void (*ManagerHandler)(void *userdata, const ManagerNews *news);

typedef struct ManagerConfig {
        ClientConfig client;
        uint64_t grace_usec; /* 0: derived from the granted session timeout */
        /* NULL: there is one command. The first unit is the primary: when it has finished the others are stopped, and so
         * are we; signals are passed on to the units. With a handler we stay until manager_stop(), units come and go,
         * and signals are the handler's. */
        ManagerHandler handler;
        void *userdata;
        Saved *saved; /* of manager_save(), in the program that we have taken the place of; NULL: none. Not kept */
} ManagerConfig;

/* Remembers the signal mask and the ignored signals that we were started with, and then blocks every
 * signal that is passed on. To be called first of all, while there is one thread. */
void manager_save_signals(sigset_t *blocked, sigset_t *ignored);

/* Returns 0 or a negative errno with a sentence in PROBLEM. */
int manager_new(Manager **out, const ManagerConfig *config, char *problem, size_t problem_size);
Manager *manager_free(Manager *manager);
CLEANUP_DEFINE(Manager, manager_free);

/* Adds a unit and, with UP, wants it up as soon as the loop has begun to connect. What CONFIG points to must stay. OUT may
 * be NULL. Returns 0 or a negative errno. */
int manager_add(Manager *manager, const UnitConfig *config, void *userdata, bool up, Unit **out);
/* A unit that was added with UP and has not been told yet will not be. Returns whether that was so. */
bool manager_hold_back(Manager *manager, const Unit *unit);
/* For a program that takes our place: the session, the lease page, what is counted; of the units nothing but that each is at a
 * quiet moment is looked at. Returns false, with what is in the way in OBSTACLE: wait. */
bool manager_save(const Manager *manager, SavedWriter *writer, char *obstacle, size_t size);
/* In place of manager_add(): a unit that was saved. Returns 0 or a negative errno; then what ran is being stopped by its guard,
 * and OUT is NULL. *GONE is told, with USERDATA, once nothing of it is left and what it held is given back; where that cannot
 * be proved, never. */
int manager_restore(Manager *manager, const UnitConfig *config, void *userdata, Saved *saved,
        void (*gone)(void *userdata, const char *unit), void *gone_userdata, Unit **out);
/* Only a unit at rest, and not from inside its own news. */
void manager_remove(Manager *manager, Unit *unit);
/* Stops all units and ends with STATUS once they are at rest and the session is closed. A second call kills. */
void manager_stop(Manager *manager, int status);
/* Told to stop, or given up: nothing is to be begun any more. */
bool manager_is_ending(const Manager *manager);
/* Runs until all units have finished and the session is closed. Returns the exit status of the primary, or that of
 * manager_stop(). */
int manager_run(Manager *manager);

sd_event *manager_event(const Manager *manager);
Client *manager_client(const Manager *manager);
Reaper *manager_reaper(const Manager *manager);
/* Strings in it are good until the loop goes on. root, and what is of the configuration, is the caller's. */
void manager_snapshot(const Manager *manager, SnapshotSession *session);
/* Whether the machine of the session has done what its own time asked for, so that a watchdog may be told that we are well. */
bool manager_is_well(const Manager *manager);
