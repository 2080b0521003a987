/* The names in a queue: who stands there, in what order, for what. Our own and those of the clients
 * that share the queue (Curator: "_c_<uuid>-lock-0000000001", "...-__READ__...", "...-__WRIT__...",
 * "...-latch-...", "...-lease-..."; kazoo: "<uuid>__lock__0000000001", "...__rlock__..."). A child whose name does
 * not end with the ten digits of a sequence is no contender.
 *
 * Ours are "_c_zksup-<id>-" and then as Curator's: "_c_zksup-<id>-lock-0000000001". Neither Curator nor
 * kazoo puts anything but hexadecimal digits and dashes there, and both look only at what comes after. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTENDER_PREFIX "_c_zksup-"

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
/* The path to create, to which the server appends the digits: <queue>/_c_zksup-<id>-<kind>. KIND: "lock-",
 * "p5!-latch-". Returns 0 or -ENAMETOOLONG. */
int contender_format(char *path, size_t size, const char *queue, const char *id, const char *kind);
