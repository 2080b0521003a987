#include "manager/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include "util/macros.h"

static char *socket_path;

void notify_init(void)
{
        const char *path = getenv("NOTIFY_SOCKET");

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
