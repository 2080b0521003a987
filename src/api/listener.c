#include "api/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "util/macros.h"
#include "util/text.h"

#define LOCK_TRIES 100
#define LOCK_TRY_MSEC 20
#define GROUPS_MAX 4096

#define PROBLEM(r, ...) (snprintf(problem, problem_size, __VA_ARGS__), (r))

/* The directories above PATH, like mkdir -p. */
static int make_directory(const char *path, char **directory)
{
        const char *slash = strrchr(path, '/');

        *directory = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
        if (!*directory)
                return -ENOMEM;
        for (char *p = *directory + 1;; p++) {
                char c = *p;

                if (c != '/' && c != '\0')
                        continue;
                *p = '\0';
                if (mkdir(*directory, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = c;
                if (c == '\0')
                        return 0;
        }
}

/* Two that start at once must not both find the socket dead. The lock is held for a few system calls. */
static int lock_directory(const char *directory)
{
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
                if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
                        int r = -errno;

                        close(fd);
                        return r;
                }
                (void)poll(NULL, 0, LOCK_TRY_MSEC);
        }
        return fd;
}

/* Removes a socket that nobody listens on. Returns 0 (nothing is there now), -EADDRINUSE, -EEXIST, ... */
static int remove_dead(const struct sockaddr_un *address)
{
        CLEANUP_FD fd = -1;
        struct stat st;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
                return -EADDRINUSE;
        if (errno != ECONNREFUSED)
                return -errno;
        return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int bind_unix(const struct sockaddr_un *address, gid_t gid)
{
        CLEANUP_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const char *path = address->sun_path;
        mode_t mask;
        int r;

        if (fd < 0)
                return -errno;
        mask = umask(0177); /* from the first moment */
        r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
        umask(mask);
        if (r < 0)
                return r;
        if ((gid != LISTENER_NO_GROUP && (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0)) ||
                listen(fd, SOMAXCONN) < 0) {
                r = -errno;
                (void)unlink(path);
                return r;
        }
        r = fd;
        fd = -1;
        return r;
}

int listener_unix(const char *path, gid_t gid, char *problem, size_t problem_size)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        CLEANUP_STRING directory = NULL;
        CLEANUP_FD lock = -1;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return PROBLEM(-ENAMETOOLONG,
                        "socket '%s': its path is longer than %zu bytes; choose a shorter one", path,
                        sizeof(address.sun_path) - 1);
        strcpy(address.sun_path, path);
        r = make_directory(path, &directory);
        if (r < 0)
                return PROBLEM(r, "socket '%s': cannot make its directory: %s", path, strerror(-r));
        lock = lock_directory(directory);
        if (lock < 0)
                return PROBLEM(lock, "socket '%s': cannot lock its directory: %s", path, strerror(-lock));
        r = remove_dead(&address);
        if (r == -EADDRINUSE)
                return PROBLEM(
                        r, "socket '%s': another supervisor listens there; stop it, or choose another path", path);
        if (r == -EEXIST)
                return PROBLEM(r,
                        "socket '%s': there is something else of that name; remove it, or choose another path",
                        path);
        if (r == 0)
                r = bind_unix(&address, gid);
        if (r < 0)
                return PROBLEM(r, "socket '%s': cannot listen there: %s", path, strerror(-r));
        return r;
}

/* "1.2.3.4:80" or "[::1]:80" in its two parts; returns whether it is one of them. */
static bool split_address(const char *address, char host[64], char port[8])
{
        const char *colon = strrchr(address, ':'), *from = address, *to = colon;

        if (!colon)
                return false;
        if (*from == '[') {
                from++;
                to--;
                if (to <= from || *to != ']')
                        return false;
        } else if (memchr(from, ':', (size_t)(to - from))) {
                return false;
        }
        if (to - from < 1 || to - from >= 64 || strlen(colon + 1) >= 8 || !colon[1])
                return false;
        memcpy(host, from, (size_t)(to - from));
        host[to - from] = '\0';
        strcpy(port, colon + 1);
        return true;
}

static int bind_tcp(const struct addrinfo *info)
{
        CLEANUP_FD fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int one = 1, r;

        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        r = fd;
        fd = -1;
        return r;
}

int listener_tcp(const char *address, char *problem, size_t problem_size)
{
        struct addrinfo hints = {
                .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
        struct addrinfo *info = NULL;
        char host[64], port[8];
        uint64_t number;
        int r;

        if (!split_address(address, host, port) || text_to_u64(port, 0, 65535, &number) < 0 ||
                getaddrinfo(host, port, &hints, &info) != 0)
                return PROBLEM(-EINVAL,
                        "'%s' is no address to listen on; write ADDRESS:PORT in numbers, such as 127.0.0.1:8080 or [::1]:8080",
                        address);
        r = bind_tcp(info);
        freeaddrinfo(info);
        if (r < 0)
                return PROBLEM(
                        r, "cannot listen on %s: %s; choose another address or port", address, strerror(-r));
        return r;
}

int listener_find_group(const char *group, gid_t *gid, char *problem, size_t problem_size)
{
        struct group entry, *found = NULL;
        char buf[16384];
        uint64_t number;
        int r;

        if (text_to_u64(group, 0, UINT32_MAX - 1, &number) == 0) {
                *gid = (gid_t)number;
                return 0;
        }
        r = getgrnam_r(group, &entry, buf, sizeof(buf), &found);
        if (!found)
                return PROBLEM(r ? -r : -ENOENT,
                        "there is no group '%s' that could use the socket; make it, or name another", group);
        *gid = found->gr_gid;
        return 0;
}

static bool is_in_group(int fd, gid_t gid)
{
        gid_t groups[GROUPS_MAX];
        socklen_t len = sizeof(groups);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
                return false;
        for (size_t i = 0; i < len / sizeof(gid_t); i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

bool listener_may_use(int fd, gid_t gid)
{
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return false;
        if (peer.uid == 0 || peer.uid == geteuid())
                return true;
        return gid != LISTENER_NO_GROUP && (peer.gid == gid || is_in_group(fd, gid));
}
