/* util: what people type is read strictly, and what is written is whole. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/file.h"
#include "util/log.h"
#include "util/random.h"
#include "util/signal-name.h"
#include "util/text.h"

static void durations_are_read_as_people_write_them(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t usec;
        } cases[] = {
                {"0", 0, 0},
                {"15", 0, 15000000},
                {"1.5s", 0, 1500000},
                {"250ms", 0, 250000},
                {"7us", 0, 7},
                {"1m30s", 0, 90000000},
                {"2min", 0, 120000000},
                {"1h", 0, 3600000000ULL},
                {"1d", 0, 86400000000ULL},
                {"infinity", 0, USEC_INFINITY},
                {"", -EINVAL, 0},
                {"s", -EINVAL, 0},
                {"-1s", -EINVAL, 0},
                {"1 s", -EINVAL, 0},
                {"1.", -EINVAL, 0},
                {"1.s", -EINVAL, 0},
                {"5x", -EINVAL, 0},
                {"5sx", -EINVAL, 0},
                {"1h5", 0, 3605000000ULL},
                {"99999999999999999999", -ERANGE, 0},
                {"600000d600000000000000h", -ERANGE, 0},
                {"18446744073709551615us", -ERANGE, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint64_t usec = 42;
                int r = duration_parse(cases[i].text, &usec);

                if (r != cases[i].r || usec != (r < 0 ? 42 : cases[i].usec))
                        fail_msg("'%s': %d, %llu", cases[i].text, r, (unsigned long long)usec);
        }
}

static void durations_are_written_for_people(void **state)
{
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {{0, "0s"}, {5, "5us"}, {250000, "250ms"}, {1500000, "1.5s"}, {90000000, "1m30s"},
                {7260000000ULL, "2h1m"}, {USEC_INFINITY, "infinity"}};
        char buf[DURATION_STRING_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                assert_string_equal(duration_to_string(cases[i].usec, buf), cases[i].text);
}

static void times_saturate(void **state)
{
        assert_int_equal(usec_add(USEC_INFINITY, 1), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY - 1, 5), USEC_INFINITY);
        assert_int_equal(usec_add(2, 3), 5);
        assert_int_equal(usec_sub(2, 3), 0);
        assert_int_equal(usec_sub(USEC_INFINITY, 3), USEC_INFINITY);
}

static void numbers_are_strict(void **state)
{
        uint64_t v = 7;

        assert_int_equal(text_to_u64("0", 0, 9, &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(text_to_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
        assert_int_equal(v, UINT64_MAX);
        v = 7;
        assert_int_equal(text_to_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
        assert_int_equal(text_to_u64("10", 0, 9, &v), -ERANGE);
        assert_int_equal(text_to_u64("0", 1, 9, &v), -ERANGE);
        assert_int_equal(text_to_u64("", 0, 9, &v), -EINVAL);
        assert_int_equal(text_to_u64("+1", 0, 9, &v), -EINVAL);
        assert_int_equal(text_to_u64(" 1", 0, 9, &v), -EINVAL);
        assert_int_equal(text_to_u64("1x", 0, 9, &v), -EINVAL);
        assert_int_equal(v, 7);
}

static void signals_go_by_their_names(void **state)
{
        char buf[SIGNAL_NAME_MAX];

        assert_int_equal(signal_from_string("TERM"), SIGTERM);
        assert_int_equal(signal_from_string("sigterm"), SIGTERM);
        assert_int_equal(signal_from_string("15"), SIGTERM);
        assert_int_equal(signal_from_string("RTMIN+3"), SIGRTMIN + 3);
        assert_int_equal(signal_from_string("RTMAX-1"), SIGRTMAX - 1);
        assert_int_equal(signal_from_string("RTMIN"), SIGRTMIN);
        assert_int_equal(signal_from_string("RTMAX"), SIGRTMAX);
        assert_int_equal(signal_from_string("NOPE"), -EINVAL);
        assert_int_equal(signal_from_string("0"), -EINVAL);
        assert_int_equal(signal_from_string("99"), -EINVAL);
        for (int i = 1; i < SIGRTMAX; i++)
                assert_int_equal(signal_from_string(signal_to_string(i, buf)), i);
}

static void only_what_zookeeper_takes_is_a_component(void **state)
{
        char longest[202];

        memset(longest, 'a', sizeof(longest));
        longest[201] = '\0';
        assert_null(text_component_problem("web-1"));
        assert_null(text_component_problem("Straße"));
        assert_non_null(text_component_problem(""));
        assert_non_null(text_component_problem("a/b"));
        assert_non_null(text_component_problem("."));
        assert_non_null(text_component_problem(".."));
        assert_non_null(text_component_problem("zookeeper"));
        assert_non_null(text_component_problem("a\tb"));
        assert_non_null(text_component_problem(longest));
        longest[200] = '\0';
        assert_null(text_component_problem(longest));
}

static void a_buffer_grows_and_gives_its_text_away(void **state)
{
        TextBuffer b = {0};
        char *text;

        for (int i = 0; i < 100; i++)
                text_buffer_printf(&b, "%d,", i);
        text_buffer_puts(&b, "end");
        text = text_buffer_take(&b);
        assert_non_null(text);
        assert_int_equal(strlen(text), 10 * 2 + 90 * 3 + 3);
        assert_true(text_has_suffix(text, "99,end"));
        assert_true(text_has_prefix(text, "0,1,2,"));
        assert_null(b.data);
        free(text);
}

static void a_file_is_replaced_whole_or_not_at_all(void **state)
{
        char dir[] = "/tmp/zksup-test-XXXXXX", path[64], *data;
        size_t len;

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/f", dir);
        assert_int_equal(file_write_atomic(path, "old", 3, 0600), 0);
        assert_int_equal(file_write_atomic(path, "newer", 5, 0600), 0);
        assert_int_equal(file_read(path, 100, &data, &len), 0);
        assert_int_equal(len, 5);
        assert_string_equal(data, "newer");
        free(data);
        assert_int_equal(file_read(path, 4, &data, &len), -EFBIG);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(dir), 0); /* no temporary file is left */
        assert_int_equal(file_read(path, 4, &data, &len), -ENOENT);
        assert_int_equal(file_write_atomic(path, "x", 1, 0600), -ENOENT);
}

static void random_numbers_repeat_with_their_seed_and_stay_below_the_bound(void **state)
{
        Random a, b;
        char id[RANDOM_ID_MAX], id2[RANDOM_ID_MAX];
        unsigned counts[10] = {0};

        random_init(&a, 1);
        random_init(&b, 1);
        for (int i = 0; i < 1000; i++) {
                uint64_t v = random_below(&a, 10);

                assert_int_equal(v, random_below(&b, 10));
                assert_true(v < 10);
                counts[v]++;
        }
        for (int i = 0; i < 10; i++)
                assert_in_range(counts[i], 60, 140);
        random_uuid(id);
        random_uuid(id2);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(id[14], '4');
        assert_string_not_equal(id, id2);
}

static char seen[64];
static void keep_line(enum LogLevel level, const char *line, void *userdata)
{
        snprintf(seen, sizeof(seen), "%d %.60s", level, line);
}

static void only_lines_up_to_the_level_are_made(void **state)
{
        log_set_sink(keep_line, NULL);
        log_info("one %d", 1);
        assert_string_equal(seen, "6 one 1");
        log_debug("two");
        assert_string_equal(seen, "6 one 1");
        log_set_level(LOG_LEVEL_DEBUG);
        log_debug("two");
        assert_string_equal(seen, "7 two");
        log_set_sink(NULL, NULL);
        log_set_level(LOG_LEVEL_INFO);
}

/* A pipe nobody reads is full: the line is dropped and counted, the caller is not held up. */
static void a_full_stderr_does_not_block(void **state)
{
        int fds[2], saved = dup(STDERR_FILENO);
        char junk[4096] = {0};
        uint64_t before = log_dropped(), began = clock_boottime_usec();

        assert_int_equal(pipe(fds), 0);
        for (int i = 0; i < 16; i++)
                assert_int_equal(write(fds[1], junk, sizeof(junk)), sizeof(junk));
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        log_error("nobody reads this");
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        assert_int_equal(log_dropped(), before + 1);
        assert_true(clock_boottime_usec() - began < 5 * USEC_PER_SEC);
        close(saved);
        close(fds[0]);
        close(fds[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(durations_are_read_as_people_write_them),
                cmocka_unit_test(durations_are_written_for_people),
                cmocka_unit_test(times_saturate),
                cmocka_unit_test(numbers_are_strict),
                cmocka_unit_test(signals_go_by_their_names),
                cmocka_unit_test(only_what_zookeeper_takes_is_a_component),
                cmocka_unit_test(a_buffer_grows_and_gives_its_text_away),
                cmocka_unit_test(a_file_is_replaced_whole_or_not_at_all),
                cmocka_unit_test(random_numbers_repeat_with_their_seed_and_stay_below_the_bound),
                cmocka_unit_test(only_lines_up_to_the_level_are_made),
                cmocka_unit_test(a_full_stderr_does_not_block),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
