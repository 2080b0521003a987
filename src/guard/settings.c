#include "guard/settings.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX NGROUPS_MAX

void settings_init(Settings *s)
{
        memset(s, 0, sizeof(*s));
}

/* --- the options -------------------------------------------------------------------------------- */

/* A decimal number up to MAX that ends with END, which is skipped too. */
static bool parse(const char **text, char end, uint64_t max, uint64_t *n)
{
        const char *t = *text;

        *n = 0;
        if (*t < '0' || *t > '9')
                return false;
        for (; *t >= '0' && *t <= '9'; t++)
                if (__builtin_mul_overflow(*n, UINT64_C(10), n) ||
                        __builtin_add_overflow(*n, (uint64_t)(*t - '0'), n) || *n > max)
                        return false;
        if (*t != end)
                return false;
        *text = end ? t + 1 : t;
        return true;
}

static bool parse_u32(const char *text, uint32_t max, uint32_t *out)
{
        uint64_t n;

        if (!parse(&text, 0, max, &n))
                return false;
        *out = (uint32_t)n;
        return true;
}

static bool parse_signed(const char *text, int max, int *out)
{
        bool negative = *text == '-';
        uint32_t n;

        if (!parse_u32(text + negative, (uint32_t)max, &n))
                return false;
        *out = negative ? -(int)n : (int)n;
        return true;
}

static bool parse_limit(Settings *s, const char *value)
{
        SettingsLimit *limit = &s->limits[s->n_limits];
        uint64_t resource;

        if (s->n_limits == SETTINGS_LIMITS_MAX || !parse(&value, ':', INT_MAX, &resource) ||
                !parse(&value, ':', UINT64_MAX, &limit->soft) || !parse(&value, 0, UINT64_MAX, &limit->hard))
                return false;
        limit->resource = (unsigned)resource;
        s->n_limits++;
        return true;
}

/* Fills LIST, if it is not NULL. Returns how many, or -1. */
static int parse_groups(const char *text, gid_t *list)
{
        int n = 0;

        while (*text) {
                const char *comma = strchr(text, ',');
                uint64_t gid;

                if (n == GROUPS_MAX || !parse(&text, comma ? ',' : 0, UINT32_MAX - 1, &gid) || (comma && !*text))
                        return -1;
                if (list)
                        list[n] = (gid_t)gid;
                n++;
        }
        return n;
}

static bool parse_one(Settings *s, const char *name, const char *value, bool *known)
{
        int ignored;

        *known = true;
        if (strcmp(name, "--uid") == 0)
                return s->has_uid = parse_u32(value, UINT32_MAX - 1, &s->uid);
        if (strcmp(name, "--gid") == 0)
                return s->has_gid = parse_u32(value, UINT32_MAX - 1, &s->gid);
        if (strcmp(name, "--umask") == 0)
                return s->has_umask = parse_u32(value, 0777, &s->umask);
        if (strcmp(name, "--nice") == 0)
                return s->has_nice = parse_signed(value, 20, &s->nice);
        if (strcmp(name, "--limit") == 0)
                return parse_limit(s, value);
        if (strcmp(name, "--groups") == 0) {
                s->groups = value;
                return parse_groups(value, NULL) >= 0;
        }
        if (strcmp(name, "--oom") == 0) {
                s->oom_adj = value;
                return parse_signed(value, 1000, &ignored);
        }
        if (strcmp(name, "--directory") == 0) {
                s->directory = value;
                return *value;
        }
        return *known = false;
}

enum SettingsParse settings_parse(Settings *s, const char *name, const char *value)
{
        bool known, ok = parse_one(s, name, value, &known);

        return !known ? SETTINGS_UNKNOWN : ok ? SETTINGS_OK : SETTINGS_BAD;
}

/* --- in the child ------------------------------------------------------------------------------- */

static bool failed(SettingsError *e, enum WireStage stage, int error, unsigned which)
{
        *e = (SettingsError){.stage = stage, .error = error, .which = which};
        return false;
}

/* Only the hard ones, and only up: what needs privilege. */
static bool raise_limits(const Settings *s, SettingsError *e)
{
        for (unsigned i = 0; i < s->n_limits; i++) {
                const SettingsLimit *l = &s->limits[i];
                struct rlimit now;

                if (getrlimit((__rlimit_resource_t)l->resource, &now) < 0)
                        return failed(e, WIRE_STAGE_LIMIT, errno, l->resource);
                if ((rlim_t)l->hard <= now.rlim_max)
                        continue;
                now.rlim_max = (rlim_t)l->hard;
                if (setrlimit((__rlimit_resource_t)l->resource, &now) < 0)
                        return failed(e, WIRE_STAGE_LIMIT, errno, l->resource);
        }
        return true;
}

static bool set_oom_adj(const char *text)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        ssize_t len = (ssize_t)strlen(text);
        bool ok;

        if (fd < 0)
                return false;
        ok = write(fd, text, (size_t)len) == len;
        close(fd);
        return ok;
}

/* What the guard has changed for itself is put back as well as can be; what the unit asks for must be. */
static bool set_scheduling(const Settings *s, int own_nice, const char *own_oom_adj, SettingsError *e)
{
        if (setpriority(PRIO_PROCESS, 0, s->has_nice ? s->nice : own_nice) < 0 && s->has_nice)
                return failed(e, WIRE_STAGE_NICE, errno, 0);
        if (s->oom_adj)
                return set_oom_adj(s->oom_adj) || failed(e, WIRE_STAGE_OOM, errno, 0);
        if (own_oom_adj[0])
                (void)set_oom_adj(own_oom_adj);
        return true;
}

static bool set_groups(const Settings *s)
{
        int n = parse_groups(s->groups, NULL);
        gid_t *list = alloca((size_t)(n + 1) * sizeof(*list));

        parse_groups(s->groups, list);
        return setgroups((size_t)n, list) == 0;
}

static bool are_groups_set(const Settings *s)
{
        gid_t real, effective, saved;

        return getresgid(&real, &effective, &saved) == 0 && real == s->gid && effective == s->gid && saved == s->gid;
}

static bool is_user_set(const Settings *s)
{
        uid_t real, effective, saved;

        return getresuid(&real, &effective, &saved) == 0 && real == s->uid && effective == s->uid && saved == s->uid;
}

/* A supervisor that may change users without being root would pass that on. */
static bool drop_capabilities(void)
{
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

        return syscall(SYS_capset, &head, none) == 0;
}

static bool change_identity(const Settings *s, SettingsError *e)
{
        if (s->groups && !set_groups(s))
                return failed(e, WIRE_STAGE_GROUPS, errno, 0);
        if (s->has_gid && (setresgid(s->gid, s->gid, s->gid) < 0 || !are_groups_set(s)))
                return failed(e, WIRE_STAGE_GROUPS, errno, 0);
        if (!s->has_uid)
                return true;
        if (setresuid(s->uid, s->uid, s->uid) < 0 || !is_user_set(s))
                return failed(e, WIRE_STAGE_USER, errno, 0);
        if (s->uid == 0)
                return true;
        if (!drop_capabilities())
                return failed(e, WIRE_STAGE_USER, errno, 0);
        if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0) /* there must be no way back */
                return failed(e, WIRE_STAGE_USER, EPERM, 0);
        return true;
}

bool settings_apply(const Settings *s, int own_nice, const char *own_oom_adj, SettingsError *e)
{
        if (!raise_limits(s, e) || !set_scheduling(s, own_nice, own_oom_adj, e))
                return false;
        if (s->has_umask)
                umask(s->umask);
        return change_identity(s, e);
}

bool settings_enter_directory(const Settings *s, SettingsError *e)
{
        if (s->directory && chdir(s->directory) < 0)
                return failed(e, WIRE_STAGE_DIRECTORY, errno, 0);
        return true;
}

bool settings_limit(const Settings *s, SettingsError *e)
{
        for (unsigned i = 0; i < s->n_limits; i++) {
                const SettingsLimit *l = &s->limits[i];
                struct rlimit limit = {.rlim_cur = (rlim_t)l->soft, .rlim_max = (rlim_t)l->hard};

                if (setrlimit((__rlimit_resource_t)l->resource, &limit) < 0)
                        return failed(e, WIRE_STAGE_LIMIT, errno, l->resource);
        }
        return true;
}
