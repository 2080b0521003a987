/* The book of a job, and what is to be done by it and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "recipe/cron-plan.h"
#include "util/clock.h"

#define SEC USEC_PER_SEC
#define T 1000000000LL /* a tick of "@every 10s" */

typedef struct Fixture {
        CronSchedule schedule;
        Zone *zone;
        CronRules rules;
        CronBook book;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = test_calloc(1, sizeof(*f));
        char problem[256];

        assert_int_equal(cron_schedule_parse(&f->schedule, "@every 10s", problem, sizeof(problem)), 0);
        assert_int_equal(zone_new(&f->zone, "UTC", problem, sizeof(problem)), 0);
        f->rules = (CronRules){.schedule = &f->schedule, .zone = f->zone, .late_usec = CRON_LATE_DEFAULT};
        cron_book_init(&f->book, T);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        zone_free(f->zone);
        test_free(f);
        return 0;
}

static CronPlan plan_at(Fixture *f, int64_t seconds, const char *id)
{
        return cron_plan(&f->rules, (uint64_t)seconds * SEC, id, "host", &f->book);
}

static void assert_run(Fixture *f, int64_t seconds, int64_t tick)
{
        CronPlan plan = plan_at(f, seconds, "id");

        assert_int_equal(plan.kind, CRON_PLAN_RUN);
        assert_int_equal(plan.tick, tick);
        assert_int_equal(cron_book_running(&f->book)->tick, tick);
}

static void assert_waits(Fixture *f, int64_t seconds, uint64_t when_usec)
{
        CronPlan plan = plan_at(f, seconds, "id");

        assert_int_equal(plan.kind, CRON_PLAN_WAIT);
        assert_int_equal(plan.when_usec, when_usec);
}

static void assert_noted(Fixture *f, int64_t seconds)
{
        assert_int_equal(plan_at(f, seconds, "id").kind, CRON_PLAN_NOTE);
}

static uint64_t accounted(const CronBook *b)
{
        uint64_t n = (cron_book_running(b) != NULL) + (b->queued >= 0);

        for (int i = CRON_RUNNING + 1; i < CRON_MARKS; i++)
                n += b->totals[i];
        return n;
}

/* --- the book ----------------------------------------------------------------------------------- */

static void test_a_book_reads_what_it_wrote(void **state)
{
        Fixture *f = *state;
        char text[CRON_BOOK_TEXT_MAX], again[CRON_BOOK_TEXT_MAX], problem[160];
        CronBook copy;
        size_t n;

        snprintf(f->book.schedule, sizeof(f->book.schedule), "0 4 * * mon,tue");
        snprintf(f->book.zone, sizeof(f->book.zone), "Europe/Berlin");
        cron_book_begin(&f->book, T + 10, T + 11, "a-0", "h\n1");
        assert_true(cron_book_end(&f->book, "a-0", CRON_DONE, T + 12, 3));
        cron_book_note(&f->book, CRON_MISSED, T + 20, T + 40, 3);
        cron_book_begin(&f->book, T + 50, T + 51, "a-1", "");
        f->book.last = f->book.queued = T + 60;
        snprintf(f->book.stop, sizeof(f->book.stop), "a-1");
        n = cron_book_to_string(&f->book, text);
        assert_int_equal(cron_book_parse(&copy, text, n, problem, sizeof(problem)), 0);
        assert_int_equal(cron_book_to_string(&copy, again), n);
        assert_memory_equal(text, again, n);
        assert_string_equal(copy.entries[0].host, "h?1");
        assert_string_equal(cron_book_running(&copy)->id, "a-1");
        assert_int_equal(copy.entries[0].status, 3);
        assert_int_equal(copy.queued, T + 60);
        assert_int_equal(cron_book_find(&copy, T + 30)->mark, CRON_MISSED);
        assert_null(cron_book_find(&copy, T + 70));
}

static void test_the_fullest_book_fits(void **state)
{
        Fixture *f = *state;
        char text[CRON_BOOK_TEXT_MAX], problem[160], id[CRON_ID_MAX], host[64];
        CronBook copy;

        memset(f->book.schedule, '9', sizeof(f->book.schedule) - 1);
        memset(f->book.zone, 'z', sizeof(f->book.zone) - 1);
        memset(id, 'i', sizeof(id) - 1);
        memset(host, 'h', sizeof(host) - 1);
        id[sizeof(id) - 1] = host[sizeof(host) - 1] = '\0';
        for (int64_t i = 0; i < 3 * CRON_BOOK_ENTRIES; i++) {
                cron_book_begin(&f->book, INT64_MAX / 8, INT64_MAX / 8, id, host);
                if (i + 1 < 3 * CRON_BOOK_ENTRIES)
                        assert_true(cron_book_end(&f->book, id, CRON_UNKNOWN, INT64_MAX / 8, 255));
        }
        for (int i = CRON_RUNNING + 1; i < CRON_MARKS; i++)
                f->book.totals[i] = UINT64_MAX / 8;
        assert_int_equal(f->book.n, CRON_BOOK_ENTRIES);
        assert_int_equal(cron_book_parse(&copy, text, cron_book_to_string(&f->book, text), problem, sizeof(problem)), 0);
        assert_int_equal(copy.n, CRON_BOOK_ENTRIES);
}

static void test_a_run_under_way_outlives_newer_entries(void **state)
{
        Fixture *f = *state;

        cron_book_begin(&f->book, T, T, "long", "h");
        for (int i = 1; i < 50; i++)
                cron_book_note(&f->book, i & 1 ? CRON_SKIPPED : CRON_MISSED, T + i, T + i, 1);
        assert_string_equal(cron_book_running(&f->book)->id, "long");
        assert_int_equal(f->book.n, CRON_BOOK_ENTRIES);
        assert_true(cron_book_end(&f->book, "long", CRON_DONE, T + 99, 0));
        assert_false(cron_book_end(&f->book, "long", CRON_DONE, T + 99, 0));
}

static void test_an_undone_run_is_queued(void **state)
{
        Fixture *f = *state;

        assert_run(f, T + 10, T + 10);
        assert_true(cron_book_undo(&f->book, "id"));
        assert_null(cron_book_running(&f->book));
        assert_int_equal(f->book.queued, T + 10);
        assert_int_equal(accounted(&f->book), 1);
        assert_run(f, T + 12, T + 10);
        assert_noted(f, T + 20);
        f->book.queued = T + 20; /* as --overlap queue would have it */
        f->book.totals[CRON_SKIPPED] = 0;
        assert_true(cron_book_undo(&f->book, "id"));
        assert_int_equal(f->book.queued, T + 10);
        assert_int_equal(f->book.totals[CRON_SKIPPED], 1);
}

static void test_what_is_no_book_is_refused_in_words(void **state)
{
        static const struct {
                const char *text, *problem;
        } cases[] = {
                {"", "begins with '', not with 'zksup-cron 1'"},
                {"zksup-cron 2\nsince 1\nlast 1\n", "begins with 'zksup-cron 2', not with 'zksup-cron 1'"},
                {"zksup-cron 1\nlast 1\n", "lacks 'since' or 'last'"},
                {"zksup-cron 1\nsince 2\nlast 1\n", "lacks 'since' or 'last'"},
                {"zksup-cron 1\nsince 1\nlast x\n", "has a line that cannot be read: 'last x'"},
                {"zksup-cron 1\nsince 1\nlast 1\ndone 1 2 3 256 id h\n",
                        "has a line that cannot be read: 'done 1 2 3 256 id h'"},
                {"zksup-cron 1\nsince 1\nlast 1\nrunning 1 1 - - a h\nrunning 2 2 - - b h\n",
                        "has a line that cannot be read: 'running 2 2 - - b h'"},
                {"zksup-cron 1\nsince 1\nlast 1\nmissed 5 4 1\n", "has a line that cannot be read: 'missed 5 4 1'"},
        };
        char problem[160];
        CronBook book;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_true(cron_book_parse(&book, cases[i].text, strlen(cases[i].text), problem, sizeof(problem)) < 0);
                assert_string_equal(problem, cases[i].problem);
        }
        assert_true(cron_book_parse(&book, "zksup-cron 1\n\0", 15, problem, sizeof(problem)) < 0);
}

static void test_keys_of_other_versions_are_passed_over(void **state)
{
        const char *text = "zksup-cron 1\ncolour blue\nsince 1\nlast 2\ntotal burnt 3\n";
        char problem[160];
        CronBook book;

        assert_int_equal(cron_book_parse(&book, text, strlen(text), problem, sizeof(problem)), 0);
        assert_int_equal(book.last, 2);
}

/* --- the plan ----------------------------------------------------------------------------------- */

static void test_a_tick_is_waited_for_and_run(void **state)
{
        Fixture *f = *state;

        assert_waits(f, T + 3, (T + 10) * SEC);
        assert_run(f, T + 10, T + 10);
        assert_int_equal(f->book.last, T + 10);
        assert_true(cron_book_end(&f->book, "id", CRON_DONE, T + 11, 0));
        assert_waits(f, T + 11, (T + 20) * SEC);
}

static void test_a_clock_that_is_behind_repeats_nothing(void **state)
{
        Fixture *f = *state;

        f->book.last = T + 50;
        assert_waits(f, T + 10, (T + 60) * SEC);
}

static void test_ticks_before_the_latest_are_missed(void **state)
{
        Fixture *f = *state;

        assert_run(f, T + 42, T + 40);
        assert_int_equal(f->book.totals[CRON_MISSED], 3);
        assert_int_equal(accounted(&f->book), 4);
        assert_int_equal(cron_book_find(&f->book, T + 20)->mark, CRON_MISSED);
}

static void test_a_tick_that_is_half_a_period_late_is_missed(void **state)
{
        Fixture *f = *state;

        assert_noted(f, T + 46);
        assert_int_equal(f->book.totals[CRON_MISSED], 4);
        assert_int_equal(f->book.last, T + 40);
        assert_int_equal(accounted(&f->book), 4);
        assert_waits(f, T + 46, (T + 50) * SEC);
}

static void test_run_once_takes_the_latest_within_its_bound(void **state)
{
        Fixture *f = *state;

        f->rules.late_usec = 8 * SEC;
        assert_run(f, T + 48, T + 40);
        assert_true(cron_book_end(&f->book, "id", CRON_DONE, T + 49, 0));
        assert_noted(f, T + 79);
        assert_int_equal(accounted(&f->book), 7);
}

static void test_overlap_skip_passes_over_what_comes_during_a_run(void **state)
{
        Fixture *f = *state;

        assert_run(f, T + 10, T + 10);
        assert_noted(f, T + 40);
        assert_int_equal(f->book.totals[CRON_SKIPPED], 3);
        assert_int_equal(f->book.last, T + 40);
        assert_int_equal(f->book.stop[0], 0);
        assert_int_equal(accounted(&f->book), 4);
}

static void test_overlap_queue_keeps_one(void **state)
{
        Fixture *f = *state;

        f->rules.overlap = CRON_OVERLAP_QUEUE;
        assert_run(f, T + 10, T + 10);
        assert_noted(f, T + 20);
        assert_noted(f, T + 30);
        assert_int_equal(f->book.queued, T + 20);
        assert_int_equal(f->book.totals[CRON_SKIPPED], 1);
        assert_int_equal(accounted(&f->book), 3);
        assert_true(cron_book_end(&f->book, "id", CRON_DONE, T + 38, 0));
        assert_run(f, T + 38, T + 20); /* however late */
        assert_int_equal(f->book.queued, CRON_NONE);
        assert_int_equal(accounted(&f->book), 3);
}

static void test_overlap_kill_asks_the_run_to_stop(void **state)
{
        Fixture *f = *state;

        f->rules.overlap = CRON_OVERLAP_KILL;
        assert_run(f, T + 10, T + 10);
        assert_noted(f, T + 20);
        assert_string_equal(f->book.stop, "id");
        assert_int_equal(f->book.queued, T + 20);
        assert_true(cron_book_end(&f->book, "id", CRON_KILLED, T + 21, 143));
        assert_int_equal(f->book.stop[0], 0);
        assert_run(f, T + 21, T + 20);
}

static void test_jitter_delays_within_its_bound_and_differs(void **state)
{
        Fixture *f = *state;
        uint64_t first = 0, when;
        bool differ = false;

        f->rules.jitter_usec = 4 * SEC;
        for (f->rules.seed = 1; f->rules.seed < 20; f->rules.seed++) {
                when = plan_at(f, T, "id").when_usec;
                assert_in_range(when, (T + 10) * SEC, (T + 14) * SEC - 1);
                assert_int_equal(plan_at(f, T, "id").when_usec, when);
                differ |= first && when != first;
                first = when;
                assert_int_equal(cron_plan(&f->rules, when - 1, "id", "h", &f->book).kind, CRON_PLAN_WAIT);
        }
        assert_true(differ);
        f->rules.seed--;
        assert_int_equal(cron_plan(&f->rules, first, "id", "h", &f->book).kind, CRON_PLAN_RUN);
}

static void test_a_new_job_starts_with_the_next_tick(void **state)
{
        Fixture *f = *state;

        cron_plan_first_book(&f->rules, (T + 12) * SEC, false, &f->book);
        assert_int_equal(f->book.last, T + 10);
        cron_plan_first_book(&f->rules, (T + 12) * SEC, true, &f->book);
        assert_int_equal(f->book.last, T);
        assert_run(f, T + 12, T + 10);
        cron_plan_first_book(&f->rules, (T + 19) * SEC, true, &f->book); /* too late for that one */
        assert_int_equal(f->book.last, T + 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_book_reads_what_it_wrote),
                TEST(test_the_fullest_book_fits),
                TEST(test_a_run_under_way_outlives_newer_entries),
                TEST(test_an_undone_run_is_queued),
                TEST(test_what_is_no_book_is_refused_in_words),
                TEST(test_keys_of_other_versions_are_passed_over),
                TEST(test_a_tick_is_waited_for_and_run),
                TEST(test_a_clock_that_is_behind_repeats_nothing),
                TEST(test_ticks_before_the_latest_are_missed),
                TEST(test_a_tick_that_is_half_a_period_late_is_missed),
                TEST(test_run_once_takes_the_latest_within_its_bound),
                TEST(test_overlap_skip_passes_over_what_comes_during_a_run),
                TEST(test_overlap_queue_keeps_one),
                TEST(test_overlap_kill_asks_the_run_to_stop),
                TEST(test_jitter_delays_within_its_bound_and_differs),
                TEST(test_a_new_job_starts_with_the_next_tick),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
