/* The reaper: the one place where the supervisor waits for processes. Children that somebody
 * watches (guards, helpers) are handed to their watch when they end or stop. All others are
 * orphans: descendants of a guard that died, adopted because the supervisor is a child subreaper.
 * They are reaped here, and killed by reaper_kill_orphans().
 *
 * Invariants: one Reaper per process; every process that the supervisor forks is watched before
 * the loop runs again; a child of a library that waits for itself must be watched as well. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include "util/list.h"
#include "util/macros.h"

typedef struct Reaper Reaper;
typedef struct ReaperWatch ReaperWatch;

/* CODE is CLD_EXITED, CLD_KILLED or CLD_DUMPED (the child is reaped, the watch removed), or
 * CLD_STOPPED (the watch stays), or 0: the reaper itself is freed. STATUS is the exit code or the
 * signal. */
typedef void (*ReaperHandler)(ReaperWatch *watch, int code, int status);

/* Embedded in its owner. handler NULL: only keep the child from being taken for an orphan. */
struct ReaperWatch {
        ListLink link;
        pid_t pid;
        ReaperHandler handler;
};

/* Makes the process a child subreaper and blocks SIGCHLD, which EVENT then delivers. Returns 0 or a
 * negative errno. */
int reaper_new(Reaper **out, sd_event *event);
/* The handlers of watches that are left are called with code 0, after which they are unwatched. */
Reaper *reaper_free(Reaper *reaper);
CLEANUP_DEFINE(Reaper, reaper_free);

void reaper_watch(Reaper *reaper, ReaperWatch *watch, pid_t pid, ReaperHandler handler);
/* Twice is safe. */
void reaper_unwatch(ReaperWatch *watch);

/* How many processes are watched. */
size_t reaper_count(const Reaper *reaper);

/* Kills every orphan with all its descendants: one round, which allocates nothing. Returns true if
 * none was left; else call it again a little later. */
bool reaper_kill_orphans(Reaper *reaper);
/* Kills the descendants of PID, a watched child that cannot do so itself any more: one round. */
void reaper_kill_below(Reaper *reaper, pid_t pid);
