/* The book of a job: the text of the znode cron/NAME. It says which tick was claimed last, what became of
 * the latest ones, and how many there were of each kind. Whoever writes it names the version that it
 * read, so that of two who would claim the same tick one is told no.
 *
 *   zksup-cron 1
 *   schedule 0 4 * * *
 *   zone Europe/Berlin
 *   since TICK                 every tick after this one is accounted for
 *   last TICK                  ... up to this one
 *   queued TICK                is to run as soon as nothing runs; absent if none is
 *   stop ID                    the run that is asked to stop; absent if none is
 *   total STATE COUNT          for each state but running
 *   STATE TICK START END STATUS ID HOST        a run: running done killed timeout unknown
 *   STATE FIRST LAST COUNT                     ticks without a run: skipped missed
 *
 * The entries are in the order in which they were made, at most CRON_BOOK_ENTRIES of them; the totals know of
 * all. Times are seconds since the epoch; '-' is for what is not known. Invariants: at most one entry is
 * running; (totals) + (one running) + (one queued) = the ticks after since and up to last. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "recipe/cron-schedule.h"

#define CRON_BOOK_ENTRIES 20
#define CRON_BOOK_TEXT_MAX 8192
#define CRON_ID_MAX 56
#define CRON_NONE (-1) /* no tick, no time, no status */

enum CronMark {
        CRON_RUNNING,
        CRON_DONE,    /* ended by itself; status: its own, or 128 + signal */
        CRON_KILLED,  /* stopped for a newer tick, or because its hold was lost */
        CRON_TIMEOUT, /* stopped because it took too long */
        CRON_UNKNOWN, /* its host died, or cannot tell */
        CRON_SKIPPED, /* due while a run was under way */
        CRON_MISSED,  /* nobody was there in time */
        CRON_MARKS,
};

typedef struct CronEntry {
        enum CronMark mark;
        int64_t tick;  /* the first one of those skipped or missed */
        int64_t until; /* the last one of those; otherwise the tick */
        uint64_t count;
        int64_t start, end;
        int status;
        char id[CRON_ID_MAX]; /* of the run: never used twice */
        char host[64];
} CronEntry;

typedef struct CronBook {
        char schedule[CRON_SCHEDULE_TEXT_MAX], zone[132];
        int64_t since, last, queued;
        char stop[CRON_ID_MAX];
        uint64_t totals[CRON_MARKS];
        CronEntry entries[CRON_BOOK_ENTRIES];
        size_t n;
} CronBook;

/* An empty one: ticks after SINCE are to be accounted for. */
void cron_book_init(CronBook *book, int64_t since);
/* Returns 0, or -EBADMSG with what is wrong in PROBLEM. */
int cron_book_parse(CronBook *book, const void *data, size_t len, char *problem, size_t problem_size);
size_t cron_book_to_string(const CronBook *book, char buf[CRON_BOOK_TEXT_MAX]);

/* The run under way, or NULL. */
const CronEntry *cron_book_running(const CronBook *book);
/* The entry that accounts for TICK, or NULL if it is too old. */
const CronEntry *cron_book_find(const CronBook *book, int64_t tick);

/* COUNT ticks from FIRST to UNTIL had no run: MARK is SKIPPED or MISSED. Joins an entry of the same kind. */
void cron_book_note(CronBook *book, enum CronMark mark, int64_t first, int64_t until, uint64_t count);
/* A run of TICK begins. Nothing may be running. */
void cron_book_begin(CronBook *book, int64_t tick, int64_t start, const char *id, const char *host);
/* The run ID is over. Returns false if the book does not know it as running. */
bool cron_book_end(CronBook *book, const char *id, enum CronMark mark, int64_t end, int status);
/* The run ID was claimed and not started: its tick is queued. */
bool cron_book_undo(CronBook *book, const char *id);

const char *cron_mark_to_string(enum CronMark mark);
