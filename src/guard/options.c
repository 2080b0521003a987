#include "guard/options.h"

#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No strtoul(): it would bring the locale, and with it most of the memory this program uses. */
static int number(const char *text)
{
        int n = 0;

        if (!*text)
                return -1;
        for (; *text; text++) {
                if (*text < '0' || *text > '9' || n > INT_MAX / 10 - 1)
                        return -1;
                n = n * 10 + (*text - '0');
        }
        return n;
}

static const char *parse_contain(Options *o, const char *value)
{
        if (strcmp(value, "subreaper") == 0)
                o->contain = WIRE_CONTAIN_SUBREAPER;
        else if (strcmp(value, "cgroup") == 0)
                o->contain = WIRE_CONTAIN_CGROUP;
        else if (strcmp(value, "pidns") == 0)
                o->contain = WIRE_CONTAIN_PIDNS;
        else
                return "--contain: not subreaper, cgroup or pidns";
        return NULL;
}

static const char *parse_number(Options *o, const char *name, const char *value)
{
        int n = number(value);

        if (n < 0)
                return "a value is not a number";
        if (strcmp(name, "--page-fd") == 0)
                o->page_fd = n;
        else if (strcmp(name, "--slot") == 0)
                o->slot = (unsigned)n;
        else if (strcmp(name, "--socket-fd") == 0)
                o->socket_fd = n;
        else if (strcmp(name, "--pass-fd") == 0 && o->n_pass_fds < CHILD_PASS_FDS_MAX)
                o->pass_fds[o->n_pass_fds++] = n;
        else if (strcmp(name, "--pass-at") == 0 && n >= 3 && n < CHILD_PASS_AT_LIMIT - CHILD_PASS_FDS_MAX)
                o->pass_at = n;
        else
                return "unknown option";
        return NULL;
}

static const char *parse_pair(Options *o, const char *name, const char *value)
{
        if (!value)
                return "a value is missing";
        if (strcmp(name, "--contain") == 0)
                return parse_contain(o, value);
        if (strcmp(name, "--cgroup") == 0)
                o->cgroup = value;
        else if (strcmp(name, "--kill-cgroup") == 0)
                o->kill_cgroup = value;
        else
                switch (settings_parse(&o->settings, name, value)) {
                case SETTINGS_UNKNOWN:
                        return parse_number(o, name, value);
                case SETTINGS_BAD:
                        return "a setting is not what it should be";
                case SETTINGS_OK:
                        break;
                }
        return NULL;
}

static bool parse_flag(Options *o, const char *name)
{
        bool *flag = strcmp(name, "--terminal") == 0 ? &o->terminal : strcmp(name, "--born") == 0 ? &o->born : NULL;

        if (flag)
                *flag = true;
        return flag;
}

const char *options_parse(Options *o, char **argv)
{
        const char *problem = NULL;

        memset(o, 0, sizeof(*o));
        o->page_fd = o->socket_fd = -1;
        o->pass_at = 3;
        settings_init(&o->settings);
        for (argv++; *argv && strcmp(*argv, "--") != 0; argv++) {
                if (parse_flag(o, *argv))
                        continue;
                problem = parse_pair(o, argv[0], argv[1]);
                if (problem)
                        return problem;
                argv++;
        }
        if (!*argv || !argv[1])
                return "no command";
        o->argv = argv + 1;
        return o->page_fd < 0 || o->socket_fd < 0 || !o->contain ? "an option is missing" : NULL;
}

static int next_kept(const Options *o, int from)
{
        int next = INT_MAX;

        if (o->page_fd >= from)
                next = o->page_fd;
        if (o->socket_fd >= from && o->socket_fd < next)
                next = o->socket_fd;
        for (unsigned i = 0; i < o->n_pass_fds; i++)
                if (o->pass_fds[i] >= from && o->pass_fds[i] < next)
                        next = o->pass_fds[i];
        return next;
}

void options_close_others(const Options *o)
{
        int from = 3, kept;

        do {
                kept = next_kept(o, from);
                if (kept > from)
                        syscall(SYS_close_range, from, kept == INT_MAX ? ~0U : (unsigned)kept - 1, 0);
                from = kept == INT_MAX ? kept : kept + 1;
        } while (kept != INT_MAX);
}
