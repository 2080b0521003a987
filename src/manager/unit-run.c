/* The guard of a unit and the runs of its command: what the guard says is told to the machine. */
#include "manager/unit-private.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "util/log.h"
#include "manager/service.h"
#include "util/signal-name.h"

#define ENV_OWN_MAX 4 /* UnitConfig.env */
#define FENCE_SIZE 40
#define ENV_MAX (GATE_ENV_MAX + ENV_OWN_MAX + 8)

/* For the tests that must notice: the hold is given back before the tree is proved dead. */
static void mutant_release_early(Unit *unit)
{
#ifdef ZKSUP_MUTATE_RELEASE_EARLY
        if (unit->gate)
                gate_close(unit->gate);
#endif
}

/* --- the guard ---------------------------------------------------------------------------------- */

/* A command that the terminal's Ctrl-C or Ctrl-\ ended was ended by the operator. */
static bool is_stopped_from_terminal(const Unit *unit, const SpawnEvent *event)
{
        return unit->config.terminal && event->code != CLD_EXITED &&
                (event->status == SIGINT || event->status == SIGQUIT);
}

static void on_exited(Unit *unit, const SpawnEvent *event)
{
        UnitEvent exited = {.type = UNIT_EVENT_EXITED};
        char name[SIGNAL_NAME_MAX];

        streams_end_run(unit->config.streams);
        if (event->code == CLD_EXITED) {
                exited.value = event->status;
                if (event->status == 0 || unit->stop_signal)
                        unit_log(unit, LOG_LEVEL_INFO, UNIT_ENDED, NULL, "exited with status %d", event->status);
                else
                        unit_log(unit, LOG_LEVEL_INFO, UNIT_FAILED, NULL, "exited with status %d", event->status);
        } else {
                exited.signal = event->status;
                signal_to_string(event->status, name);
                if (unit->stop_signal)
                        unit_log(unit, LOG_LEVEL_INFO, UNIT_ENDED, NULL, "killed by %s", name);
                else
                        unit_log(unit, LOG_LEVEL_INFO, UNIT_FAILED, NULL, "killed by %s", name);
        }
        if (is_stopped_from_terminal(unit, event))
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN, .signal = event->status});
        if (unit->gate)
                gate_ended(unit->gate, exited.signal ? UNIT_EXIT_SIGNAL_BASE + exited.signal : exited.value);
        mutant_release_early(unit);
        unit_feed(unit, exited);
}

static void on_exec_failed(Unit *unit, const SpawnEvent *event)
{
        /* it is the command that is not found, not its directory */
        int error = event->error == ENOENT && event->stage != WIRE_STAGE_EXEC ? ENOTDIR : event->error;
        char problem[400];

        if (event->stage == WIRE_STAGE_LEASE) {
                unit_hold_lose(unit, "the lease was about to end before the start");
        } else {
                child_config_explain(unit->config.child, unit->config.argv[0], event->stage, event->error, event->which,
                        problem, sizeof(problem));
                unit_log(unit, LOG_LEVEL_ERROR, UNIT_FAILED, strerror(event->error), "%s", problem);
                if (unit->gate)
                        gate_ended(unit->gate, error == ENOENT ? UNIT_EXIT_NOT_FOUND : UNIT_EXIT_CANNOT_EXECUTE);
        }
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = error});
}

static void on_stopping(Unit *unit, enum WireWhy why)
{
        switch (why) {
        case WIRE_WHY_LEASE:
                unit_log(unit, LOG_LEVEL_WARNING, LEASE_LOW, NULL,
                        "the lease is running out: its guard is stopping the command");
                unit_hold_lease_low(unit);
                break;
        case WIRE_WHY_REQUESTED:
        case WIRE_WHY_SUPERVISOR_GONE:
        case WIRE_WHY_EXITED:
                break;
        }
}

static void on_spawn(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Unit *unit = userdata;

        switch (event->type) {
        case SPAWN_READY:
                log_unit_debug(unit->config.name, "guard %d is ready, containment %s", (int)spawn_guard_pid(spawn),
                        contain_mode_to_string(event->contain));
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GUARD_READY});
                break;
        case SPAWN_STARTED:
                unit_log(unit, LOG_LEVEL_INFO, UNIT_STARTED, NULL, "started as process %d%s%s", (int)event->pid,
                        unit->gate ? " with " : "", unit->hold);
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_STARTED, .value = (int)event->pid});
                break;
        case SPAWN_EXEC_FAILED:
                on_exec_failed(unit, event);
                break;
        case SPAWN_EXITED:
                on_exited(unit, event);
                break;
        case SPAWN_JOB_STOPPED:
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_JOB_STOPPED, .signal = event->signal});
                break;
        case SPAWN_STOPPING:
                on_stopping(unit, event->why);
                break;
        case SPAWN_EMPTY:
                streams_end_run(unit->config.streams);
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY, .guard_gone = spawn_is_lost(spawn)});
                break;
        case SPAWN_GUARD_LOST:
                unit_log(unit, LOG_LEVEL_ERROR, GUARD_LOST, NULL, "its guard was killed or stopped");
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GUARD_LOST});
                break;
        }
}

static const char *guard_remedy(int error)
{
        return error == -ENOENT ? " (zksup-guard not found; set ZKSUP_GUARD or install it)" :
               error == -EACCES ? " (no control group is delegated to us; use --contain subreaper)" :
               error == -ENXIO  ? " (the program zksup is neither beside this one nor where it was installed)" :
               error == -EOPNOTSUPP ? " (a systemd service needs version 2 of control groups)" :
                                  "";
}

void unit_run_spawn_guard(Unit *unit)
{
        CLEANUP(service_deinit) Service service = {0};
        char problem[300] = "";
        int fds[1], r;
        SpawnConfig config = {.argv = unit->config.argv,
                .name = unit->config.name,
                .contain = unit->config.contain,
                .terminal = unit->config.terminal,
                .child = unit->config.child,
                .problem = problem,
                .problem_size = sizeof(problem),
                .pass_fds = fds,
                .blocked = unit->config.blocked,
                .ignored = unit->config.ignored};

        fds[0] = unit->readiness ? readiness_pass_fd(unit->readiness) : -1;
        config.n_pass_fds = fds[0] >= 0 ? 1 : 0;
        config.pass_at = fds[0] >= 0 ? unit->config.readiness->fd : 0;
        streams_give(unit->config.streams, &config);
        unit->spawn = spawn_free(unit->spawn);
        r = unit->config.service ? service_init(&service, unit->config.service, false) : 0;
        if (unit->config.service) {
                config.argv = service.argv;
                config.kill_cgroup = service.group;
        }
        if (r == 0)
                r = spawn_new(&unit->spawn, unit->context.event, unit->context.reaper, unit->context.page, &config,
                        on_spawn, unit);
        if (r < 0) {
                unit_log(unit, LOG_LEVEL_ERROR, UNIT_FAILED, strerror(-r), "cannot start its guard: %s%s",
                        problem[0] ? problem : strerror(-r), problem[0] ? "" : guard_remedy(r));
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GUARD_FAILED, .value = -r});
        }
}

int unit_run_adopt_guard(Unit *unit, Saved *saved)
{
        CLEANUP(service_deinit) Service service = {0};
        SpawnConfig config = {.name = unit->config.name, .blocked = unit->config.blocked, .ignored = unit->config.ignored};
        int r = unit->config.service ? service_init(&service, unit->config.service, true) : 0;

        if (r < 0)
                return r;
        if (unit->config.service)
                config.kill_cgroup = service.group;
        return spawn_adopt(&unit->spawn, unit->context.event, unit->context.reaper, unit->context.page, &config, saved,
                on_spawn, unit);
}

static size_t add_hold_env(const Unit *unit, GateEnv *gate_vars, char fence[static FENCE_SIZE], char **env)
{
        size_t n = 0;

        if (!unit->gate)
                return 0;
        gate_env(unit->gate, gate_vars);
        for (; n < gate_vars->n; n++)
                env[n] = gate_vars->items[n];
        snprintf(fence, FENCE_SIZE, "ZK_FENCE=%" PRId64, unit->token);
        env[n++] = fence;
        return n;
}

void unit_run_start(Unit *unit)
{
        char fence[FENCE_SIZE], name[256], restarts[48];
        char *env[ENV_MAX];
        GateEnv gate_vars;
        size_t n;
        SpawnStart go = {.env = env,
                .stop_signal = unit->config.policy.stop_signal,
                .grace_usec = unit->timing.grace_usec,
                .kill_budget_usec = unit->timing.kill_usec,
                .deadline_usec = unit->deadline_usec};
        int r;

        n = add_hold_env(unit, &gate_vars, fence, env);
        for (size_t i = 0; unit->config.env && unit->config.env[i] && i < ENV_OWN_MAX; i++)
                env[n++] = unit->config.env[i];
        snprintf(name, sizeof(name), "ZKSUP_UNIT=%s", unit->config.name);
        snprintf(restarts, sizeof(restarts), "ZKSUP_RESTARTS=%" PRIu64, unit->machine.restarts);
        env[n++] = name;
        env[n++] = restarts;
        if (unit->readiness && readiness_env(unit->readiness))
                env[n++] = (char *)readiness_env(unit->readiness);
        env[n] = NULL;
        r = spawn_start(unit->spawn, &go);
        if (r < 0) {
                unit_log(unit, LOG_LEVEL_ERROR, UNIT_FAILED, strerror(-r), "cannot start: %s", strerror(-r));
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = -r});
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY, .guard_gone = spawn_is_lost(unit->spawn)});
        }
}

void unit_run_begin(Unit *unit)
{
        unit->stop_signal = 0;
        unit->said[0] = '\0';
        if (!unit->lead || !lead_prepare(unit->lead, unit->token, unit->deadline_usec))
                unit_run_start(unit);
}

void unit_run_stop(Unit *unit, int signal, uint64_t grace_usec)
{
        mutant_release_early(unit);
        unit->stop_signal = signal;
        if (unit->lead && lead_is_preparing(unit->lead))
                lead_cancel(unit->lead, false);
        else
                (void)spawn_stop(unit->spawn, signal, grace_usec);
}

void unit_run_kill(Unit *unit)
{
        if (unit->stop_signal == 0)
                unit->stop_signal = SIGKILL;
        if (unit->lead && lead_is_preparing(unit->lead))
                lead_cancel(unit->lead, true);
        else
                (void)spawn_kill(unit->spawn);
}
