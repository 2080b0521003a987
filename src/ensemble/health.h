/* The health of an ensemble: every server of a connect string asked once, and whether enough of
 * them serve. Asking and the report are apart: health_ask() has the side effects, the rest reads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/hosts.h"
#include "ensemble/srvr.h"
#include "util/text.h"

typedef struct HealthServer {
        char name[280]; /* "host:port", "[address]:port" */
        char problem[160]; /* why there is no answer, with what to do; "" if there is one */
        Srvr srvr;
} HealthServer;

typedef struct Health {
        HealthServer *servers;
        size_t n, serving;
} Health;

/* Asks all HOSTS at once, for TIMEOUT_USEC at most; names are resolved before that, one after the
 * other, by the resolver's own rules. Returns 0 or -ENOMEM; a server that does not answer is a
 * finding, not an error. */
int health_ask(Health *health, const Hosts *hosts, uint64_t timeout_usec);
void health_deinit(Health *health);
static inline void health_deinit_cleanup(Health *health)
{
        health_deinit(health);
}

/* Whether more than half of the servers named serve. */
bool health_has_quorum(const Health *health);
/* A table for people, one line a server, and the conclusion. */
void health_to_text(const Health *health, TextBuffer *out);
/* {"quorum": true, "servers": [{"server": "127.0.0.1:2181", "mode": "leader", ...}]} */
void health_to_json(const Health *health, TextBuffer *out);
