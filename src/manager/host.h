/* What this supervisor says of itself in the ensemble: an ephemeral znode host/ID below the root, with its
 * units as JSON, for `zksup who` and the page. Nobody depends on it: it comes late and goes early without
 * harm, and a failure is a line in the log. Only `zksup up` writes it; the verbs that run one command would
 * pay for it with two writes each.
 *
 * ID is the name of the host (or what `host` in the configuration says), and for a configuration that is not
 * called zksup.conf ":" and its name without ".conf": one host may run a supervisor for each of its
 * configurations, and each has the same ID after a restart. Whoever comes second with the same ID waits until
 * the first has gone, and says so.
 *
 * The data: {"boot_id", "pid", "zksup": version, "host", "since" (microseconds, wall clock), "config",
 * "units": [{"unit", "state", "reason", "want", "ready", "since", "pid", "number", "role", "token", "text",
 * "wedged", "gates": [{"kind", "name", "state", "text", "token"}]}], "more": units that found no room}. What
 * is not known or not there is left out. The first two come first: they say whether a znode of a former
 * session was made by this very process. */
#pragma once

#include "api/snapshot.h"
#include "client/client.h"

typedef struct Host Host;

typedef struct HostConfig {
        const char *root;   /* "/zksup" */
        const char *host;   /* NULL: the name of this host */
        const char *config; /* path of the configuration; NULL: none */
} HostConfig;

/* Nothing is written before host_set() and ATTACHED. Returns 0 or a negative errno (-ENAMETOOLONG). CLIENT
 * must outlive it. */
int host_new(Host **out, sd_event *event, Client *client, const HostConfig *config);
/* The znode is left to the end of the session, so that it survives a change of the program. */
Host *host_free(Host *host);
CLEANUP_DEFINE(Host, host_free);

/* To be told of every change of the session, like all machines. */
void host_on_session(Host *host, const Event *event);
/* SNAPSHOT is read here. May be called at every change of a unit: what is the same is not written again, and
 * what differs is written at most every two seconds, more rarely when there is much of it. */
void host_set(Host *host, const Snapshot *snapshot);
