/* The lease page as a command of another user finds it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "unit/lease-file.h"
#include "unit/lease-page.h"
#include "unit/lease-view.h"
#include "util/file.h"

#define NOBODY 65534
#define SLOT 3

static char dir[64];

static int set_up(void **state)
{
        snprintf(dir, sizeof(dir), "/dev/shm/zksup-test-XXXXXX");
        if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
                return -1;
        return setenv("RUNTIME_DIRECTORY", dir, 1);
}

static int tear_down(void **state)
{
        return rmdir(dir); /* nothing may be left in it */
}

static LeasePage *make_page(LeaseView *view)
{
        LeasePage *page;
        char text[LEASE_PAGE_ENV_MAX];

        assert_int_equal(lease_page_new(&page, 700), 0);
        for (unsigned i = 0; i <= SLOT; i++)
                assert_int_equal(lease_page_alloc_slot(page), (int)i);
        lease_page_set(page, SLOT, 77);
        assert_int_equal(lease_page_publish(page), 0);
        assert_int_equal(lease_page_publish(page), 0);
        lease_page_env(page, SLOT, text);
        assert_int_equal(lease_view_parse(view, text + strlen(LEASE_PAGE_ENV) + 1), 0);
        assert_memory_equal(view->path, dir, strlen(dir));
        return page;
}

/* What a process of another user reads, or a negative errno. */
static int64_t read_as_nobody(const LeaseView *view)
{
        int64_t answer = -1;
        int fds[2], status;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                uint64_t deadline = 0;
                char problem[300] = "";

                closefrom(fds[1] + 1);
                if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                        _exit(2);
                answer = lease_view_read(view, &deadline, problem, sizeof(problem));
                if (answer == 0)
                        answer = (int64_t)deadline;
                _exit(write(fds[1], &answer, sizeof(answer)) != sizeof(answer) || (answer < 0) != (problem[0] != 0));
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &answer, sizeof(answer)), (int)sizeof(answer));
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return answer;
}

static void another_user_sees_the_deadline(void **state)
{
        LeaseView view;
        LeasePage *page;

        if (geteuid() != 0)
                skip();
        page = make_page(&view);
        assert_int_equal(read_as_nobody(&view), 77); /* as it was when the file was made */
        lease_page_set(page, SLOT, 1234567);
        lease_page_set(page, SLOT + 1, 5);
        assert_int_equal(read_as_nobody(&view), 1234567);
        lease_page_disown(page, SLOT);
        assert_int_equal(read_as_nobody(&view), 0);
        view.path[0] = 0;
        assert_int_equal(read_as_nobody(&view), -EACCES);
        lease_page_free(page);
}

static uint64_t read_path(const LeaseView *view, int expected)
{
        uint64_t deadline = 1;

        assert_int_equal(lease_file_read(view->path, view->word, &deadline), expected);
        return deadline;
}

static void a_file_that_is_gone_or_foreign_is_refused(void **state)
{
        LeaseView view, other;
        LeasePage *page = make_page(&view);
        char *data, *last;
        size_t len;

        assert_int_equal(read_path(&view, 0), 77);
        other = view;
        other.word = 1400;
        read_path(&other, -ESTALE);
        other = view;
        last = &other.path[strlen(other.path) - 1];
        *last = *last == '0' ? '1' : '0';
        read_path(&other, -ENOENT);
        /* the same content under another name, and one that is not named so at all */
        assert_int_equal(file_read(view.path, 1 << 20, &data, &len), 0);
        assert_int_equal(file_write_atomic(other.path, data, len, 0644), 0);
        read_path(&other, -ESTALE);
        unlink(other.path);
        snprintf(other.path, sizeof(other.path), "%s/x", dir);
        read_path(&other, -ESTALE);
        lease_page_free(page);
        read_path(&view, -ENOENT);
        /* nobody holds its lock */
        assert_int_equal(file_write_atomic(view.path, data, len, 0644), 0);
        read_path(&view, -ESTALE);
        unlink(view.path);
        free(data);
}

/* Its deadline may be far away yet. */
static void the_file_of_a_supervisor_that_was_killed_counts_no_more_and_the_next_removes_it(void **state)
{
        LeaseView view, next;
        LeasePage *page;
        int status, fds[2];
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                page = make_page(&view);
                if (write(fds[1], &view, sizeof(view)) != sizeof(view))
                        _exit(1);
                for (;;)
                        pause();
        }
        assert_int_equal(read(fds[0], &view, sizeof(view)), (int)sizeof(view));
        assert_int_equal(read_path(&view, 0), 77);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        read_path(&view, -ESTALE);
        page = make_page(&next);
        read_path(&view, -ENOENT);
        assert_int_equal(read_path(&next, 0), 77);
        lease_page_free(page);
        close(fds[0]);
        close(fds[1]);
}

static void who_may_read_it_cannot_write_it(void **state)
{
        LeaseView view;
        LeasePage *page = make_page(&view);
        struct stat st;

        assert_int_equal(stat(view.path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0444);
        assert_int_equal(st.st_uid, geteuid());
        lease_page_free(page);
}

/* As after an exec: the descriptors are all that is left. */
static void a_program_that_takes_our_place_goes_on_with_it(void **state)
{
        LeaseView view;
        LeasePage *page = make_page(&view), *heir;
        const char *path;
        int fd;
        char kept[LEASE_FILE_PATH_MAX], text[LEASE_PAGE_ENV_MAX];
        LeaseView again;

        path = lease_page_file(page, &fd);
        assert_string_equal(path, view.path);
        snprintf(kept, sizeof(kept), "%s", path);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        assert_int_equal(lease_page_new(&heir, 700), 0);
        assert_int_equal(lease_page_adopt_file(heir, fd, kept), 0);
        assert_int_equal(lease_page_alloc_slot(heir), 0);
        for (unsigned i = 1; i <= SLOT; i++)
                assert_int_equal(lease_page_alloc_slot(heir), (int)i);
        lease_page_set(heir, SLOT, 99);
        assert_int_equal(read_path(&view, 0), 99);
        lease_page_env(heir, SLOT, text);
        assert_int_equal(lease_view_parse(&again, text + strlen(LEASE_PAGE_ENV) + 1), 0);
        assert_string_equal(again.path, view.path);
        lease_page_free(heir);
        read_path(&view, -ENOENT);
        lease_page_free(page);
        read_path(&view, -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(another_user_sees_the_deadline),
                cmocka_unit_test(a_file_that_is_gone_or_foreign_is_refused),
                cmocka_unit_test(the_file_of_a_supervisor_that_was_killed_counts_no_more_and_the_next_removes_it),
                cmocka_unit_test(who_may_read_it_cannot_write_it),
                cmocka_unit_test(a_program_that_takes_our_place_goes_on_with_it),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
