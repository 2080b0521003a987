/* A clock that runs at a wrong rate, for the fault suite: in a build with -Dtest_clock=true the
 * CLOCK_BOOTTIME of supervisor and guard is multiplied by $ZKSUP_TEST_CLOCK_RATE. Such a build is good
 * for nothing else and says so; in any other these are the identity. */
#pragma once

#include <stdint.h>

#ifdef ZKSUP_TEST_CLOCK

#include <stdio.h>
#include <stdlib.h>

static inline double test_clock_rate(void)
{
        static double rate;

        if (rate <= 0) {
                const char *text = getenv("ZKSUP_TEST_CLOCK_RATE");

                rate = text ? strtod(text, NULL) : 1;
                rate = rate > 0 ? rate : 1;
                fprintf(stderr, "zksup: clock rate %g: this build is for tests only\n", rate);
        }
        return rate;
}

/* What the clock of the kernel says -> what we take it for. */
static inline uint64_t test_clock_read(uint64_t usec)
{
        return (uint64_t)((double)usec * test_clock_rate());
}

/* A time of ours -> the one to give to a timer of the kernel. */
static inline uint64_t test_clock_timer(uint64_t usec)
{
        return usec == UINT64_MAX ? usec : (uint64_t)((double)usec / test_clock_rate());
}

#else

static inline uint64_t test_clock_read(uint64_t usec)
{
        return usec;
}

static inline uint64_t test_clock_timer(uint64_t usec)
{
        return usec;
}

#endif
