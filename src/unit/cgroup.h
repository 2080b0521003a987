/* Control groups version 2, as a container for a unit's processes: a directory below the
 * supervisor's own, if that one is ours to use. No controllers, no limits; only cgroup.kill and
 * cgroup.events, which need none (so a hybrid mount without controllers is enough).
 *
 * Ours to use: under systemd only what is marked as delegated (systemd's CGROUP_DELEGATION.md: a
 * single writer per subtree), elsewhere what we may write to. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The absolute path of the directory below which we may make groups, into a new string that the
 * caller frees. Returns 0, -ENOENT (no version 2 mount), -EACCES (not delegated, or read-only),
 * -EOPNOTSUPP (no cgroup.kill: Linux before 5.14). */
int cgroup_find_own(char **path);

/* Where PATH of the hierarchy, as /proc/PID/cgroup has it, shows in the file system: a new string that the caller
 * frees. It need not exist. Returns 0 or -ENOENT (no version 2 mount that shows it). */
int cgroup_find_mounted(const char *path, char **out);

/* Makes PARENT/NAME. PATH is the caller's to free. Returns 0 or a negative errno; a directory of that
 * name which is there already and has no process in it is replaced, else -EBUSY. */
int cgroup_make(const char *parent, const char *name, char **path);
/* Whether a child can be born in the group at PATH, which has never been killed. Since Linux 6.14 one is killed at birth
 * when the group and our own have not seen the same number of cgroup.kill (kernel/cgroup/cgroup.c takes kill_seq from one and
 * compares it with the other's), so it has to be tried. Where it cannot, a child enters by cgroup.procs. */
bool cgroup_can_be_born(const char *path);
/* Removes the directory and empty ones below it. Returns 0 or a negative errno (-EBUSY: processes). */
int cgroup_remove(const char *path);

/* Both take a descriptor that was opened before: nothing is opened or allocated here. */
int cgroup_kill(int kill_fd);
/* 1 if a process is in the group or below it, 0 if none, or a negative errno. */
int cgroup_is_populated(int events_fd);
/* Whether somebody has removed the group. */
bool cgroup_is_gone(int events_fd);
/* Opens FILE ("cgroup.kill", "cgroup.events", ...) in PATH, or gives a negative errno. */
int cgroup_open(const char *path, const char *file, int flags);
