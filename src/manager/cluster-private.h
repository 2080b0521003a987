/* What the reader of the cluster has read, and the JSON that is made of it: shared by the two halves of
 * cluster.h. */
#pragma once

#include "manager/cluster.h"
#include "recipe/event.h"
#include "recipe/record.h"

/* A child of a queue, a pool or a service, and its data once that is read. */
typedef struct ClusterNode {
        char *name, *data;
        size_t len;
        ZnodeStat stat;
        bool there;   /* it was there when its data was read */
        bool in_line; /* of a semaphore: stands in "locks", not in "leases" */
} ClusterNode;

/* A grant, below the record of a number or slot (record "3"), or of the thing itself (record ""). */
typedef struct ClusterGrant {
        char *record, *name; /* name "": the record has none, somebody made it by hand */
        Record text;
        bool understood, there;
        ZnodeStat stat;
} ClusterGrant;

/* A pool, a lock, a job, ... by its name; a supervisor by its ID. */
typedef struct ClusterThing {
        enum ClusterPart part;
        char *name;
        ClusterNode self; /* host/ID, cron/NAME */
        ClusterNode *nodes;
        size_t n_nodes;
        ClusterGrant *grants;
        size_t n_grants;
        bool shared;     /* of a lock: by readers */
        size_t choosing; /* tickets of a pool */
} ClusterThing;

typedef struct ClusterPicture {
        const char *root;
        ClusterThing *things;
        size_t n_things;
        json_t *denied;
        bool truncated;
        int64_t now_usec; /* wall clock */
} ClusterPicture;

/* A new reference, NULL when out of memory. Sorts the things. */
json_t *cluster_json(ClusterPicture *picture);
