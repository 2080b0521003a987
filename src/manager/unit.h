/* A unit at work: the unit machine, its guard, its gate and its readiness, joined. What the machine
 * decides is carried out here; what happens to guard, gate and child is told to the machine. The
 * decisions are all in unit/unit-machine.c. */
#pragma once

#include "manager/gate.h"
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
} UnitConfig;

enum UnitNewsKind {
        UNIT_NEWS_READY,
        UNIT_NEWS_STATUS,   /* .text: where it stands, for people */
        UNIT_NEWS_WEDGED,   /* its processes outlive SIGKILL */
        UNIT_NEWS_FINISHED, /* .status: exit status of the table */
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

/* CONFIG is read here; argv, the names and the readiness must stay. */
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
/* No ensemble, refused, ...: STATUS is the exit status of the table. A unit whose gate is open is
 * stopped, and gives the hold back when its tree is dead; its status is then that of a stop. */
void unit_gate_failed(Unit *unit, int status);
/* A tree of it outlives SIGKILL. */
bool unit_is_wedged(const Unit *unit);
/* Nothing runs or is held, the standby and the hooks included. */
bool unit_is_at_rest(const Unit *unit);
