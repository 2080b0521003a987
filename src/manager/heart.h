/* The heart: carries out what the lease machine decides for the session of this supervisor. It
 * renews all holds together and tells each one when it was extended or lost. */
#pragma once

#include "client/client.h"
#include "manager/timer.h"
#include "recipe/lease.h"
#include "util/list.h"

typedef struct Heart Heart;
typedef struct Hold Hold;

/* One hold that is renewed, embedded in its owner from heart_add() to lost() or heart_remove(). */
struct Hold {
        ListLink link;
        Claim *claim;
        void (*extended)(Hold *hold, uint64_t deadline_usec);
        void (*lost)(Hold *hold, const char *reason);
        uint64_t told_usec; /* the deadline that it was told */
};

struct Heart {
        Client *client;
        Lease lease;
        Timer timer;
        ListLink holds;
        ListLink *next; /* while they are told of a renewal: whose turn is next */
        uint64_t renewals; /* acknowledged */
        uint64_t sent_usec; /* the one under way, or the last */
        uint64_t latency_usec, latency_sum_usec, latency_max_usec, latency_count; /* of answers */
};

int heart_init(Heart *heart, sd_event *event, Client *client);
void heart_deinit(Heart *heart);
/* Room for N holds, to be made before they are asked for. Returns 0 or -ENOMEM. */
int heart_reserve(Heart *heart, size_t n);
void heart_set_timing(Heart *heart, const Timing *timing);
void heart_on_session(Heart *heart, const Event *event);
void heart_add(Heart *heart, Hold *hold);
void heart_remove(Heart *heart, Hold *hold);
