/* What a server says of itself in its answer to "srvr". Pure: text in, numbers out. The answer is
 * lines of "Key: value" and, from a server that does not serve, one sentence. */
#pragma once

#include <stdint.h>

enum SrvrMode {
        SRVR_NOT_SERVING, /* runs, but has no quorum (yet) */
        SRVR_NOT_ALLOWED, /* 4lw.commands.whitelist of the server leaves out srvr */
        SRVR_NOT_ZOOKEEPER, /* an answer that no ZooKeeper gives */
        SRVR_STANDALONE,
        SRVR_LEADER,
        SRVR_FOLLOWER,
        SRVR_OBSERVER,
        SRVR_READ_ONLY,
};

typedef struct Srvr {
        enum SrvrMode mode;
        char version[32]; /* "3.8.0" */
        char latency[40]; /* "0/0.5/12", least/average/most, ms */
        uint64_t zxid, connections, received, sent, outstanding, nodes;
} Srvr;

void srvr_parse(Srvr *srvr, const char *answer);
/* "leader", "not serving" and so on. */
const char *srvr_mode_to_string(enum SrvrMode mode);
/* Whether the server takes part in a quorum, or is one by itself. */
int srvr_mode_serves(enum SrvrMode mode);
