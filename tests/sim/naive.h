/* Leases that people believe in, and that must be seen to fail here, or the simulator proves
 * nothing: the lock is one ephemeral znode, and the holder goes on for T after its last answered
 *
 *   ping      a message of the connection, answered by the server at hand
 *   read      likewise
 *   sync      answered by whoever believes to lead
 *   write     committed by a majority, but the successor does not wait
 *
 * Everything else is done right: the deadline counts from the sending, a deadline that passed is not
 * revived, and the guard kills in time. */
#pragma once

#include "sim/host.h"

enum NaiveLease {
        NAIVE_PING,
        NAIVE_READ,
        NAIVE_SYNC,
        NAIVE_WRITE,
};
#define NAIVE_LEASES (NAIVE_WRITE + 1)

const char *naive_to_string(enum NaiveLease lease);
extern const ActorType naive_type;
/* A contender for the znode /lock, hold number 1. */
void *naive_new(Host *host, enum NaiveLease lease);
