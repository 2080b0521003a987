/* The machine of one unit: what it wants, where it is, and why. It decides when a guard is started,
 * when the gates are asked, when the command starts, stops and starts again, when a hold may be given
 * back, and which exit status comes out. It is pure: no descriptor, no clock, no log; time comes in
 * the event, effects are appended and carried out by the caller afterwards.
 *
 *                 UP
 *      DOWN ------------> GUARD --ready--> GATE --open--> STARTING --started--> RUNNING --ok--> READY
 *       ^                   ^               ^                ^                     |              |
 *       |                   |               |  (hold lost)   |                     +------+-------+
 *       |                   |               +-------------+  |                            |
 *       |                   |                             |  |      DOWN, loss, RESTART,   |
 *       |                   +------ timer, BACKOFF -------|--+      exit, timeout, ...     v
 *       |                             ^                   |                            STOPPING
 *       |                             |                   |                               | grace over,
 *       |                             +--------------- tree empty <---------- KILLING <---+ force
 *       |                                                 |
 *       +---- DOWN, FAILED, FINISHED <---- RELEASING <----+---> HOLDING ---> RELEASING
 *                                              |               (hold_min)
 *                  GUARD, GATE, BACKOFF <------+  (the hold is asked for anew)
 *
 * DOWN, FAILED and FINISHED are the states of rest: no guard, no hold, no process. DOWN: an operator
 * asked. FINISHED: the command ended and the policy wants no more of it. FAILED: zksup gave up.
 *
 * A hold is given back and asked for anew, so that others have their turn: after YIELD; after a run, with
 * release_after_run; after give_up failed runs in a row under it, then with the delay of the backoff
 * before it is asked for again. HOLDING delays the first giving back after a run that ended by itself.
 *
 * Invariants, asserted at every step:
 *  - START only while the gate is open, the guard is ready and no tree is there;
 *  - RELEASE_GATE and GATE_DEAD only while no tree is there: between START and TREE_EMPTY a hold is
 *    never given back, whatever was exited, lost, forced or timed out;
 *  - a state of rest holds nothing; FINISHED (the effect) is emitted on entering one, once;
 *  - readiness is watched in STARTING, RUNNING and READY only: from just before START, when nothing of
 *    the unit is there, so that what an earlier run left in a socket or pipe is known to be old;
 *  - a tree is frozen in RUNNING and READY only;
 *  - OPEN_GATE never while a GATE_CLOSED is owed;
 *  - every state has a way to rest under DOWN that needs only replies the caller owes (below).
 *
 * What the caller owes. After SPAWN_GUARD: GUARD_READY or GUARD_FAILED. After START: STARTED or
 * EXEC_FAILED, and in the end, always, one TREE_EMPTY (also after EXEC_FAILED and after GUARD_LOST,
 * when the supervisor itself kills and proves). After OPEN_GATE: GATE_OPEN, GATE_LOST or
 * GATE_FAILED, or nothing for as long as somebody else holds it; gates that are waiting find a new
 * session themselves; with GATE_FAILED nothing is asked for any more, without a RELEASE_GATE. After
 * RELEASE_GATE: one GATE_CLOSED, also if the session was lost meanwhile. After DISMISS_GUARD nothing
 * more of that guard is fed in. TIMER at unit_machine_deadline(); early or superfluous ones do no
 * harm.
 *
 * What comes out. The status of the command: its code, or 128 + the signal that killed it, also after a
 * stop by an operator; 128 + the asking signal if nothing had run. 120: the hold was lost under the command
 * (without reacquire). 127, 126: it could not be executed; before it ever ran that FAILs at once, with
 * any restart policy, unless the host was only short of something; later it counts as a failed run,
 * because an upgrade may replace the file at that moment. 125: no guard, not ready in time, the status was
 * lost. A limit that is hit gives the status of the last run, or 125 if that was 0.
 *
 * With release_after_run and with give_up nothing of that but 120 ends the unit: the next host may do
 * better, or the next turn.
 *
 * A run that ends by itself, fails to start or does not get ready counts for backoff and limit; a stop
 * for a lost hold, a low lease, a suspension or a request does not, and is followed by a start without
 * delay.
 *
 * Deliberately impossible: a start without an open gate, a restart that keeps an old token (a lost
 * hold is asked for again and the command gets a new environment), and giving a hold back because
 * a tree will not die: that is WEDGED. With on_unkillable = takeover the hold counts as lost from then
 * on, so that its record runs out; it is still not given back before the tree is dead. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "unit/backoff.h"
#include "util/random.h"
#include "util/saved.h"

/* Exit statuses of zksup that the unit decides; one table for all verbs. */
enum {
        UNIT_EXIT_HOLD_LOST = 120,
        UNIT_EXIT_NO_ENSEMBLE = 121,
        UNIT_EXIT_REFUSED = 123,
        UNIT_EXIT_NOT_ACQUIRED = 124,
        UNIT_EXIT_FAILURE = 125,
        UNIT_EXIT_CANNOT_EXECUTE = 126,
        UNIT_EXIT_NOT_FOUND = 127,
        UNIT_EXIT_SIGNAL_BASE = 128,
};

enum UnitWant {
        UNIT_WANT_DOWN,
        UNIT_WANT_UP,
};

enum UnitState {
        UNIT_STATE_DOWN,     /* at rest: asked to be */
        UNIT_STATE_GUARD,    /* the guard is being started */
        UNIT_STATE_GATE,     /* guard ready, waiting for the gates */
        UNIT_STATE_STARTING, /* the guard was told to start the command */
        UNIT_STATE_RUNNING,  /* started, readiness awaited */
        UNIT_STATE_READY,
        UNIT_STATE_STOPPING,  /* stop signal sent or main process ended; the grace runs */
        UNIT_STATE_KILLING,   /* SIGKILL to the tree until it is proved empty */
        UNIT_STATE_BACKOFF,   /* between two runs; a hold is kept */
        UNIT_STATE_HOLDING,   /* nothing runs, the hold is kept until it is hold_min old */
        UNIT_STATE_RELEASING, /* nothing runs, the hold is being given back */
        UNIT_STATE_FAILED,    /* at rest: zksup gave up, see reason */
        UNIT_STATE_FINISHED,  /* at rest: the command ended, no restart wanted */
        UNIT_STATE_COUNT,
};

/* Why the unit is where it is: of the stop while stopping, of the last change otherwise. */
enum UnitReason {
        UNIT_REASON_NONE,
        UNIT_REASON_OPERATOR, /* a request: stop, a signal to zksup, a reload */
        UNIT_REASON_RESTART,  /* a request: restart */
        UNIT_REASON_EXITED,   /* the command ended by itself */
        UNIT_REASON_EXEC_FAILED,
        UNIT_REASON_GUARD_FAILED, /* could not be started */
        UNIT_REASON_GUARD_LOST,   /* died or was stopped under the command */
        UNIT_REASON_HOLD_LOST,
        UNIT_REASON_LEASE_LOW, /* the guard stopped the command: its lease was running out */
        UNIT_REASON_SUSPENDED, /* on_suspend = stop */
        UNIT_REASON_READY_TIMEOUT,
        UNIT_REASON_GATE_FAILED, /* refused, or not acquired in time */
        UNIT_REASON_LIMIT,       /* too many starts */
        UNIT_REASON_YIELD,       /* somebody with a better right waits for the hold */
        UNIT_REASON_COUNT,
};

enum UnitRestart {
        UNIT_RESTART_ALWAYS,
        UNIT_RESTART_ON_FAILURE,
        UNIT_RESTART_NEVER,
};

enum UnitOnSuspend {
        UNIT_ON_SUSPEND_KEEP,
        UNIT_ON_SUSPEND_FREEZE,
        UNIT_ON_SUSPEND_SIGNAL,
        UNIT_ON_SUSPEND_STOP,
};

enum UnitOnLoss {
        UNIT_ON_LOSS_STOP,
        UNIT_ON_LOSS_KEEP, /* of SESSION_LOST only; GATE_LOST always stops */
};

/* When the tree outlives SIGKILL (WEDGED). */
enum UnitOnUnkillable {
        UNIT_ON_UNKILLABLE_HOLD,     /* nobody else may start until it is dead */
        UNIT_ON_UNKILLABLE_TAKEOVER, /* the record runs out, and the next one takes over */
};

typedef struct UnitPolicy {
        enum UnitRestart restart;
        enum UnitOnSuspend on_suspend;
        enum UnitOnLoss on_loss;
        enum UnitOnUnkillable on_unkillable;
        bool reacquire;              /* ask for a lost hold again; else the unit FAILs with 120 */
        bool await_ready;            /* false: ready as soon as started */
        int suspend_signal;          /* for UNIT_ON_SUSPEND_SIGNAL */
        int stop_signal;             /* 0: the signal that DOWN brings, else SIGTERM */
        uint64_t grace_usec;         /* from stop signal to SIGKILL; USEC_INFINITY: never */
        uint64_t kill_usec;          /* from SIGKILL to WEDGED; USEC_INFINITY: never */
        uint64_t ready_timeout_usec; /* 0 or USEC_INFINITY: none */
        uint64_t release_usec;       /* how long a wanted end waits for GATE_CLOSED; INFINITY: for ever */
        bool release_after_run;      /* one run per hold: after it, ask anew, whatever its status */
        unsigned give_up;            /* failed runs in a row under one hold before asking anew; 0: no bound */
        uint64_t hold_min_usec;      /* a run that ended by itself leaves the hold at this age; 0: at once */
        BackoffPolicy backoff;
} UnitPolicy;

enum UnitEventType {
        UNIT_EVENT_UP,      /* want up; from rest it also clears backoff and limit */
        UNIT_EVENT_DOWN,    /* want down; .signal: the signal that asked, or 0 */
        UNIT_EVENT_RESTART, /* want up, by way of a stop if something runs; not a failure */
        UNIT_EVENT_FORCE,   /* want down, and SIGKILL at once (second INT or TERM) */
        UNIT_EVENT_YIELD,   /* stop, give the hold back, ask anew; not a failure */
        UNIT_EVENT_GUARD_READY,
        UNIT_EVENT_GUARD_FAILED, /* .value: positive errno */
        UNIT_EVENT_GUARD_LOST,   /* died or stopped; its tree, if any, is killed by the supervisor */
        UNIT_EVENT_GATE_OPEN,    /* all gates open, all holds held */
        UNIT_EVENT_GATE_LOST,    /* not open any more, stop now */
        UNIT_EVENT_GATE_FAILED,  /* will not open; .value: exit status (121, 123, 124, 125) */
        UNIT_EVENT_GATE_CLOSED,  /* the answer to RELEASE_GATE */
        UNIT_EVENT_SUSPENDED,    /* no contact; the lease goes on running out */
        UNIT_EVENT_RESUMED,      /* a renewal was acknowledged */
        UNIT_EVENT_SESSION_LOST, /* for units without holds; with holds GATE_LOST says it */
        UNIT_EVENT_LEASE_LOW,    /* the guard has begun to stop the tree by its own timer */
        UNIT_EVENT_STARTED,      /* .value: pid */
        UNIT_EVENT_EXEC_FAILED,  /* .value: positive errno */
        UNIT_EVENT_EXITED,       /* the main process: .value exit code, or .signal that killed it */
        UNIT_EVENT_TREE_EMPTY,   /* proved: nothing of the tree is left; .guard_gone */
        UNIT_EVENT_JOB_STOPPED,  /* the main process was stopped by job control; .signal */
        UNIT_EVENT_READY_OK,
        UNIT_EVENT_READY_LOST,    /* says itself that it is not ready now (a reload) */
        UNIT_EVENT_READY_TIMEOUT, /* from the probe; the machine's own timeout is TIMER */
        UNIT_EVENT_TIMER,
        UNIT_EVENT_COUNT,
};

typedef struct UnitEvent {
        enum UnitEventType type;
        uint64_t now_usec;
        int value;
        int signal;
        bool guard_gone; /* TREE_EMPTY: the guard ended with its tree; a new one is needed */
} UnitEvent;

enum UnitEffectType {
        UNIT_EFFECT_SPAWN_GUARD,
        UNIT_EFFECT_DISMISS_GUARD, /* the guard is not needed; forget it */
        UNIT_EFFECT_OPEN_GATE,     /* ask; idempotent */
        UNIT_EFFECT_RELEASE_GATE,  /* give back or stop asking; the tree is proved dead */
        UNIT_EFFECT_GATE_DEAD,     /* the tree of the lost hold is proved dead: its record may go */
        UNIT_EFFECT_START,
        UNIT_EFFECT_STOP,   /* .signal then SIGCONT to the tree; .usec grace */
        UNIT_EFFECT_KILL,   /* SIGKILL the tree and prove it empty */
        UNIT_EFFECT_SIGNAL, /* .signal to the main process */
        UNIT_EFFECT_FREEZE,
        UNIT_EFFECT_THAW,
        UNIT_EFFECT_WATCH_READY,
        UNIT_EFFECT_UNWATCH_READY,
        UNIT_EFFECT_NOTIFY_READY,
        UNIT_EFFECT_NOTIFY_STOPPING,
        UNIT_EFFECT_JOB_STOPPED, /* .signal: zksup may stop itself and take the terminal back */
        UNIT_EFFECT_WEDGED,      /* the tree outlived SIGKILL by kill_usec; .value: enum UnitOnUnkillable */
        UNIT_EFFECT_FINISHED,    /* at rest now; .value: exit status */
        UNIT_EFFECT_TRACE,       /* .text: "old -> new (cause)" */
        UNIT_EFFECT_COUNT,
};

#define UNIT_TRACE_MAX 80
#define UNIT_EFFECT_MAX 16

typedef struct UnitEffect {
        enum UnitEffectType type;
        int signal;
        int value;
        uint64_t usec;
        char text[UNIT_TRACE_MAX];
} UnitEffect;

typedef struct UnitEffects {
        size_t n;
        UnitEffect items[UNIT_EFFECT_MAX];
} UnitEffects;

enum UnitGuard {
        UNIT_GUARD_NONE,
        UNIT_GUARD_SPAWNING,
        UNIT_GUARD_READY,
};

enum UnitGate {
        UNIT_GATE_CLOSED,
        UNIT_GATE_ASKED,
        UNIT_GATE_OPEN,
        UNIT_GATE_LOST, /* lost while a tree was there */
        UNIT_GATE_RELEASING,
};

/* Readable by anybody for status; written by unit-machine.c only. */
typedef struct UnitMachine {
        UnitPolicy policy;
        enum UnitWant want;
        enum UnitState state; /* written by set_state() only */
        enum UnitReason reason;
        enum UnitGuard guard;
        enum UnitGate gate;
        enum UnitState rest; /* where RELEASING and HOLDING lead; COUNT: the hold is asked for anew */
        bool tree;           /* between START and TREE_EMPTY */
        bool frozen, suspended, wedged;
        bool started, ran; /* since UP from rest: START was asked for, STARTED was heard */
        bool ready_early;  /* READY_OK overtook STARTED */
        bool exited;       /* the last run left an exit status in exit_status */
        bool give_back;    /* YIELD: when the tree is dead */
        bool closed_owed;  /* a GATE_CLOSED that was not waited for */
        int pid;           /* main process, 0 if none */
        int exit_status;   /* of the last run: code, or 128 + signal */
        int final_status;  /* valid at rest, and on the way there in RELEASING */
        int exec_errno;    /* of EXEC_FAILED in the last run, else 0 */
        int down_signal;   /* that DOWN brought */
        unsigned failures; /* failed runs in a row under this hold */
        uint64_t state_since_usec, started_usec, ready_usec, opened_usec;
        uint64_t not_before_usec; /* the hold is not asked for again earlier */
        uint64_t timer_usec; /* what the state waits for: grace, kill, delay, readiness, release */
        uint64_t restarts;   /* starts after the first since UP from rest */
        Backoff backoff;
        Random random;
} UnitMachine;

/* keep/stop defaults: restart always, grace 5 s, kill 1 s, release 5 s, no readiness. */
UnitPolicy unit_policy_default(void);
/* In state DOWN, wanting nothing. SEED is for the jitter. */
void unit_machine_init(UnitMachine *m, const UnitPolicy *policy, uint64_t seed, uint64_t now_usec);
/* Decides EVENT. EFFECTS is emptied first; carry them out in order, then feed what comes of it. */
void unit_machine_step(UnitMachine *m, const UnitEvent *event, UnitEffects *effects);
/* A new policy from a reload; it counts from the next decision on. */
void unit_machine_set_policy(UnitMachine *m, const UnitPolicy *policy);
/* For a program that takes our place. Returns false in a state that passes by itself: wait. */
bool unit_machine_save(const UnitMachine *m, SavedWriter *writer);
/* Into one that was just made. Returns 0, or -EBADMSG for what no machine can be, and then M is as it was. */
int unit_machine_restore(UnitMachine *m, const Saved *saved);
/* When TIMER is wanted, on the events' clock; USEC_INFINITY: not. */
uint64_t unit_machine_deadline(const UnitMachine *m);
/* DOWN, FAILED or FINISHED. */
bool unit_machine_is_at_rest(const UnitMachine *m);

const char *unit_state_to_string(enum UnitState state);
const char *unit_reason_to_string(enum UnitReason reason);
const char *unit_event_to_string(enum UnitEventType type);
const char *unit_effect_to_string(enum UnitEffectType type);
