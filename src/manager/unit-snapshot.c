/* What a unit says of itself: counters that only grow, and the snapshot for people and programs. It only looks at
 * the machine; when something that is shown differs after an event, the owner is told once. */
#include "manager/unit-private.h"

#include <stdlib.h>
#include <string.h>
#include "util/clock.h"

/* --- counting ----------------------------------------------------------------------------------- */

/* A run that nobody ended, and that did not end well. */
static bool is_failure(const UnitMachine *m)
{
        switch (m->reason) {
        case UNIT_REASON_EXITED:
                return !m->exited || m->exit_status != 0;
        case UNIT_REASON_EXEC_FAILED:
        case UNIT_REASON_GUARD_FAILED:
        case UNIT_REASON_GUARD_LOST:
        case UNIT_REASON_READY_TIMEOUT:
                return true;
        case UNIT_REASON_NONE:
        case UNIT_REASON_OPERATOR:
        case UNIT_REASON_RESTART:
        case UNIT_REASON_HOLD_LOST:
        case UNIT_REASON_LEASE_LOW:
        case UNIT_REASON_SUSPENDED:
        case UNIT_REASON_GATE_FAILED:
        case UNIT_REASON_LIMIT:
        case UNIT_REASON_YIELD:
        case UNIT_REASON_COUNT:
                break;
        }
        return false;
}

void unit_snapshot_count(Unit *unit, const UnitEvent *event)
{
        const UnitMachine *m = &unit->machine;

        if (event->type == UNIT_EVENT_GATE_LOST && m->gate == UNIT_GATE_OPEN && unit->gate)
                unit->counters.hold_losses++;
        else if (event->type == UNIT_EVENT_TREE_EMPTY && m->tree && is_failure(m))
                unit->counters.failures++;
        else if (event->type == UNIT_EVENT_GUARD_FAILED && m->guard != UNIT_GUARD_NONE)
                unit->counters.failures++;
}

void unit_snapshot_count_effect(Unit *unit, enum UnitEffectType effect)
{
        const UnitMachine *m = &unit->machine;

        if (effect == UNIT_EFFECT_START) {
                unit->counters.starts++;
                unit->counters.restarts += m->restarts > 0;
        } else if (effect == UNIT_EFFECT_RELEASE_GATE && unit->gate && m->rest == UNIT_STATE_COUNT &&
                   !m->policy.release_after_run) {
                unit->counters.hand_overs++;
        }
}

void unit_snapshot_begin_wait(Unit *unit)
{
        if (unit->wait_since_usec == 0)
                unit->wait_since_usec = clock_boottime_usec();
}

void unit_snapshot_end_wait(Unit *unit)
{
        double seconds;
        size_t i = 0;

        if (unit->wait_since_usec == 0)
                return;
        seconds = (double)(clock_boottime_usec() - unit->wait_since_usec) / USEC_PER_SEC;
        while (i < SNAPSHOT_WAIT_BUCKETS && seconds > snapshot_wait_bounds[i])
                i++;
        unit->counters.waits[i]++;
        unit->counters.waits_sum_seconds += seconds;
        unit->wait_since_usec = 0;
}

/* --- telling ------------------------------------------------------------------------------------ */

UnitFace unit_snapshot_face(const Unit *unit)
{
        const UnitMachine *m = &unit->machine;

        return (UnitFace){.state = m->state,
                .reason = m->reason,
                .want = m->want,
                .gate = m->gate,
                .pid = m->pid,
                .frozen = m->frozen,
                .suspended = m->suspended,
                .wedged = m->wedged};
}

bool unit_snapshot_differs(const Unit *unit, const UnitFace *before)
{
        UnitFace now = unit_snapshot_face(unit);

        return now.state != before->state || now.reason != before->reason || now.want != before->want ||
                now.gate != before->gate || now.pid != before->pid || now.frozen != before->frozen ||
                now.suspended != before->suspended || now.wedged != before->wedged;
}

/* --- the snapshot ------------------------------------------------------------------------------- */

static uint64_t to_realtime(uint64_t boottime_usec)
{
        if (boottime_usec == 0)
                return 0;
        return usec_sub(clock_realtime_usec(), usec_sub(clock_boottime_usec(), boottime_usec));
}

static const char *role(const Unit *unit, const GateView *const *views, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(views[i]->kind, "leadership") == 0)
                        return unit->machine.gate == UNIT_GATE_OPEN ? "leader" : "standby";
        return NULL;
}

/* The number that the command has in its environment. */
static void find_sequence(const Unit *unit, SnapshotUnit *s)
{
        static const char name[] = "ZK_SEQUENCE=";
        GateEnv env;

        gate_env(unit->gate, &env);
        for (size_t i = 0; i < env.n; i++) {
                if (strncmp(env.items[i], name, sizeof(name) - 1) != 0)
                        continue;
                s->has_sequence = true;
                s->sequence = strtoull(env.items[i] + sizeof(name) - 1, NULL, 10);
        }
}

static void write_gates(const Unit *unit, SnapshotUnit *s)
{
        const GateView *views[GATE_CHAIN_MAX];
        size_t n;

        if (!unit->gate)
                return;
        n = gate_views(unit->gate, views);
        s->role = role(unit, views, n);
        for (; s->n_gates < n && s->n_gates < SNAPSHOT_GATES_MAX; s->n_gates++) {
                const GateView *view = views[s->n_gates];

                s->gates[s->n_gates] = (SnapshotGate){.kind = view->kind,
                        .name = view->name,
                        .state = gate_state_to_string(view->state),
                        .text = view->text,
                        .token = view->token};
        }
        if (unit->machine.gate != UNIT_GATE_OPEN)
                return;
        s->token = unit->token;
        s->has_lease = true;
        s->lease_left_usec = usec_sub(unit->deadline_usec, clock_boottime_usec());
        find_sequence(unit, s);
}

static void write_processes(const Unit *unit, SnapshotUnit *s)
{
        const UnitMachine *m = &unit->machine;

        s->pid = m->pid;
        if (!unit->spawn || m->guard == UNIT_GUARD_NONE)
                return;
        s->guard_pid = (int)spawn_guard_pid(unit->spawn);
        if (spawn_is_ready(unit->spawn))
                s->contain = contain_mode_to_string(spawn_contain(unit->spawn));
}

static const char *text(const Unit *unit)
{
        const char *own = unit->machine.tree ? unit->said : unit->machine.gate == UNIT_GATE_ASKED ? unit->waiting : "";

        return *own ? own : NULL;
}

void unit_snapshot(const Unit *unit, SnapshotUnit *s)
{
        const UnitMachine *m = &unit->machine;
        const UnitCounters *c = &unit->counters;

        *s = (SnapshotUnit){.name = unit->config.name,
                .state = unit_state_to_string(m->state),
                .reason = unit_reason_to_string(m->reason),
                .want = m->want == UNIT_WANT_UP ? "up" : "down",
                .text = text(unit),
                .service = unit->config.service,
                .ready = m->state == UNIT_STATE_READY,
                .wedged = m->wedged,
                .suspended = m->suspended,
                .frozen = m->frozen,
                .since_usec = to_realtime(m->state_since_usec),
                .started_usec = m->tree ? to_realtime(m->started_usec) : 0,
                .starts = c->starts,
                .restarts = c->restarts,
                .failures = c->failures,
                .hold_losses = c->hold_losses,
                .hand_overs = c->hand_overs,
                .lines_dropped = streams_dropped(&unit->streams),
                .waits_sum_seconds = c->waits_sum_seconds};
        memcpy(s->waits, c->waits, sizeof(s->waits));
        if (unit_machine_is_at_rest(m) && unit->rested) {
                s->has_status = true;
                s->status = m->final_status;
        } else if (m->exited) {
                s->has_status = true;
                s->status = m->exit_status;
        }
        write_processes(unit, s);
        write_gates(unit, s);
}
