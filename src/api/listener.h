/* The listening sockets of the control interface, made before the loop runs: a Unix socket that only its owner
 * (and perhaps a group) may use, and a numeric TCP address; and who is at the other end of the Unix socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LISTENER_NO_GROUP ((gid_t)-1)

/* Makes the directory of PATH if need be, and listens at PATH: mode 0600, or 0660 with GID. What a dead process
 * left there is replaced. Returns the descriptor (non-blocking), or a negative errno with a sentence in PROBLEM:
 * -EADDRINUSE (a living process listens there), -EEXIST (it is no socket), ... */
int listener_unix(const char *path, gid_t gid, char *problem, size_t problem_size);

/* ADDRESS is 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one. As above. */
int listener_tcp(const char *address, char *problem, size_t problem_size);

/* By name or number; returns 0, or a negative errno with a sentence in PROBLEM. */
int listener_find_group(const char *group, gid_t *gid, char *problem, size_t problem_size);

/* Whether the peer of FD, a connection of a Unix socket, is our user, root, or in GID. */
bool listener_may_use(int fd, gid_t gid);
