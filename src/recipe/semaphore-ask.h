/* The semaphore's own requests, one at a time, and the one setter of its state. What to ask is decided
 * in semaphore.c; here is how. Internal to the semaphore machine.
 *
 *   IDLE -> QUEUE -> RECORDS -> LEASE -> CLAIM -> HELD -> LOST -> CLEAN -> (QUEUE | LEAVE)
 *              ^      |  ^                  \_______________________^
 *              |      v  |                       (reply lost, released)
 *           LEAVE   LEASES -> FULL           LEAVE -> RELEASED      (any) -> FAILED
 *
 * QUEUE, LEASE and LEAVE wait for the two engines (contend.h), which ask for themselves, and so does
 * the janitor (janitor.h), which works in RECORDS, LEASES and FULL: while we are the one who may choose
 * next and there is nothing to choose from. */
#pragma once

#include "recipe/janitor.h"
#include "recipe/semaphore.h"

enum SemaphoreState {
        SEMAPHORE_IDLE,
        SEMAPHORE_QUEUE,   /* for the mutex */
        SEMAPHORE_RECORDS, /* reading which slots are taken */
        SEMAPHORE_LEASES,  /* all are: reading whose holders live, to be told when one dies */
        SEMAPHORE_FULL,
        SEMAPHORE_LEASE, /* adding our lease, waiting until there are no more than N */
        SEMAPHORE_CLAIM,
        SEMAPHORE_HELD,
        SEMAPHORE_LOST,
        SEMAPHORE_CLEAN,
        SEMAPHORE_LEAVE, /* taking our nodes back */
        SEMAPHORE_RELEASED,
        SEMAPHORE_FAILED,
};

struct Semaphore {
        char name[128], leases_path[ZNODE_PATH_MAX], records[ZNODE_PATH_MAX], id[48];
        unsigned slots, slot;
        Record text;
        enum SemaphoreState state;
        Timing timing;
        Claim claim;
        Contend locks, leases;
        Janitor janitor;
        Numbers recorded;

        bool attached;
        bool under_way;   /* a reply to a request of our own is awaited */
        bool want;        /* false once released */
        bool claim_maybe; /* there is a claim of ours, or its reply was lost */
        bool node_lives;  /* the session that made the claim's lease still lives */
        bool watching;    /* the records were full when they were read last: read them with a watch */
        bool stirred;     /* a watch of ours has fired since the records were asked for */
        int64_t session_id;
        uint64_t retry_usec;
        unsigned attempts, failures;
        uint32_t tag;
};

/* The tag of a janitor's request says so. */
#define SEMAPHORE_JANITOR_TAGS CONTEND_TAGS(2)

/* The only writer of the state: asserts that the step is legal and traces it. */
void semaphore_ask_enter(Semaphore *s, enum SemaphoreState state, Effects *effects, const char *cause);
void semaphore_ask_records(Semaphore *s, Effects *effects, const char *cause);
void semaphore_ask_leases(Semaphore *s, Effects *effects);
/* Slot s->slot, with our nodes at the front of both queues. */
void semaphore_ask_claim(Semaphore *s, Effects *effects);
void semaphore_ask_clean(Semaphore *s, Effects *effects, const char *cause);
/* A reply that settles nothing: again, a little later. */
void semaphore_ask_later(Semaphore *s, uint64_t now_usec);
void semaphore_ask_fail(Semaphore *s, Effects *effects, enum Outcome outcome, const char *path);
void semaphore_ask_tell_janitor(Semaphore *s, const Event *event, Effects *effects);

/* semaphore-step.c */
void semaphore_step(Semaphore *s, const Event *event, Effects *effects);
uint64_t semaphore_step_deadline(const Semaphore *s);
