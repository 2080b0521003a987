#include "manager/notify.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>
#include "util/macros.h"

static char *socket_path;
static uint64_t watchdog_usec;
static int fd = -1;
static bool ready_unsent;

void notify_init(void)
{
        const char *path = getenv("NOTIFY_SOCKET");

        if (sd_watchdog_enabled(0, &watchdog_usec) <= 0)
                watchdog_usec = 0;
        if (path && !socket_path)
                socket_path = strdup(path);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_PID");
        unsetenv("WATCHDOG_USEC");
}

void notify_put_back(void)
{
        char text[24];

        if (socket_path)
                (void)setenv("NOTIFY_SOCKET", socket_path, 1);
        if (watchdog_usec == 0)
                return;
        snprintf(text, sizeof(text), "%" PRIu64, watchdog_usec);
        (void)setenv("WATCHDOG_USEC", text, 1);
        snprintf(text, sizeof(text), "%d", (int)getpid());
        (void)setenv("WATCHDOG_PID", text, 1);
}

/* sd_notify() itself would wait for room in the queue of a service manager that is stuck. */
static bool send_now(const char *state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t len = strlen(socket_path);

        if (len >= sizeof(address.sun_path))
                return true; /* and never will be */
        if (fd < 0)
                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        memcpy(address.sun_path, socket_path, len);
        if (socket_path[0] == '@') /* an abstract name (unix(7)) */
                address.sun_path[0] = '\0';
        return sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) >= 0;
}

static bool send_state(const char *state)
{
        if (!socket_path)
                return true;
        if (ready_unsent)
                ready_unsent = !send_now("READY=1");
        return send_now(state);
}

void notify_ready(void)
{
        ready_unsent = !send_state("READY=1");
}

/* systemd takes the answer, READY=1, for the end of the reload only if it is of a later time. */
void notify_reloading(void)
{
        struct timespec now;
        char state[80];

        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld%06ld", (long long)now.tv_sec,
                now.tv_nsec / 1000);
        (void)send_state(state);
}

uint64_t notify_watchdog_usec(void)
{
        return watchdog_usec;
}

void notify_watchdog(void)
{
        (void)send_state("WATCHDOG=1");
}

void notify_stopping(void)
{
        (void)send_state("STOPPING=1");
}

void notify_status(const char *text)
{
        CLEANUP_STRING state = NULL;

        if (asprintf(&state, "STATUS=%s", text) < 0) {
                state = NULL;
                return;
        }
        (void)send_state(state);
}
