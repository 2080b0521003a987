/* The parents that a recipe needs: made when they turn out to be missing, with few requests even
 * when a hundred hosts find an empty ensemble at once.
 *
 * The leaves are containers, which the server deletes some time after their last child: what is not
 * used leaves nothing behind. First the leaves, one by one (a new pool in a tree that is there); if
 * that finds no parents, all of those in one multi, and the leaves again. Whoever finds that
 * somebody else was faster believes that they are there now. If they are missing once more,
 * everything is made one by one.
 *
 * Containers never go into a multi: the server answers their creation there with a Stat that the C
 * client does not expect, and its decoder aborts the process (3.8.0, measured). */
#pragma once

#include "recipe/effect.h"

#define ZNODE_PATH_MAX 640
/* The depth of root and what is below it. */
#define PARENTS_MAX 16

typedef struct Parents {
        Op *ops; /* one for each, with its path; grows as they are added */
        size_t n, n_leaves, step;
        bool asked; /* since parents_settled() */
        bool thorough; /* one by one, whoever else is at it */
        bool made;  /* those above the leaves, since parents_begin() */
} Parents;

void parents_init(Parents *parents);
void parents_deinit(Parents *parents);
/* Adds LEAF and what is above it. The parents above the leaf come before all leaves. Returns 0,
 * -ENAMETOOLONG (too long, or too deep) or -ENOMEM. */
int parents_add(Parents *parents, const char *leaf);
/* Adds PATH and what is above it, none of them a container: for what is one for all names of a kind. */
int parents_add_lasting(Parents *parents, const char *path);

/* Begins; follow with parents_request(). */
void parents_begin(Parents *parents);
/* Fills in the request that is next, but for its tag. */
void parents_request(Parents *parents, Request *request);
/* The outcome of that request. Returns whether there is one more request to make. */
bool parents_on_reply(Parents *parents, enum Outcome outcome);
/* They were there: if they are missing another time, begin as for the first. */
void parents_settled(Parents *parents);
/* The path that the request under way is about, for messages. */
const char *parents_path(const Parents *parents);
