/* The guard's policy, with a clock of our own. The table has a row for every event in every state. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "guard/policy.h"
#include "util/clock.h"
#include "util/macros.h"

#define NOW 1000000000ULL
#define GRACE 3000000ULL
#define BUDGET 1000000ULL
#define LEASE (NOW + 12000000)
#define FAR WIRE_DEADLINE_NONE

static PolicyActions step_at(Policy *p, enum PolicyEventType type, uint64_t now, uint64_t lease)
{
        PolicyEvent e = {.type = type,
                .now_usec = now,
                .lease_usec = lease,
                .grace_usec = GRACE,
                .kill_budget_usec = BUDGET};
        PolicyActions a;

        if (type == POLICY_EVENT_START)
                e.signal = SIGINT;
        if (type == POLICY_EVENT_SIGNAL)
                e.signal = SIGHUP;
        policy_step(p, &e, &a);
        return a;
}

static PolicyActions step(Policy *p, enum PolicyEventType type)
{
        return step_at(p, type, NOW, LEASE);
}

static void bring_to(Policy *p, enum PolicyState state)
{
        policy_init(p);
        if (state == POLICY_IDLE)
                return;
        step(p, POLICY_EVENT_START);
        if (state == POLICY_STOPPING)
                step(p, POLICY_EVENT_STOP);
        if (state == POLICY_KILLING)
                step(p, POLICY_EVENT_KILL);
        assert_int_equal(p->state, state);
}

typedef struct Cell {
        enum PolicyState state;
        enum PolicyEventType event;
        enum PolicyState next;
        unsigned actions;
        bool gone;
} Cell;

#define STOP_ACTIONS (POLICY_STOP_TREE | POLICY_REPORT_STOPPING)

static const Cell cells[] = {
        {POLICY_IDLE, POLICY_EVENT_START, POLICY_RUNNING, POLICY_SPAWN},
        {POLICY_IDLE, POLICY_EVENT_SIGNAL, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_STOP, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_KILL, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_FREEZE, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_THAW, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_CONTINUE, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_TIMER, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_EXITED, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_EMPTY, POLICY_IDLE, 0},
        {POLICY_IDLE, POLICY_EVENT_GONE, POLICY_IDLE, POLICY_QUIT, true},

        {POLICY_RUNNING, POLICY_EVENT_START, POLICY_RUNNING, 0},
        {POLICY_RUNNING, POLICY_EVENT_SIGNAL, POLICY_RUNNING, POLICY_FORWARD},
        {POLICY_RUNNING, POLICY_EVENT_STOP, POLICY_STOPPING, STOP_ACTIONS},
        {POLICY_RUNNING, POLICY_EVENT_KILL, POLICY_KILLING, POLICY_KILL_TREE},
        {POLICY_RUNNING, POLICY_EVENT_FREEZE, POLICY_RUNNING, POLICY_FREEZE},
        {POLICY_RUNNING, POLICY_EVENT_THAW, POLICY_RUNNING, POLICY_THAW},
        {POLICY_RUNNING, POLICY_EVENT_CONTINUE, POLICY_RUNNING, POLICY_CONTINUE},
        {POLICY_RUNNING, POLICY_EVENT_TIMER, POLICY_RUNNING, 0},
        {POLICY_RUNNING, POLICY_EVENT_EXITED, POLICY_STOPPING, STOP_ACTIONS},
        {POLICY_RUNNING, POLICY_EVENT_EMPTY, POLICY_IDLE, POLICY_REPORT_EMPTY},
        {POLICY_RUNNING, POLICY_EVENT_GONE, POLICY_STOPPING, STOP_ACTIONS, true},

        {POLICY_STOPPING, POLICY_EVENT_START, POLICY_STOPPING, 0},
        {POLICY_STOPPING, POLICY_EVENT_SIGNAL, POLICY_STOPPING, POLICY_FORWARD},
        {POLICY_STOPPING, POLICY_EVENT_STOP, POLICY_STOPPING, 0},
        {POLICY_STOPPING, POLICY_EVENT_KILL, POLICY_KILLING, POLICY_KILL_TREE},
        {POLICY_STOPPING, POLICY_EVENT_FREEZE, POLICY_STOPPING, 0},
        {POLICY_STOPPING, POLICY_EVENT_THAW, POLICY_STOPPING, 0},
        {POLICY_STOPPING, POLICY_EVENT_CONTINUE, POLICY_STOPPING, POLICY_CONTINUE},
        {POLICY_STOPPING, POLICY_EVENT_TIMER, POLICY_STOPPING, 0},
        {POLICY_STOPPING, POLICY_EVENT_EXITED, POLICY_STOPPING, 0},
        {POLICY_STOPPING, POLICY_EVENT_EMPTY, POLICY_IDLE, POLICY_REPORT_EMPTY},
        {POLICY_STOPPING, POLICY_EVENT_GONE, POLICY_STOPPING, 0, true},

        {POLICY_KILLING, POLICY_EVENT_START, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_SIGNAL, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_STOP, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_KILL, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_FREEZE, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_THAW, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_CONTINUE, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_TIMER, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_EXITED, POLICY_KILLING, 0},
        {POLICY_KILLING, POLICY_EVENT_EMPTY, POLICY_IDLE, POLICY_REPORT_EMPTY},
        {POLICY_KILLING, POLICY_EVENT_GONE, POLICY_KILLING, 0, true},
};

static void every_cell_is_decided(void **state)
{
        assert_int_equal(ARRAY_SIZE(cells), (POLICY_KILLING + 1) * (POLICY_EVENT_GONE + 1));
        for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
                const Cell *c = &cells[i];
                PolicyActions a;
                Policy p;

                assert_int_equal(i, c->state * (POLICY_EVENT_GONE + 1) + c->event);
                bring_to(&p, c->state);
                a = step(&p, c->event);
                if (p.state != c->next || a.set != c->actions || p.gone != c->gone)
                        fail_msg("state %d, event %d: went to %d with actions %x", c->state, c->event,
                                p.state, a.set);
        }
}

static void the_lease_stops_then_kills(void **state)
{
        PolicyActions a;
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        assert_int_equal(policy_deadline(&p, LEASE), LEASE - BUDGET - GRACE);
        a = step_at(&p, POLICY_EVENT_TIMER, LEASE - BUDGET - GRACE - 1, LEASE);
        assert_int_equal(a.set, 0);
        a = step_at(&p, POLICY_EVENT_TIMER, LEASE - BUDGET - GRACE, LEASE);
        assert_int_equal(a.set, STOP_ACTIONS);
        assert_int_equal(a.why, WIRE_WHY_LEASE);
        assert_int_equal(a.signal, SIGINT);
        assert_int_equal(policy_deadline(&p, LEASE), LEASE - BUDGET);
        a = step_at(&p, POLICY_EVENT_TIMER, LEASE - BUDGET, LEASE);
        assert_int_equal(a.set, POLICY_KILL_TREE);
}

static void a_renewed_lease_moves_the_timer(void **state)
{
        PolicyActions a;
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        a = step_at(&p, POLICY_EVENT_TIMER, LEASE - BUDGET - GRACE, LEASE + 5000000);
        assert_int_equal(a.set, 0);
        assert_int_equal(policy_deadline(&p, LEASE + 5000000), LEASE + 5000000 - BUDGET - GRACE);
}

static void a_stop_is_not_undone_by_a_later_lease(void **state)
{
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        step_at(&p, POLICY_EVENT_TIMER, LEASE - BUDGET - GRACE, LEASE);
        step_at(&p, POLICY_EVENT_TIMER, LEASE - BUDGET, LEASE + 100000000);
        assert_int_equal(p.state, POLICY_KILLING);
}

static void a_late_wake_up_kills_at_once(void **state)
{
        static const uint64_t leases[] = {LEASE, 0};

        for (size_t i = 0; i < ARRAY_SIZE(leases); i++) {
                PolicyActions a;
                Policy p;

                bring_to(&p, POLICY_RUNNING);
                a = step_at(&p, POLICY_EVENT_TIMER, leases[i] ? LEASE - BUDGET : NOW, leases[i]);
                assert_int_equal(a.set, POLICY_KILL_TREE | POLICY_REPORT_STOPPING);
                assert_int_equal(a.why, WIRE_WHY_LEASE);
        }
}

static void a_unit_without_holds_has_no_deadline(void **state)
{
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        assert_true(policy_deadline(&p, FAR) == USEC_INFINITY);
        assert_int_equal(step_at(&p, POLICY_EVENT_TIMER, NOW * 1000, FAR).set, 0);
        step_at(&p, POLICY_EVENT_STOP, NOW, FAR);
        assert_int_equal(policy_deadline(&p, FAR), NOW + GRACE);
}

static void the_grace_ends_at_the_lease_at_the_latest(void **state)
{
        uint64_t lease = NOW + BUDGET + GRACE / 3;
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        step_at(&p, POLICY_EVENT_STOP, NOW, lease);
        assert_int_equal(policy_deadline(&p, lease), NOW + GRACE / 3);
        assert_int_equal(step_at(&p, POLICY_EVENT_TIMER, NOW + GRACE / 3 - 1, lease).set, 0);
        assert_int_equal(step_at(&p, POLICY_EVENT_TIMER, NOW + GRACE / 3, lease).set, POLICY_KILL_TREE);
}

static void a_second_stop_shortens_the_grace_only(void **state)
{
        PolicyEvent e = {
                .type = POLICY_EVENT_STOP, .now_usec = NOW + 1, .lease_usec = FAR, .signal = SIGQUIT};
        PolicyActions a;
        Policy p;

        bring_to(&p, POLICY_STOPPING);
        e.grace_usec = 100 * GRACE;
        policy_step(&p, &e, &a);
        assert_int_equal(policy_deadline(&p, FAR), NOW + GRACE);
        assert_int_equal(a.signal, SIGQUIT);
        e.grace_usec = 7;
        e.signal = 0;
        policy_step(&p, &e, &a);
        assert_int_equal(policy_deadline(&p, FAR), NOW + 8);
        assert_int_equal(a.signal, SIGINT);
}

static void one_stop_sends_a_signal_once(void **state)
{
        uint64_t lease = NOW + BUDGET + GRACE;
        PolicyEvent e = {.type = POLICY_EVENT_STOP, .now_usec = NOW + 1, .lease_usec = lease, .grace_usec = GRACE};
        PolicyActions a;
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        a = step_at(&p, POLICY_EVENT_TIMER, NOW, lease);
        assert_int_equal(a.set, STOP_ACTIONS);
        assert_int_equal(a.signal, SIGINT);
        policy_step(&p, &e, &a); /* the supervisor has seen it too */
        assert_int_equal(a.set, 0);
        e.signal = SIGTERM;
        policy_step(&p, &e, &a);
        assert_int_equal(a.set, POLICY_STOP_TREE);
        assert_int_equal(a.signal, SIGTERM);
        policy_step(&p, &e, &a);
        assert_int_equal(a.set, 0);
        step(&p, POLICY_EVENT_EMPTY);
        bring_to(&p, POLICY_RUNNING);
        a = step(&p, POLICY_EVENT_STOP);
        assert_int_equal(a.set, STOP_ACTIONS);
}

static void a_start_too_near_the_deadline_is_refused(void **state)
{
        static const uint64_t leases[] = {0, NOW, NOW + BUDGET};
        Policy p;

        for (size_t i = 0; i < ARRAY_SIZE(leases); i++) {
                policy_init(&p);
                assert_int_equal(step_at(&p, POLICY_EVENT_START, NOW, leases[i]).set,
                        POLICY_REFUSE | POLICY_REPORT_EMPTY);
                assert_int_equal(p.state, POLICY_IDLE);
                assert_true(policy_deadline(&p, leases[i]) == USEC_INFINITY);
        }
        assert_int_equal(step_at(&p, POLICY_EVENT_START, NOW, NOW + BUDGET + 1).set, POLICY_SPAWN);
}

static void nothing_starts_once_the_supervisor_is_gone(void **state)
{
        Policy p;

        policy_init(&p);
        step(&p, POLICY_EVENT_GONE);
        assert_int_equal(step(&p, POLICY_EVENT_START).set, POLICY_REFUSE | POLICY_REPORT_EMPTY);
}

static void without_a_supervisor_the_tree_has_a_moment_and_then_the_guard_quits(void **state)
{
        static const enum PolicyState states[] = {POLICY_RUNNING, POLICY_STOPPING, POLICY_KILLING};

        for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
                Policy p;

                bring_to(&p, states[i]);
                step(&p, POLICY_EVENT_GONE);
                assert_true(policy_deadline(&p, FAR) <= NOW + POLICY_GONE_GRACE_USEC);
                step_at(&p, POLICY_EVENT_TIMER, NOW + POLICY_GONE_GRACE_USEC, FAR);
                assert_int_equal(p.state, POLICY_KILLING);
                assert_int_equal(step(&p, POLICY_EVENT_EMPTY).set, POLICY_REPORT_EMPTY | POLICY_QUIT);
        }
}

static void a_frozen_tree_is_thawed_to_be_stopped(void **state)
{
        Policy p;

        bring_to(&p, POLICY_RUNNING);
        step(&p, POLICY_EVENT_FREEZE);
        assert_int_equal(step(&p, POLICY_EVENT_STOP).set, STOP_ACTIONS | POLICY_THAW);
        bring_to(&p, POLICY_RUNNING);
        step(&p, POLICY_EVENT_FREEZE);
        step(&p, POLICY_EVENT_THAW);
        assert_int_equal(step(&p, POLICY_EVENT_STOP).set, STOP_ACTIONS);
}

static void killing_is_repeated_more_and_more_slowly(void **state)
{
        uint64_t now = NOW, gap = POLICY_RETRY_MIN_USEC;
        Policy p;

        bring_to(&p, POLICY_KILLING);
        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(policy_deadline(&p, LEASE), now + gap);
                assert_int_equal(step_at(&p, POLICY_EVENT_TIMER, now + gap - 1, LEASE).set, 0);
                now += gap;
                assert_int_equal(step_at(&p, POLICY_EVENT_TIMER, now, LEASE).set, POLICY_KILL_TREE);
                gap = MIN(gap * 2, (uint64_t)POLICY_RETRY_MAX_USEC);
        }
        assert_int_equal(gap, POLICY_RETRY_MAX_USEC);
}

static void the_stop_signal_is_term_unless_said_otherwise(void **state)
{
        PolicyEvent e = {.type = POLICY_EVENT_START, .now_usec = NOW, .lease_usec = FAR};
        PolicyActions a;
        Policy p;

        policy_init(&p);
        policy_step(&p, &e, &a);
        e.type = POLICY_EVENT_STOP;
        policy_step(&p, &e, &a);
        assert_int_equal(a.signal, SIGTERM);
}

/* Whatever comes in whatever order: never a start in a run, never un-stopped, EMPTY once a run. */
static void the_invariants_hold_for_all_short_histories(void **state)
{
        enum { EVENTS = POLICY_EVENT_GONE + 1, LENGTH = 5 };
        unsigned n = 1;

        for (unsigned i = 0; i < LENGTH; i++)
                n *= EVENTS;
        for (unsigned code = 0; code < n; code++) {
                unsigned c = code, runs = 0, ends = 0;
                Policy p;

                policy_init(&p);
                for (unsigned i = 0; i < LENGTH; i++, c /= EVENTS) {
                        enum PolicyState before = p.state;
                        bool gone = p.gone;
                        PolicyActions a =
                                step_at(&p, (enum PolicyEventType)(c % EVENTS), NOW + i * GRACE, LEASE);

                        runs += (a.set & (POLICY_SPAWN | POLICY_REFUSE)) != 0;
                        ends += (a.set & POLICY_REPORT_EMPTY) != 0;
                        assert_true(p.state == POLICY_IDLE || p.state >= before);
                        assert_false(a.set & POLICY_SPAWN && (before != POLICY_IDLE || gone));
                        assert_int_equal(runs - ends, p.state != POLICY_IDLE);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_cell_is_decided),
                cmocka_unit_test(the_lease_stops_then_kills),
                cmocka_unit_test(a_renewed_lease_moves_the_timer),
                cmocka_unit_test(a_stop_is_not_undone_by_a_later_lease),
                cmocka_unit_test(a_late_wake_up_kills_at_once),
                cmocka_unit_test(a_unit_without_holds_has_no_deadline),
                cmocka_unit_test(the_grace_ends_at_the_lease_at_the_latest),
                cmocka_unit_test(a_second_stop_shortens_the_grace_only),
                cmocka_unit_test(one_stop_sends_a_signal_once),
                cmocka_unit_test(a_start_too_near_the_deadline_is_refused),
                cmocka_unit_test(nothing_starts_once_the_supervisor_is_gone),
                cmocka_unit_test(without_a_supervisor_the_tree_has_a_moment_and_then_the_guard_quits),
                cmocka_unit_test(a_frozen_tree_is_thawed_to_be_stopped),
                cmocka_unit_test(killing_is_repeated_more_and_more_slowly),
                cmocka_unit_test(the_stop_signal_is_term_unless_said_otherwise),
                cmocka_unit_test(the_invariants_hold_for_all_short_histories),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
