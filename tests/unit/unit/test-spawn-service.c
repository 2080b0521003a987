/* A command that drives a service: processes in a control group that is not ours, and that are no descendants of ours, are part
 * of the tree. Where there is no group that is ours to use these tests are skipped. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <cmocka.h>
#include "unit/cgroup.h"
#include "unit/spawn.h"
#include "util/clock.h"
#include "util/macros.h"

#define MS USEC_PER_MSEC
#define WAIT (10000 * MS) /* for what should come at once; only a failure takes this long */
#define GRACE (100 * MS)
#define BUDGET (250 * MS)

typedef struct Rig {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        Spawn *spawn;
        char *group;
        int member; /* a pidfd */
        bool seen[SPAWN_GUARD_LOST + 1];
        bool alive_at_empty;
} Rig;

/* A process that is our sibling, so that nothing but the group says that it belongs to the tree. */
static int put_somebody_in(const char *group)
{
        CLEANUP_FD procs = cgroup_open(group, "cgroup.procs", O_WRONLY);
        char text[16];
        pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT, NULL, NULL, NULL, NULL);

        if (pid == 0) {
                syscall(SYS_close_range, 3, ~0U, 0); /* or the guard would not see the end of its socket */
                signal(SIGTERM, SIG_IGN);
                for (;;)
                        pause();
        }
        assert_true(pid > 0 && procs >= 0);
        assert_true(write(procs, text, (size_t)snprintf(text, sizeof(text), "%d", (int)pid)) > 0);
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool is_dead(int member)
{
        struct pollfd p = {.fd = member, .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

static void on_event(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Rig *rig = userdata;

        rig->seen[event->type] = true;
        if (event->type == SPAWN_EMPTY)
                rig->alive_at_empty = !is_dead(rig->member);
}

static void turn(Rig *rig)
{
        assert_true(sd_event_run(rig->event, 10 * MS) >= 0);
}

static void await(Rig *rig, enum SpawnEventType type)
{
        uint64_t until = clock_boottime_usec() + WAIT;

        while (!rig->seen[type]) {
                assert_true(clock_boottime_usec() < until);
                turn(rig);
        }
}

static int set_up(void **state)
{
        Rig *rig = calloc(1, sizeof(*rig));
        CLEANUP_STRING parent = NULL;

        char name[64];

        *state = rig;
        rig->member = -1;
        snprintf(name, sizeof(name), "zksup-test-%d.service", (int)getpid());
        if (cgroup_find_own(&parent) < 0 || cgroup_make(parent, name, &rig->group) < 0)
                return 0;
        assert_true(sd_event_new(&rig->event) >= 0);
        assert_int_equal(reaper_new(&rig->reaper, rig->event), 0);
        assert_int_equal(lease_page_new(&rig->page, 4), 0);
        return 0;
}

static int tear_down(void **state)
{
        Rig *rig = *state;

        rig->spawn = spawn_free(rig->spawn);
        if (rig->reaper)
                reaper_free(rig->reaper);
        if (rig->page)
                lease_page_free(rig->page);
        sd_event_unref(rig->event);
        fd_close(rig->member);
        if (rig->group)
                cgroup_remove(rig->group);
        free(rig->group);
        free(rig);
        return 0;
}

static void start_guard(Rig *rig)
{
        SpawnConfig config = {.argv = (char *[]){(char[]){"sleep"}, (char[]){"100"}, NULL},
                .name = "served",
                .contain = CONTAIN_SUBREAPER,
                .kill_cgroup = rig->group};

        if (!rig->group)
                skip();
        assert_int_equal(spawn_new(&rig->spawn, rig->event, rig->reaper, rig->page, &config, on_event, rig), 0);
}

/* A run, with somebody in the group since. */
static void start(Rig *rig, uint64_t lease_usec)
{
        SpawnStart go = {.grace_usec = GRACE,
                .kill_budget_usec = BUDGET,
                .deadline_usec = lease_usec ? clock_boottime_usec() + lease_usec : LEASE_DEADLINE_NONE};

        start_guard(rig);
        await(rig, SPAWN_READY);
        assert_int_equal(spawn_start(rig->spawn, &go), 0);
        await(rig, SPAWN_STARTED);
        rig->member = put_somebody_in(rig->group);
}

static void expect_empty(Rig *rig)
{
        await(rig, SPAWN_EMPTY);
        assert_false(rig->alive_at_empty);
}

static void killing_kills_the_group(void **state)
{
        Rig *rig = *state;

        start(rig, 0);
        assert_int_equal(spawn_kill(rig->spawn), 0);
        expect_empty(rig);
}

static void a_command_that_ends_and_leaves_the_service_behind_has_it_killed(void **state)
{
        Rig *rig = *state;

        start(rig, 0);
        kill(spawn_pid(rig->spawn), SIGKILL);
        await(rig, SPAWN_EXITED);
        assert_false(rig->seen[SPAWN_EMPTY]);
        expect_empty(rig);
}

static void the_group_is_dead_when_the_lease_ends(void **state)
{
        Rig *rig = *state;
        uint64_t deadline_usec;

        start(rig, 1000 * MS);
        deadline_usec = clock_boottime_usec() + 1000 * MS;
        expect_empty(rig);
        assert_true(clock_boottime_usec() < deadline_usec);
}

static void a_guard_that_is_killed_leaves_nobody_in_the_group(void **state)
{
        Rig *rig = *state;

        start(rig, 0);
        kill(spawn_guard_pid(rig->spawn), SIGKILL);
        await(rig, SPAWN_GUARD_LOST);
        expect_empty(rig);
}

static void without_its_supervisor_a_guard_kills_the_group(void **state)
{
        Rig *rig = *state;
        uint64_t until = clock_boottime_usec() + WAIT;

        start(rig, 0);
        rig->spawn = spawn_free(rig->spawn);
        while (!is_dead(rig->member)) {
                assert_true(clock_boottime_usec() < until);
                turn(rig);
        }
}

static void a_guard_is_not_ready_while_somebody_is_in_the_group(void **state)
{
        Rig *rig = *state;

        if (!rig->group)
                skip();
        rig->member = put_somebody_in(rig->group);
        start_guard(rig);
        for (unsigned i = 0; i < 30; i++)
                turn(rig);
        assert_false(rig->seen[SPAWN_READY]);
        assert_false(is_dead(rig->member)); /* it has 10 s, from systemd */
        assert_int_equal(syscall(SYS_pidfd_send_signal, rig->member, SIGKILL, NULL, 0), 0);
        await(rig, SPAWN_READY);
        assert_true(is_dead(rig->member));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(killing_kills_the_group, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_command_that_ends_and_leaves_the_service_behind_has_it_killed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_group_is_dead_when_the_lease_ends, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_guard_that_is_killed_leaves_nobody_in_the_group, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_its_supervisor_a_guard_kills_the_group, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_guard_is_not_ready_while_somebody_is_in_the_group, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
