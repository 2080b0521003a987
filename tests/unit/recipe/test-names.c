/* What is read from names and data that anybody may have written: records, numbers, tickets; and
 * the parents. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "recipe/numbers.h"
#include "recipe/outcome.h"
#include "recipe/parents.h"
#include "recipe/record.h"
#include "recipe/ticket.h"
#include "recipe/timing.h"
#include "util/macros.h"

static void a_record_reads_as_it_was_written(void **state)
{
        Record in = {.state = RECORD_WEDGED, .lease_usec = 12000000, .pid = 77, .host = "db\n1", .boot_id = "b", .unit = "u v"},
               out;
        char text[RECORD_TEXT_MAX];
        size_t n = record_to_string(&in, text);

        assert_true(record_parse(text, n, &out));
        assert_int_equal(out.state, RECORD_WEDGED);
        assert_int_equal(out.lease_usec, 12000000);
        assert_int_equal(out.pid, 77);
        assert_string_equal(out.host, "db?1"); /* cannot add a line */
        assert_string_equal(out.boot_id, "b");
        assert_string_equal(out.unit, "u v");
}

static void keys_of_a_later_version_are_passed_over(void **state)
{
        static const char text[] = "zksup-record 1\nstate HELD\ncolour blue\nlease-us 5\n";
        Record r;

        assert_true(record_parse(text, sizeof(text) - 1, &r));
        assert_int_equal(r.lease_usec, 5);
}

static void garbage_counts_as_held_for_the_longest_time(void **state)
{
        static const char *const texts[] = {"", "x", "zksup-record 2\nstate HELD\nlease-us 5\n",
                "zksup-record 1\nstate HELD\n", "zksup-record 1\nlease-us 5\n",
                "zksup-record 1\nstate FREE\nlease-us 5\n", "zksup-record 1\nstate HELD\nlease-us 0\n",
                "zksup-record 1\nstate HELD\nlease-us 600000001\n", "zksup-record 1\nstate HELD\nlease-us -1\n",
                "zksup-record 1\nstate\nlease-us 5\n"};
        char large[RECORD_TEXT_MAX];
        Record r;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                assert_false(record_parse(texts[i], strlen(texts[i]), &r));
                assert_int_equal(r.state, RECORD_HELD);
                assert_int_equal(r.lease_usec, TIMING_LEASE_MAX_USEC);
        }
        memset(large, 'a', sizeof(large));
        assert_false(record_parse(large, sizeof(large), &r));
        assert_false(record_parse("zksup-record 1\0state HELD\nlease-us 5\n", 36, &r));
}

static void numbers_are_found_among_other_names(void **state)
{
        static const char *const names[] = {"3", "t-x-0000000001", "1", "01", "-2", "3", "18446744073709551616", "7", "0"};
        Numbers n = {0}, none = {0};

        assert_int_equal(numbers_from_names(&n, names, ARRAY_SIZE(names)), 0);
        assert_int_equal(n.n, 4);
        assert_true(numbers_has(&n, 0));
        assert_true(numbers_has(&n, 7));
        assert_false(numbers_has(&n, 2));
        assert_false(numbers_has(&none, 2));
        assert_int_equal(numbers_kth_free(&n, NULL, 1, 1), 2);
        assert_int_equal(numbers_kth_free(&n, NULL, 1, 2), 4);
        assert_int_equal(numbers_kth_free(&n, NULL, 1, 5), 8);
        assert_int_equal(numbers_kth_free(&none, NULL, 5, 1), 5);
        assert_int_equal(numbers_from_names(&none, (const char *const[]){"2", "4"}, 2), 0);
        assert_int_equal(numbers_kth_free(&n, &none, 1, 1), 5);
        numbers_deinit(&n);
        numbers_deinit(&none);
}

static void tickets_are_ranked_by_the_servers_digits(void **state)
{
        static const char *const names[] = {"5", "t-b-0000000003", "t-a-0000000007", "t-c-0000000001", "t-x",
                "t-ab-0000000002", "foreign-0000000000"};
        TicketQueue q = ticket_queue("a", names, ARRAY_SIZE(names));

        assert_string_equal(q.mine, "t-a-0000000007");
        assert_int_equal(q.rank, 4);
        assert_string_equal(q.ahead, "t-b-0000000003");
        assert_null(q.second);
        q = ticket_queue("c", names, ARRAY_SIZE(names));
        assert_int_equal(q.rank, 1);
        assert_null(q.ahead);
        q = ticket_queue("nobody", names, ARRAY_SIZE(names));
        assert_null(q.mine);
}

static void the_lower_of_two_tickets_counts(void **state)
{
        static const char *const names[] = {"t-a-0000000007", "t-a-0000000002", "t-b-0000000005"};
        static const char *const other[] = {"t-a-0000000002", "t-a-0000000007"};
        TicketQueue q = ticket_queue("a", names, 3);

        assert_string_equal(q.mine, "t-a-0000000002");
        assert_string_equal(q.second, "t-a-0000000007");
        assert_int_equal(q.rank, 1);
        q = ticket_queue("a", other, 2);
        assert_string_equal(q.mine, "t-a-0000000002");
        assert_string_equal(q.second, "t-a-0000000007");
}

static void parents_are_made_leaves_first_then_what_is_above_then_one_by_one(void **state)
{
        Parents p;
        Request r;

        parents_init(&p);
        assert_int_equal(parents_add(&p, "/z/sequence/p"), 0);
        assert_int_equal(parents_add(&p, "/z/record/sequence/p"), 0);
        assert_int_equal(p.n, 6);
        assert_string_equal(p.ops[0].path, "/z");
        parents_begin(&p);
        parents_request(&p, &r);
        assert_int_equal(r.kind, REQUEST_CREATE);
        assert_int_equal(r.mode, CREATE_CONTAINER);
        assert_string_equal(r.path, "/z/sequence/p");
        assert_string_equal(parents_path(&p), "/z/sequence/p");
        assert_true(parents_on_reply(&p, OUTCOME_NO_NODE));
        parents_request(&p, &r);
        assert_int_equal(r.kind, REQUEST_MULTI);
        assert_int_equal(r.n_ops, 4);
        for (size_t i = 0; i < r.n_ops; i++) {
                assert_int_equal(r.ops[i].mode, CREATE_PERSISTENT); /* the library cannot take containers here */
                for (size_t j = 0; j < i; j++) /* each one after its own parent */
                        assert_false(strncmp(r.ops[j].path, r.ops[i].path, strlen(r.ops[i].path)) == 0 &&
                                r.ops[j].path[strlen(r.ops[i].path)] == '/');
        }
        assert_string_equal(parents_path(&p), "/z");
        assert_true(parents_on_reply(&p, OUTCOME_NODE_EXISTS));
        for (size_t i = 0; i < 2; i++) {
                parents_request(&p, &r);
                assert_int_equal(r.mode, CREATE_CONTAINER);
                assert_int_equal(parents_on_reply(&p, OUTCOME_OK), i == 0);
        }
        parents_begin(&p); /* they were missing once more */
        for (size_t i = 0; i < 6; i++) {
                parents_request(&p, &r);
                assert_int_equal(r.kind, REQUEST_CREATE);
                assert_string_equal(r.path, parents_path(&p));
                assert_int_equal(parents_on_reply(&p, OUTCOME_NODE_EXISTS), i < 5);
        }
        parents_settled(&p);
        parents_begin(&p);
        parents_request(&p, &r);
        assert_string_equal(r.path, "/z/sequence/p");
        assert_int_equal(parents_add(&p, "/1/2/3/4/5/6/7/8/9/10/11"), -ENAMETOOLONG);
        parents_deinit(&p);
}

static void every_outcome_has_words(void **state)
{
        for (int i = 0; i <= OUTCOME_REFUSED; i++)
                assert_true(strlen(outcome_to_string((enum Outcome)i)) > 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_record_reads_as_it_was_written),
                cmocka_unit_test(keys_of_a_later_version_are_passed_over),
                cmocka_unit_test(garbage_counts_as_held_for_the_longest_time),
                cmocka_unit_test(numbers_are_found_among_other_names),
                cmocka_unit_test(tickets_are_ranked_by_the_servers_digits),
                cmocka_unit_test(the_lower_of_two_tickets_counts),
                cmocka_unit_test(parents_are_made_leaves_first_then_what_is_above_then_one_by_one),
                cmocka_unit_test(every_outcome_has_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
