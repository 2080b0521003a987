/* Containment: how the tree of a run is held together, killed, and proved to be empty.
 *
 *   subreaper  every descendant whose parent dies becomes the guard's child; empty when the guard
 *              has no child (waitid: ECHILD). Always on, the others add to it
 *   cgroup     and all are in a control group of their own: cgroup.kill is safe against fork and
 *              reaches processes of other users; empty when its "populated" is 0 as well
 *   pidns      and all are in a PID namespace: killing its init kills all, and the init cannot
 *              be reaped before all are dead (zap_pid_ns_processes)
 *
 * Everything that killing needs is open before a run begins. The guard itself stays outside, so
 * that no limit of the tree slows it and no kill of the tree ends it.
 *
 * A command that drives a systemd service answers for processes that are no descendants of it: those in the
 * service's control group, which are frozen and killed with the tree and are looked for before it counts as empty. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "guard/service-group.h"
#include "guard/tree.h"
#include "guard/wire.h"

typedef struct Contain {
        enum WireContain mode;
        Tree tree;
        int group_fd, kill_fd, events_fd, freeze_fd, procs_fd; /* cgroup */
        bool born_inside; /* cgroup: whether clone3(2) may put the command there */
        int guard_fd;     /* a pidfd of the guard */
        pid_t init;       /* pidns: 0 between runs */
        int init_fd;
        int page_fd; /* the lease page, which the init keeps for the tree to look at */
        ServiceGroup service;
} Contain;

/* Opens what MODE needs; CGROUP is the directory of the group, and BORN_INSIDE whether a child can be born in it. A mode that is not to be had becomes
 * subreaper: the caller reports contain->mode. PAGE_FD stays the caller's. */
void contain_open(Contain *contain, enum WireContain mode, const char *cgroup, bool born_inside, int page_fd);

/* The command drives the service whose processes are in the group at PATH: what service_group_open() says. */
int contain_add_service(Contain *contain, const char *path);

/* Before the command is forked: makes the namespace. Returns 0 or a negative errno. */
int contain_begin(Contain *contain);
/* Forks as fork(2) does, into the containment; the command is the guard's own child. Returns 0 in it,
 * the pid, or a negative errno. *born_inside is for contain_enter(). */
pid_t contain_fork(const Contain *contain, bool *born_inside);
/* In the child, what is left to do inside. Returns 0 or a negative errno. */
int contain_enter(const Contain *contain, bool born_inside);
/* In the child, after PR_SET_PDEATHSIG, which a guard that died before does not trigger. */
bool contain_guard_is_dead(const Contain *contain, pid_t guard);

/* SIGNAL to every process of the tree. */
void contain_signal(const Contain *contain, int signal);
void contain_freeze(Contain *contain);
void contain_thaw(Contain *contain);
/* One round of SIGKILL to all; MAIN is the command, 0 if it has ended. */
void contain_kill(Contain *contain, pid_t main);

/* The command has ended. */
void contain_main_ended(const Contain *contain);
/* A child was reaped; true if it was the containment's own. */
bool contain_reaped(Contain *contain, pid_t pid);
/* To be asked when the guard has no child left: whether that is the whole truth. */
bool contain_is_empty(Contain *contain);
