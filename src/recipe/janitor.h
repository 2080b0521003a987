/* The janitor of a pool: removes the records of holders that died without release, once each has
 * been in sight, unchanged, for W. A number is free again only then.
 *
 * Somebody alive must look, but not everybody: each holder of number N watches the znode of N - 1
 * and sleeps. Only where there is no N - 1 does it look after the records, so the lowest living
 * holder always does, and whenever one dies exactly its successor wakes. Somebody who waits for
 * a number looks too.
 *
 *   OFF -> PRED -> ASLEEP (N - 1 lives)
 *            \--> PAUSE -> RECORDS -> POOL -> GRANT... -> AWAKE -> TAKE... -> AWAKE
 *
 * The living are looked at eight times in W, by one read each.
 * The wait counts from the moment our read of the grant was ANSWERED: it was written before that.
 * Invariant: a record is deleted only by the version of the grant that was seen for W, in one multi
 * that names the grant, so that a renewal in between makes it fail. A WEDGED record is left alone. */
#pragma once

#include "recipe/claim.h"
#include "recipe/numbers.h"

enum JanitorState {
        JANITOR_OFF,
        JANITOR_PRED,
        JANITOR_ASLEEP,
        JANITOR_PAUSE, /* before the next look at the lists: a start of many is one look, not many */
        JANITOR_RECORDS,
        JANITOR_POOL,
        JANITOR_RECORD, /* reading the record of one dead number ... */
        JANITOR_GRANT,  /* ... and its grant */
        JANITOR_AWAKE,
        JANITOR_TAKE,
};

typedef struct Sighting {
        uint64_t number;
        char grant[128]; /* name below the record; "" if the record has none: made by hand */
        int32_t version; /* of the grant, or of the record */
        int32_t record_version;
        uint64_t since_usec; /* in sight with this version */
        uint64_t wait_usec;  /* W by what it says */
        uint64_t look_usec;  /* of the living and the wedged: when to look again */
        bool seen, known, living, wedged; /* known: since_usec counts for this grant and version */
} Sighting;

#define JANITOR_SIGHTINGS_MAX 64 /* more are looked at once these are gone */
#define JANITOR_LIVING_MAX 16    /* of them living */

/* The numbers that the children of a pool stand for. Returns 0 or -ENOMEM. */
typedef int (*JanitorNames)(Numbers *numbers, const char *const *names, size_t n);

typedef struct Janitor {
        const char *pool, *records;
        JanitorNames names;
        uint64_t first, number;
        bool has_number;
        enum JanitorState state;
        bool attached, under_way, dirty;
        uint64_t next_usec, pause_usec;
        uint32_t tag;
        Numbers recorded;
        Sighting *sightings;
        size_t n_sightings, room, current; /* room: for sightings, grows up to the maximum */
        char path[ZNODE_PATH_MAX + 160], record_path[ZNODE_PATH_MAX + 32];
        Op ops[2];
        uint64_t removed; /* records removed, for statistics */
} Janitor;

/* The paths must stay. */
void janitor_init(Janitor *janitor, const char *pool, const char *records, uint64_t first, uint64_t pause_usec);
void janitor_deinit(Janitor *janitor);
/* Where the children of the pool are not the numbers themselves. To be told once, after janitor_init(). */
void janitor_set_names(Janitor *janitor, JanitorNames names);
/* How long to let a change settle before the lists are read again; R is a good choice. */
void janitor_set_pause(Janitor *janitor, uint64_t pause_usec);

/* Looks after the pool on behalf of the holder of NUMBER; or, without one, of somebody who waits.
 * Follow with a step of EVENT_START. EVENT_RELEASE ends it. */
void janitor_set_number(Janitor *janitor, bool has_number, uint64_t number);
void janitor_step(Janitor *janitor, const Event *event, Effects *effects);
uint64_t janitor_deadline(const Janitor *janitor);
