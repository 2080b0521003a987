/* How the program zksup-guard is found and executed; private to spawn. */
#pragma once

#include <sys/types.h>
#include "unit/child-identity.h"
#include "unit/spawn.h"

typedef struct SpawnGuard {
        const char *path;
        int page_fd, socket_fd; /* ours keep CLOEXEC; the guard gets copies of the same number */
        unsigned slot;
        const char *cgroup; /* NULL: none */
        bool born;          /* a child can be born in it */
        enum ContainMode contain;
        const ChildIdentity *identity;
        char *const *environment;
} SpawnGuard;

/* Executes the guard. Returns 0 and *pid, or a negative errno. */
int spawn_guard_execute(const SpawnGuard *guard, const SpawnConfig *config, pid_t *pid);
