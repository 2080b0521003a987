/* A lock: exclusive, or shared by readers. Whoever holds it exclusively holds it alone.
 *
 *   <root>/lock/NAME/_c_<id>-lock-<seq>      ephemeral, who wants it exclusively, in order
 *   <root>/lock/NAME/_c_<id>-__WRIT__<seq>   the same, in the words of Curator's read-write lock
 *   <root>/lock/NAME/_c_<id>-__READ__<seq>   who wants to share it
 *   <root>/record/lock/NAME                  record of an exclusive holder (claim.h), or:
 *   <root>/record/lock/NAME/shared           ... of those that share it: its children are their grants
 *
 * The queue (contend.h) gives the order, and excludes foreign clients (Curator, kazoo) that know
 * nothing of records. The record excludes: an exclusive claim creates <record>, which fails
 * while anybody has it; a shared claim creates its grant below <record>/shared, together with
 * both when there is no record at all, so it fails while somebody has it exclusively. The last
 * sharer takes the record with it; if it died before that, whoever is next does.
 *
 * Invariants: HELD only for a claim whose reply was OK and whose queue node was ours in the same
 * multi; a record of somebody else is removed only after it stood in sight, unchanged, for W
 * (successor.h), and never a WEDGED one. */
#pragma once

#include "recipe/contend.h"
#include "recipe/recipe.h"

enum LockMode {
        LOCK_EXCLUSIVE, /* -lock- */
        LOCK_WRITE,     /* __WRIT__: exclusive, visible to Curator's readers */
        LOCK_SHARED,    /* __READ__ */
};

typedef struct LockConfig {
        const char *root, *name; /* copied */
        const char *id;          /* unique in the world (a uuid); copied */
        enum LockMode mode;
        Record text; /* what the record says; the lease is filled in */
} LockConfig;

typedef struct Lock Lock;

/* Returns 0 and a new machine, or -ENAMETOOLONG, -ENOMEM. lock_recipe.deinit frees it. */
int lock_new(Lock **out, const LockConfig *config);
extern const RecipeType lock_recipe;
