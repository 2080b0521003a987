/* The control group of a systemd service that the command drives: not ours and not below us, made and
 * removed by systemd as the service comes and goes, so there is nothing to open while it is not there.
 * What stays is the root of the hierarchy. That is opened early, and the files of the group are opened
 * from there when they are needed, in one reserved descriptor: a look-up in kernfs, which is memory
 * alone, by a process that has room in its table.
 *
 * Sound the other way round: only "no such group" and "populated 0" count as empty. Whatever else opening
 * or reading says (no descriptor, no memory) is "somebody may be there", and the caller looks again.
 *
 * Shared by the guard and by the supervisor, which kills in the guard's place. */
#pragma once

#include <stdbool.h>

/* The path below the root and the name of a file in it. */
#define SERVICE_GROUP_PATH_MAX 1024

typedef struct ServiceGroup {
        int root_fd;    /* of the cgroup2 mount; -1: there is no service */
        int reserve_fd; /* keeps a place in the table free; -1 while it is in use */
        unsigned len;   /* of the group's own path in PATH */
        char path[SERVICE_GROUP_PATH_MAX];
} ServiceGroup;

/* For a unit that drives no service: all below then do nothing, and it is empty. */
void service_group_init(ServiceGroup *group);
/* PATH is absolute, in a mount of cgroup2; the group need not be there. Returns 0, -EINVAL (PATH is in
 * no such mount), -ENAMETOOLONG, or what open() says. */
int service_group_open(ServiceGroup *group, const char *path);
void service_group_close(ServiceGroup *group);

/* SIGKILL to all in it; if there is no such group, nothing. */
void service_group_kill(ServiceGroup *group);
void service_group_freeze(ServiceGroup *group, bool freeze);
/* Whether that nobody is in it is proved. */
bool service_group_is_empty(ServiceGroup *group);
