/* A hook: a command beside the one that is supervised, run to its end under a guard of its own. It has
 * a limit of time, and a lease if it runs for a hold. Its end is told once nothing of its tree is left,
 * like that of any command here.
 *
 * One run at a time. A run that could not be started is told in the same way, perhaps from within
 * hook_start(). */
#pragma once

#include "manager/streams.h"
#include "manager/timer.h"
#include "unit/spawn.h"

typedef struct Hook Hook;

enum HookEventKind {
        HOOK_LEASE_LOW, /* its guard is stopping it: the lease is running out. ENDED follows */
        HOOK_ENDED,     /* .ok: it exited with 0 in time. Nothing of it is left */
};

typedef void (*HookHandler)(Hook *hook, enum HookEventKind kind, bool ok, void *userdata);

typedef struct HookConfig {
        const char *name; /* for messages: "db on-won"; copied */
        char *const *argv;
        uint64_t timeout_usec;
        enum ContainMode contain;
        const ChildConfig *child; /* NULL: as we are */
        const sigset_t *blocked, *ignored;
        const Streams *streams; /* where it prints; NULL: as zksup itself */
} HookConfig;

/* What CONFIG points to must stay. Returns 0 or -ENOMEM or what the loop said. */
int hook_new(Hook **out, sd_event *event, Reaper *reaper, LeasePage *page, const HookConfig *config,
        HookHandler handler, void *userdata);
Hook *hook_free(Hook *hook);
CLEANUP_DEFINE(Hook, hook_free);

/* START is copied but for the strings that env points to, which must stay until the end is told. */
void hook_start(Hook *hook, const SpawnStart *start);
void hook_set_deadline(Hook *hook, uint64_t deadline_usec);
/* See spawn_disown(). */
void hook_disown(Hook *hook);
/* Asks it to end, or ends it. ENDED follows. */
void hook_stop(Hook *hook, bool kill);
