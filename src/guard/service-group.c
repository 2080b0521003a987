#include "guard/service-group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The longest of the names of files used here, and the slash before it. */
#define FILE_NAME_MAX sizeof("/cgroup.freeze")

void service_group_init(ServiceGroup *g)
{
        g->root_fd = g->reserve_fd = -1;
        g->len = 0;
}

static int open_root(const char *path)
{
        struct statfs fs;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                return fd;
        close(fd);
        return -EINVAL;
}

/* The root of the mount is the first directory on the way that is of cgroup2. */
static int open_root_of(ServiceGroup *g, char *path, const char **below)
{
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                g->root_fd = open_root(path);
                *slash = '/';
                *below = slash + 1;
                if (g->root_fd >= 0)
                        return 0;
                if (g->root_fd != -EINVAL)
                        break;
        }
        return g->root_fd < 0 ? g->root_fd : -EINVAL;
}

int service_group_open(ServiceGroup *g, const char *path)
{
        size_t len = strlen(path);
        const char *below = "";
        int r;

        service_group_init(g);
        if (path[0] != '/' || len < 2)
                return -EINVAL;
        if (len + FILE_NAME_MAX > sizeof(g->path))
                return -ENAMETOOLONG;
        memcpy(g->path, path, len + 1);
        r = open_root_of(g, g->path, &below);
        if (r == 0 && !*below)
                r = -EINVAL; /* never the root itself */
        if (r < 0) {
                service_group_close(g);
                return r;
        }
        g->len = (unsigned)strlen(below);
        memmove(g->path, below, g->len + 1);
        g->reserve_fd = fcntl(g->root_fd, F_DUPFD_CLOEXEC, 3);
        return 0;
}

void service_group_close(ServiceGroup *g)
{
        if (g->root_fd >= 0)
                close(g->root_fd);
        if (g->reserve_fd >= 0)
                close(g->reserve_fd);
        service_group_init(g);
}

/* NAME begins with its slash. */
static int open_file(ServiceGroup *g, const char *name, int flags)
{
        int fd;

        if (g->reserve_fd >= 0)
                close(g->reserve_fd);
        g->reserve_fd = -1;
        memcpy(g->path + g->len, name, strlen(name) + 1);
        fd = openat(g->root_fd, g->path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void close_file(ServiceGroup *g, int fd)
{
        if (fd >= 0)
                close(fd);
        g->reserve_fd = fcntl(g->root_fd, F_DUPFD_CLOEXEC, 3);
}

static void write_file(ServiceGroup *g, const char *name, const char *text)
{
        int fd;

        if (g->root_fd < 0)
                return;
        fd = open_file(g, name, O_WRONLY);
        if (fd >= 0)
                (void)!write(fd, text, 1);
        close_file(g, fd);
}

void service_group_kill(ServiceGroup *g)
{
        write_file(g, "/cgroup.kill", "1");
}

void service_group_freeze(ServiceGroup *g, bool freeze)
{
        write_file(g, "/cgroup.freeze", freeze ? "1" : "0");
}

bool service_group_is_empty(ServiceGroup *g)
{
        char buf[128];
        ssize_t n = -1;
        int fd, error;

        if (g->root_fd < 0)
                return true;
        fd = open_file(g, "/cgroup.events", O_RDONLY);
        if (fd >= 0)
                n = read(fd, buf, sizeof(buf) - 1);
        error = fd < 0 ? -fd : errno;
        close_file(g, fd);
        if (n < 0) /* ENODEV: removed between the two */
                return error == ENOENT || error == ENODEV;
        buf[n] = 0;
        return strstr(buf, "populated 0") != NULL;
}
