/* The guard's policy: what to do with the tree, given what happened and what time it is. Pure: no
 * system call, no clock; time and the lease come with the event, actions go out.
 *
 *   IDLE ──START──> RUNNING ──STOP, lease, EXITED, GONE──> STOPPING ──grace over──> KILLING
 *    ^                 │ └──────────KILL, deadline - K───────────┴────────────────────> │
 *    └──── EMPTY ──────┴──────────────────────────────── EMPTY ─────────────────────────┘
 *
 * Invariants: a run that is stopped is never un-stopped, whatever the lease says later; SIGKILL is
 * due no later than deadline - K; every run ends with one POLICY_REPORT_EMPTY; once the
 * supervisor is gone nothing is started and the tree is killed within POLICY_GONE_GRACE_USEC; one stop sends
 * the same signal once, however many ask for it (the lease runs out, and the supervisor sees that too). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "guard/wire.h"

/* The supervisor's death is not announced, so another host may already count its lease down; and
 * nobody is left who could prove the release. Just enough for a signal handler to run. */
#define POLICY_GONE_GRACE_USEC 100000
/* While killing, look again: first after 1 ms, then twice as long each time, up to 50 ms. */
#define POLICY_RETRY_MIN_USEC 1000
#define POLICY_RETRY_MAX_USEC 50000

enum PolicyState {
        POLICY_IDLE,
        POLICY_RUNNING,
        POLICY_STOPPING,
        POLICY_KILLING,
};

enum PolicyEventType {
        POLICY_EVENT_START,  /* signal, grace_usec, kill_budget_usec */
        POLICY_EVENT_SIGNAL, /* signal */
        POLICY_EVENT_STOP,   /* signal, grace_usec */
        POLICY_EVENT_KILL,
        POLICY_EVENT_FREEZE,
        POLICY_EVENT_THAW,
        POLICY_EVENT_CONTINUE,
        POLICY_EVENT_TIMER,
        POLICY_EVENT_EXITED, /* the command ended, the tree is not empty */
        POLICY_EVENT_EMPTY,  /* the tree is proved empty */
        POLICY_EVENT_GONE,   /* the supervisor's end of the socket is closed */
};

typedef struct PolicyEvent {
        enum PolicyEventType type;
        uint64_t now_usec;
        uint64_t lease_usec; /* the slot as read for this event */
        int signal;
        uint64_t grace_usec, kill_budget_usec;
} PolicyEvent;

/* Carried out in the order of the bits. */
enum PolicyAction {
        POLICY_REFUSE = 1 << 0,          /* the lease does not allow a start */
        POLICY_SPAWN = 1 << 1,           /* start the command */
        POLICY_FORWARD = 1 << 2,         /* signal to the process group of the command */
        POLICY_FREEZE = 1 << 3,          /* stop the tree without asking it */
        POLICY_THAW = 1 << 4,            /* let it run on */
        POLICY_CONTINUE = 1 << 5,        /* SIGCONT after a job-control stop */
        POLICY_STOP_TREE = 1 << 6,       /* signal, then SIGCONT, to the tree */
        POLICY_KILL_TREE = 1 << 7,       /* SIGKILL to the tree */
        POLICY_REPORT_STOPPING = 1 << 8, /* why */
        POLICY_REPORT_EMPTY = 1 << 9,
        POLICY_QUIT = 1 << 10,
};

typedef struct PolicyActions {
        unsigned set; /* of enum PolicyAction */
        int signal;
        enum WireWhy why;
} PolicyActions;

typedef struct Policy {
        enum PolicyState state;
        bool frozen, gone;
        int stop_signal;
        int sent_signal; /* STOPPING: what the tree was sent last */
        uint64_t grace_usec, kill_budget_usec;
        uint64_t stop_until_usec;            /* STOPPING: when the grace is over */
        uint64_t retry_usec, next_kill_usec; /* KILLING */
} Policy;

void policy_init(Policy *policy);
void policy_step(Policy *policy, const PolicyEvent *event, PolicyActions *actions);

/* When a POLICY_EVENT_TIMER is wanted, given the lease as it is now; UINT64_MAX for never. */
uint64_t policy_deadline(const Policy *policy, uint64_t lease_usec);
