#include "unit/child-environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/macros.h"
#include "util/text.h"

static const char *const user_names[] = {"HOME", "USER", "LOGNAME", "SHELL"};
/* What stays of an environment that is cleared. */
static const char *const kept_names[] = {"PATH", "LANG", "TZ",
#ifdef ZKSUP_TEST_CLOCK
        "ZKSUP_TEST_CLOCK_RATE",
#endif
};

/* Whether ASSIGNMENT is "NAME=...", NAME being LEN long. */
static bool assigns(const char *assignment, const char *name, size_t len)
{
        return strncmp(assignment, name, len) == 0 && assignment[len] == '=';
}

static bool is_one_of(const char *assignment, const char *const *names, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (assigns(assignment, names[i], strlen(names[i])))
                        return true;
        return false;
}

static size_t count(char *const *list)
{
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

/* In place of what has the same name, or at the end. */
static void put(char **envp, size_t *n, char *assignment)
{
        size_t len = strcspn(assignment, "="), i = 0;

        while (i < *n && !assigns(envp[i], assignment, len))
                i++;
        envp[i] = assignment;
        *n += i == *n;
}

/* A user of whom nothing is known leaves these unset: ours would be wrong. */
static int put_user(ChildEnvironment *e, size_t *n, const ChildIdentity *identity)
{
        const char *values[] = {identity->home, identity->name, identity->name, identity->shell};

        for (size_t i = 0; i < ARRAY_SIZE(user_names); i++) {
                if (!values[i])
                        continue;
                if (asprintf(&e->own[i], "%s=%s", user_names[i], values[i]) < 0) {
                        e->own[i] = NULL;
                        return -ENOMEM;
                }
                put(e->envp, n, e->own[i]);
        }
        return 0;
}

int child_environment_make(ChildEnvironment *e, const ChildConfig *config, const ChildIdentity *identity)
{
        bool clear = config && config->clear_environment, user = identity->has_user;
        char *const *set = config ? config->environment : NULL;
        size_t n = 0;

        memset(e, 0, sizeof(*e));
        e->envp = calloc(count(environ) + count(set) + ARRAY_SIZE(user_names) + 1, sizeof(*e->envp));
        if (!e->envp)
                return -ENOMEM;
        for (char **ours = environ; ours && *ours; ours++)
                if (!(clear && !is_one_of(*ours, kept_names, ARRAY_SIZE(kept_names))) &&
                        !(user && is_one_of(*ours, user_names, ARRAY_SIZE(user_names))))
                        e->envp[n++] = *ours;
        if (user && put_user(e, &n, identity) < 0)
                return -ENOMEM;
        for (; set && *set; set++)
                put(e->envp, &n, *set);
        e->envp[n] = NULL;
        return 0;
}

void child_environment_deinit(ChildEnvironment *e)
{
        for (size_t i = 0; i < ARRAY_SIZE(e->own); i++)
                free(e->own[i]);
        free(e->envp);
        memset(e, 0, sizeof(*e));
}
