/* A host: a machine with a clock of its own, a supervisor process on it (recipe machines over the
 * client library model), and for each hold a guard with its child.
 *
 *   off --host_boot--> running <--freeze/thaw--> frozen        the supervisor, SIGSTOP or starved
 *                      running <--suspend/resume--> suspended  the whole machine
 *                      any --host_kill_supervisor--> off        the guards stop their trees
 *                      any --host_crash--> off                  everything on it is dead at once
 *
 * The machines see local time only: CLOCK_BOOTTIME, which runs at RATE permille of true time and
 * goes on in suspend. */
#pragma once

#include "recipe/effect.h"
#include "sim/child.h"
#include "sim/client.h"
#include "sim/oracle.h"
#include "util/saved.h"

#define HOST_ACTORS 4
#define HOST_CHILDREN 8

/* A machine under test: its own state, stepped by events, with at most one hold. */
typedef struct ActorType {
        const char *name;
        void (*step)(void *machine, const Event *event, Effects *effects);
        uint64_t (*deadline)(const void *machine);
        void (*deinit)(void *machine); /* may be NULL */
        bool wants_pongs;              /* as replies with tag UINT32_MAX: a naive lease by ping */
        /* Handed to another program by exec. save() returns false at a moment that is not quiet; restore() makes the
         * machine anew. NULL: cannot be. */
        bool (*save)(const void *machine, SavedWriter *writer);
        void (*restore)(void *machine, Saved *saved);
} ActorType;

typedef struct Actor {
        const ActorType *type;
        void *machine;
        Host *host;
        unsigned index;
        Child *child; /* outlives the actor */
        unsigned hold;
        uint64_t deadline_usec;
        unsigned hold_base;    /* added to the number that the machine says */
        bool is_held, is_lost; /* by what the machine said; LOST is answered by EVENT_DEAD */
        bool is_yielding;      /* held, but to be released once the tree is dead */
        bool is_failed;
} Actor;

typedef struct HostPlan {
        uint64_t timeout_usec;                 /* T asked for */
        uint64_t patience_usec;                /* client.h */
        uint64_t grace_usec;                   /* G; 0: the default */
        uint64_t work_min_usec, work_max_usec; /* true time a child works until it ends by itself */
        unsigned restart_percent;  /* then it is started again under the same hold, else released */
        unsigned stubborn_percent; /* children that ignore the stop signal */
        uint64_t pause_max_usec;   /* from the release until asking again */
} HostPlan;

struct Host {
        Simulation *simulation;
        Ensemble *ensemble;
        Oracle *oracle;
        unsigned id;
        HostPlan plan;
        Client client;
        Actor actors[HOST_ACTORS];
        unsigned n_actors;
        Child *children[HOST_CHILDREN];            /* those of earlier supervisors may still be dying */
        void (*spawn)(Host *host, void *userdata); /* adds the actors of a new supervisor */
        void *userdata;

        uint64_t rate_permille, true_usec, local_usec; /* local_usec was the time at true_usec */
        uint64_t suspended_usec;                       /* local time spent in suspend */
        uint64_t suspended_at_usec;
        uint64_t timer_min_usec; /* for mutants that ask for a time that has passed */
        bool releases_early;     /* the mutant that calls a tree dead when it has been told to stop */
        bool uses_monotonic;     /* the mutant that takes CLOCK_MONOTONIC for CLOCK_BOOTTIME */

        bool is_up, is_frozen, is_suspended;
        uint64_t incarnation;                  /* of the supervisor */
        uint64_t armed_usec, timer_generation; /* true time of the next timer */
        bool is_timer_missed;
};

void host_init(Host *host, Simulation *simulation, Ensemble *ensemble, Oracle *oracle, unsigned id,
        const HostPlan *plan);
/* Starts a supervisor: a new process with a new session. FIRST_SERVER is tried first. */
void host_boot_at(Host *host, unsigned first_server);
/* ... whichever. */
void host_boot(Host *host);
/* To be called by spawn. MACHINE is initialized. */
Actor *host_add_actor(Host *host, const ActorType *type, void *machine);

void host_freeze(Host *host, bool frozen);
void host_suspend(Host *host, bool suspended);
void host_kill_supervisor(Host *host);
void host_crash(Host *host);
/* Another program takes the place of the supervisor, in the same session, at a quiet moment. Returns whether it is one. */
bool host_reexec(Host *host);
/* The schedule is over: frees what the machines own. */
void host_deinit(Host *host);
/* Cuts the host from SERVER and back, in the directions named. */
void host_cut(Host *host, unsigned server, bool to, bool from, bool cut);

/* CLOCK_BOOTTIME of the host (or what it takes for it) and CLOCK_MONOTONIC. */
uint64_t host_now(const Host *host);
uint64_t host_monotonic(const Host *host);
/* The true time at which host_now() will have reached LOCAL_USEC, if no suspend comes between. */
uint64_t host_true(const Host *host, uint64_t local_usec);

/* Sets the timer for what the client and the machines want next. */
void host_arm(Host *host);

/* actor.c */
/* Tells ACTOR to ask for what it gets, DELAY_USEC of true time from now. */
void actor_start(Actor *actor, uint64_t delay_usec);
/* Of ACTOR's hold, as if its own machine had said so. */
void actor_extend(Actor *actor, uint64_t deadline_usec);
void actor_lose(Actor *actor, const char *why);
/* Steps one actor and carries its effects out. */
void host_tell(Host *host, Actor *actor, Event event);

/* From the client. */
void host_on_session(Host *host, enum SessionChange change, int64_t session, uint64_t timeout_usec);
void host_on_reply(Host *host, unsigned actor, const Reply *reply);
void host_on_watch(Host *host, unsigned actor, uint32_t tag, enum WatchKind kind, const char *path);
void host_on_pong(Host *host, uint64_t sent_usec);
/* The child of ACTOR, if it executes, ends by itself within the work time of the plan as it is now. */
void host_retire_child(Host *host, Actor *actor);
/* From the guard of ACTOR's child: the tree is dead. */
void host_on_child_dead(Host *host, Actor *actor, bool by_guard);
