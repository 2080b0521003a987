/* A file that lines are appended to: rotation, and what cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "unit/log-file.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/macros.h"

typedef struct Rig {
        char dir[64], path[100];
        char said[4000];
        sd_event *event;
} Rig;

static void note(enum LogLevel level, const char *line, void *userdata)
{
        Rig *rig = userdata;
        size_t len = strlen(rig->said);

        snprintf(rig->said + len, sizeof(rig->said) - len, "%s\n", line);
}

static int set_up(void **state)
{
        Rig *rig = calloc(1, sizeof(*rig));

        snprintf(rig->dir, sizeof(rig->dir), "/tmp/test-log-file.XXXXXX");
        assert_non_null(mkdtemp(rig->dir));
        snprintf(rig->path, sizeof(rig->path), "%s/web.log", rig->dir);
        assert_true(sd_event_new(&rig->event) >= 0);
        log_set_sink(note, rig);
        *state = rig;
        return 0;
}

static int tear_down(void **state)
{
        Rig *rig = *state;
        char command[100];

        snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
        assert_int_equal(system(command), 0);
        log_set_sink(NULL, NULL);
        sd_event_unref(rig->event);
        free(rig);
        return 0;
}

static void sync_file(LogFile *file)
{
        log_file_sync(file, 20 * USEC_PER_SEC);
}

static LogFileStatistics statistics(const LogFile *file)
{
        LogFileStatistics s;

        log_file_statistics(file, &s);
        return s;
}

static LogFile *get(Rig *rig, uint64_t rotate_bytes, unsigned keep)
{
        LogFile *file = NULL;

        assert_int_equal(log_file_get(&file, rig->event, 0, rig->path, rotate_bytes, keep), 0);
        sync_file(file);
        return file;
}

/* How much of it was written. */
static size_t put(LogFile *file, const char *text)
{
        uint64_t before = statistics(file).dropped_bytes;

        log_file_write(file, text, strlen(text), 1);
        sync_file(file);
        return strlen(text) - (statistics(file).dropped_bytes - before);
}

/* What is in FILE.N, "-" if there is none. */
static void assert_content(const Rig *rig, unsigned n, const char *expected)
{
        CLEANUP_STRING data = NULL;
        char path[120];

        snprintf(path, sizeof(path), n ? "%s.%u" : "%s", rig->path, n);
        assert_string_equal(file_read(path, 10000, &data, NULL) == 0 ? data : "-", expected);
}

static unsigned count(const char *text, const char *what)
{
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, what)); p++)
                n++;
        return n;
}

static void what_is_there_is_appended_to(void **state)
{
        Rig *rig = *state;
        LogFile *file;
        struct stat st;

        umask(0);
        file = get(rig, 0, 0);
        put(file, "one\n");
        file = log_file_put(file);
        file = get(rig, 0, 0);
        put(file, "two\n");
        log_file_put(file);
        assert_content(rig, 0, "one\ntwo\n");
        assert_int_equal(stat(rig->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_full_file_becomes_the_first_old_one(void **state)
{
        Rig *rig = *state;
        LogFile *file;

        file = get(rig, 8, 2);
        for (const char *const *p =
                        (const char *const[]){"a1\n", "a2\n", "b1\n", "b2\n", "c1\n", "c2\n", "d1\n", NULL};
                *p; p++)
                assert_int_equal(put(file, *p), 3);
        assert_content(rig, 0, "d1\n");
        assert_content(rig, 1, "c1\nc2\n");
        assert_content(rig, 2, "b1\nb2\n");
        assert_content(rig, 3, "-");
        assert_int_equal(statistics(file).rotations, 3);
        log_file_put(file);
}

static void a_line_that_fits_nowhere_has_a_file_of_its_own(void **state)
{
        Rig *rig = *state;
        LogFile *file;

        file = get(rig, 8, 3);
        put(file, "a line that is too long\n");
        put(file, "b\n");
        assert_content(rig, 0, "b\n");
        assert_content(rig, 1, "a line that is too long\n");
        assert_content(rig, 2, "-");
        log_file_put(file);
}

static void with_none_to_keep_the_old_one_is_removed(void **state)
{
        Rig *rig = *state;
        LogFile *file;

        file = get(rig, 4, 0);
        put(file, "a1\n");
        put(file, "a2\n");
        assert_content(rig, 0, "a2\n");
        assert_content(rig, 1, "-");
        log_file_put(file);
}

static void two_who_write_to_one_path_move_on_together(void **state)
{
        Rig *rig = *state;
        LogFile *one, *two;

        one = get(rig, 7, 1);
        two = get(rig, 7, 1);
        put(one, "a1\n");
        put(two, "b1\n");
        put(one, "a2\n");
        put(two, "b2\n");
        assert_content(rig, 0, "a2\nb2\n");
        assert_content(rig, 1, "a1\nb1\n");
        log_file_put(one);
        put(two, "b3\n");
        assert_content(rig, 0, "b3\n");
        log_file_put(two);
}

static void a_file_that_was_moved_away_is_begun_anew(void **state)
{
        Rig *rig = *state;
        char moved[120];
        LogFile *file;

        snprintf(moved, sizeof(moved), "%s.1", rig->path);
        file = get(rig, 0, 0);
        put(file, "a1\n");
        assert_int_equal(rename(rig->path, moved), 0);
        put(file, "a2\n");
        log_file_reopen(file);
        put(file, "a3\n");
        assert_content(rig, 0, "a3\n");
        assert_content(rig, 1, "a1\na2\n");
        log_file_put(file);
}

static void a_missing_directory_is_said_once_and_tried_again(void **state)
{
        Rig *rig = *state;
        uint64_t until = clock_boottime_usec() + 30 * USEC_PER_SEC;
        char path[100];
        LogFile *file;

        snprintf(path, sizeof(path), "%s/sub", rig->dir);
        snprintf(rig->path, sizeof(rig->path), "%s/web.log", path);
        file = get(rig, 0, 0);
        assert_int_equal(put(file, "a1\n"), 0);
        assert_int_equal(put(file, "a2\n"), 0);
        assert_int_equal(count(rig->said, "\n"), 1);
        assert_int_equal(count(rig->said, "web.log: No such file or directory"), 1);
        assert_int_equal(mkdir(path, 0755), 0);
        while (put(file, "b\n") == 0) {
                assert_true(clock_boottime_usec() < until);
                usleep(20000);
        }
        assert_content(rig, 0, "b\n");
        assert_int_equal(count(rig->said, "\n"), 2);
        assert_int_equal(count(rig->said, "can be written again"), 1);
        log_file_put(file);
}

/* The limit of a file's size ends a write in the middle, as a full disk does. */
static void a_line_that_was_cut_off_by_a_full_disk_ends_before_the_next(void **state)
{
        Rig *rig = *state;
        struct rlimit old, small;
        LogFile *file;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small = old;
        small.rlim_cur = 6;
        file = get(rig, 0, 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_int_equal(put(file, "one\n"), 4);
        assert_int_equal(put(file, "two\n"), 2);
        assert_int_equal(put(file, "three\n"), 0);
        assert_int_equal(put(file, "four\n"), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(put(file, "five\n"), 5);
        assert_content(rig, 0, "one\ntw\nfive\n");
        assert_int_equal(count(rig->said, "\n"), 2);
        assert_int_equal(count(rig->said, "File too large"), 1);
        assert_int_equal(count(rig->said, "3 lines were dropped"), 1);
        log_file_put(file);
}

static void a_full_device_is_said_once(void **state)
{
        Rig *rig = *state;
        LogFile *file;

        snprintf(rig->path, sizeof(rig->path), "/dev/full");
        file = get(rig, 1, 1);
        for (int i = 0; i < 10; i++)
                assert_int_equal(put(file, "line\n"), 0);
        assert_int_equal(count(rig->said, "No space left"), 1);
        assert_int_equal(count(rig->said, "\n"), 1);
        assert_int_equal(statistics(file).rotations, 0);
        log_file_put(file);
}

static void a_rotation_that_fails_loses_nothing(void **state)
{
        Rig *rig = *state;
        char obstacle[120], inside[140];
        LogFile *file;

        snprintf(obstacle, sizeof(obstacle), "%s.1", rig->path);
        snprintf(inside, sizeof(inside), "%s/full", obstacle);
        assert_int_equal(mkdir(obstacle, 0755), 0);
        assert_int_equal(mkdir(inside, 0755), 0);
        file = get(rig, 4, 1);
        for (int i = 0; i < 4; i++)
                assert_int_equal(put(file, "ab\n"), 3);
        assert_content(rig, 0, "ab\nab\nab\nab\n");
        assert_int_equal(count(rig->said, "cannot rotate"), 1);
        assert_int_equal(count(rig->said, "\n"), 1);
        log_file_put(file);
}

/* A pipe without a reader, and one that nobody empties, are not waited for. */
static void a_pipe_is_not_waited_for(void **state)
{
        Rig *rig = *state;
        char line[1001];
        LogFile *file;
        bool dropped = false;

        assert_int_equal(mkfifo(rig->path, 0600), 0);
        memset(line, 'x', sizeof(line));
        strcpy(line + sizeof(line) - 2, "\n");
        file = get(rig, 10, 1);
        assert_int_equal(count(rig->said, "\n"), 1);
        log_file_put(file);
        FILE *reader = fopen(rig->path, "r+");
        file = get(rig, 10, 1);
        for (int i = 0; i < 2000 && !dropped; i++)
                dropped = put(file, line) < strlen(line);
        assert_true(dropped);
        assert_int_equal(count(rig->said, "its reader is stuck"), 1);
        log_file_put(file);
        fclose(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_there_is_appended_to),
                TEST(a_full_file_becomes_the_first_old_one),
                TEST(a_line_that_fits_nowhere_has_a_file_of_its_own),
                TEST(with_none_to_keep_the_old_one_is_removed),
                TEST(two_who_write_to_one_path_move_on_together),
                TEST(a_file_that_was_moved_away_is_begun_anew),
                TEST(a_missing_directory_is_said_once_and_tried_again),
                TEST(a_line_that_was_cut_off_by_a_full_disk_ends_before_the_next),
                TEST(a_full_device_is_said_once),
                TEST(a_rotation_that_fails_loses_nothing),
                TEST(a_pipe_is_not_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
