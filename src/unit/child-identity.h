/* Child identity: the user and the groups that a command runs as, looked up by name and given as numbers.
 *
 * The look-up asks the host's databases (nsswitch.conf), which may be a server somewhere that takes its time; it
 * is made when a guard is started, not when the command is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "unit/child-config.h"

typedef struct ChildIdentity {
        bool changes;    /* else the command stays who we are, and the numbers are not to be used */
        bool has_user, has_group;
        uid_t uid;       /* if has_user */
        gid_t gid;       /* if has_group */
        gid_t *groups;   /* of the user; NULL: no user */
        size_t n_groups;
        char *name, *home, *shell; /* of the user, for the environment; NULL: the database does not say */
} ChildIdentity;

/* Returns 0, -EINVAL (nobody is called so), -EPERM (we may not change to it) or what the database said, with a
 * sentence in PROBLEM. The caller deinits in any case. */
int child_identity_resolve(
        ChildIdentity *identity, const ChildConfig *config, char *problem, size_t problem_size);
void child_identity_deinit(ChildIdentity *identity);
static inline void child_identity_deinit_cleanup(ChildIdentity *identity)
{
        child_identity_deinit(identity);
}
