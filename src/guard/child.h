/* Child: from the fork to the exec of the command, and what went wrong in between.
 *
 * The order matters: the group and the namespace first, the terminal next, the directory we
 * were started in, limits that are raised, priority and user (settings.h), then PR_SET_PDEATHSIG (a change of user
 * would clear it, and it is raced by the guard's own death, hence the check after it), the unit's directory with the
 * user's rights, the descriptors, the limits that remain, last the dispositions and the mask, after which a
 * signal may kill. The child tells of a failure through a pipe that a successful exec closes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "guard/contain.h"
#include "guard/settings.h"
#include "guard/wire.h"

#define CHILD_PASS_FDS_MAX 64
#define CHILD_PASS_AT_LIMIT 256

typedef struct Child {
        char **argv;
        const Settings *settings;
        int cwd_fd;
        int tty_fd; /* -1: no terminal */
        bool foreground;
        int pass_fds[CHILD_PASS_FDS_MAX];
        unsigned n_pass_fds;
        int pass_at; /* the descriptor that the first of them becomes, below CHILD_PASS_AT_LIMIT */
        int nice;        /* what the guard itself was started with */
        char oom_adj[8]; /* likewise; empty: leave alone */
        pid_t guard;
} Child;

/* How a start failed, as it goes through the pipe. */
typedef struct ChildError {
        int32_t stage; /* enum WireStage */
        int32_t error;
        uint32_t which;
} ChildError;

/* Forks and execs. Returns the pid, with *error_fd for child_result(), or a negative errno. */
pid_t child_start(const Child *child, const Contain *contain, const WireStart *start, int *error_fd);

/* Reads what the pipe says, without waiting: 1 if the command was executed (or died before), 0 with
 * *error, or -EAGAIN. */
int child_result(int error_fd, ChildError *error);
