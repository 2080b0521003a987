/* The struct of a unit at work, and what its files do for each other. unit.c: the machine, and life; unit-run.c:
 * the guard and the runs of the command; unit-hold.c: the gate, and what goes with a leadership; unit-snapshot.c:
 * what it says of itself. */
#pragma once

#include "manager/lead.h"
#include "manager/streams.h"
#include "manager/unit.h"

#define UNIT_PENDING_MAX 16

/* Since unit_new(); see SnapshotUnit. */
typedef struct UnitCounters {
        uint64_t starts, restarts, failures, hold_losses;
        uint64_t hand_overs; /* holds that were given back for others' sake and asked for anew */
        uint64_t waits[SNAPSHOT_WAIT_BUCKETS + 1];
        double waits_sum_seconds;
} UnitCounters;

/* What is shown of the machine. */
typedef struct UnitFace {
        enum UnitState state;
        enum UnitReason reason;
        enum UnitWant want;
        enum UnitGate gate;
        int pid;
        bool frozen, suspended, wedged;
} UnitFace;

struct Unit {
        UnitContext context;
        UnitConfig config;
        UnitMachine machine;
        Timing timing;
        Spawn *spawn;
        Gate *gate; /* NULL: gateless */
        Lead *lead; /* NULL: nothing goes with the hold */
        Readiness *readiness;
        Streams streams; /* nothing in them if they are another unit's */
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
        char waiting[200]; /* what the gate said last */
        char said[200];    /* what the command said last, STATUS= */
        bool rested;       /* it was up, and has come to rest */
        bool changed;      /* what is shown has, besides the machine */
        uint64_t wait_since_usec; /* 0: not waiting for the gate */
        UnitCounters counters;
        int n_closes; /* of the gate; an answer to an earlier one does not count, see unit_feed() */
        uint64_t deadline_usec;
        int64_t token;
        char hold[300]; /* "number 3" */
        UnitEvent pending[UNIT_PENDING_MAX]; /* fed once the step under way has been carried out */
        size_t n_pending;
        bool stepping;
};
/* A line about the unit that operators act on, with the hold that it is about in fields of their own. */
#define unit_log(u, level, what, why, ...)                                                                   \
        log_write_fields(level,                                                                              \
                &(LogFields){.event = LOG_EVENT_##what,                                                      \
                        .unit = (u)->config.name,                                                            \
                        .hold = (u)->hold[0] ? (u)->hold : NULL,                                             \
                        .reason = (why),                                                                     \
                        .token = (u)->token},                                                                \
                __VA_ARGS__)

/* Steps the machine; events that arise while its effects are carried out wait until that is done. */
void unit_feed(Unit *unit, UnitEvent event);
void unit_tell(Unit *unit, UnitNews news);
/* Tells that it has finished, once nothing runs that goes with the hold. */
void unit_finish(Unit *unit);

/* What is shown has changed: tells so once the step under way has been carried out, or at once. */
void unit_changed(Unit *unit);

/* Before the machine hears of EVENT. */
void unit_snapshot_count(Unit *unit, const UnitEvent *event);
void unit_snapshot_count_effect(Unit *unit, enum UnitEffectType effect);
void unit_snapshot_begin_wait(Unit *unit);
void unit_snapshot_end_wait(Unit *unit);
UnitFace unit_snapshot_face(const Unit *unit);
bool unit_snapshot_differs(const Unit *unit, const UnitFace *before);

void unit_run_spawn_guard(Unit *unit);
/* The one that a program before us has saved. Returns 0 or a negative errno. */
int unit_run_adopt_guard(Unit *unit, Saved *saved);
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
/* The one way in which the gate is closed. */
void unit_hold_close_gate(Unit *unit);
void unit_hold_lose(Unit *unit, const char *reason);
/* The guard is stopping what runs: its lease is running out. */
void unit_hold_lease_low(Unit *unit);
void unit_hold_wedge(Unit *unit, enum UnitOnUnkillable what);
/* Whether the standby should run, looked at after every step. */
void unit_hold_follow(Unit *unit);
