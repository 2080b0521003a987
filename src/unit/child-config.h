/* How a command runs besides being run: as whom, where, with which limits and environment. What is not
 * set is as zksup itself was started. Read by spawn_new(), which resolves the names and hands numbers to
 * the guard; the guard applies them between fork and exec. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include "guard/wire.h"

#define CHILD_LIMITS_MAX 16

typedef struct ChildLimit {
        int resource; /* RLIMIT_... */
        rlim_t soft, hard;
} ChildLimit;

typedef struct ChildConfig {
        const char *user, *group;   /* names or numbers; NULL: ours. A user brings its groups, and HOME, USER,
                                     * LOGNAME and SHELL */
        const char *directory;      /* NULL: ours */
        char *const *environment;   /* "NAME=value", before what zksup adds; NULL: none */
        bool clear_environment;     /* nothing of ours but PATH, LANG, TZ */
        ChildLimit limits[CHILD_LIMITS_MAX];
        size_t n_limits;
        int umask;                  /* -1: ours */
        bool has_nice, has_oom_score_adjust;
        int nice, oom_score_adjust;
} ChildConfig;

#define CHILD_CONFIG_DEFAULT ((ChildConfig){.umask = -1})

/* The name of RLIMIT_... in a configuration. */
const char *child_config_resource_name(int resource);
/* What of CHILD (or NULL) could not be done for COMMAND, in one line, from what an EXEC_FAILED says. */
void child_config_explain(const ChildConfig *child, const char *command, enum WireStage stage, int error,
        unsigned which, char *text, size_t size);
