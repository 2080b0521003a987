/* The slots that the leases of a semaphore name: "_c_zksup-<id>-s<slot>-lease-<seq>". */
#pragma once

#include "recipe/numbers.h"

#define SEMAPHORE_KIND_MAX 24

/* What stands between the id and the digits of a lease, see contend.h. */
void semaphore_slots_kind(char kind[SEMAPHORE_KIND_MAX], unsigned slot);
/* The slots of the leases among NAMES; those of foreign clients name none. Returns 0 or -ENOMEM. */
int semaphore_slots_living(Numbers *slots, const char *const *names, size_t n);
