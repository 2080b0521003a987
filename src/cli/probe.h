/* What zksup check --connect learns from an ensemble with a session of its own: what session timeout is granted, what
 * may be done below the root, and how long requests take. It tries with an ephemeral znode that nobody looks for, one
 * request at a time, and leaves nothing. */
#pragma once

#include "client/client.h"
#include "util/text.h"

#define PROBE_SAMPLES 20

typedef struct Probe {
        bool attached;
        uint64_t granted_usec; /* the session timeout */
        char server[128];      /* the one that answered */
        char base[1024];       /* the root, or the nearest of its parents that is there */
        bool root_exists;
        uint64_t reads[PROBE_SAMPLES], writes[PROBE_SAMPLES]; /* microseconds, sorted */
        size_t n_reads, n_writes;
        unsigned n_tried; /* places in which znodes were made */
        TextBuffer missing; /* a line for each thing that is not allowed */
        size_t n_missing;
        char failure[1024]; /* why there is no more than this; "": nothing failed */
        int status;         /* of the exit: 0, 121, 123, 125 */
} Probe;

/* Takes TIMEOUT_USEC at most. Returns 0 with what was found, or a negative errno with a sentence in FAILURE. */
int probe_run(Probe *probe, const ClientConfig *config, const char *root, uint64_t timeout_usec);
void probe_deinit(Probe *probe);
CLEANUP_DEFINE(Probe, probe_deinit);
