/* An election: one leader among candidates, in the order of their coming or by priority.
 *
 *   <root>/election/NAME/_c_<id>-[p<priority>[!]-]latch-<seq>   ephemeral candidate, data = participant id
 *   <root>/record/election/NAME                                 record of the leader (claim.h)
 *
 * The names are those of Curator's LeaderLatch; the priority stands where Curator does not look.
 * Nobody changes the data of a candidate: LeaderLatch loses its watch by that and never leads
 * again. A candidate that nobody foreign precedes may lead; among those the one with the highest
 * priority does, then the oldest. A foreign candidate thus waits for all of ours that came before
 * it, and ours wait for it if they came later.
 *
 * A candidate with "!" preempts: a leader of less priority gets EFFECT_YIELD, stops its tree, and
 * stands for election anew. The leader watches the list for that; nobody else does. */
#pragma once

#include "recipe/contend.h"
#include "recipe/recipe.h"

#define ELECTION_PRIORITY_MAX 9999

typedef struct ElectionConfig {
        const char *root, *name;
        const char *id;
        const char *participant; /* data of the candidate; NULL: the host's name from TEXT */
        unsigned priority;       /* 0 (default) to ELECTION_PRIORITY_MAX: higher leads first */
        bool preempt;
        Record text;
} ElectionConfig;

typedef struct Election Election;

/* Returns 0 and a new machine, or -ENAMETOOLONG, -ENOMEM. election_recipe.deinit frees it. */
int election_new(Election **out, const ElectionConfig *config);
extern const RecipeType election_recipe;
