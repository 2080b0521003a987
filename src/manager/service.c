#include "manager/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "manager/service-bus.h"
#include "unit/cgroup.h"
#include "unit/service-name.h"
#include "util/clock.h"
#include "util/log.h"

#ifndef ZKSUP_BINDIR
#define ZKSUP_BINDIR "/usr/bin"
#endif

/* Each of the few calls; a systemd that is alive answers within a millisecond. */
#define CALL_TIMEOUT_USEC (100 * USEC_PER_MSEC)

static int try_program(const char *dir, const char *below, char **program)
{
        if (asprintf(program, "%s%s/zksup", dir, below) < 0) {
                *program = NULL;
                return -ENOMEM;
        }
        if (access(*program, X_OK) == 0)
                return 0;
        free(TAKE(*program));
        return -ENXIO;
}

/* Beside the program that we are, where it is the build tree or ourselves, else where it is installed. */
static int find_program(char **program)
{
        char dir[4096], *slash;
        ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
        int r = -ENXIO;

        if (n > 0) {
                dir[n] = 0;
                slash = strrchr(dir, '/');
                *slash = 0;
                r = try_program(dir, "", program);
        }
        return r == 0 ? 0 : try_program(ZKSUP_BINDIR, "", program);
}

/* Where the root of its hierarchy is for systemd: "" unless systemd runs in a container without a view of its own. */
static char *hierarchy_root(sd_bus *bus)
{
        char *root = NULL;

        if (service_bus_get_text(bus, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER, "ControlGroup", &root) < 0)
                return strdup("");
        if (strcmp(root, "/") == 0)
                *root = 0;
        return root;
}

static void stop_if_active(sd_bus *bus, const char *name, const char *path)
{
        CLEANUP_STRING state = NULL;
        char problem[256];

        if (service_bus_get_text(bus, path, SERVICE_BUS_UNIT, "ActiveState", &state) < 0 ||
                strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0)
                return;
        log_warning("%s is %s although nothing is held for it: it is stopped, and killed if that takes long", name, state);
        if (service_bus_stop(bus, name, NULL, problem, sizeof(problem)) < 0)
                log_warning("%s: cannot stop it: %s", name, problem);
}

static char *ask_systemd(const char *name, bool held)
{
        CLEANUP(sd_bus_close_unref) sd_bus *bus = NULL;
        CLEANUP_STRING path = NULL;
        CLEANUP_STRING slice = NULL;
        CLEANUP_STRING root = NULL;
        CLEANUP_STRING group = NULL;
        char *whole = NULL;
        int r = service_bus_open(&bus, CALL_TIMEOUT_USEC);

        if (r == 0)
                r = service_bus_load(bus, name, &path);
        if (r == 0)
                r = service_bus_get_text(bus, path, SERVICE_BUS_SERVICE, "Slice", &slice);
        if (r < 0) {
                log_warning("%s: systemd does not say where it runs: %s", name, strerror(-r));
                return NULL;
        }
        if (!held)
                stop_if_active(bus, name, path);
        if (!*slice) /* it is not loaded: there is no such service, or it is masked */
                return NULL;
        root = hierarchy_root(bus);
        group = service_name_group(name, slice);
        if (!root || !group || asprintf(&whole, "%s%s", root, group) < 0)
                return NULL;
        return whole;
}

static char *usual_group(const char *name)
{
        CLEANUP_STRING slice = service_name_slice(name);

        return slice ? service_name_group(name, slice) : NULL;
}

int service_init(Service *s, const char *name, bool held)
{
        CLEANUP_STRING group = ask_systemd(name, held);
        char **argv = s->argv;
        int r;

        memset(s, 0, sizeof(*s));
        if (!group)
                group = usual_group(name);
        if (!group)
                return -ENOMEM;
        r = find_program(&s->program);
        if (r == 0)
                r = cgroup_find_mounted(group, &s->group) == -ENOENT ? -EOPNOTSUPP : s->group ? 0 : -ENOMEM;
        if (r < 0) {
                service_deinit(s);
                return r;
        }
        *argv++ = s->program;
        *argv++ = (char *)"systemd-unit";
        *argv++ = (char *)"--group";
        *argv++ = s->group;
        *argv++ = (char *)name;
        *argv = NULL;
        return 0;
}

void service_deinit(Service *s)
{
        free(s->program);
        free(s->group);
        memset(s, 0, sizeof(*s));
}
