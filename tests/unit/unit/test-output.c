/* Outputs over real pipes and a real loop: where lines go, and who waits for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <unistd.h>
#include "unit/line-splitter.h"
#include "unit/output.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/macros.h"

#define DEADLINE_USEC (20 * USEC_PER_SEC)

typedef struct Rig {
        sd_event *event;
        Output *output;
        char dir[64], path[100];
        char said[4000];
        int saved_stdout; /* while standard output is our pipe */
        int reader;
        TextBuffer read;
        size_t lines_read;
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

        snprintf(rig->dir, sizeof(rig->dir), "/tmp/test-output.XXXXXX");
        assert_non_null(mkdtemp(rig->dir));
        snprintf(rig->path, sizeof(rig->path), "%s/web.log", rig->dir);
        assert_true(sd_event_new(&rig->event) >= 0);
        rig->saved_stdout = rig->reader = -1;
        log_set_sink(note, rig);
        *state = rig;
        return 0;
}

/* Standard output is given back at once where a test fails, so that this can be seen. */
static void give_stdout_back(Rig *rig)
{
        if (rig->saved_stdout < 0)
                return;
        fflush(stdout);
        dup2(rig->saved_stdout, STDOUT_FILENO);
        rig->saved_stdout = fd_close(rig->saved_stdout);
}

static int tear_down(void **state)
{
        Rig *rig = *state;
        char command[100];

        give_stdout_back(rig);
        output_free(rig->output);
        fd_close(rig->reader);
        sd_event_unref(rig->event);
        text_buffer_deinit(&rig->read);
        snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
        assert_int_equal(system(command), 0);
        log_set_sink(NULL, NULL);
        free(rig);
        return 0;
}

static void make(Rig *rig, enum OutputKind kind)
{
        OutputConfig config = {.kind = kind, .path = rig->path};

        assert_int_equal(output_new(&rig->output, rig->event, &config, "web", LOG_INFO, STDOUT_FILENO), 0);
}

/* Our standard output is a pipe from here on. */
static void make_inherit_into_pipe(Rig *rig)
{
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        fflush(stdout);
        rig->saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
        dup2(fds[1], STDOUT_FILENO);
        close(fds[1]);
        rig->reader = fds[0];
        assert_int_equal(fcntl(rig->reader, F_SETFL, O_NONBLOCK), 0);
        make(rig, OUTPUT_INHERIT);
}

static void print(const Rig *rig, const char *text)
{
        assert_int_equal(write(output_fd(rig->output), text, strlen(text)), strlen(text));
}

/* As a command that prints all the time: not one more byte goes in. Returns how many did. */
static size_t fill(const Rig *rig)
{
        int fd = output_fd(rig->output), flags = fcntl(fd, F_GETFL);
        char text[4096];
        size_t all = 0;
        ssize_t n;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = i % 2 ? '\n' : 'y';
        assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
        while ((n = write(fd, text, sizeof(text))) > 0)
                all += (size_t)n;
        assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
        return all;
}

static OutputStatistics statistics(const Rig *rig)
{
        OutputStatistics s;

        output_statistics(rig->output, &s);
        return s;
}

static void run_once(Rig *rig)
{
        assert_true(sd_event_run(rig->event, 10 * USEC_PER_MSEC) >= 0);
}

static void run_until_lines(Rig *rig, uint64_t lines)
{
        uint64_t until = clock_boottime_usec() + DEADLINE_USEC;

        while (statistics(rig).lines < lines) {
                assert_true(clock_boottime_usec() < until);
                run_once(rig);
        }
}

static void read_what_is_there(Rig *rig)
{
        char data[4096];
        ssize_t n;

        while ((n = read(rig->reader, data, sizeof(data))) > 0) {
                text_buffer_append(&rig->read, data, (size_t)n);
                for (ssize_t i = 0; i < n; i++)
                        rig->lines_read += data[i] == '\n';
        }
}

/* Now, or soon: who is gone may still be writing. */
static void assert_file(const char *path, const char *expected)
{
        uint64_t until = clock_boottime_usec() + DEADLINE_USEC;

        for (;;) {
                CLEANUP_STRING data = NULL;

                if (file_read(path, 1000000, &data, NULL) == 0 && strcmp(data, expected) == 0)
                        return;
                if (clock_boottime_usec() > until)
                        fail_msg("%s is '%s', not '%s'", path, data ? data : "", expected);
                usleep(1000);
        }
}

static void end_run(Output *output)
{
        output_end_run(output);
        output_sync(output, DEADLINE_USEC);
}

static unsigned count(const char *text, const char *what)
{
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, what)); p++)
                n++;
        return n;
}

/* --- where lines go ----------------------------------------------------------------------------- */

static void an_inherited_line_has_the_name_of_its_unit_before_it(void **state)
{
        Rig *rig = *state;

        make_inherit_into_pipe(rig);
        print(rig, "one\ntwo\nthr");
        run_until_lines(rig, 2);
        print(rig, "ee\n");
        run_until_lines(rig, 3);
        read_what_is_there(rig);
        assert_string_equal(rig->read.data, "web: one\nweb: two\nweb: three\n");
}

static void a_line_without_newline_ends_with_the_run(void **state)
{
        Rig *rig = *state;

        make(rig, OUTPUT_FILE);
        print(rig, "one\nlast");
        end_run(rig->output);
        assert_file(rig->path, "one\nlast\n");
        print(rig, "next\n");
        end_run(rig->output);
        assert_file(rig->path, "one\nlast\nnext\n");
        assert_int_equal(statistics(rig).lines, 3);
}

static void what_was_not_read_yet_is_written_at_the_end(void **state)
{
        Rig *rig = *state;
        CLEANUP_FD other = -1;

        make(rig, OUTPUT_FILE);
        other = dup(output_fd(rig->output)); /* a descendant that has kept it */
        print(rig, "one\ntwo");
        rig->output = output_free(rig->output);
        assert_file(rig->path, "one\ntwo\n");
}

static void a_long_line_is_marked_where_it_is_cut(void **state)
{
        CLEANUP_STRING text = malloc(LINE_MAX_LENGTH + 3);
        CLEANUP_STRING written = NULL;
        Rig *rig = *state;

        memset(text, 'x', LINE_MAX_LENGTH + 1);
        strcpy(text + LINE_MAX_LENGTH + 1, "\n");
        make(rig, OUTPUT_FILE);
        print(rig, text);
        end_run(rig->output);
        assert_int_equal(file_read(rig->path, 100000, &written, NULL), 0);
        assert_string_equal(written + LINE_MAX_LENGTH, " [...]\n[...] x\n");
}

static void nothing_is_read_where_there_is_nothing_to_read(void **state)
{
        Rig *rig = *state;

        make(rig, OUTPUT_NULL);
        print(rig, "gone\n");
        end_run(rig->output);
        assert_int_equal(statistics(rig).lines, 0);
        rig->output = output_free(rig->output);
        make(rig, OUTPUT_DIRECT);
        assert_int_equal(output_fd(rig->output), -1);
        end_run(rig->output);
}

static void rotation_is_between_lines(void **state)
{
        Rig *rig = *state;
        OutputConfig config = {.kind = OUTPUT_FILE, .path = rig->path, .rotate_bytes = 10, .rotate_keep = 1};
        char old[120];

        assert_int_equal(output_new(&rig->output, rig->event, &config, "web", LOG_INFO, STDOUT_FILENO), 0);
        print(rig, "one\ntwo\nthree\nfour\n");
        end_run(rig->output);
        snprintf(old, sizeof(old), "%s.1", rig->path);
        assert_file(rig->path, "four\n");
        assert_file(old, "three\n");
        assert_int_equal(statistics(rig).rotations, 2);
}

static void both_streams_have_one_memory_in_the_order_of_reading(void **state)
{
        CLEANUP(text_buffer_deinit) TextBuffer tail = {0};
        CLEANUP(output_free) Output *err = NULL;
        Rig *rig = *state;
        OutputConfig config = {.kind = OUTPUT_FILE, .path = "/dev/null"};

        make(rig, OUTPUT_FILE);
        assert_int_equal(output_new(&err, rig->event, &config, "web", LOG_ERR, STDERR_FILENO), 0);
        output_join(rig->output, err);
        for (int i = 0; i < 2; i++) {
                print(rig, "out\n");
                end_run(rig->output);
                assert_int_equal(write(output_fd(err), "err\n", 4), 4);
                end_run(err);
        }
        assert_int_equal(output_tail(err, 3, &tail), 3);
        assert_string_equal(tail.data, "err\nout\nerr\n");
        assert_int_equal(output_total(rig->output), 4);
}

/* --- who waits for whom ------------------------------------------------------------------------- */

static int on_turn(sd_event_source *source, void *userdata)
{
        (*(unsigned *)userdata)++;
        return 0;
}

/* Whatever else is due comes first, also what has the lowest of the named priorities; and a turn is short. */
static void a_flood_takes_the_time_that_is_left(void **state)
{
        Rig *rig = *state;
        uint64_t before = 0;
        unsigned turns = 0;

        make(rig, OUTPUT_FILE);
        for (int i = 0; i < 20; i++) {
                sd_event_source *idle = NULL;
                uint64_t now;

                output_sync(rig->output, DEADLINE_USEC);
                fill(rig);
                assert_true(sd_event_add_defer(rig->event, &idle, on_turn, &turns) >= 0);
                assert_true(sd_event_source_set_priority(idle, SD_EVENT_PRIORITY_IDLE) >= 0);
                run_once(rig);
                assert_int_equal(turns, i + 1);
                assert_int_equal(statistics(rig).bytes, before);
                run_once(rig);
                now = statistics(rig).bytes;
                assert_true(now > before && now - before <= 16384);
                before = now;
                sd_event_source_unref(idle);
        }
        assert_int_equal(statistics(rig).dropped_lines, 0);
}

/* Returns whether the patience has certainly not run out meanwhile, as it may on a busy machine. */
static bool try_burst(Rig *rig)
{
        uint64_t begin = clock_boottime_usec(), before = statistics(rig).lines,
                 dropped = statistics(rig).dropped_lines;
        size_t lines = fill(rig) / 2;

        rig->read.len = rig->lines_read = 0;
        for (int i = 0; i < 8; i++) /* our own pipe is full, with names before the lines */
                run_once(rig);
        assert_true(statistics(rig).lines - before < lines);
        while (rig->lines_read + statistics(rig).dropped_lines - dropped < lines) {
                assert_true(clock_boottime_usec() - begin < DEADLINE_USEC);
                run_once(rig);
                read_what_is_there(rig);
        }
        return clock_boottime_usec() - begin < USEC_PER_SEC;
}

static void a_burst_on_a_slow_reader_is_not_lost(void **state)
{
        Rig *rig = *state;

        make_inherit_into_pipe(rig);
        for (unsigned tries = 0;; tries++) {
                uint64_t before = statistics(rig).dropped_lines;

                rig->said[0] = '\0';
                if (try_burst(rig)) {
                        assert_true(statistics(rig).dropped_lines == before);
                        assert_int_equal(count(rig->read.data, "web: y\n"), count(rig->read.data, "\n"));
                        assert_string_equal(rig->said, "");
                        return;
                }
                if (tries == 20)
                        skip(); /* never a second without a standstill */
        }
}

/* After a second of patience the command goes on, and when the reader does what was kept comes first. */
static void a_stuck_reader_does_not_hold_the_command_up(void **state)
{
        Rig *rig = *state;
        uint64_t until = clock_boottime_usec() + DEADLINE_USEC;
        uint64_t lines = 0;

        make_inherit_into_pipe(rig);
        for (int i = 0; i < 5; i++) { /* far more than fits anywhere */
                lines += fill(rig) / 2;
                while (statistics(rig).lines < lines) {
                        assert_true(clock_boottime_usec() < until);
                        run_once(rig);
                }
        }
        assert_true(statistics(rig).dropped_lines > 0);
        assert_int_equal(count(rig->said, "\n"), 1);
        assert_int_equal(count(rig->said, "cannot write to standard output: its reader is stuck"), 1);
        while (count(rig->said, "can be written again") == 0) {
                assert_true(clock_boottime_usec() < until);
                read_what_is_there(rig);
                run_once(rig);
        }
        print(rig, "after\n");
        run_until_lines(rig, lines + 1);
        read_what_is_there(rig);
        assert_int_equal(count(rig->read.data, "web: after\n"), 1);
        assert_int_equal(count(rig->read.data, "\n"), lines + 1 - statistics(rig).dropped_lines);
        assert_int_equal(count(rig->read.data, "web: y\n"), lines - statistics(rig).dropped_lines);
}

/* As somebody who has pressed ^S. */
static void a_stopped_terminal_does_not_hold_the_command_up(void **state)
{
        Rig *rig = *state;
        uint64_t until = clock_boottime_usec() + DEADLINE_USEC, lines = 0;
        CLEANUP_FD slave = -1;
        struct termios raw;

        rig->reader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        assert_true(rig->reader >= 0);
        assert_int_equal(grantpt(rig->reader), 0);
        assert_int_equal(unlockpt(rig->reader), 0);
        slave = open(ptsname(rig->reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_int_equal(tcgetattr(slave, &raw), 0);
        cfmakeraw(&raw);
        assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
        fflush(stdout);
        rig->saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
        dup2(slave, STDOUT_FILENO);
        make(rig, OUTPUT_INHERIT);
        assert_int_equal(tcflow(slave, TCOOFF), 0);
        while (statistics(rig).dropped_lines == 0) {
                assert_true(clock_boottime_usec() < until);
                lines += fill(rig) / 2;
                run_once(rig);
        }
        assert_int_equal(count(rig->said, "its reader is stuck"), 1);
        assert_int_equal(tcflow(slave, TCOON), 0);
        while (count(rig->said, "can be written again") == 0) {
                assert_true(clock_boottime_usec() < until);
                read_what_is_there(rig);
                run_once(rig);
        }
        run_until_lines(rig, lines);
        give_stdout_back(rig);
}

static void the_flags_of_our_own_output_are_left_alone(void **state)
{
        Rig *rig = *state;

        make_inherit_into_pipe(rig);
        assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

static void a_reader_that_has_gone_is_said_once(void **state)
{
        Rig *rig = *state;

        make_inherit_into_pipe(rig);
        rig->reader = fd_close(rig->reader);
        print(rig, "one\n");
        run_until_lines(rig, 1);
        print(rig, "two\n");
        run_until_lines(rig, 2);
        assert_int_equal(count(rig->said, "\n"), 1);
        assert_int_equal(count(rig->said, "Broken pipe"), 1);
        assert_int_equal(statistics(rig).dropped_lines, 2);
        assert_int_equal(statistics(rig).dropped_bytes, strlen("web: one\nweb: two\n"));
}

static void a_full_disk_drops_lines_and_they_are_still_remembered(void **state)
{
        CLEANUP(text_buffer_deinit) TextBuffer tail = {0};
        Rig *rig = *state;

        snprintf(rig->path, sizeof(rig->path), "/dev/full");
        make(rig, OUTPUT_FILE);
        for (int i = 0; i < 1000; i++) {
                print(rig, "0123456789012345678901234567890123456789012345678901234567890123456789\n");
                end_run(rig->output);
        }
        assert_int_equal(statistics(rig).dropped_lines, 1000);
        assert_int_equal(statistics(rig).dropped_bytes, 71000);
        assert_int_equal(count(rig->said, "\n"), 1);
        assert_int_equal(output_tail(rig->output, 2, &tail), 2);
}

/* --- another program in our place --------------------------------------------------------------- */

/* In a process of its own, which has the same descriptors; what it finds wrong is its exit status. */
static int succeed(Rig *rig, const SavedWriter *writer)
{
        const OutputConfig config = {.kind = OUTPUT_INHERIT};
        CLEANUP(text_buffer_deinit) TextBuffer tail = {0};
        int command = dup(output_fd(rig->output)); /* as the guard has it */
        sd_event *event = NULL;
        Output *output = NULL;
        OutputStatistics after;
        Saved saved;

        if (saved_parse(&saved, writer->text.data, writer->text.len) < 0 || sd_event_new(&event) < 0)
                return 1;
        if (output_new(&output, event, &config, "web", LOG_INFO, STDOUT_FILENO) < 0 ||
                output_restore(output, &saved) < 0)
                return 2;
        if (saved_close_rest(&saved) != 0)
                return 3;
        if (write(command, "line\ntwo\n", 9) != 9)
                return 4;
        output_end_run(output);
        output_statistics(output, &after);
        if (after.lines != 3 || after.bytes != strlen("one\nhalf line\ntwo\n") || output_total(output) != 3)
                return 5;
        if (output_tail(output, 10, &tail) != 3 || strcmp(tail.data, "one\nhalf line\ntwo\n") != 0)
                return 6;
        saved_deinit(&saved);
        output_free(output);
        sd_event_unref(event);
        return 0;
}

static void a_new_program_goes_on_with_the_pipe_and_what_is_remembered(void **state)
{
        Rig *rig = *state;
        SavedWriter writer = {0};
        int status;
        pid_t pid;

        make_inherit_into_pipe(rig);
        print(rig, "one\nhalf ");
        run_until_lines(rig, 1);
        output_save(rig->output, &writer);
        assert_false(saved_writer_failed(&writer));
        fflush(NULL);
        pid = fork();
        if (pid == 0)
                _exit(succeed(rig, &writer));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        read_what_is_there(rig);
        assert_string_equal(rig->read.data, "web: one\nweb: half line\nweb: two\n");
        saved_writer_deinit(&writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_inherited_line_has_the_name_of_its_unit_before_it),
                TEST(a_line_without_newline_ends_with_the_run),
                TEST(what_was_not_read_yet_is_written_at_the_end),
                TEST(a_long_line_is_marked_where_it_is_cut),
                TEST(nothing_is_read_where_there_is_nothing_to_read),
                TEST(rotation_is_between_lines),
                TEST(both_streams_have_one_memory_in_the_order_of_reading),
                TEST(a_flood_takes_the_time_that_is_left),
                TEST(a_burst_on_a_slow_reader_is_not_lost),
                TEST(a_stuck_reader_does_not_hold_the_command_up),
                TEST(a_stopped_terminal_does_not_hold_the_command_up),
                TEST(the_flags_of_our_own_output_are_left_alone),
                TEST(a_reader_that_has_gone_is_said_once),
                TEST(a_full_disk_drops_lines_and_they_are_still_remembered),
                TEST(a_new_program_goes_on_with_the_pipe_and_what_is_remembered),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
