/* The lease page as a process of the supervised tree finds it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "unit/lease-page.h"
#include "unit/lease-view.h"

typedef struct Rig {
        LeasePage *page;
        unsigned slot;
        LeaseView view;
} Rig;

static int setup(void **state)
{
        static Rig rig;
        char text[LEASE_PAGE_ENV_MAX];

        assert_int_equal(lease_page_new(&rig.page, 700), 0); /* the commands' words are on a page of their own */
        for (int i = 0; i < 5; i++)
                rig.slot = (unsigned)lease_page_alloc_slot(rig.page);
        lease_page_env(rig.page, rig.slot, text);
        assert_memory_equal(text, LEASE_PAGE_ENV "=", strlen(LEASE_PAGE_ENV) + 1);
        assert_int_equal(lease_view_parse(&rig.view, text + strlen(LEASE_PAGE_ENV) + 1), 0);
        *state = &rig;
        return 0;
}

static int teardown(void **state)
{
        lease_page_free(((Rig *)*state)->page);
        return 0;
}

static uint64_t read_it(const LeaseView *view)
{
        uint64_t deadline = 1;
        char problem[300];

        assert_int_equal(lease_view_read(view, &deadline, problem, sizeof(problem)), 0);
        return deadline;
}

static void a_reader_sees_the_deadline_of_its_own_slot(void **state)
{
        Rig *rig = *state;

        assert_int_equal(read_it(&rig->view), 0);
        lease_page_set(rig->page, rig->slot, 77);
        lease_page_set(rig->page, rig->slot + 1, 78);
        assert_int_equal(read_it(&rig->view), 77);
        lease_page_set(rig->page, rig->slot, LEASE_DEADLINE_NONE);
        assert_true(read_it(&rig->view) == LEASE_DEADLINE_NONE);
}

static void a_hold_that_is_lost_is_nobodys_while_its_guard_keeps_the_deadline(void **state)
{
        Rig *rig = *state;

        lease_page_set(rig->page, rig->slot, 77);
        lease_page_disown(rig->page, rig->slot);
        assert_int_equal(read_it(&rig->view), 0);
        assert_int_equal(lease_page_get(rig->page, rig->slot), 77);
        lease_page_set(rig->page, rig->slot, 99); /* held again */
        assert_int_equal(read_it(&rig->view), 99);
}

static void a_process_that_has_no_descriptor_of_it_sees_it(void **state)
{
        Rig *rig = *state;
        int status;
        pid_t pid;

        lease_page_set(rig->page, rig->slot, 77);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                uint64_t deadline = 0;
                char problem[300];

                close(lease_page_fd(rig->page));
                _exit(lease_view_read(&rig->view, &deadline, problem, sizeof(problem)) == 0 && deadline == 77 ? 7 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void whatever_is_not_the_page_is_refused_with_a_reason(void **state)
{
        Rig *rig = *state;
        LeaseView view;
        uint64_t deadline = 5;
        char problem[300];

        view = rig->view; /* the pid is another process's, or the descriptor another file's */
        view.inode++;
        assert_int_equal(lease_view_read(&view, &deadline, problem, sizeof(problem)), -ESTALE);
        assert_non_null(strstr(problem, "has ended"));
        view = rig->view;
        view.word = 1 << 20;
        assert_int_equal(lease_view_read(&view, &deadline, problem, sizeof(problem)), -ESTALE);
        view = rig->view;
        view.fd = 9999;
        assert_int_equal(lease_view_read(&view, &deadline, problem, sizeof(problem)), -ENOENT);
        view = rig->view;
        view.pid = 0;
        assert_true(lease_view_read(&view, &deadline, problem, sizeof(problem)) < 0);
        assert_int_equal(deadline, 5);
}

static void a_file_of_another_file_system_with_the_same_number_is_not_the_page(void **state)
{
        Rig *rig = *state;
        LeaseView view = rig->view;
        char problem[300];
        uint64_t deadline;
        struct stat st;
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        view.fd = (uint64_t)fd;
        view.word = 0;
        view.inode = st.st_ino;
        assert_int_equal(lease_view_read(&view, &deadline, problem, sizeof(problem)), -ESTALE);
        close(fd);
}

static void who_opens_the_page_cannot_write_it(void **state)
{
        Rig *rig = *state;
        char path[64];
        uint64_t forged = UINT64_MAX;
        int fd;

        lease_page_set(rig->page, rig->slot, 77);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", lease_page_fd(rig->page));
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
        assert_int_equal(pwrite(fd, &forged, sizeof(forged), (off_t)(rig->slot * sizeof(forged))), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(lease_page_get(rig->page, rig->slot), 77);
        close(fd);
}

static void only_what_was_written_for_it_is_parsed(void **state)
{
        static const char *const bad[] = {"", ":", "1", "1:2:3", "1:2:3:", "1:2::4", ":2:3:4", "1:2:3:x", "-1:2:3:4", "1 :2:3:4",
                "99999999999:2:3:4", "1:2:99999999999:4", "1:2:3:99999999999999999999999999"};
        LeaseView view;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(lease_view_parse(&view, bad[i]), -EINVAL);
        assert_int_equal(lease_view_parse(&view, "1:2:3:4"), 0);
        assert_string_equal(view.path, "");
        assert_int_equal(lease_view_parse(&view, "1:2:3:4:/a:more"), 0);
        assert_true(view.pid == 1 && view.fd == 2 && view.word == 3 && view.inode == 4);
        assert_string_equal(view.path, "/a");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_reader_sees_the_deadline_of_its_own_slot, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_hold_that_is_lost_is_nobodys_while_its_guard_keeps_the_deadline, setup, teardown),
                cmocka_unit_test_setup_teardown(a_process_that_has_no_descriptor_of_it_sees_it, setup, teardown),
                cmocka_unit_test_setup_teardown(whatever_is_not_the_page_is_refused_with_a_reason, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_file_of_another_file_system_with_the_same_number_is_not_the_page, setup, teardown),
                cmocka_unit_test_setup_teardown(who_opens_the_page_cannot_write_it, setup, teardown),
                cmocka_unit_test(only_what_was_written_for_it_is_parsed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
