/* Lease view: how a process of a supervised tree finds the deadline of its own hold, with nothing but the
 * environment and /proc. It works for descendants that have closed every descriptor, and while the
 * supervisor is busy or stopped: the page is memory, nobody is asked.
 *
 * ZKSUP_LEASE names a process and its descriptor. The process may be gone and its pid another's, or /proc may
 * be that of a PID namespace of the tree's own, where the namespace's init holds the page under the same
 * number: so both are tried, and the inode, on the file system that memfds are on, decides. A file that is not
 * the page is never opened.
 *
 * Who runs as another user than zksup may not look there, and finds the deadline in the file that ZKSUP_LEASE then names
 * besides (unit/lease-file.h). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "unit/lease-file.h"

typedef struct LeaseView {
        uint64_t pid, fd, word, inode;
        char path[LEASE_FILE_PATH_MAX]; /* "": no file */
} LeaseView;

/* Reads the value of ZKSUP_LEASE. Returns 0 or -EINVAL. More fields after a further colon are ignored. */
int lease_view_parse(LeaseView *view, const char *text);

/* The deadline: 0, a time on CLOCK_BOOTTIME, or LEASE_DEADLINE_NONE. A caller that compares it with the clock reads
 * the clock afterwards. Returns 0, or a negative errno with a sentence in PROBLEM. */
int lease_view_read(const LeaseView *view, uint64_t *deadline_usec, char *problem, size_t problem_size);
