/* A server that is known by name and moves to another address. */
#include "fixture.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static ZkServers servers;
static atomic_int last_part; /* of the address that "moving" has, 127.0.0.x */

/* In place of the C library's, which still gets all other names. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **answer)
{
        int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        char address[32];

        *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
        snprintf(address, sizeof(address), "127.0.0.%d", last_part);
        return next(name && !strcmp(name, "moving") ? address : name, service, hints, answer);
}

static int start(void **state)
{
        return zk_servers_start(&servers, 1, 500);
}

static int stop(void **state)
{
        zk_servers_stop(&servers);
        return 0;
}

static void test_a_server_that_moved_is_found_again(void **state)
{
        char connect[64];
        ClientConfig c = {.connect = connect, .session_timeout_usec = 10 * USEC_PER_SEC, .seed = 1};
        Fixture f;

        last_part = 9; /* nobody listens there */
        snprintf(connect, sizeof(connect), "moving:%u", servers.servers[0].port);
        fixture_init(&f, &c);
        fixture_wait(&f, !strncmp(client_server(f.client), "127.0.0.9:", 10), 5 * USEC_PER_SEC);
        last_part = 1;
        fixture_wait(&f, client_is_attached(f.client), 15 * USEC_PER_SEC);
        assert_int_equal(strncmp(client_server(f.client), "127.0.0.1:", 10), 0);
        fixture_close(&f);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_server_that_moved_is_found_again),
        };

        if (!zk_servers_available())
                return 77;
        return cmocka_run_group_tests(tests, start, stop);
}
