/* What the supervisor and its guards say to each other over a SOCK_SEQPACKET socketpair: one packet,
 * one message, host byte order (both ends run on one kernel and are installed together; READY
 * carries the version so that an upgrade under a running supervisor is noticed).
 *
 * Each START is answered by exactly one STARTED or EXEC_FAILED, and each run ends with exactly one
 * EMPTY, which is the proof that no process of the tree is left. EXITED comes between STARTED and
 * EMPTY. A guard whose run is over may be sent another START. */
#pragma once

#include <stdint.h>

#define WIRE_VERSION 2
/* Room for the environment assignments of a START. */
#define WIRE_ENV_MAX 8192
/* The value of a lease slot for a unit that needs no lease; 0 means that none is held. */
#define WIRE_DEADLINE_NONE UINT64_MAX

enum WireType {
        /* supervisor -> guard */
        WIRE_START = 1, /* struct WireStart */
        WIRE_SIGNAL,    /* number: to the process group of the command */
        WIRE_STOP,      /* number: the stop signal, usec: the grace from now */
        WIRE_KILL,
        WIRE_FREEZE,
        WIRE_THAW,
        WIRE_CONTINUE, /* number: 1 to be the foreground group of the terminal again */
        /* guard -> supervisor */
        WIRE_READY = 32,  /* number: enum WireContain in use, value: WIRE_VERSION */
        WIRE_STARTED,     /* number: pid of the command, in the guard's own PID namespace */
        WIRE_EXEC_FAILED, /* number: enum WireStage, value: errno, usec: which, as the stage says */
        WIRE_EXITED,      /* number: CLD_EXITED, CLD_KILLED or CLD_DUMPED, value: code or signal */
        WIRE_JOB_STOPPED, /* number: the signal */
        WIRE_STOPPING,    /* number: enum WireWhy */
        WIRE_EMPTY,
};

enum WireContain {
        WIRE_CONTAIN_SUBREAPER = 1,
        WIRE_CONTAIN_CGROUP,
        WIRE_CONTAIN_PIDNS,
};

/* Where a start failed. LEASE: the deadline had come too near, nothing was started (ETIME). */
enum WireStage {
        WIRE_STAGE_LEASE = 1,
        WIRE_STAGE_FORK,
        WIRE_STAGE_SETUP, /* between fork and exec: descriptors, terminal, namespace, the directory we were started in */
        WIRE_STAGE_EXEC,
        /* what the unit asks for, unit/child-config.h */
        WIRE_STAGE_LIMIT, /* which: RLIMIT_... */
        WIRE_STAGE_NICE,
        WIRE_STAGE_OOM,
        WIRE_STAGE_GROUPS,
        WIRE_STAGE_USER,
        WIRE_STAGE_DIRECTORY,
};

enum WireWhy {
        WIRE_WHY_REQUESTED = 1,
        WIRE_WHY_LEASE,
        WIRE_WHY_SUPERVISOR_GONE,
        WIRE_WHY_EXITED, /* the command ended by itself and left descendants behind */
};

typedef struct WireMessage {
        uint32_t type; /* enum WireType */
        int32_t number;
        int64_t value;
        uint64_t usec;
} WireMessage;

typedef struct WireStart {
        WireMessage head; /* type WIRE_START, number: the stop signal */
        uint64_t grace_usec;
        uint64_t kill_budget_usec;
        uint64_t blocked; /* what the command starts with: bit N-1 stands for signal N */
        uint64_t ignored;
        uint32_t env_len;
        char env[WIRE_ENV_MAX]; /* "NAME=value\0NAME=value\0"; the packet ends with env_len */
} WireStart;
