/* A unit at work: the unit machine, its guard, its gate and its readiness, joined. What the machine
 * decides is carried out here; what happens to guard, gate and child is told to the machine. The
 * decisions are all in unit/unit-machine.c. */
#pragma once

#include "api/server.h"
#include "api/snapshot.h"
#include "manager/gate.h"
#include "unit/child-config.h"
#include "unit/output.h"
#include "unit/readiness.h"
#include "unit/spawn.h"
#include "unit/unit-machine.h"

typedef struct Unit Unit;
typedef struct LeadConfig LeadConfig;

typedef struct UnitConfig {
        const char *name;
        char *const *argv;
        UnitPolicy policy;
        enum ContainMode contain;
        bool terminal;
        const sigset_t *blocked, *ignored; /* as zksup was started */
        const ReadinessConfig *readiness;
        bool gateless; /* holds nothing: starts when it is told to, and no lease ends it */
        GateConfig gate;
        uint64_t wait_usec;         /* how long to wait for the gate, USEC_INFINITY: for ever */
        bool signals_end_wait;      /* as if they had met the command: HUP, QUIT, USR1, ... */
        char *const *env;           /* "NAME=value" besides those of the gate; NULL: none */
        const LeadConfig *lead;     /* what goes with a leadership; NULL: nothing */
        const ChildConfig *child;   /* NULL: as zksup itself was started */
        const OutputConfig *out, *err; /* NULL: zksup's own */
        const struct Streams *streams; /* those of another unit, which must stay, in place of out and err; NULL: none */
        const char *service;        /* the systemd service that argv drives; NULL: argv is the command itself */
} UnitConfig;

enum UnitNewsKind {
        UNIT_NEWS_READY,
        UNIT_NEWS_STATUS,   /* .text: where it stands, for people */
        UNIT_NEWS_WEDGED,   /* its processes outlive SIGKILL */
        UNIT_NEWS_FINISHED, /* .status: exit status of the table */
        UNIT_NEWS_CHANGED,  /* what unit_snapshot() says has changed; comes besides the others */
};

typedef struct UnitNews {
        enum UnitNewsKind kind;
        const char *text;
        int status;
} UnitNews;

typedef void (*UnitHandler)(void *userdata, const UnitNews *news);

/* What all units of a supervisor share; must outlive them. */
typedef struct UnitContext {
        sd_event *event;
        Client *client;
        Heart *heart;
        Reaper *reaper;
        LeasePage *page;
} UnitContext;

/* CONFIG is read here; argv, the names, the readiness and lead must stay. From inside HANDLER any function here may be called but
 * unit_free(). */
int unit_new(Unit **out, const UnitContext *context, const UnitConfig *config, UnitHandler handler, void *userdata);
Unit *unit_free(Unit *unit);
CLEANUP_DEFINE(Unit, unit_free);

void unit_set_timing(Unit *unit, const Timing *timing);
void unit_on_session(Unit *unit, const Event *event);
void unit_up(Unit *unit);
/* SIGNAL: the one that asked, 0 for none. A second call kills. */
void unit_down(Unit *unit, int signal);
/* To the process group of the command, if it runs, else to that of its standby. */
void unit_signal(Unit *unit, int signal);
/* Stops the command, if it runs, and starts it again, under the hold it has; from rest as unit_up(). */
void unit_restart(Unit *unit);
/* Stops the command and gives its holds back, so that another host gets its turn; then asks anew. Returns 0, -ENOENT (there
 * is nothing to give back: gateless) or -EALREADY (nothing is held, or not yet all that the command needs). */
int unit_step_down(Unit *unit);
/* Counts from the next decision on. */
void unit_set_policy(Unit *unit, const UnitPolicy *policy);
/* Strings in it are the unit's, good until it is next told anything. file, line and command are the caller's. */
void unit_snapshot(const Unit *unit, SnapshotUnit *snapshot);
/* The last lines it printed, see output_tail(); 0 if its output does not pass through us. */
size_t unit_output_tail(const Unit *unit, size_t n, TextBuffer *text);
/* How much it printed, and whether that is in the journal. */
void unit_output_source(const Unit *unit, ApiLogSource *source);
/* After log files were moved away. */
void unit_output_reopen(Unit *unit);
/* No ensemble, refused, ...: STATUS is the exit status of the table. A unit whose gate is open is
 * stopped, and gives the hold back when its tree is dead; its status is then that of a stop. */
void unit_gate_failed(Unit *unit, int status);
/* A tree of it outlives SIGKILL. */
bool unit_is_wedged(const Unit *unit);
/* For a program that takes our place, in the same session. Returns false in a moment that passes: wait. */
bool unit_save(const Unit *unit, SavedWriter *writer);
/* Whether there is one, whatever the machine knows of it. */
bool unit_has_guard(const Unit *unit);
/* How many guards it has now, that of its standby included. */
size_t unit_guards(const Unit *unit);
/* Into a unit that was just made of the same configuration and told its timing. Returns 0 or a negative errno; then it can
 * only be freed, and at the end of its guard's socket what runs is stopped. */
int unit_restore(Unit *unit, Saved *saved);
/* Nothing runs or is held, the standby and the hooks included. */
bool unit_is_at_rest(const Unit *unit);
/* At rest, and the ensemble has said that no znode of its gate is left: only then may it be freed while the session goes on. A unit
 * comes to rest without that if there is no answer in time; CHANGED tells when there is one. */
bool unit_leaves_nothing(const Unit *unit);
