/* Child environment: what a command finds in its environment besides what zksup adds to each run. It is
 * the guard's own environment, which needs none. */
#pragma once

#include "unit/child-config.h"
#include "unit/child-identity.h"

typedef struct ChildEnvironment {
        char **envp; /* "NAME=value", NULL at the end; the strings are ours, the configuration's and the process's */
        char *own[4];
} ChildEnvironment;

/* CONFIG may be NULL. Returns 0 or -ENOMEM. The caller deinits in any case. */
int child_environment_make(
        ChildEnvironment *environment, const ChildConfig *config, const ChildIdentity *identity);
void child_environment_deinit(ChildEnvironment *environment);
static inline void child_environment_deinit_cleanup(ChildEnvironment *environment)
{
        child_environment_deinit(environment);
}
