#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/backoff.h"
#include "util/clock.h"

static Backoff make(uint32_t jitter_percent)
{
        BackoffPolicy p = backoff_policy_default();
        Backoff b;

        p.jitter_percent = jitter_percent;
        backoff_init(&b, &p);
        return b;
}

static void delays_grow_by_the_factor_up_to_the_cap(void **state)
{
        Backoff b = make(0);
        Random r;

        random_init(&r, 1);
        for (uint64_t ms = 100; ms < 30000; ms *= 2)
                assert_int_equal(backoff_next(&b, &r, 0), ms * USEC_PER_MSEC);
        for (int i = 0; i < 100; i++)
                assert_int_equal(backoff_next(&b, &r, 0), 30 * USEC_PER_SEC);
}

static void a_healthy_run_is_followed_by_no_delay_and_clears_the_row(void **state)
{
        Backoff b = make(0);
        Random r;

        random_init(&r, 1);
        backoff_next(&b, &r, 0);
        backoff_next(&b, &r, 0);
        assert_int_equal(backoff_next(&b, &r, 10 * USEC_PER_SEC - 1), 400 * USEC_PER_MSEC);
        assert_int_equal(backoff_next(&b, &r, 10 * USEC_PER_SEC), 0);
        assert_int_equal(backoff_next(&b, &r, 0), 100 * USEC_PER_MSEC);
}

static void check_jitter(uint32_t percent, uint64_t least)
{
        uint64_t low = USEC_INFINITY, high = 0;
        Random r;

        random_init(&r, 7);
        for (int i = 0; i < 2000; i++) {
                Backoff b = make(percent);
                uint64_t delay = backoff_next(&b, &r, 0);

                low = delay < low ? delay : low;
                high = delay > high ? delay : high;
        }
        assert_in_range(low, least, least + 2000);
        assert_in_range(high, 98 * USEC_PER_MSEC, 100 * USEC_PER_MSEC);
}

static void jitter_takes_its_share_of_the_delay_and_no_more(void **state)
{
        check_jitter(50, 50 * USEC_PER_MSEC);
        check_jitter(100, 0);
        check_jitter(300, 0);
}

static void strange_policies_are_tamed(void **state)
{
        BackoffPolicy p = backoff_policy_default();
        Backoff b;
        Random r;

        random_init(&r, 1);
        p.jitter_percent = 0;
        p.factor_percent = 10; /* would shrink */
        backoff_init(&b, &p);
        backoff_next(&b, &r, 0);
        assert_int_equal(backoff_next(&b, &r, 0), 100 * USEC_PER_MSEC);
        p.factor_percent = UINT32_MAX;
        p.initial_usec = p.cap_usec = USEC_INFINITY - 1;
        backoff_init(&b, &p);
        backoff_next(&b, &r, 0);
        assert_int_equal(backoff_next(&b, &r, 0), USEC_INFINITY - 1);
        p.initial_usec = 0;
        backoff_init(&b, &p);
        assert_int_equal(backoff_next(&b, &r, 0), 0);
        assert_int_equal(backoff_next(&b, &r, 0), 0);
}

static void the_limit_refuses_the_one_too_many_until_the_window_closes(void **state)
{
        Backoff b = make(0);
        uint64_t now = 5 * USEC_PER_SEC;

        for (int i = 0; i < 10; i++)
                assert_true(backoff_allow(&b, now + (uint64_t)i));
        assert_false(backoff_allow(&b, now + 60 * USEC_PER_SEC - 1));
        assert_true(backoff_allow(&b, now + 60 * USEC_PER_SEC));
        for (int i = 0; i < 9; i++)
                assert_true(backoff_allow(&b, now + 61 * USEC_PER_SEC));
        assert_false(backoff_allow(&b, now + 62 * USEC_PER_SEC));
}

static void a_reset_forgets_failures_and_window(void **state)
{
        Backoff b = make(0);
        Random r;

        random_init(&r, 1);
        for (int i = 0; i < 10; i++) {
                assert_true(backoff_allow(&b, 1));
                backoff_next(&b, &r, 0);
        }
        backoff_reset(&b);
        assert_true(backoff_allow(&b, 2));
        assert_int_equal(backoff_next(&b, &r, 0), 100 * USEC_PER_MSEC);
}

static void without_a_limit_every_start_is_allowed(void **state)
{
        Backoff b = make(0);

        b.policy.limit = 0;
        for (int i = 0; i < 1000; i++)
                assert_true(backoff_allow(&b, 1));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(delays_grow_by_the_factor_up_to_the_cap),
                cmocka_unit_test(a_healthy_run_is_followed_by_no_delay_and_clears_the_row),
                cmocka_unit_test(jitter_takes_its_share_of_the_delay_and_no_more),
                cmocka_unit_test(strange_policies_are_tamed),
                cmocka_unit_test(the_limit_refuses_the_one_too_many_until_the_window_closes),
                cmocka_unit_test(a_reset_forgets_failures_and_window),
                cmocka_unit_test(without_a_limit_every_start_is_allowed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
