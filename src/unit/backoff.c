#include "unit/backoff.h"

#include "util/clock.h"
#include "util/macros.h"

BackoffPolicy backoff_policy_default(void)
{
        return (BackoffPolicy){.initial_usec = 100 * USEC_PER_MSEC,
                .cap_usec = 30 * USEC_PER_SEC,
                .healthy_usec = 10 * USEC_PER_SEC,
                .factor_percent = 200,
                .jitter_percent = 50,
                .limit = 10,
                .window_usec = 60 * USEC_PER_SEC};
}

void backoff_init(Backoff *b, const BackoffPolicy *policy)
{
        *b = (Backoff){.policy = *policy};
}

/* n * percent / 100, saturating. */
static uint64_t scale(uint64_t n, uint32_t percent)
{
        unsigned __int128 wide = (unsigned __int128)n * percent / 100;

        return wide > USEC_INFINITY ? USEC_INFINITY : (uint64_t)wide;
}

uint64_t backoff_next(Backoff *b, Random *r, uint64_t lived_usec)
{
        const BackoffPolicy *p = &b->policy;
        uint64_t base, share;

        if (lived_usec >= p->healthy_usec) {
                b->base_usec = 0;
                return 0;
        }
        base = MIN(b->base_usec ? b->base_usec : p->initial_usec, p->cap_usec);
        b->base_usec = MIN(scale(base, MAX(p->factor_percent, 100U)), p->cap_usec);
        share = scale(base, MIN(p->jitter_percent, 100U));
        return base - share + random_below(r, usec_add(share, 1));
}

bool backoff_allow(Backoff *b, uint64_t now_usec)
{
        const BackoffPolicy *p = &b->policy;

        if (p->limit == 0)
                return true;
        if (b->window_count == 0 || now_usec >= usec_add(b->window_start_usec, p->window_usec)) {
                b->window_start_usec = now_usec;
                b->window_count = 0;
        }
        if (b->window_count >= p->limit)
                return false;
        b->window_count++;
        return true;
}

void backoff_reset(Backoff *b)
{
        b->base_usec = 0;
        b->window_start_usec = 0;
        b->window_count = 0;
}
