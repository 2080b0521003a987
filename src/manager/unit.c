#include "manager/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "manager/lead.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/signal-name.h"

#define PENDING_MAX 16
#define ENV_OWN_MAX 4 /* UnitConfig.env */
#define FENCE_SIZE 40
#define ENV_MAX (GATE_ENV_MAX + ENV_OWN_MAX + 8)
/* With nothing that is granted to derive them from: for units without holds before there is contact. */
#define KILL_BUDGET_USEC USEC_PER_SEC

struct Unit {
        UnitContext context;
        UnitConfig config;
        UnitMachine machine;
        Timing timing;
        Spawn *spawn;
        Gate *gate; /* NULL: gateless */
        Lead *lead; /* NULL: nothing goes with the hold */
        Readiness *readiness;
        Timer timer, wait_timer;
        UnitHandler handler;
        void *userdata;
        bool gate_asked, attached;
        bool close_waits, open_waits; /* until on-lost has ended */
        bool finished;                /* the machine is; perhaps not yet what goes with the hold */
        bool follows;                 /* the standby may run while nothing is held */
        int status;
        int stop_signal; /* of the run: what it was told to end by */
        char waiting[200]; /* what was said last */
        uint64_t deadline_usec;
        int64_t token;
        char hold[300]; /* "number 3" */
        UnitEvent pending[PENDING_MAX]; /* fed once the step under way has been carried out */
        size_t n_pending;
        bool stepping;
};

static void feed(Unit *unit, UnitEvent event);
static void follow(Unit *unit);

static void tell(Unit *unit, UnitNews news)
{
        unit->handler(unit->userdata, &news);
}

static void lose_gate(Unit *unit, const char *reason)
{
        if (unit->gate)
                gate_lose(unit->gate, reason);
        feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
}

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

        if (event->code == CLD_EXITED) {
                exited.value = event->status;
                log_info("%s: exited with status %d", unit->config.name, event->status);
        } else {
                exited.signal = event->status;
                log_info("%s: killed by %s", unit->config.name, signal_to_string(event->status, name));
        }
        if (is_stopped_from_terminal(unit, event))
                feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN, .signal = event->status});
        if (unit->gate)
                gate_ended(unit->gate, exited.signal ? UNIT_EXIT_SIGNAL_BASE + exited.signal : exited.value);
        mutant_release_early(unit);
        feed(unit, exited);
}

static void on_exec_failed(Unit *unit, const SpawnEvent *event)
{
        if (event->stage == WIRE_STAGE_LEASE) {
                lose_gate(unit, "the lease was about to end before the start");
        } else {
                log_error("%s: cannot %s '%s': %s", unit->config.name,
                        event->stage == WIRE_STAGE_FORK ? "fork for" :
                        event->stage == WIRE_STAGE_EXEC ? "execute" :
                                                          "set up",
                        unit->config.argv[0], strerror(event->error));
                if (unit->gate)
                        gate_ended(unit->gate,
                                event->error == ENOENT ? UNIT_EXIT_NOT_FOUND : UNIT_EXIT_CANNOT_EXECUTE);
        }
        feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = event->error});
}

static void on_lease_low(Unit *unit)
{
        feed(unit, (UnitEvent){.type = UNIT_EVENT_LEASE_LOW});
        lose_gate(unit, "the lease ran out");
}

static void on_stopping(Unit *unit, enum WireWhy why)
{
        switch (why) {
        case WIRE_WHY_LEASE:
                log_warning("%s: the lease is running out: its guard is stopping the command", unit->config.name);
                on_lease_low(unit);
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
                log_info("%s: started as process %d%s%s", unit->config.name, (int)event->pid,
                        unit->gate ? " with " : "", unit->hold);
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

static void start(Unit *unit)
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
                log_error("%s: cannot start: %s", unit->config.name, strerror(-r));
                feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = -r});
                feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY, .guard_gone = spawn_is_lost(unit->spawn)});
        }
}

/* --- the gate ----------------------------------------------------------------------------------- */

static void on_gate_opened(Unit *unit, const GateEvent *event)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        unit->waiting[0] = '\0';
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

        if (unit->config.wait_usec == 0)
                log_error("%s: no %s without waiting", unit->config.name, gate_noun(unit->gate));
        else
                log_error("%s: no %s within --wait %s", unit->config.name, gate_noun(unit->gate),
                        duration_to_string(unit->config.wait_usec, text));
        unit_gate_failed(unit, UNIT_EXIT_NOT_ACQUIRED);
}

/* For whom and since when, once: a recipe says it again at every look. */
static void on_gate_waiting(Unit *unit, const char *text)
{
        if (strcmp(unit->waiting, text) != 0) {
                snprintf(unit->waiting, sizeof(unit->waiting), "%s", text);
                log_info("%s: waiting: %s", unit->config.name, text);
                tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = text});
        }
        unit->follows = true;
        follow(unit);
        if (unit->config.wait_usec == 0) /* tried once, as was asked */
                on_wait_timer(unit);
}

static void on_gate(void *userdata, const GateEvent *event)
{
        Unit *unit = userdata;

        switch (event->kind) {
        case GATE_WAITING:
                on_gate_waiting(unit, event->text);
                break;
        case GATE_OPENED:
                on_gate_opened(unit, event);
                break;
        case GATE_EXTENDED:
                unit->deadline_usec = event->deadline_usec;
                if (unit->spawn)
                        spawn_set_deadline(unit->spawn, event->deadline_usec);
                if (unit->lead)
                        lead_set_deadline(unit->lead, event->deadline_usec);
                if (unit->machine.suspended)
                        feed(unit, (UnitEvent){.type = UNIT_EVENT_RESUMED});
                break;
        case GATE_LOST:
                log_warning("%s: %s is lost: %s", unit->config.name, unit->hold, event->text);
                if (unit->spawn)
                        spawn_disown(unit->spawn);
                if (unit->lead)
                        lead_disown(unit->lead);
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
                break;
        case GATE_YIELD:
                log_info("%s: gives %s back: %s", unit->config.name, unit->hold, event->text);
                feed(unit, (UnitEvent){.type = UNIT_EVENT_YIELD});
                break;
        case GATE_CLOSED:
                unit->gate_asked = false;
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED});
                break;
        case GATE_FAILED:
                if (event->outcome == OUTCOME_OK) {
                        log_info("%s: %s", unit->config.name, event->text);
                        unit_gate_failed(unit, event->status);
                        break;
                }
                log_error("%s: cannot get the %s: %s", unit->config.name, gate_noun(unit->gate), event->text);
                unit_gate_failed(unit, event->outcome == OUTCOME_DENIED ? UNIT_EXIT_REFUSED : UNIT_EXIT_FAILURE);
                break;
        }
}

static void open_gate(Unit *unit)
{
        if (!unit->gate) {
                if (unit->attached || unit->config.policy.on_loss == UNIT_ON_LOSS_KEEP)
                        feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_OPEN});
                return;
        }
        if (unit->lead && lead_is_concluding(unit->lead)) {
                unit->open_waits = true;
                return;
        }
        if (!unit->gate_asked && unit->config.wait_usec && unit->config.wait_usec != USEC_INFINITY)
                timer_set(&unit->wait_timer, usec_add(clock_boottime_usec(), unit->config.wait_usec));
        unit->gate_asked = true;
        gate_open(unit->gate);
}

/* What is held is given back when on-lost has ended. */
static void close_gate(Unit *unit)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        unit->open_waits = false;
        unit->follows = unit->machine.rest == UNIT_STATE_COUNT;
        if (!unit->gate)
                feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED});
        else if (unit->lead && lead_conclude(unit->lead))
                unit->close_waits = true;
        else
                gate_close(unit->gate);
}

/* What is lost is cleaned up at once: nothing of the tree is left, and others wait. */
static void clean_gate(Unit *unit)
{
        unit->follows = true;
        if (unit->gate)
                gate_close(unit->gate);
        if (unit->lead)
                (void)lead_conclude(unit->lead);
}

/* --- what goes with the hold -------------------------------------------------------------------- */

/* The standby runs from the first wait on, and between two leaderships. */
static void follow(Unit *unit)
{
        const UnitMachine *m = &unit->machine;

        if (unit->lead)
                lead_follow(unit->lead, unit->follows && m->want == UNIT_WANT_UP && !m->tree &&
                                                m->gate != UNIT_GATE_OPEN && !unit->close_waits &&
                                                !unit_machine_is_at_rest(m));
}

static void on_concluded(Unit *unit)
{
        if (unit->close_waits)
                gate_close(unit->gate);
        unit->close_waits = false;
        if (unit->open_waits)
                open_gate(unit);
        unit->open_waits = false;
        follow(unit);
}

static void finish(Unit *unit)
{
        if (!unit->finished || (unit->lead && !lead_is_idle(unit->lead)))
                return;
        unit->finished = false;
        tell(unit, (UnitNews){.kind = UNIT_NEWS_FINISHED, .status = unit->status});
}

static void on_lead(void *userdata, enum LeadEventKind kind)
{
        Unit *unit = userdata;

        switch (kind) {
        case LEAD_PREPARED:
                start(unit);
                break;
        case LEAD_FAILED:
                if (unit->stop_signal)
                        feed(unit, (UnitEvent){.type = UNIT_EVENT_EXITED, .signal = unit->stop_signal});
                else
                        feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = EAGAIN});
                feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY});
                break;
        case LEAD_LEASE_LOW:
                on_lease_low(unit);
                break;
        case LEAD_CONCLUDED:
                on_concluded(unit);
                break;
        case LEAD_IDLE:
                finish(unit);
                break;
        }
}

static void begin_start(Unit *unit)
{
        unit->stop_signal = 0;
        if (!unit->lead || !lead_prepare(unit->lead, unit->token, unit->deadline_usec))
                start(unit);
}

static void stop(Unit *unit, int signal, uint64_t grace_usec)
{
        mutant_release_early(unit);
        unit->stop_signal = signal;
        if (unit->lead && lead_is_preparing(unit->lead))
                lead_cancel(unit->lead, false);
        else
                (void)spawn_stop(unit->spawn, signal, grace_usec);
}

static void kill_tree(Unit *unit)
{
        if (unit->stop_signal == 0)
                unit->stop_signal = SIGKILL;
        if (unit->lead && lead_is_preparing(unit->lead))
                lead_cancel(unit->lead, true);
        else
                (void)spawn_kill(unit->spawn);
}

static void on_wedged(Unit *unit, enum UnitOnUnkillable what)
{
        switch (what) {
        case UNIT_ON_UNKILLABLE_HOLD:
                log_error("%s: its processes do not die of SIGKILL (disk sleep?); nobody else may start",
                        unit->config.name);
                if (unit->gate)
                        gate_wedge(unit->gate);
                break;
        case UNIT_ON_UNKILLABLE_TAKEOVER:
                log_error("%s: its processes do not die of SIGKILL (disk sleep?); others may start once the lease "
                          "has run out",
                        unit->config.name);
                if (unit->gate)
                        gate_abandon(unit->gate, "its processes do not die");
                break;
        }
        tell(unit, (UnitNews){.kind = UNIT_NEWS_WEDGED});
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

/* As the terminal's Ctrl-Z stops a program that does not handle it, so not where the process group is orphaned
 * and nobody could continue us: the kernel sees to that with SIGTSTP, not with SIGSTOP (signal(7)). */
static void stop_ourselves(void)
{
        sigset_t stop, old;

        sigemptyset(&stop);
        sigaddset(&stop, SIGTSTP);
        sigprocmask(SIG_UNBLOCK, &stop, &old);
        (void)raise(SIGTSTP);
        sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The shell sees us stopped, as it would see the command. Renewals stop with us: if the lease ends
 * meanwhile the guard ends the command, and we find out after SIGCONT. */
static void stop_with_the_job(Unit *unit)
{
        stop_ourselves();
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
                clean_gate(unit);
                break;
        case UNIT_EFFECT_START:
                begin_start(unit);
                break;
        case UNIT_EFFECT_STOP:
                stop(unit, effect->signal, effect->usec);
                break;
        case UNIT_EFFECT_KILL:
                kill_tree(unit);
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
                on_wedged(unit, (enum UnitOnUnkillable)effect->value);
                break;
        case UNIT_EFFECT_FINISHED:
                unit->finished = true;
                unit->status = effect->value;
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
        follow(unit);
        finish(unit);
}

static void on_timer(void *userdata)
{
        feed(userdata, (UnitEvent){.type = UNIT_EVENT_TIMER});
}

/* The grace is that of the lease, unless the unit has one of its own. */
static void set_policy(Unit *unit)
{
        UnitPolicy policy = unit->config.policy;

        if (policy.grace_usec == 0)
                policy.grace_usec = unit->timing.grace_usec;
        unit_machine_set_policy(&unit->machine, &policy);
}

/* Before the first contact, for units that need none. */
static Timing timing_unknown(void)
{
        return (Timing){.grace_usec = unit_policy_default().grace_usec, .kill_usec = KILL_BUDGET_USEC};
}

int unit_new(Unit **out, const UnitContext *context, const UnitConfig *config, UnitHandler handler, void *userdata)
{
        CLEANUP(unit_free) Unit *unit = calloc(1, sizeof(*unit));
        int r;

        if (!unit)
                return -ENOMEM;
        unit->context = *context;
        unit->config = *config;
        unit->timing = timing_unknown();
        unit->deadline_usec = config->gateless ? LEASE_DEADLINE_NONE : 0;
        unit->handler = handler;
        unit->userdata = userdata;
        if (config->lead) /* on-lost has its time before the hold is given back */
                unit->config.policy.release_usec = usec_add(config->policy.release_usec, config->lead->hook_timeout_usec);
        unit_machine_init(&unit->machine, &unit->config.policy, random_seed_from_kernel(), clock_boottime_usec());
        set_policy(unit);
        r = timer_init(&unit->timer, context->event, SD_EVENT_PRIORITY_NORMAL, on_timer, unit);
        if (r == 0)
                r = timer_init(&unit->wait_timer, context->event, SD_EVENT_PRIORITY_NORMAL, on_wait_timer, unit);
        if (r == 0 && !config->gateless)
                r = gate_new(&unit->gate, context->event, context->client, context->heart, &config->gate, on_gate,
                        unit);
        if (r == 0 && config->readiness->kind != READINESS_NONE)
                r = readiness_new(&unit->readiness, context->event, context->reaper, config->readiness, on_readiness, unit);
        if (r == 0 && config->lead)
                r = lead_new(&unit->lead, context, config, on_lead, unit);
        if (r < 0)
                return r;
        *out = TAKE(unit);
        return 0;
}

Unit *unit_free(Unit *unit)
{
        if (!unit)
                return NULL;
        unit->lead = lead_free(unit->lead);
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
        unit->timing = *timing;
        set_policy(unit);
        if (unit->gate)
                gate_set_timing(unit->gate, timing);
        if (unit->lead)
                lead_set_timing(unit->lead, timing);
}

/* Without a gate: what gates tell of the session otherwise. */
static void on_session_without_gate(Unit *unit, enum SessionChange change)
{
        switch (change) {
        case SESSION_ATTACHED:
                unit->attached = true;
                feed(unit, (UnitEvent){.type = UNIT_EVENT_RESUMED});
                if (unit->machine.gate == UNIT_GATE_ASKED)
                        open_gate(unit);
                break;
        case SESSION_EXPIRED:
                unit->attached = false;
                feed(unit, (UnitEvent){.type = UNIT_EVENT_SESSION_LOST});
                break;
        case SESSION_SUSPENDED:
        case SESSION_CLOSED:
                break;
        }
}

void unit_on_session(Unit *unit, const Event *event)
{
        if (event->session.change == SESSION_SUSPENDED)
                feed(unit, (UnitEvent){.type = UNIT_EVENT_SUSPENDED});
        if (unit->gate)
                gate_on_session(unit->gate, event);
        else
                on_session_without_gate(unit, event->session.change);
        if (unit->lead)
                lead_on_session(unit->lead, event);
}

void unit_up(Unit *unit)
{
        unit->finished = false;
        feed(unit, (UnitEvent){.type = UNIT_EVENT_UP});
}

/* The first one more kills a hook that is in the way of giving the hold back; that comes first. */
void unit_down(Unit *unit, int signal)
{
        if (unit->machine.want != UNIT_WANT_DOWN) {
                feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN, .signal = signal});
                return;
        }
        if (unit->lead)
                lead_kill(unit->lead);
        if (!unit->close_waits)
                feed(unit, (UnitEvent){.type = UNIT_EVENT_FORCE, .signal = signal});
}

/* What a command that was started now would die of. */
static bool ends_wait(const Unit *unit, int signal)
{
        if (!unit->config.signals_end_wait || sigismember(unit->config.ignored, signal) == 1)
                return false;
        return signal != SIGCONT && signal != SIGURG && signal != SIGWINCH && signal != SIGTSTP && signal != SIGTTIN &&
                signal != SIGTTOU;
}

void unit_signal(Unit *unit, int signal)
{
        if (unit->machine.tree && unit->spawn)
                (void)spawn_signal(unit->spawn, signal);
        else if (unit->lead && lead_signal(unit->lead, signal))
                return;
        else if (signal == SIGTSTP && unit->config.terminal)
                stop_ourselves();
        else if (ends_wait(unit, signal))
                unit_down(unit, signal);
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
        if (unit->gate)
                gate_close(unit->gate);
}

bool unit_is_wedged(const Unit *unit)
{
        return unit->machine.wedged;
}

bool unit_is_at_rest(const Unit *unit)
{
        return unit_machine_is_at_rest(&unit->machine) && (!unit->lead || lead_is_idle(unit->lead));
}
