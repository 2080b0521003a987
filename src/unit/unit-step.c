#include "unit/unit-step.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"
#include "util/signal-name.h"

#define BIT(state) (1U << UNIT_STATE_##state)
#define RESTS (BIT(DOWN) | BIT(FAILED) | BIT(FINISHED))
/* Where an ended run may lead. */
#define AFTER_TREE (BIT(GUARD) | BIT(GATE) | BIT(STARTING) | BIT(BACKOFF) | BIT(HOLDING) | BIT(RELEASING) | RESTS)

static const unsigned legal_steps[UNIT_STATE_COUNT] = {
        [UNIT_STATE_DOWN] = BIT(GUARD),
        [UNIT_STATE_GUARD] = BIT(GATE) | BIT(STARTING) | BIT(BACKOFF) | BIT(RELEASING) | RESTS,
        [UNIT_STATE_GATE] = BIT(GUARD) | BIT(STARTING) | BIT(BACKOFF) | BIT(RELEASING) | RESTS,
        [UNIT_STATE_STARTING] = BIT(RUNNING) | BIT(READY) | BIT(STOPPING) | BIT(KILLING) | AFTER_TREE,
        [UNIT_STATE_RUNNING] = BIT(READY) | BIT(STOPPING) | BIT(KILLING) | AFTER_TREE,
        [UNIT_STATE_READY] = BIT(RUNNING) | BIT(STOPPING) | BIT(KILLING) | AFTER_TREE,
        [UNIT_STATE_STOPPING] = BIT(KILLING) | AFTER_TREE,
        [UNIT_STATE_KILLING] = AFTER_TREE,
        [UNIT_STATE_BACKOFF] = BIT(GUARD) | BIT(GATE) | BIT(STARTING) | BIT(RELEASING) | RESTS,
        [UNIT_STATE_HOLDING] = BIT(GUARD) | BIT(GATE) | BIT(STARTING) | BIT(BACKOFF) | BIT(RELEASING) | RESTS,
        [UNIT_STATE_RELEASING] = BIT(GUARD) | BIT(GATE) | BIT(BACKOFF) | RESTS,
        [UNIT_STATE_FAILED] = BIT(GUARD),
        [UNIT_STATE_FINISHED] = BIT(GUARD),
};

/* --- effects and the setter --------------------------------------------------------------------- */

UnitEffect *unit_step_push(UnitStep *s, enum UnitEffectType type)
{
        UnitEffect *e;

        assert(s->effects->n < UNIT_EFFECT_MAX);
        e = &s->effects->items[s->effects->n++];
        *e = (UnitEffect){.type = type};
        return e;
}

/* Has a live main process that was not told to stop. */
bool unit_step_is_running(enum UnitState state)
{
        return state == UNIT_STATE_STARTING || state == UNIT_STATE_RUNNING || state == UNIT_STATE_READY;
}

bool unit_step_is_rest(enum UnitState state)
{
        return RESTS & (1U << state);
}

/* What a timer that fired in this state had waited for. */
static const char *timer_cause(enum UnitState old)
{
        return old == UNIT_STATE_RUNNING     ? "not ready in time"
               : old == UNIT_STATE_STOPPING  ? "grace over"
               : old == UNIT_STATE_RELEASING ? "no answer"
               : old == UNIT_STATE_HOLDING   ? "held long enough"
                                             : "delay over";
}

static void write_cause(const UnitStep *s, enum UnitState old, char *buf, size_t size)
{
        const UnitEvent *e = s->event;
        char name[SIGNAL_NAME_MAX];

        if (s->m->reason == UNIT_REASON_LIMIT)
                snprintf(buf, size, "too many starts");
        else if (e->type == UNIT_EVENT_TIMER)
                snprintf(buf, size, "%s", timer_cause(old));
        else if (e->type == UNIT_EVENT_EXITED && e->signal)
                snprintf(buf, size, "killed by %s", signal_to_string(e->signal, name));
        else if (e->type == UNIT_EVENT_EXITED)
                snprintf(buf, size, "exited with %d", e->value);
        else if (e->type == UNIT_EVENT_EXEC_FAILED || e->type == UNIT_EVENT_GUARD_FAILED)
                snprintf(
                        buf, size, "%s: %s", unit_event_to_string(e->type), strerrorname_np(e->value) ?: "?");
        else
                snprintf(buf, size, "%s", unit_event_to_string(e->type));
}

/* What the old state held and the new one may not. */
static void drop(UnitStep *s, enum UnitState old)
{
        UnitMachine *m = s->m;

        m->timer_usec = USEC_INFINITY;
        if (unit_step_is_running(old) && !unit_step_is_running(m->state)) {
                if (m->policy.await_ready)
                        unit_step_push(s, UNIT_EFFECT_UNWATCH_READY);
                m->ready_early = false;
        }
        if (m->frozen && m->state != UNIT_STATE_RUNNING && m->state != UNIT_STATE_READY) {
                m->frozen = false;
                if (m->tree)
                        unit_step_push(s, UNIT_EFFECT_THAW);
        }
        if (m->state == UNIT_STATE_STOPPING || m->state == UNIT_STATE_KILLING)
                if (old == UNIT_STATE_RUNNING || old == UNIT_STATE_READY)
                        unit_step_push(s, UNIT_EFFECT_NOTIFY_STOPPING);
        if (unit_step_is_rest(m->state)) {
                assert(!m->tree && m->gate == UNIT_GATE_CLOSED);
                if (m->guard != UNIT_GUARD_NONE)
                        unit_step_push(s, UNIT_EFFECT_DISMISS_GUARD);
                m->guard = UNIT_GUARD_NONE;
                unit_step_push(s, UNIT_EFFECT_FINISHED)->value = m->final_status;
        }
}

/* The only writer of the state. */
void unit_step_set_state(UnitStep *s, enum UnitState state)
{
        UnitMachine *m = s->m;
        enum UnitState old = m->state;
        char cause[UNIT_TRACE_MAX / 2];

        assert(legal_steps[old] & (1U << state));
        m->state = state;
        m->state_since_usec = s->event->now_usec;
        write_cause(s, old, cause, sizeof(cause));
        snprintf(unit_step_push(s, UNIT_EFFECT_TRACE)->text, UNIT_TRACE_MAX, "%s -> %s (%s)",
                unit_state_to_string(old), unit_state_to_string(state), cause);
        drop(s, old);
}

void unit_step_set_timer(UnitStep *s, uint64_t usec)
{
        s->m->timer_usec = usec_add(s->event->now_usec, usec);
}

/* --- towards a start ---------------------------------------------------------------------------- */

static void spawn_guard(UnitStep *s)
{
        unit_step_push(s, UNIT_EFFECT_SPAWN_GUARD);
        s->m->guard = UNIT_GUARD_SPAWNING;
}

void unit_step_open_gate(UnitStep *s)
{
        unit_step_push(s, UNIT_EFFECT_OPEN_GATE);
        s->m->gate = UNIT_GATE_ASKED;
}

/* A command that may have to be frozen or stopped for want of contact is not started into it. */
static bool must_wait_for_contact(const UnitMachine *m)
{
        return m->suspended && m->policy.on_suspend != UNIT_ON_SUSPEND_KEEP;
}

static void start(UnitStep *s)
{
        UnitMachine *m = s->m;

        assert(m->want == UNIT_WANT_UP && m->gate == UNIT_GATE_OPEN && m->guard == UNIT_GUARD_READY &&
                !m->tree);
        m->tree = true;
        m->exited = false;
        m->exec_errno = 0;
        m->started_usec = m->ready_usec = 0;
        m->restarts += m->started;
        m->started = true;
        unit_step_set_state(s, UNIT_STATE_STARTING);
        if (m->policy.await_ready)
                unit_step_push(s, UNIT_EFFECT_WATCH_READY);
        unit_step_push(s, UNIT_EFFECT_START);
}

/* An earlier release is still under way; then the hold is asked for anew. */
static void await_release(UnitStep *s)
{
        s->m->gate = UNIT_GATE_RELEASING;
        s->m->rest = UNIT_STATE_COUNT;
        s->m->not_before_usec = 0;
        unit_step_set_state(s, UNIT_STATE_RELEASING);
}

/* The next thing a start lacks, without delay. */
void unit_step_proceed(UnitStep *s)
{
        UnitMachine *m = s->m;

        assert(m->want == UNIT_WANT_UP && !m->tree && m->gate != UNIT_GATE_LOST &&
                m->gate != UNIT_GATE_RELEASING);
        if (m->guard != UNIT_GUARD_READY) {
                if (m->state != UNIT_STATE_GUARD)
                        unit_step_set_state(s, UNIT_STATE_GUARD);
                if (m->guard == UNIT_GUARD_NONE)
                        spawn_guard(s);
        } else if (m->gate == UNIT_GATE_CLOSED && m->closed_owed) {
                await_release(s);
        } else if (m->gate != UNIT_GATE_OPEN) {
                unit_step_set_state(s, UNIT_STATE_GATE);
                if (m->gate == UNIT_GATE_CLOSED)
                        unit_step_open_gate(s);
        } else if (must_wait_for_contact(m)) {
                if (m->state != UNIT_STATE_BACKOFF)
                        unit_step_set_state(s, UNIT_STATE_BACKOFF);
                m->timer_usec = USEC_INFINITY;
        } else {
                start(s);
        }
}

void unit_step_begin(UnitStep *s)
{
        UnitMachine *m = s->m;

        m->want = UNIT_WANT_UP;
        m->reason = UNIT_REASON_OPERATOR;
        m->started = m->ran = m->exited = false;
        m->restarts = 0;
        m->exec_errno = m->down_signal = 0;
        backoff_reset(&m->backoff);
        unit_step_proceed(s);
}

/* --- towards rest ------------------------------------------------------------------------------- */

/* Gives back what is held, then rests in STATE. */
void unit_step_go_to_rest(UnitStep *s, enum UnitState state, enum UnitReason reason, int status)
{
        UnitMachine *m = s->m;

        assert(!m->tree && unit_step_is_rest(state));
        m->reason = reason;
        m->rest = state;
        m->final_status = status;
        if (m->gate == UNIT_GATE_CLOSED) {
                unit_step_set_state(s, state);
                return;
        }
        unit_step_push(s, UNIT_EFFECT_RELEASE_GATE);
        m->gate = UNIT_GATE_RELEASING;
        unit_step_set_state(s, UNIT_STATE_RELEASING);
        unit_step_set_timer(s, m->policy.release_usec);
}

/* rest = COUNT says that no rest is meant. */
void unit_step_ask_anew(UnitStep *s, uint64_t not_before_usec)
{
        UnitMachine *m = s->m;

        assert(!m->tree && m->gate == UNIT_GATE_OPEN);
        unit_step_push(s, UNIT_EFFECT_RELEASE_GATE);
        m->gate = UNIT_GATE_RELEASING;
        m->rest = UNIT_STATE_COUNT;
        m->not_before_usec = not_before_usec;
        m->give_back = false;
        unit_step_set_state(s, UNIT_STATE_RELEASING);
}

void unit_step_end_release(UnitStep *s, bool answered)
{
        UnitMachine *m = s->m;

        m->gate = UNIT_GATE_CLOSED;
        m->closed_owed = !answered;
        if (m->rest != UNIT_STATE_COUNT) {
                unit_step_set_state(s, m->rest);
        } else if (s->event->now_usec < m->not_before_usec) {
                unit_step_set_state(s, UNIT_STATE_BACKOFF);
                m->timer_usec = m->not_before_usec;
        } else {
                unit_step_proceed(s);
        }
}

/* The hold is kept although its run is over: who comes next may not come too soon. */
static bool must_hold_on(const UnitStep *s)
{
        const UnitMachine *m = s->m;

        return m->gate == UNIT_GATE_OPEN && !m->give_back && m->started_usec &&
                s->event->now_usec < usec_add(m->opened_usec, m->policy.hold_min_usec);
}

/* After a run that ended by itself: to REST, or (COUNT) to the next turn. */
static void leave_hold(UnitStep *s, enum UnitState rest, enum UnitReason reason, int status)
{
        UnitMachine *m = s->m;

        m->rest = rest;
        m->reason = reason;
        m->final_status = status;
        if (!must_hold_on(s)) {
                unit_step_end_holding(s);
                return;
        }
        unit_step_set_state(s, UNIT_STATE_HOLDING);
        m->timer_usec = usec_add(m->opened_usec, m->policy.hold_min_usec);
}

void unit_step_end_holding(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->rest != UNIT_STATE_COUNT)
                unit_step_go_to_rest(s, m->rest, m->reason, m->final_status);
        else if (m->gate == UNIT_GATE_OPEN)
                unit_step_ask_anew(s, 0);
        else
                unit_step_proceed(s);
}

/* When DOWN comes while nothing runs: of the last run if we were about to repeat it, else of the
 * signal that asked, as if it had met the command. */
int unit_step_waiting_status(const UnitMachine *m)
{
        if ((m->state == UNIT_STATE_BACKOFF || m->state == UNIT_STATE_HOLDING) && m->exited)
                return m->exit_status;
        return m->down_signal ? UNIT_EXIT_SIGNAL_BASE + m->down_signal : 0;
}

void unit_step_stop(UnitStep *s, enum UnitReason reason)
{
        UnitMachine *m = s->m;
        UnitEffect *e = unit_step_push(s, UNIT_EFFECT_STOP);

        e->signal = m->policy.stop_signal
                            ?: m->want == UNIT_WANT_DOWN && m->down_signal ? m->down_signal
                                                                           : SIGTERM;
        e->usec = m->policy.grace_usec;
        m->reason = reason;
        unit_step_set_state(s, UNIT_STATE_STOPPING);
        unit_step_set_timer(s, m->policy.grace_usec);
}

void unit_step_kill(UnitStep *s)
{
        UnitMachine *m = s->m;

        unit_step_push(s, UNIT_EFFECT_KILL);
        if (m->state != UNIT_STATE_KILLING) {
                unit_step_set_state(s, UNIT_STATE_KILLING);
                unit_step_set_timer(s, m->policy.kill_usec);
        }
}

/* The tree is going down by itself or by its guard; the timer is a net under that. */
void unit_step_await_tree(UnitStep *s, enum UnitReason reason)
{
        s->m->reason = reason;
        unit_step_set_state(s, UNIT_STATE_STOPPING);
        unit_step_set_timer(s, s->m->policy.grace_usec);
}

/* --- after a run -------------------------------------------------------------------------------- */

static int exec_status(int error)
{
        return error == ENOENT ? UNIT_EXIT_NOT_FOUND : UNIT_EXIT_CANNOT_EXECUTE;
}

/* Errors that say nothing about the command: the host was short of something. */
static bool is_transient(int error)
{
        return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ETXTBSY ||
               error == EINTR || error == ENOTCONN; /* the guard died before it heard of the start */
}

static int run_status(const UnitMachine *m)
{
        if (m->reason == UNIT_REASON_HOLD_LOST || m->reason == UNIT_REASON_LEASE_LOW)
                return UNIT_EXIT_HOLD_LOST;
        if (m->exec_errno)
                return exec_status(m->exec_errno);
        if (m->reason == UNIT_REASON_READY_TIMEOUT || m->reason == UNIT_REASON_GUARD_LOST ||
                m->reason == UNIT_REASON_GUARD_FAILED || !m->exited)
                return UNIT_EXIT_FAILURE;
        return m->exit_status;
}

/* Whether somebody else should have the hold now: asked for, or too many failures in a row. */
static bool wants_to_give_back(UnitMachine *m, uint64_t lived_usec)
{
        if (lived_usec < m->policy.backoff.healthy_usec)
                m->failures++; /* what ends so early has not done its work, whatever its status */
        else
                m->failures = 0;
        if (m->gate != UNIT_GATE_OPEN)
                return false;
        return m->give_back || (m->policy.give_up && m->failures >= m->policy.give_up);
}

/* One more automatic start, after a delay, if the limit allows it. */
static void try_again(UnitStep *s, uint64_t lived_usec)
{
        UnitMachine *m = s->m;
        uint64_t delay = backoff_next(&m->backoff, &m->random, lived_usec);

        if (wants_to_give_back(m, lived_usec)) {
                unit_step_ask_anew(s, usec_add(s->event->now_usec, delay));
                return;
        }
        if (!m->policy.give_up && !backoff_allow(&m->backoff, s->event->now_usec)) {
                unit_step_go_to_rest(
                        s, UNIT_STATE_FAILED, UNIT_REASON_LIMIT, run_status(m) ?: UNIT_EXIT_FAILURE);
                return;
        }
        if (delay == 0) {
                unit_step_proceed(s);
                return;
        }
        unit_step_set_state(s, UNIT_STATE_BACKOFF);
        unit_step_set_timer(s, delay);
        /* Only after a tree: a guard that dies at once must not be spawned in a loop without delay. */
        if (m->guard == UNIT_GUARD_NONE && s->event->type == UNIT_EVENT_TREE_EMPTY)
                spawn_guard(s);
}

/* Whether the policy wants another run after this one, which ended or failed by itself. */
static bool wants_restart(const UnitMachine *m)
{
        bool failed = m->reason != UNIT_REASON_EXITED || !m->exited || m->exit_status != 0;

        if (m->policy.release_after_run)
                return true;
        if (m->reason == UNIT_REASON_EXEC_FAILED && !m->ran && !m->policy.give_up && !is_transient(m->exec_errno))
                return false; /* it cannot have worked yet, so it will not by itself */
        switch (m->policy.restart) {
        case UNIT_RESTART_ALWAYS:
                return true;
        case UNIT_RESTART_ON_FAILURE:
                return failed;
        case UNIT_RESTART_NEVER:
                return false;
        }
        return false;
}

static void decide_next(UnitStep *s, bool hold_lost, uint64_t lived_usec)
{
        UnitMachine *m = s->m;
        bool own_end = false;

        switch (m->reason) {
        case UNIT_REASON_HOLD_LOST:
        case UNIT_REASON_LEASE_LOW:
                hold_lost = true;
                break;
        case UNIT_REASON_NONE:
        case UNIT_REASON_OPERATOR: /* stopped, and wanted up again meanwhile */
        case UNIT_REASON_RESTART:
        case UNIT_REASON_SUSPENDED:
        case UNIT_REASON_YIELD:
                break;
        case UNIT_REASON_EXITED:
        case UNIT_REASON_EXEC_FAILED:
        case UNIT_REASON_GUARD_FAILED:
        case UNIT_REASON_GUARD_LOST:
        case UNIT_REASON_READY_TIMEOUT:
        case UNIT_REASON_GATE_FAILED:
        case UNIT_REASON_LIMIT:
        case UNIT_REASON_COUNT:
                own_end = true;
                break;
        }
        if (own_end && !wants_restart(m))
                leave_hold(s, m->reason == UNIT_REASON_EXITED ? UNIT_STATE_FINISHED : UNIT_STATE_FAILED, m->reason,
                        run_status(m));
        else if (hold_lost && !m->policy.reacquire)
                unit_step_go_to_rest(s, UNIT_STATE_FAILED, UNIT_REASON_HOLD_LOST, UNIT_EXIT_HOLD_LOST);
        else if (own_end && m->policy.release_after_run)
                leave_hold(s, UNIT_STATE_COUNT, m->reason, run_status(m));
        else if (own_end)
                try_again(s, lived_usec);
        else if ((m->reason == UNIT_REASON_LEASE_LOW || m->give_back) && m->gate == UNIT_GATE_OPEN)
                unit_step_ask_anew(s, 0);
        else
                unit_step_proceed(s);
}

void unit_step_retry(UnitStep *s, enum UnitReason reason)
{
        s->m->reason = reason;
        if (wants_restart(s->m))
                try_again(s, 0);
        else
                unit_step_go_to_rest(s, UNIT_STATE_FAILED, reason, run_status(s->m));
}

/* Nothing of the tree is left: the one place from which holds are given back after a run. */
void unit_step_end_run(UnitStep *s)
{
        UnitMachine *m = s->m;
        uint64_t lived = m->started_usec ? usec_sub(s->event->now_usec, m->started_usec) : 0;
        bool hold_lost = m->gate == UNIT_GATE_LOST;

        m->tree = m->wedged = false;
        m->pid = 0;
        if (s->event->guard_gone)
                m->guard = UNIT_GUARD_NONE;
        if (hold_lost) {
                unit_step_push(s, UNIT_EFFECT_GATE_DEAD);
                m->gate = UNIT_GATE_CLOSED;
        }
        if (m->want == UNIT_WANT_DOWN)
                unit_step_go_to_rest(s, UNIT_STATE_DOWN, m->reason, run_status(m));
        else
                decide_next(s, hold_lost, lived);
}

void unit_step_set_ready(UnitStep *s)
{
        UnitMachine *m = s->m;

        unit_step_set_state(s, UNIT_STATE_READY);
        m->ready_usec = s->event->now_usec;
        unit_step_push(s, UNIT_EFFECT_NOTIFY_READY);
}

void unit_step_arm_ready_timeout(UnitStep *s)
{
        UnitMachine *m = s->m;

        if (m->state == UNIT_STATE_RUNNING && m->policy.ready_timeout_usec && !m->frozen)
                unit_step_set_timer(s, m->policy.ready_timeout_usec);
        else
                m->timer_usec = USEC_INFINITY;
}
