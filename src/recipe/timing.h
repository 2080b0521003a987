/* The numbers of the lease, all derived from the session timeout that was granted.
 *
 *   D  lease: how long a renewal proves the hold, counted from the moment it was sent
 *   R  renewal period
 *   G  grace: stop signal at deadline - K - G
 *   K  kill budget: SIGKILL at deadline - K
 *   W  how long a successor must have had the record in sight, unchanged, before it takes over:
 *      W = D (1 + rho) / (1 - rho), so that clocks which run at rates within rho of true time
 *      cannot make the successor's wait shorter than the holder's lease
 *
 * Invariant: G + K + R < D, else a renewal that is a little late would already stop the child. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TIMING_RHO_PERCENT 10
/* A record that cannot be read, or claims more, is taken for a lease of this length. */
#define TIMING_LEASE_MAX_USEC (600ULL * 1000000)

typedef struct Timing {
        uint64_t session_usec; /* T as granted */
        uint64_t lease_usec;   /* D = 0.8 T */
        uint64_t renew_usec;   /* R = D / 6 */
        uint64_t grace_usec;   /* G = D / 4 unless asked for */
        uint64_t kill_usec;    /* K = max(250 ms, D / 12) */
} Timing;

/* Derives the numbers from the granted session timeout. GRACE_USEC: 0 for the default. Returns 0,
 * or -ERANGE when they do not fit, with the reason and the numbers in PROBLEM (a sentence). */
int timing_init(Timing *timing, uint64_t granted_usec, uint64_t grace_usec, char *problem, size_t problem_size);

/* W for a record that says its lease is LEASE_USEC (0 or more than the maximum: the maximum). */
uint64_t timing_takeover_wait_usec(uint64_t lease_usec);
