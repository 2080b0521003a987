/* The whole cluster as the znodes say it: who runs what, holds what and waits for what. Read in a few rounds
 * of pipelined requests, without locks or watches: a picture of moments that lie some milliseconds apart.
 * What vanishes meanwhile is left out, what may not be read is listed in "denied", and nothing is written.
 *
 * The requests are bounded: no more than CLUSTER_WINDOW under way, and after CLUSTER_REQUESTS_MAX the rest is
 * left out and "truncated" is true.
 *
 * The result, with times in microseconds of the wall clock, and keys left out where nothing is known:
 *
 *   {"root", "read_at", "truncated", "denied": [PATH...],
 *    "hosts":     [{"id", "session", "since", ... what host.h says}],
 *    "numbers":   [{"pool", "choosing": N, "holders": [{"number", HOLDER...}]}],
 *    "elections": [{"name", "holders": [HOLDER], "candidates": [WAITER...]}],
 *    "locks":     [{"name", "mode": "exclusive" or "shared", "holders": [HOLDER...], "queue": [WAITER...]}],
 *    "slots":     [{"name", "holders": [{"slot", HOLDER...}], "queue": [WAITER...]}],
 *    "cron":      [{"name", "schedule", "zone", "last", "next", "queued", "totals": {MARK: N},
 *                   "run": {"tick", "start", "host", HOLDER...},
 *                   "outcome": {"mark", "tick", "until", "count", "start", "end", "status", "host"}}],
 *    "services":  [{"name", "instances": [{"id", "session", "address", "port", ...}]}]}
 *
 *   HOLDER: "state": "held", "wedged" (its processes outlive SIGKILL), "left" (its znode is gone, its record
 *           is not: free once that has not changed for the length of the lease); "host", "unit", "pid",
 *           "boot_id", "lease", "token", "session", "since", "renewed"; "foreign": true and "data" for a
 *           client of another make, which has no record.
 *   WAITER: "position" (from 1), "mode", "priority", "preempt", "host", "unit", "pid", "data", "session",
 *           "since", "foreign". */
#pragma once

#include <jansson.h>
#include "client/client.h"

#define CLUSTER_WINDOW 256
#define CLUSTER_REQUESTS_MAX 50000

typedef struct Cluster Cluster;

enum ClusterPart {
        CLUSTER_HOSTS,
        CLUSTER_NUMBERS,
        CLUSTER_ELECTIONS,
        CLUSTER_LOCKS,
        CLUSTER_SLOTS,
        CLUSTER_CRON,
        CLUSTER_SERVICES,
        CLUSTER_PARTS,
};

typedef struct ClusterConfig {
        const char *root;
        unsigned parts;   /* bits 1 << CLUSTER_x; 0: all of them */
        const char *name; /* only the one that is called so; NULL: all */
} ClusterConfig;

/* RESULT belongs to the handler; NULL: PROBLEM says why not (no contact), ERROR is the negative errno. Called
 * once, from the loop; it may free the Cluster. */
typedef void (*ClusterHandler)(void *userdata, json_t *result, int error, const char *problem);

/* Starts to read. Returns 0 or a negative errno. CLIENT must outlive it. */
int cluster_new(
        Cluster **out, Client *client, const ClusterConfig *config, ClusterHandler handler, void *userdata);
/* Also while it reads: then the handler is not called. */
Cluster *cluster_free(Cluster *cluster);
CLEANUP_DEFINE(Cluster, cluster_free);

/* "hosts", "numbers", ... as in the result. */
const char *cluster_part_to_string(enum ClusterPart part);
