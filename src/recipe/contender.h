/* The names in a queue: who stands there, in what order, for what. Our own and those of the clients
 * that share the queue (Curator: "_c_<uuid>-lock-0000000001", "...-__READ__...", "...-__WRIT__...",
 * "...-latch-...", "...-lease-..."; kazoo: "<uuid>__lock__0000000001", "...__rlock__..."). A child whose name does
 * not end with the ten digits of a sequence is no contender. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Contender {
        const char *name;  /* in the list it was parsed from */
        int64_t order;     /* of the sequence; it may be negative after 2^31 (Programmer's Guide) */
        unsigned priority; /* of an election; 0 where none is given */
        bool shared;       /* a reader */
        bool preempts;
        bool foreign; /* not one of ours: it knows no records */
} Contender;

/* Returns whether NAME is one. A node is ours if its name carries our mark before the id, see
 * contender_format(). */
bool contender_parse(const char *name, Contender *contender);
/* Whether NAME was made by the one with this id, in whatever session. */
bool contender_is(const char *name, const char *id);
