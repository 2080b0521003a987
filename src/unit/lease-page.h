/* The lease page: a memfd with one 64-bit deadline per slot, CLOCK_BOOTTIME in microseconds. The
 * supervisor writes, each guard maps it read-only and reads its own slot. So a renewal costs no
 * system call per child, and a guard needs nobody's help to know when the lease ends.
 *
 * A slot is 0 (nothing held: the guard refuses to start, and kills what runs), a time, or
 * LEASE_DEADLINE_NONE for a unit without holds. */
#pragma once

#include <stdint.h>
#include "util/macros.h"

#define LEASE_DEADLINE_NONE UINT64_MAX

typedef struct LeasePage LeasePage;

/* A page with room for SLOTS deadlines, all 0. Returns 0, -EINVAL (no slots), -ENOMEM or what
 * memfd_create said. */
int lease_page_new(LeasePage **out, unsigned slots);
LeasePage *lease_page_free(LeasePage *page);
CLEANUP_DEFINE(LeasePage, lease_page_free);

/* The memfd; the page keeps it. */
int lease_page_fd(const LeasePage *page);

/* Takes a free slot and sets it to 0. Returns the slot, or -ENOSPC. */
int lease_page_alloc_slot(LeasePage *page);
/* Sets the slot to 0 and gives it back. Only once no guard reads it any more. */
void lease_page_free_slot(LeasePage *page, unsigned slot);

void lease_page_set(LeasePage *page, unsigned slot, uint64_t deadline_usec);
uint64_t lease_page_get(const LeasePage *page, unsigned slot);
