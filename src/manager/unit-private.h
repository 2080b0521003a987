/* The struct of a unit at work, and what its files do for each other. unit.c: the machine, and life; unit-run.c:
 * the guard and the runs of the command; unit-hold.c: the gate, and what goes with a leadership. */
#pragma once

#include "manager/lead.h"
#include "manager/unit.h"

#define UNIT_PENDING_MAX 16

struct Unit {
        UnitContext context;
        UnitConfig config;
        UnitMachine machine;
        Timing timing;
        Spawn *spawn;
        Gate *gate; /* NULL: gateless */
        Lead *lead; /* NULL: nothing goes with the hold */
        Readiness *readiness;
        Timer timer, wait_timer;
        UnitHandler handler;
        void *userdata;
        bool gate_asked, attached;
        bool gives_up; /* has waited long enough, and is leaving the line */
        bool close_waits, open_waits; /* until on-lost has ended */
        bool finished;                /* the machine is; perhaps not yet what goes with the hold */
        bool follows;                 /* the standby may run while nothing is held */
        int status;
        int stop_signal; /* of the run: what it was told to end by */
        char waiting[200]; /* what was said last */
        uint64_t deadline_usec;
        int64_t token;
        char hold[300]; /* "number 3" */
        UnitEvent pending[UNIT_PENDING_MAX]; /* fed once the step under way has been carried out */
        size_t n_pending;
        bool stepping;
};
/* Steps the machine; events that arise while its effects are carried out wait until that is done. */
void unit_feed(Unit *unit, UnitEvent event);
void unit_tell(Unit *unit, UnitNews news);
/* Tells that it has finished, once nothing runs that goes with the hold. */
void unit_finish(Unit *unit);

void unit_run_spawn_guard(Unit *unit);
/* Clears the way for the command (standby, on-won), or starts it. */
void unit_run_begin(Unit *unit);
void unit_run_start(Unit *unit);
void unit_run_stop(Unit *unit, int signal, uint64_t grace_usec);
void unit_run_kill(Unit *unit);

void unit_hold_on_gate(void *userdata, const GateEvent *event);
void unit_hold_on_lead(void *userdata, enum LeadEventKind kind);
void unit_hold_on_wait_timer(void *userdata);
/* Without a gate: what gates tell of the session otherwise. */
void unit_hold_on_session_without_gate(Unit *unit, enum SessionChange change);
void unit_hold_open(Unit *unit);
/* What is held is given back when on-lost has ended. */
void unit_hold_close(Unit *unit);
/* What is lost is cleaned up at once: nothing of the tree is left, and others wait. */
void unit_hold_clean(Unit *unit);
void unit_hold_lose(Unit *unit, const char *reason);
/* The guard is stopping what runs: its lease is running out. */
void unit_hold_lease_low(Unit *unit);
void unit_hold_wedge(Unit *unit, enum UnitOnUnkillable what);
/* Whether the standby should run, looked at after every step. */
void unit_hold_follow(Unit *unit);
