/* The client and three servers: one of them hangs, dies, or is left out by the library. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ZkServers servers;

static int start(void **state)
{
        return zk_servers_start(&servers, 3, 500);
}

static int stop(void **state)
{
        zk_servers_stop(&servers);
        return 0;
}

static unsigned server_in_use(const Fixture *f)
{
        const char *address = client_server(f->client);

        for (unsigned i = 0; i < servers.n; i++)
                if (strrchr(address, ':') && atoi(strrchr(address, ':') + 1) == servers.servers[i].port)
                        return i;
        fail_msg("'%s' is none of the servers", address);
        return 0;
}

static bool is_follower(unsigned i)
{
        char mode[16];

        return zk_server_mode(&servers, i, mode) == 0 && !strcmp(mode, "follower");
}

/* Attached to a follower, so that the ensemble goes on when that one is stopped. */
static void attach_to_follower(Fixture *f, const ClientConfig *config)
{
        ClientConfig c = *config;

        for (c.seed = 1;; c.seed++) {
                fixture_init(f, &c);
                fixture_wait_attached(f);
                if (is_follower(server_in_use(f)))
                        return;
                fixture_close(f);
                fixture_deinit(f);
        }
}

/* From the moment the server hangs until a write is acknowledged by another one: T/6 of patience and
 * a connection, that is within the 0.4 T of silence that a lease rides out. */
static void test_a_hung_server_is_left_for_another_one_within_the_lease(void **state)
{
        ClientConfig c = {.connect = servers.connect, .session_timeout_usec = 6 * USEC_PER_SEC};
        Fixture f;
        unsigned hung;
        int64_t id;
        uint64_t began, took;

        attach_to_follower(&f, &c);
        id = client_session_id(f.client);
        hung = server_in_use(&f);
        zk_server_freeze(&servers, hung);
        began = clock_boottime_usec();
        assert_int_equal(
                fixture_ask(&f, &(Request){.kind = REQUEST_SET, .path = "/", .version = -1, .tag = 1})
                        ->outcome,
                OUTCOME_UNKNOWN);
        fixture_wait_attached(&f);
        assert_int_equal(
                fixture_ask(&f, &(Request){.kind = REQUEST_SET, .path = "/", .version = -1, .tag = 2})
                        ->outcome,
                OUTCOME_OK);
        took = clock_boottime_usec() - began;
        print_message("hung server left after %llu ms of T = 6000 ms\n", (unsigned long long)took / 1000);
        assert_true(took < scaled(2400000));
        assert_true(server_in_use(&f) != hung);
        assert_int_equal(client_session_id(f.client), id);
        zk_server_thaw(&servers, hung);
        fixture_close(&f);
        fixture_deinit(&f);
        assert_int_equal(zk_server_wait(&servers, hung), 0);
}

/* Two servers are an even list, of which the library alone tries only every second one. */
static void test_every_server_of_an_even_list_is_tried(void **state)
{
        char connect[64];
        ClientConfig c = {.connect = connect, .session_timeout_usec = 6 * USEC_PER_SEC};
        unsigned a = is_follower(0) ? 0 : 1, b;

        for (b = a + 1; !is_follower(b); b++)
                assert_true(b < 3);
        snprintf(connect, sizeof(connect), "127.0.0.1:%u,127.0.0.1:%u", servers.servers[a].port,
                servers.servers[b].port);
        for (c.seed = 1; c.seed < 5; c.seed++) {
                Fixture f;
                unsigned used;
                uint64_t began;

                fixture_init(&f, &c);
                fixture_wait_attached(&f);
                used = server_in_use(&f);
                began = clock_boottime_usec();
                zk_server_kill(&servers, used);
                fixture_wait(&f, fixture_count(&f, SESSION_ATTACHED) == 2, 5 * USEC_PER_SEC);
                assert_true(clock_boottime_usec() - began < scaled(1500000));
                assert_true(server_in_use(&f) != used);
                assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 0);
                zk_server_start(&servers, used);
                assert_int_equal(zk_server_wait(&servers, used), 0);
                fixture_close(&f);
                fixture_deinit(&f);
        }
}

static void test_the_session_outlives_its_leader(void **state)
{
        ClientConfig c = {.connect = servers.connect, .session_timeout_usec = 6 * USEC_PER_SEC, .seed = 3};
        Fixture f;
        unsigned leader = 0;
        int64_t id;
        const Answer *a;

        while (is_follower(leader))
                leader++;
        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        id = client_session_id(f.client);
        fixture_ask(
                &f, &(Request){.kind = REQUEST_CREATE, .path = "/lives", .mode = CREATE_EPHEMERAL, .tag = 1});
        zk_server_kill(&servers, leader);
        do {
                fixture_wait(&f, client_is_attached(f.client), 20 * USEC_PER_SEC);
                a = fixture_ask(
                        &f, &(Request){.kind = REQUEST_SET, .path = "/lives", .version = -1, .tag = 2});
        } while (a->outcome == OUTCOME_UNKNOWN);
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_int_equal(client_session_id(f.client), id);
        zk_server_start(&servers, leader);
        assert_int_equal(zk_server_wait(&servers, leader), 0);
        fixture_close(&f);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_hung_server_is_left_for_another_one_within_the_lease),
                cmocka_unit_test(test_every_server_of_an_even_list_is_tried),
                cmocka_unit_test(test_the_session_outlives_its_leader),
        };

        if (!zk_servers_available())
                return 77;
        return cmocka_run_group_tests(tests, start, stop);
}
