#include "api/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "api/listener.h"
#include "api/server-private.h"

/* Whether the file at PATH is the socket that we made: another supervisor may have replaced it. */
static bool is_ours(const Api *api)
{
        struct stat st;

        return lstat(api->path, &st) == 0 && st.st_dev == api->device && st.st_ino == api->inode;
}

static int remember_file(Api *api, const char *path)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return -errno;
        api->device = st.st_dev;
        api->inode = st.st_ino;
        api->path = strdup(path);
        return api->path ? 0 : -ENOMEM;
}

/* FD is listening already, and becomes one of ours. */
static int adopt(int fd, char *problem, size_t problem_size)
{
        int flags = fcntl(fd, F_GETFL), r;

        if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0)
                return fd;
        r = -errno;
        snprintf(problem, problem_size, "descriptor %d is no listening socket: %s", fd, strerror(-r));
        return r;
}

static int open_control(Api *api, const ApiConfig *config, char *problem, size_t problem_size)
{
        bool makes = config->socket_fd < 0;
        int fd, r;

        if (!config->socket && makes)
                return 0;
        fd = makes ? listener_unix(config->socket, api->gid, problem, problem_size)
                   : adopt(config->socket_fd, problem, problem_size);
        if (fd < 0)
                return fd;
        r = config->socket && (makes || config->socket_is_ours) ? remember_file(api, config->socket) : 0;
        if (r < 0)
                snprintf(problem, problem_size, "socket '%s': %s", config->socket, strerror(-r));
        if (r >= 0) {
                r = door_init(&api->control, api, fd, true);
                if (r < 0)
                        snprintf(problem, problem_size, "cannot serve the control interface: %s", strerror(-r));
        } else {
                close(fd);
        }
        return r;
}

static int open_public(Api *api, const ApiConfig *config, char *problem, size_t problem_size)
{
        int fd, r;

        if (!config->listen && config->listen_fd < 0)
                return 0;
        fd = config->listen_fd < 0 ? listener_tcp(config->listen, problem, problem_size)
                                   : adopt(config->listen_fd, problem, problem_size);
        if (fd < 0)
                return fd;
        r = door_init(&api->public, api, fd, false);
        if (r < 0)
                snprintf(problem, problem_size, "cannot serve on %s: %s", config->listen, strerror(-r));
        return r;
}

int api_new(Api **out, sd_event *event, const ApiConfig *config, const ApiOps *ops, void *userdata, char *problem,
        size_t problem_size)
{
        CLEANUP(api_free) Api *api = calloc(1, sizeof(*api));
        int r = 0;

        if (!api) {
                snprintf(problem, problem_size, "there is not enough memory");
                return -ENOMEM;
        }
        api->event = sd_event_ref(event);
        api->ops = ops;
        api->userdata = userdata;
        api->gid = LISTENER_NO_GROUP;
        list_init(&api->listeners);
        if (config->group)
                r = listener_find_group(config->group, &api->gid, problem, problem_size);
        if (r >= 0)
                r = open_control(api, config, problem, problem_size);
        if (r >= 0)
                r = open_public(api, config, problem, problem_size);
        if (r < 0)
                return r;
        *out = TAKE(api);
        return 0;
}

Api *api_free(Api *api)
{
        if (!api)
                return NULL;
        events_deinit(api);
        door_deinit(&api->public);
        door_deinit(&api->control);
        event_log_deinit(&api->log);
        sd_event_source_disable_unref(api->heartbeat);
        if (api->path && !api->kept && is_ours(api))
                (void)unlink(api->path);
        free(api->path);
        sd_event_unref(api->event);
        free(api);
        return NULL;
}

static int without_cloexec(const Door *door)
{
        if (!door->api || fcntl(door->fd, F_SETFD, 0) < 0)
                return -1;
        return door->fd;
}

void api_keep(Api *api, int *socket_fd, int *listen_fd)
{
        api->kept = true;
        *socket_fd = without_cloexec(&api->control);
        *listen_fd = without_cloexec(&api->public);
}

void api_listening(const Api *api, int *socket_fd, int *listen_fd)
{
        *socket_fd = api->control.api ? api->control.fd : -1;
        *listen_fd = api->public.api ? api->public.fd : -1;
}

/* CLOEXEC is set again by whoever took it away. */
void api_unkeep(Api *api)
{
        api->kept = false;
}

unsigned api_port(const Api *api)
{
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);

        if (!api->public.api || getsockname(api->public.fd, (struct sockaddr *)&address, &len) < 0)
                return 0;
        if (address.ss_family == AF_INET6)
                return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
}
