/* The spawn, the real zksup-guard and real processes, in every containment that is to be had here.
 * The oracle for "the tree is empty" is not the guard: it is a look through /proc for processes
 * whose command line carries the tag of the test. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>
#include "unit/cgroup.h"
#include "unit/spawn.h"
#include "util/clock.h"
#include "util/file.h"

#define MS USEC_PER_MSEC
#define GRACE (150 * MS)
#define BUDGET (250 * MS)
#define WAIT (5000 * MS) /* for what should come at once; only a failure takes this long */
#define LOG_MAX 64

typedef struct Rig {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        Spawn *spawn;
        enum ContainMode mode;
        char tag[64];
        SpawnEvent log[LOG_MAX];
        uint64_t at[LOG_MAX];
        size_t n, seen;
} Rig;

static unsigned factor(void)
{
        const char *text = getenv("ZKSUP_TEST_FACTOR");
        int f = text ? atoi(text) : 1;

        return f > 0 ? (unsigned)f : 1;
}

static void on_event(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Rig *rig = userdata;

        assert_true(rig->n < LOG_MAX);
        rig->at[rig->n] = clock_boottime_usec();
        rig->log[rig->n++] = *event;
}

static void turn(Rig *rig, uint64_t usec)
{
        assert_true(sd_event_run(rig->event, usec) >= 0);
}

/* Runs the loop until an event of TYPE that was not waited for before; its index. */
static size_t await_from(Rig *rig, size_t from, enum SpawnEventType type, uint64_t usec)
{
        uint64_t until = clock_boottime_usec() + usec * factor();

        for (;;) {
                for (size_t i = from; i < rig->n; i++)
                        if (rig->log[i].type == type)
                                return i;
                if (clock_boottime_usec() >= until)
                        fail_msg("event %d did not come in time", (int)type);
                turn(rig, 20 * MS);
        }
}

static const SpawnEvent *await(Rig *rig, enum SpawnEventType type)
{
        size_t i = await_from(rig, rig->seen, type, WAIT);

        rig->seen = i + 1;
        return &rig->log[i];
}

static bool has(const Rig *rig, enum SpawnEventType type)
{
        for (size_t i = 0; i < rig->n; i++)
                if (rig->log[i].type == type)
                        return true;
        return false;
}

/* Whether the command line in BUF is that of the fixture: it carries the tag, and is not the guard's
 * nor that of the init which the guard forks. */
static bool is_tagged(const char *cmdline, size_t len, const char *tag)
{
        return strcmp(cmdline, "zksup-guard") != 0 && memmem(cmdline, len, tag, strlen(tag));
}

static unsigned count_tagged(const char *tag)
{
        DIR *dir = opendir("/proc");
        struct dirent *d;
        unsigned n = 0;

        assert_non_null(dir);
        while ((d = readdir(dir))) {
                char path[300], buf[4096];
                ssize_t len;
                int fd;

                if (d->d_name[0] < '0' || d->d_name[0] > '9')
                        continue;
                snprintf(path, sizeof(path), "/proc/%s/cmdline", d->d_name);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                len = read(fd, buf, sizeof(buf) - 1);
                close(fd);
                if (len > 0) {
                        buf[len] = 0;
                        n += is_tagged(buf, (size_t)len, tag);
                }
        }
        closedir(dir);
        return n;
}

/* Until N processes are there; the loop runs meanwhile. */
static uint64_t await_count(Rig *rig, unsigned n, uint64_t usec)
{
        uint64_t start = clock_boottime_usec(), until = start + usec * factor();

        while (count_tagged(rig->tag) != n) {
                if (clock_boottime_usec() >= until)
                        fail_msg("%u processes instead of %u", count_tagged(rig->tag), n);
                if (rig->event)
                        turn(rig, 1 * MS);
        }
        return clock_boottime_usec() - start;
}

static Rig *rig_new(enum ContainMode mode)
{
        static unsigned serial;
        Rig *rig = calloc(1, sizeof(*rig));

        assert_non_null(rig);
        rig->mode = mode;
        snprintf(rig->tag, sizeof(rig->tag), "tag-%d-%u", (int)getpid(), serial++);
        assert_int_equal(sd_event_new(&rig->event), 0);
        assert_int_equal(reaper_new(&rig->reaper, rig->event), 0);
        assert_int_equal(lease_page_new(&rig->page, 16), 0);
        return rig;
}

/* A guard that is ending yet would be a stranger's child to the next rig, which would wait for its end before it
 * takes a tree for empty. */
static void reap_all(void)
{
        uint64_t until = clock_boottime_usec() + WAIT * factor();
        struct timespec look = {.tv_nsec = 10000000};
        sigset_t set;
        pid_t pid;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_boottime_usec() < until)
                if (pid == 0)
                        (void)sigtimedwait(&set, NULL, &look);
        assert_int_equal(pid, -1);
}

static void rig_free(Rig *rig)
{
        spawn_free(rig->spawn);
        reaper_free(rig->reaper);
        lease_page_free(rig->page);
        sd_event_unref(rig->event);
        free(rig);
        reap_all();
}

static void rig_spawn_config(Rig *rig, SpawnConfig *config)
{
        config->contain = rig->mode;
        config->name = "test";
        assert_int_equal(
                spawn_new(&rig->spawn, rig->event, rig->reaper, rig->page, config, on_event, rig), 0);
        assert_int_equal(await(rig, SPAWN_READY)->contain, rig->mode);
}

static void rig_spawn(Rig *rig, const char *fixture, const char *argument)
{
        char path[1024];
        char *argv[] = {path, (char *)(argument ? argument : "-"), rig->tag, NULL};
        SpawnConfig config = {.argv = argv};

        snprintf(path, sizeof(path), FIXTURES "/fixture-%s", fixture);
        rig_spawn_config(rig, &config);
}

static void rig_start(Rig *rig, uint64_t deadline)
{
        SpawnStart start = {.grace_usec = GRACE, .kill_budget_usec = BUDGET, .deadline_usec = deadline};

        assert_int_equal(spawn_start(rig->spawn, &start), 0);
        assert_true(await(rig, SPAWN_STARTED)->pid > 0);
}

/* The containments that this machine offers, found by trying. */
static bool mode_is_available(enum ContainMode mode)
{
        static int known[CONTAIN_SUBREAPER + 1]; /* 0: not tried, else 1 or 2 for yes */
        Rig *rig;
        char *argv[] = {(char *)"true", NULL};
        SpawnConfig config = {.argv = argv, .contain = mode};

        if (known[mode])
                return known[mode] == 2;
        known[mode] = 1;
        rig = rig_new(mode);
        if (spawn_new(&rig->spawn, rig->event, rig->reaper, rig->page, &config, on_event, rig) == 0 &&
                await(rig, SPAWN_READY)->contain == mode)
                known[mode] = 2;
        else
                print_message("containment %s is not to be had here\n", contain_mode_to_string(mode));
        rig_free(rig);
        return known[mode] == 2;
}

static const enum ContainMode modes[] = {CONTAIN_SUBREAPER, CONTAIN_CGROUP, CONTAIN_PIDNS};

#define for_each_mode(mode)                                                                                  \
        for (size_t i_ = 0; i_ < ARRAY_SIZE(modes); i_++)                                                    \
                for (enum ContainMode mode = modes[i_], *once_ = &mode; once_ && mode_is_available(mode);    \
                        once_ = NULL)

typedef struct Fixture {
        const char *name;
        unsigned processes; /* 0: as many as it likes */
} Fixture;

static const Fixture fixtures[] = {
        {"ignore-term", 1},
        {"double-fork", 2},
        {"own-session", 3},
        {"close-fds", 2},
        {"stop-self", 2},
        {"thread-fork", 2},
        {"fork-loop", 0},
};

static void rig_run_fixture(Rig *rig, const Fixture *fixture, uint64_t deadline)
{
        rig_spawn(rig, fixture->name, NULL);
        rig_start(rig, deadline);
        if (fixture->processes)
                await_count(rig, fixture->processes, WAIT);
}

static void assert_gone(Rig *rig)
{
        assert_int_equal(count_tagged(rig->tag), 0);
}

static void every_tree_is_empty_by_the_deadline(void **state)
{
        for_each_mode(mode)
        {
                for (size_t f = 0; f < ARRAY_SIZE(fixtures); f++) {
                        Rig *rig = rig_new(mode);
                        uint64_t deadline, empty_at;
                        size_t i;

                        rig_run_fixture(rig, &fixtures[f], LEASE_DEADLINE_NONE);
                        /* a first, long lease that the guard's timer is set for would hide a late look */
                        spawn_kill(rig->spawn);
                        await(rig, SPAWN_EMPTY);
                        assert_gone(rig);
                        deadline = clock_boottime_usec() + 700 * MS;
                        rig_start(rig, deadline);
                        i = await_from(rig, rig->seen, SPAWN_EMPTY, WAIT);
                        assert_gone(rig);
                        empty_at = rig->at[i];
                        print_message("%-9s %-12s empty %4lld ms before the deadline\n",
                                contain_mode_to_string(mode), fixtures[f].name,
                                (long long)(deadline - empty_at) / 1000);
                        assert_true(empty_at < deadline);
                        assert_true(has(rig, SPAWN_STOPPING));
                        rig_free(rig);
                }
        }
}

static void a_kill_empties_every_tree(void **state)
{
        for_each_mode(mode)
        {
                for (size_t f = 0; f < ARRAY_SIZE(fixtures); f++) {
                        Rig *rig = rig_new(mode);
                        uint64_t start;

                        rig_run_fixture(rig, &fixtures[f], LEASE_DEADLINE_NONE);
                        start = clock_boottime_usec();
                        assert_int_equal(spawn_kill(rig->spawn), 0);
                        await(rig, SPAWN_EMPTY);
                        print_message("%-9s %-12s killed and proved in %5.1f ms\n",
                                contain_mode_to_string(mode), fixtures[f].name,
                                (double)(clock_boottime_usec() - start) / 1000);
                        assert_gone(rig);
                        rig_free(rig);
                }
        }
}

static void the_tree_dies_with_its_guard(int signal)
{
        for_each_mode(mode)
        {
                for (size_t f = 0; f < ARRAY_SIZE(fixtures); f++) {
                        Rig *rig = rig_new(mode);
                        uint64_t start;

                        rig_run_fixture(rig, &fixtures[f], LEASE_DEADLINE_NONE);
                        start = clock_boottime_usec();
                        assert_int_equal(kill(spawn_guard_pid(rig->spawn), signal), 0);
                        await(rig, SPAWN_GUARD_LOST);
                        await(rig, SPAWN_EMPTY);
                        assert_gone(rig);
                        print_message("%-9s %-12s guard %s: empty after %5.1f ms\n",
                                contain_mode_to_string(mode), fixtures[f].name,
                                signal == SIGSTOP ? "stopped" : "killed",
                                (double)(clock_boottime_usec() - start) / 1000);
                        assert_true(clock_boottime_usec() - start < 250 * MS * factor());
                        assert_true(spawn_is_lost(rig->spawn));
                        assert_int_equal(spawn_kill(rig->spawn), -ESRCH);
                        rig_free(rig);
                }
        }
}

static void the_tree_dies_when_its_guard_is_killed(void **state)
{
        the_tree_dies_with_its_guard(SIGKILL);
}

static void the_tree_dies_when_its_guard_is_stopped(void **state)
{
        the_tree_dies_with_its_guard(SIGSTOP);
}

/* Never returns: a supervisor that starts FIXTURE and tells its guard's pid on FD. Should it fail, the
 * read of the other end does, and the alarm ends it. */
static void be_supervisor(Rig *parent, const Fixture *fixture, uint64_t lease, int fd)
{
        Rig *rig;
        pid_t guard;

        alarm(30);
        rig = rig_new(parent->mode);
        memcpy(rig->tag, parent->tag, sizeof(rig->tag));
        rig_run_fixture(rig, fixture, lease == LEASE_DEADLINE_NONE ? lease : clock_boottime_usec() + lease);
        guard = spawn_guard_pid(rig->spawn);
        if (write(fd, &guard, sizeof(guard)) != sizeof(guard))
                _exit(1);
        for (;;)
                turn(rig, UINT64_MAX);
}

static pid_t fork_supervisor(Rig *rig, const Fixture *fixture, uint64_t lease, pid_t *guard)
{
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0)
                be_supervisor(rig, fixture, lease, fds[1]);
        assert_true(pid > 0);
        close(fds[1]);
        assert_int_equal(read(fds[0], guard, sizeof(*guard)), sizeof(*guard));
        close(fds[0]);
        return pid;
}

static void the_tree_dies_with_the_supervisor(void **state)
{
        for_each_mode(mode)
        {
                for (size_t f = 0; f < ARRAY_SIZE(fixtures); f++) {
                        Rig *rig = rig_new(mode);
                        uint64_t usec;
                        pid_t guard, pid = fork_supervisor(rig, &fixtures[f], LEASE_DEADLINE_NONE, &guard);

                        assert_int_equal(kill(pid, SIGKILL), 0);
                        usec = await_count(rig, 0, WAIT);
                        print_message("%-9s %-12s supervisor killed: empty after %5.1f ms\n",
                                contain_mode_to_string(mode), fixtures[f].name, (double)usec / 1000);
                        assert_true(usec < 250 * MS * factor());
                        rig_free(rig);
                }
        }
}

/* Nobody tells the guard anything: it needs nobody to know when the lease ends. */
static void a_stopped_supervisor_does_not_delay_the_kill(void **state)
{
        const uint64_t lease = 700 * MS;

        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);
                pid_t guard, pid = fork_supervisor(rig, &fixtures[1], lease, &guard);
                uint64_t usec;

                assert_int_equal(kill(pid, SIGSTOP), 0);
                usec = await_count(rig, 0, WAIT);
                print_message("%-9s supervisor stopped: empty after %5.1f ms\n", contain_mode_to_string(mode),
                        (double)usec / 1000);
                assert_true(usec < lease);
                assert_int_equal(kill(pid, SIGKILL), 0);
                rig_free(rig);
        }
}

/* Only a PID namespace survives the loss of both at once. */
static void with_supervisor_and_guard_killed_at_once_a_namespace_still_holds(void **state)
{
        if (!mode_is_available(CONTAIN_PIDNS))
                skip();
        for (size_t f = 0; f < ARRAY_SIZE(fixtures); f++) {
                Rig *rig = rig_new(CONTAIN_PIDNS);
                pid_t guard, pid = fork_supervisor(rig, &fixtures[f], LEASE_DEADLINE_NONE, &guard);

                assert_int_equal(kill(pid, SIGSTOP), 0);
                assert_int_equal(kill(guard, SIGKILL), 0);
                assert_true(await_count(rig, 0, WAIT) < 250 * MS * factor());
                assert_int_equal(kill(pid, SIGKILL), 0);
                rig_free(rig);
        }
}

static void what_the_command_leaves_behind_is_stopped(void **state)
{
        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);
                const SpawnEvent *e;

                rig_spawn(rig, "double-fork", "leave");
                rig_start(rig, LEASE_DEADLINE_NONE);
                e = await(rig, SPAWN_EXITED);
                assert_int_equal(e->code, CLD_EXITED);
                assert_int_equal(e->status, 3);
                assert_int_equal(await(rig, SPAWN_STOPPING)->why, WIRE_WHY_EXITED);
                await(rig, SPAWN_EMPTY);
                assert_gone(rig);
                rig_free(rig);
        }
}

static void a_stop_is_obeyed_and_the_status_passed_on(void **state)
{
        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);
                const SpawnEvent *e;

                rig_spawn(rig, "obey-term", NULL);
                rig_start(rig, LEASE_DEADLINE_NONE);
                assert_int_equal(spawn_freeze(rig->spawn), 0); /* a frozen tree is thawed to stop */
                assert_int_equal(spawn_stop(rig->spawn, 0, WAIT), 0);
                assert_int_equal(await(rig, SPAWN_STOPPING)->why, WIRE_WHY_REQUESTED);
                e = await(rig, SPAWN_EXITED);
                assert_true((e->code == CLD_EXITED && e->status == 7) ||
                            (e->code == CLD_KILLED && e->status == SIGTERM)); /* before its handler was set */
                await(rig, SPAWN_EMPTY);
                rig_free(rig);
        }
}

static void a_guard_serves_many_runs(void **state)
{
        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);
                char *argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 5", NULL};
                SpawnConfig config = {.argv = argv};
                uint64_t start;

                rig_spawn_config(rig, &config);
                start = clock_boottime_usec();
                for (unsigned i = 0; i < 10; i++) {
                        rig_start(rig, LEASE_DEADLINE_NONE);
                        assert_int_equal(await(rig, SPAWN_EXITED)->status, 5);
                        await(rig, SPAWN_EMPTY);
                        rig->n = rig->seen = 0;
                }
                print_message("%-9s ten runs in %.1f ms\n", contain_mode_to_string(mode),
                        (double)(clock_boottime_usec() - start) / 1000);
                assert_false(has(rig, SPAWN_STOPPING));
                rig_free(rig);
        }
}

static void a_start_without_a_lease_is_refused(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);
        SpawnStart start = {.kill_budget_usec = BUDGET};
        const SpawnEvent *e;

        rig_spawn(rig, "ignore-term", NULL);
        for (unsigned i = 0; i < 2; i++) {
                start.deadline_usec = i == 0 ? 0 : clock_boottime_usec() + BUDGET / 2;
                assert_int_equal(spawn_start(rig->spawn, &start), 0);
                e = await(rig, SPAWN_EXEC_FAILED);
                assert_int_equal(e->stage, WIRE_STAGE_LEASE);
                assert_int_equal(e->error, ETIME);
                await(rig, SPAWN_EMPTY);
        }
        assert_false(has(rig, SPAWN_STARTED));
        rig_free(rig);
}

static void a_renewed_lease_keeps_the_command(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);
        uint64_t first, now;

        rig_spawn(rig, "ignore-term", NULL);
        first = clock_boottime_usec() + 600 * MS;
        rig_start(rig, first);
        do {
                spawn_set_deadline(rig->spawn, clock_boottime_usec() + 2000 * MS * factor());
                turn(rig, 10 * MS);
                now = clock_boottime_usec();
        } while (now < first + 200 * MS);
        assert_false(has(rig, SPAWN_STOPPING));
        assert_int_equal(count_tagged(rig->tag), 1);
        rig_free(rig);
}

static void a_failed_exec_says_why(void **state)
{
        static const struct {
                const char *command;
                int error;
        } cases[] = {
                {"/nonexistent/command", ENOENT},
                {"no-such-command-in-path", ENOENT},
                {"/etc/passwd", EACCES},
                {"/etc/passwd/x", ENOTDIR},
        };

        for_each_mode(mode)
        {
                for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                        Rig *rig = rig_new(mode);
                        char *argv[] = {(char *)cases[i].command, NULL};
                        SpawnConfig config = {.argv = argv};
                        char *env[] = {(char *)"PATH=/usr/bin:/bin", NULL};
                        SpawnStart start = {.env = env, .deadline_usec = LEASE_DEADLINE_NONE};
                        const SpawnEvent *e;

                        rig_spawn_config(rig, &config);
                        assert_int_equal(spawn_start(rig->spawn, &start), 0);
                        e = await(rig, SPAWN_EXEC_FAILED);
                        assert_int_equal(e->stage, WIRE_STAGE_EXEC);
                        assert_int_equal(e->error, cases[i].error);
                        await(rig, SPAWN_EMPTY);
                        assert_false(has(rig, SPAWN_EXITED));
                        rig_free(rig);
                }
        }
}

/* Whoever tidies up may remove a group that is empty between two runs. */
static void a_guard_without_its_group_is_of_no_use_and_says_so(void **state)
{
        CLEANUP_STRING group = NULL;
        SpawnStart start = {.deadline_usec = LEASE_DEADLINE_NONE};
        char path[64];
        char *text = NULL;
        Rig *rig;

        if (!mode_is_available(CONTAIN_CGROUP))
                skip();
        rig = rig_new(CONTAIN_CGROUP);
        rig_spawn(rig, "ignore-term", NULL);
        snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)spawn_guard_pid(rig->spawn));
        for (size_t len, at = 0; !group; at += strlen(text + at) + 1) {
                if (!text)
                        assert_int_equal(file_read(path, 1 << 16, &text, &len), 0);
                assert_true(at < len);
                if (strcmp(text + at, "--cgroup") == 0)
                        group = strdup(text + at + strlen("--cgroup") + 1);
        }
        free(text);
        assert_int_equal(rmdir(group), 0);
        assert_int_equal(spawn_start(rig->spawn, &start), -ENOTCONN);
        assert_true(spawn_is_lost(rig->spawn));
        assert_false(spawn_is_running(rig->spawn));
        spawn_free(rig->spawn);
        rig->spawn = NULL;
        rig_spawn(rig, "ignore-term", NULL);
        rig_start(rig, LEASE_DEADLINE_NONE);
        rig_free(rig);
}

static void the_command_finds_what_was_promised(void **state)
{
        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);
                char *argv[] = {(char *)FIXTURES "/fixture-report", (char *)"ZK_SEQUENCE", (char *)"ZK_FENCE",
                        (char *)"HOME", NULL};
                char *env[] = {(char *)"ZK_SEQUENCE=1", (char *)"HOME=/nowhere", (char *)"ZK_FENCE=77", NULL};
                SpawnConfig config = {.argv = argv};
                SpawnStart start = {.env = env, .deadline_usec = LEASE_DEADLINE_NONE};
                char expected[1024], got[2048] = "", cwd[512];
                sigset_t blocked, ignored, old;
                size_t len = 0;
                ssize_t n;
                int fds[2];

                assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
                sigemptyset(&blocked);
                sigaddset(&blocked, SIGUSR2);
                sigprocmask(SIG_SETMASK, &blocked, &old);
                signal(SIGHUP, SIG_IGN);
                spawn_record_signals(&blocked, &ignored);
                signal(SIGHUP, SIG_DFL);
                sigprocmask(SIG_SETMASK, &old, NULL);
                config.blocked = &blocked;
                config.ignored = &ignored;
                config.pass_fds = &fds[1];
                config.n_pass_fds = 1;
                rig_spawn_config(rig, &config);
                assert_int_equal(spawn_start(rig->spawn, &start), 0);
                assert_int_equal(await(rig, SPAWN_EXITED)->status, 42);
                await(rig, SPAWN_EMPTY);
                rig_free(rig);
                close(fds[1]);
                while ((n = read(fds[0], got + len, sizeof(got) - 1 - len)) > 0)
                        len += (size_t)n;
                close(fds[0]);
                snprintf(expected, sizeof(expected),
                        "cwd %s\nnice 0\noom 0\nZK_SEQUENCE 1\nZK_FENCE 77\nHOME /nowhere\n"
                        "SigBlk:\t%016x\nSigIgn:\t%016x\nfds 0 1 2 3\n",
                        getcwd(cwd, sizeof(cwd)), 1 << (SIGUSR2 - 1), 1 << (SIGHUP - 1));
                assert_string_equal(got, expected);
        }
}

static void a_signal_reaches_the_command_in_order(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);
        char *argv[] = {(char *)"sh", (char *)"-c",
                (char *)"trap 'echo hup >&3' HUP; trap 'echo usr1 >&3; exit 9' USR1; echo up >&3;"
                        "while :; do sleep 0.01; done",
                NULL};
        SpawnConfig config = {.argv = argv};
        char buf[64] = "";
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        config.pass_fds = &fds[1];
        config.n_pass_fds = 1;
        rig_spawn_config(rig, &config);
        rig_start(rig, LEASE_DEADLINE_NONE);
        assert_int_equal(read(fds[0], buf, sizeof(buf) - 1), 3);
        assert_int_equal(spawn_signal(rig->spawn, SIGHUP), 0);
        assert_int_equal(read(fds[0], buf, sizeof(buf) - 1), 4);
        assert_memory_equal(buf, "hup\n", 4);
        assert_int_equal(spawn_signal(rig->spawn, SIGUSR1), 0);
        assert_int_equal(await(rig, SPAWN_EXITED)->status, 9);
        await(rig, SPAWN_EMPTY);
        rig_free(rig);
        close(fds[0]);
        close(fds[1]);
}

static void a_frozen_tree_does_not_run(void **state)
{
        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);
                char *argv[] = {(char *)"sh", (char *)"-c",
                        (char *)"(while :; do echo x >&3; sleep 0.002; done) & wait", NULL};
                SpawnConfig config = {.argv = argv};
                char buf[4096];
                uint64_t until;
                int fds[2];

                assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
                config.pass_fds = &fds[1];
                config.n_pass_fds = 1;
                rig_spawn_config(rig, &config);
                rig_start(rig, LEASE_DEADLINE_NONE);
                for (until = clock_boottime_usec() + WAIT; read(fds[0], buf, sizeof(buf)) <= 0;) {
                        assert_true(clock_boottime_usec() < until);
                        turn(rig, 1 * MS);
                }
                assert_int_equal(spawn_freeze(rig->spawn), 0);
                for (until = clock_boottime_usec() + 100 * MS; clock_boottime_usec() < until;)
                        turn(rig, 10 * MS);
                while (read(fds[0], buf, sizeof(buf)) > 0)
                        ;
                for (until = clock_boottime_usec() + 100 * MS; clock_boottime_usec() < until;)
                        turn(rig, 10 * MS);
                assert_int_equal(read(fds[0], buf, sizeof(buf)), -1);
                assert_int_equal(spawn_thaw(rig->spawn), 0);
                for (until = clock_boottime_usec() + WAIT; read(fds[0], buf, sizeof(buf)) <= 0;) {
                        assert_true(clock_boottime_usec() < until);
                        turn(rig, 1 * MS);
                }
                spawn_freeze(rig->spawn);
                spawn_kill(rig->spawn); /* while frozen */
                await(rig, SPAWN_EMPTY);
                rig_free(rig);
                close(fds[0]);
                close(fds[1]);
        }
}

static void freeing_a_spawn_kills_what_runs(void **state)
{
        for_each_mode(mode)
        {
                Rig *rig = rig_new(mode);

                rig_run_fixture(rig, &fixtures[1], LEASE_DEADLINE_NONE);
                rig->spawn = spawn_free(rig->spawn);
                await_count(rig, 0, WAIT);
                rig_free(rig);
        }
}

static void the_loss_of_an_idle_guard_is_told(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);

        rig_spawn(rig, "ignore-term", NULL);
        kill(spawn_guard_pid(rig->spawn), SIGKILL);
        await(rig, SPAWN_GUARD_LOST);
        assert_false(has(rig, SPAWN_EMPTY));
        assert_int_equal(spawn_start(rig->spawn, &(SpawnStart){0}), -ENOTCONN);
        rig_free(rig);
}

/* What is ending yet, and not a spawn's that is still used, is freed with the reaper: a sanitizer sees it. */
static void a_spawn_that_waits_for_the_last_of_its_tree_ends_with_the_reaper(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);

        rig_spawn(rig, "ignore-term", NULL);
        if (fork() == 0) /* to the reaper an orphan: of which tree it cannot know */
                for (;;)
                        pause();
        kill(spawn_guard_pid(rig->spawn), SIGKILL);
        await(rig, SPAWN_GUARD_LOST);
        rig_free(rig);
}

static void the_loss_of_one_guard_leaves_the_others_alone(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);
        Spawn *first;
        pid_t pid;

        rig_spawn(rig, "double-fork", NULL);
        rig_start(rig, LEASE_DEADLINE_NONE);
        first = rig->spawn;
        rig_spawn(rig, "double-fork", NULL);
        rig_start(rig, LEASE_DEADLINE_NONE);
        await_count(rig, 4, WAIT);
        pid = spawn_pid(rig->spawn);
        kill(spawn_guard_pid(first), SIGKILL);
        await(rig, SPAWN_GUARD_LOST);
        await(rig, SPAWN_EMPTY);
        assert_int_equal(count_tagged(rig->tag), 2);
        assert_int_equal(kill(pid, 0), 0);
        spawn_free(first);
        rig_free(rig);
}

static void a_missing_guard_is_an_error(void **state)
{
        Rig *rig = rig_new(CONTAIN_SUBREAPER);
        char *argv[] = {(char *)"true", NULL};
        SpawnConfig config = {.argv = argv, .guard_path = "/nonexistent/zksup-guard"};

        assert_int_equal(
                spawn_new(&rig->spawn, rig->event, rig->reaper, rig->page, &config, on_event, rig), -ENOENT);
        rig_free(rig);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_missing_guard_is_an_error),
                cmocka_unit_test(a_guard_serves_many_runs),
                cmocka_unit_test(a_failed_exec_says_why),
                cmocka_unit_test(the_command_finds_what_was_promised),
                cmocka_unit_test(a_signal_reaches_the_command_in_order),
                cmocka_unit_test(a_stop_is_obeyed_and_the_status_passed_on),
                cmocka_unit_test(what_the_command_leaves_behind_is_stopped),
                cmocka_unit_test(a_kill_empties_every_tree),
                cmocka_unit_test(every_tree_is_empty_by_the_deadline),
                cmocka_unit_test(a_start_without_a_lease_is_refused),
                cmocka_unit_test(a_renewed_lease_keeps_the_command),
                cmocka_unit_test(a_frozen_tree_does_not_run),
                cmocka_unit_test(the_tree_dies_when_its_guard_is_killed),
                cmocka_unit_test(the_tree_dies_when_its_guard_is_stopped),
                cmocka_unit_test(the_tree_dies_with_the_supervisor),
                cmocka_unit_test(a_stopped_supervisor_does_not_delay_the_kill),
                cmocka_unit_test(with_supervisor_and_guard_killed_at_once_a_namespace_still_holds),
                cmocka_unit_test(freeing_a_spawn_kills_what_runs),
                cmocka_unit_test(the_loss_of_an_idle_guard_is_told),
                cmocka_unit_test(a_guard_without_its_group_is_of_no_use_and_says_so),
                cmocka_unit_test(a_spawn_that_waits_for_the_last_of_its_tree_ends_with_the_reaper),
                cmocka_unit_test(the_loss_of_one_guard_leaves_the_others_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
