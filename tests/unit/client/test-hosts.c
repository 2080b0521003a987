#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "client/hosts.h"
#include "util/macros.h"

static void test_understands_names_addresses_ports_and_a_chroot(void **state)
{
        char problem[256];
        Hosts hosts;

        assert_int_equal(hosts_parse(&hosts, "h1:2182,h2,[::1]:2183,[fe80::1],10.0.0.1:9/a/b", problem,
                                 sizeof(problem)),
                0);
        assert_int_equal(hosts.n, 5);
        assert_string_equal(hosts.items[0].name, "h1");
        assert_int_equal(hosts.items[0].port, 2182);
        assert_false(hosts.items[0].numeric);
        assert_int_equal(hosts.items[1].port, HOSTS_PORT_DEFAULT);
        assert_string_equal(hosts.items[2].name, "::1");
        assert_int_equal(hosts.items[2].port, 2183);
        assert_true(hosts.items[2].numeric);
        assert_string_equal(hosts.items[3].name, "fe80::1");
        assert_true(hosts.items[4].numeric);
        assert_string_equal(hosts.chroot, "/a/b");
        hosts_deinit(&hosts);
        hosts_deinit(&hosts);
}

static void test_a_lone_slash_is_no_chroot(void **state)
{
        char problem[256];
        Hosts hosts;

        assert_int_equal(hosts_parse(&hosts, "h/", problem, sizeof(problem)), 0);
        assert_string_equal(hosts.chroot, "");
        hosts_deinit(&hosts);
        assert_int_equal(hosts_parse(&hosts, "h", problem, sizeof(problem)), 0);
        assert_string_equal(hosts.chroot, "");
        hosts_deinit(&hosts);
}

static void test_a_problem_names_the_place_and_the_remedy(void **state)
{
        static const struct {
                const char *text, *problem;
        } table[] = {
                {"", "no server is named"},
                {"/a", "no server is named"},
                {"h1,,h2", "server 2 is empty; remove the extra comma"},
                {"h1,", "server 2 is empty"},
                {"h1:0", "server 1 'h1:0': the port must be a number from 1 to 65535"},
                {"h1:65536", "the port must be"},
                {"h1:x", "the port must be"},
                {"h1:", "the port must be"},
                {":2181", "the host name is missing"},
                {"h 1", "server 1 'h 1': a host name has letters"},
                {"ok,::1:2181", "server 2 '::1:2181': an IPv6 address needs brackets, as in [::1]:2181"},
                {"[::1", "the ']' after the IPv6 address is missing"},
                {"[::1]x", "after ']' only ':PORT' can follow"},
                {"[host]:1", "what is in brackets is no IPv6 address"},
                {"h/a//b", "path '/a//b': component ''"},
                {"h/a/", "path '/a/': component ''"},
                {"h/a/../b", "component '..'"},
                {"h/zookeeper", "component 'zookeeper'"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                char problem[256] = "";
                Hosts hosts;

                if (hosts_parse(&hosts, table[i].text, problem, sizeof(problem)) != -EINVAL ||
                        !strstr(problem, table[i].problem) || strncmp(problem, "connect string: ", 16))
                        fail_msg("'%s': '%s'", table[i].text, problem);
                assert_int_equal(hosts.n, 0);
                assert_null(hosts.items);
        }
}

static void test_too_many_and_too_long_are_refused(void **state)
{
        char problem[256], text[1000] = "";
        Hosts hosts;

        for (int i = 0; i <= HOSTS_MAX; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sh", i ? "," : "");
        assert_int_equal(hosts_parse(&hosts, text, problem, sizeof(problem)), -EINVAL);
        assert_non_null(strstr(problem, "more than 64 servers"));
        memset(text, 'a', 254);
        text[254] = '\0';
        assert_int_equal(hosts_parse(&hosts, text, problem, sizeof(problem)), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_understands_names_addresses_ports_and_a_chroot),
                cmocka_unit_test(test_a_lone_slash_is_no_chroot),
                cmocka_unit_test(test_a_problem_names_the_place_and_the_remedy),
                cmocka_unit_test(test_too_many_and_too_long_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
