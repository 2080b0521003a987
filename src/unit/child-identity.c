#include "unit/child-identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include "util/macros.h"
#include "util/text.h"

/* The records of a database are read into a buffer that grows up to this. */
#define RECORD_MAX (1 << 20)
#define GROUPS_MAX 65536

typedef union Record {
        struct passwd user;
        struct group group;
} Record;

typedef int (*Lookup)(const char *name, uint64_t id, Record *record, char *buf, size_t size, bool *found);

static int look_up_user(const char *name, uint64_t id, Record *record, char *buf, size_t size, bool *found)
{
        struct passwd *p = NULL;
        int r = name ? getpwnam_r(name, &record->user, buf, size, &p) :
                       getpwuid_r((uid_t)id, &record->user, buf, size, &p);

        *found = p;
        return r;
}

static int look_up_group(const char *name, uint64_t id, Record *record, char *buf, size_t size, bool *found)
{
        struct group *g = NULL;
        int r = name ? getgrnam_r(name, &record->group, buf, size, &g) :
                       getgrgid_r((gid_t)id, &record->group, buf, size, &g);

        *found = g;
        return r;
}

/* Some databases say "nobody of that name" with one of these (getpwnam(3)). */
static bool is_not_found(int error)
{
        return error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/* Returns 1, 0 (not found) or a negative errno. *buf is the caller's to free, and *record points into it. */
static int look_up(Lookup lookup, const char *name, uint64_t id, Record *record, char **buf)
{
        *buf = NULL;
        for (size_t size = 1024; size <= RECORD_MAX; size *= 4) {
                bool found;
                int r;

                free(*buf);
                *buf = malloc(size);
                if (!*buf)
                        return -ENOMEM;
                r = lookup(name, id, record, *buf, size, &found);
                if (r == ERANGE)
                        continue;
                return found ? 1 : r == 0 || is_not_found(r) ? 0 : -r;
        }
        return -ERANGE;
}

/* By name, and if nobody is called so, by number. Returns as look_up(), or 2: a number that the database does not know. */
static int find(Lookup lookup, const char *name, Record *record, char **buf, uint64_t *id)
{
        int r = look_up(lookup, name, 0, record, buf);

        if (r != 0 || text_to_u64(name, 0, UINT32_MAX - 1, id) < 0)
                return r;
        free(*buf);
        r = look_up(lookup, NULL, *id, record, buf);
        return r == 0 ? 2 : r;
}

static int explain(int r, const char *what, const char *name, char *problem, size_t problem_size)
{
        if (r == 0)
                snprintf(problem, problem_size, "there is no %s '%s' on this host", what, name);
        else
                snprintf(problem, problem_size, "cannot look up %s '%s': %s", what, name, strerror(-r));
        return r == 0 ? -EINVAL : r;
}

static int find_user(ChildIdentity *id, const char *name, char *problem, size_t problem_size)
{
        CLEANUP_STRING buf = NULL;
        uint64_t number = 0;
        Record record;
        int r = find(look_up_user, name, &record, &buf, &number);

        if (r <= 0)
                return explain(r, "user", name, problem, problem_size);
        id->has_user = true;
        id->uid = (uid_t)number;
        if (r == 2)
                return 0;
        id->uid = record.user.pw_uid;
        id->gid = record.user.pw_gid;
        id->has_group = true;
        id->name = strdup(record.user.pw_name);
        id->home = strdup(record.user.pw_dir && *record.user.pw_dir ? record.user.pw_dir : "/");
        id->shell = strdup(record.user.pw_shell && *record.user.pw_shell ? record.user.pw_shell : "/bin/sh");
        return id->name && id->home && id->shell ? 0 : explain(-ENOMEM, "user", name, problem, problem_size);
}

static int find_group(ChildIdentity *id, const char *name, char *problem, size_t problem_size)
{
        CLEANUP_STRING buf = NULL;
        uint64_t number = 0;
        Record record;
        int r = find(look_up_group, name, &record, &buf, &number);

        if (r <= 0)
                return explain(r, "group", name, problem, problem_size);
        id->gid = r == 2 ? (gid_t)number : record.group.gr_gid;
        id->has_group = true;
        return 0;
}

/* The user's supplementary groups; one whom the database does not know has no others than its own. */
static int find_groups(ChildIdentity *id)
{
        int n = 32;

        if (!id->name) {
                id->groups = malloc(sizeof(*id->groups));
                if (!id->groups)
                        return -ENOMEM;
                id->groups[0] = id->gid;
                id->n_groups = 1;
                return 0;
        }
        for (;;) {
                int room = n;

                free(id->groups);
                id->groups = malloc((size_t)room * sizeof(*id->groups));
                if (!id->groups)
                        return -ENOMEM;
                if (getgrouplist(id->name, id->gid, id->groups, &n) >= 0)
                        break;
                if (n <= room)
                        n = 2 * room;
                if (n > GROUPS_MAX)
                        return -E2BIG;
        }
        id->n_groups = (size_t)n;
        return 0;
}

/* To change to a user, and to be able to kill what it starts. */
static bool may_change(void)
{
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
        uint32_t wanted = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_KILL;

        return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & wanted) == wanted;
}

static bool is_us(const ChildIdentity *id)
{
        return (!id->has_user || (id->uid == geteuid() && id->uid == getuid())) &&
               (!id->has_group || (id->gid == getegid() && id->gid == getgid()));
}

/* Whether our supplementary groups are the user's, as sets. */
static bool are_our_groups(const ChildIdentity *id)
{
        gid_t ours[256];
        int n = getgroups(ARRAY_SIZE(ours), ours);
        size_t in_ours = 0;

        if (n < 0)
                return false;
        for (size_t i = 0; i < id->n_groups; i++)
                for (int j = 0; j < n; j++)
                        if (ours[j] == id->groups[i]) {
                                in_ours++;
                                break;
                        }
        return in_ours == id->n_groups && (size_t)n <= id->n_groups;
}

static int decide(ChildIdentity *id, const ChildConfig *config, char *problem, size_t problem_size)
{
        if (!may_change()) {
                if (is_us(id)) /* with the groups that we have */
                        return 0;
                snprintf(problem, problem_size, "only root may change to %s '%s'%s: start zksup as root, or as that %s",
                        config->user ? "user" : "group", config->user ?: config->group,
                        config->user && config->group ? " and its group" : "", config->user ? "user" : "group");
                return -EPERM;
        }
        id->changes = !is_us(id) || (id->has_user && !are_our_groups(id));
        return 0;
}

int child_identity_resolve(ChildIdentity *id, const ChildConfig *config, char *problem, size_t problem_size)
{
        int r;

        memset(id, 0, sizeof(*id));
        if (!config || (!config->user && !config->group))
                return 0;
        r = config->user ? find_user(id, config->user, problem, problem_size) : 0;
        if (r == 0 && config->group)
                r = find_group(id, config->group, problem, problem_size);
        if (r < 0)
                return r;
        if (!id->has_group) {
                snprintf(problem, problem_size, "user %s is in no database, so its group is not known: set 'group' as well",
                        config->user);
                return -EINVAL;
        }
        r = id->has_user ? find_groups(id) : 0;
        if (r < 0)
                return explain(r, "the groups of user", config->user, problem, problem_size);
        return decide(id, config, problem, problem_size);
}

void child_identity_deinit(ChildIdentity *id)
{
        free(id->groups);
        free(id->name);
        free(id->home);
        free(id->shell);
        memset(id, 0, sizeof(*id));
}
