/* Terminal mode: the command is the foreground job of a pseudo-terminal, can be stopped with ^Z and
 * continued, and the supervisor has the terminal whenever the command has not. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "unit/spawn.h"
#include "util/clock.h"

#define WAIT_MSEC 10000

static void say(const char *text)
{
        dprintf(STDOUT_FILENO, "[%s]\n", text);
}

static const char *owner(void)
{
        return tcgetpgrp(STDIN_FILENO) == getpgrp() ? "ours" : "theirs";
}

/* The supervisor: tells what it sees; ^Z is answered by going on. */
static void on_event(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        char text[64];

        switch (event->type) {
        case SPAWN_STARTED:
                return;
        case SPAWN_JOB_STOPPED:
                snprintf(text, sizeof(text), "stopped by %d, terminal %s", event->signal, owner());
                say(text);
                spawn_continue(spawn, true);
                return;
        case SPAWN_EXITED:
                snprintf(text, sizeof(text), "exited %d, terminal %s", event->status, owner());
                say(text);
                return;
        case SPAWN_EMPTY:
                snprintf(text, sizeof(text), "empty, terminal %s", owner());
                say(text);
                sd_event_exit(userdata, 0);
                return;
        case SPAWN_GUARD_LOST:
                say("guard lost");
                return;
        case SPAWN_READY:
        case SPAWN_EXEC_FAILED:
        case SPAWN_STOPPING:
                return;
        }
}

static _Noreturn void be_supervisor(const char *script)
{
        char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
        SpawnConfig config = {.argv = argv, .contain = CONTAIN_SUBREAPER, .terminal = true};
        SpawnStart start = {.deadline_usec = LEASE_DEADLINE_NONE};
        sd_event *event = NULL;
        Reaper *reaper = NULL;
        LeasePage *page = NULL;
        Spawn *spawn = NULL;

        alarm(30);
        if (sd_event_new(&event) < 0 || reaper_new(&reaper, event) < 0 || lease_page_new(&page, 1) < 0 ||
                spawn_new(&spawn, event, reaper, page, &config, on_event, event) < 0 ||
                spawn_start(spawn, &start) < 0)
                _exit(1);
        sd_event_loop(event);
        _exit(0);
}

static pid_t supervisor_start(const char *script, int *master)
{
        pid_t pid = forkpty(master, NULL, NULL, NULL);

        if (pid == 0)
                be_supervisor(script);
        assert_true(pid > 0);
        return pid;
}

/* Reads the terminal until TEXT shows. */
static void expect(int master, const char *text)
{
        static char seen[8192];
        size_t len = 0;

        seen[0] = 0;
        while (!strstr(seen, text)) {
                struct pollfd p = {.fd = master, .events = POLLIN};
                ssize_t n;

                if (poll(&p, 1, WAIT_MSEC) <= 0 || len == sizeof(seen) - 1)
                        fail_msg("waiting for '%s', saw '%s'", text, seen);
                n = read(master, seen + len, 1); /* so that nothing of the next is lost */
                if (n <= 0)
                        fail_msg("terminal closed, waiting for '%s', saw '%s'", text, seen);
                len += (size_t)n;
                seen[len] = 0;
        }
}

static void type(int master, const char *text)
{
        assert_int_equal(write(master, text, strlen(text)), strlen(text));
}

static void finish(pid_t pid, int master)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(master);
}

static void the_command_reads_the_terminal_and_job_control_works(void **state)
{
        int master;
        pid_t pid = supervisor_start("echo up; read a; echo got $a; read b; echo then $b; exit 4", &master);

        expect(master, "up");
        type(master, "hello\n");
        expect(master, "got hello");
        type(master, "\032");
        expect(master, "[stopped by 20, terminal ours]");
        type(master, "again\n");
        expect(master, "then again");
        expect(master, "[exited 4, terminal ours]");
        expect(master, "[empty, terminal ours]");
        finish(pid, master);
}

static void an_interrupt_goes_to_the_command_alone(void **state)
{
        int master;
        pid_t pid = supervisor_start(
                "trap 'echo caught; exit 6' INT; echo up; while :; do sleep 0.01; done", &master);

        expect(master, "up");
        type(master, "\003");
        expect(master, "caught");
        expect(master, "[exited 6, terminal ours]");
        finish(pid, master);
}

static void the_terminal_is_ours_again_when_the_guard_is_lost(void **state)
{
        int master;
        /* the guard is the command's parent */
        pid_t pid = supervisor_start("echo up; read x; kill -9 $PPID; read y", &master);

        expect(master, "up");
        type(master, "go\n");
        expect(master, "[guard lost]");
        expect(master, "[empty, terminal ours]");
        finish(pid, master);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_command_reads_the_terminal_and_job_control_works),
                cmocka_unit_test(an_interrupt_goes_to_the_command_alone),
                cmocka_unit_test(the_terminal_is_ours_again_when_the_guard_is_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
