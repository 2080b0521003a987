/* Units that are only numbers in an array, behind the ApiOps of the control interface: for tests of the server,
 * the router and the metrics. Commands change what the snapshot says, and leave a line in LAST. */
#pragma once

#include "api/server.h"

typedef struct FakeManager {
        Snapshot snapshot;
        SnapshotUnit *units;
        char (*names)[32];
        char last[256];    /* "signal unit-0 1" */
        bool stopped;      /* POST /v1/stop came */
        bool bad_file;     /* the next reload fails */
        bool keep_cluster; /* leaves /v1/cluster unanswered: ANSWER */
        ApiAnswer *answer;
        unsigned snapshots; /* how often one was made */
        Api *api;           /* to tell what has changed; may be NULL */
} FakeManager;

extern const ApiOps fake_manager_ops;

/* N units "unit-0"...: every third waits, the others run; unit-0 holds number 7. */
void fake_manager_init(FakeManager *manager, size_t n);
void fake_manager_deinit(FakeManager *manager);
