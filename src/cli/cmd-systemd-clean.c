/* zksup systemd-clean: the last command of zksup.service (ExecStopPost=), whatever zksup has ended of. It waits until the
 * guards have killed what zksup left, which takes them a fraction of a second, kills what is there after that, and kills
 * services whose driver (cmd-systemd-unit.c) is dead. If all went well there is nothing to do. Not for people.
 *
 * The latter is for the case that nothing else covers: zksup, all guards and all drivers were killed at
 * once, and the services, in control groups of their own, live on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "manager/service-bus.h"
#include "unit/cgroup.h"
#include "unit/service-name.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/text.h"

#define VERB "systemd-clean"
#define RUN_DIRECTORY "/run/zksup/services"
/* Guards give a command 100 ms once zksup is dead, and kill then. */
#define GUARDS_USEC (3 * USEC_PER_SEC)
#define KILL_USEC (5 * USEC_PER_SEC)
#define POLL_USEC (10 * USEC_PER_MSEC)
#define CALL_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define PROCS_MAX (1 << 20)

/* The group of the service: systemd runs us in it, or in one below it (".control"). */
static char *service_group(void)
{
        char *path = NULL, *end;

        if (cgroup_find_own(&path) < 0)
                return NULL;
        end = strstr(path, ".service");
        if (!end || (end[strlen(".service")] && end[strlen(".service")] != '/')) {
                free(path);
                return NULL;
        }
        end[strlen(".service")] = 0;
        return path;
}

/* Sends SIGNAL (0: to nobody) to all processes of GROUP alone but us. Returns how many there are. */
static unsigned signal_here(const char *group, int signal)
{
        CLEANUP_STRING file = NULL;
        CLEANUP_STRING text = NULL;
        unsigned n = 0;
        char *save;

        if (asprintf(&file, "%s/cgroup.procs", group) < 0 || file_read(file, PROCS_MAX, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                pid_t pid = (pid_t)atoi(line);

                if (pid <= 0 || pid == getpid())
                        continue;
                if (signal)
                        kill(pid, signal);
                n++;
        }
        return n;
}

/* The same for GROUP and all groups below it, and removes those that are empty. */
static unsigned signal_all(const char *group, int signal)
{
        DIR *dir = opendir(group);
        const struct dirent *d;
        unsigned n = signal_here(group, signal);

        while (dir && (d = readdir(dir))) {
                CLEANUP_STRING below = NULL;

                if (d->d_type != DT_DIR || d->d_name[0] == '.' || asprintf(&below, "%s/%s", group, d->d_name) < 0)
                        continue;
                n += signal_all(below, signal);
                (void)rmdir(below);
        }
        if (dir)
                closedir(dir);
        return n;
}

static unsigned wait_until_empty(const char *group, int signal, uint64_t usec)
{
        uint64_t until_usec = clock_boottime_usec() + usec;
        unsigned n;

        while ((n = signal_all(group, signal)) > 0 && clock_boottime_usec() < until_usec)
                usleep(POLL_USEC);
        return n;
}

/* Returns how many processes are left. */
static unsigned clean_group(void)
{
        CLEANUP_STRING group = service_group();
        unsigned n;

        if (!group) {
                log_warning("not in the control group of a service: nothing to clean up there");
                return 0;
        }
        n = wait_until_empty(group, 0, GUARDS_USEC);
        if (n == 0)
                return 0;
        log_warning("%u processes were left behind: they are killed", n);
        n = wait_until_empty(group, SIGKILL, KILL_USEC);
        if (n)
                log_error("%u processes outlive SIGKILL", n);
        return n;
}

/* Whether it runs; when in doubt it does. */
static bool is_active(sd_bus *bus, const char *name)
{
        CLEANUP_STRING path = NULL;
        CLEANUP_STRING state = NULL;

        if (service_bus_load(bus, name, &path) < 0 ||
                service_bus_get_text(bus, path, SERVICE_BUS_UNIT, "ActiveState", &state) < 0)
                return true;
        return strcmp(state, "inactive") != 0 && strcmp(state, "failed") != 0;
}

static void kill_service(const char *name)
{
        CLEANUP(sd_bus_close_unref) sd_bus *bus = NULL;
        char problem[256];
        int r = service_bus_open(&bus, CALL_TIMEOUT_USEC);

        if (r < 0) {
                log_error("%s: what drove it is dead, and there is no connection to the system's bus to kill it: %s", name,
                        strerror(-r));
                return;
        }
        if (!is_active(bus, name))
                return; /* its guard has killed it */
        log_warning("%s: what drove it is dead: it is killed", name);
        service_bus_kill(bus, name);
        if (service_bus_stop(bus, name, NULL, problem, sizeof(problem)) < 0)
                log_error("%s: cannot stop it: %s", name, problem);
}

/* A mark whose process is gone is one that could not clean up. */
static void clean_services(void)
{
        DIR *dir = opendir(RUN_DIRECTORY);
        const struct dirent *d;

        while (dir && (d = readdir(dir))) {
                if (service_name_problem(d->d_name) || faccessat(dirfd(dir), d->d_name, F_OK, 0) == 0)
                        continue;
                kill_service(d->d_name);
                (void)unlinkat(dirfd(dir), d->d_name, 0);
        }
        if (dir)
                closedir(dir);
}

int cmd_systemd_clean(int argc, char **argv)
{
        unsigned left;

        if (argc > 1)
                return cli_problem(VERB, "takes nothing; zksup.service runs it when zksup has ended");
        left = clean_group();
        clean_services();
        return left ? EXIT_STATUS_FAILURE : 0;
}
