/* A file system that does not answer: the thread that writes is held, and nobody else may be. The function
 * that writes is this file's, see meson.build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "unit/log-disk.h"
#include "unit/output.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define DEADLINE_USEC (20 * USEC_PER_SEC)

static pthread_mutex_t frozen = PTHREAD_MUTEX_INITIALIZER; /* whoever has it holds writes up */
static char said[2000];
static uint64_t written;

void __wrap_log_disk_write(LogDisk *disk, const char *data, size_t len, LogDiskResult *result);
void __wrap_log_disk_write(LogDisk *disk, const char *data, size_t len, LogDiskResult *result)
{
        pthread_mutex_lock(&frozen);
        *result = (LogDiskResult){.written = len};
        __atomic_add_fetch(&written, len, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&frozen);
}

static void note(enum LogLevel level, const char *line, void *userdata)
{
        size_t len = strlen(said);

        snprintf(said + len, sizeof(said) - len, "%s\n", line);
}

static unsigned count(const char *what)
{
        unsigned n = 0;

        for (const char *p = said; (p = strstr(p, what)); p++)
                n++;
        return n;
}

static OutputStatistics statistics(const Output *output)
{
        OutputStatistics s;

        output_statistics(output, &s);
        return s;
}

static Output *make(sd_event *event, const char *path)
{
        const OutputConfig config = {.kind = OUTPUT_FILE, .path = path};
        Output *output = NULL;

        assert_int_equal(output_new(&output, event, &config, "web", LOG_INFO, STDOUT_FILENO), 0);
        assert_int_equal(fcntl(output_fd(output), F_SETFL, O_NONBLOCK), 0);
        return output;
}

/* Prints all the time. Returns how much. */
static uint64_t flood(const Output *output)
{
        char text[4096];
        uint64_t all = 0;
        ssize_t n;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = i % 2 ? '\n' : 'y';
        while ((n = write(output_fd(output), text, sizeof(text))) > 0)
                all += (uint64_t)n;
        return all;
}

static void a_file_system_that_is_stuck_holds_nobody_up(void **state)
{
        uint64_t until = clock_boottime_usec() + DEADLINE_USEC, printed = 0, kept;
        sd_event *event = NULL;
        Output *output;

        assert_true(sd_event_new(&event) >= 0);
        output = make(event, "/dev/null");
        pthread_mutex_lock(&frozen);
        while (statistics(output).dropped_lines < 1000000) {
                uint64_t before = clock_boottime_usec();

                assert_true(before < until);
                printed += flood(output);
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
                assert_true(clock_boottime_usec() - before < 10 * USEC_PER_SEC);
        }
        assert_int_equal(written, 0);
        assert_int_equal(count("cannot write to /dev/null: its file system does not answer"), 1);
        assert_int_equal(count("\n"), 1);
        pthread_mutex_unlock(&frozen);
        while (count("can be written again") == 0) {
                assert_true(clock_boottime_usec() < until);
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        }
        kept = printed - statistics(output).dropped_bytes;
        assert_true(kept >= 64 * 1024);
        output_end_run(output);
        output_sync(output, DEADLINE_USEC);
        assert_true(written + statistics(output).dropped_bytes == printed);
        output_free(output);
        sd_event_unref(event);
}

/* What is on its way is the thread's, which ends later. */
static void the_end_does_not_wait_for_it_for_long(void **state)
{
        uint64_t until = clock_boottime_usec() + DEADLINE_USEC;
        sd_event *event = NULL;
        Output *output, *other;

        assert_true(sd_event_new(&event) >= 0);
        written = 0;
        output = make(event, "/dev/null");
        other = make(event, "/dev/zero");
        pthread_mutex_lock(&frozen);
        assert_int_equal(write(output_fd(output), "one\n", 4), 4);
        assert_int_equal(write(output_fd(other), "two\n", 4), 4);
        output_end_run(output);
        output_free(output);
        output_free(other);
        assert_int_equal(written, 0);
        output = make(event, "/dev/null"); /* with a thread of its own */
        pthread_mutex_unlock(&frozen);
        while (__atomic_load_n(&written, __ATOMIC_RELAXED) < 8) {
                assert_true(clock_boottime_usec() < until);
                usleep(1000);
        }
        output_free(output);
        sd_event_unref(event);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_system_that_is_stuck_holds_nobody_up),
                cmocka_unit_test(the_end_does_not_wait_for_it_for_long),
        };

        log_set_sink(note, NULL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
