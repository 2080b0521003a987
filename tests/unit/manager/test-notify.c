/* What the service manager hears, and that it is never waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "manager/notify.h"

static int manager = -1; /* the service manager's end */
static char heard[200];

/* The next message, "" if there is none. */
static const char *hear(void)
{
        ssize_t n = recv(manager, heard, sizeof(heard) - 1, MSG_DONTWAIT);

        heard[n > 0 ? n : 0] = '\0';
        return heard;
}

/* Once for all tests: notify_init() takes the variables away, and keeps the path. */
static int set_up(void **state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char name[60], pid[20];
        socklen_t len;

        snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(manager, (struct sockaddr *)&address, len), 0);
        setenv("NOTIFY_SOCKET", name, 1);
        setenv("WATCHDOG_USEC", "30000000", 1);
        setenv("WATCHDOG_PID", pid, 1);
        notify_init();
        return 0;
}

static int tear_down(void **state)
{
        return close(manager);
}

static void commands_do_not_inherit_the_variables(void **state)
{
        assert_null(getenv("NOTIFY_SOCKET"));
        assert_null(getenv("WATCHDOG_USEC"));
        assert_null(getenv("WATCHDOG_PID"));
        assert_true(notify_watchdog_usec() == 30000000);
}

static void each_message_is_said_as_systemd_wants_it(void **state)
{
        uint64_t usec = 0;

        notify_ready();
        assert_string_equal(hear(), "READY=1");
        notify_status("two units");
        assert_string_equal(hear(), "STATUS=two units");
        notify_watchdog();
        assert_string_equal(hear(), "WATCHDOG=1");
        notify_stopping();
        assert_string_equal(hear(), "STOPPING=1");
        notify_reloading();
        assert_int_equal(sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &usec), 1);
        assert_true(usec > 0);
}

/* Its queue is full: a readiness that was not heard comes before what is said next, once, and the rest is gone. */
static void a_service_manager_that_is_stuck_is_not_waited_for(void **state)
{
        unsigned n = 0;

        for (int i = 0; i < 10000; i++)
                notify_status("a line");
        notify_ready();
        while (strcmp(hear(), "STATUS=a line") == 0)
                n++;
        assert_true(n > 0 && n < 10000);
        assert_string_equal(heard, "");
        notify_watchdog();
        assert_string_equal(hear(), "READY=1");
        assert_string_equal(hear(), "WATCHDOG=1");
        notify_watchdog();
        assert_string_equal(hear(), "WATCHDOG=1");
        assert_string_equal(hear(), "");
}

static void a_new_program_in_our_place_finds_the_variables(void **state)
{
        notify_put_back();
        assert_non_null(getenv("NOTIFY_SOCKET"));
        assert_string_equal(getenv("WATCHDOG_USEC"), "30000000");
        assert_int_equal(atoi(getenv("WATCHDOG_PID")), getpid());
        notify_init(); /* or this one, where it could not be started */
        commands_do_not_inherit_the_variables(state);
        notify_ready();
        assert_string_equal(hear(), "READY=1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(commands_do_not_inherit_the_variables),
                cmocka_unit_test(each_message_is_said_as_systemd_wants_it),
                cmocka_unit_test(a_service_manager_that_is_stuck_is_not_waited_for),
                cmocka_unit_test(a_new_program_in_our_place_finds_the_variables),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
