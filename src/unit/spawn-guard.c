#include "unit/spawn-guard.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include "unit/descriptors.h"
#include "util/text.h"

#ifndef ZKSUP_LIBEXECDIR
#define ZKSUP_LIBEXECDIR "/usr/libexec/zksup"
#endif

#define NUMBER_MAX 64 /* a limit: three numbers */
#define OPTIONS_MAX 64 /* words, besides those for descriptors and limits */
#define PASS_FDS_MAX 64 /* the guard's own limit */

typedef struct Arguments {
        const char **argv;
        size_t n;
        char (*numbers)[NUMBER_MAX];
        size_t n_numbers;
        char *groups;
} Arguments;

static void add(Arguments *a, const char *arg)
{
        a->argv[a->n++] = arg;
}

static void add_number(Arguments *a, const char *name, int number)
{
        char *text = a->numbers[a->n_numbers++];

        snprintf(text, NUMBER_MAX, "%d", number);
        add(a, name);
        add(a, text);
}

static void add_id(Arguments *a, const char *name, unsigned id)
{
        char *text = a->numbers[a->n_numbers++];

        snprintf(text, NUMBER_MAX, "%u", id);
        add(a, name);
        add(a, text);
}

static void add_limit(Arguments *a, int resource, const struct rlimit *limit)
{
        char *text = a->numbers[a->n_numbers++];

        snprintf(text, NUMBER_MAX, "%d:%llu:%llu", resource, (unsigned long long)limit->rlim_cur,
                (unsigned long long)limit->rlim_max);
        add(a, "--limit");
        add(a, text);
}

/* And the one of descriptors that we have raised for ourselves, unless the unit has its own. */
static void add_limits(Arguments *a, const ChildConfig *child)
{
        struct rlimit original;
        bool has_own = false;

        for (size_t i = 0; child && i < child->n_limits; i++) {
                const ChildLimit *l = &child->limits[i];
                struct rlimit limit = {.rlim_cur = l->soft, .rlim_max = l->hard};

                add_limit(a, l->resource, &limit);
                has_own |= l->resource == RLIMIT_NOFILE;
        }
        if (!has_own && descriptors_original(&original))
                add_limit(a, RLIMIT_NOFILE, &original);
}

static int add_identity(Arguments *a, const ChildIdentity *id)
{
        TextBuffer groups = {0};

        if (!id->changes)
                return 0;
        if (id->has_user)
                add_id(a, "--uid", id->uid);
        if (id->has_group)
                add_id(a, "--gid", id->gid);
        if (!id->groups)
                return 0;
        for (size_t i = 0; i < id->n_groups; i++)
                text_buffer_printf(&groups, "%s%u", i ? "," : "", (unsigned)id->groups[i]);
        a->groups = text_buffer_take(&groups);
        if (!a->groups)
                return -ENOMEM;
        add(a, "--groups");
        add(a, a->groups);
        return 0;
}

static int add_child(Arguments *a, const ChildConfig *child, const ChildIdentity *identity)
{
        add_limits(a, child);
        if (!child)
                return 0;
        if (child->directory) {
                add(a, "--directory");
                add(a, child->directory);
        }
        if (child->umask >= 0)
                add_number(a, "--umask", child->umask);
        if (child->has_nice)
                add_number(a, "--nice", child->nice);
        if (child->has_oom_score_adjust)
                add_number(a, "--oom", child->oom_score_adjust);
        return add_identity(a, identity);
}

static int arguments_build(Arguments *a, const SpawnGuard *g, const SpawnConfig *c)
{
        size_t n_command = 0, n_limits = 1 + (c->child ? c->child->n_limits : 0);

        while (c->argv[n_command])
                n_command++;
        a->argv = calloc(OPTIONS_MAX + 2 * (c->n_pass_fds + n_limits) + n_command, sizeof(*a->argv));
        a->numbers = calloc(OPTIONS_MAX / 2 + c->n_pass_fds + n_limits, sizeof(*a->numbers));
        if (!a->argv || !a->numbers)
                return -ENOMEM;
        add(a, "zksup-guard");
        add_number(a, "--page-fd", g->page_fd);
        add_number(a, "--slot", (int)g->slot);
        add_number(a, "--socket-fd", g->socket_fd);
        add(a, "--contain");
        add(a, contain_mode_to_string(g->contain));
        if (g->cgroup) {
                add(a, "--cgroup");
                add(a, g->cgroup);
                if (g->born)
                        add(a, "--born");
        }
        if (c->kill_cgroup) {
                add(a, "--kill-cgroup");
                add(a, c->kill_cgroup);
        }
        if (add_child(a, c->child, g->identity) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_pass_fds; i++)
                add_number(a, "--pass-fd", c->pass_fds[i]);
        if (c->pass_at)
                add_number(a, "--pass-at", c->pass_at);
        if (c->terminal)
                add(a, "--terminal");
        add(a, "--");
        for (size_t i = 0; i < n_command; i++)
                add(a, c->argv[i]);
        return 0;
}

/* dup2() of a descriptor to itself only clears CLOEXEC there (POSIX.1-2024, posix_spawn). */
static int add_fds(posix_spawn_file_actions_t *actions, const SpawnGuard *g, const SpawnConfig *c)
{
        int r = posix_spawn_file_actions_adddup2(actions, g->page_fd, g->page_fd);

        if (r == 0)
                r = posix_spawn_file_actions_adddup2(actions, g->socket_fd, g->socket_fd);
        for (size_t i = 0; i < c->n_pass_fds && r == 0; i++)
                r = posix_spawn_file_actions_adddup2(actions, c->pass_fds[i], c->pass_fds[i]);
        for (int i = 0; i < 3 && c->use_stdio && r == 0; i++)
                if (c->stdio[i] >= 0)
                        r = posix_spawn_file_actions_adddup2(actions, c->stdio[i], i);
        return r;
}

/* Every signal blocked from the first instruction on, and out of reach of the terminal's. */
static int set_attributes(posix_spawnattr_t *attributes, const SpawnConfig *c)
{
        short flags = POSIX_SPAWN_SETSIGMASK;
        sigset_t all;

        sigfillset(&all);
        flags |= c->terminal ? POSIX_SPAWN_SETPGROUP : POSIX_SPAWN_SETSID;
        posix_spawnattr_setsigmask(attributes, &all);
        return posix_spawnattr_setflags(attributes, flags);
}

int spawn_guard_execute(const SpawnGuard *g, const SpawnConfig *c, pid_t *pid)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        Arguments a = {0};
        int r;

        if (c->n_pass_fds > PASS_FDS_MAX)
                return -E2BIG;
        r = arguments_build(&a, g, c);
        if (r == 0) {
                posix_spawn_file_actions_init(&actions);
                posix_spawnattr_init(&attributes);
                r = -add_fds(&actions, g, c);
                if (r == 0)
                        r = -set_attributes(&attributes, c);
                if (r == 0)
                        r = -posix_spawn(pid, g->path, &actions, &attributes, (char **)a.argv, g->environment);
                posix_spawn_file_actions_destroy(&actions);
                posix_spawnattr_destroy(&attributes);
        }
        free(a.argv);
        free(a.numbers);
        free(a.groups);
        return r;
}

void spawn_record_signals(sigset_t *blocked, sigset_t *ignored)
{
        sigprocmask(SIG_SETMASK, NULL, blocked);
        sigemptyset(ignored);
        for (int i = 1; i < NSIG; i++) {
                struct sigaction sa;

                if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
                        sigaddset(ignored, i);
        }
}

static int try_guard(char *candidate, char **path)
{
        if (access(candidate, X_OK) < 0) {
                free(candidate);
                return -ENOENT;
        }
        *path = candidate;
        return 0;
}

/* In the build tree programs are in src/cli and tests/unit/unit, say: the guard is in src/guard of a
 * directory above. */
static int find_beside(char **path)
{
        static const char *const places[] = {"", "/guard", "/src/guard"};
        char dir[4096], *slash;
        ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

        if (n < 0)
                return -ENOENT;
        dir[n] = 0;
        for (unsigned up = 0; up < 4 && (slash = strrchr(dir, '/')) && slash > dir; up++) {
                *slash = 0;
                for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                        char *candidate;

                        if (asprintf(&candidate, "%s%s/zksup-guard", dir, places[i]) >= 0 &&
                                try_guard(candidate, path) == 0)
                                return 0;
                }
        }
        return -ENOENT;
}

int spawn_find_guard(char **path)
{
        const char *env = getenv("ZKSUP_GUARD");
        char *installed;

        if (env && *env) {
                char *copy = strdup(env);

                return copy ? try_guard(copy, path) : -ENOMEM;
        }
        installed = strdup(ZKSUP_LIBEXECDIR "/zksup-guard");
        if (!installed)
                return -ENOMEM;
        return try_guard(installed, path) == 0 ? 0 : find_beside(path);
}
