/* Names of services and the paths of their control groups, as systemd makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "unit/service-name.h"
#include "util/macros.h"

static void only_services_that_can_be_started_are_accepted(void **state)
{
        static const char *const good[] = {"a.service", "postgresql@15-main.service", "dbus-org.x.y.service",
                "system\\x2dd.service"};
        static const char *const bad[] = {"", ".service", "postgresql", "a.socket", "a@.service", "@x.service", "a b.service",
                "../a.service", "a/b.service", "a.service\n"};

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                assert_null(service_name_problem(good[i]));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_non_null(service_name_problem(bad[i]));
}

static void expect_slice(const char *name, const char *slice)
{
        CLEANUP_STRING text = service_name_slice(name);

        assert_string_equal(text, slice);
}

static void instances_of_a_template_have_a_slice_of_their_own(void **state)
{
        expect_slice("a.service", "system.slice");
        expect_slice("getty@tty1.service", "system-getty.slice");
        expect_slice("serial-getty@ttyS0.service", "system-serial\\x2dgetty.slice");
}

static void expect_group(const char *name, const char *slice, const char *group)
{
        CLEANUP_STRING text = service_name_group(name, slice);

        assert_string_equal(text, group);
}

static void a_group_is_found_through_its_slices(void **state)
{
        expect_group("a.service", "system.slice", "/system.slice/a.service");
        expect_group("a.service", "-.slice", "/a.service");
        expect_group("a.service", "x-y-z.slice", "/x.slice/x-y.slice/x-y-z.slice/a.service");
        expect_group("serial-getty@ttyS0.service", "system-serial\\x2dgetty.slice",
                "/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service");
        expect_group("memory.service", "system.slice", "/system.slice/_memory.service");
        expect_group("memory-x.service", "system.slice", "/system.slice/memory-x.service");
        expect_group("_a.service", "system.slice", "/system.slice/__a.service");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_services_that_can_be_started_are_accepted),
                cmocka_unit_test(instances_of_a_template_have_a_slice_of_their_own),
                cmocka_unit_test(a_group_is_found_through_its_slices),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
