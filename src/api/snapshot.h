/* The state of a supervisor for people and programs: plain data, filled by the manager from its machines, only
 * read by what shows it (JSON, metrics, the status line). Times are CLOCK_REALTIME in microseconds unless said
 * otherwise; strings live as long as the snapshot is used, that is until the call returns that was given it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_GATES_MAX 4
/* Upper bounds of the buckets of gate waits, in seconds; one more is +Inf. */
#define SNAPSHOT_WAIT_BUCKETS 8
extern const double snapshot_wait_bounds[SNAPSHOT_WAIT_BUCKETS];

typedef struct SnapshotGate {
        const char *kind;  /* "number", "leadership", "lock", "shared lock", "slot", "schedule" */
        const char *name;  /* of the pool, election, lock, job */
        const char *state; /* "closed", "waiting", "open", "lost" */
        const char *text;  /* "number 3"; for whom it waits and since when; NULL: nothing to say */
        int64_t token;     /* while open, else 0 */
} SnapshotGate;

typedef struct SnapshotUnit {
        const char *name;
        const char *state, *reason; /* unit_state_to_string(), unit_reason_to_string() */
        const char *want;           /* "up", "down" */
        const char *text;           /* what it says of itself (STATUS=), or why it waits; NULL: nothing */
        const char *service;        /* systemd-unit; NULL: a command */
        const char *command;        /* words joined by blanks, for people */
        const char *contain;        /* "cgroup"; NULL before the guard is there */
        const char *role;           /* "leader", "standby"; NULL: without a leadership */
        const char *file;           /* where it is described, NULL: on a command line */
        unsigned line;
        bool ready, wedged, suspended, frozen;
        int pid, guard_pid; /* 0: none */
        bool has_sequence;
        uint64_t sequence; /* ZK_SEQUENCE */
        int64_t token;     /* fencing token of what is held, 0: nothing */
        bool has_lease;
        uint64_t lease_left_usec;
        uint64_t since_usec, started_usec; /* of the state; of the run (0: none) */
        bool has_status;
        int status; /* exit status of the last run, or of the unit at rest */
        uint64_t starts, restarts, failures, hold_losses, hand_overs, lines_dropped;
        uint64_t waits[SNAPSHOT_WAIT_BUCKETS + 1]; /* how often a gate opened after so long, not cumulative */
        double waits_sum_seconds;
        SnapshotGate gates[SNAPSHOT_GATES_MAX];
        size_t n_gates;
} SnapshotUnit;

typedef struct SnapshotSession {
        const char *state;  /* "connecting", "attached", "suspended", "closing", "closed" */
        const char *server; /* in use or being tried */
        const char *connect, *chroot, *root;
        const char *failures; /* which servers failed and why; NULL while attached */
        int64_t id;
        uint64_t timeout_usec, lease_usec, renew_usec, grace_usec, kill_budget_usec; /* 0 before the first contact */
        uint64_t since_usec;
        uint64_t renewals, attaches, sessions, cuts, expiries;
        uint64_t requests, replies, unknown;
        bool has_renew_latency;
        double renew_latency_seconds, renew_latency_sum_seconds, renew_latency_max_seconds; /* last, sum of all, largest */
} SnapshotSession;

typedef struct Snapshot {
        const char *version, *host, *boot_id, *config; /* config: path, NULL on a command line */
        int pid;
        uint64_t started_usec, now_usec, reloads, failed_reloads;
        uint64_t reloaded_usec; /* 0: never */
        SnapshotSession session;
        const SnapshotUnit *units;
        size_t n_units;
} Snapshot;
