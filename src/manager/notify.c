#include "manager/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include "util/macros.h"

static char *socket_path;
static uint64_t watchdog_usec;

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

static void send_state(const char *state)
{
        if (!socket_path || setenv("NOTIFY_SOCKET", socket_path, 1) < 0)
                return;
        (void)sd_notify(0, state);
        unsetenv("NOTIFY_SOCKET");
}

void notify_ready(void)
{
        send_state("READY=1");
}

/* systemd takes the answer, READY=1, for the end of the reload only if it is of a later time. */
void notify_reloading(void)
{
        struct timespec now;
        char state[80];

        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld%06ld", (long long)now.tv_sec,
                now.tv_nsec / 1000);
        send_state(state);
}

uint64_t notify_watchdog_usec(void)
{
        return watchdog_usec;
}

void notify_watchdog(void)
{
        send_state("WATCHDOG=1");
}

void notify_stopping(void)
{
        send_state("STOPPING=1");
}

void notify_status(const char *text)
{
        CLEANUP_STRING state = NULL;

        if (asprintf(&state, "STATUS=%s", text) < 0) {
                state = NULL;
                return;
        }
        send_state(state);
}
