/* A gate: what a unit waits for before its command may start, and what it gives back after. The unit
 * knows this table; which recipe is behind it, the gate's own file.
 *
 * A gate tells, through its handler: WAITING any number of times; OPENED once held; EXTENDED at each
 * renewal; YIELD when somebody with a better right waits; LOST when it is no longer ours; CLOSED
 * when nothing of it is left and it was not opened again since gate_close(), which may be before that
 * returns, once however often it was closed meanwhile; FAILED for good. After YIELD: stop the tree, gate_close(),
 * and gate_open() once more. Nothing is told from inside gate_new(). */
#pragma once

#include "manager/heart.h"
#include "recipe/election.h"
#include "recipe/lock.h"
#include "recipe/semaphore.h"
#include "recipe/sequence.h"

typedef struct Gate Gate;

enum GateEventKind {
        GATE_WAITING,  /* .text: for what, for whom, since when */
        GATE_IN_PLACE, /* waiting is what it is there for: a schedule knows its next tick */
        GATE_OPENED,   /* .text: "number 3", "lock 'backup'"; .token, .deadline_usec */
        GATE_EXTENDED, /* .deadline_usec */
        GATE_YIELD,    /* .text: to whom */
        GATE_LOST,     /* .text: why */
        GATE_CLOSED,
        GATE_FAILED, /* .outcome, .text; with OUTCOME_OK there is nothing (more) to do: .status of the table */
};

typedef struct GateEvent {
        enum GateEventKind kind;
        int64_t token;
        uint64_t deadline_usec;
        enum Outcome outcome;
        int status;
        const char *text; /* valid until the handler returns */
} GateEvent;

typedef void (*GateHandler)(void *userdata, const GateEvent *event);

enum GateKind {
        GATE_SEQUENCE,
        GATE_LOCK,
        GATE_ELECTION,
        GATE_SEMAPHORE,
        GATE_CRON,
        GATE_CHAIN, /* several, opened one after the other; see chain-gate.c */
};

struct CronGateConfig;

/* Of a chain: in the order in which they are opened, which is number, schedule, leadership, lock for every
 * unit, so that no two units wait for each other. */
#define GATE_CHAIN_MAX 4

typedef struct GateConfig GateConfig;

/* Read by gate_new() only. */
struct GateConfig {
        enum GateKind kind;
        union {
                SequenceConfig sequence;
                LockConfig lock;
                ElectionConfig election;
                SemaphoreConfig semaphore;
                const struct CronGateConfig *cron;
                struct {
                        const GateConfig *items;
                        size_t n;
                } chain;
        };
};

#define GATE_ENV_MAX 12
#define GATE_ENV_SIZE 320

/* "NAME=value" for the command. */
typedef struct GateEnv {
        char items[GATE_ENV_MAX][GATE_ENV_SIZE];
        size_t n;
} GateEnv;

enum GateState {
        GATE_STATE_CLOSED,
        GATE_STATE_WAITING,
        GATE_STATE_OPEN,
        GATE_STATE_LOST, /* until it is closed */
};

/* What a gate last told, for status. */
typedef struct GateView {
        const char *kind; /* "number", "schedule", "leadership", "lock", "shared lock", "slot" */
        char *name;       /* of the pool, job, election, lock */
        char *text;       /* NULL: nothing to say */
        enum GateState state;
        int64_t token; /* 0 unless open */
} GateView;

typedef struct GateType {
        const char *noun; /* "number": what it is that one waits for, for people */
        void (*free)(Gate *gate);
        void (*set_timing)(Gate *gate, const Timing *timing);
        void (*on_session)(Gate *gate, const Event *event);
        void (*open)(Gate *gate);
        void (*close)(Gate *gate);
        void (*lose)(Gate *gate, const char *reason);
        void (*wedge)(Gate *gate);
        void (*abandon)(Gate *gate, const char *reason);
        void (*env)(const Gate *gate, GateEnv *env); /* while open */
        void (*ended)(Gate *gate, int status);       /* NULL: does not care */
        const Gate *(*item)(const Gate *gate, size_t i); /* of a chain, NULL past the last; NULL: is none */
        bool (*save)(const Gate *gate, SavedWriter *writer);
        int (*restore)(Gate *gate, Saved *saved);
} GateType;

struct Gate {
        const GateType *type;
        GateHandler handler;
        void *userdata;
        GateView view; /* of gate.c */
};

int gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config,
        GateHandler handler, void *userdata);
Gate *gate_free(Gate *gate);
CLEANUP_DEFINE(Gate, gate_free);

void gate_set_timing(Gate *gate, const Timing *timing);
void gate_on_session(Gate *gate, const Event *event);
/* Asks; OPENED follows, or FAILED. Also while the last close is under way. */
void gate_open(Gate *gate);
/* Gives back or stops asking, also after LOST; CLOSED follows. Only when no tree runs under the hold. */
void gate_close(Gate *gate);
/* The guard has seen the lease end before we did: nothing is renewed any more. */
void gate_lose(Gate *gate, const char *reason);
/* As gate_lose(), while the session is good: our znode goes, so that others may take over once the record
 * that stays has run out. */
void gate_abandon(Gate *gate, const char *reason);
/* The tree will not die: the record says so from the next renewal on, and nobody takes over. */
void gate_wedge(Gate *gate);
void gate_env(const Gate *gate, GateEnv *env);
/* The command ended with this exit status of the table; the tree may have processes yet. */
void gate_ended(Gate *gate, int status);
/* For a program that takes our place, in the same session. Returns false while something is under way: wait. */
bool gate_save(const Gate *gate, SavedWriter *writer);
/* Into a gate that was just made, with its timing: what is held is in the care of the heart from now on, and what waits goes
 * on at ATTACHED. Nothing is told from inside. Returns 0 or -EBADMSG, and then the gate can only be freed. */
int gate_restore(Gate *gate, Saved *saved);
/* Of a chain: of the one that is waited for. */
const char *gate_noun(const Gate *gate);
/* One for each gate of a chain, in order. Returns how many. What they point to is the gate's, until it tells or is told
 * anything. */
size_t gate_views(const Gate *gate, const GateView *views[static GATE_CHAIN_MAX]);
const char *gate_state_to_string(enum GateState state);

/* For the files that implement one. */
int sequence_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const SequenceConfig *config);
int recipe_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config);
int cron_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const struct CronGateConfig *config);
int chain_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config);
void gate_env_add(GateEnv *env, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void gate_tell(Gate *gate, GateEvent event);
