/* The names in a queue, and who is before whom. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "recipe/contend-line.h"
#include "util/macros.h"

#define UUID "6f0e7a52-7b4c-4f6d-8f6e-0a4c3a1c9b11"
#define OURS "_c_zksup-" UUID "-"

static void names_of_all_clients_are_read(void **state)
{
        static const struct {
                const char *name;
                int64_t order;
                unsigned priority;
                bool shared, preempts, foreign;
        } rows[] = {
                {OURS "lock-0000000007", 7, 0, false, false, false},
                {OURS "__READ__0000000007", 7, 0, true, false, false},
                {OURS "__WRIT__0000000007", 7, 0, false, false, false},
                {OURS "latch-0000000012", 12, 0, false, false, false},
                {OURS "p5-latch-0000000012", 12, 5, false, false, false},
                {OURS "p9999!-latch-0000000012", 12, 9999, false, true, false},
                {OURS "p0!-latch-0000000012", 12, 0, false, true, false},
                {OURS "lease-2147483647", 2147483647, 0, false, false, false},
                {"_c_" UUID "-lock-0000000007", 7, 0, false, false, true},
                {"_c_" UUID "-__READ__0000000007", 7, 0, true, false, true},
                {"_c_" UUID "-__WRIT__0000000007", 7, 0, false, false, true},
                {"_c_" UUID "-latch-0000000003", 3, 0, false, false, true},
                {"_c_" UUID "-p7!-latch-0000000003", 3, 0, false, false,
                        true}, /* only ours have priorities */
                {"0f8fad5bd9cb469fa16570867728950e__lock__0000000001", 1, 0, false, false, true},
                {"0f8fad5bd9cb469fa16570867728950e__rlock__0000000001", 1, 0, true, false, true},
                {"lock-0000000001", 1, 0, false, false, true},
                {"0000000001", 1, 0, false, false, true},
                /* past 2^31 the counter goes on below zero: "%010d" */
                {OURS "lock--2147483648", -2147483648LL, 0, false, false, false},
                {OURS "lock--000000005", -5, 0, false, false, false},
                {"0f8fad5b__lock__-2147483647", -2147483647LL, 0, false, false, true},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Contender c;

                if (!contender_parse(rows[i].name, &c))
                        fail_msg("%s", rows[i].name);
                assert_ptr_equal(c.name, rows[i].name);
                assert_int_equal(c.order, rows[i].order);
                assert_int_equal(c.priority, rows[i].priority);
                assert_int_equal(c.shared, rows[i].shared);
                assert_int_equal(c.preempts, rows[i].preempts);
                assert_int_equal(c.foreign, rows[i].foreign);
        }
}

static void what_has_no_sequence_is_no_contender(void **state)
{
        static const char *const names[] = {"", "lock-", "lock-000000001", "x", "0000000001x", "-000000001",
                OURS "lock-", OURS "lock-99999999999999999999"};
        Contender c;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (contender_parse(names[i], &c))
                        fail_msg("%s", names[i]);
}

static void a_priority_that_is_none_counts_as_zero(void **state)
{
        static const char *const names[] = {OURS "p-latch-0000000001", OURS "p10000-latch-0000000001",
                OURS "px5-latch-0000000001", OURS "5-latch-0000000001", OURS "p5latch-0000000001",
                OURS "p5-lock-0000000001", OURS "p99999999999999999999-latch-0000000001"};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                Contender c;

                assert_true(contender_parse(names[i], &c));
                assert_int_equal(c.priority, 0);
                assert_false(c.preempts);
        }
}

static void a_name_belongs_to_one_id_only(void **state)
{
        assert_true(contender_is(OURS "lock-0000000007", UUID));
        assert_false(contender_is(OURS "lock-0000000007", "6f0e7a5"));
        assert_false(contender_is("_c_" UUID "-lock-0000000007", UUID));
        assert_false(contender_is("_c_zksup-" UUID "0-lock-0000000007", UUID));
}

static void a_path_that_is_made_is_read_back(void **state)
{
        char path[120];
        Contender c;

        assert_int_equal(contender_format(path, sizeof(path) - 11, "/q", UUID, "p5!-latch-"), 0);
        strcat(path, "0000000042");
        assert_true(contender_is(strrchr(path, '/') + 1, UUID));
        assert_true(contender_parse(strrchr(path, '/') + 1, &c));
        assert_true(c.priority == 5 && c.preempts && !c.foreign && c.order == 42);
        assert_int_equal(contender_format(path, 20, "/q", UUID, "lock-"), -ENAMETOOLONG);
}

/* --- lines: names in any order ------------------------------------------------------------------ */

static Line line_of(enum ContendRule rule, const char *me, const char *const *names, size_t n)
{
        Line line;

        contend_line_read(&line, rule, 2, "me", me, names, n);
        return line;
}

#define LINE(rule, me, ...)                                                                                  \
        ({                                                                                                   \
                static const char *const names_[] = {__VA_ARGS__};                                           \
                line_of((rule), (me), names_, ARRAY_SIZE(names_));                                           \
        })

static void the_exclusive_wait_for_all_that_came_earlier(void **state)
{
        Line l = LINE(CONTEND_EXCLUSIVE, "_c_zksup-me-lock-0000000005", "_c_zksup-b-lock-0000000009", "ready",
                "_c_zksup-me-lock-0000000005", "_c_zksup-c-__READ__0000000002", "x__lock__0000000004");

        assert_true(l.found && !l.other);
        assert_string_equal(l.ahead.name, "x__lock__0000000004");
        assert_int_equal(l.position, 3);
        assert_int_equal(l.n_ahead, 2);
        assert_true(l.ahead.foreign && l.adjacent && !l.only_sharers);
        l = LINE(CONTEND_EXCLUSIVE, "_c_zksup-me-lock-0000000005", "_c_zksup-me-lock-0000000005",
                "_c_zksup-c-__READ__0000000002", "_c_zksup-d-__READ__0000000003", "x__lock__0000000006");
        assert_true(l.only_sharers);
}

static void readers_wait_for_the_last_writer_before_them(void **state)
{
        Line l = LINE(CONTEND_SHARED, "_c_zksup-me-__READ__0000000005", "_c_zksup-me-__READ__0000000005",
                "_c_zksup-a-lock-0000000001", "_c_zksup-b-__WRIT__0000000003",
                "_c_zksup-c-__READ__0000000004", "_c_zksup-d-__WRIT__0000000006");

        assert_string_equal(l.ahead.name, "_c_zksup-b-__WRIT__0000000003");
        assert_int_equal(l.position, 4);
        assert_int_equal(l.n_ahead, 2);
        assert_false(l.adjacent);
        l = LINE(CONTEND_SHARED, "_c_zksup-me-__READ__0000000005", "_c_zksup-me-__READ__0000000005",
                "_c_zksup-c-__READ__0000000004", "_c_zksup-d-__WRIT__0000000006");
        assert_int_equal(l.n_ahead, 0);
        assert_int_equal(l.position, 2);
}

static void candidates_stand_by_priority_then_age_and_never_pass_a_foreign_one(void **state)
{
        Line l = LINE(CONTEND_ELECTION, "_c_zksup-me-p3-latch-0000000005", "_c_zksup-me-p3-latch-0000000005",
                "_c_zksup-a-latch-0000000001", "_c_zksup-b-p3-latch-0000000003",
                "_c_zksup-c-p9-latch-0000000007", "_c_zksup-d-p3-latch-0000000008");

        assert_string_equal(l.ahead.name, "_c_zksup-b-p3-latch-0000000003");
        assert_string_equal(l.second, "_c_zksup-c-p9-latch-0000000007");
        assert_int_equal(l.position, 3);
        l = LINE(CONTEND_ELECTION, "_c_zksup-me-p3-latch-0000000005", "_c_zksup-me-p3-latch-0000000005",
                "_c_zksup-a-latch-0000000001", "_c_1-latch-0000000002", "_c_zksup-c-p9-latch-0000000007");
        assert_string_equal(l.ahead.name, "_c_zksup-c-p9-latch-0000000007");
        assert_string_equal(l.second, "_c_1-latch-0000000002");
        assert_int_equal(l.position, 4);
        l = LINE(CONTEND_ELECTION, "_c_zksup-me-p3-latch-0000000005", "_c_zksup-me-p3-latch-0000000005",
                "_c_zksup-a-latch-0000000001", "_c_1-latch-0000000006", "_c_zksup-c-p9-latch-0000000007");
        assert_int_equal(l.position, 1); /* c came after the foreign one, a is worse */
        assert_null(l.ahead.name);
}

static void slots_are_free_while_few_enough_stand_there(void **state)
{
        assert_int_equal(LINE(CONTEND_SLOTS, "_c_zksup-me-lease-0000000005", "_c_zksup-me-lease-0000000005",
                                 "_c_1-lease-0000000009", "unknown")
                                 .n_ahead,
                0);
        assert_int_equal(LINE(CONTEND_SLOTS, "_c_zksup-me-lease-0000000005", "_c_zksup-me-lease-0000000005",
                                 "_c_1-lease-0000000009", "_c_2-lease-0000000001")
                                 .n_ahead,
                1);
}

static void another_node_of_ours_is_told(void **state)
{
        Line l = LINE(CONTEND_EXCLUSIVE, "_c_zksup-me-lock-0000000005", "_c_zksup-me-lock-0000000007",
                "_c_zksup-me-lock-0000000005", "_c_zksup-me-lock-0000000006");

        assert_true(l.found);
        assert_string_equal(l.other, "_c_zksup-me-lock-0000000006");
        l = LINE(CONTEND_EXCLUSIVE, "", "_c_zksup-me-lock-0000000007", "_c_zksup-you-lock-0000000005");
        assert_false(l.found);
        assert_string_equal(l.other, "_c_zksup-me-lock-0000000007");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_of_all_clients_are_read),
                cmocka_unit_test(what_has_no_sequence_is_no_contender),
                cmocka_unit_test(a_priority_that_is_none_counts_as_zero),
                cmocka_unit_test(a_name_belongs_to_one_id_only),
                cmocka_unit_test(a_path_that_is_made_is_read_back),
                cmocka_unit_test(the_exclusive_wait_for_all_that_came_earlier),
                cmocka_unit_test(readers_wait_for_the_last_writer_before_them),
                cmocka_unit_test(candidates_stand_by_priority_then_age_and_never_pass_a_foreign_one),
                cmocka_unit_test(slots_are_free_while_few_enough_stand_there),
                cmocka_unit_test(another_node_of_ours_is_told),
        };

        return cmocka_run_group_tests_name("contender", tests, NULL, NULL);
}
