#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "config/setting.h"
#include "config/value.h"
#include "util/clock.h"
#include "util/file.h"

static char problem[400];

static void refused(ValueParser parse, const char *text, const char *part)
{
        uint64_t value[64] = {0};

        if (parse(text, value, problem, sizeof(problem)) == 0)
                fail_msg("'%s' was taken", text);
        if (!strstr(problem, part))
                fail_msg("'%s': '%s' is not in '%s'", text, part, problem);
}

static uint64_t size_of(const char *text)
{
        uint64_t value = 0;

        assert_int_equal(value_parse_size(text, &value, problem, sizeof(problem)), 0);
        return value;
}

static void sizes_have_units(void **state)
{
        assert_int_equal(size_of("0"), 0);
        assert_int_equal(size_of("12"), 12);
        assert_int_equal(size_of("500K"), 500 << 10);
        assert_int_equal(size_of("10M"), 10 << 20);
        assert_true(size_of("3G") == 3ULL << 30);
        assert_true(size_of("8589934591G") == 8589934591ULL << 30);
        for (const char *const *p = (const char *const[]){"", "K", "1k", "1T", "-1", "1.5M", "1MB", " 1",
                     "8589934592G", "9223372036854775808", NULL};
                *p; p++)
                refused(value_parse_size, *p, "is no size");
}

static void flags_are_said_in_words(void **state)
{
        bool flag = false;

        for (const char *const *p = (const char *const[]){"yes", "true", "on", NULL}; *p; p++) {
                flag = false;
                assert_int_equal(value_parse_flag(*p, &flag, problem, sizeof(problem)), 0);
                assert_true(flag);
        }
        for (const char *const *p = (const char *const[]){"no", "false", "off", NULL}; *p; p++) {
                assert_int_equal(value_parse_flag(*p, &flag, problem, sizeof(problem)), 0);
                assert_false(flag);
        }
        refused(value_parse_flag, "1", "is none of yes no");
}

static void addresses_to_listen_on_are_numbers(void **state)
{
        const char *const good[] = {"127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[::]:9640", NULL};
        const char *value;

        for (size_t i = 0; good[i]; i++) {
                assert_int_equal(setting_parse_listen(good[i], &value, problem, sizeof(problem)), 0);
                assert_string_equal(value, good[i]);
        }
}

static void what_is_out_of_bounds_is_refused(void **state)
{
        refused(setting_parse_umask, "", "is no mask");
        refused(setting_parse_umask, "1000", "is no mask");
        refused(setting_parse_umask, "08", "is no mask");
        refused(setting_parse_umask, "-1", "is no mask");
        refused(setting_parse_nice, "20", "from -20 to 19");
        refused(setting_parse_nice, "-21", "from -20 to 19");
        refused(setting_parse_nice, "-", "from -20 to 19");
        refused(setting_parse_oom, "1001", "from -1000 to 1000");
        refused(setting_parse_keep, "1001", "0 to 1000");
        refused(setting_parse_path, "a", "no absolute path");
        refused(setting_parse_control, "a", "or write none");
        refused(setting_parse_listen, "80", "no ADDRESS:PORT");
        refused(setting_parse_listen, "localhost:80", "no ADDRESS:PORT");
        refused(setting_parse_listen, "127.0.0.1:65536", "no ADDRESS:PORT");
        refused(setting_parse_listen, "127.0.0.1:", "no ADDRESS:PORT");
        refused(setting_parse_listen, "::1:80", "no ADDRESS:PORT");
        refused(setting_parse_listen, "[::1:80", "no ADDRESS:PORT");
        refused(setting_parse_listen, "[127.0.0.1]:80", "no ADDRESS:PORT");
        refused(setting_parse_listen, "[", "no ADDRESS:PORT");
        refused(setting_parse_listen, "[:1", "no ADDRESS:PORT");
        refused(setting_parse_listen, ":80", "no ADDRESS:PORT");
        refused(setting_parse_start, "later", "none of auto manual");
        refused(setting_parse_output, "file:a", "names no file");
        refused(setting_parse_output, "file:/a/", "names no file");
        refused(setting_parse_output, "syslog", "none of auto inherit journal");
        refused(setting_parse_systemd_unit, "a", "");
        refused(value_parse_slots, "0", "number of slots");
        refused(value_parse_priority, "10000", "no priority");
}

#define LIST(...) (char *const *)(const char *[]){__VA_ARGS__}, ARRAY_SIZE(((const char *[]){__VA_ARGS__}))

static void a_command_is_a_list_or_words(void **state)
{
        CLEANUP(arena_free) Arena *arena = arena_new();
        char **words = NULL;

        assert_int_equal(
                setting_parse_command(arena, LIST("a 'b c' \"d\""), &words, problem, sizeof(problem)), 0);
        assert_string_equal(words[1], "b c");
        assert_string_equal(words[2], "d");
        assert_null(words[3]);
        assert_int_equal(
                setting_parse_command(arena, LIST("a", "b 'c"), &words, problem, sizeof(problem)), 0);
        assert_string_equal(words[1], "b 'c");
        assert_null(words[2]);
        assert_true(setting_parse_command(arena, LIST("a 'b"), &words, problem, sizeof(problem)) < 0);
        assert_true(setting_parse_command(arena, LIST(" "), &words, problem, sizeof(problem)) < 0);
        assert_true(setting_parse_command(arena, LIST("", "b"), &words, problem, sizeof(problem)) < 0);
        assert_true(setting_parse_command(arena, NULL, 0, &words, problem, sizeof(problem)) < 0);
}

static void an_environment_is_names_and_values(void **state)
{
        CLEANUP(arena_free) Arena *arena = arena_new();
        char **words = NULL;

        assert_int_equal(
                setting_parse_environment(arena, LIST("A=1=2", "_b9="), &words, problem, sizeof(problem)), 0);
        assert_string_equal(words[0], "A=1=2");
        assert_null(words[2]);
        assert_true(setting_parse_environment(arena, LIST("A"), &words, problem, sizeof(problem)) < 0);
        assert_true(
                setting_parse_environment(arena, LIST("A=1", "9=1"), &words, problem, sizeof(problem)) < 0);
        assert_string_equal(problem, "has '9=1', which is no NAME=VALUE");
        assert_true(setting_parse_environment(arena, LIST("=1"), &words, problem, sizeof(problem)) < 0);
        assert_true(setting_parse_environment(arena, LIST("A B=1"), &words, problem, sizeof(problem)) < 0);
}

static void limits_are_soft_and_hard(void **state)
{
        CLEANUP(arena_free) Arena *arena = arena_new();
        ChildConfig child = CHILD_CONFIG_DEFAULT;
        char *many[CHILD_LIMITS_MAX + 1];

        assert_int_equal(setting_parse_limits(
                                 arena, LIST("nofile=1:2", "as=infinity"), &child, problem, sizeof(problem)),
                0);
        assert_int_equal(child.n_limits, 2);
        assert_true(child.limits[0].soft == 1 && child.limits[0].hard == 2);
        assert_true(child.limits[1].soft == RLIM_INFINITY && child.limits[1].hard == RLIM_INFINITY);
        assert_true(setting_parse_limits(arena, LIST("nofile=2:1"), &child, problem, sizeof(problem)) < 0);
        assert_true(strstr(problem, "above the hard one"));
        assert_true(setting_parse_limits(arena, LIST("nofile"), &child, problem, sizeof(problem)) < 0);
        assert_true(setting_parse_limits(arena, LIST("files=1"), &child, problem, sizeof(problem)) < 0);
        assert_true(strstr(problem, "nofile"));
        assert_true(
                setting_parse_limits(arena, LIST("cpu=1", "cpu=2"), &child, problem, sizeof(problem)) < 0);
        assert_true(strstr(problem, "twice"));
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = (char *)"cpu=1";
        assert_true(
                setting_parse_limits(arena, many, ARRAY_SIZE(many), &child, problem, sizeof(problem)) < 0);
        assert_int_equal(child.n_limits, 2);
}

static void write_file(const char *path, const char *text)
{
        assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static void files_with_an_environment_are_read(void **state)
{
        CLEANUP(arena_free) Arena *arena = arena_new();
        char directory[] = "/tmp/zksup-test-XXXXXX", path[64], optional[65];
        char **words = NULL;

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/env", directory);
        snprintf(optional, sizeof(optional), "-%s", path);
        assert_int_equal(
                setting_parse_environment_files(arena, LIST(optional), &words, problem, sizeof(problem)), 0);
        assert_null(words[0]);
        assert_true(setting_parse_environment_files(arena, LIST(path), &words, problem, sizeof(problem)) < 0);
        assert_true(strstr(problem, "write '-' before it"));
        write_file(path, "# x\n\n A=1 \nB=\"two words\"\n; y\nC='\nD=${A}\r\nE=");
        assert_int_equal(setting_parse_environment_files(
                                 arena, LIST(path, optional), &words, problem, sizeof(problem)),
                0);
        assert_string_equal(words[0], "A=1");
        assert_string_equal(words[1], "B=two words");
        assert_string_equal(words[2], "C='");
        assert_string_equal(words[3], "D=${A}");
        assert_string_equal(words[4], "E=");
        assert_string_equal(words[5], "A=1");
        assert_null(words[10]);
        write_file(path, "A=1\nexport B=2\n");
        assert_true(setting_parse_environment_files(arena, LIST(path), &words, problem, sizeof(problem)) < 0);
        assert_true(strstr(problem, "export B=2"));
        assert_true(setting_parse_environment_files(arena, LIST("x"), &words, problem, sizeof(problem)) < 0);
        assert_true(setting_parse_environment_files(
                            arena, LIST(directory), &words, problem, sizeof(problem)) < 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(sizes_have_units),
                cmocka_unit_test(flags_are_said_in_words),
                cmocka_unit_test(addresses_to_listen_on_are_numbers),
                cmocka_unit_test(what_is_out_of_bounds_is_refused),
                cmocka_unit_test(a_command_is_a_list_or_words),
                cmocka_unit_test(an_environment_is_names_and_values),
                cmocka_unit_test(limits_are_soft_and_hard),
                cmocka_unit_test(files_with_an_environment_are_read)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
