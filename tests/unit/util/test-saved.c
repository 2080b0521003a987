#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "util/saved.h"

static void read_back(SavedWriter *w, Saved *s)
{
        assert_false(saved_writer_failed(w));
        assert_int_equal(saved_parse(s, w->text.data, w->text.len), 0);
}

static void what_is_put_is_read_back(void **state)
{
        SavedWriter w = {0};
        Saved s;
        char buf[8] = "kept";

        saved_put(&w, "text", "two\nlines, 100% of them");
        saved_put(&w, "empty", "");
        saved_put(&w, "none", NULL);
        saved_put_data(&w, "data", "a\0b", 3);
        saved_put_number(&w, "number", UINT64_MAX);
        saved_put_signed(&w, "low", INT64_MIN);
        saved_put_signed(&w, "high", INT64_MAX);
        saved_put_flag(&w, "yes", true);
        read_back(&w, &s);
        assert_string_equal(saved_get(&s, "text"), "two\nlines, 100% of them");
        assert_string_equal(saved_get(&s, "empty"), "");
        assert_null(saved_get(&s, "none"));
        assert_true(saved_copy(&s, "data", buf, sizeof(buf)));
        assert_memory_equal(buf, "a\0b", 4);
        assert_false(saved_copy(&s, "text", buf, sizeof(buf)));
        assert_true(saved_get_number(&s, "number", 1) == UINT64_MAX);
        assert_true(saved_get_signed(&s, "low", 1) == INT64_MIN);
        assert_true(saved_get_signed(&s, "high", 1) == INT64_MAX);
        assert_int_equal(saved_get_number(&s, "text", 7), 7);
        assert_int_equal(saved_get_signed(&s, "number", 7), 7);
        assert_true(saved_get_flag(&s, "yes"));
        assert_false(saved_get_flag(&s, "no"));
        saved_deinit(&s);
        saved_writer_deinit(&w);
}

static void scopes_nest(void **state)
{
        SavedWriter w = {0};
        Saved s;

        for (size_t i = 0; i < 12; i++) {
                saved_enter(&w, "unit", i);
                saved_put_number(&w, "a", i);
                saved_enter(&w, "gate", SAVED_NO_INDEX);
                saved_put_number(&w, "a", 100 + i);
                saved_leave(&w);
                saved_put_number(&w, "b", 200 + i);
                saved_leave(&w);
        }
        saved_put_number(&w, "a", 1000);
        read_back(&w, &s);
        saved_go_in(&s, "unit", 11);
        saved_go_in(&s, "gate", SAVED_NO_INDEX);
        assert_int_equal(saved_get_number(&s, "a", 0), 111);
        saved_go_out(&s);
        assert_int_equal(saved_get_number(&s, "a", 0), 11);
        assert_int_equal(saved_get_number(&s, "b", 0), 211);
        saved_go_out(&s);
        assert_int_equal(saved_get_number(&s, "a", 0), 1000);
        saved_go_in(&s, "unit", 12);
        assert_null(saved_get(&s, "a"));
        saved_deinit(&s);
        saved_writer_deinit(&w);
}

static const char *color(int i)
{
        static const char *const names[] = {"red", "green"};

        return names[i];
}

static void a_name_that_is_not_known_is_the_default(void **state)
{
        SavedWriter w = {0};
        Saved s;

        saved_put(&w, "a", "green");
        saved_put(&w, "b", "blue");
        read_back(&w, &s);
        assert_int_equal(saved_get_name(&s, "a", color, 2, -1), 1);
        assert_int_equal(saved_get_name(&s, "b", color, 2, -1), -1);
        assert_int_equal(saved_get_name(&s, "c", color, 2, -1), -1);
        saved_deinit(&s);
        saved_writer_deinit(&w);
}

static void descriptors_are_taken_once_and_the_others_closed(void **state)
{
        SavedWriter w = {0};
        Saved s;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        saved_put_fd(&w, "in", fds[0]);
        saved_put_fd(&w, "out", fds[1]);
        saved_put_fd(&w, "not", -1);
        saved_put_number(&w, "number", (uint64_t)fds[0]);
        assert_int_equal(saved_writer_keep_fds(&w, true), 0);
        assert_int_equal(fcntl(fds[0], F_GETFD), 0);
        read_back(&w, &s);
        assert_int_equal(saved_take_fd(&s, "number"), -1);
        assert_int_equal(saved_take_fd(&s, "not"), -1);
        assert_int_equal(saved_take_fd(&s, "in"), fds[0]);
        assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
        assert_int_equal(saved_take_fd(&s, "in"), -1);
        assert_int_equal(saved_close_rest(&s), 1);
        assert_int_equal(fcntl(fds[1], F_GETFD), -1);
        assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
        close(fds[0]);
        saved_deinit(&s);
        saved_writer_deinit(&w);
}

static void what_is_no_such_text_is_refused(void **state)
{
        static const char *const bad[] = {"key\n", " value\n", "key val%0\n", "key %zz\n"};
        Saved s;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(saved_parse(&s, bad[i], strlen(bad[i])), -EBADMSG);
        assert_int_equal(saved_parse(&s, "a b\0c d\n", 8), -EBADMSG);
        assert_int_equal(saved_parse(&s, "", 0), 0);
        assert_null(saved_get(&s, "a"));
        saved_deinit(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_put_is_read_back),
                cmocka_unit_test(scopes_nest),
                cmocka_unit_test(a_name_that_is_not_known_is_the_default),
                cmocka_unit_test(descriptors_are_taken_once_and_the_others_closed),
                cmocka_unit_test(what_is_no_such_text_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
