/* An ephemeral znode kept alive, with data that may change: what somebody says of itself in the ensemble. It
 * is no hold: it has no record, excludes nobody, and nothing rests on it.
 *
 *   OUT -> CREATE -> THERE <-> SET          THERE -> WATCH -> THERE (or OUT: somebody has deleted it)
 *    ^      | | \--> PARENTS                 (any) -> LEAVE -> RELEASED
 *    |      | v
 *    |      | LOOK -> THERE      it is ours: the reply to its creation was lost, or another program made it
 *    |      |  |  \-> TAKEN      somebody else's: wait until it goes
 *    +------+--+----> DROP       left by a former session of ours
 *
 * In a new session it is made anew. Data that is the same is not written; what differs is written at the
 * earliest a pause after the last time, and only the newest of it. Our own watch notices when it is deleted
 * by hand; it is made again some seconds later.
 *
 * Invariants: one request under way at once; only what is known to be ours is set or deleted, by its version
 * where that may have changed hands. */
#pragma once

#include "recipe/effect.h"
#include "recipe/parents.h"

enum NodeState {
        NODE_OUT,
        NODE_PARENTS,
        NODE_CREATE,
        NODE_LOOK,
        NODE_DROP,
        NODE_TAKEN,
        NODE_THERE,
        NODE_WATCH,
        NODE_SET,
        NODE_LEAVE,
        NODE_RELEASED,
        NODE_FAILED,
};

/* Whether a znode with this DATA was made by this very process, whatever its session. Pure. */
typedef bool (*NodeIsOurs)(const void *userdata, const void *data, size_t len);

typedef struct NodeConfig {
        const char *path;    /* full; copied */
        uint64_t pause_usec; /* between two writes */
        NodeIsOurs is_ours;  /* NULL: nothing of a former session is */
        const void *userdata;
} NodeConfig;

typedef struct Node {
        char path[ZNODE_PATH_MAX];
        uint64_t pause_usec;
        NodeIsOurs is_ours;
        const void *userdata;

        enum NodeState state;
        char *data; /* NULL: nothing to say yet */
        size_t len;
        bool want, attached, under_way;
        bool dirty;      /* DATA is not what was written last */
        bool maybe_made; /* in this session, and not known to be gone */
        bool watching;
        int32_t version; /* of what is dropped */
        int64_t session_id;
        int64_t taken_by;    /* told last */
        uint64_t next_usec;  /* no write before */
        uint64_t retry_usec; /* USEC_INFINITY: on an event */
        unsigned failures;
        uint32_t tag;
        Parents parents;
} Node;

/* Returns 0 or -ENAMETOOLONG. */
int node_init(Node *node, const NodeConfig *config);
void node_deinit(Node *node);
void node_set_pause(Node *node, uint64_t pause_usec);
/* DATA is copied. Follow with a step of EVENT_TIME. Returns 0 or -ENOMEM with nothing changed. */
int node_set_data(Node *node, const void *data, size_t len);

/* EVENT_START: from now on it shall be there, once it has data. EVENT_RELEASE: it shall not; RELEASED
 * follows. WAITING: it is somebody else's, once for each; FAILED: for good. */
void node_step(Node *node, const Event *event, Effects *effects);
uint64_t node_deadline(const Node *node);
const char *node_state_to_string(enum NodeState state);
