/* A semaphore: at most N hold it at a time.
 *
 *   <root>/semaphore/NAME/locks/_c_zksup-<id>-lock-<seq>             who may choose next: one at a time, in order
 *   <root>/semaphore/NAME/leases/_c_zksup-<id>-s<slot>-lease-<seq>   ephemeral, one a holder
 *   <root>/record/semaphore/NAME/<slot>                              record of slot 1..N (claim.h)
 *
 * The names and the order are those of Curator's InterProcessSemaphoreV2: take the mutex "locks",
 * add a lease, wait until there are no more than N, give the mutex back. A slot is free for us
 * when it has no record: whoever has the mutex reads the records, names the lowest free slot in its
 * lease, where a foreign client does not look, and claims it in one multi [delete our mutex node, check
 * our lease, create the record]. Where there is no free slot it keeps the mutex, adds no lease yet, and
 * looks after the records of dead holders, each in sight, unchanged, for W (janitor.h).
 *
 * Everybody should use the same N; who uses a smaller one waits longer.
 *
 * Invariants: HELD only for a claim whose reply was OK and that gave the mutex back in the same multi.
 * A lease is never kept without the mutex, but by a holder: two that each wait for the other's
 * lease to go would wait for ever. */
#pragma once

#include "recipe/contend.h"
#include "recipe/recipe.h"

#define SEMAPHORE_SLOTS_MAX 10000

typedef struct SemaphoreConfig {
        const char *root, *name;
        const char *id;
        unsigned slots; /* 1 to SEMAPHORE_SLOTS_MAX */
        Record text;
} SemaphoreConfig;

typedef struct Semaphore Semaphore;

/* Returns 0 and a new machine, or -ENAMETOOLONG, -ENOMEM, -EINVAL. semaphore_recipe.deinit frees it.
 * EFFECT_HELD says the slot in .number. */
int semaphore_new(Semaphore **out, const SemaphoreConfig *config);
extern const RecipeType semaphore_recipe;
