#include "util/clock.h"

#include <time.h>
#include "util/test-clock.h"

static uint64_t clock_usec(clockid_t id)
{
        struct timespec ts = {0};

        clock_gettime(id, &ts); /* cannot fail for these clocks */
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_boottime_usec(void)
{
        return test_clock_read(clock_usec(CLOCK_BOOTTIME));
}

uint64_t clock_realtime_usec(void)
{
        return clock_usec(CLOCK_REALTIME);
}
