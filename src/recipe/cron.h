/* A job: at most one run for each tick of its schedule, in the whole cluster.
 *
 *   <root>/cron/NAME           persistent: the book (cron-book.h), with the last tick that was claimed
 *   <root>/cron/NAME/run       ephemeral: a run is under way
 *   <root>/record/cron/NAME    record and grant of that run (claim.h)
 *
 *   claim    multi[ set book (version), create run, create record, create grant, set grant ]
 *   end      multi[ set book (version), delete grant, delete record, delete run ]
 *   reap     multi[ set book (version), delete grant (version), delete record ]
 *            a run whose node is gone and whose grant was in sight, unchanged, for W: unknown
 *
 * The tick, the run and the lease are claimed in one step, so a tick belongs to whoever wrote it into the book,
 * and that is one. A host that is late, or whose clock is behind, finds the tick in the book. What is done
 * about a tick is decided by cron-plan.h from the book, the schedule and the clock; here is how.
 *
 *                 tick due                  stop, timeout, end
 *   IDLE -> SEEKING -------> (claim) -> HELD ---------------> ENDING -> RELEASED | SEEKING
 *                                        \------> LOST -------^ dead
 *
 * The run's entry in the book carries the name of the grant, so after a lost reply reading the book tells
 * whether the claim, or its end, has been applied. A claim that was applied unheard is undone, and its
 * tick queued. After a lost reply we sync before we read.
 *
 * Wall clock: events bring CLOCK_BOOTTIME; cron_set_clock() says how far the wall clock is ahead of it, before
 * every step. Ticks are seconds of the wall clock; a step of it backwards repeats nothing, because of the book.
 *
 * Invariants: one request under way at once. HELD is announced only for a claim whose reply was OK. After
 * LOST nothing is asked until the tree is dead. */
#pragma once

#include "recipe/claim.h"
#include "recipe/cron-plan.h"

enum CronPhase {
        CRON_IDLE,
        CRON_SEEKING, /* waits for a tick, or for its turn */
        CRON_HELD,
        CRON_LOST,
        CRON_ENDING, /* the tree is dead; the run is being written into the book */
        CRON_RELEASED,
        CRON_FAILED,
};

/* What the request under way, or the last one, is for. */
enum CronAsk {
        CRON_ASK_SYNC,
        CRON_ASK_READ,    /* the book */
        CRON_ASK_PARENTS,
        CRON_ASK_MAKE,    /* the book */
        CRON_ASK_NOTE,    /* write the book */
        CRON_ASK_CLAIM,
        CRON_ASK_LOOK,    /* is there a run node */
        CRON_ASK_RECORD,  /* of a run without a node ... */
        CRON_ASK_GRANT,   /* ... and its grant */
        CRON_ASK_REAP,
        CRON_ASK_END,
        CRON_ASK_DROP,    /* a run node of ours whose grant is gone */
};

typedef struct CronConfig {
        const char *root, *name; /* copied */
        const char *id;          /* unique in the world; copied */
        CronRules rules;         /* schedule and zone must stay */
        uint64_t timeout_usec;   /* of a run; USEC_INFINITY: none */
        bool tick_now;           /* one tick, the one that has just passed, then FAILED with OUTCOME_OK */
        Record text;
} CronConfig;

typedef struct Cron {
        char book_path[ZNODE_PATH_MAX], run_path[ZNODE_PATH_MAX], record_path[ZNODE_PATH_MAX], id[48];
        CronRules rules;
        uint64_t timeout_usec;
        bool tick_now;
        Record text;
        Timing timing;
        int64_t clock_usec; /* wall clock minus CLOCK_BOOTTIME */

        enum CronPhase phase;
        enum CronAsk ask;
        Claim claim;
        char run_id[CRON_ID_MAX]; /* of the claim: the name of its grant */
        int64_t tick;             /* being claimed, or claimed */
        int64_t announced;        /* the tick that was said to be waited for */
        int64_t now_tick;         /* with tick_now: that tick */
        enum CronMark mark;       /* what the run is to be called in the end */
        int status;               /* of the command; CRON_NONE */
        uint64_t timeout_at_usec;

        bool attached, under_way, want;
        bool unsure;       /* the reply to a claim was lost */
        bool read_late;    /* sync before the next read */
        bool node_lives;   /* the session of the claim's node still lives */
        bool book_done, grant_gone, record_gone; /* while ending: nothing to write, nothing to delete */
        bool blocked;      /* a claim met the node or the record of a run that the book does not know */
        bool stirred;      /* a watch has fired while a reply was awaited */
        bool no_record;    /* of a run without a node, when we looked last; we look twice */
        bool asked_to_yield;
        bool had_turn;     /* with tick_now: the one run is over */
        int64_t session_id;

        CronBook book;     /* as read */
        CronBook draft;    /* as planned: to be written */
        int32_t version;
        bool other_schedule; /* the book was last written by a host with another one */

        struct {
                char grant[CRON_ID_MAX]; /* "": none in sight */
                int32_t version;
                uint64_t since_usec, wait_usec;
                bool wedged;
        } sighting;

        uint64_t plan_usec; /* CLOCK_BOOTTIME: when the plan wants the clock */
        uint64_t wake_usec; /* likewise, or when to ask again */
        unsigned attempts, retries;
        uint32_t tag;
        char data[CRON_BOOK_TEXT_MAX], grant_path[ZNODE_PATH_MAX];
        size_t data_len;
        Op ops[5];
        Parents parents;
} Cron;

/* Returns 0, -ENAMETOOLONG or -ENOMEM. */
int cron_init(Cron *cron, const CronConfig *config);
void cron_deinit(Cron *cron);
void cron_set_timing(Cron *cron, const Timing *timing);
/* To be told before every step, and when the wall clock has been set. */
void cron_set_clock(Cron *cron, int64_t realtime_minus_boottime_usec);
/* The command of the run under way ended with STATUS. */
void cron_ended(Cron *cron, int status);

/* As recipe.h says. EFFECT_YIELD: the run is to be stopped, for a newer tick or for its timeout; then
 * EVENT_RELEASE, and EVENT_START for the next tick. EFFECT_FAILED with OUTCOME_OK: with tick_now, there is
 * nothing (more) to run, and the text says why. */
void cron_step(Cron *cron, const Event *event, Effects *effects);
uint64_t cron_deadline(const Cron *cron);
/* As recipe.h says. */
bool cron_save(const Cron *cron, SavedWriter *writer);
int cron_restore(Cron *cron, const Saved *saved);
