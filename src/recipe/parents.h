/* The parents that a recipe needs: made when they turn out to be missing, with few requests even
 * when a hundred hosts find an empty ensemble at once.
 *
 * First the leaves alone in one multi (a new pool in a tree that is there); if that finds no
 * parents, everything in one multi; whoever finds that somebody else was faster believes that they
 * are there now. If they are missing once more, they are made one by one.
 *
 * The leaves are containers, which the server deletes some time after their last child: what is
 * not used leaves nothing behind. */
#pragma once

#include "recipe/effect.h"

#define ZNODE_PATH_MAX 640
/* The depth of root and what is below it. */
#define PARENTS_MAX 16

typedef struct Parents {
        char paths[PARENTS_MAX][ZNODE_PATH_MAX];
        Op ops[PARENTS_MAX];
        size_t n, n_leaves, step;
        bool asked; /* since parents_settled() */
} Parents;

void parents_init(Parents *parents);
/* Adds LEAF and what is above it. The parents above the leaf come before all leaves. Returns 0 or
 * -ENAMETOOLONG (too long, or too deep). */
int parents_add(Parents *parents, const char *leaf);

/* Begins; follow with parents_request(). */
void parents_begin(Parents *parents);
/* Fills in the multi that is next. */
void parents_request(Parents *parents, Request *request);
/* The outcome of that multi. Returns whether there is one more request to make. */
bool parents_on_reply(Parents *parents, enum Outcome outcome);
/* They were there: if they are missing another time, begin as for the first. */
void parents_settled(Parents *parents);
/* The path that the request under way is about, for messages. */
const char *parents_path(const Parents *parents);
