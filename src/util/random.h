/* A small seeded generator for jitter and for tests (splitmix64), and identifiers from the kernel.
 * Not for secrets. The C library's generator is left alone: the ZooKeeper client reseeds it. */
#pragma once

#include <stdint.h>

typedef struct Random {
        uint64_t state;
} Random;

#define RANDOM_ID_MAX 37 /* 36 characters and NUL */

void random_init(Random *r, uint64_t seed);
uint64_t random_next(Random *r);
/* Uniform in [0, bound); 0 if bound is 0. */
uint64_t random_below(Random *r, uint64_t bound);

uint64_t random_seed_from_kernel(void);
/* A version 4 UUID (RFC 9562) in its usual text form. */
void random_uuid(char out[RANDOM_ID_MAX]);
