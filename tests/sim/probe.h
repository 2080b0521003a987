/* A host whose requests are made by the test itself: looks at the ensemble as a client does. */
#pragma once

#include "sim/host.h"

typedef struct Probe {
        Host *host;
        bool attached, expired;
        int64_t session;
        unsigned n_replies, n_watches, n_pongs;
        Reply reply;          /* the last one; what it points to lives as long as the simulation */
        uint64_t reply_usec;  /* true time */
        enum WatchKind watch; /* the last one */
        const char *watch_path;
} Probe;

/* Makes HOST (initialized, not booted) a probe, boots it and runs until it is attached to SERVER. */
Probe *probe_new(Host *host, unsigned server);
/* Runs until it is attached to SERVER. */
void probe_attach(Probe *probe, unsigned server);
/* Asks and runs until the reply is there, or for T. Returns the outcome; UNKNOWN if none came. */
enum Outcome probe_ask(Probe *probe, const Request *request);
void probe_send(Probe *probe, const Request *request);
enum Outcome probe_create(Probe *probe, const char *path, enum CreateMode mode);
enum Outcome probe_exists(Probe *probe, const char *path, bool watch);
