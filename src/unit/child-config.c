#include "unit/child-config.h"

#include <stdio.h>
#include <string.h>
#include "util/macros.h"

static const struct {
        int resource;
        const char *name;
} resources[] = {
        {RLIMIT_AS, "as"},
        {RLIMIT_CORE, "core"},
        {RLIMIT_CPU, "cpu"},
        {RLIMIT_DATA, "data"},
        {RLIMIT_FSIZE, "fsize"},
        {RLIMIT_LOCKS, "locks"},
        {RLIMIT_MEMLOCK, "memlock"},
        {RLIMIT_MSGQUEUE, "msgqueue"},
        {RLIMIT_NICE, "nice"},
        {RLIMIT_NOFILE, "nofile"},
        {RLIMIT_NPROC, "nproc"},
        {RLIMIT_RSS, "rss"},
        {RLIMIT_RTPRIO, "rtprio"},
        {RLIMIT_RTTIME, "rttime"},
        {RLIMIT_SIGPENDING, "sigpending"},
        {RLIMIT_STACK, "stack"},
};

const char *child_config_resource_name(int resource)
{
        for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
                if (resources[i].resource == resource)
                        return resources[i].name;
        return "of a kind unknown here";
}

static void bound_to_string(rlim_t bound, char text[static 24])
{
        if (bound == RLIM_INFINITY)
                snprintf(text, 24, "unlimited");
        else
                snprintf(text, 24, "%llu", (unsigned long long)bound);
}

static void explain_limit(const ChildConfig *child, unsigned resource, const char *why, char *text, size_t size)
{
        char soft[24], hard[24];

        for (size_t i = 0; child && i < child->n_limits; i++)
                if (child->limits[i].resource == (int)resource) {
                        bound_to_string(child->limits[i].soft, soft);
                        bound_to_string(child->limits[i].hard, hard);
                        snprintf(text, size, "cannot set limit '%s' to %s:%s: %s", child_config_resource_name((int)resource),
                                soft, hard, why);
                        return;
                }
        snprintf(text, size, "cannot put back limit '%s': %s", child_config_resource_name((int)resource), why);
}

static void explain_group(const ChildConfig *child, const char *why, char *text, size_t size)
{
        if (child && child->group)
                snprintf(text, size, "cannot change to group '%s': %s", child->group, why);
        else
                snprintf(text, size, "cannot change to the groups of user '%s': %s", child && child->user ? child->user : "?",
                        why);
}

void child_config_explain(const ChildConfig *child, const char *command, enum WireStage stage, int error,
        unsigned which, char *text, size_t size)
{
        const char *why = strerror(error), *user = child && child->user ? child->user : NULL;

        switch (stage) {
        case WIRE_STAGE_LEASE:
                snprintf(text, size, "the lease was about to end before the start of '%s'", command);
                return;
        case WIRE_STAGE_FORK:
                snprintf(text, size, "cannot fork for '%s': %s", command, why);
                return;
        case WIRE_STAGE_SETUP:
                snprintf(text, size, "cannot set up '%s': %s", command, why);
                return;
        case WIRE_STAGE_EXEC:
                snprintf(text, size, "cannot execute '%s'%s%s%s: %s", command, user ? " as user '" : "", user ?: "",
                        user ? "'" : "", why);
                return;
        case WIRE_STAGE_LIMIT:
                explain_limit(child, which, why, text, size);
                return;
        case WIRE_STAGE_NICE:
                snprintf(text, size, "cannot set nice to %d: %s", child ? child->nice : 0, why);
                return;
        case WIRE_STAGE_OOM:
                snprintf(text, size, "cannot set oom-score-adjust to %d: %s", child ? child->oom_score_adjust : 0, why);
                return;
        case WIRE_STAGE_GROUPS:
                explain_group(child, why, text, size);
                return;
        case WIRE_STAGE_USER:
                snprintf(text, size, "cannot change to user '%s': %s", user ?: "?", why);
                return;
        case WIRE_STAGE_DIRECTORY:
                snprintf(text, size, "cannot change to directory '%s'%s%s%s: %s",
                        child && child->directory ? child->directory : "?", user ? " as user '" : "", user ?: "",
                        user ? "'" : "", why);
                return;
        }
        snprintf(text, size, "cannot start '%s': %s", command, why);
}
