/* How long to wait before the next automatic start, and when to stop trying. Pure: time and
 * randomness come from the caller.
 *
 * The delay of the k-th failed run in a row is initial * factor^k, at most the cap, with a share of
 * it drawn at random, so that many hosts that lost the same thing do not come back in one moment. A
 * run that had lived for `healthy` clears the row and is followed by a start without delay.
 *
 * The limit is a fixed window: it opens with the first automatic start and allows `limit` of them
 * before it closes; the one too many is refused. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "util/random.h"

typedef struct BackoffPolicy {
        uint64_t initial_usec;   /* 0: never a delay */
        uint64_t cap_usec;       /* at least initial_usec */
        uint64_t healthy_usec;   /* a run this long is a success; 0: every run is */
        uint32_t factor_percent; /* 200 doubles; below 100 counts as 100 */
        uint32_t jitter_percent; /* 0 none, 50 "equal", 100 "full"; above 100 counts as 100 */
        uint32_t limit;          /* starts allowed within window_usec; 0: no limit */
        uint64_t window_usec;
} BackoffPolicy;

typedef struct Backoff {
        BackoffPolicy policy;
        uint64_t base_usec; /* delay of the next failed run before jitter; 0 before the first */
        uint64_t window_start_usec;
        uint32_t window_count; /* starts in the window; 0: no window is open */
} Backoff;

/* 100 ms doubling to 30 s, half of it jitter, cleared by a run of 10 s; ten starts a minute. */
BackoffPolicy backoff_policy_default(void);
void backoff_init(Backoff *b, const BackoffPolicy *policy);
/* A run that lived LIVED_USEC has ended, or a start failed (0). Returns the delay in microseconds
 * before the next start. */
uint64_t backoff_next(Backoff *b, Random *r, uint64_t lived_usec);
/* Whether one more automatic start is allowed at NOW; counts it if so. */
bool backoff_allow(Backoff *b, uint64_t now_usec);
/* Forget the failures and the window, as when an operator asks for a start. */
void backoff_reset(Backoff *b);
