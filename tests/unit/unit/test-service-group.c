/* The control group of a service, which is not ours. Where there is no group that is ours to use, most of these
 * tests are skipped. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "guard/service-group.h"
#include "unit/cgroup.h"
#include "util/macros.h"

static char *parent;

static char *service_path(void)
{
        char *path;

        if (!parent)
                skip();
        assert_true(asprintf(&path, "%s/zksup-test-slice/some.service", parent) > 0);
        return path;
}

/* As systemd makes them, the slice first. */
static void make_group(const char *path)
{
        char slice[1024];

        snprintf(slice, sizeof(slice), "%s", path);
        *strrchr(slice, '/') = 0;
        assert_true(mkdir(slice, 0755) == 0 || errno == EEXIST);
        assert_int_equal(mkdir(path, 0755), 0);
}

static void remove_group(const char *path)
{
        char slice[1024];

        snprintf(slice, sizeof(slice), "%s", path);
        *strrchr(slice, '/') = 0;
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(rmdir(slice), 0);
}

static pid_t put_somebody_in(const char *path)
{
        CLEANUP_FD procs = cgroup_open(path, "cgroup.procs", O_WRONLY);
        char text[16];
        pid_t pid = fork();

        if (pid == 0)
                for (;;)
                        pause();
        assert_true(write(procs, text, (size_t)snprintf(text, sizeof(text), "%d", (int)pid)) > 0);
        return pid;
}

static void expect_killed(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_path_outside_of_control_groups_is_refused(void **state)
{
        CLEANUP_STRING path = parent ? strdup(parent) : NULL;
        ServiceGroup g;

        assert_int_equal(service_group_open(&g, "/usr/lib/some.service"), -EINVAL);
        assert_int_equal(service_group_open(&g, "/"), -EINVAL);
        assert_int_equal(service_group_open(&g, "some.service"), -EINVAL);
        assert_int_equal(service_group_open(&g, ""), -EINVAL);
        assert_true(service_group_open(&g, "/no/such/directory") < 0);
        assert_int_equal(g.root_fd, -1);
        assert_true(service_group_is_empty(&g));
        service_group_kill(&g); /* nothing to kill: does nothing */
}

static void a_group_that_comes_later_is_killed_and_one_that_is_gone_is_empty(void **state)
{
        CLEANUP_STRING path = service_path();
        ServiceGroup g;
        pid_t pid;

        assert_int_equal(service_group_open(&g, path), 0);
        assert_true(service_group_is_empty(&g));
        service_group_kill(&g);
        make_group(path);
        assert_true(service_group_is_empty(&g));
        pid = put_somebody_in(path);
        assert_false(service_group_is_empty(&g));
        service_group_freeze(&g, true);
        service_group_kill(&g);
        expect_killed(pid);
        assert_true(service_group_is_empty(&g));
        remove_group(path);
        assert_true(service_group_is_empty(&g));
        service_group_close(&g);
}

static void it_works_with_no_descriptor_left(void **state)
{
        CLEANUP_STRING path = service_path();
        struct rlimit old, none;
        ServiceGroup g;
        pid_t pid;

        make_group(path);
        assert_int_equal(service_group_open(&g, path), 0);
        pid = put_somebody_in(path);
        getrlimit(RLIMIT_NOFILE, &old);
        none = (struct rlimit){.rlim_cur = (rlim_t)g.reserve_fd + 1, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        while (dup(0) >= 0)
                ;
        for (int round = 0; round < 3; round++)
                assert_false(service_group_is_empty(&g));
        service_group_kill(&g);
        setrlimit(RLIMIT_NOFILE, &old);
        expect_killed(pid);
        assert_true(service_group_is_empty(&g));
        service_group_close(&g);
        remove_group(path);
}

static void what_cannot_be_looked_at_is_not_empty(void **state)
{
        CLEANUP_STRING path = service_path();
        struct rlimit old, none;
        ServiceGroup g;

        assert_int_equal(service_group_open(&g, path), 0);
        getrlimit(RLIMIT_NOFILE, &old);
        none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
        assert_false(service_group_is_empty(&g));
        setrlimit(RLIMIT_NOFILE, &old);
        assert_true(service_group_is_empty(&g));
        service_group_close(&g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_outside_of_control_groups_is_refused),
                cmocka_unit_test(a_group_that_comes_later_is_killed_and_one_that_is_gone_is_empty),
                cmocka_unit_test(it_works_with_no_descriptor_left),
                cmocka_unit_test(what_cannot_be_looked_at_is_not_empty),
        };

        if (cgroup_find_own(&parent) < 0)
                parent = NULL;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
