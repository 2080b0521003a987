/* Schedules: what is read, what is refused and with which words, and when jobs are due. The comparison with
 * independent implementations is in test_cron_peers.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "recipe/cron-schedule.h"
#include "util/civil.h"

static Zone *zone_of(const char *name)
{
        char problem[256];
        Zone *zone = NULL;

        if (zone_new(&zone, name, problem, sizeof(problem)) < 0)
                fail_msg("%s", problem);
        return zone;
}

/* "2026-03-29 01:00" or with ":30" for seconds, UTC. */
static int64_t at(const char *text)
{
        int y, mo, d, h, mi, s = 0;

        assert_true(sscanf(text, "%d-%d-%d %d:%d:%d", &y, &mo, &d, &h, &mi, &s) >= 5);
        return civil_to_days(y, mo, d) * SECONDS_PER_DAY + h * 3600 + mi * 60 + s;
}

static void assert_ticks(const char *zone_name, const char *text, const char *from, const char *const *expected)
{
        CLEANUP(zone_free) Zone *zone = zone_of(zone_name);
        CronSchedule s;
        char problem[256];
        int64_t t = at(from);

        if (cron_schedule_parse(&s, text, problem, sizeof(problem)) < 0)
                fail_msg("%s", problem);
        for (; *expected; expected++) {
                int64_t next = cron_schedule_next(&s, zone, t);

                if (next != at(*expected))
                        fail_msg("'%s' in %s after %s: expected %s, got %lld seconds from it", text, zone_name, from,
                                *expected, (long long)(next - at(*expected)));
                assert_int_equal(cron_schedule_last(&s, zone, next), next);
                assert_int_equal(cron_schedule_last(&s, zone, next + 1), next);
                if (cron_schedule_last(&s, zone, next - 1) > t)
                        fail_msg("'%s': there is a tick before %s", text, *expected);
                t = next;
        }
}
#define ASSERT_TICKS(zone, text, from, ...)                                                                  \
        assert_ticks(zone, text, from, (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *text, const char *expected)
{
        CronSchedule s;
        char problem[256] = "";

        assert_true(cron_schedule_parse(&s, text, problem, sizeof(problem)) < 0);
        assert_string_equal(problem, expected);
}

static void test_fields_are_numbers_names_ranges_steps_and_lists(void **state)
{
        ASSERT_TICKS("UTC", "5,10-20/5,58 3 * * *", "2026-01-01 00:00", "2026-01-01 03:05", "2026-01-01 03:10",
                "2026-01-01 03:15", "2026-01-01 03:20", "2026-01-01 03:58", "2026-01-02 03:05");
        ASSERT_TICKS("UTC", "*/25 0 1 FEB,Mar *", "2026-01-01 00:00", "2026-02-01 00:00", "2026-02-01 00:25",
                "2026-02-01 00:50", "2026-03-01 00:00");
        ASSERT_TICKS("UTC", "0 12 * * mon-Wed", "2026-01-01 00:00", "2026-01-05 12:00", "2026-01-06 12:00",
                "2026-01-07 12:00", "2026-01-12 12:00");
        ASSERT_TICKS("UTC", "0\t12   *  * *", "2026-01-01 12:00", "2026-01-02 12:00");
}

static void test_seven_and_zero_are_sunday(void **state)
{
        ASSERT_TICKS("UTC", "0 0 * * 7", "2026-01-01 00:00", "2026-01-04 00:00", "2026-01-11 00:00");
        ASSERT_TICKS("UTC", "0 0 * * 0", "2026-01-01 00:00", "2026-01-04 00:00", "2026-01-11 00:00");
        ASSERT_TICKS("UTC", "0 0 * * fri-sun", "2026-01-01 00:00", "2026-01-02 00:00", "2026-01-03 00:00",
                "2026-01-04 00:00", "2026-01-09 00:00");
        ASSERT_TICKS("UTC", "0 0 * * 6-7", "2026-01-01 00:00", "2026-01-03 00:00", "2026-01-04 00:00",
                "2026-01-10 00:00");
}

static void test_either_day_will_do_when_both_are_restricted(void **state)
{
        ASSERT_TICKS("UTC", "0 0 13 * fri", "2026-02-01 00:00", "2026-02-06 00:00", "2026-02-13 00:00",
                "2026-02-20 00:00", "2026-02-27 00:00", "2026-03-06 00:00", "2026-03-13 00:00");
}

static void test_both_days_must_fit_when_one_begins_with_a_star(void **state)
{
        ASSERT_TICKS("UTC", "0 0 */10 * mon", "2026-01-01 00:00", "2026-05-11 00:00");
        ASSERT_TICKS("UTC", "0 0 29 2 */6", "2026-01-01 00:00", "2032-02-29 00:00", "2048-02-29 00:00",
                "2060-02-29 00:00");
}

static void test_leap_years_and_ends_of_months(void **state)
{
        ASSERT_TICKS("UTC", "0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00", "2032-02-29 00:00");
        ASSERT_TICKS("UTC", "0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00");
        ASSERT_TICKS("UTC", "59 23 31 * *", "2026-01-01 00:00", "2026-01-31 23:59", "2026-03-31 23:59",
                "2026-05-31 23:59", "2026-07-31 23:59", "2026-08-31 23:59");
        ASSERT_TICKS("UTC", "0 0 29 2 */7", "2080-01-01 00:00", "2088-02-29 00:00", "2128-02-29 00:00");
        ASSERT_TICKS("UTC", "@yearly", "2026-01-01 00:00", "2027-01-01 00:00");
        ASSERT_TICKS("UTC", "@monthly", "2026-12-01 00:00", "2027-01-01 00:00");
        ASSERT_TICKS("UTC", "@weekly", "2026-01-01 00:00", "2026-01-04 00:00");
        ASSERT_TICKS("UTC", "@midnight", "2026-01-01 00:00", "2026-01-02 00:00");
        ASSERT_TICKS("UTC", "@HOURLY", "2026-01-01 00:00", "2026-01-01 01:00");
}

static void test_every_is_aligned_to_the_epoch(void **state)
{
        ASSERT_TICKS("UTC", "@every 90s", "1970-01-01 00:00", "1970-01-01 00:01:30", "1970-01-01 00:03:00");
        ASSERT_TICKS("UTC", "@every 2s", "2026-01-01 00:00:01", "2026-01-01 00:00:02", "2026-01-01 00:00:04");
        ASSERT_TICKS("Europe/Berlin", "@every 1h", "2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 02:00");
}

/* In Berlin clocks go from 02:00 to 03:00 on 2026-03-29 at 01:00 UTC. */
static void test_a_job_of_a_skipped_hour_runs_right_after_the_change(void **state)
{
        ASSERT_TICKS("Europe/Berlin", "30 2 * * *", "2026-03-27 12:00", "2026-03-28 01:30", "2026-03-29 01:00",
                "2026-03-30 00:30");
        ASSERT_TICKS("Europe/Berlin", "10,50 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:10");
        ASSERT_TICKS("Europe/Berlin", "30 2,3 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 01:30",
                "2026-03-30 00:30");
        ASSERT_TICKS("Europe/Berlin", "0 2,3 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:00");
        ASSERT_TICKS("Europe/Berlin", "0 2 * * mon", "2026-03-28 12:00", "2026-03-30 00:00");
}

/* Back from 03:00 to 02:00 on 2026-10-25 at 01:00 UTC. */
static void test_a_job_of_a_repeated_hour_runs_once(void **state)
{
        ASSERT_TICKS("Europe/Berlin", "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-26 01:30");
        ASSERT_TICKS("Europe/Berlin", "0,30 2,3 * * *", "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-25 00:30",
                "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-26 01:00");
}

static void test_a_job_with_a_star_follows_the_clock(void **state)
{
        ASSERT_TICKS("Europe/Berlin", "*/30 2 * * *", "2026-03-28 12:00", "2026-03-30 00:00");
        ASSERT_TICKS("Europe/Berlin", "30 * * * *", "2026-03-28 23:59", "2026-03-29 00:30", "2026-03-29 01:30");
        ASSERT_TICKS("Europe/Berlin", "*/30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-25 00:30",
                "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-26 01:00");
}

static void test_a_change_of_half_an_hour_and_one_of_a_day(void **state)
{
        /* Lord Howe: 02:00 to 02:30 at 2026-10-03 15:30 UTC. */
        ASSERT_TICKS("Australia/Lord_Howe", "15 2 4 * *", "2026-10-03 00:00", "2026-10-03 15:30");
        /* Samoa went over the date line: there was no 30 December 2011. */
        ASSERT_TICKS("Pacific/Apia", "0 12 30 * *", "2011-12-01 00:00", "2012-01-29 22:00");
}

static void test_far_years_follow_the_rule_of_the_zone(void **state)
{
        ASSERT_TICKS("Europe/Berlin", "0 12 1 7 *", "2090-01-01 00:00", "2090-07-01 10:00");
        ASSERT_TICKS("Australia/Sydney", "0 12 1 1 *", "2090-01-02 00:00", "2091-01-01 01:00");
        ASSERT_TICKS("Europe/Dublin", "0 12 1 1,7 *", "2090-01-02 00:00", "2090-07-01 11:00", "2091-01-01 12:00");
}

static void test_ticks_between_are_counted(void **state)
{
        CLEANUP(zone_free) Zone *zone = zone_of("UTC");
        CronSchedule s;
        char problem[256];

        assert_int_equal(cron_schedule_parse(&s, "*/15 * * * *", problem, sizeof(problem)), 0);
        assert_int_equal(cron_schedule_count(&s, zone, at("2026-01-01 00:00"), at("2026-01-01 01:00"), 100), 3);
        assert_int_equal(cron_schedule_count(&s, zone, at("2026-01-01 00:00"), at("2026-01-01 00:15"), 100), 0);
        assert_int_equal(cron_schedule_count(&s, zone, at("2026-01-01 00:00"), at("2027-01-01 00:15"), 50), 50);
        assert_int_equal(cron_schedule_parse(&s, "@every 10s", problem, sizeof(problem)), 0);
        assert_int_equal(cron_schedule_count(&s, zone, 100, 140, 100), 3);
        assert_int_equal(cron_schedule_count(&s, zone, 100, 110, 100), 0);
        assert_int_equal(cron_schedule_count(&s, zone, 101, 141, 100), 4);
        assert_int_equal(cron_schedule_last(&s, zone, 5), 0);
        assert_int_equal(cron_schedule_last(&s, zone, -5), -1);
}

static void test_refusals_name_the_field_the_text_and_what_is_allowed(void **state)
{
        assert_refused("0 0 32 * *", "field 3 (day of month): '32' is not from 1 to 31");
        assert_refused("60 0 1 * *", "field 1 (minute): '60' is not from 0 to 59");
        assert_refused("0 x 1 * *", "field 2 (hour): 'x' is not from 0 to 23");
        assert_refused("0 0 1 foo *", "field 4 (month): 'foo' is not from 1 to 12 or jan to dec");
        assert_refused("0 0 1 * 8", "field 5 (day of week): '8' is not from 0 to 7 or sun to sat");
        assert_refused("0 0 * * 1,,2", "field 5 (day of week): '1,,2' has an empty place in its list");
        assert_refused("20-10 0 * * *",
                "field 1 (minute): '20-10' is a range that ends before it begins: write it as two, with a comma");
        assert_refused("*/0 0 * * *", "field 1 (minute): '*/0' has no step from 1 to 59 after the '/'");
        assert_refused("5/10 0 * * *", "field 1 (minute): '5/10' has a step without a range: write '*/n' or 'a-b/n'");
        assert_refused("*-5 0 * * *", "field 1 (minute): '*' is not from 0 to 59");
        assert_refused("-1 0 * * *", "field 1 (minute): '' is not from 0 to 59");
        assert_refused("0 0 30 2 *", "'0 0 30 2 *' never comes: no such month has such a day");
        assert_refused("0 0 31 4,6,9,11 *", "'0 0 31 4,6,9,11 *' never comes: no such month has such a day");
        assert_refused("* * *",
                "a schedule has five fields (minute, hour, day of month, month, day of week) or is @daily and the "
                "like; '* * *' has 3");
        assert_refused("* * * * * *",
                "a schedule has five fields (minute, hour, day of month, month, day of week) or is @daily and the "
                "like; '* * * * * *' has more than 5");
        assert_refused("", "a schedule has five fields (minute, hour, day of month, month, day of week) or is @daily "
                           "and the like; '' has 0");
        assert_refused("@reboot", "'@reboot' is none of @yearly @annually @monthly @weekly @daily @midnight @hourly, "
                                  "nor '@every DURATION'");
        assert_refused("@every 500ms", "@every '500ms' is no duration in whole seconds from 1s to 366d");
        assert_refused("@every 1.5s", "@every '1.5s' is no duration in whole seconds from 1s to 366d");
        assert_refused("0 0 * *\n*", "a schedule is one line without control characters");
}

static void test_a_day_of_either_kind_comes_even_on_30_february(void **state)
{
        ASSERT_TICKS("UTC", "0 0 30 2 mon", "2026-01-01 00:00", "2026-02-02 00:00");
}

static void test_unknown_zones_are_refused(void **state)
{
        const char *const names[] = {"Europe/Berlni", "", "../zoneinfo/UTC", "/etc/localtime", "Europe", "tzdata.zi",
                "Europe/../UTC", "zone.tab"};
        char problem[512];
        Zone *zone = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                assert_true(zone_new(&zone, names[i], problem, sizeof(problem)) < 0);
                assert_non_null(strstr(problem, "is not known here"));
        }
}

static void test_the_zone_of_the_host_comes_from_tz(void **state)
{
        CLEANUP(zone_free) Zone *a = NULL, *b = NULL, *c = NULL;
        char problem[512];

        setenv("TZ", ":Asia/Kolkata", 1);
        assert_int_equal(zone_new(&a, NULL, problem, sizeof(problem)), 0);
        assert_string_equal(zone_name(a), "Asia/Kolkata");
        assert_int_equal(zone_span(a, at("2026-01-01 00:00")).offset, 19800);
        setenv("TZ", "XXX3YYY,J60/1,300/-5:30", 1);
        assert_int_equal(zone_new(&b, NULL, problem, sizeof(problem)), 0);
        assert_int_equal(zone_span(b, at("2026-03-01 03:59")).offset, -10800);
        assert_int_equal(zone_span(b, at("2026-03-01 04:00")).offset, -7200);
        assert_int_equal(zone_span(b, at("2028-03-01 03:59")).to, at("2028-03-01 04:00"));
        assert_int_equal(zone_span(b, at("2026-10-27 20:29")).offset, -7200);
        assert_int_equal(zone_span(b, at("2026-10-27 20:30")).offset, -10800);
        setenv("TZ", "no/such", 1);
        assert_true(zone_new(&c, NULL, problem, sizeof(problem)) < 0);
        unsetenv("TZ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields_are_numbers_names_ranges_steps_and_lists),
                cmocka_unit_test(test_seven_and_zero_are_sunday),
                cmocka_unit_test(test_either_day_will_do_when_both_are_restricted),
                cmocka_unit_test(test_both_days_must_fit_when_one_begins_with_a_star),
                cmocka_unit_test(test_leap_years_and_ends_of_months),
                cmocka_unit_test(test_every_is_aligned_to_the_epoch),
                cmocka_unit_test(test_a_job_of_a_skipped_hour_runs_right_after_the_change),
                cmocka_unit_test(test_a_job_of_a_repeated_hour_runs_once),
                cmocka_unit_test(test_a_job_with_a_star_follows_the_clock),
                cmocka_unit_test(test_a_change_of_half_an_hour_and_one_of_a_day),
                cmocka_unit_test(test_far_years_follow_the_rule_of_the_zone),
                cmocka_unit_test(test_ticks_between_are_counted),
                cmocka_unit_test(test_refusals_name_the_field_the_text_and_what_is_allowed),
                cmocka_unit_test(test_a_day_of_either_kind_comes_even_on_30_february),
                cmocka_unit_test(test_unknown_zones_are_refused),
                cmocka_unit_test(test_the_zone_of_the_host_comes_from_tz),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
