#include "util/random.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "util/clock.h"

void random_init(Random *r, uint64_t seed)
{
        r->state = seed;
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the finalizer
 * with Stafford's constants. */
uint64_t random_next(Random *r)
{
        uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
}

uint64_t random_below(Random *r, uint64_t bound)
{
        return bound ? (uint64_t)(((__uint128_t)random_next(r) * bound) >> 64) : 0;
}

uint64_t random_seed_from_kernel(void)
{
        uint64_t seed;

        /* 8 bytes are never short (random(7)); early in boot the clock has to do. */
        if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
                seed = clock_boottime_usec();
        return seed;
}

void random_uuid(char out[RANDOM_ID_MAX])
{
        Random r;
        uint64_t a, b;

        random_init(&r, random_seed_from_kernel());
        a = random_next(&r);
        random_init(&r, random_seed_from_kernel() ^ a);
        b = random_next(&r);
        snprintf(out, RANDOM_ID_MAX, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, 0x8000 | ((unsigned)(b >> 48) & 0x3fff),
                (unsigned long long)(b & 0xffffffffffffULL));
}
