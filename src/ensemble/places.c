#include "ensemble/places.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "util/macros.h"

#define JAR "/usr/share/java/zookeeper.jar"
#define LOGGER_JAR "/usr/share/java/slf4j-simple.jar"
#define PORTS_MAX 16

static int find_in_path(char **out, const char *name)
{
        const char *path = getenv("PATH");

        while (path && *path) {
                size_t n = strcspn(path, ":");
                CLEANUP_STRING candidate = NULL;

                if (asprintf(&candidate, "%.*s/%s", (int)n, path, name) < 0)
                        return -ENOMEM;
                if (n && access(candidate, X_OK) == 0) {
                        *out = TAKE(candidate);
                        return 0;
                }
                path += n + (path[n] == ':');
        }
        return -ENOENT;
}

int places_find_java(char **out, const char *wanted, char *problem, size_t size)
{
        const char *name = wanted ? wanted : "java";
        int r;

        if (strchr(name, '/')) {
                *out = access(name, X_OK) == 0 ? strdup(name) : NULL;
                r = *out ? 0 : -errno;
        } else {
                r = find_in_path(out, name);
        }
        if (r < 0)
                snprintf(problem, size,
                        "cannot find the Java program '%s': %s; install a Java runtime (Debian:"
                        " default-jre-headless) or name it with --java",
                        name, r == -ENOENT && !strchr(name, '/') ? "not in PATH" : strerror(-r));
        return r;
}

int places_find_classpath(char **out, const char *wanted, char *problem, size_t size)
{
        /* Without a logger the server works but is silent. */
        const char *path = wanted ? wanted : access(LOGGER_JAR, R_OK) == 0 ? JAR ":" LOGGER_JAR : JAR;
        CLEANUP_STRING copy = strdup(path);
        char *rest = copy, *jar;

        if (!copy)
                return -ENOMEM;
        while ((jar = strsep(&rest, ":"))) {
                size_t n = strlen(jar);

                if (n && jar[n - 1] == '*') /* Java's own wildcard: all jars of a directory */
                        jar[n - 1] = '\0';
                if (*jar && access(jar, R_OK) < 0) {
                        int r = -errno;

                        snprintf(problem, size,
                                "cannot read '%s': %s; install ZooKeeper's Java program (Debian:"
                                " libzookeeper-java) or name its jars with --classpath",
                                jar, strerror(-r));
                        return r;
                }
        }
        *out = strdup(path);
        return *out ? 0 : -ENOMEM;
}

static int bind_port(uint64_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        CLEANUP_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1, bound;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0)
                return -errno;
        /* As the server does, so that connections of an earlier one in TIME_WAIT do not count. */
        if (port && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || (port && listen(fd, 1) < 0))
                return -errno;
        bound = fd;
        fd = -1;
        return bound;
}

int places_find_ports(uint16_t *ports, size_t n, uint64_t first, char *problem, size_t size)
{
        int fds[PORTS_MAX], r = 0;
        size_t open = 0;

        /* All are held until all are found, so that none is found twice. */
        for (; open < MIN(n, (size_t)PORTS_MAX); open++) {
                struct sockaddr_in address;
                socklen_t len = sizeof(address);

                r = fds[open] = bind_port(first ? first + open : 0);
                if (r < 0) {
                        snprintf(problem, size,
                                "cannot listen on port %" PRIu64 " of 127.0.0.1: %s; choose another with --port,"
                                " or --port 0 for a free one",
                                first ? first + open : 0, strerror(-r));
                        break;
                }
                if (getsockname(fds[open], (struct sockaddr *)&address, &len) == 0)
                        ports[open] = ntohs(address.sin_port);
        }
        while (open > 0)
                close(fds[--open]);
        return r < 0 ? r : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

void places_remove_tree(const char *dir)
{
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
