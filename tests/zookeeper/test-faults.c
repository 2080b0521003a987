/* The client when servers and connections die, hang and come back. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zookeeper/zookeeper.h>
#include "proxy.h"
#include "util/random.h"

static ZkServers servers;

static int start(void **state)
{
        return zk_servers_start(&servers, 1, 500);
}

static int stop(void **state)
{
        zk_servers_stop(&servers);
        return 0;
}

static ClientConfig config_to(char connect[64], uint16_t port)
{
        snprintf(connect, 64, "127.0.0.1:%u", port);
        return (ClientConfig){.connect = connect, .session_timeout_usec = 6 * USEC_PER_SEC, .seed = 1};
}

static void test_a_server_that_comes_back_is_the_same_session(void **state)
{
        char connect[64];
        ClientConfig c = config_to(connect, servers.servers[0].port);
        Fixture f;
        int64_t id;

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        id = client_session_id(f.client);
        fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/", .watch = true, .tag = 1});
        fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/late", .watch = true, .tag = 2});
        zk_server_kill(&servers, 0);
        fixture_wait(&f, fixture_count(&f, SESSION_SUSPENDED) == 1, USEC_PER_SEC);
        zk_server_start(&servers, 0);
        fixture_wait(&f, client_is_attached(f.client), 20 * USEC_PER_SEC);
        assert_int_equal(client_session_id(f.client), id);
        assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 0);
        /* The watches were set again. */
        fixture_ask(&f, &(Request){.kind = REQUEST_CREATE, .path = "/late", .data = "", .tag = 3});
        fixture_wait(&f, fixture_find_watch(&f, 2), 5 * USEC_PER_SEC);
        assert_int_equal(fixture_find_watch(&f, 2)->kind, WATCH_CREATED);
        fixture_close(&f);
        fixture_deinit(&f);
}

/* Ends somebody's session from outside, as the ensemble does when it expires. */
static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context)
{
}

static void expire(uint16_t port, const clientid_t *id)
{
        char host[64];
        zhandle_t *zh;
        uint64_t until = clock_boottime_usec() + scaled(10 * USEC_PER_SEC);

        snprintf(host, sizeof(host), "127.0.0.1:%u", port);
        zh = zookeeper_init(host, watcher, 6000, id, NULL, ZOO_NO_LOG_CLIENTENV);
        while (zoo_state(zh) != ZOO_CONNECTED_STATE && !is_unrecoverable(zh) &&
                clock_boottime_usec() < until) {
                int fd = -1, interest = 0;
                struct timeval tv;

                if (zookeeper_interest(zh, &fd, &interest, &tv) == ZOK)
                        zookeeper_process(zh, ZOOKEEPER_READ | ZOOKEEPER_WRITE);
        }
        zookeeper_close(zh);
}

/* The server makes the password of a session with java.util.Random from its id, so whoever sees an
 * id can end the session (ZooKeeperServer.generatePasswd). */
static void password_of(clientid_t *id)
{
        uint64_t mask = (1ULL << 48) - 1,
                 seed = ((uint64_t)id->client_id ^ 0xb3415c00ULL ^ 0x5deece66dULL) & mask;

        for (size_t i = 0; i < sizeof(id->passwd); i++) {
                if (i % 4 == 0)
                        seed = (seed * 0x5deece66dULL + 11) & mask;
                id->passwd[i] = (char)(seed >> (16 + i % 4 * 8));
        }
}

static void test_a_session_ended_by_somebody_else_is_replaced_at_once(void **state)
{
        char connect[64];
        ClientConfig c = config_to(connect, servers.servers[0].port);
        Fixture f;
        clientid_t id = {0};
        const Answer *a;

        fixture_init(&f, &c);
        for (int i = 0; i < 3; i++) {
                fixture_wait_attached(&f);
                fixture_ask(&f, &(Request){.kind = REQUEST_CREATE,
                                        .path = "/ended",
                                        .mode = CREATE_EPHEMERAL,
                                        .tag = 1});
                fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/ended", .watch = true, .tag = 5});
                id.client_id = client_session_id(f.client);
                password_of(&id);
                expire(servers.servers[0].port, &id);
                fixture_wait(&f, fixture_count(&f, SESSION_EXPIRED) == (size_t)i + 1, 3 * USEC_PER_SEC);
                fixture_wait_attached(&f);
                assert_true(client_session_id(f.client) != id.client_id);
                a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/ended", .tag = 2});
                assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        }
        assert_int_equal(fixture_count(&f, SESSION_ATTACHED), 4);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_an_expired_session_is_followed_by_a_new_one(void **state)
{
        char connect[64];
        Fixture f;
        Proxy *proxy;
        ClientConfig c;
        int64_t id;
        size_t replies;
        const Answer *a;

        memset(&f, 0, sizeof(f));
        assert_true(sd_event_new(&f.event) >= 0);
        proxy = proxy_new(f.event, servers.servers[0].port);
        c = config_to(connect, proxy_port(proxy));
        c.session_timeout_usec = USEC_PER_SEC;
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        id = client_session_id(f.client);
        fixture_ask(&f,
                &(Request){.kind = REQUEST_CREATE, .path = "/mortal", .mode = CREATE_EPHEMERAL, .tag = 1});
        proxy_set_silent(proxy, true);
        replies = f.n_replies;
        client_submit(
                f.client, &(Request){.kind = REQUEST_GET, .path = "/", .tag = 7}, fixture_on_answer, &f);
        fixture_wait(&f, fixture_count(&f, SESSION_SUSPENDED) == 1, 2 * USEC_PER_SEC);
        fixture_wait(&f, f.n_replies == replies + 1, USEC_PER_SEC);
        assert_int_equal(f.n_outcomes[OUTCOME_UNKNOWN], 1);
        fixture_idle(&f, 3 * USEC_PER_SEC); /* T and more than a tick: the server's own clock */
        assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 0); /* nobody said so yet */
        proxy_cut(proxy);
        proxy_set_silent(proxy, false);
        fixture_wait(&f, fixture_count(&f, SESSION_EXPIRED) == 1, 10 * USEC_PER_SEC);
        fixture_wait_attached(&f);
        assert_true(client_session_id(f.client) != id);
        assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 1);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/mortal", .tag = 2});
        assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        fixture_close(&f);
        proxy_free(proxy);
        fixture_deinit(&f);
}

static void test_somebody_elses_wrong_password_harms_no_session(void **state)
{
        char connect[64];
        ClientConfig c = config_to(connect, servers.servers[0].port);
        Fixture f;
        clientid_t thief = {0};

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        thief.client_id = client_session_id(f.client);
        expire(servers.servers[0].port, &thief);
        /* The server hangs up on the rightful one, who comes back. */
        fixture_wait(&f, fixture_count(&f, SESSION_SUSPENDED) == 1, 5 * USEC_PER_SEC);
        fixture_wait_attached(&f);
        assert_int_equal(client_session_id(f.client), thief.client_id);
        assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 0);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_a_cut_connection_answers_unknown_and_comes_back(void **state)
{
        char connect[64];
        Fixture f;
        Proxy *proxy;
        ClientConfig c;
        const Answer *a;

        memset(&f, 0, sizeof(f));
        assert_true(sd_event_new(&f.event) >= 0);
        proxy = proxy_new(f.event, servers.servers[0].port);
        c = config_to(connect, proxy_port(proxy));
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        proxy_set_deaf(proxy, true); /* applied, and the answer never comes */
        client_submit(f.client, &(Request){.kind = REQUEST_CREATE, .path = "/applied", .tag = 1},
                fixture_on_answer, &f);
        fixture_idle(&f, 300000);
        assert_int_equal(f.n_replies, 0);
        proxy_cut(proxy);
        proxy_set_deaf(proxy, false);
        fixture_wait(&f, f.n_replies == 1, USEC_PER_SEC);
        assert_int_equal(f.n_outcomes[OUTCOME_UNKNOWN], 1);
        assert_int_equal(f.changes[1].change, SESSION_SUSPENDED);
        /* Made without contact: never sent, answered by the time there is contact again. */
        client_submit(f.client, &(Request){.kind = REQUEST_CREATE, .path = "/not-sent", .tag = 2},
                fixture_on_answer, &f);
        fixture_wait_attached(&f);
        assert_int_equal(f.n_outcomes[OUTCOME_UNKNOWN], 2);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/applied", .tag = 3});
        assert_int_equal(a->outcome, OUTCOME_OK);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/not-sent", .tag = 4});
        assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        fixture_close(&f);
        proxy_free(proxy);
        fixture_deinit(&f);
}

/* The library closes the socket when a send fails, and says nothing to anybody. */
static void test_a_send_that_fails_is_a_loss_of_contact(void **state)
{
        char connect[64];
        Fixture f;
        Proxy *proxy;
        ClientConfig c;
        const Answer *a;
        int32_t version;

        memset(&f, 0, sizeof(f));
        assert_true(sd_event_new(&f.event) >= 0);
        proxy = proxy_new(f.event, servers.servers[0].port);
        c = config_to(connect, proxy_port(proxy));
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        version = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/", .tag = 9})->stat.version;
        f.n_replies = f.n_outcomes[OUTCOME_OK] = 0;
        proxy_cut(proxy);
        for (int i = 0; i < 3; i++)
                client_submit(f.client, &(Request){.kind = REQUEST_SET, .path = "/", .version = -1, .tag = 1},
                        fixture_on_answer, &f);
        assert_int_equal(f.n_changes, 1);
        fixture_wait(&f, fixture_count(&f, SESSION_ATTACHED) == 2, 5 * USEC_PER_SEC);
        assert_int_equal(f.changes[1].change, SESSION_SUSPENDED);
        assert_int_equal(f.n_replies, 3);
        assert_int_equal(f.n_outcomes[OUTCOME_UNKNOWN], 3);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_SET, .path = "/", .version = -1, .tag = 2});
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_int_equal(a->stat.version, version + 1); /* none of the others was sent after all */
        assert_int_equal(fixture_count(&f, SESSION_SUSPENDED), 1);
        assert_int_equal(f.n_outcomes[OUTCOME_OK], 1);
        assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 0);
        fixture_close(&f);
        proxy_free(proxy);
        fixture_deinit(&f);
}

static void test_a_storm_of_cuts_is_survived_with_every_request_answered_once(void **state)
{
        char connect[64];
        Fixture f;
        Proxy *proxy;
        ClientConfig c;
        size_t asked = 0, fds;
        uint64_t until, next = 0;
        Random random;

        memset(&f, 0, sizeof(f));
        random_init(&random, 7);
        assert_true(sd_event_new(&f.event) >= 0);
        proxy = proxy_new(f.event, servers.servers[0].port);
        c = config_to(connect, proxy_port(proxy));
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        fds = count_fds();
        until = clock_boottime_usec() + 2 * USEC_PER_SEC;
        while (clock_boottime_usec() < until) {
                client_submit(f.client, &(Request){.kind = REQUEST_SET, .path = "/", .version = -1, .tag = 1},
                        fixture_on_answer, &f);
                asked++;
                if (clock_boottime_usec() >= next) {
                        proxy_cut(proxy);
                        next = clock_boottime_usec() + random_below(&random, 60000);
                }
                fixture_run(&f, random_below(&random, 3000));
        }
        fixture_wait(&f, f.n_replies == asked, 10 * USEC_PER_SEC);
        fixture_wait_attached(&f);
        assert_int_equal(
                fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/", .tag = 2})->outcome, OUTCOME_OK);
        assert_int_equal(f.n_replies, asked + 1);
        assert_true(fixture_count(&f, SESSION_SUSPENDED) >= 5);
        assert_int_equal(fixture_count(&f, SESSION_EXPIRED), 0);
        for (size_t i = 1; i < f.n_changes; i++)
                assert_true(f.changes[i].change != f.changes[i - 1].change);
        fixture_idle(&f, 50000);
        assert_int_equal(count_fds(), fds);
        fixture_close(&f);
        proxy_free(proxy);
        fixture_deinit(&f);
}

static void test_a_silent_server_is_cut_before_the_lease_runs_out(void **state)
{
        char connect[64];
        Fixture f;
        Proxy *proxy;
        ClientConfig c;
        ClientStatistics statistics;
        uint64_t began;

        memset(&f, 0, sizeof(f));
        assert_true(sd_event_new(&f.event) >= 0);
        proxy = proxy_new(f.event, servers.servers[0].port);
        c = config_to(connect, proxy_port(proxy));
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        proxy_set_silent(proxy, true);
        began = clock_boottime_usec();
        client_submit(
                f.client, &(Request){.kind = REQUEST_GET, .path = "/", .tag = 1}, fixture_on_answer, &f);
        fixture_wait(&f, f.n_replies == 1, 3 * USEC_PER_SEC);
        assert_in_range(clock_boottime_usec() - began, 900000, scaled(1500000)); /* T/6 */
        fixture_idle(&f, 1500000);                                       /* one attempt into the silence */
        proxy_cut(proxy);
        proxy_set_silent(proxy, false);
        fixture_wait_attached(&f);
        client_statistics(f.client, &statistics);
        assert_in_range(statistics.cuts, 1, 3);
        fixture_close(&f);
        proxy_free(proxy);
        fixture_deinit(&f);
}

static void test_closing_on_a_hung_server_does_not_block_the_loop(void **state)
{
        char connect[64];
        Fixture f;
        ClientConfig c = config_to(connect, servers.servers[0].port);
        uint64_t began, longest = 0;

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        fixture_idle(&f, 1100000); /* the last answer is old news */
        zk_server_freeze(&servers, 0);
        client_close(f.client);
        while (fixture_count(&f, SESSION_CLOSED) == 0) {
                began = clock_boottime_usec();
                fixture_run(&f, 10000);
                longest = MAX(longest, clock_boottime_usec() - began);
        }
        zk_server_thaw(&servers, 0);
        assert_true(longest < scaled(100000));
        f.client = client_free(f.client);
        fixture_deinit(&f);
}

static void test_no_ensemble_says_which_servers_were_tried_and_why_each_failed(void **state)
{
        ClientConfig c = {
                .connect = "127.0.0.1:1,127.0.0.1:2,does-not-exist.invalid:2181",
                .connect_timeout_usec = USEC_PER_SEC,
                .session_timeout_usec = 6 * USEC_PER_SEC,
                .seed = 1,
        };
        Fixture f;

        fixture_init(&f, &c);
        fixture_wait(&f, f.no_ensemble[0], 3 * USEC_PER_SEC);
        assert_non_null(strstr(f.no_ensemble, "127.0.0.1:1: Connection refused"));
        assert_non_null(strstr(f.no_ensemble, "127.0.0.1:2: Connection refused"));
        assert_non_null(strstr(f.no_ensemble, "does-not-exist.invalid: "));
        client_close(f.client);
        fixture_wait(&f, fixture_count(&f, SESSION_CLOSED) == 1, USEC_PER_SEC);
        fixture_deinit(&f);
}

static void test_names_are_resolved_without_holding_up_the_loop(void **state)
{
        char connect[128];
        ClientConfig c = {.connect = connect, .session_timeout_usec = 6 * USEC_PER_SEC, .seed = 1};
        Fixture f;
        uint64_t until, began, longest = 0;

        snprintf(connect, sizeof(connect), "localhost:%u,does-not-exist.invalid", servers.servers[0].port);
        fixture_init(&f, &c);
        until = clock_boottime_usec() + 10 * USEC_PER_SEC;
        while (!client_is_attached(f.client) && clock_boottime_usec() < until) {
                began = clock_boottime_usec();
                fixture_run(&f, 10000);
                longest = MAX(longest, clock_boottime_usec() - began);
        }
        assert_true(client_is_attached(f.client));
        assert_true(longest < scaled(60000));
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_no_descriptor_is_left_behind(void **state)
{
        char connect[64];
        ClientConfig c = config_to(connect, servers.servers[0].port);
        size_t before = count_fds();
        Fixture f;

        for (int i = 0; i < 5; i++) {
                fixture_init(&f, &c);
                fixture_wait_attached(&f);
                if (i % 2)
                        fixture_close(&f);
                fixture_deinit(&f);
        }
        assert_int_equal(count_fds(), before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_server_that_comes_back_is_the_same_session),
                cmocka_unit_test(test_a_session_ended_by_somebody_else_is_replaced_at_once),
                cmocka_unit_test(test_an_expired_session_is_followed_by_a_new_one),
                cmocka_unit_test(test_somebody_elses_wrong_password_harms_no_session),
                cmocka_unit_test(test_a_cut_connection_answers_unknown_and_comes_back),
                cmocka_unit_test(test_a_send_that_fails_is_a_loss_of_contact),
                cmocka_unit_test(test_a_storm_of_cuts_is_survived_with_every_request_answered_once),
                cmocka_unit_test(test_a_silent_server_is_cut_before_the_lease_runs_out),
                cmocka_unit_test(test_closing_on_a_hung_server_does_not_block_the_loop),
                cmocka_unit_test(test_no_ensemble_says_which_servers_were_tried_and_why_each_failed),
                cmocka_unit_test(test_names_are_resolved_without_holding_up_the_loop),
                cmocka_unit_test(test_no_descriptor_is_left_behind),
        };

        if (!zk_servers_available())
                return 77;
        return cmocka_run_group_tests(tests, start, stop);
}
