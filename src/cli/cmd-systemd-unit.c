/* zksup systemd-unit: the command of a unit that has a systemd service for its child. zksup itself runs it, under a guard
 * like any command: it starts the service, says when it is ready, ends when the service ends, with the
 * service's exit status, and stops the service when it is told to end. It is not for people and not in the list of verbs.
 *
 * It decides nothing about the lease: should it, or systemd, be too slow, the guard kills the service's control group.
 *
 * RUN_DIRECTORY/NAME is there exactly as long as this process lives: a symbolic link to one of its descriptors in /proc. A
 * service with AssertPathExists= on it cannot be started by anybody else, nor by a job of ours that systemd comes to
 * when we are dead. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "manager/service-bus.h"
#include "unit/service-name.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/signal-name.h"
#include "util/text.h"

#ifndef ZKSUP_DATADIR
#define ZKSUP_DATADIR "/usr/share/zksup"
#endif

#define VERB "systemd-unit"
#define RUN_DIRECTORY "/run/zksup/services"
/* PID 1 may take its time to load all its units anew; the guard does not wait for us. */
#define CALL_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define RECONNECT_USEC (500 * USEC_PER_MSEC)
/* A number of a descriptor that another process which happens to get our pid does not have. */
#define TOKEN_FD_MIN 713
#define STATUS_NOT_SUCCESSFUL 1
#define SIGNAL_BASE 128

enum Phase {
        PHASE_CLEARING, /* it ran before we were there: it is being stopped */
        PHASE_STARTING,
        PHASE_RUNNING,
        PHASE_STOPPING,
};

typedef struct Driver {
        const char *name;
        const char *group; /* where the guard will look for its processes */
        sd_event *event;
        sd_bus *bus;
        char *path; /* the object of the unit */
        char *job;  /* that we wait for */
        sd_event_source *reconnect;
        enum Phase phase;
        bool ready, oneshot;
        int refusal; /* an exit status that says more than the service's own, or 0 */
        char *link;
        int token_fd;
} Driver;

static void finish(Driver *d, int status)
{
        (void)sd_event_exit(d->event, status);
}

static char *unit_text(const Driver *d, const char *property)
{
        char *value = NULL;

        (void)service_bus_get_text(d->bus, d->path, SERVICE_BUS_UNIT, property, &value);
        return value;
}

static char *service_text(const Driver *d, const char *property)
{
        char *value = NULL;

        (void)service_bus_get_text(d->bus, d->path, SERVICE_BUS_SERVICE, property, &value);
        return value;
}

static bool is(const char *text, const char *word)
{
        return text && strcmp(text, word) == 0;
}

/* --- how it ended ------------------------------------------------------------------------------- */

/* systemd's word for it is "success" also for a code that SuccessExitStatus= names, and for TERM. */
static int exit_status(const Driver *d)
{
        CLEANUP_STRING result = service_text(d, "Result");
        int code = 0, status = 0;

        if (is(result, "success"))
                return 0;
        (void)service_bus_get_int(d->bus, d->path, SERVICE_BUS_SERVICE, "ExecMainCode", &code);
        (void)service_bus_get_int(d->bus, d->path, SERVICE_BUS_SERVICE, "ExecMainStatus", &status);
        log_warning("%s: ended with result '%s'; 'systemctl status %s' shows more", d->name, result ? result : "unknown",
                d->name);
        if (code == CLD_KILLED || code == CLD_DUMPED)
                return SIGNAL_BASE + status;
        return status ? status : STATUS_NOT_SUCCESSFUL;
}

static void say_state(const Driver *d, const char *state)
{
        CLEANUP_STRING sub = unit_text(d, "SubState");
        CLEANUP_STRING text = service_text(d, "StatusText");

        (void)sd_notifyf(0, "STATUS=%s: %s (%s)%s%s", d->name, state, sub ? sub : "", text && *text ? ": " : "",
                text ? text : "");
}

/* Where its processes are must be where the guard will kill them: found out while there is time to refuse. */
static bool is_where_the_guard_looks(const Driver *d)
{
        CLEANUP_STRING group = service_text(d, "ControlGroup");

        if (!d->group || !group || !*group || text_has_suffix(d->group, group))
                return true;
        log_error("%s: runs in the control group %s, not in %s: its Slice= was changed; restart zksup", d->name, group,
                d->group);
        return false;
}

static void stop(Driver *d)
{
        char problem[256];

        d->phase = PHASE_STOPPING;
        free(TAKE(d->job));
        if (!d->bus || sd_bus_is_open(d->bus) <= 0)
                return; /* when the bus is there again; if that is too late the guard kills */
        if (service_bus_stop(d->bus, d->name, NULL, problem, sizeof(problem)) < 0) {
                log_error("%s: systemd does not stop it: %s", d->name, problem);
                finish(d, EXIT_STATUS_FAILURE); /* the guard kills what is left */
        }
}

static void start(Driver *d)
{
        char problem[256];

        d->phase = PHASE_STARTING;
        free(TAKE(d->job));
        service_bus_reset(d->bus, d->name);
        if (service_bus_start(d->bus, d->name, &d->job, problem, sizeof(problem)) == 0)
                return;
        log_error("%s: systemd does not start it: %s", d->name, problem);
        finish(d, EXIT_STATUS_CANNOT_EXECUTE);
}

static void set_ready(Driver *d)
{
        if (d->ready)
                return;
        d->ready = true;
        (void)sd_notify(0, "READY=1");
}

/* Looks at the service as it is now. What systemd tells us is only the occasion: properties may have changed since. */
static void look(Driver *d)
{
        CLEANUP_STRING state = unit_text(d, "ActiveState");
        bool ended = is(state, "inactive") || is(state, "failed");

        if (!state)
                return; /* no answer: there will be another occasion */
        if (d->phase == PHASE_CLEARING) {
                if (ended)
                        start(d);
                return;
        }
        say_state(d, state);
        if (ended && (d->phase != PHASE_STARTING || !d->job)) {
                finish(d, d->refusal ? d->refusal : exit_status(d));
                return;
        }
        if (d->phase == PHASE_STOPPING || ended)
                return;
        if (!is_where_the_guard_looks(d)) {
                d->refusal = EXIT_STATUS_CANNOT_EXECUTE;
                stop(d);
                return;
        }
        if (is(state, "active") || (d->oneshot && is(state, "activating"))) {
                set_ready(d);
                if (!d->job)
                        d->phase = PHASE_RUNNING;
        }
}

/* --- what systemd tells ------------------------------------------------------------------------- */

static void on_start_done(Driver *d, const char *result)
{
        CLEANUP_STRING state = unit_text(d, "ActiveState");

        free(TAKE(d->job));
        if (d->phase != PHASE_STARTING)
                return;
        if (is(result, "assert") || is(result, "dependency") || is(result, "invalid") || is(result, "unsupported")) {
                log_error("%s: not started: %s; see 'journalctl -u %s'", d->name,
                        is(result, "assert")       ? "an Assert...= of its unit does not hold"
                        : is(result, "dependency") ? "another unit that it requires has failed"
                                                   : result,
                        d->name);
                finish(d, EXIT_STATUS_CANNOT_EXECUTE);
                return;
        }
        if (is(result, "done") && is(state, "inactive") && !d->oneshot)
                log_warning("%s: systemd has passed over the start: a Condition...= of its unit does not hold", d->name);
        d->phase = PHASE_RUNNING;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Driver *d = userdata;
        const char *job, *unit, *result;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) >= 0 && is(d->job, job)) {
                on_start_done(d, result);
                look(d);
        }
        return 0;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        look(userdata);
        return 0;
}

static void subscribe(const Driver *d)
{
        (void)sd_bus_call_method(d->bus, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER, "Subscribe",
                NULL, NULL, NULL);
}

/* systemd was executed anew and may have forgotten that we listen. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        subscribe(userdata);
        look(userdata);
        return 0;
}

/* Without the bus nothing can be seen or asked. The service goes on; the guard needs no bus to end it. */
static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Driver *d = userdata;

        log_warning("%s: the connection to the system's bus is lost, trying again", d->name);
        (void)sd_event_source_set_enabled(d->reconnect, SD_EVENT_ONESHOT);
        (void)sd_event_source_set_time_relative(d->reconnect, RECONNECT_USEC);
        return 0;
}

static int listen_to_systemd(Driver *d)
{
        int r = sd_bus_match_signal(d->bus, NULL, SERVICE_BUS_SYSTEMD, SERVICE_BUS_MANAGER_PATH, SERVICE_BUS_MANAGER,
                "JobRemoved", on_job_removed, d);

        if (r >= 0)
                r = sd_bus_match_signal(d->bus, NULL, SERVICE_BUS_SYSTEMD, d->path, "org.freedesktop.DBus.Properties",
                        "PropertiesChanged", on_changed, d);
        if (r >= 0)
                r = sd_bus_add_match(d->bus, NULL,
                        "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" SERVICE_BUS_SYSTEMD "'",
                        on_owner, d);
        if (r >= 0)
                r = sd_bus_match_signal(d->bus, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local",
                        "Disconnected", on_disconnected, d);
        if (r >= 0)
                r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                subscribe(d);
        return r;
}

/* What happened meanwhile was told to nobody: a job that was waited for is over, or as good as that. */
static int on_reconnect(sd_event_source *source, uint64_t usec, void *userdata)
{
        Driver *d = userdata;

        d->bus = sd_bus_close_unref(d->bus);
        if (service_bus_open(&d->bus, RECONNECT_USEC) < 0 || listen_to_systemd(d) < 0) {
                (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
                (void)sd_event_source_set_time_relative(source, RECONNECT_USEC);
                return 0;
        }
        log_notice("%s: connected to the system's bus again", d->name);
        (void)sd_bus_set_method_call_timeout(d->bus, CALL_TIMEOUT_USEC);
        free(TAKE(d->job));
        if (d->phase == PHASE_STARTING)
                d->phase = PHASE_RUNNING;
        if (d->phase == PHASE_STOPPING)
                stop(d);
        look(d);
        return 0;
}

/* --- what zksup tells --------------------------------------------------------------------------- */

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        Driver *d = userdata;

        if (d->phase != PHASE_STOPPING) {
                stop(d);
                look(d);
        }
        return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        Driver *d = userdata;
        char name[SIGNAL_NAME_MAX];
        int r = service_bus_signal(d->bus, d->name, (int)si->ssi_signo);

        if (r < 0)
                log_warning("%s: cannot send it %s: %s", d->name, signal_to_string((int)si->ssi_signo, name), strerror(-r));
        return 0;
}

/* What is blocked waits until the loop runs, so that nothing is lost before. */
static int take_signals(Driver *d)
{
        static const int others[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM};
        sigset_t set;
        int r;

        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        r = sd_event_add_signal(d->event, NULL, SIGTERM, on_stop, d);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGINT, on_stop, d);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGQUIT, on_stop, d);
        for (size_t i = 0; i < ARRAY_SIZE(others) && r >= 0; i++)
                r = sd_event_add_signal(d->event, NULL, others[i], on_signal, d);
        return r;
}

/* --- whether it can be driven ------------------------------------------------------------------- */

static bool has_assert(const Driver *d)
{
        sd_bus_message *reply = NULL;
        const char *type, *parameter;
        int trigger, negate, state;
        bool found = false;

        if (sd_bus_get_property(d->bus, SERVICE_BUS_SYSTEMD, d->path, SERVICE_BUS_UNIT, "Asserts", NULL, &reply,
                    "a(sbbsi)") >= 0 &&
                sd_bus_message_enter_container(reply, 'a', "(sbbsi)") >= 0)
                while (sd_bus_message_read(reply, "(sbbsi)", &type, &trigger, &negate, &parameter, &state) > 0)
                        found |= is(type, "AssertPathExists") && is(parameter, d->link) && !negate && !trigger;
        sd_bus_message_unref(reply);
        return found;
}

/* Returns 0 or the exit status of the refusal. */
static int check(Driver *d)
{
        CLEANUP_STRING loaded = unit_text(d, "LoadState");
        CLEANUP_STRING enabled = unit_text(d, "UnitFileState");
        CLEANUP_STRING restart = service_text(d, "Restart");
        CLEANUP_STRING type = service_text(d, "Type");
        int remains = 0;

        if (is(loaded, "not-found")) {
                log_error("%s: there is no such service; 'systemctl list-unit-files' lists those there are", d->name);
                return EXIT_STATUS_NOT_FOUND;
        }
        if (!is(loaded, "loaded")) {
                log_error("%s: systemd cannot load it: %s; see 'systemctl status %s'", d->name, loaded ? loaded : "no answer",
                        d->name);
                return EXIT_STATUS_CANNOT_EXECUTE;
        }
        if (!is(restart, "no")) {
                log_error("%s: has Restart=%s, so systemd would start it again behind the lease; put a link to "
                          ZKSUP_DATADIR "/driven.conf into /etc/systemd/system/%s.d/ and do 'systemctl daemon-reload'",
                        d->name, restart ? restart : "?", d->name);
                return EXIT_STATUS_CANNOT_EXECUTE;
        }
        if (!has_assert(d))
                log_warning("%s: can be started by others too; a link to " ZKSUP_DATADIR "/driven.conf in "
                            "/etc/systemd/system/%s.d/ keeps them from it",
                        d->name, d->name);
        if (is(enabled, "enabled") || is(enabled, "enabled-runtime"))
                log_warning("%s: is enabled, so systemd starts it at boot; do 'systemctl disable %s'", d->name, d->name);
        (void)sd_bus_get_property_trivial(d->bus, SERVICE_BUS_SYSTEMD, d->path, SERVICE_BUS_SERVICE, "RemainAfterExit", NULL,
                'b', &remains);
        d->oneshot = is(type, "oneshot") && !remains;
        return 0;
}

/* --- the mark that it is us who start it -------------------------------------------------------- */

static int make_link(Driver *d)
{
        char target[64];
        int fd = memfd_create("zksup-service", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        d->token_fd = fcntl(fd, F_DUPFD_CLOEXEC, TOKEN_FD_MIN);
        close(fd);
        if (d->token_fd < 0)
                return -errno;
        if ((mkdir("/run/zksup", 0755) < 0 && errno != EEXIST) || (mkdir(RUN_DIRECTORY, 0755) < 0 && errno != EEXIST))
                return -errno;
        snprintf(target, sizeof(target), "/proc/%d/fd/%d", (int)getpid(), d->token_fd);
        (void)unlink(d->link);
        return symlink(target, d->link) < 0 ? -errno : 0;
}

static void driver_deinit(Driver *d)
{
        if (d->token_fd >= 0)
                (void)unlink(d->link);
        fd_close(d->token_fd);
        sd_bus_close_unref(d->bus);
        sd_event_source_disable_unref(d->reconnect);
        sd_event_unref(d->event);
        free(d->path);
        free(d->job);
        free(d->link);
}

/* Returns 0, or what to exit with. */
static int open_all(Driver *d)
{
        int r = sd_event_new(&d->event);

        if (r >= 0)
                r = take_signals(d);
        if (r >= 0)
                r = asprintf(&d->link, RUN_DIRECTORY "/%s", d->name) < 0 ? -ENOMEM : 0;
        if (r < 0)
                return cli_problem(VERB, "%s", strerror(-r));
        r = service_bus_open(&d->bus, CALL_TIMEOUT_USEC);
        if (r < 0)
                return cli_problem(VERB, "%s: no connection to the system's bus: %s; is dbus installed and running?", d->name,
                        strerror(-r));
        r = service_bus_load(d->bus, d->name, &d->path);
        if (r < 0)
                return cli_problem(VERB, "%s: systemd cannot load it: %s", d->name, strerror(-r));
        r = check(d);
        if (r != 0)
                return r;
        r = make_link(d);
        if (r < 0)
                return cli_problem(VERB, "%s: cannot make '%s': %s", d->name, d->link, strerror(-r));
        r = listen_to_systemd(d);
        if (r >= 0)
                r = sd_event_add_time(d->event, &d->reconnect, CLOCK_MONOTONIC, USEC_INFINITY, 0, on_reconnect, d);
        return r < 0 ? cli_problem(VERB, "%s: cannot listen to systemd: %s", d->name, strerror(-r)) : 0;
}

/* Under a hold that is fresh what ran before it must not go on. */
static void begin(Driver *d)
{
        CLEANUP_STRING state = unit_text(d, "ActiveState");
        char problem[256];

        if (is(state, "inactive") || is(state, "failed")) {
                start(d);
                return;
        }
        d->phase = PHASE_CLEARING;
        log_warning("%s: is %s already, and is stopped first", d->name, state ? state : "perhaps active");
        if (service_bus_stop(d->bus, d->name, NULL, problem, sizeof(problem)) < 0) {
                log_error("%s: systemd does not stop it: %s", d->name, problem);
                finish(d, EXIT_STATUS_FAILURE);
        }
        look(d);
}

static int drive(Driver *d)
{
        int r = open_all(d);

        if (r == 0) {
                begin(d);
                r = sd_event_loop(d->event);
                if (r < 0)
                        r = cli_problem(VERB, "%s: %s", d->name, strerror(-r));
        }
        driver_deinit(d);
        return r;
}

typedef struct UnitOptions {
        const char *group;
} UnitOptions;

static const OptionSpec specs[] = {
        {"group", 0, "PATH", value_parse_string, offsetof(UnitOptions, group), "where its control group is"},
        {NULL},
};

int cmd_systemd_unit(int argc, char **argv)
{
        Driver d = {.token_fd = -1};
        UnitOptions o = {0};
        const char *problem;
        bool dashes;
        int rest;

        switch (options_parse(argc, argv, specs, &o, &rest, &dashes, VERB " [OPTION]... SERVICE")) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (argc - rest != 1)
                return cli_problem(VERB, "name one service");
        problem = service_name_problem(argv[rest]);
        if (problem)
                return cli_problem(VERB, "'%s' %s", argv[rest], problem);
        d.name = argv[rest];
        d.group = o.group;
        return drive(&d);
}
