/* The struct of the daemon, and what its files do for each other. daemon.c: life, signals, what the service manager hears;
 * daemon-control.c: what administrators ask for and see. */
#pragma once

#include "api/server.h"
#include "client/auth.h"
#include "manager/cluster.h"
#include "manager/daemon.h"
#include "manager/fleet.h"
#include "manager/host.h"
#include "manager/reexec.h"
#include "manager/timer.h"

struct Daemon {
        char *path;
        Config *config;
        DaemonOverrides overrides;
        Auth auth;
        Manager *manager;
        Fleet *fleet;
        Api *api;
        Host *host;
        Reexec *reexec; /* NULL, or under way, or failed */
        const sigset_t *blocked, *ignored;
        Timer status_timer;   /* the STATUS line and host/ID, not at every change of a unit */
        Timer watchdog_timer;
        uint64_t watchdog_usec; /* between two signs of life; 0: none wanted */
        char status[300];       /* as told last */
        uint64_t started_usec, reloaded_usec; /* CLOCK_REALTIME */
        uint64_t reloads, failed_reloads;
        char host_name[128], boot_id[40];
        char no_contact[400]; /* why there is none; "" with contact */
        Snapshot snapshot;    /* of the last look */
        SnapshotUnit *units;
        size_t units_room;
        ListLink readings; /* of the cluster, under way */
};

/* For the control interface. */
extern const ApiOps daemon_ops;
/* What is shown of one unit. */
void daemon_unit_snapshot(const FleetUnit *unit, SnapshotUnit *s);
/* Fills in and returns the snapshot. */
const Snapshot *daemon_snapshot(Daemon *daemon);
/* Something that is shown has changed. */
void daemon_changed(Daemon *daemon);
/* Reads the configuration again. Returns 0, or a negative errno with a line for each mistake in PROBLEMS; then nothing has
 * changed. */
int daemon_reload(Daemon *daemon, TextBuffer *summary, TextBuffer *problems);
void daemon_stop(Daemon *daemon);
/* Options go before the configuration. */
void daemon_override(const Daemon *daemon, ConfigGlobal *global);

/* daemon-reexec.c */
/* Lets another program take our place, soon. Returns 0, or a negative errno with a sentence in PROBLEM. */
int daemon_reexec(Daemon *daemon, char *problem, size_t size);
void daemon_restore_api(Saved *saved, ApiConfig *config);
/* The last of what was saved, once the units have theirs. */
void daemon_restore(Daemon *daemon, Saved *saved);
void daemon_drop_readings(Daemon *daemon);
