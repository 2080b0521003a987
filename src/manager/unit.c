#include "manager/unit-private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/log.h"

/* With nothing that is granted to derive them from: for units without holds before there is contact. */
#define KILL_BUDGET_USEC USEC_PER_SEC

void unit_tell(Unit *unit, UnitNews news)
{
        unit->handler(unit->userdata, &news);
}

void unit_changed(Unit *unit)
{
        unit->changed = true;
        if (unit->stepping)
                return;
        unit->changed = false;
        unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_CHANGED});
}

void unit_finish(Unit *unit)
{
        if (!unit->finished || (unit->lead && !lead_is_idle(unit->lead)))
                return;
        unit->finished = false;
        unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_FINISHED, .status = unit->status});
}

/* --- readiness ---------------------------------------------------------------------------------- */

static void on_readiness(Readiness *readiness, const ReadinessEvent *event, void *userdata)
{
        Unit *unit = userdata;

        switch (event->type) {
        case READINESS_READY:
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_READY_OK});
                break;
        case READINESS_LOST:
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_READY_LOST});
                break;
        case READINESS_STATUS:
                snprintf(unit->said, sizeof(unit->said), "%s", event->text);
                unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = event->text});
                unit_changed(unit);
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
        unit_snapshot_count_effect(unit, effect->type);
        switch (effect->type) {
        case UNIT_EFFECT_SPAWN_GUARD:
                unit_run_spawn_guard(unit);
                break;
        case UNIT_EFFECT_DISMISS_GUARD:
                unit->spawn = spawn_free(unit->spawn);
                break;
        case UNIT_EFFECT_OPEN_GATE:
                unit_hold_open(unit);
                break;
        case UNIT_EFFECT_RELEASE_GATE:
                unit_hold_close(unit);
                break;
        case UNIT_EFFECT_GATE_DEAD:
                unit_hold_clean(unit);
                break;
        case UNIT_EFFECT_START:
                unit_run_begin(unit);
                break;
        case UNIT_EFFECT_STOP:
                unit_run_stop(unit, effect->signal, effect->usec);
                break;
        case UNIT_EFFECT_KILL:
                unit_run_kill(unit);
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
                unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_READY});
                break;
        case UNIT_EFFECT_NOTIFY_STOPPING:
                unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = "stopping"});
                break;
        case UNIT_EFFECT_JOB_STOPPED:
                stop_with_the_job(unit);
                break;
        case UNIT_EFFECT_WEDGED:
                unit_hold_wedge(unit, (enum UnitOnUnkillable)effect->value);
                break;
        case UNIT_EFFECT_FINISHED:
                unit->finished = unit->rested = true;
                unit->status = effect->value;
                break;
        case UNIT_EFFECT_TRACE:
                log_unit_debug(unit->config.name, "%s", effect->text);
                break;
        case UNIT_EFFECT_COUNT:
                break;
        }
}

static void step(Unit *unit, UnitEvent event)
{
        UnitEffects effects;

        event.now_usec = clock_boottime_usec();
        unit_snapshot_count(unit, &event);
        unit_machine_step(&unit->machine, &event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                perform_one(unit, &effects.items[i]);
}

/* What a gate tells of a closing counts for the last one only: one that was overtaken by the next, while the
 * event waited here, would end a wait for something that is under way yet. */
static bool is_overtaken(const Unit *unit, const UnitEvent *event)
{
        return event->type == UNIT_EVENT_GATE_CLOSED && event->value != unit->n_closes;
}

/* Events that arise while the effects of a step are carried out wait until that is done. */
void unit_feed(Unit *unit, UnitEvent event)
{
        UnitFace before = unit_snapshot_face(unit);

        if (unit->n_pending == UNIT_PENDING_MAX) {
                log_unit_error(unit->config.name, "event %s is dropped: too many at once", unit_event_to_string(event.type));
                return;
        }
        unit->pending[unit->n_pending++] = event;
        if (unit->stepping)
                return;
        unit->stepping = true;
        while (unit->n_pending) {
                UnitEvent next = unit->pending[0];

                memmove(unit->pending, unit->pending + 1, --unit->n_pending * sizeof(*unit->pending));
                if (!is_overtaken(unit, &next))
                        step(unit, next);
        }
        timer_set(&unit->timer, unit_machine_deadline(&unit->machine));
        unit->stepping = false;
        unit_hold_follow(unit);
        if (unit->changed || unit_snapshot_differs(unit, &before))
                unit_changed(unit);
        unit_finish(unit);
}

static void on_timer(void *userdata)
{
        unit_feed(userdata, (UnitEvent){.type = UNIT_EVENT_TIMER});
}

/* The grace is that of the lease, unless the unit has one of its own. */
static void set_policy(Unit *unit)
{
        UnitPolicy policy = unit->config.policy;

        if (unit->config.lead) /* on-lost has its time before the hold is given back */
                policy.release_usec = usec_add(policy.release_usec, unit->config.lead->hook_timeout_usec);
        if (policy.grace_usec == 0)
                policy.grace_usec = unit->timing.grace_usec;
        unit_machine_set_policy(&unit->machine, &policy);
}

/* Before the first contact, for units that need none. */
static Timing timing_unknown(void)
{
        return (Timing){.grace_usec = unit_policy_default().grace_usec, .kill_usec = KILL_BUDGET_USEC};
}

/* The gate, and what goes with it. */
static int make_parts(Unit *unit)
{
        const UnitContext *c = &unit->context;
        const UnitConfig *config = &unit->config;
        int r = 0;

        if (!config->streams) {
                r = streams_init(&unit->streams, c->event, config->out, config->err, config->name);
                unit->config.streams = &unit->streams;
        }
        if (r == 0 && !config->gateless)
                r = gate_new(&unit->gate, c->event, c->client, c->heart, &config->gate, unit_hold_on_gate, unit);
        if (r == 0 && config->readiness->kind != READINESS_NONE)
                r = readiness_new(&unit->readiness, c->event, c->reaper, config->readiness, on_readiness, unit);
        if (r == 0 && config->lead)
                r = lead_new(&unit->lead, c, config, unit_hold_on_lead, unit);
        return r;
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
        unit_machine_init(&unit->machine, &config->policy, random_seed_from_kernel(), clock_boottime_usec());
        set_policy(unit);
        r = timer_init(&unit->timer, context->event, SD_EVENT_PRIORITY_NORMAL, on_timer, unit);
        if (r == 0)
                r = timer_init(&unit->wait_timer, context->event, SD_EVENT_PRIORITY_NORMAL, unit_hold_on_wait_timer,
                        unit);
        if (r == 0)
                r = make_parts(unit);
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
        streams_deinit(&unit->streams);
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

/* Of a unit that holds something it is said by the first renewal that is acknowledged; others renew nothing. */
static void resume_without_hold(Unit *unit)
{
        const UnitMachine *m = &unit->machine;

        if (m->suspended && !m->tree && (m->gate == UNIT_GATE_CLOSED || m->gate == UNIT_GATE_ASKED))
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_RESUMED});
}

void unit_on_session(Unit *unit, const Event *event)
{
        if (event->session.change == SESSION_SUSPENDED)
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_SUSPENDED});
        if (unit->gate)
                gate_on_session(unit->gate, event);
        else
                unit_hold_on_session_without_gate(unit, event->session.change);
        if (event->session.change == SESSION_ATTACHED)
                resume_without_hold(unit);
        if (unit->lead)
                lead_on_session(unit->lead, event);
}

void unit_up(Unit *unit)
{
        unit->finished = false;
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_UP});
}

/* The first one more kills a hook that is in the way of giving the hold back; that comes first. */
void unit_down(Unit *unit, int signal)
{
        if (unit->machine.want != UNIT_WANT_DOWN) {
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN, .signal = signal});
                return;
        }
        if (unit->lead)
                lead_kill(unit->lead);
        if (!unit->close_waits)
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_FORCE, .signal = signal});
}

void unit_restart(Unit *unit)
{
        unit->finished = false;
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_RESTART});
}

int unit_step_down(Unit *unit)
{
        if (!unit->gate)
                return -ENOENT;
        if (unit->machine.gate != UNIT_GATE_OPEN)
                return -EALREADY;
        unit_log(unit, LOG_LEVEL_INFO, HOLD_RETURNED, "asked to", "gives %s back: asked to", unit->hold);
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_YIELD});
        return 0;
}

void unit_set_policy(Unit *unit, const UnitPolicy *policy)
{
        unit->config.policy = *policy;
        set_policy(unit);
}

size_t unit_output_tail(const Unit *unit, size_t n, TextBuffer *text)
{
        return streams_tail(&unit->streams, n, text);
}

void unit_output_source(const Unit *unit, ApiLogSource *source)
{
        *source = (ApiLogSource){.total = streams_total(&unit->streams), .journal = unit->streams.journal};
}

void unit_output_reopen(Unit *unit)
{
        streams_reopen(&unit->streams);
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
 * already is given back in the usual order only: first the command is stopped and proved dead, and on-lost run. */
void unit_gate_failed(Unit *unit, int status)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        if (unit->machine.gate == UNIT_GATE_OPEN || unit->machine.gate == UNIT_GATE_RELEASING || unit->machine.tree) {
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_DOWN});
                return;
        }
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_FAILED, .value = status});
        if (unit->gate)
                unit_hold_close_gate(unit);
}

bool unit_is_wedged(const Unit *unit)
{
        return unit->machine.wedged;
}

bool unit_is_at_rest(const Unit *unit)
{
        return unit_machine_is_at_rest(&unit->machine) && (!unit->lead || lead_is_idle(unit->lead));
}

bool unit_leaves_nothing(const Unit *unit)
{
        return unit_is_at_rest(unit) && !unit->gate_asked;
}
