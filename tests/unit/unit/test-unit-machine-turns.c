/* Transcripts of the unit machine where a hold is given back and asked for anew, or kept although
 * nothing runs: yield, one run per hold, give-up, the least time of a hold, unkillable trees. */
#include "unit-machine-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include "util/clock.h"

#define FEED(b, ...) bench_feed((b), (UnitEvent){.type = __VA_ARGS__})

static Bench bench(UnitPolicy policy)
{
        Bench b;

        policy.backoff.jitter_percent = 0;
        bench_init(&b, &policy);
        return b;
}

static UnitPolicy never(void)
{
        UnitPolicy p = unit_policy_default();

        p.restart = UNIT_RESTART_NEVER;
        p.reacquire = false;
        return p;
}

static void fire(Bench *b)
{
        assert_true(unit_machine_deadline(&b->m) != USEC_INFINITY);
        b->now_usec = unit_machine_deadline(&b->m);
        FEED(b, UNIT_EVENT_TIMER);
}

/* --- yield -------------------------------------------------------------------------------------- */

static void who_yields_stops_gives_back_and_asks_anew_without_delay(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "stop(15) [ready -> stopping (yield)] notify-stopping", UNIT_EVENT_YIELD);
        bench_expect(&b, "", UNIT_EVENT_EXITED, .signal = SIGTERM);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
        bench_expect(&b, "[gate -> starting (gate open)] start", UNIT_EVENT_GATE_OPEN);
        assert_int_equal(b.m.backoff.window_count, 0);
}

static void who_yields_after_the_command_ended_keeps_the_delay(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "release-gate [backoff -> releasing (yield)]", UNIT_EVENT_YIELD);
        bench_expect(&b, "[releasing -> backoff (gate closed)]", UNIT_EVENT_GATE_CLOSED);
        assert_int_equal(unit_machine_deadline(&b.m) - b.now_usec, 100 * USEC_PER_MSEC);
        fire(&b);
        assert_string_equal(b.log, "[backoff -> gate (delay over)] open-gate");
}

static void a_yield_while_a_failed_run_ends_gives_back_too(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        bench_expect(&b, "", UNIT_EVENT_YIELD);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> backoff (gate closed)]", UNIT_EVENT_GATE_CLOSED);
}

static void a_yield_without_a_hold_changes_nothing(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_expect(&b, "", UNIT_EVENT_YIELD);
        FEED(&b, UNIT_EVENT_UP);
        bench_expect(&b, "", UNIT_EVENT_YIELD);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "", UNIT_EVENT_YIELD);
        bench_expect(&b, "[gate -> starting (gate open)] start", UNIT_EVENT_GATE_OPEN);
}

/* --- one run per hold --------------------------------------------------------------------------- */

static void one_run_per_hold_whatever_its_status_and_without_a_limit(void **state)
{
        UnitPolicy p = never();
        Bench b;

        p.release_after_run = true;
        p.backoff.limit = 1;
        b = bench(p);
        bench_bring_up(&b);
        for (int i = 0; i < 5; i++) {
                FEED(&b, UNIT_EVENT_EXITED, .value = i);
                bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
                bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
                FEED(&b, UNIT_EVENT_GATE_OPEN);
                FEED(&b, UNIT_EVENT_STARTED, .value = 78);
        }
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = ENOENT); /* may be there at the next turn */
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(b.m.state, UNIT_STATE_RELEASING);
        bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
}

/* --- give up ------------------------------------------------------------------------------------ */

static void fail_once(Bench *b)
{
        FEED(b, UNIT_EVENT_STARTED, .value = 78);
        FEED(b, UNIT_EVENT_EXITED, .value = 1);
        FEED(b, UNIT_EVENT_TREE_EMPTY);
}

static void after_n_failed_runs_in_a_row_somebody_else_may_have_the_hold(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.give_up = 3;
        p.backoff.limit = 1; /* does not count beside give_up */
        b = bench(p);
        bench_bring_up(&b);
        fail_once(&b);
        assert_string_equal(b.log, "[stopping -> backoff (tree empty)]");
        fire(&b);
        fail_once(&b);
        fire(&b);
        fail_once(&b);
        assert_string_equal(b.log, "release-gate [stopping -> releasing (tree empty)]");
        b.now_usec += 50 * USEC_PER_MSEC;
        bench_expect(&b, "[releasing -> backoff (gate closed)]", UNIT_EVENT_GATE_CLOSED);
        assert_int_equal(unit_machine_deadline(&b.m) - b.now_usec, 350 * USEC_PER_MSEC);
        fire(&b);
        assert_string_equal(b.log, "[backoff -> gate (delay over)] open-gate");
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        fail_once(&b); /* a new hold counts from the beginning */
        assert_string_equal(b.log, "[stopping -> backoff (tree empty)]");
}

static void a_success_between_two_failures_breaks_the_row(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.give_up = 2;
        b = bench(p);
        bench_bring_up(&b);
        fail_once(&b);
        fire(&b);
        FEED(&b, UNIT_EVENT_STARTED, .value = 78);
        b.now_usec += 10 * USEC_PER_SEC;
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        bench_expect(&b, "[stopping -> starting (tree empty)] start", UNIT_EVENT_TREE_EMPTY);
        fail_once(&b);
        assert_int_equal(b.m.state, UNIT_STATE_BACKOFF);
}

static void a_command_that_is_not_there_counts_as_a_failure_of_this_host(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.give_up = 1;
        b = bench(p);
        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = ENOENT);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
}

/* --- the least time of a hold ------------------------------------------------------------------- */

static UnitPolicy held_for_a_minute(void)
{
        UnitPolicy p = never();

        p.hold_min_usec = 60 * USEC_PER_SEC;
        return p;
}

static void a_short_run_leaves_the_hold_when_it_is_old_enough(void **state)
{
        Bench b = bench(held_for_a_minute());
        uint64_t opened = b.now_usec;

        bench_bring_up(&b);
        b.now_usec += 2 * USEC_PER_SEC;
        FEED(&b, UNIT_EVENT_EXITED, .value = 4);
        bench_expect(&b, "[stopping -> holding (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(unit_machine_deadline(&b.m) - opened, 60 * USEC_PER_SEC);
        fire(&b);
        assert_string_equal(b.log, "release-gate [holding -> releasing (held long enough)]");
        bench_expect(
                &b, "[releasing -> finished (gate closed)] dismiss-guard finished(4)", UNIT_EVENT_GATE_CLOSED);
}

static void a_long_run_leaves_it_at_once(void **state)
{
        Bench b = bench(held_for_a_minute());

        bench_bring_up(&b);
        b.now_usec += 60 * USEC_PER_SEC;
        FEED(&b, UNIT_EVENT_EXITED);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
}

static void a_signal_cuts_the_wait_short_and_the_status_stays(void **state)
{
        Bench b = bench(held_for_a_minute());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 4);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "release-gate [holding -> releasing (down)]", UNIT_EVENT_DOWN, .signal = SIGINT);
        bench_expect(
                &b, "[releasing -> finished (gate closed)] dismiss-guard finished(4)", UNIT_EVENT_GATE_CLOSED);
}

static void a_hold_that_is_lost_while_it_is_only_kept_changes_nothing_for_the_run(void **state)
{
        Bench b = bench(held_for_a_minute());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(
                &b, "gate-dead [holding -> finished (hold lost)] dismiss-guard finished(0)", UNIT_EVENT_GATE_LOST);
}

static void what_never_ran_or_was_stopped_is_not_kept(void **state)
{
        Bench b = bench(held_for_a_minute());

        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = ENOENT);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);

        b = bench(held_for_a_minute());
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN, .signal = SIGTERM);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
}

static void between_turns_too_the_hold_is_kept(void **state)
{
        UnitPolicy p = held_for_a_minute();
        Bench b;

        p.release_after_run = true;
        b = bench(p);
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 4);
        bench_expect(&b, "[stopping -> holding (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "", UNIT_EVENT_UP);
        fire(&b);
        assert_string_equal(b.log, "release-gate [holding -> releasing (held long enough)]");
        bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
}

/* --- unkillable --------------------------------------------------------------------------------- */

static void wedge(Bench *b)
{
        bench_bring_up(b);
        FEED(b, UNIT_EVENT_RESTART);
        fire(b);
        fire(b);
        assert_string_equal(b->log, "wedged");
}

static void an_unkillable_tree_keeps_the_hold_until_it_is_dead_after_all(void **state)
{
        Bench b = bench(unit_policy_default());

        wedge(&b);
        assert_int_equal(b.m.gate, UNIT_GATE_OPEN);
        bench_expect(&b, "[killing -> starting (tree empty)] start", UNIT_EVENT_TREE_EMPTY);
}

static void with_takeover_the_hold_of_an_unkillable_tree_counts_as_lost(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.on_unkillable = UNIT_ON_UNKILLABLE_TAKEOVER;
        b = bench(p);
        wedge(&b);
        assert_int_equal(b.m.gate, UNIT_GATE_LOST);
        bench_expect(&b, "gate-dead [killing -> gate (tree empty)] open-gate", UNIT_EVENT_TREE_EMPTY);
}

/* --- a release that was not waited for ---------------------------------------------------------- */

static void nothing_is_asked_for_while_an_old_release_is_under_way(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN);
        FEED(&b, UNIT_EVENT_EXITED);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        fire(&b);
        assert_string_equal(b.log, "[releasing -> down (no answer)] dismiss-guard finished(0)");
        FEED(&b, UNIT_EVENT_UP);
        bench_expect(&b, "[guard -> releasing (guard ready)]", UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_yields_stops_gives_back_and_asks_anew_without_delay),
                cmocka_unit_test(who_yields_after_the_command_ended_keeps_the_delay),
                cmocka_unit_test(a_yield_while_a_failed_run_ends_gives_back_too),
                cmocka_unit_test(a_yield_without_a_hold_changes_nothing),
                cmocka_unit_test(one_run_per_hold_whatever_its_status_and_without_a_limit),
                cmocka_unit_test(after_n_failed_runs_in_a_row_somebody_else_may_have_the_hold),
                cmocka_unit_test(a_success_between_two_failures_breaks_the_row),
                cmocka_unit_test(a_command_that_is_not_there_counts_as_a_failure_of_this_host),
                cmocka_unit_test(a_short_run_leaves_the_hold_when_it_is_old_enough),
                cmocka_unit_test(a_long_run_leaves_it_at_once),
                cmocka_unit_test(a_signal_cuts_the_wait_short_and_the_status_stays),
                cmocka_unit_test(a_hold_that_is_lost_while_it_is_only_kept_changes_nothing_for_the_run),
                cmocka_unit_test(what_never_ran_or_was_stopped_is_not_kept),
                cmocka_unit_test(between_turns_too_the_hold_is_kept),
                cmocka_unit_test(an_unkillable_tree_keeps_the_hold_until_it_is_dead_after_all),
                cmocka_unit_test(with_takeover_the_hold_of_an_unkillable_tree_counts_as_lost),
                cmocka_unit_test(nothing_is_asked_for_while_an_old_release_is_under_way),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
