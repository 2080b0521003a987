#include "unit/readiness-probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "unit/descriptors.h"
#include "util/clock.h"

#define INTERVAL_DEFAULT_USEC (100 * USEC_PER_MSEC)
#define PROBE_DEFAULT_USEC (2 * USEC_PER_SEC)
/* The first attempts come quicker: most commands are ready within milliseconds. */
#define INTERVAL_FIRST_USEC (5 * USEC_PER_MSEC)
#define REQUEST_MAX 2048

typedef union Address {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
        struct sockaddr_storage storage; /* so that two of them can be compared whole */
} Address;

static void arm(Probe *p, uint64_t usec)
{
        if (sd_event_source_set_time_relative(p->timer, usec) >= 0)
                (void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

static uint64_t next_interval(const Probe *p)
{
        uint64_t interval = p->config->interval_usec ?: INTERVAL_DEFAULT_USEC;

        if (p->config->kind == READINESS_EXEC || p->attempts > 8)
                return interval;
        return MIN(INTERVAL_FIRST_USEC << p->attempts, interval);
}

/* Ends the attempt, however far it had come. A program that still runs is killed with its group and
 * left to the reaper. */
static void end_attempt(Probe *p)
{
        p->io = sd_event_source_disable_unref(p->io);
        p->fd = fd_close(p->fd);
        if (p->pid > 0) {
                (void)kill(-p->pid, SIGKILL);
                reaper_unwatch(&p->watch);
        }
        p->pid = 0;
        p->attempting = p->connected = false;
        p->reply_len = 0;
}

static void succeed(Probe *p)
{
        readiness_probe_stop(p);
        p->handler(p->userdata);
}

static void fail(Probe *p)
{
        end_attempt(p);
        arm(p, next_interval(p));
        p->attempts++;
}

/* --- connections -------------------------------------------------------------------------------- */

static socklen_t fill_address(const ReadinessConfig *c, Address *a)
{
        memset(a, 0, sizeof(*a));
        if (inet_pton(AF_INET, c->host, &a->four.sin_addr) == 1) {
                a->four.sin_family = AF_INET;
                a->four.sin_port = htons(c->port);
                return sizeof(a->four);
        }
        if (inet_pton(AF_INET6, c->host, &a->six.sin6_addr) != 1)
                return 0;
        a->six.sin6_family = AF_INET6;
        a->six.sin6_port = htons(c->port);
        return sizeof(a->six);
}

/* A socket that connects to a port of the ephemeral range on its own host can be given that very
 * port and then meet itself (simultaneous open, RFC 9293 section 3.5): nobody listens there. */
static bool is_connected_to_itself(int fd)
{
        Address own = {}, peer = {};
        socklen_t own_len = sizeof(own), peer_len = sizeof(peer);

        return getsockname(fd, &own.any, &own_len) == 0 && getpeername(fd, &peer.any, &peer_len) == 0 &&
               own_len == peer_len && memcmp(&own, &peer, own_len) == 0;
}

static bool send_request(Probe *p)
{
        const ReadinessConfig *c = p->config;
        bool six = strchr(c->host, ':');
        char request[REQUEST_MAX];
        int len;

        len = snprintf(request, sizeof(request),
                "GET %s HTTP/1.0\r\nHost: %s%s%s:%u\r\nUser-Agent: zksup\r\nConnection: close\r\n\r\n",
                c->path, six ? "[" : "", c->host, six ? "]" : "", c->port);
        return len > 0 && (size_t)len < sizeof(request) &&
               send(p->fd, request, (size_t)len, MSG_NOSIGNAL) == len;
}

/* "HTTP/1.x 2" is all that has to be seen. */
static void read_reply(Probe *p)
{
        static const size_t needed = sizeof("HTTP/1.x 2") - 1;
        ssize_t n = recv(p->fd, p->reply + p->reply_len, needed - p->reply_len, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                fail(p);
                return;
        }
        p->reply_len += (size_t)n;
        if (p->reply_len < needed)
                return;
        if (memcmp(p->reply, "HTTP/1.", 7) == 0 && p->reply[8] == ' ' && p->reply[9] == '2')
                succeed(p);
        else
                fail(p);
}

static void on_connected(Probe *p)
{
        int error = 0;
        socklen_t len = sizeof(error);

        if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error ||
                is_connected_to_itself(p->fd)) {
                fail(p);
                return;
        }
        if (p->config->kind == READINESS_TCP) {
                succeed(p);
                return;
        }
        p->connected = true;
        if (!send_request(p) || sd_event_source_set_io_events(p->io, EPOLLIN) < 0)
                fail(p);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Probe *p = userdata;

        if (p->connected)
                read_reply(p);
        else
                on_connected(p);
        return 0;
}

static bool begin_connect(Probe *p)
{
        Address address;
        socklen_t len = fill_address(p->config, &address);

        p->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (p->fd < 0)
                return false;
        if (connect(p->fd, &address.any, len) < 0 && errno != EINPROGRESS)
                return false;
        return sd_event_add_io(p->event, &p->io, p->fd, EPOLLOUT, on_io, p) >= 0;
}

/* --- programs ----------------------------------------------------------------------------------- */

static void on_program(ReaperWatch *watch, int code, int status)
{
        Probe *p = CONTAINER_OF(watch, Probe, watch);

        if (code == CLD_STOPPED)
                return; /* the limit ends it */
        if (code != 0)
                (void)kill(-p->pid, SIGKILL); /* what it left behind; its group lives as long as they do */
        p->pid = 0;
        if (code == CLD_EXITED && status == 0)
                succeed(p);
        else if (code != 0)
                fail(p);
}

/* Default dispositions, nothing blocked, a group of its own, nothing to read. */
static int spawn_program(pid_t *pid, char *const *argv)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        struct rlimit limit;
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        r = posix_spawnattr_init(&attr);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0) {
                posix_spawnattr_destroy(&attr);
                return -r;
        }
        (void)posix_spawnattr_setsigmask(&attr, &none);
        (void)posix_spawnattr_setsigdefault(&attr, &all);
        (void)posix_spawnattr_setpgroup(&attr, 0);
        (void)posix_spawnattr_setflags(
                &attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
        if (r == 0 && descriptors_original(&limit)) /* before it can have opened many */
                (void)prlimit(*pid, RLIMIT_NOFILE, &limit, NULL);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attr);
        return -r;
}

static bool begin_program(Probe *p)
{
        pid_t pid;

        if (spawn_program(&pid, p->config->argv) < 0)
                return false;
        p->pid = pid;
        reaper_watch(p->reaper, &p->watch, pid, on_program);
        return true;
}

/* --- the probe ---------------------------------------------------------------------------------- */

static void attempt(Probe *p)
{
        bool begun = p->config->kind == READINESS_EXEC ? begin_program(p) : begin_connect(p);

        if (!begun) {
                fail(p);
                return;
        }
        p->attempting = true;
        arm(p, p->config->probe_usec ?: PROBE_DEFAULT_USEC);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Probe *p = userdata;

        if (p->attempting)
                fail(p);
        else
                attempt(p);
        return 0;
}

int readiness_probe_init(Probe *p, sd_event *event, Reaper *reaper, const ReadinessConfig *config,
        ProbeHandler handler, void *userdata)
{
        int r;

        *p = (Probe){.event = event,
                .reaper = reaper,
                .config = config,
                .handler = handler,
                .userdata = userdata,
                .fd = -1};
        r = sd_event_add_time(event, &p->timer, CLOCK_MONOTONIC, 0, 1, on_timer, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
        return r < 0 ? r : 0;
}

void readiness_probe_deinit(Probe *p)
{
        if (!p->event)
                return;
        end_attempt(p);
        p->timer = sd_event_source_disable_unref(p->timer);
        p->event = NULL;
}

int readiness_probe_start(Probe *p)
{
        readiness_probe_stop(p);
        p->active = true;
        p->attempts = 0;
        arm(p, next_interval(p));
        return 0;
}

void readiness_probe_stop(Probe *p)
{
        if (!p->active)
                return;
        p->active = false;
        end_attempt(p);
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
}
