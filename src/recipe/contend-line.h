/* The list of a queue, read for one that stands in it: who is before it, by the rule. Internal to the
 * queue engine. */
#pragma once

#include "recipe/contend.h"

typedef struct Line {
        bool found;        /* the node that was asked about is in the list */
        const char *other; /* the lowest other one with our id; NULL: none */
        size_t position, n_ahead;
        bool only_sharers, adjacent;
        Contender ahead;    /* to be watched; .name NULL: nobody that counts is before us */
        const char *second; /* ELECTION: the one before that; NULL: none */
} Line;

/* NODE: name of ours; "" while it is not known: then only .other is told. Everything points into NAMES. */
void contend_line_read(Line *line, enum ContendRule rule, unsigned slots, const char *id, const char *node,
        const char *const *names, size_t n);
