/* The unit machine handed to another program, in the states that last. The policy is not: it is that of the configuration. */
#include <errno.h>
#include "unit/unit-machine.h"

/* Nothing that the machine has decided is still being carried out. */
static bool is_steady(const UnitMachine *m)
{
        if (m->closed_owed || m->give_back || m->frozen || m->suspended || m->wedged || m->guard == UNIT_GUARD_SPAWNING)
                return false;
        switch (m->state) {
        case UNIT_STATE_DOWN:
        case UNIT_STATE_FAILED:
        case UNIT_STATE_FINISHED:
        case UNIT_STATE_GATE:
        case UNIT_STATE_RUNNING:
        case UNIT_STATE_READY:
        case UNIT_STATE_BACKOFF:
        case UNIT_STATE_HOLDING:
                return m->gate == UNIT_GATE_CLOSED || m->gate == UNIT_GATE_ASKED || m->gate == UNIT_GATE_OPEN;
        case UNIT_STATE_GUARD:
        case UNIT_STATE_STARTING:
        case UNIT_STATE_STOPPING:
        case UNIT_STATE_KILLING:
        case UNIT_STATE_RELEASING:
        case UNIT_STATE_COUNT:
                return false;
        }
        return false;
}

static void save_backoff(const Backoff *b, SavedWriter *w)
{
        saved_put_number(w, "backoff-base-usec", b->base_usec);
        saved_put_number(w, "backoff-window-start-usec", b->window_start_usec);
        saved_put_number(w, "backoff-window-count", b->window_count);
}

bool unit_machine_save(const UnitMachine *m, SavedWriter *w)
{
        if (!is_steady(m))
                return false;
        saved_put_flag(w, "want-up", m->want == UNIT_WANT_UP);
        saved_put(w, "state", unit_state_to_string(m->state));
        saved_put(w, "reason", unit_reason_to_string(m->reason));
        saved_put_flag(w, "guard", m->guard == UNIT_GUARD_READY);
        saved_put(w, "gate", m->gate == UNIT_GATE_CLOSED ? "closed" : m->gate == UNIT_GATE_ASKED ? "asked" : "open");
        saved_put(w, "rest", m->rest == UNIT_STATE_COUNT ? NULL : unit_state_to_string(m->rest));
        saved_put_flag(w, "tree", m->tree);
        saved_put_flag(w, "started", m->started);
        saved_put_flag(w, "ran", m->ran);
        saved_put_flag(w, "ready-early", m->ready_early);
        saved_put_flag(w, "exited", m->exited);
        saved_put_signed(w, "pid", m->pid);
        saved_put_signed(w, "exit-status", m->exit_status);
        saved_put_signed(w, "final-status", m->final_status);
        saved_put_signed(w, "exec-errno", m->exec_errno);
        saved_put_signed(w, "down-signal", m->down_signal);
        saved_put_number(w, "failures", m->failures);
        saved_put_number(w, "state-since-usec", m->state_since_usec);
        saved_put_number(w, "started-usec", m->started_usec);
        saved_put_number(w, "ready-usec", m->ready_usec);
        saved_put_number(w, "opened-usec", m->opened_usec);
        saved_put_number(w, "not-before-usec", m->not_before_usec);
        saved_put_number(w, "timer-usec", m->timer_usec);
        saved_put_number(w, "restarts", m->restarts);
        save_backoff(&m->backoff, w);
        return true;
}

static const char *state_name(int state)
{
        return unit_state_to_string((enum UnitState)state);
}

static const char *reason_name(int reason)
{
        return unit_reason_to_string((enum UnitReason)reason);
}

static const char *gate_name(int gate)
{
        static const char *const names[] = {
                [UNIT_GATE_CLOSED] = "closed", [UNIT_GATE_ASKED] = "asked", [UNIT_GATE_OPEN] = "open"};

        return names[gate];
}

static void restore_results(UnitMachine *m, const Saved *saved)
{
        m->started = saved_get_flag(saved, "started");
        m->ran = saved_get_flag(saved, "ran");
        m->ready_early = saved_get_flag(saved, "ready-early");
        m->exited = saved_get_flag(saved, "exited");
        m->exit_status = (int)saved_get_signed(saved, "exit-status", 0);
        m->final_status = (int)saved_get_signed(saved, "final-status", 0);
        m->exec_errno = (int)saved_get_signed(saved, "exec-errno", 0);
        m->down_signal = (int)saved_get_signed(saved, "down-signal", 0);
        m->failures = (unsigned)saved_get_number(saved, "failures", 0);
        m->restarts = saved_get_number(saved, "restarts", 0);
        m->backoff.base_usec = saved_get_number(saved, "backoff-base-usec", 0);
        m->backoff.window_start_usec = saved_get_number(saved, "backoff-window-start-usec", 0);
        m->backoff.window_count = (uint32_t)saved_get_number(saved, "backoff-window-count", 0);
}

static void restore_times(UnitMachine *m, const Saved *saved)
{
        m->state_since_usec = saved_get_number(saved, "state-since-usec", m->state_since_usec);
        m->started_usec = saved_get_number(saved, "started-usec", m->started_usec);
        m->ready_usec = saved_get_number(saved, "ready-usec", m->ready_usec);
        m->opened_usec = saved_get_number(saved, "opened-usec", m->opened_usec);
        m->not_before_usec = saved_get_number(saved, "not-before-usec", m->not_before_usec);
        m->timer_usec = saved_get_number(saved, "timer-usec", m->timer_usec);
}

/* What the states say of tree, guard and gate, and everything else is built upon. */
static bool is_sound(const UnitMachine *m)
{
        bool runs = m->state == UNIT_STATE_RUNNING || m->state == UNIT_STATE_READY;

        if (!is_steady(m) || runs != m->tree || (runs && (m->gate != UNIT_GATE_OPEN || m->guard != UNIT_GUARD_READY)))
                return false;
        if (unit_machine_is_at_rest(m))
                return m->gate == UNIT_GATE_CLOSED && m->guard == UNIT_GUARD_NONE;
        return m->state != UNIT_STATE_GATE || m->guard == UNIT_GUARD_READY;
}

int unit_machine_restore(UnitMachine *machine, const Saved *saved)
{
        UnitMachine m = *machine;

        m.want = saved_get_flag(saved, "want-up") ? UNIT_WANT_UP : UNIT_WANT_DOWN;
        m.state = (enum UnitState)saved_get_name(saved, "state", state_name, UNIT_STATE_COUNT, UNIT_STATE_COUNT);
        m.reason = (enum UnitReason)saved_get_name(saved, "reason", reason_name, UNIT_REASON_COUNT, UNIT_REASON_NONE);
        m.guard = saved_get_flag(saved, "guard") ? UNIT_GUARD_READY : UNIT_GUARD_NONE;
        m.gate = (enum UnitGate)saved_get_name(saved, "gate", gate_name, UNIT_GATE_OPEN + 1, UNIT_GATE_LOST);
        m.rest = (enum UnitState)saved_get_name(saved, "rest", state_name, UNIT_STATE_COUNT, UNIT_STATE_COUNT);
        m.tree = saved_get_flag(saved, "tree");
        m.pid = (int)saved_get_signed(saved, "pid", 0);
        restore_results(&m, saved);
        restore_times(&m, saved);
        if (m.state == UNIT_STATE_COUNT || !is_sound(&m))
                return -EBADMSG;
        *machine = m;
        return 0;
}
