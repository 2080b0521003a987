/* The standard streams of a unit: of its command, its standby and its hooks, of which only one runs at a
 * time. Standard output and error have an Output each, or share one if both go into the same file, so that
 * their order is kept; the last lines of both are in one memory. Standard input is /dev/null then.
 *
 * Where neither is configured, nothing is here: all three are those of zksup. */
#pragma once

#include "unit/output.h"
#include "unit/spawn.h"

typedef struct Streams {
        Output *out, *err; /* err NULL: into out as well */
        bool journal;      /* what is printed goes to the journal */
} Streams;

/* OUT, ERR: NULL: zksup's own. Returns 0 or a negative errno. */
int streams_init(Streams *streams, sd_event *event, const OutputConfig *out, const OutputConfig *err,
        const char *unit);
void streams_deinit(Streams *streams);

/* Fills in the descriptors of a command that is about to be spawned; STREAMS may be NULL. */
void streams_give(const Streams *streams, SpawnConfig *config);
/* What a command that has ended leaves in its pipes. */
void streams_end_run(const Streams *streams);
void streams_reopen(const Streams *streams);
size_t streams_tail(const Streams *streams, size_t n, TextBuffer *text);
/* How many lines they were, ever. */
uint64_t streams_total(const Streams *streams);
uint64_t streams_dropped(const Streams *streams);

void streams_save(const Streams *streams, SavedWriter *writer);
/* Into new ones. Returns 0 or a negative errno. */
int streams_restore(const Streams *streams, Saved *saved);
