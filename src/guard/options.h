/* The command line of zksup-guard. Written by spawn.c alone, so a mistake in it is a bug, not a
 * user's error, and is answered with one line and exit status 125. */
#pragma once

#include <stdbool.h>
#include "guard/child.h"
#include "guard/settings.h"
#include "guard/wire.h"

/*   zksup-guard --page-fd N --slot I --socket-fd N --contain subreaper|cgroup|pidns
 *               [--cgroup DIR] [--born] [--kill-cgroup DIR] [--directory DIR] [--pass-fd N]... [--pass-at N] [--terminal]
 *               [--uid N] [--gid N] [--groups N,...] [--umask N] [--nice N] [--oom N] [--limit N:SOFT:HARD]...
 *               -- CMD ARGS...
 *
 * --pass-fd: the first arrives in the command as the descriptor of --pass-at (3), the next as the one
 * after it, ...
 * --born: a child can be born in the group, and need not enter it
 * --kill-cgroup: of the systemd service that the command drives, see service-group.h */
typedef struct Options {
        int page_fd, socket_fd;
        unsigned slot;
        enum WireContain contain;
        const char *cgroup, *kill_cgroup;
        Settings settings;
        bool terminal, born;
        int pass_fds[CHILD_PASS_FDS_MAX];
        unsigned n_pass_fds;
        int pass_at;
        char **argv;
} Options;

/* Returns NULL, or what is wrong. Everything points into ARGV. */
const char *options_parse(Options *options, char **argv);

/* Closes every descriptor that is neither 0, 1, 2 nor named in the options. */
void options_close_others(const Options *options);
