/* One listening socket: who may come in, how many at once, and the library's turn on our loop.
 *
 * Connections are accepted here and given to the library: so a stranger is refused before a byte of theirs is
 * read, and a newcomer finds a place by closing the connection that has been longest without a request. A thousand
 * slow ones therefore delay nobody who asks properly.
 *
 * The library watches its sockets with an edge-triggered epoll of its own. Whatever it has left over after a turn
 * it says with a timeout of 0 in MHD_get_timeout(), not on that descriptor; and without a listening socket of its
 * own it has no way to say that a connection was resumed. Hence door_wake().
 *
 * It may overlook the end of a half-closed connection that came together with data: such a one idles until its
 * time is over, or its place is wanted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "api/listener.h"
#include "api/server-private.h"
#include "util/clock.h"
#include "util/log.h"

#define CONNECTIONS_MAX 256
#define CONNECTIONS_MIN 8
#define ACCEPTS_A_TURN 32
#define IDLE_SECONDS 10u
#define MEMORY_PER_CONNECTION ((size_t)8192)
/* The timer may be late, to spare wake-ups; it matters only for closing idle connections. */
#define TIMER_ACCURACY_USEC (50 * USEC_PER_MSEC)
#define ACCEPT_PAUSE_USEC (100 * USEC_PER_MSEC)

void door_wake(Door *door)
{
        (void)sd_event_source_set_enabled(door->again, SD_EVENT_ONESHOT);
}

static void arm(Door *door)
{
        MHD_UNSIGNED_LONG_LONG msec;

        (void)sd_event_source_set_enabled(door->timer, SD_EVENT_OFF);
        if (MHD_get_timeout(door->daemon, &msec) != MHD_YES)
                return;
        if (msec == 0) {
                door_wake(door);
                return;
        }
        (void)sd_event_source_set_time_relative(door->timer, msec * USEC_PER_MSEC);
        (void)sd_event_source_set_enabled(door->timer, SD_EVENT_ONESHOT);
}

static void run(Door *door)
{
        (void)MHD_run(door->daemon);
        door->turns++;
        request_forget_cache(door);
        arm(door);
}

static int on_again(sd_event_source *source, void *userdata)
{
        run(userdata);
        return 0;
}

static int on_epoll(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        run(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        run(userdata);
        return 0;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
        enum MHD_ConnectionNotificationCode code)
{
        Door *door = userdata;
        Connection *c = *context;

        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
                c = calloc(1, sizeof(*c));
                if (!c)
                        return; /* lives, but cannot be closed for a newcomer */
                c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
                c->since = door->turns;
                list_append(&door->connections, &c->link);
                door->n_connections++;
                *context = c;
        } else if (c) {
                list_unlink(&c->link);
                door->n_connections--;
                *context = NULL;
                free(c);
        }
}

/* Closes one connection to make room, one that is used as MOST says at most. The library notices by the end of its
 * input. */
static bool evict(Door *door, enum ConnectionUse most)
{
        for (enum ConnectionUse use = CONNECTION_IDLE; use <= most; use++)
                list_for_each(it, &door->connections) {
                        Connection *c = list_entry(it, Connection, link);

                        /* Since this turn: its request has not been looked at yet. */
                        if (c->use != use || c->since == door->turns)
                                continue;
                        (void)shutdown(c->fd, SHUT_RDWR);
                        c->use = CONNECTION_WAITING; /* goes by itself now */
                        return true;
                }
        return false;
}

/* An answer of a line to somebody who is not let in. There is room for it in a new connection's buffer. */
static void turn_away(int fd, const char *status, const char *why)
{
        char text[512];
        int n = snprintf(text, sizeof(text),
                "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n"
                "{\"error\":\"%s\"}",
                status, strlen(why) + strlen("{\"error\":\"\"}"), why);

        (void)send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(fd);
}

static void let_in(Door *door, int fd, const struct sockaddr *address, socklen_t len)
{
        if (door->is_control && !listener_may_use(fd, door->api->gid)) {
                turn_away(fd, "403 Forbidden",
                        "you may not use this socket: it is for the supervisor's user, root, and the control group");
                return;
        }
        if (door->n_connections >= door->limit - door->limit / 4)
                (void)evict(door, CONNECTION_IDLE); /* it is gone after the library's next turn */
        if (door->n_connections >= door->limit) {
                (void)evict(door, CONNECTION_SENDING);
                run(door);
                if (door->n_connections >= door->limit) {
                        turn_away(fd, "503 Service Unavailable", "too many connections; try again later");
                        return;
                }
        }
        if (MHD_add_connection(door->daemon, fd, address, len) != MHD_YES)
                log_debug("a connection to the control interface is refused: %s", strerror(errno));
}

/* The listening socket stays readable while there is no descriptor to accept with; so it is left alone for a
 * moment. */
static void pause_accepting(Door *door)
{
        (void)evict(door, CONNECTION_SENDING);
        (void)sd_event_source_set_enabled(door->accept, SD_EVENT_OFF);
        (void)sd_event_source_set_time_relative(door->pause, ACCEPT_PAUSE_USEC);
        (void)sd_event_source_set_enabled(door->pause, SD_EVENT_ONESHOT);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata)
{
        return sd_event_source_set_enabled(((Door *)userdata)->accept, SD_EVENT_ON);
}

static int on_accept(sd_event_source *source, int listening, uint32_t events, void *userdata)
{
        Door *door = userdata;

        for (int i = 0; i < ACCEPTS_A_TURN; i++) {
                struct sockaddr_storage address = {0};
                socklen_t len = sizeof(address);
                int fd = accept4(listening, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0) {
                        let_in(door, fd, (struct sockaddr *)&address, MAX(len, (socklen_t)sizeof(sa_family_t)));
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        pause_accepting(door);
                break;
        }
        run(door);
        return 0;
}

static void on_library_log(void *userdata, const char *fmt, va_list ap)
{
        char line[512];

        if (!log_is_enabled(LOG_LEVEL_DEBUG))
                return;
        vsnprintf(line, sizeof(line), fmt, ap);
        line[strcspn(line, "\n")] = '\0';
        log_debug("libmicrohttpd: %s", line);
}

/* Components are decoded by target.c, which knows where they end. */
static size_t leave_escaped(void *userdata, struct MHD_Connection *connection, char *text)
{
        return strlen(text);
}

/* Children's guards, the session and logs need descriptors too. */
static unsigned connection_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
                return CONNECTIONS_MAX;
        return (unsigned)MIN(MAX(limit.rlim_cur / 4, CONNECTIONS_MIN), CONNECTIONS_MAX);
}

static int start_daemon(Door *door)
{
        door->limit = connection_limit();
        /* clang-format off */
        door->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                0, NULL, NULL, request_on_data, door,
                MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, /* first, for what the others say */
                MHD_OPTION_CONNECTION_LIMIT, door->limit + 1,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CONNECTION,
                MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
                MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, door,
                MHD_OPTION_NOTIFY_CONNECTION, on_connection, door,
                MHD_OPTION_URI_LOG_CALLBACK, request_on_target, door,
                MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                MHD_OPTION_STRICT_FOR_CLIENT, 1,
                MHD_OPTION_END);
        /* clang-format on */
        return door->daemon ? 0 : -ENOMEM;
}

static int add_timer(Door *door, sd_event_source **source, sd_event_time_handler_t handler)
{
        int r = sd_event_add_time(
                door->api->event, source, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, handler, door);

        if (r >= 0)
                r = sd_event_source_set_enabled(*source, SD_EVENT_OFF);
        return r < 0 ? r : sd_event_source_set_priority(*source, SERVER_PRIORITY);
}

static int add_sources(Door *door)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        sd_event *event = door->api->event;
        int r;

        if (!info)
                return -EOPNOTSUPP;
        r = sd_event_add_io(event, &door->epoll, info->epoll_fd, EPOLLIN, on_epoll, door);
        if (r >= 0)
                r = sd_event_add_io(event, &door->accept, door->fd, EPOLLIN, on_accept, door);
        if (r >= 0)
                r = sd_event_add_defer(event, &door->again, on_again, door);
        if (r >= 0)
                r = add_timer(door, &door->timer, on_timer);
        if (r >= 0)
                r = add_timer(door, &door->pause, on_pause_over);
        if (r < 0)
                return r;
        (void)sd_event_source_set_enabled(door->again, SD_EVENT_OFF);
        (void)sd_event_source_set_priority(door->again, SERVER_PRIORITY);
        (void)sd_event_source_set_priority(door->epoll, SERVER_PRIORITY);
        return sd_event_source_set_priority(door->accept, SERVER_PRIORITY);
}

int door_init(Door *door, Api *api, int fd, bool is_control)
{
        int r;

        *door = (Door){.api = api, .fd = fd, .is_control = is_control};
        list_init(&door->connections);
        list_init(&door->answers);
        r = start_daemon(door);
        return r < 0 ? r : add_sources(door);
}

void door_deinit(Door *door)
{
        if (!door->api)
                return;
        door->accept = sd_event_source_disable_unref(door->accept);
        door->pause = sd_event_source_disable_unref(door->pause);
        door->epoll = sd_event_source_disable_unref(door->epoll);
        door->timer = sd_event_source_disable_unref(door->timer);
        door->again = sd_event_source_disable_unref(door->again);
        if (door->daemon) {
                request_resume_all(door); /* the library aborts if it is stopped with suspended connections */
                MHD_stop_daemon(door->daemon);
                door->daemon = NULL;
                request_forget_cache(door);
        }
        door->fd = fd_close(door->fd);
}
