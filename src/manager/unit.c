#include "manager/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/signal-name.h"

#define PENDING_MAX 16
#define ENV_MAX (GATE_ENV_MAX + 8)

struct Unit {
        UnitContext context;
        UnitConfig config;
        UnitMachine machine;
        Timing timing;
        Spawn *spawn;
        Gate *gate;
        Readiness *readiness;
        Timer timer, wait_timer;
        UnitHandler handler;
        void *userdata;
        bool gate_asked;
        uint64_t deadline_usec;
        int64_t token;
        char hold[300]; /* "number 3" */
        UnitEvent pending[PENDING_MAX]; /* fed once the step under way has been carried out */
        size_t n_pending;
        bool stepping;
};

static void feed(Unit *unit, UnitEvent event);

static void tell(Unit *unit, UnitNews news)
{
        unit->handler(unit->userdata, &news);
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

        if (event->code == CLD_EXITED) {
                exited.value = event->status;
                log_info("%s: exited with status %d", unit->config.name, event->status);
        } else {
                exited.signal = event->status;
                log_info("%s: killed by %s", unit->config.name, signal_to_string(event->status, name));
        }
        if (is_stopped_from_terminal(unit, event))
                feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN, .signal = event->status});
        feed(unit, exited);
}

static void on_exec_failed(Unit *unit, const SpawnEvent *event)
{
        if (event->stage == WIRE_STAGE_LEASE) {
                gate_lose(unit->gate, "the lease was about to end before the start");
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
        } else {
                log_error("%s: cannot %s '%s': %s", unit->config.name,
                        event->stage == WIRE_STAGE_FORK ? "fork for" :
                        event->stage == WIRE_STAGE_EXEC ? "execute" :
                                                          "set up",
                        unit->config.argv[0], strerror(event->error));
        }
        feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = event->error});
}

static void on_stopping(Unit *unit, enum WireWhy why)
{
        switch (why) {
        case WIRE_WHY_LEASE:
                log_warning("%s: the lease is running out: its guard is stopping the command", unit->config.name);
                gate_lose(unit->gate, "the lease ran out");
                feed(unit, (UnitEvent){.type = UNIT_EVENT_LEASE_LOW});
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
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
                log_debug("%s: guard %d is ready, containment %s", unit->config.name, (int)spawn_guard_pid(spawn),
                        contain_mode_to_string(event->contain));
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GUARD_READY});
                break;
        case SPAWN_STARTED:
                log_info("%s: started as process %d with %s", unit->config.name, (int)event->pid, unit->hold);
                feed(unit, (UnitEvent){.type = UNIT_EVENT_STARTED, .value = (int)event->pid});
                break;
        case SPAWN_EXEC_FAILED:
                on_exec_failed(unit, event);
                break;
        case SPAWN_EXITED:
                on_exited(unit, event);
                break;
        case SPAWN_JOB_STOPPED:
                feed(unit, (UnitEvent){.type = UNIT_EVENT_JOB_STOPPED, .signal = event->signal});
                break;
        case SPAWN_STOPPING:
                on_stopping(unit, event->why);
                break;
        case SPAWN_EMPTY:
                feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY, .guard_gone = spawn_is_lost(spawn)});
                break;
        case SPAWN_GUARD_LOST:
                log_error("%s: its guard was killed or stopped", unit->config.name);
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GUARD_LOST});
                break;
        }
}

static void spawn_guard(Unit *unit)
{
        int fds[1], r;
        SpawnConfig config = {.argv = unit->config.argv,
                .name = unit->config.name,
                .contain = unit->config.contain,
                .terminal = unit->config.terminal,
                .pass_fds = fds,
                .blocked = unit->config.blocked,
                .ignored = unit->config.ignored};

        fds[0] = unit->readiness ? readiness_pass_fd(unit->readiness) : -1;
        config.n_pass_fds = fds[0] >= 0 ? 1 : 0;
        config.pass_at = fds[0] >= 0 ? unit->config.readiness->fd : 0;
        unit->spawn = spawn_free(unit->spawn);
        r = spawn_new(&unit->spawn, unit->context.event, unit->context.reaper, unit->context.page, &config, on_spawn,
                unit);
        if (r < 0) {
                log_error("%s: cannot start its guard: %s%s", unit->config.name, strerror(-r),
                        r == -ENOENT ? " (zksup-guard not found; set ZKSUP_GUARD or install it)" :
                        r == -EACCES ? " (no control group is delegated to us; use --contain subreaper)" :
                                       "");
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GUARD_FAILED, .value = -r});
        }
}

static void start(Unit *unit)
{
        char fence[40], name[256], restarts[48];
        char *env[ENV_MAX];
        GateEnv gate_vars;
        size_t n = 0;
        SpawnStart go = {.env = env,
                .stop_signal = unit->config.policy.stop_signal,
                .grace_usec = unit->timing.grace_usec,
                .kill_budget_usec = unit->timing.kill_usec,
                .deadline_usec = unit->deadline_usec};
        int r;

        gate_env(unit->gate, &gate_vars);
        for (size_t i = 0; i < gate_vars.n; i++)
                env[n++] = gate_vars.items[i];
        snprintf(fence, sizeof(fence), "ZK_FENCE=%" PRId64, unit->token);
        snprintf(name, sizeof(name), "ZKSUP_UNIT=%s", unit->config.name);
        snprintf(restarts, sizeof(restarts), "ZKSUP_RESTARTS=%" PRIu64, unit->machine.restarts);
        env[n++] = fence;
        env[n++] = name;
        env[n++] = restarts;
        if (unit->readiness && readiness_env(unit->readiness))
                env[n++] = (char *)readiness_env(unit->readiness);
        env[n] = NULL;
        r = spawn_start(unit->spawn, &go);
        if (r < 0) {
                log_error("%s: cannot start: %s", unit->config.name, strerror(-r));
                feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = -r});
                feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY, .guard_gone = spawn_is_lost(unit->spawn)});
        }
}

/* --- the gate ----------------------------------------------------------------------------------- */

static void on_gate_opened(Unit *unit, const GateEvent *event)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        snprintf(unit->hold, sizeof(unit->hold), "%s", event->text);
        unit->token = event->token;
        unit->deadline_usec = event->deadline_usec;
        log_info("%s: holds %s, fencing token %" PRId64, unit->config.name, event->text, event->token);
        feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_OPEN});
}

static void on_wait_timer(void *userdata)
{
        Unit *unit = userdata;
        char text[DURATION_STRING_MAX];

        log_error("%s: no %s within --wait %s", unit->config.name, gate_noun(unit->gate),
                duration_to_string(unit->config.wait_usec, text));
        unit_gate_failed(unit, UNIT_EXIT_NOT_ACQUIRED);
}

static void on_gate(void *userdata, const GateEvent *event)
{
        Unit *unit = userdata;

        switch (event->kind) {
        case GATE_WAITING:
                log_info("%s: waiting: %s", unit->config.name, event->text);
                tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = event->text});
                if (unit->config.wait_usec == 0) /* tried once, as was asked */
                        on_wait_timer(unit);
                break;
        case GATE_OPENED:
                on_gate_opened(unit, event);
                break;
        case GATE_EXTENDED:
                unit->deadline_usec = event->deadline_usec;
                if (unit->spawn)
                        spawn_set_deadline(unit->spawn, event->deadline_usec);
                if (unit->machine.suspended)
                        feed(unit, (UnitEvent){.type = UNIT_EVENT_RESUMED});
                break;
        case GATE_LOST:
                log_warning("%s: %s is lost: %s", unit->config.name, unit->hold, event->text);
                if (unit->spawn)
                        spawn_disown(unit->spawn);
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
                break;
        case GATE_YIELD:
                break;
        case GATE_CLOSED:
                unit->gate_asked = false;
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED});
                break;
        case GATE_FAILED:
                log_error("%s: cannot get the %s: %s", unit->config.name, gate_noun(unit->gate), event->text);
                unit_gate_failed(unit, event->outcome == OUTCOME_DENIED ? UNIT_EXIT_REFUSED : UNIT_EXIT_FAILURE);
                break;
        }
}

static void open_gate(Unit *unit)
{
        if (!unit->gate_asked && unit->config.wait_usec && unit->config.wait_usec != USEC_INFINITY)
                timer_set(&unit->wait_timer, usec_add(clock_boottime_usec(), unit->config.wait_usec));
        unit->gate_asked = true;
        gate_open(unit->gate);
}

static void close_gate(Unit *unit)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        gate_close(unit->gate);
}

/* --- readiness ---------------------------------------------------------------------------------- */

static void on_readiness(Readiness *readiness, const ReadinessEvent *event, void *userdata)
{
        Unit *unit = userdata;

        switch (event->type) {
        case READINESS_READY:
                feed(unit, (UnitEvent){.type = UNIT_EVENT_READY_OK});
                break;
        case READINESS_LOST:
                feed(unit, (UnitEvent){.type = UNIT_EVENT_READY_LOST});
                break;
        case READINESS_STATUS:
                tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = event->text});
                break;
        }
}

/* --- the machine -------------------------------------------------------------------------------- */

/* The shell sees us stopped, as it would see the command. Renewals stop with us: if the lease ends
 * meanwhile the guard ends the command, and we find out after SIGCONT. */
static void stop_with_the_job(Unit *unit)
{
        (void)raise(SIGSTOP);
        if (unit->spawn)
                (void)spawn_continue(unit->spawn, true);
}

static void perform_one(Unit *unit, const UnitEffect *effect)
{
        switch (effect->type) {
        case UNIT_EFFECT_SPAWN_GUARD:
                spawn_guard(unit);
                break;
        case UNIT_EFFECT_DISMISS_GUARD:
                unit->spawn = spawn_free(unit->spawn);
                break;
        case UNIT_EFFECT_OPEN_GATE:
                open_gate(unit);
                break;
        case UNIT_EFFECT_RELEASE_GATE:
                close_gate(unit);
                break;
        case UNIT_EFFECT_GATE_DEAD:
                gate_close(unit->gate);
                break;
        case UNIT_EFFECT_START:
                start(unit);
                break;
        case UNIT_EFFECT_STOP:
                (void)spawn_stop(unit->spawn, effect->signal, effect->usec);
                break;
        case UNIT_EFFECT_KILL:
                (void)spawn_kill(unit->spawn);
                break;
        case UNIT_EFFECT_SIGNAL:
                (void)spawn_signal(unit->spawn, effect->signal);
                break;
        case UNIT_EFFECT_FREEZE:
                (void)spawn_freeze(unit->spawn);
                break;
        case UNIT_EFFECT_THAW:
                (void)spawn_thaw(unit->spawn);
                break;
        case UNIT_EFFECT_WATCH_READY:
                if (unit->readiness)
                        (void)readiness_start(unit->readiness);
                break;
        case UNIT_EFFECT_UNWATCH_READY:
                if (unit->readiness)
                        readiness_stop(unit->readiness);
                break;
        case UNIT_EFFECT_NOTIFY_READY:
                tell(unit, (UnitNews){.kind = UNIT_NEWS_READY});
                break;
        case UNIT_EFFECT_NOTIFY_STOPPING:
                tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = "stopping"});
                break;
        case UNIT_EFFECT_JOB_STOPPED:
                stop_with_the_job(unit);
                break;
        case UNIT_EFFECT_WEDGED:
                gate_wedge(unit->gate);
                log_error("%s: its processes do not die of SIGKILL (disk sleep?); the hold is not given back",
                        unit->config.name);
                break;
        case UNIT_EFFECT_FINISHED:
                tell(unit, (UnitNews){.kind = UNIT_NEWS_FINISHED, .status = effect->value});
                break;
        case UNIT_EFFECT_TRACE:
                log_debug("%s: %s", unit->config.name, effect->text);
                break;
        case UNIT_EFFECT_COUNT:
                break;
        }
}

/* Steps the machine; events that arise while its effects are carried out wait until that is done. */
static void feed(Unit *unit, UnitEvent event)
{
        if (unit->n_pending == PENDING_MAX) {
                log_error("%s: event %s is dropped: too many at once", unit->config.name,
                        unit_event_to_string(event.type));
                return;
        }
        unit->pending[unit->n_pending++] = event;
        if (unit->stepping)
                return;
        unit->stepping = true;
        while (unit->n_pending) {
                UnitEvent next = unit->pending[0];
                UnitEffects effects;

                memmove(unit->pending, unit->pending + 1, --unit->n_pending * sizeof(*unit->pending));
                next.now_usec = clock_boottime_usec();
                unit_machine_step(&unit->machine, &next, &effects);
                for (size_t i = 0; i < effects.n; i++)
                        perform_one(unit, &effects.items[i]);
        }
        timer_set(&unit->timer, unit_machine_deadline(&unit->machine));
        unit->stepping = false;
}

static void on_timer(void *userdata)
{
        feed(userdata, (UnitEvent){.type = UNIT_EVENT_TIMER});
}

int unit_new(Unit **out, const UnitContext *context, const UnitConfig *config, UnitHandler handler, void *userdata)
{
        CLEANUP(unit_free) Unit *unit = calloc(1, sizeof(*unit));
        int r;

        if (!unit)
                return -ENOMEM;
        unit->context = *context;
        unit->config = *config;
        unit->handler = handler;
        unit->userdata = userdata;
        unit_machine_init(&unit->machine, &config->policy, random_seed_from_kernel(), clock_boottime_usec());
        r = timer_init(&unit->timer, context->event, SD_EVENT_PRIORITY_NORMAL, on_timer, unit);
        if (r == 0)
                r = timer_init(&unit->wait_timer, context->event, SD_EVENT_PRIORITY_NORMAL, on_wait_timer, unit);
        if (r == 0)
                r = gate_new(&unit->gate, context->event, context->client, context->heart, &config->gate, on_gate,
                        unit);
        if (r == 0 && config->readiness->kind != READINESS_NONE)
                r = readiness_new(&unit->readiness, context->event, context->reaper, config->readiness, on_readiness, unit);
        if (r < 0)
                return r;
        *out = TAKE(unit);
        return 0;
}

Unit *unit_free(Unit *unit)
{
        if (!unit)
                return NULL;
        unit->readiness = readiness_free(unit->readiness);
        unit->gate = gate_free(unit->gate);
        unit->spawn = spawn_free(unit->spawn);
        timer_deinit(&unit->wait_timer);
        timer_deinit(&unit->timer);
        free(unit);
        return NULL;
}

void unit_set_timing(Unit *unit, const Timing *timing)
{
        UnitPolicy policy = unit->config.policy;

        unit->timing = *timing;
        if (policy.grace_usec == 0)
                policy.grace_usec = timing->grace_usec;
        unit_machine_set_policy(&unit->machine, &policy);
        gate_set_timing(unit->gate, timing);
}

void unit_on_session(Unit *unit, const Event *event)
{
        if (event->session.change == SESSION_SUSPENDED)
                feed(unit, (UnitEvent){.type = UNIT_EVENT_SUSPENDED});
        gate_on_session(unit->gate, event);
}

void unit_up(Unit *unit)
{
        feed(unit, (UnitEvent){.type = UNIT_EVENT_UP});
}

void unit_down(Unit *unit, int signal)
{
        bool again = unit->machine.want == UNIT_WANT_DOWN;

        feed(unit, (UnitEvent){.type = again ? UNIT_EVENT_FORCE : UNIT_EVENT_DOWN, .signal = signal});
}

void unit_signal(Unit *unit, int signal)
{
        if (unit->spawn)
                (void)spawn_signal(unit->spawn, signal);
}

/* The machine asks for nothing after this, so the gate must not go on asking either. What is held
 * already is given back in the usual order only: first the command is stopped and proved dead. */
void unit_gate_failed(Unit *unit, int status)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        if (unit->machine.gate == UNIT_GATE_OPEN || unit->machine.tree) {
                feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN});
                return;
        }
        feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_FAILED, .value = status});
        gate_close(unit->gate);
}

bool unit_is_at_rest(const Unit *unit)
{
        return unit_machine_is_at_rest(&unit->machine);
}
