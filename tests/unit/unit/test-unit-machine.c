/* Transcripts of the unit machine: the text compared is the text an operator sees. What holds in every
 * reachable state is in test-unit-machine-reach.c. */
#include "unit-machine-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include "util/clock.h"

#define FEED(b, ...) bench_feed((b), (UnitEvent){.type = __VA_ARGS__})

static Bench bench(UnitPolicy policy)
{
        Bench b;

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

/* --- the straight way --------------------------------------------------------------------------- */

static void a_script_runs_once_and_its_exit_code_comes_back(void **state)
{
        Bench b = bench(never());

        bench_expect(&b, "[down -> guard (up)] spawn-guard", UNIT_EVENT_UP);
        bench_expect(&b, "[guard -> gate (guard ready)] open-gate", UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "[gate -> starting (gate open)] start", UNIT_EVENT_GATE_OPEN);
        bench_expect(&b, "[starting -> ready (started)] notify-ready", UNIT_EVENT_STARTED, .value = 77);
        assert_int_equal(b.m.pid, 77);
        bench_expect(
                &b, "[ready -> stopping (exited with 3)] notify-stopping", UNIT_EVENT_EXITED, .value = 3);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> finished (gate closed)] dismiss-guard finished(3)",
                UNIT_EVENT_GATE_CLOSED);
        assert_true(unit_machine_is_at_rest(&b.m));
        assert_int_equal(unit_machine_deadline(&b.m), USEC_INFINITY);
}

static void a_stop_by_the_operator_gives_the_status_of_the_child(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "stop(15) [ready -> stopping (down)] notify-stopping", UNIT_EVENT_DOWN,
                .signal = SIGTERM);
        bench_expect(&b, "", UNIT_EVENT_EXITED, .signal = SIGTERM);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(
                &b, "[releasing -> down (gate closed)] dismiss-guard finished(143)", UNIT_EVENT_GATE_CLOSED);
}

static void the_stop_signal_is_the_policys_or_the_one_that_asked(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b = bench(p);

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN, .signal = SIGINT);
        assert_non_null(strstr(b.log, "stop(2)"));
        p.stop_signal = SIGQUIT;
        b = bench(p);
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN, .signal = SIGINT);
        assert_non_null(strstr(b.log, "stop(3)"));
}

static void a_stop_while_waiting_leaves_the_queue_and_tells_the_signal(void **state)
{
        Bench b = bench(never());

        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "release-gate [gate -> releasing (down)]", UNIT_EVENT_DOWN, .signal = SIGINT);
        bench_expect(&b, "", UNIT_EVENT_GATE_OPEN); /* crossed */
        bench_expect(
                &b, "[releasing -> down (gate closed)] dismiss-guard finished(130)", UNIT_EVENT_GATE_CLOSED);
        bench_expect(&b, "", UNIT_EVENT_DOWN);
}

static void grace_then_kill_then_wedged_and_the_hold_is_kept(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN);
        b.now_usec += b.m.policy.grace_usec - 1;
        bench_expect(&b, "", UNIT_EVENT_TIMER);
        fire(&b);
        assert_string_equal(b.log, "kill [stopping -> killing (grace over)]");
        fire(&b);
        assert_string_equal(b.log, "wedged");
        assert_true(b.m.wedged);
        assert_int_equal(b.m.gate, UNIT_GATE_OPEN);
        bench_expect(&b, "kill", UNIT_EVENT_FORCE);
        bench_expect(&b, "release-gate [killing -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
}

static void a_second_signal_kills_at_once(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN, .signal = SIGTERM);
        bench_expect(&b, "kill [stopping -> killing (force)]", UNIT_EVENT_FORCE, .signal = SIGTERM);
        FEED(&b, UNIT_EVENT_EXITED, .signal = SIGKILL);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> down (force)] dismiss-guard finished(137)", UNIT_EVENT_FORCE);
}

static void a_release_without_ensemble_does_not_hold_up_the_end(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN, .signal = SIGTERM);
        FEED(&b, UNIT_EVENT_EXITED, .value = 0);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        fire(&b);
        assert_string_equal(b.log, "[releasing -> down (no answer)] dismiss-guard finished(0)");
        bench_expect(&b, "", UNIT_EVENT_GATE_CLOSED);
}

/* --- restarts ----------------------------------------------------------------------------------- */

static void a_command_that_lived_long_is_restarted_without_delay_and_keeps_its_hold(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        b.now_usec += 10 * USEC_PER_SEC;
        FEED(&b, UNIT_EVENT_EXITED, .signal = SIGSEGV);
        bench_expect(&b, "[stopping -> starting (tree empty)] start", UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(b.m.restarts, 1);
        assert_int_equal(b.m.gate, UNIT_GATE_OPEN);
}

static void a_command_that_dies_young_is_restarted_after_growing_delays(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.backoff.jitter_percent = 0;
        b = bench(p);
        bench_bring_up(&b);
        for (uint64_t delay = 100; delay <= 400; delay *= 2) {
                bench_expect(&b, "[ready -> stopping (exited with 0)] notify-stopping", UNIT_EVENT_EXITED);
                bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
                assert_int_equal(unit_machine_deadline(&b.m) - b.now_usec, delay * USEC_PER_MSEC);
                fire(&b);
                assert_string_equal(b.log, "[backoff -> starting (delay over)] start");
                FEED(&b, UNIT_EVENT_STARTED, .value = 78);
        }
        assert_int_equal(b.m.restarts, 3);
}

static void too_many_starts_end_in_failed_with_the_last_status(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.backoff.limit = 1;
        b = bench(p);
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 4);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        fire(&b);
        FEED(&b, UNIT_EVENT_STARTED, .value = 78);
        FEED(&b, UNIT_EVENT_EXITED, .value = 4);
        bench_expect(&b, "release-gate [stopping -> releasing (too many starts)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> failed (too many starts)] dismiss-guard finished(4)",
                UNIT_EVENT_GATE_CLOSED);
        assert_int_equal(b.m.reason, UNIT_REASON_LIMIT);
        bench_expect(&b, "", UNIT_EVENT_DOWN); /* it stays visible that it failed */
        bench_expect(&b, "[failed -> guard (up)] spawn-guard", UNIT_EVENT_UP);
}

static void on_failure_ends_with_a_clean_exit_only(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.restart = UNIT_RESTART_ON_FAILURE;
        b = bench(p);
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(b.m.state, UNIT_STATE_BACKOFF);
        fire(&b);
        FEED(&b, UNIT_EVENT_STARTED, .value = 78);
        FEED(&b, UNIT_EVENT_EXITED, .value = 0);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> finished (gate closed)] dismiss-guard finished(0)",
                UNIT_EVENT_GATE_CLOSED);
}

static void a_stop_during_the_backoff_tells_the_status_of_the_last_run(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 9);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "release-gate [backoff -> releasing (down)]", UNIT_EVENT_DOWN, .signal = SIGTERM);
        bench_expect(
                &b, "[releasing -> down (gate closed)] dismiss-guard finished(9)", UNIT_EVENT_GATE_CLOSED);
}

static void a_restart_on_request_has_no_delay_and_is_no_failure(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "stop(15) [ready -> stopping (restart)] notify-stopping", UNIT_EVENT_RESTART);
        FEED(&b, UNIT_EVENT_EXITED, .signal = SIGTERM);
        bench_expect(&b, "[stopping -> starting (tree empty)] start", UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(b.m.backoff.window_count, 0);
        FEED(&b, UNIT_EVENT_STARTED, .value = 78);
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[backoff -> starting (restart)] start", UNIT_EVENT_RESTART);
}

static void up_while_stopping_starts_again_with_the_same_hold(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN);
        bench_expect(&b, "", UNIT_EVENT_UP);
        bench_expect(&b, "[stopping -> starting (tree empty)] start", UNIT_EVENT_TREE_EMPTY);
}

static void up_while_releasing_asks_again_when_the_gate_is_closed(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_DOWN);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "", UNIT_EVENT_UP);
        assert_int_equal(unit_machine_deadline(&b.m), USEC_INFINITY);
        bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
}

/* --- what cannot be started --------------------------------------------------------------------- */

static void expect_exec_failure(int error, int status)
{
        Bench b = bench(unit_policy_default()); /* restart always */

        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = error);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        FEED(&b, UNIT_EVENT_GATE_CLOSED);
        assert_int_equal(b.m.state, UNIT_STATE_FAILED);
        assert_int_equal(b.m.final_status, status);
}

static void a_command_that_was_never_there_fails_at_once(void **state)
{
        Bench b = bench(unit_policy_default());

        expect_exec_failure(ENOENT, UNIT_EXIT_NOT_FOUND);
        expect_exec_failure(EACCES, UNIT_EXIT_CANNOT_EXECUTE);
        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        bench_expect(
                &b, "[starting -> stopping (exec failed: ENOENT)]", UNIT_EVENT_EXEC_FAILED, .value = ENOENT);
}

static void a_command_that_went_missing_later_is_tried_again(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_RESTART);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = ENOENT);
        bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
}

static void a_host_short_of_memory_is_tried_again(void **state)
{
        Bench b = bench(unit_policy_default());

        FEED(&b, UNIT_EVENT_UP);
        bench_expect(
                &b, "[guard -> backoff (guard failed: ENOMEM)]", UNIT_EVENT_GUARD_FAILED, .value = ENOMEM);
        fire(&b);
        assert_string_equal(b.log, "[backoff -> guard (delay over)] spawn-guard");
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = EAGAIN);
        bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        b = bench(never());
        FEED(&b, UNIT_EVENT_UP);
        bench_expect(&b, "[guard -> failed (guard failed: ENOMEM)] finished(125)", UNIT_EVENT_GUARD_FAILED,
                .value = ENOMEM);
}

static void a_guard_that_died_before_the_start_is_no_fault_of_the_command(void **state)
{
        Bench b = bench(unit_policy_default());

        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        FEED(&b, UNIT_EVENT_EXEC_FAILED, .value = ENOTCONN);
        bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
}

static void a_refused_gate_gives_its_status(void **state)
{
        Bench b = bench(unit_policy_default());

        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "[gate -> failed (gate failed)] dismiss-guard finished(124)", UNIT_EVENT_GATE_FAILED,
                .value = 124);
        bench_bring_up(&b);
        bench_expect(&b, "", UNIT_EVENT_GATE_FAILED, .value = 123);
}

/* --- the guard is lost -------------------------------------------------------------------------- */

static void a_lost_guard_has_its_tree_killed_and_a_new_one_started(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "kill [ready -> killing (guard lost)] notify-stopping", UNIT_EVENT_GUARD_LOST);
        bench_expect(&b, "[killing -> backoff (tree empty)] spawn-guard", UNIT_EVENT_TREE_EMPTY,
                .guard_gone = true);
        bench_expect(&b, "", UNIT_EVENT_GUARD_READY);
        fire(&b);
        assert_string_equal(b.log, "[backoff -> starting (delay over)] start");
}

static void a_guard_that_keeps_dying_in_the_queue_is_not_spawned_in_a_loop(void **state)
{
        Bench b = bench(unit_policy_default());

        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "[gate -> backoff (guard lost)]", UNIT_EVENT_GUARD_LOST);
        bench_expect(&b, "", UNIT_EVENT_GATE_OPEN); /* the place in the queue was kept */
        fire(&b);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        assert_string_equal(b.log, "[guard -> starting (guard ready)] start");
}

/* --- losing the hold ---------------------------------------------------------------------------- */

static void a_lost_hold_stops_the_command_before_it_is_asked_for_again(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "stop(15) [ready -> stopping (hold lost)] notify-stopping", UNIT_EVENT_GATE_LOST);
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        bench_expect(&b, "gate-dead [stopping -> gate (tree empty)] open-gate", UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(b.m.backoff.window_count, 0);
        bench_expect(&b, "[gate -> starting (gate open)] start", UNIT_EVENT_GATE_OPEN);
}

static void a_script_that_lost_its_lock_ends_with_120(void **state)
{
        Bench b = bench(never());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_GATE_LOST);
        FEED(&b, UNIT_EVENT_EXITED, .value = 0);
        bench_expect(&b, "gate-dead [stopping -> failed (tree empty)] dismiss-guard finished(120)",
                UNIT_EVENT_TREE_EMPTY);
        b = bench(never());
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 0); /* it had ended before the loss: its own code counts */
        FEED(&b, UNIT_EVENT_GATE_LOST);
        bench_expect(&b, "gate-dead [stopping -> finished (tree empty)] dismiss-guard finished(0)",
                UNIT_EVENT_TREE_EMPTY);
}

static void a_hold_lost_during_the_backoff_is_given_up_and_asked_for_again(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "gate-dead", UNIT_EVENT_GATE_LOST);
        fire(&b);
        assert_string_equal(b.log, "[backoff -> gate (delay over)] open-gate");
        bench_expect(&b, "open-gate", UNIT_EVENT_GATE_LOST);
}

static void a_lease_that_ran_low_gives_the_hold_back_and_asks_anew(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "[ready -> stopping (lease low)] notify-stopping", UNIT_EVENT_LEASE_LOW);
        FEED(&b, UNIT_EVENT_EXITED, .signal = SIGTERM);
        bench_expect(&b, "release-gate [stopping -> releasing (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(unit_machine_deadline(&b.m), USEC_INFINITY); /* the way on has no time limit */
        bench_expect(&b, "[releasing -> gate (gate closed)] open-gate", UNIT_EVENT_GATE_CLOSED);
}

static void down_while_asking_anew_ends_within_the_release_time(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_LEASE_LOW);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "", UNIT_EVENT_DOWN, .signal = SIGTERM);
        fire(&b);
        assert_string_equal(b.log, "[releasing -> down (no answer)] dismiss-guard finished(143)");
}

static void a_unit_without_holds_may_outlive_its_session(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b = bench(p);

        bench_bring_up(&b);
        bench_expect(
                &b, "stop(15) [ready -> stopping (session lost)] notify-stopping", UNIT_EVENT_SESSION_LOST);
        p.on_loss = UNIT_ON_LOSS_KEEP;
        b = bench(p);
        bench_bring_up(&b);
        bench_expect(&b, "", UNIT_EVENT_SESSION_LOST);
}

/* --- suspended ---------------------------------------------------------------------------------- */

static Bench suspended_bench(enum UnitOnSuspend on_suspend)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.on_suspend = on_suspend;
        p.suspend_signal = SIGUSR1;
        b = bench(p);
        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_SUSPENDED);
        return b;
}

static void suspended_keep_and_signal_leave_the_command_running(void **state)
{
        Bench b = suspended_bench(UNIT_ON_SUSPEND_KEEP);

        assert_string_equal(b.log, "");
        b = suspended_bench(UNIT_ON_SUSPEND_SIGNAL);
        assert_string_equal(b.log, "signal(10)");
        bench_expect(&b, "", UNIT_EVENT_SUSPENDED);
        bench_expect(&b, "", UNIT_EVENT_RESUMED);
}

static void suspended_freeze_thaws_on_contact_and_on_a_stop(void **state)
{
        Bench b = suspended_bench(UNIT_ON_SUSPEND_FREEZE);

        assert_string_equal(b.log, "freeze");
        bench_expect(&b, "thaw", UNIT_EVENT_RESUMED);
        bench_expect(&b, "freeze", UNIT_EVENT_SUSPENDED);
        bench_expect(&b, "stop(15) [ready -> stopping (down)] thaw notify-stopping", UNIT_EVENT_DOWN);
}

static void suspended_stop_waits_for_contact_with_the_hold_kept(void **state)
{
        Bench b = suspended_bench(UNIT_ON_SUSPEND_STOP);

        assert_string_equal(b.log, "stop(15) [ready -> stopping (suspended)] notify-stopping");
        bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[backoff -> starting (resumed)] start", UNIT_EVENT_RESUMED);
        b = suspended_bench(UNIT_ON_SUSPEND_STOP);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "gate-dead [backoff -> gate (hold lost)] open-gate", UNIT_EVENT_GATE_LOST);
}

static void a_command_is_not_started_into_a_freeze(void **state)
{
        Bench b = suspended_bench(UNIT_ON_SUSPEND_FREEZE);

        FEED(&b, UNIT_EVENT_EXITED, .value = 1);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        fire(&b);
        assert_string_equal(b.log, "");
        assert_int_equal(b.m.state, UNIT_STATE_BACKOFF);
        bench_expect(&b, "[backoff -> starting (resumed)] start", UNIT_EVENT_RESUMED);
}

static void a_suspension_during_the_start_takes_effect_once_started(void **state)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.on_suspend = UNIT_ON_SUSPEND_FREEZE;
        b = bench(p);
        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        FEED(&b, UNIT_EVENT_GATE_OPEN);
        bench_expect(&b, "", UNIT_EVENT_SUSPENDED);
        bench_expect(
                &b, "[starting -> ready (started)] notify-ready freeze", UNIT_EVENT_STARTED, .value = 77);
}

/* --- readiness ---------------------------------------------------------------------------------- */

static Bench waiting_bench(void)
{
        UnitPolicy p = unit_policy_default();
        Bench b;

        p.await_ready = true;
        p.ready_timeout_usec = 3 * USEC_PER_SEC;
        p.on_suspend = UNIT_ON_SUSPEND_FREEZE;
        b = bench(p);
        FEED(&b, UNIT_EVENT_UP);
        FEED(&b, UNIT_EVENT_GUARD_READY);
        bench_expect(&b, "[gate -> starting (gate open)] watch-ready start", UNIT_EVENT_GATE_OPEN);
        return b;
}

static void readiness_is_awaited_and_may_be_lost_and_come_back(void **state)
{
        Bench b = waiting_bench();

        bench_expect(&b, "[starting -> running (started)]", UNIT_EVENT_STARTED, .value = 77);
        bench_expect(&b, "[running -> ready (ready)] notify-ready", UNIT_EVENT_READY_OK);
        assert_int_equal(unit_machine_deadline(&b.m), USEC_INFINITY);
        bench_expect(&b, "[ready -> running (not ready)]", UNIT_EVENT_READY_LOST);
        bench_expect(&b, "[running -> ready (ready)] notify-ready", UNIT_EVENT_READY_OK);
        bench_expect(
                &b, "[ready -> stopping (exited with 0)] unwatch-ready notify-stopping", UNIT_EVENT_EXITED);
        bench_expect(&b, "", UNIT_EVENT_READY_OK);
}

static void readiness_that_overtakes_the_start_counts(void **state)
{
        Bench b = waiting_bench();

        bench_expect(&b, "", UNIT_EVENT_READY_OK);
        bench_expect(&b, "[starting -> ready (started)] notify-ready", UNIT_EVENT_STARTED, .value = 77);
}

static void a_command_that_does_not_get_ready_in_time_is_stopped_and_has_failed(void **state)
{
        Bench b = waiting_bench();

        FEED(&b, UNIT_EVENT_STARTED, .value = 77);
        fire(&b);
        assert_string_equal(
                b.log, "stop(15) [running -> stopping (not ready in time)] unwatch-ready notify-stopping");
        b.m.policy.restart = UNIT_RESTART_ON_FAILURE;
        FEED(&b, UNIT_EVENT_EXITED, .value = 0); /* of the stop: no success */
        bench_expect(&b, "[stopping -> backoff (tree empty)]", UNIT_EVENT_TREE_EMPTY);
        b = waiting_bench();
        b.m.policy.restart = UNIT_RESTART_NEVER;
        FEED(&b, UNIT_EVENT_STARTED, .value = 77);
        FEED(&b, UNIT_EVENT_READY_TIMEOUT);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> failed (gate closed)] dismiss-guard finished(125)",
                UNIT_EVENT_GATE_CLOSED);
}

static void the_readiness_timeout_stands_still_while_frozen(void **state)
{
        Bench b = waiting_bench();

        FEED(&b, UNIT_EVENT_STARTED, .value = 77);
        bench_expect(&b, "freeze", UNIT_EVENT_SUSPENDED);
        assert_int_equal(unit_machine_deadline(&b.m), USEC_INFINITY);
        bench_expect(&b, "thaw", UNIT_EVENT_RESUMED);
        assert_int_equal(unit_machine_deadline(&b.m), b.now_usec + 3 * USEC_PER_SEC);
}

/* --- the rest ----------------------------------------------------------------------------------- */

static void job_control_is_passed_on_while_running_only(void **state)
{
        Bench b = bench(unit_policy_default());

        bench_bring_up(&b);
        bench_expect(&b, "job-stopped(20)", UNIT_EVENT_JOB_STOPPED, .signal = SIGTSTP);
        FEED(&b, UNIT_EVENT_DOWN);
        bench_expect(&b, "", UNIT_EVENT_JOB_STOPPED, .signal = SIGTSTP);
}

static void a_run_whose_status_was_lost_counts_as_failed(void **state)
{
        Bench b = bench(never());

        bench_bring_up(&b);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        bench_expect(&b, "[releasing -> finished (gate closed)] dismiss-guard finished(125)",
                UNIT_EVENT_GATE_CLOSED);
}

static void a_new_policy_counts_from_the_next_decision(void **state)
{
        Bench b = bench(unit_policy_default());
        UnitPolicy p = unit_policy_default();

        bench_bring_up(&b);
        p.restart = UNIT_RESTART_NEVER;
        p.backoff.limit = 7;
        unit_machine_set_policy(&b.m, &p);
        assert_int_equal(b.m.backoff.policy.limit, 7);
        FEED(&b, UNIT_EVENT_EXITED, .value = 0);
        FEED(&b, UNIT_EVENT_TREE_EMPTY);
        assert_int_equal(b.m.rest, UNIT_STATE_FINISHED);
}

static void everything_has_a_word(void **state)
{
        for (unsigned i = 0; i < UNIT_STATE_COUNT; i++)
                assert_non_null(unit_state_to_string(i));
        for (unsigned i = 0; i < UNIT_REASON_COUNT; i++)
                assert_non_null(unit_reason_to_string(i));
        for (unsigned i = 0; i < UNIT_EVENT_COUNT; i++)
                assert_non_null(unit_event_to_string(i));
        for (unsigned i = 0; i < UNIT_EFFECT_COUNT; i++)
                assert_non_null(unit_effect_to_string(i));
        assert_string_equal(unit_state_to_string(UNIT_STATE_COUNT), "?");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_script_runs_once_and_its_exit_code_comes_back),
                cmocka_unit_test(a_stop_by_the_operator_gives_the_status_of_the_child),
                cmocka_unit_test(the_stop_signal_is_the_policys_or_the_one_that_asked),
                cmocka_unit_test(a_stop_while_waiting_leaves_the_queue_and_tells_the_signal),
                cmocka_unit_test(grace_then_kill_then_wedged_and_the_hold_is_kept),
                cmocka_unit_test(a_second_signal_kills_at_once),
                cmocka_unit_test(a_release_without_ensemble_does_not_hold_up_the_end),
                cmocka_unit_test(a_command_that_lived_long_is_restarted_without_delay_and_keeps_its_hold),
                cmocka_unit_test(a_command_that_dies_young_is_restarted_after_growing_delays),
                cmocka_unit_test(too_many_starts_end_in_failed_with_the_last_status),
                cmocka_unit_test(on_failure_ends_with_a_clean_exit_only),
                cmocka_unit_test(a_stop_during_the_backoff_tells_the_status_of_the_last_run),
                cmocka_unit_test(a_restart_on_request_has_no_delay_and_is_no_failure),
                cmocka_unit_test(up_while_stopping_starts_again_with_the_same_hold),
                cmocka_unit_test(up_while_releasing_asks_again_when_the_gate_is_closed),
                cmocka_unit_test(a_command_that_was_never_there_fails_at_once),
                cmocka_unit_test(a_command_that_went_missing_later_is_tried_again),
                cmocka_unit_test(a_host_short_of_memory_is_tried_again),
                cmocka_unit_test(a_guard_that_died_before_the_start_is_no_fault_of_the_command),
                cmocka_unit_test(a_refused_gate_gives_its_status),
                cmocka_unit_test(a_lost_guard_has_its_tree_killed_and_a_new_one_started),
                cmocka_unit_test(a_guard_that_keeps_dying_in_the_queue_is_not_spawned_in_a_loop),
                cmocka_unit_test(a_lost_hold_stops_the_command_before_it_is_asked_for_again),
                cmocka_unit_test(a_script_that_lost_its_lock_ends_with_120),
                cmocka_unit_test(a_hold_lost_during_the_backoff_is_given_up_and_asked_for_again),
                cmocka_unit_test(a_lease_that_ran_low_gives_the_hold_back_and_asks_anew),
                cmocka_unit_test(down_while_asking_anew_ends_within_the_release_time),
                cmocka_unit_test(a_unit_without_holds_may_outlive_its_session),
                cmocka_unit_test(suspended_keep_and_signal_leave_the_command_running),
                cmocka_unit_test(suspended_freeze_thaws_on_contact_and_on_a_stop),
                cmocka_unit_test(suspended_stop_waits_for_contact_with_the_hold_kept),
                cmocka_unit_test(a_command_is_not_started_into_a_freeze),
                cmocka_unit_test(a_suspension_during_the_start_takes_effect_once_started),
                cmocka_unit_test(readiness_is_awaited_and_may_be_lost_and_come_back),
                cmocka_unit_test(readiness_that_overtakes_the_start_counts),
                cmocka_unit_test(a_command_that_does_not_get_ready_in_time_is_stopped_and_has_failed),
                cmocka_unit_test(the_readiness_timeout_stands_still_while_frozen),
                cmocka_unit_test(job_control_is_passed_on_while_running_only),
                cmocka_unit_test(a_run_whose_status_was_lost_counts_as_failed),
                cmocka_unit_test(a_new_policy_counts_from_the_next_decision),
                cmocka_unit_test(everything_has_a_word),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
