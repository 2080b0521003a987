/* The ends of children: none is missed, whenever it came. */
#include "unit/reaper.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include "util/clock.h"

#define PATIENCE_USEC (20 * USEC_PER_SEC)

static pid_t told_pid;
static int told_status;

static void on_end(ReaperWatch *watch, int code, int status)
{
        told_pid = watch->pid;
        told_status = code == CLD_EXITED ? status : -1;
}

static pid_t start_and_end(int status)
{
        pid_t pid = fork();
        siginfo_t info;

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(status);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        return pid;
}

static void await_end(sd_event *event, pid_t pid, int status)
{
        told_pid = 0;
        while (told_pid == 0)
                assert_true(sd_event_run(event, PATIENCE_USEC) > 0);
        assert_int_equal(told_pid, pid);
        assert_int_equal(told_status, status);
}

/* So it is with a guard that dies while zksup executes another program: its signal waits for the new one. */
static void an_end_before_the_reaper_is_made_is_told(void **state)
{
        sd_event *event = NULL;
        Reaper *reaper = NULL;
        ReaperWatch watch = {0};
        sigset_t set;
        pid_t pid;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        pid = start_and_end(7);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(reaper_new(&reaper, event), 0);
        reaper_watch(reaper, &watch, pid, on_end);
        await_end(event, pid, 7);
        reaper_free(reaper);
        sd_event_unref(event);
}

static void an_end_is_told_where_the_signal_was_ignored(void **state)
{
        sd_event *event = NULL;
        Reaper *reaper = NULL;
        ReaperWatch watch = {0};
        pid_t pid;

        signal(SIGCHLD, SIG_IGN);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(reaper_new(&reaper, event), 0);
        pid = start_and_end(8);
        reaper_watch(reaper, &watch, pid, on_end);
        await_end(event, pid, 8);
        reaper_free(reaper);
        sd_event_unref(event);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_end_before_the_reaper_is_made_is_told),
                cmocka_unit_test(an_end_is_told_where_the_signal_was_ignored),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
