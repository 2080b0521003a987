#include "recipe/timing.h"

#include <errno.h>
#include <stdio.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/macros.h"

int timing_init(Timing *timing, uint64_t granted_usec, uint64_t grace_usec, char *problem, size_t problem_size)
{
        Timing t = {.session_usec = granted_usec};
        uint64_t need;
        char a[DURATION_STRING_MAX], b[DURATION_STRING_MAX], c[DURATION_STRING_MAX], d[DURATION_STRING_MAX];

        t.lease_usec = MIN(granted_usec / 10 * 8, TIMING_LEASE_MAX_USEC);
        t.renew_usec = t.lease_usec / 6;
        t.grace_usec = grace_usec ? grace_usec : t.lease_usec / 4;
        t.kill_usec = MAX(250 * USEC_PER_MSEC, t.lease_usec / 12);
        /* Room for one renewal period and as much again for the reply. */
        need = usec_add(usec_add(t.grace_usec, t.kill_usec), 2 * t.renew_usec);
        if (need >= t.lease_usec) {
                /* T such that 0.8 T (1 - 2/6 [- 1/12]) > G + K */
                uint64_t timeout = MAX(usec_add(t.grace_usec, 250 * USEC_PER_MSEC) / 8 * 15,
                        t.grace_usec == USEC_INFINITY ? USEC_INFINITY : t.grace_usec / 28 * 60);

                snprintf(problem, problem_size,
                        "grace %s does not fit the granted session timeout %s: lease %s must exceed grace + "
                        "kill budget + two renewals = %s; ask for --session-timeout above %s, or a shorter --grace",
                        duration_to_string(t.grace_usec, a), duration_to_string(granted_usec, b),
                        duration_to_string(t.lease_usec, c), duration_to_string(need, d),
                        duration_to_string(timeout, (char[DURATION_STRING_MAX]){0}));
                return -ERANGE;
        }
        *timing = t;
        return 0;
}

uint64_t timing_takeover_wait_usec(uint64_t lease_usec)
{
#ifdef ZKSUP_MUTATE_NO_WAIT
        lease_usec = 1; /* for the tests that must notice */
#endif
        if (lease_usec == 0 || lease_usec > TIMING_LEASE_MAX_USEC)
                lease_usec = TIMING_LEASE_MAX_USEC;
        /* rounded up: a microsecond short would be short */
        return (lease_usec * (100 + TIMING_RHO_PERCENT) + (100 - TIMING_RHO_PERCENT) - 1) /
                (100 - TIMING_RHO_PERCENT);
}
