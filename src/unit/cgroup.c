#include "unit/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include "util/file.h"
#include "util/macros.h"
#include "util/text.h"

#define PROC_MAX (1 << 20)

/* The path in the line "0::PATH" of /proc/self/cgroup. */
static int own_path(char **path)
{
        CLEANUP_STRING text = NULL;
        int r = file_read("/proc/self/cgroup", PROC_MAX, &text, NULL);

        if (r < 0)
                return r;
        for (char *line = text, *next; line && *line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                if (text_has_prefix(line, "0::/") && !text_has_prefix(line, "0::/..")) {
                        *path = strdup(line + 3);
                        return *path ? 0 : -ENOMEM;
                }
        }
        return -ENOENT;
}

/* proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAG...] - FSTYPE ... */
static bool parse_mount(char *line, char **root, char **point)
{
        char *save, *field, *type = strstr(line, " - cgroup2 ");

        if (!type)
                return false;
        *type = 0;
        field = strtok_r(line, " ", &save);
        for (unsigned i = 0; field && i < 3; i++)
                field = strtok_r(NULL, " ", &save);
        *root = field;
        *point = field ? strtok_r(NULL, " ", &save) : NULL;
        return *point;
}

int cgroup_find_mounted(const char *path, char **out)
{
        CLEANUP_STRING text = NULL;
        int r = file_read("/proc/self/mountinfo", PROC_MAX, &text, NULL);

        if (r < 0)
                return r;
        for (char *line = text, *next; line && *line; line = next) {
                char *root, *point;
                size_t len;

                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                if (!parse_mount(line, &root, &point))
                        continue;
                len = strcmp(root, "/") == 0 ? 0 : strlen(root);
                if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/'))
                        continue;
                path += len;
                r = asprintf(out, "%s%s", point, strcmp(path, "/") == 0 ? "" : path);
                return r < 0 ? -ENOMEM : 0;
        }
        return -ENOENT;
}

static bool has_mark(const char *dir, const char *name)
{
        char value[4];

        return getxattr(dir, name, value, sizeof(value)) == 1 && value[0] == '1';
}

/* systemd marks what it delegates. A directory without one of its suffixes was made by whoever it was
 * delegated to, so the question is about the nearest one above that has a suffix. */
static bool is_delegated(const char *path)
{
        CLEANUP_STRING dir = strdup(path);

        while (dir && strrchr(dir, '/') > dir) {
                if (has_mark(dir, "user.delegate") || has_mark(dir, "trusted.delegate"))
                        return true;
                if (text_has_suffix(dir, ".service") || text_has_suffix(dir, ".scope") ||
                        text_has_suffix(dir, ".slice"))
                        return false;
                *strrchr(dir, '/') = 0;
        }
        return false;
}

static int find_own_directory(char **dir)
{
        static char *known_own, *known_dir; /* mounts do not move, and a table of a thousand is long to read */
        CLEANUP_STRING own = NULL;
        int r = own_path(&own);

        if (r < 0)
                return r;
        if (!known_own || strcmp(known_own, own) != 0) {
                CLEANUP_STRING found = NULL;

                r = cgroup_find_mounted(own, &found);
                if (r < 0)
                        return r;
                free(known_own);
                free(known_dir);
                known_own = TAKE(own);
                known_dir = TAKE(found);
        }
        *dir = strdup(known_dir);
        return *dir ? 0 : -ENOMEM;
}

int cgroup_find_own(char **path)
{
        CLEANUP_STRING dir = NULL;
        int r = find_own_directory(&dir);

        if (r < 0)
                return r;
        if (access("/run/systemd/system", F_OK) == 0 && !is_delegated(dir))
                return -EACCES;
        if (access(dir, W_OK) < 0)
                return -EACCES;
        *path = TAKE(dir);
        return 0;
}

int cgroup_make(const char *parent, const char *name, char **path)
{
        CLEANUP_STRING dir = NULL;
        CLEANUP_FD fd = -1;
        bool made;

        if (asprintf(&dir, "%s/%s", parent, name) < 0) {
                dir = NULL;
                return -ENOMEM;
        }
        for (char *p = dir + strlen(parent) + 1; *p; p++)
                if (*p == '/')
                        *p = '_';
        made = mkdir(dir, 0755) == 0;
        if (!made && errno != EEXIST)
                return errno == EROFS || errno == EPERM ? -EACCES : -errno;
        fd = cgroup_open(dir, "cgroup.events", O_RDONLY);
        if (!made && fd >= 0 && cgroup_is_populated(fd) != 0)
                return -EBUSY;
        fd_close(fd);
        if (!made && cgroup_remove(dir) == 0) { /* one that was killed is not like a new one */
                made = mkdir(dir, 0755) == 0;
                if (!made)
                        return -errno;
        }
        fd = cgroup_open(dir, "cgroup.kill", O_WRONLY);
        if (fd < 0) {
                int r = fd;

                if (made)
                        rmdir(dir);
                return r == -ENOENT ? -EOPNOTSUPP : r;
        }
        *path = TAKE(dir);
        return 0;
}

bool cgroup_can_be_born(const char *path)
{
        CLEANUP_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* no signal: nobody but us is to notice that it ends */
        struct clone_args args = {.flags = CLONE_INTO_CGROUP, .cgroup = (uint64_t)(fd >= 0 ? fd : 0)};
        int status = -1;
        long pid;

        if (fd < 0)
                return false;
        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0)
                _exit(0);
        return pid > 0 && waitpid((pid_t)pid, &status, __WALL) == pid && status == 0;
}

int cgroup_remove(const char *path)
{
        DIR *dir;
        const struct dirent *d;

        if (rmdir(path) == 0 || errno == ENOENT)
                return 0;
        dir = opendir(path);
        if (!dir)
                return -errno;
        while ((d = readdir(dir))) {
                CLEANUP_STRING below = NULL;

                if (d->d_type != DT_DIR || d->d_name[0] == '.')
                        continue;
                if (asprintf(&below, "%s/%s", path, d->d_name) < 0)
                        below = NULL;
                else
                        cgroup_remove(below);
        }
        closedir(dir);
        return rmdir(path) < 0 ? -errno : 0;
}

int cgroup_kill(int kill_fd)
{
        return write(kill_fd, "1", 1) == 1 ? 0 : -errno;
}

int cgroup_is_populated(int events_fd)
{
        char buf[128];
        ssize_t n = pread(events_fd, buf, sizeof(buf) - 1, 0);

        if (n < 0)
                return errno == ENODEV ? 0 : -errno; /* ENODEV: the directory is gone */
        buf[n] = 0;
        return !strstr(buf, "populated 0");
}

bool cgroup_is_gone(int events_fd)
{
        char c;

        return pread(events_fd, &c, 1, 0) < 0 && errno == ENODEV;
}

int cgroup_open(const char *path, const char *file, int flags)
{
        CLEANUP_STRING full = NULL;
        int fd;

        if (asprintf(&full, "%s/%s", path, file) < 0) {
                full = NULL;
                return -ENOMEM;
        }
        fd = open(full, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}
