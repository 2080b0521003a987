/* Control groups, where there is one that is ours to use; else these tests are skipped. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "unit/cgroup.h"
#include "util/clock.h"
#include "util/macros.h"

static char *parent;

static void make(const char *name, char **path)
{
        if (!parent || cgroup_make(parent, name, path) < 0)
                skip();
}

static void a_group_is_made_and_removed(void **state)
{
        CLEANUP_STRING path = NULL;
        CLEANUP_STRING again = NULL;
        CLEANUP_STRING below = NULL;

        make("zksup-test/slash", &path);
        assert_non_null(strstr(path, "zksup-test_slash"));
        assert_int_equal(cgroup_make(parent, "zksup-test/slash", &again), 0);
        assert_int_equal(cgroup_make(path, "below", &below), 0);
        assert_int_equal(cgroup_remove(path), 0);
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(cgroup_remove(path), 0);
}

static void a_populated_group_is_busy_until_it_is_killed(void **state)
{
        CLEANUP_STRING path = NULL;
        CLEANUP_STRING again = NULL;
        CLEANUP_FD events = -1, kill_fd = -1, procs = -1;
        char text[16];
        int status;
        pid_t pid;

        make("zksup-test-busy", &path);
        events = cgroup_open(path, "cgroup.events", O_RDONLY);
        kill_fd = cgroup_open(path, "cgroup.kill", O_WRONLY);
        procs = cgroup_open(path, "cgroup.procs", O_WRONLY);
        assert_true(events >= 0 && kill_fd >= 0 && procs >= 0);
        assert_int_equal(cgroup_is_populated(events), 0);
        pid = fork();
        if (pid == 0)
                for (;;)
                        pause();
        assert_true(write(procs, text, (size_t)snprintf(text, sizeof(text), "%d", (int)pid)) > 0);
        assert_int_equal(cgroup_is_populated(events), 1);
        assert_int_equal(cgroup_make(parent, "zksup-test-busy", &again), -EBUSY);
        assert_int_equal(cgroup_remove(path), -EBUSY);
        assert_int_equal(cgroup_kill(kill_fd), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        for (uint64_t until = clock_boottime_usec() + USEC_PER_SEC; cgroup_is_populated(events) == 1;)
                assert_true(clock_boottime_usec() < until);
        assert_int_equal(cgroup_remove(path), 0);
        assert_int_equal(cgroup_is_populated(events), 0);
}

static void a_child_is_tried_without_a_trace(void **state)
{
        CLEANUP_STRING path = NULL;
        CLEANUP_FD events = -1;

        make("zksup-test-born", &path);
        events = cgroup_open(path, "cgroup.events", O_RDONLY);
        assert_int_equal(cgroup_can_be_born(path), cgroup_can_be_born(path));
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        assert_int_equal(cgroup_is_populated(events), 0);
        assert_int_equal(cgroup_remove(path), 0);
        assert_false(cgroup_can_be_born(path));
        assert_false(cgroup_can_be_born("/tmp"));
}

/* What a group was killed with stays with it, so a new run never gets an old one. */
static void a_group_that_was_left_behind_is_replaced(void **state)
{
        CLEANUP_STRING path = NULL;
        CLEANUP_STRING again = NULL;
        struct stat before, after;

        make("zksup-test-old", &path);
        assert_int_equal(stat(path, &before), 0);
        assert_int_equal(cgroup_make(parent, "zksup-test-old", &again), 0);
        assert_int_equal(stat(again, &after), 0);
        assert_true(before.st_ino != after.st_ino);
        assert_int_equal(cgroup_remove(path), 0);
}

static void a_place_that_is_not_a_group_is_refused(void **state)
{
        CLEANUP_STRING path = NULL;
        char dir[] = "/tmp/zksup-test-XXXXXX";

        assert_non_null(mkdtemp(dir));
        assert_int_equal(cgroup_make(dir, "x", &path), -EOPNOTSUPP);
        assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
        assert_int_equal(cgroup_make("/nonexistent", "x", &path), -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_group_is_made_and_removed),
                cmocka_unit_test(a_populated_group_is_busy_until_it_is_killed),
                cmocka_unit_test(a_child_is_tried_without_a_trace),
                cmocka_unit_test(a_group_that_was_left_behind_is_replaced),
                cmocka_unit_test(a_place_that_is_not_a_group_is_refused),
        };
        int r;

        if (cgroup_find_own(&parent) < 0)
                print_message("no control group is ours to use here\n");
        r = cmocka_run_group_tests(tests, NULL, NULL);
        free(parent);
        return r;
}
