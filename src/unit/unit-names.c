/* The words for states, reasons, events and effects: traces, status and transcripts use these. */
#include "unit/unit-machine.h"

#include "util/macros.h"

static const char *const states[UNIT_STATE_COUNT] = {
        [UNIT_STATE_DOWN] = "down",
        [UNIT_STATE_GUARD] = "guard",
        [UNIT_STATE_GATE] = "gate",
        [UNIT_STATE_STARTING] = "starting",
        [UNIT_STATE_RUNNING] = "running",
        [UNIT_STATE_READY] = "ready",
        [UNIT_STATE_STOPPING] = "stopping",
        [UNIT_STATE_KILLING] = "killing",
        [UNIT_STATE_BACKOFF] = "backoff",
        [UNIT_STATE_HOLDING] = "holding",
        [UNIT_STATE_RELEASING] = "releasing",
        [UNIT_STATE_FAILED] = "failed",
        [UNIT_STATE_FINISHED] = "finished",
};

static const char *const reasons[UNIT_REASON_COUNT] = {
        [UNIT_REASON_NONE] = "none",
        [UNIT_REASON_OPERATOR] = "operator",
        [UNIT_REASON_RESTART] = "restart",
        [UNIT_REASON_EXITED] = "exited",
        [UNIT_REASON_EXEC_FAILED] = "exec failed",
        [UNIT_REASON_GUARD_FAILED] = "guard failed",
        [UNIT_REASON_GUARD_LOST] = "guard lost",
        [UNIT_REASON_HOLD_LOST] = "hold lost",
        [UNIT_REASON_LEASE_LOW] = "lease low",
        [UNIT_REASON_SUSPENDED] = "suspended",
        [UNIT_REASON_READY_TIMEOUT] = "ready timeout",
        [UNIT_REASON_GATE_FAILED] = "gate failed",
        [UNIT_REASON_LIMIT] = "limit",
        [UNIT_REASON_YIELD] = "yield",
};

static const char *const events[UNIT_EVENT_COUNT] = {
        [UNIT_EVENT_UP] = "up",
        [UNIT_EVENT_DOWN] = "down",
        [UNIT_EVENT_RESTART] = "restart",
        [UNIT_EVENT_FORCE] = "force",
        [UNIT_EVENT_YIELD] = "yield",
        [UNIT_EVENT_GUARD_READY] = "guard ready",
        [UNIT_EVENT_GUARD_FAILED] = "guard failed",
        [UNIT_EVENT_GUARD_LOST] = "guard lost",
        [UNIT_EVENT_GATE_OPEN] = "gate open",
        [UNIT_EVENT_GATE_LOST] = "hold lost",
        [UNIT_EVENT_GATE_FAILED] = "gate failed",
        [UNIT_EVENT_GATE_CLOSED] = "gate closed",
        [UNIT_EVENT_SUSPENDED] = "suspended",
        [UNIT_EVENT_RESUMED] = "resumed",
        [UNIT_EVENT_SESSION_LOST] = "session lost",
        [UNIT_EVENT_LEASE_LOW] = "lease low",
        [UNIT_EVENT_STARTED] = "started",
        [UNIT_EVENT_EXEC_FAILED] = "exec failed",
        [UNIT_EVENT_EXITED] = "exited",
        [UNIT_EVENT_TREE_EMPTY] = "tree empty",
        [UNIT_EVENT_JOB_STOPPED] = "job stopped",
        [UNIT_EVENT_READY_OK] = "ready",
        [UNIT_EVENT_READY_LOST] = "not ready",
        [UNIT_EVENT_READY_TIMEOUT] = "ready timeout",
        [UNIT_EVENT_TIMER] = "timer",
};

static const char *const effects[UNIT_EFFECT_COUNT] = {
        [UNIT_EFFECT_SPAWN_GUARD] = "spawn-guard",
        [UNIT_EFFECT_DISMISS_GUARD] = "dismiss-guard",
        [UNIT_EFFECT_OPEN_GATE] = "open-gate",
        [UNIT_EFFECT_RELEASE_GATE] = "release-gate",
        [UNIT_EFFECT_GATE_DEAD] = "gate-dead",
        [UNIT_EFFECT_START] = "start",
        [UNIT_EFFECT_STOP] = "stop",
        [UNIT_EFFECT_KILL] = "kill",
        [UNIT_EFFECT_SIGNAL] = "signal",
        [UNIT_EFFECT_FREEZE] = "freeze",
        [UNIT_EFFECT_THAW] = "thaw",
        [UNIT_EFFECT_WATCH_READY] = "watch-ready",
        [UNIT_EFFECT_UNWATCH_READY] = "unwatch-ready",
        [UNIT_EFFECT_NOTIFY_READY] = "notify-ready",
        [UNIT_EFFECT_NOTIFY_STOPPING] = "notify-stopping",
        [UNIT_EFFECT_JOB_STOPPED] = "job-stopped",
        [UNIT_EFFECT_WEDGED] = "wedged",
        [UNIT_EFFECT_FINISHED] = "finished",
        [UNIT_EFFECT_TRACE] = "trace",
};

static const char *name(const char *const *names, size_t n, unsigned i)
{
        return i < n ? names[i] : "?";
}

const char *unit_state_to_string(enum UnitState state)
{
        return name(states, ARRAY_SIZE(states), state);
}

const char *unit_reason_to_string(enum UnitReason reason)
{
        return name(reasons, ARRAY_SIZE(reasons), reason);
}

const char *unit_event_to_string(enum UnitEventType type)
{
        return name(events, ARRAY_SIZE(events), type);
}

const char *unit_effect_to_string(enum UnitEffectType type)
{
        return name(effects, ARRAY_SIZE(effects), type);
}
