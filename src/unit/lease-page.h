/* The lease page: a memfd with two 64-bit deadlines per slot, CLOCK_BOOTTIME in microseconds. The
 * supervisor writes, each guard maps it read-only and reads its own slot. So a renewal costs no
 * system call per child, and a guard needs nobody's help to know when the lease ends.
 *
 * A deadline is 0 (nothing held: the guard refuses to start, and kills what runs), a time, or
 * LEASE_DEADLINE_NONE for a unit without holds.
 *
 * The words 0 to slots-1 are the guards', the words after them, in the same order, are the commands',
 * for whoever of the tree wants to know (unit/lease-view.h). They are equal but for a hold that is known to
 * be lost: the command is not told that it has it, while the guard still grants the grace that the lease
 * had room for.
 *
 * The memfd is sealed: it neither grows nor shrinks, and whoever opens it through /proc cannot write. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "util/macros.h"

#define LEASE_DEADLINE_NONE UINT64_MAX
#define LEASE_PAGE_ENV "ZKSUP_LEASE"
#define LEASE_PAGE_ENV_MAX 224

typedef struct LeasePage LeasePage;

/* A page with room for SLOTS deadlines, all 0. Returns 0, -EINVAL (no slots), -ENOMEM or what
 * memfd_create said. */
int lease_page_new(LeasePage **out, unsigned slots);
/* The same, to be handed to a program that takes our place: it needs a mapping of its own to write, so those who may open
 * our descriptors, and could as well kill us, can have one too. */
int lease_page_new_lasting(LeasePage **out, unsigned slots);
/* The one that FD is, as that function made it, with as many SLOTS as it has; FD is ours from now on, in every case. No slot
 * is taken. Returns 0, -EINVAL (it is none), or what mmap() said. */
int lease_page_adopt(LeasePage **out, int fd, unsigned slots);
LeasePage *lease_page_free(LeasePage *page);
CLEANUP_DEFINE(LeasePage, lease_page_free);

unsigned lease_page_slots(const LeasePage *page);
/* The memfd; the page keeps it. */
int lease_page_fd(const LeasePage *page);

/* Takes a free slot and sets it to 0. Returns the slot, or -ENOSPC. */
int lease_page_alloc_slot(LeasePage *page);
/* Takes this slot, and leaves what is in it. Returns 0 or -EBUSY. */
int lease_page_take_slot(LeasePage *page, unsigned slot);
bool lease_page_is_taken(const LeasePage *page, unsigned slot);
/* Sets the slot to 0 and gives it back. Only once no guard reads it any more. */
void lease_page_free_slot(LeasePage *page, unsigned slot);

/* Both words of the slot. */
void lease_page_set(LeasePage *page, unsigned slot, uint64_t deadline_usec);
/* The hold is known to be lost: the command's word is 0 from now on, the guard's stays. */
void lease_page_disown(LeasePage *page, unsigned slot);
uint64_t lease_page_get(const LeasePage *page, unsigned slot);

/* For commands that run as other users: the commands' words are from now on in a file that they may read, too
 * (unit/lease-file.h). Twice is safe. Returns 0 or a negative errno, after which all is as before. */
int lease_page_publish(LeasePage *page);
/* That file, NULL if there is none, and its descriptor; for a program that takes our place, and how it goes on with it: FD
 * is the page's from now on, in every case. */
const char *lease_page_file(const LeasePage *page, int *fd);
int lease_page_adopt_file(LeasePage *page, int fd, const char *path);

/* Writes "ZKSUP_LEASE=PID:FD:WORD:INODE[:PATH]", which tells the command of SLOT where its deadline is: the word
 * WORD of what is open in the process PID, ours, as FD; INODE proves that it is the page; or that of the file at PATH. */
void lease_page_env(const LeasePage *page, unsigned slot, char text[LEASE_PAGE_ENV_MAX]);
