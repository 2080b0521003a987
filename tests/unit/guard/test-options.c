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

#define BASE "--page-fd", "5", "--socket-fd", "6", "--contain", "pidns"

static void settings_of_the_command_are_understood(void **state)
{
        Options o;

        assert_null(options_parse(&o, ARGS(BASE, "--uid", "4294967294", "--gid", "0", "--groups", "1,2,4294967294", "--umask",
                                              "18", "--nice", "-20", "--oom", "-1000", "--limit",
                                              "7:64:18446744073709551615", "--limit", "4:0:0", "--", "cmd")));
        assert_true(o.settings.has_uid && o.settings.has_gid && o.settings.has_umask && o.settings.has_nice);
        assert_int_equal(o.settings.uid, 4294967294U);
        assert_int_equal(o.settings.gid, 0);
        assert_string_equal(o.settings.groups, "1,2,4294967294");
        assert_int_equal(o.settings.umask, 022);
        assert_int_equal(o.settings.nice, -20);
        assert_string_equal(o.settings.oom_adj, "-1000");
        assert_int_equal(o.settings.n_limits, 2);
        assert_int_equal(o.settings.limits[0].resource, 7);
        assert_int_equal(o.settings.limits[0].soft, 64);
        assert_true(o.settings.limits[0].hard == UINT64_MAX);
        assert_null(options_parse(&o, ARGS(BASE, "--", "cmd")));
        assert_false(o.settings.has_uid || o.settings.has_gid || o.settings.has_umask || o.settings.has_nice);
        assert_true(!o.settings.groups && !o.settings.oom_adj && !o.settings.directory && !o.settings.n_limits);
}

/* An id of all ones means "as it is" to the kernel. */
static void settings_that_are_none_are_refused(void **state)
{
        static const char *const bad[][2] = {
                {"--uid", "4294967295"}, {"--uid", "-1"}, {"--uid", ""}, {"--uid", "1x"}, {"--gid", "4294967295"},
                {"--groups", "1,"}, {"--groups", ",1"}, {"--groups", "1,,2"}, {"--groups", "1,4294967295"}, {"--groups", "a"},
                {"--umask", "512"}, {"--nice", "21"}, {"--nice", "--1"}, {"--oom", "1001"}, {"--oom", "x"},
                {"--limit", "7:1"}, {"--limit", "7:1:"}, {"--limit", "7:1:2:3"}, {"--limit", ":1:2"},
                {"--limit", "7:1:18446744073709551616"}, {"--limit", "99999999999:1:2"}, {"--directory", ""},
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Options o;

                assert_non_null(options_parse(&o, ARGS(BASE, bad[i][0], bad[i][1], "--", "cmd")));
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
                cmocka_unit_test(settings_of_the_command_are_understood),
                cmocka_unit_test(settings_that_are_none_are_refused),
                cmocka_unit_test(other_descriptors_are_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
