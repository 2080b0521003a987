/* Spawn: the supervisor's end of one guard. It starts zksup-guard with the lease page, a
 * socketpair and the command, turns requests into messages and messages into events, and watches
 * the guard in turn: a guard that dies or is stopped loses its tree within 250 ms, killed from
 * here.
 *
 * The order of events of one run: STARTED or EXEC_FAILED, then STOPPING and JOB_STOPPED as they
 * come, EXITED (only after STARTED; the status may be missing if the guard was lost), and last
 * EMPTY, once per run: the proof that no process of the tree is left. Only after EMPTY may a hold be given
 * back or the next spawn_start() be made. GUARD_LOST may come at any time; a run that was on
 * still ends with its EMPTY, after which the Spawn can only be freed.
 *
 * The handler may call any function here, spawn_free() included. The path that kills allocates
 * nothing. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include "guard/wire.h"
#include "unit/child-config.h"
#include "unit/lease-page.h"
#include "unit/reaper.h"
#include "util/macros.h"
#include "util/saved.h"

typedef struct Spawn Spawn;

enum ContainMode {
        CONTAIN_AUTO, /* cgroup where it is to be had, else subreaper */
        CONTAIN_CGROUP,
        CONTAIN_PIDNS,
        CONTAIN_SUBREAPER,
};

enum SpawnEventType {
        SPAWN_READY, /* the guard runs; event.contain says what was to be had */
        SPAWN_STARTED,
        SPAWN_EXEC_FAILED, /* stage, error; stage LEASE: the deadline was too near, nothing ran */
        SPAWN_EXITED,      /* the main command: code, status */
        SPAWN_JOB_STOPPED, /* signal; the terminal is the supervisor's again */
        SPAWN_STOPPING,    /* why */
        SPAWN_EMPTY,
        SPAWN_GUARD_LOST,
};

typedef struct SpawnEvent {
        enum SpawnEventType type;
        enum ContainMode contain; /* READY: never AUTO */
        pid_t pid;                /* STARTED */
        enum WireStage stage;     /* EXEC_FAILED */
        int error;                /* EXEC_FAILED: a positive errno */
        unsigned which;           /* EXEC_FAILED: of the stage, see child_config_explain() */
        int code;                 /* EXITED: CLD_EXITED, CLD_KILLED, CLD_DUMPED */
        int status;               /* EXITED: exit code or signal */
        int signal;               /* JOB_STOPPED */
        enum WireWhy why;         /* STOPPING */
} SpawnEvent;

typedef void (*SpawnHandler)(Spawn *spawn, const SpawnEvent *event, void *userdata);

/* Read during spawn_new() only; nothing is kept. */
typedef struct SpawnConfig {
        const char *guard_path; /* NULL: spawn_find_guard() */
        char *const *argv;      /* the command, looked up in PATH; NULL at the end */
        const char *name;       /* of the unit: names its control group; for messages */
        enum ContainMode contain;
        const char *cgroup_parent; /* NULL: cgroup_find_own() */
        const char *kill_cgroup;   /* of the systemd service that the command drives, or NULL: its processes are part of
                                    * the tree; they are ended before READY, and EMPTY says that none is left */
        bool terminal;             /* stay in our session; the command is the foreground job */
        /* Descriptors for the command's 0, 1 and 2, if use_stdio; -1 leaves ours. */
        bool use_stdio;
        int stdio[3];
        /* pass_fds[i] arrives in the command as descriptor pass_at + i; 0 means 3. */
        const int *pass_fds;
        size_t n_pass_fds;
        int pass_at;
        const ChildConfig *child; /* as whom, where and with what; NULL: as we are */
        char *problem; /* gets a sentence where there is more to say than an errno; NULL: not wanted */
        size_t problem_size;
        /* What the command starts with: as zksup itself was started. NULL: nothing. */
        const sigset_t *blocked;
        const sigset_t *ignored;
} SpawnConfig;

typedef struct SpawnStart {
        char *const *env; /* "NAME=value", added to our environment; NULL at the end; may be NULL */
        int stop_signal;  /* 0: SIGTERM */
        uint64_t grace_usec;
        uint64_t kill_budget_usec;
        uint64_t deadline_usec; /* CLOCK_BOOTTIME, or LEASE_DEADLINE_NONE; written to the slot first */
} SpawnStart;

/* Starts the guard, which then waits. EVENT, REAPER and PAGE must outlive the Spawn. Returns 0 or a
 * negative errno (-ENOENT: no zksup-guard; -ENOSPC: no slot; with CONTAIN_CGROUP also those of cgroup_find_own(); with a
 * sentence in config->problem those of child_identity_resolve()). */
int spawn_new(Spawn **out, sd_event *event, Reaper *reaper, LeasePage *page, const SpawnConfig *config,
        SpawnHandler handler, void *userdata);
/* Ends the guard, and with it, unproved, what runs: wait for EMPTY first. No event comes after this
 * call; what must stay until the guard is reaped stays in the reaper's care. */
Spawn *spawn_free(Spawn *spawn);
CLEANUP_DEFINE(Spawn, spawn_free);

/* For a program that takes our place: the guard goes on under it, with the same page. Returns false when the guard is not
 * well: wait until that has been seen to. */
bool spawn_save(const Spawn *spawn, SavedWriter *writer);
/* That guard, with what runs. CONFIG as for spawn_new(); what is of the guard alone is not read. Returns 0 or a negative
 * errno; then the descriptors are closed or still in SAVED, and at the end of its socket the guard ends what runs. */
int spawn_adopt(Spawn **out, sd_event *event, Reaper *reaper, LeasePage *page, const SpawnConfig *config, Saved *saved,
        SpawnHandler handler, void *userdata);

/* Writes the lease slot and starts the command, with ZKSUP_LEASE in its environment. Returns 0, -EBUSY (a run is on), -ENOTCONN (the
 * guard is lost, or its control group is, after which it is), -E2BIG (environment over WIRE_ENV_MAX). */
int spawn_start(Spawn *spawn, const SpawnStart *start);

/* Each returns 0, -ENOTCONN, or -ESRCH when no run is on. */
int spawn_signal(Spawn *spawn, int signal);
/* SIGNAL (0: the stop signal of the start), then SIGCONT to the whole tree; SIGKILL after GRACE_USEC
 * or at the deadline less the kill budget, whichever is first. */
int spawn_stop(Spawn *spawn, int signal, uint64_t grace_usec);
int spawn_kill(Spawn *spawn);
int spawn_freeze(Spawn *spawn);
int spawn_thaw(Spawn *spawn);
/* After JOB_STOPPED. */
int spawn_continue(Spawn *spawn, bool foreground);

/* The lease was renewed, or (0) is gone. No system call. A deadline moved nearer is seen by the guard
 * only when its timer for the old one fires: to stop sooner use spawn_stop(). */
void spawn_set_deadline(Spawn *spawn, uint64_t deadline_usec);
/* The hold is lost: the command is told so when it asks (zksup still-mine), until the next start. The guard's
 * deadline stays, so that a stop has its grace. */
void spawn_disown(Spawn *spawn);

bool spawn_is_ready(const Spawn *spawn);
bool spawn_is_running(const Spawn *spawn); /* from spawn_start() to EMPTY */
bool spawn_is_lost(const Spawn *spawn);
pid_t spawn_guard_pid(const Spawn *spawn);
pid_t spawn_pid(const Spawn *spawn); /* the main command, 0 if none */
enum ContainMode spawn_contain(const Spawn *spawn);
const char *contain_mode_to_string(enum ContainMode mode);
/* Returns the mode or -EINVAL. */
int contain_mode_from_string(const char *text);

/* The mask and the ignored signals as they are now, for SpawnConfig: to be called first thing in main(),
 * before anything is blocked or ignored. */
void spawn_record_signals(sigset_t *blocked, sigset_t *ignored);

/* The program zksup-guard: $ZKSUP_GUARD, else the installed one, else the one in the build tree
 * beside our own program. Returns 0 and a new string, or -ENOENT. */
int spawn_find_guard(char **path);
