/* The clock of zksup: CLOCK_BOOTTIME in microseconds. It counts suspend, which CLOCK_MONOTONIC
 * does not: a lease goes on running out while a laptop or a virtual machine sleeps. */
#pragma once

#include <stdint.h>

#define USEC_PER_MSEC 1000ULL
#define USEC_PER_SEC 1000000ULL
#define USEC_INFINITY UINT64_MAX

uint64_t clock_boottime_usec(void);
/* Wall clock, for people only (log lines, records); never for a deadline. */
uint64_t clock_realtime_usec(void);

/* a + b, saturating at USEC_INFINITY. */
static inline uint64_t usec_add(uint64_t a, uint64_t b)
{
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

/* a - b, not below 0; infinity stays infinity. */
static inline uint64_t usec_sub(uint64_t a, uint64_t b)
{
        return a == USEC_INFINITY ? a : a > b ? a - b : 0;
}
