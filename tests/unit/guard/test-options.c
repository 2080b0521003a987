/* The command line of the guard. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>
#include "guard/options.h"
#include "util/macros.h"

#define ARGS(...) ((char **)(const char *[]){"zksup-guard", __VA_ARGS__, NULL})

static void a_full_command_line_is_understood(void **state)
{
        Options o;

        assert_null(options_parse(&o, ARGS("--page-fd", "5", "--slot", "12", "--socket-fd", "6", "--contain",
                                              "cgroup", "--cgroup", "/g", "--directory", "/d", "--pass-fd",
                                              "9", "--pass-fd", "8", "--pass-at", "7", "--terminal", "--born", "--", "cmd", "--slot")));
        assert_int_equal(o.page_fd, 5);
        assert_int_equal(o.slot, 12);
        assert_int_equal(o.socket_fd, 6);
        assert_int_equal(o.contain, WIRE_CONTAIN_CGROUP);
        assert_string_equal(o.cgroup, "/g");
        assert_string_equal(o.settings.directory, "/d");
        assert_int_equal(o.n_pass_fds, 2);
        assert_int_equal(o.pass_fds[0], 9);
        assert_int_equal(o.pass_fds[1], 8);
        assert_int_equal(o.pass_at, 7);
        assert_true(o.terminal && o.born);
        assert_string_equal(o.argv[0], "cmd");
        assert_string_equal(o.argv[1], "--slot");
}

static void what_is_missing_or_unknown_is_refused(void **state)
{
        char **lines[] = {
                ARGS("--"),
                ARGS("--page-fd", "5", "--socket-fd", "6", "--contain", "pidns"),
                ARGS("--page-fd", "5", "--socket-fd", "6", "--contain", "pidns", "--"),
                ARGS("--page-fd", "5", "--socket-fd", "6", "--", "cmd"),
                ARGS("--page-fd", "5", "--contain", "subreaper", "--", "cmd"),
                ARGS("--page-fd", "5x", "--", "cmd"),
                ARGS("--page-fd", "", "--", "cmd"),
                ARGS("--page-fd", "99999999999", "--", "cmd"),
                ARGS("--pass-at", "2", "--", "cmd"),
                ARGS("--pass-at", "192", "--", "cmd"),
                ARGS("--page-fd"),
                ARGS("--contain", "vm", "--", "cmd"),
                ARGS("--nonsense", "1", "--", "cmd"),
        };

        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                Options o;

                assert_non_null(options_parse(&o, lines[i]));
        }
}

static void other_descriptors_are_closed(void **state)
{
        Options o = {.page_fd = 30, .socket_fd = 28, .pass_fds = {35}, .n_pass_fds = 1};

        for (int fd = 25; fd < 40; fd++)
                assert_int_equal(dup2(0, fd), fd);
        options_close_others(&o);
        for (int fd = 3; fd < 100; fd++)
                assert_int_equal(fcntl(fd, F_GETFD) >= 0, fd == 28 || fd == 30 || fd == 35);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_full_command_line_is_understood),
                cmocka_unit_test(what_is_missing_or_unknown_is_refused),
                cmocka_unit_test(other_descriptors_are_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
