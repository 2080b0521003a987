/* A systemd service in the place of a command. What runs under the guard is a program of ours, the verb systemd-unit
 * (cli/cmd-systemd-unit.c), which starts the service, ends when it ends and stops it when told to; the service's control group
 * counts as part of the tree (guard/service-group.h), so that the lease holds even if neither that program nor
 * systemd does what it should.
 *
 * The rule about a service that runs although nothing is held for it, since somebody else has started it or an
 * earlier zksup could not end it: before a hold is asked for it is stopped, here; the guard is not READY until it is
 * dead, and kills it after 10 seconds. */
#pragma once

#include <stdbool.h>
#include "util/macros.h"

typedef struct Service {
        char *program; /* zksup */
        char *group;   /* where its control group is, or will be */
        char *argv[6];
} Service;

/* Finds out where the service NAME runs, and asks systemd to stop it if it does, unless it is HELD: run under a
 * guard that was there before us. Waits for systemd, but not for the stop, and for half a second at most; without an answer it
 * is taken to be in the slice that services are in unless told otherwise, and the program sees to it that it is. To be
 * called whenever a guard is started, before the hold is asked for, or taken over. NAME must stay. Returns 0,
 * -EOPNOTSUPP (no version 2 of control groups here), -ENXIO (no program zksup), -ENOMEM. */
int service_init(Service *service, const char *name, bool held);
void service_deinit(Service *service);
static inline void service_deinit_cleanup(Service *service)
{
        service_deinit(service);
}
