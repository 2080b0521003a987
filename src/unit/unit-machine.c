/* One function per event, each with a switch over all states: together they are the table of states
 * and events, and the compiler sees that no cell is left out. What several cells lead to is in
 * unit-step.c. "Ignored" cells are replies that crossed a decision made here meanwhile. */
#include "unit/unit-machine.h"

#include <assert.h>
#include "unit/unit-step.h"
#include "util/clock.h"

/* --- requests ----------------------------------------------------------------------------------- */

static void want_up_again(UnitMachine *m)
{
        m->want = UNIT_WANT_UP;
        m->down_signal = 0;
}

/* The end is not meant any more: once the gate is closed it is asked again. */
static void turn_round(UnitMachine *m)
{
        want_up_again(m);
        m->reason = UNIT_REASON_OPERATOR;
        m->rest = UNIT_STATE_COUNT;
        m->timer_usec = USEC_INFINITY;
        m->started = m->ran = m->exited = false;
        m->restarts = 0;
        m->not_before_usec = 0;
        backoff_reset(&m->backoff);
}

/* In HOLDING: the end is not meant any more, and the hold is good for another life. */
static void start_over(UnitStep *s)
{
        if (s->m->rest != UNIT_STATE_COUNT)
                unit_step_begin(s); /* else the next turn comes anyhow */
}

static void on_up(UnitStep *s)
{
        UnitMachine *m = s->m;

        switch (m->state) {
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                unit_step_begin(s);
                break;
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
                want_up_again(m);
                break;
        case UNIT_STATE_HOLDING:
                start_over(s);
                break;
        case UNIT_STATE_RELEASING:
                turn_round(m);
                break;
        case UNIT_STATE_GUARD:
        case UNIT_STATE_GATE:
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
        case UNIT_STATE_BACKOFF:
                break; /* on the way, or there */
        case UNIT_STATE_COUNT:
                break;
        }
}

/* RELEASING now means rest, whatever it meant before. */
static void rest_after_release(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->rest != UNIT_STATE_COUNT)
                return;
        m->reason = UNIT_REASON_OPERATOR;
        m->rest = UNIT_STATE_DOWN;
        m->final_status = unit_step_waiting_status(m);
        unit_step_set_timer(s, m->policy.release_usec);
}

static void note_down(UnitStep *s)
{
        s->m->want = UNIT_WANT_DOWN;
        if (s->m->down_signal == 0)
                s->m->down_signal = s->event->signal;
}

/* The command had its end, which stays visible; only the wait is cut short. */
static void stop_holding(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->rest == UNIT_STATE_COUNT)
                unit_step_go_to_rest(s, UNIT_STATE_DOWN, UNIT_REASON_OPERATOR, unit_step_waiting_status(m));
        else
                unit_step_end_holding(s);
}

static void on_down(UnitStep *s)
{
        UnitMachine *m = s->m;

        note_down(s);
        switch (m->state) {
        case UNIT_STATE_GUARD:
        case UNIT_STATE_GATE:
        case UNIT_STATE_BACKOFF:
                unit_step_go_to_rest(s, UNIT_STATE_DOWN, UNIT_REASON_OPERATOR, unit_step_waiting_status(m));
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
                unit_step_stop(s, UNIT_REASON_OPERATOR);
                break;
        case UNIT_STATE_HOLDING:
                stop_holding(s);
                break;
        case UNIT_STATE_RELEASING:
                rest_after_release(s);
                break;
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
                break; /* going down; want decides what comes after */
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break; /* at rest; that it failed or finished stays visible */
        case UNIT_STATE_COUNT:
                break;
        }
}

static void on_restart(UnitStep *s)
{
        UnitMachine *m = s->m;

        switch (m->state) {
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                unit_step_begin(s);
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
                unit_step_stop(s, UNIT_REASON_RESTART);
                break;
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
                want_up_again(m);
                if (m->reason != UNIT_REASON_HOLD_LOST && m->reason != UNIT_REASON_LEASE_LOW)
                        m->reason = UNIT_REASON_RESTART;
                break;
        case UNIT_STATE_BACKOFF:
                backoff_reset(&m->backoff);
                unit_step_proceed(s);
                break;
        case UNIT_STATE_HOLDING:
                start_over(s);
                break;
        case UNIT_STATE_RELEASING:
                turn_round(m);
                break;
        case UNIT_STATE_GUARD:
        case UNIT_STATE_GATE:
                break; /* about to start anyhow */
        case UNIT_STATE_COUNT:
                break;
        }
}

static void on_force(UnitStep *s)
{
        UnitMachine *m = s->m;

        note_down(s);
        switch (m->state) {
        case UNIT_STATE_GUARD:
        case UNIT_STATE_GATE:
        case UNIT_STATE_BACKOFF:
                unit_step_go_to_rest(s, UNIT_STATE_DOWN, UNIT_REASON_OPERATOR, unit_step_waiting_status(m));
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
                m->reason = UNIT_REASON_OPERATOR;
                unit_step_kill(s);
                break;
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
                unit_step_kill(s);
                break;
        case UNIT_STATE_HOLDING:
                stop_holding(s);
                break;
        case UNIT_STATE_RELEASING: /* the record, if one is left, runs out by itself */
                rest_after_release(s);
                unit_step_end_release(s, false);
                break;
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break;
        case UNIT_STATE_COUNT:
                break;
        }
}

static void on_yield(UnitStep *s)
{
        UnitMachine *m = s->m;

        switch (m->state) {
        case UNIT_STATE_GUARD:
                if (m->gate == UNIT_GATE_OPEN)
                        unit_step_ask_anew(s, 0);
                break;
        case UNIT_STATE_BACKOFF: /* the delay goes on while others have the hold */
                if (m->gate == UNIT_GATE_OPEN)
                        unit_step_ask_anew(s, m->timer_usec == USEC_INFINITY ? 0 : m->timer_usec);
                break;
        case UNIT_STATE_HOLDING:
                unit_step_end_holding(s);
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
                m->give_back = true;
                unit_step_stop(s, UNIT_REASON_YIELD);
                break;
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
                m->give_back = true;
                break;
        case UNIT_STATE_GATE:
        case UNIT_STATE_RELEASING:
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break; /* holds nothing, or not for long */
        case UNIT_STATE_COUNT:
                break;
        }
}

/* --- the guard ---------------------------------------------------------------------------------- */

static void on_guard_ready(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->guard != UNIT_GUARD_SPAWNING)
                return;
        m->guard = UNIT_GUARD_READY;
        if (m->state == UNIT_STATE_GUARD)
                unit_step_proceed(s); /* else BACKOFF or RELEASING: it is there when they end */
}

/* GUARD_FAILED and GUARD_LOST. */
static void on_guard_gone(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->guard == UNIT_GUARD_NONE)
                return;
        m->guard = UNIT_GUARD_NONE;
        switch (m->state) {
        case UNIT_STATE_GUARD:
                unit_step_retry(s, UNIT_REASON_GUARD_FAILED);
                break;
        case UNIT_STATE_GATE:
                unit_step_retry(s, UNIT_REASON_GUARD_LOST);
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
                m->reason = UNIT_REASON_GUARD_LOST;
                unit_step_kill(s);
                break;
        case UNIT_STATE_STOPPING:
                unit_step_kill(s);
                break;
        case UNIT_STATE_KILLING:
        case UNIT_STATE_BACKOFF:
        case UNIT_STATE_HOLDING:
        case UNIT_STATE_RELEASING:
                break; /* a new one is started when it is needed */
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break;
        case UNIT_STATE_COUNT:
                break;
        }
}

/* --- the gate ----------------------------------------------------------------------------------- */

static void on_gate_open(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->gate != UNIT_GATE_ASKED)
                return; /* crossed RELEASE_GATE, which it does not change */
        m->gate = UNIT_GATE_OPEN;
        m->opened_usec = s->event->now_usec;
        m->failures = 0;
        m->give_back = false;
        m->suspended = false; /* no hold comes without contact */
        if (m->state == UNIT_STATE_GATE)
                unit_step_proceed(s);
}

/* While nothing ran: the record may go at once. */
static void lose_idle_gate(UnitStep *s)
{
        UnitMachine *m = s->m;
        bool held = m->gate == UNIT_GATE_OPEN;

        m->gate = UNIT_GATE_CLOSED;
        if (!held)
                return; /* it is asked for when it is needed */
        unit_step_push(s, UNIT_EFFECT_GATE_DEAD);
        if (m->state == UNIT_STATE_HOLDING)
                unit_step_end_holding(s); /* the run was over before */
        else if (!m->policy.reacquire)
                unit_step_go_to_rest(s, UNIT_STATE_FAILED, UNIT_REASON_HOLD_LOST, UNIT_EXIT_HOLD_LOST);
        else if (m->state == UNIT_STATE_BACKOFF && m->timer_usec == USEC_INFINITY)
                unit_step_proceed(s); /* it waited for contact with that session */
}

static void on_gate_lost(UnitStep *s)
{
        UnitMachine *m = s->m;

        switch (m->state) {
        case UNIT_STATE_GUARD:
        case UNIT_STATE_BACKOFF:
        case UNIT_STATE_HOLDING:
                lose_idle_gate(s);
                break;
        case UNIT_STATE_GATE:
                unit_step_open_gate(s);
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
                m->gate = UNIT_GATE_LOST;
                unit_step_stop(s, UNIT_REASON_HOLD_LOST);
                break;
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
                m->gate = UNIT_GATE_LOST;
                break;
        case UNIT_STATE_RELEASING:
                break; /* GATE_CLOSED is still owed */
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break;
        case UNIT_STATE_COUNT:
                break;
        }
}

static void on_gate_failed(UnitStep *s)
{
        UnitMachine *m = s->m;

        switch (m->state) {
        case UNIT_STATE_GUARD:
        case UNIT_STATE_GATE:
        case UNIT_STATE_BACKOFF:
                if (m->gate == UNIT_GATE_OPEN)
                        break; /* what is held stays held until it is lost */
                m->gate = UNIT_GATE_CLOSED;
                unit_step_go_to_rest(s, UNIT_STATE_FAILED, UNIT_REASON_GATE_FAILED, s->event->value);
                break;
        case UNIT_STATE_STARTING:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
        case UNIT_STATE_HOLDING:
                break; /* likewise */
        case UNIT_STATE_RELEASING:
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break; /* not asked for any more */
        case UNIT_STATE_COUNT:
                break;
        }
}

static void on_gate_closed(UnitStep *s)
{
        if (s->m->state == UNIT_STATE_RELEASING)
                unit_step_end_release(s, true);
        else
                s->m->closed_owed = false; /* later than release_usec or FORCE would wait */
}

/* --- contact ------------------------------------------------------------------------------------ */

/* What on_suspend says, in RUNNING or READY. */
static void suspend_running(UnitStep *s)
{
        UnitMachine *m = s->m;

        switch (m->policy.on_suspend) {
        case UNIT_ON_SUSPEND_KEEP:
                break;
        case UNIT_ON_SUSPEND_FREEZE:
                m->frozen = true;
                unit_step_push(s, UNIT_EFFECT_FREEZE);
                unit_step_arm_ready_timeout(s);
                break;
        case UNIT_ON_SUSPEND_SIGNAL:
                unit_step_push(s, UNIT_EFFECT_SIGNAL)->signal = m->policy.suspend_signal;
                break;
        case UNIT_ON_SUSPEND_STOP:
                unit_step_stop(s, UNIT_REASON_SUSPENDED);
                break;
        }
}

static void on_suspended(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->suspended)
                return;
        m->suspended = true;
        if (m->state == UNIT_STATE_RUNNING || m->state == UNIT_STATE_READY)
                suspend_running(
                        s); /* STARTING: once it has started; elsewhere nothing runs, or not for long */
}

static void on_resumed(UnitStep *s)
{
        UnitMachine *m = s->m;

        m->suspended = false;
        if (m->frozen) {
                m->frozen = false;
                unit_step_push(s, UNIT_EFFECT_THAW);
                unit_step_arm_ready_timeout(s);
        }
        if (m->state == UNIT_STATE_BACKOFF && m->timer_usec == USEC_INFINITY)
                unit_step_proceed(s);
}

static void on_session_lost(UnitStep *s)
{
        if (s->m->policy.on_loss == UNIT_ON_LOSS_STOP && s->m->gate == UNIT_GATE_OPEN)
                on_gate_lost(s); /* gates that are still asked find the new session themselves */
}

static void on_lease_low(UnitStep *s)
{
        if (unit_step_is_running(s->m->state))
                unit_step_await_tree(s, UNIT_REASON_LEASE_LOW); /* the guard is at it already */
}

/* --- the command -------------------------------------------------------------------------------- */

static void on_started(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (!m->tree)
                return;
        m->pid = s->event->value;
        m->started_usec = s->event->now_usec;
        m->ran = true;
        if (m->state != UNIT_STATE_STARTING)
                return; /* it is to be stopped already */
        if (!m->policy.await_ready || m->ready_early) {
                unit_step_set_ready(s);
        } else {
                unit_step_set_state(s, UNIT_STATE_RUNNING);
                unit_step_arm_ready_timeout(s);
        }
        if (m->suspended)
                suspend_running(s);
}

static void on_exec_failed(UnitStep *s)
{
        if (!s->m->tree)
                return;
        s->m->exec_errno = s->event->value;
        if (unit_step_is_running(s->m->state))
                unit_step_await_tree(s, UNIT_REASON_EXEC_FAILED);
}

static void on_exited(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (!m->tree)
                return;
        m->exited = true;
        m->exit_status = s->event->signal ? UNIT_EXIT_SIGNAL_BASE + s->event->signal : s->event->value;
        m->pid = 0;
        if (unit_step_is_running(m->state))
                unit_step_await_tree(s, UNIT_REASON_EXITED);
}

static void on_tree_empty(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (!m->tree)
                return;
        if (unit_step_is_running(m->state))
                m->reason = UNIT_REASON_EXITED; /* its status was lost on the way */
        unit_step_end_run(s);
}

static void on_job_stopped(UnitStep *s)
{
        if (unit_step_is_running(s->m->state))
                unit_step_push(s, UNIT_EFFECT_JOB_STOPPED)->signal = s->event->signal;
        /* else: STOP and KILL wake it */
}

/* --- readiness and time ------------------------------------------------------------------------- */

static void on_ready_ok(UnitStep *s)
{
        if (s->m->state == UNIT_STATE_STARTING)
                s->m->ready_early = true;
        else if (s->m->state == UNIT_STATE_RUNNING)
                unit_step_set_ready(s);
}

static void on_ready_lost(UnitStep *s)
{
        UnitMachine *m = s->m;

        m->ready_early = false;
        if (m->state == UNIT_STATE_READY && m->policy.await_ready) {
                unit_step_set_state(s, UNIT_STATE_RUNNING);
                unit_step_arm_ready_timeout(s);
        }
}

static void on_ready_timeout(UnitStep *s)
{
        if (s->m->state == UNIT_STATE_RUNNING)
                unit_step_stop(s, UNIT_REASON_READY_TIMEOUT);
}

static void wedge(UnitStep *s)
{
        UnitMachine *m = s->m;

        m->wedged = true;
        unit_step_push(s, UNIT_EFFECT_WEDGED)->value = (int)m->policy.on_unkillable;
        if (m->policy.on_unkillable == UNIT_ON_UNKILLABLE_TAKEOVER)
                m->gate = UNIT_GATE_LOST;
}

static void on_timer(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (s->event->now_usec < m->timer_usec || m->timer_usec == USEC_INFINITY)
                return;
        m->timer_usec = USEC_INFINITY;
        switch (m->state) {
        case UNIT_STATE_RUNNING:
                unit_step_stop(s, UNIT_REASON_READY_TIMEOUT);
                break;
        case UNIT_STATE_STOPPING:
                unit_step_kill(s);
                break;
        case UNIT_STATE_KILLING:
                wedge(s);
                break;
        case UNIT_STATE_BACKOFF:
                unit_step_proceed(s);
                break;
        case UNIT_STATE_HOLDING:
                unit_step_end_holding(s);
                break;
        case UNIT_STATE_RELEASING:
                unit_step_end_release(s, false);
                break;
        case UNIT_STATE_DOWN:
        case UNIT_STATE_GUARD:
        case UNIT_STATE_GATE:
        case UNIT_STATE_STARTING:
        case UNIT_STATE_READY:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
                break; /* these set none */
        case UNIT_STATE_COUNT:
                break;
        }
}

/* --- the public face ---------------------------------------------------------------------------- */

static void dispatch(UnitStep *s)
{
        static void (*const on_event[UNIT_EVENT_COUNT])(UnitStep *) = {
                [UNIT_EVENT_UP] = on_up,
                [UNIT_EVENT_DOWN] = on_down,
                [UNIT_EVENT_RESTART] = on_restart,
                [UNIT_EVENT_FORCE] = on_force,
                [UNIT_EVENT_YIELD] = on_yield,
                [UNIT_EVENT_GUARD_READY] = on_guard_ready,
                [UNIT_EVENT_GUARD_FAILED] = on_guard_gone,
                [UNIT_EVENT_GUARD_LOST] = on_guard_gone,
                [UNIT_EVENT_GATE_OPEN] = on_gate_open,
                [UNIT_EVENT_GATE_LOST] = on_gate_lost,
                [UNIT_EVENT_GATE_FAILED] = on_gate_failed,
                [UNIT_EVENT_GATE_CLOSED] = on_gate_closed,
                [UNIT_EVENT_SUSPENDED] = on_suspended,
                [UNIT_EVENT_RESUMED] = on_resumed,
                [UNIT_EVENT_SESSION_LOST] = on_session_lost,
                [UNIT_EVENT_LEASE_LOW] = on_lease_low,
                [UNIT_EVENT_STARTED] = on_started,
                [UNIT_EVENT_EXEC_FAILED] = on_exec_failed,
                [UNIT_EVENT_EXITED] = on_exited,
                [UNIT_EVENT_TREE_EMPTY] = on_tree_empty,
                [UNIT_EVENT_JOB_STOPPED] = on_job_stopped,
                [UNIT_EVENT_READY_OK] = on_ready_ok,
                [UNIT_EVENT_READY_LOST] = on_ready_lost,
                [UNIT_EVENT_READY_TIMEOUT] = on_ready_timeout,
                [UNIT_EVENT_TIMER] = on_timer,
        };

        assert(s->event->type < UNIT_EVENT_COUNT);
        on_event[s->event->type](s);
}

static void check(const UnitMachine *m)
{
        bool running = unit_step_is_running(m->state);
        bool stopping = m->state == UNIT_STATE_STOPPING || m->state == UNIT_STATE_KILLING;

        assert(m->tree == (running || stopping));
        assert(!running || m->gate == UNIT_GATE_OPEN);
        assert(m->gate != UNIT_GATE_LOST || m->tree);
        assert((m->gate == UNIT_GATE_RELEASING) == (m->state == UNIT_STATE_RELEASING));
        assert(m->state != UNIT_STATE_GUARD || m->guard == UNIT_GUARD_SPAWNING);
        assert(m->state != UNIT_STATE_GATE || (m->guard == UNIT_GUARD_READY && m->gate == UNIT_GATE_ASKED));
        assert(m->state != UNIT_STATE_HOLDING || (m->gate == UNIT_GATE_OPEN && m->want == UNIT_WANT_UP));
        assert(!m->frozen || m->state == UNIT_STATE_RUNNING || m->state == UNIT_STATE_READY);
        assert(!unit_step_is_rest(m->state) || (m->gate == UNIT_GATE_CLOSED && m->guard == UNIT_GUARD_NONE));
}

void unit_machine_step(UnitMachine *m, const UnitEvent *event, UnitEffects *effects)
{
        UnitStep s = {.m = m, .event = event, .effects = effects};

        effects->n = 0;
        dispatch(&s);
        check(m);
}

UnitPolicy unit_policy_default(void)
{
        return (UnitPolicy){.restart = UNIT_RESTART_ALWAYS,
                .on_suspend = UNIT_ON_SUSPEND_KEEP,
                .on_loss = UNIT_ON_LOSS_STOP,
                .reacquire = true,
                .grace_usec = 5 * USEC_PER_SEC,
                .kill_usec = USEC_PER_SEC,
                .release_usec = 5 * USEC_PER_SEC,
                .backoff = backoff_policy_default()};
}

void unit_machine_init(UnitMachine *m, const UnitPolicy *policy, uint64_t seed, uint64_t now_usec)
{
        *m = (UnitMachine){.policy = *policy,
                .want = UNIT_WANT_DOWN,
                .state = UNIT_STATE_DOWN,
                .rest = UNIT_STATE_COUNT,
                .state_since_usec = now_usec,
                .timer_usec = USEC_INFINITY};
        backoff_init(&m->backoff, &policy->backoff);
        random_init(&m->random, seed);
}

void unit_machine_set_policy(UnitMachine *m, const UnitPolicy *policy)
{
        m->policy = *policy;
        m->backoff.policy = policy->backoff;
}

uint64_t unit_machine_deadline(const UnitMachine *m)
{
        return m->timer_usec;
}

bool unit_machine_is_at_rest(const UnitMachine *m)
{
        return unit_step_is_rest(m->state);
}
