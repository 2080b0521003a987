#include "manager/daemon-private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "manager/identity.h"
#include "manager/notify.h"
#include "util/clock.h"
#include "util/log.h"

#define STATUS_DELAY_USEC (250 * USEC_PER_MSEC)

/* --- what the service manager hears ------------------------------------------------------------- */

static bool is_one_of(const char *state, const char *a, const char *b, const char *c)
{
        return strcmp(state, a) == 0 || strcmp(state, b) == 0 || strcmp(state, c) == 0;
}

/* "12 units: 9 ready, 2 waiting, 1 failed; session 0x... at 127.0.0.1:2181" */
static void describe(const Daemon *daemon, const Snapshot *s, char *text, size_t size)
{
        size_t ready = 0, waiting = 0, failed = 0, rest = 0, busy = 0, used;

        for (size_t i = 0; i < s->n_units; i++) {
                const SnapshotUnit *u = &s->units[i];

                if (u->ready)
                        ready++;
                else if (strcmp(u->state, "gate") == 0)
                        waiting++;
                else if (strcmp(u->state, "failed") == 0)
                        failed++;
                else if (is_one_of(u->state, "down", "finished", ""))
                        rest++;
                else
                        busy++;
        }
        used = (size_t)snprintf(text, size, "%s%zu unit%s: %zu ready", manager_is_ending(daemon->manager) ? "stopping; " : "", s->n_units,
                s->n_units == 1 ? "" : "s", ready);
        const struct {
                size_t n;
                const char *what;
        } counts[] = {{waiting, "waiting"}, {busy, "on the way"}, {failed, "failed"}, {rest, "not running"}};

        for (size_t i = 0; i < ARRAY_SIZE(counts) && used < size; i++)
                if (counts[i].n)
                        used += (size_t)snprintf(text + used, size - used, ", %zu %s", counts[i].n, counts[i].what);
        if (used >= size)
                return;
        if (strcmp(s->session.state, "attached") == 0)
                snprintf(text + used, size - used, "; connected to %s", s->session.server);
        else
                snprintf(text + used, size - used, "; no contact with the ensemble%s%.150s",
                        daemon->no_contact[0] ? ": " : "", daemon->no_contact);
}

static void on_status_timer(void *userdata)
{
        Daemon *daemon = userdata;
        const Snapshot *snapshot = daemon_snapshot(daemon);
        char text[sizeof(daemon->status)];

        describe(daemon, snapshot, text, sizeof(text));
        if (strcmp(text, daemon->status) != 0) {
                strcpy(daemon->status, text);
                notify_status(text);
        }
        if (daemon->host)
                host_set(daemon->host, snapshot);
}

void daemon_changed(Daemon *daemon)
{
        timer_set(&daemon->status_timer, usec_add(clock_boottime_usec(), STATUS_DELAY_USEC));
}

/* A loop that comes here makes progress; that the session does is asked for. What is stuck gets no sign of life,
 * and is killed and started again by who waits for it. */
static void on_watchdog(void *userdata)
{
        Daemon *daemon = userdata;

        if (manager_is_well(daemon->manager))
                notify_watchdog();
        else
                log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_STUCK},
                        "the machine of the session does not move on; no sign of life for the watchdog");
        timer_set(&daemon->watchdog_timer, usec_add(clock_boottime_usec(), daemon->watchdog_usec));
}

/* --- what happens ------------------------------------------------------------------------------- */

static void log_lines(enum LogLevel level, const char *lines)
{
        for (const char *p = lines ?: ""; *p;) {
                int n = (int)strcspn(p, "\n");

                log_write(level, "%.*s", n, p);
                p += n + (p[n] == '\n');
        }
}

/* Those that somebody has moved away. */
static void reopen_outputs(Daemon *daemon)
{
        list_for_each(link, fleet_units(daemon->fleet))
        {
                FleetUnit *u = list_entry(link, FleetUnit, link);

                if (u->unit)
                        unit_output_reopen(u->unit);
        }
}

void daemon_override(const Daemon *daemon, ConfigGlobal *g)
{
        const DaemonOverrides *o = &daemon->overrides;

        g->connect = o->connect ?: g->connect;
        g->root = o->root ?: g->root;
        g->control = o->control ?: g->control;
}

/* What only a new start can change stays as it was at the start, strings included: units that are made from now on go by
 * the root that all others go by, and the next reload, or another program, compares with what is in force. */
static void take_config(Daemon *daemon, Config *config)
{
        config_swap_global(daemon->config, config);
        config_free(daemon->config);
        daemon->config = config;
}

int daemon_reload(Daemon *daemon, TextBuffer *summary, TextBuffer *problems)
{
        CLEANUP(text_buffer_deinit) TextBuffer which = {0};
        Config *config;
        int r;

        if (manager_is_ending(daemon->manager)) {
                text_buffer_puts(problems, "zksup is stopping\n");
                return -ESHUTDOWN;
        }
        notify_reloading();
        r = config_load(&config, daemon->path, problems);
        if (r == 0) {
                daemon_override(daemon, &config->global);
                if (config_global_needs_restart(&daemon->config->global, &config->global, &which))
                        text_buffer_printf(summary, "not changed until zksup is started anew: %s\n", which.data ?: "");
                fleet_apply(daemon->fleet, config, summary);
                take_config(daemon, config);
                daemon->reloads++;
                daemon->reloaded_usec = clock_realtime_usec();
                log_write_fields(LOG_LEVEL_NOTICE, &(LogFields){.event = LOG_EVENT_RELOADED},
                        "%s read again: %zu units", daemon->path, config->n_units);
                log_lines(LOG_LEVEL_INFO, summary->data);
        } else {
                daemon->failed_reloads++;
                log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_RELOAD_REFUSED, .reason = problems->data},
                        "%s is not taken, everything stays as it was:", daemon->path);
                log_lines(LOG_LEVEL_ERROR, problems->data);
        }
        reopen_outputs(daemon);
        notify_ready();
        if (daemon->api)
                api_tell_reload(daemon->api, r == 0, r == 0 ? summary->data ?: "" : problems->data ?: "");
        daemon_changed(daemon);
        return r;
}

void daemon_stop(Daemon *daemon)
{
        manager_stop(daemon->manager, 0);
        daemon_changed(daemon);
}

static void reload_by_signal(Daemon *daemon)
{
        CLEANUP(text_buffer_deinit) TextBuffer summary = {0}, problems = {0};

        (void)daemon_reload(daemon, &summary, &problems);
}

static void on_signal(Daemon *daemon, int signal)
{
        switch (signal) {
        case SIGTERM:
        case SIGINT:
                log_notice("asked to stop");
                daemon_stop(daemon);
                break;
        case SIGHUP:
                reload_by_signal(daemon);
                break;
        case SIGUSR1:
                reopen_outputs(daemon);
                break;
        default:
                break;
        }
}

static void on_unit(Daemon *daemon, const ManagerNews *news)
{
        FleetUnit *u = news->unit_userdata;
        SnapshotUnit snapshot = {0};

        if (u->leaving || u->rebuild)
                fleet_look(u->fleet);
        if (daemon->api) {
                daemon_unit_snapshot(u, &snapshot);
                api_tell_unit(daemon->api, &snapshot);
        }
        daemon_changed(daemon);
}

static void on_session(Daemon *daemon, const Event *event)
{
        if (event->session.change == SESSION_ATTACHED)
                daemon->no_contact[0] = '\0';
        if (daemon->host)
                host_on_session(daemon->host, event);
        if (daemon->api)
                api_tell_session(daemon->api, &daemon_snapshot(daemon)->session);
        daemon_changed(daemon);
}

static void on_manager(void *userdata, const ManagerNews *news)
{
        Daemon *daemon = userdata;

        switch (news->kind) {
        case MANAGER_SESSION:
                on_session(daemon, news->event);
                break;
        case MANAGER_NO_CONTACT:
                snprintf(daemon->no_contact, sizeof(daemon->no_contact), "%s", news->text);
                daemon_changed(daemon);
                break;
        case MANAGER_UNIT:
                on_unit(daemon, news);
                break;
        case MANAGER_SIGNAL:
                on_signal(daemon, news->signal);
                break;
        }
}

/* --- life --------------------------------------------------------------------------------------- */

static int make_manager(Daemon *daemon, Saved *saved, char *problem, size_t problem_size)
{
        const ConfigGlobal *g = &daemon->config->global;
        ManagerConfig config = {.grace_usec = g->grace_usec,
                .client = {.connect = g->connect,
                        .session_timeout_usec = g->session_timeout_usec,
                        .connect_timeout_usec = g->connect_timeout_usec == USEC_INFINITY ? 0 : g->connect_timeout_usec,
                        .acl = g->acl},
                .handler = on_manager,
                .userdata = daemon,
                .saved = saved};

        if (g->auth_file) {
                int r = auth_read(&daemon->auth, g->auth_file, problem, problem_size);

                if (r < 0)
                        return r;
                config.client.auth_scheme = daemon->auth.scheme;
                config.client.auth_cert = daemon->auth.cert;
        }
        return manager_new(&daemon->manager, &config, problem, problem_size);
}

/* NULL: none is wanted. */
static const char *socket_of(const ConfigGlobal *g)
{
        return g->control && strcmp(g->control, "none") != 0 ? g->control : NULL;
}

static int make_api(Daemon *daemon, Saved *saved, char *problem, size_t problem_size)
{
        const ConfigGlobal *g = &daemon->config->global;
        ApiConfig config = {.socket = socket_of(g),
                .socket_fd = -1,
                .group = g->control_group,
                .listen = g->listen,
                .listen_fd = -1};

        if (saved)
                daemon_restore_api(saved, &config);
        if (!config.socket && !config.listen)
                return 0;
        return api_new(&daemon->api, manager_event(daemon->manager), &config, &daemon_ops, daemon, problem, problem_size);
}

static int make_timers(Daemon *daemon)
{
        sd_event *event = manager_event(daemon->manager);
        int r = timer_init(&daemon->status_timer, event, SD_EVENT_PRIORITY_IDLE - 1, on_status_timer, daemon);

        if (r == 0)
                r = timer_init(&daemon->watchdog_timer, event, SD_EVENT_PRIORITY_NORMAL + 10, on_watchdog, daemon);
        if (r < 0)
                return r;
        daemon->watchdog_usec = notify_watchdog_usec() / 2;
        if (daemon->watchdog_usec)
                timer_set(&daemon->watchdog_timer, clock_boottime_usec());
        return 0;
}

static int build(Daemon *daemon, const DaemonConfig *config, char *problem, size_t problem_size)
{
        const ConfigGlobal *g = &daemon->config->global;
        PlanContext context = {.root = g->root, .socket = socket_of(g), .blocked = config->blocked, .ignored = config->ignored};
        CLEANUP(text_buffer_deinit) TextBuffer summary = {0};
        int r = make_manager(daemon, config->saved, problem, problem_size);

        if (r == 0)
                r = make_timers(daemon);
        if (r == 0)
                r = make_api(daemon, config->saved, problem, problem_size);
        if (r == 0)
                r = host_new(&daemon->host, manager_event(daemon->manager), manager_client(daemon->manager),
                        &(HostConfig){.root = g->root, .host = g->host, .config = daemon->path});
        if (r == 0)
                r = fleet_new(&daemon->fleet, daemon->manager, &context);
        if (r == 0)
                fleet_restore(daemon->fleet, daemon->config, config->saved, &summary);
        if (r == 0 && config->saved)
                daemon_restore(daemon, config->saved);
        return r;
}

int daemon_new(Daemon **out, const DaemonConfig *config, char *problem, size_t problem_size)
{
        CLEANUP(daemon_free) Daemon *daemon = calloc(1, sizeof(*daemon));
        Record self = identity_record("");
        int r;

        snprintf(problem, problem_size, "out of memory");
        if (!daemon) {
                config_free(config->config);
                return -ENOMEM;
        }
        list_init(&daemon->readings);
        daemon->config = config->config;
        daemon->blocked = config->blocked;
        daemon->ignored = config->ignored;
        daemon->overrides = config->overrides;
        daemon_override(daemon, &daemon->config->global);
        daemon->path = strdup(config->path);
        if (!daemon->path)
                return -ENOMEM;
        daemon->started_usec = clock_realtime_usec();
        snprintf(daemon->host_name, sizeof(daemon->host_name), "%s", self.host);
        snprintf(daemon->boot_id, sizeof(daemon->boot_id), "%s", self.boot_id);
        snprintf(problem, problem_size, "cannot be set up");
        r = build(daemon, config, problem, problem_size);
        if (r < 0)
                return r;
        *out = TAKE(daemon);
        return 0;
}

Daemon *daemon_free(Daemon *daemon)
{
        if (!daemon)
                return NULL;
        daemon->reexec = reexec_free(daemon->reexec);
        daemon->api = api_free(daemon->api); /* nobody asks any more */
        daemon_drop_readings(daemon);
        daemon->fleet = fleet_free(daemon->fleet);
        daemon->host = host_free(daemon->host);
        timer_deinit(&daemon->status_timer);
        timer_deinit(&daemon->watchdog_timer);
        daemon->manager = manager_free(daemon->manager);
        auth_deinit(&daemon->auth);
        daemon->config = config_free(daemon->config);
        free(daemon->units);
        free(daemon->path);
        free(daemon);
        return NULL;
}

int daemon_run(Daemon *daemon)
{
        log_info("%zu units of %s", fleet_size(daemon->fleet), daemon->path);
        notify_ready();
        daemon_changed(daemon);
        return manager_run(daemon->manager);
}
