#include "manager/service-bus.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"

/* What sd-bus would wait for in the first call, with no other bound than its own 90 seconds. */
static int await_ready(sd_bus *bus, uint64_t until_usec)
{
        for (;;) {
                uint64_t now_usec = clock_boottime_usec();
                int r = sd_bus_is_ready(bus);

                if (r != 0)
                        return r;
                if (now_usec >= until_usec)
                        return -ETIMEDOUT;
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, until_usec - now_usec);
                if (r < 0)
                        return r;
        }
}

int service_bus_open(sd_bus **out, uint64_t timeout_usec)
{
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r < 0)
                return r;
        r = sd_bus_set_method_call_timeout(bus, timeout_usec);
        if (r >= 0)
                r = await_ready(bus, usec_add(clock_boottime_usec(), timeout_usec));
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        *out = bus;
        return 0;
}

int service_bus_load(sd_bus *bus, const char *name, char **path)
{
        sd_bus_message *reply = NULL;
        const char *found;
        int r = sd_bus_call_method(bus, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER, "LoadUnit",
                NULL, &reply, "s", name);

        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &found);
        if (r >= 0) {
                *path = strdup(found);
                r = *path ? 0 : -ENOMEM;
        }
        sd_bus_message_unref(reply);
        return r;
}

int service_bus_get_text(sd_bus *bus, const char *path, const char *interface, const char *property, char **value)
{
        int r = sd_bus_get_property_string(bus, SERVICE_BUS_SYSTEMD, path, interface, property, NULL, value);

        return r < 0 ? r : 0;
}

int service_bus_get_int(sd_bus *bus, const char *path, const char *interface, const char *property, int *value)
{
        int r = sd_bus_get_property_trivial(bus, SERVICE_BUS_SYSTEMD, path, interface, property, NULL, 'i', value);

        return r < 0 ? r : 0;
}

static int queue(sd_bus *bus, const char *method, const char *name, char **job, char *problem, size_t problem_size)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *path;
        int r = sd_bus_call_method(bus, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER, method,
                &error, &reply, "ss", name, "replace");

        if (r < 0)
                snprintf(problem, problem_size, "%s", error.message ? error.message : strerror(-r));
        if (r >= 0 && job) {
                r = sd_bus_message_read(reply, "o", &path);
                *job = r >= 0 ? strdup(path) : NULL;
                if (!*job)
                        r = -ENOMEM;
        }
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

int service_bus_start(sd_bus *bus, const char *name, char **job, char *problem, size_t problem_size)
{
        return queue(bus, "StartUnit", name, job, problem, problem_size);
}

int service_bus_stop(sd_bus *bus, const char *name, char **job, char *problem, size_t problem_size)
{
        return queue(bus, "StopUnit", name, job, problem, problem_size);
}

void service_bus_reset(sd_bus *bus, const char *name)
{
        (void)sd_bus_call_method(bus, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER,
                "ResetFailedUnit", NULL, NULL, "s", name);
}

void service_bus_kill(sd_bus *bus, const char *name)
{
        (void)sd_bus_call_method(bus, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER, "KillUnit",
                NULL, NULL, "ssi", name, "all", SIGKILL);
}

int service_bus_signal(sd_bus *bus, const char *name, int signal)
{
        int r = sd_bus_call_method(bus, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER, "KillUnit",
                NULL, NULL, "ssi", name, "main", signal);

        return r < 0 ? r : 0;
}
