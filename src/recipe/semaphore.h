/* A semaphore: at most N hold it at a time.
 *
 *   <root>/semaphore/NAME/locks/_c_<id>-lock-<seq>     who may choose next: one at a time, in order
 *   <root>/semaphore/NAME/leases/_c_<id>-lease-<seq>   ephemeral, one a holder
 *   <root>/record/semaphore/NAME/<slot>                record of slot 1..N (claim.h)
 *
 * The names and the order are those of Curator's InterProcessSemaphoreV2: take the mutex "locks",
 * add a lease, wait until there are no more than N, give the mutex back. A slot is free for us
 * when it has no record: the claim is one multi [delete our mutex node, check our lease, create the
 * record of the lowest free slot]. Whoever has the mutex looks after the records of dead holders
 * (each in sight, unchanged, for W). Everybody should use the same N; a smaller one waits longer. */
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
