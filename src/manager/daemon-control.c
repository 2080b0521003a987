#include "manager/daemon-private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "util/clock.h"

/* --- what is seen ------------------------------------------------------------------------------- */

void daemon_unit_snapshot(const FleetUnit *u, SnapshotUnit *s)
{
        *s = (SnapshotUnit){.name = u->settings->name,
                .state = "failed",
                .reason = "",
                .text = "could not be set up, see the log"};
        if (u->unit)
                unit_snapshot(u->unit, s);
        s->name = u->settings->name;
        s->want = u->wanted && !u->leaving ? "up" : "down";
        s->file = u->settings->file;
        s->line = u->settings->line;
        s->service = u->settings->systemd_unit;
        s->command = u->command;
}

static bool make_room(Daemon *daemon, size_t n)
{
        SnapshotUnit *room;

        if (n <= daemon->units_room)
                return true;
        room = realloc(daemon->units, n * sizeof(*room));
        if (!room)
                return false;
        daemon->units = room;
        daemon->units_room = n;
        return true;
}

const Snapshot *daemon_snapshot(Daemon *daemon)
{
        Snapshot *s = &daemon->snapshot;
        const ConfigGlobal *g = &daemon->config->global;
        size_t n = daemon->fleet ? fleet_size(daemon->fleet) : 0, i = 0;

        if (!make_room(daemon, n))
                n = 0;
        *s = (Snapshot){.version = ZKSUP_VERSION,
                .host = g->host ?: daemon->host_name,
                .boot_id = daemon->boot_id,
                .config = daemon->path,
                .pid = (int)getpid(),
                .started_usec = daemon->started_usec,
                .now_usec = clock_realtime_usec(),
                .reloads = daemon->reloads,
                .failed_reloads = daemon->failed_reloads,
                .reloaded_usec = daemon->reloaded_usec,
                .units = daemon->units,
                .n_units = n};
        manager_snapshot(daemon->manager, &s->session);
        s->session.connect = g->connect;
        s->session.root = g->root;
        s->session.failures = daemon->no_contact[0] ? daemon->no_contact : NULL;
        if (n)
                list_for_each(link, fleet_units(daemon->fleet)) daemon_unit_snapshot(
                        list_entry(link, FleetUnit, link), &daemon->units[i++]);
        return s;
}

static const Snapshot *op_snapshot(void *userdata)
{
        return daemon_snapshot(userdata);
}

/* --- what is asked for -------------------------------------------------------------------------- */

static FleetUnit *find(Daemon *daemon, const char *name, char *problem, size_t problem_size)
{
        FleetUnit *u = fleet_find(daemon->fleet, name);

        if (!u)
                snprintf(problem, problem_size, "there is no unit '%s' in %s", name, daemon->path);
        return u;
}

static int op_command(void *userdata, const char *name, enum ApiCommand command, int signal, char *problem,
        size_t problem_size)
{
        Daemon *daemon = userdata;
        FleetUnit *u = find(daemon, name, problem, problem_size);

        if (!u)
                return -ENOENT;
        if (manager_is_ending(daemon->manager)) {
                snprintf(problem, problem_size, "zksup is stopping");
                return -EBUSY;
        }
        switch (command) {
        case API_START:
                return fleet_start(u, problem, problem_size);
        case API_STOP:
                return fleet_stop(u, problem, problem_size);
        case API_RESTART:
                return fleet_restart(u, problem, problem_size);
        case API_SIGNAL:
                return fleet_signal(u, signal, problem, problem_size);
        case API_STEP_DOWN:
                return fleet_step_down(u, problem, problem_size);
        case API_COMMAND_COUNT:
                break;
        }
        return -EINVAL;
}

static int op_reload(void *userdata, TextBuffer *summary, TextBuffer *problems)
{
        return daemon_reload(userdata, summary, problems);
}

static int op_reexec(void *userdata, char *problem, size_t problem_size)
{
        return daemon_reexec(userdata, problem, problem_size);
}

static int op_stop(void *userdata, char *problem, size_t problem_size)
{
        daemon_stop(userdata);
        return 0;
}

static int op_log(void *userdata, const char *name, size_t lines, TextBuffer *text, char *problem, size_t problem_size)
{
        FleetUnit *u = find(userdata, name, problem, problem_size);

        if (!u)
                return -ENOENT;
        if (u->unit)
                (void)unit_output_tail(u->unit, lines, text);
        return 0;
}

static void op_log_source(void *userdata, const char *name, ApiLogSource *source)
{
        const FleetUnit *u = fleet_find(((Daemon *)userdata)->fleet, name);

        if (u && u->unit)
                unit_output_source(u->unit, source);
}

/* --- the cluster -------------------------------------------------------------------------------- */

/* A reading of the cluster for somebody who waits for it. */
typedef struct Reading {
        ListLink link;
        Cluster *cluster;
        ApiAnswer *answer;
} Reading;

static void free_reading(Reading *reading)
{
        list_unlink(&reading->link);
        cluster_free(reading->cluster);
        free(reading);
}

static void on_cluster(void *userdata, json_t *result, int error, const char *problem)
{
        Reading *reading = userdata;
        char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;

        if (text)
                api_answer_json(reading->answer, text);
        else
                api_answer_problem(reading->answer, result ? -ENOMEM : error, result ? "out of memory" : problem);
        free(text);
        json_decref(result);
        free_reading(reading);
}

static void op_cluster(void *userdata, ApiAnswer *answer)
{
        Daemon *daemon = userdata;
        Reading *reading = calloc(1, sizeof(*reading));
        int r = -ENOMEM;

        if (reading) {
                reading->answer = answer;
                list_append(&daemon->readings, &reading->link);
                r = cluster_new(&reading->cluster, manager_client(daemon->manager),
                        &(ClusterConfig){.root = daemon->config->global.root}, on_cluster, reading);
        }
        if (r < 0) {
                api_answer_problem(answer, r, "the cluster cannot be read");
                if (reading)
                        free_reading(reading);
        }
}

void daemon_drop_readings(Daemon *daemon)
{
        list_for_each_safe(link, &daemon->readings)
        {
                Reading *reading = list_entry(link, Reading, link);

                api_answer_problem(reading->answer, -ESHUTDOWN, "zksup is stopping");
                free_reading(reading);
        }
}

const ApiOps daemon_ops = {.snapshot = op_snapshot,
        .command = op_command,
        .reload = op_reload,
        .reexec = op_reexec,
        .stop = op_stop,
        .log = op_log,
        .log_source = op_log_source,
        .cluster = op_cluster};
