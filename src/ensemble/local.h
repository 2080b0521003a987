/* A local ensemble for development, demonstrations and tests: one server or three on 127.0.0.1,
 * with their data in a directory of the caller's or in a scratch directory that goes when the
 * ensemble goes. Not for production: the servers share a host, and with it every fault.
 *
 * Owns the servers, the directory's lock and the scratch directory. Stopping is orderly: servers
 * first, then the directory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "ensemble/server.h"
#include "ensemble/zoo-config.h"

#define LOCAL_PROBLEM_MAX 2048

typedef struct LocalConfig {
        uint64_t nodes;   /* 1 or 3 */
        uint64_t port;    /* of the first server's clients, the others follow; 0: free ones */
        uint64_t tick_ms;
        const char *dir;  /* NULL: a scratch directory */
        const char *java; /* NULL: from PATH */
        const char *classpath; /* NULL: Debian's jars */
} LocalConfig;

enum LocalEvent {
        LOCAL_SERVING, /* local_wait_serving() only: all servers serve */
        LOCAL_SIGNAL,  /* INT, TERM or HUP came */
        LOCAL_FAILED,  /* no majority of the servers is left, or none came up; see the problem */
};

typedef struct Local Local;

/* Blocks INT, TERM, HUP for the process from here on, makes the directory and starts the servers.
 * Returns 0 or a negative errno with a sentence in PROBLEM. CONFIG is borrowed for the call. */
int local_new(Local **out, const LocalConfig *config, char problem[LOCAL_PROBLEM_MAX]);
/* Stops the servers; removes a scratch directory. */
Local *local_free(Local *local);
CLEANUP_DEFINE(Local, local_free);

/* Waits until every server serves. */
enum LocalEvent local_wait_serving(Local *local, uint64_t timeout_usec, char problem[LOCAL_PROBLEM_MAX]);
/* Waits for a signal or the loss of the majority; a single loss is logged. */
enum LocalEvent local_wait(Local *local, char problem[LOCAL_PROBLEM_MAX]);

/* "127.0.0.1:PORT,..."; NULL out of memory, else for the caller to free. */
char *local_connect_string(const Local *local);
const char *local_dir(const Local *local);
