/* The bound on watches: the library sends all it knows of in one packet when it reconnects, and a
 * server hangs up on one above 1 MB, each time anew. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include "client/watch.h"
#include "proxy.h"

/* As many of these, but not one more, stay below the bound. */
#define NAME_LEN 3000
#define N_FIT (WATCHES_BYTES_MAX / (NAME_LEN + 4))

typedef struct Setup {
        Fixture f;
        Proxy *proxy;
        Fixture gone; /* hears of the watches that will be cancelled; no loop of its own */
} Setup;

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

static void setup_init(Setup *s)
{
        char connect[64];
        ClientConfig config = {.connect = connect, .session_timeout_usec = 6 * USEC_PER_SEC, .seed = 1};

        memset(s, 0, sizeof(*s));
        assert_true(sd_event_new(&s->f.event) >= 0);
        s->proxy = proxy_new(s->f.event, servers.servers[0].port);
        snprintf(connect, sizeof(connect), "127.0.0.1:%u", proxy_port(s->proxy));
        fixture_connect(&s->f, &config);
        fixture_wait_attached(&s->f);
}

static void setup_deinit(Setup *s)
{
        s->f.client = client_free(s->f.client); /* no farewell: the proxy has its loop */
        proxy_free(s->proxy);
        fixture_deinit(&s->f);
}

static const char *path_of(unsigned i)
{
        static char path[NAME_LEN + 1];

        memset(path, 'w', NAME_LEN);
        memcpy(path, "/", 1);
        path[1 + snprintf(path + 1, 16, "%08u", i)] = 'w';
        return path;
}

/* Watches the znodes FIRST..FIRST + N - 1, none of which exists, and waits for the answers. */
static void watch_many(Setup *s, Fixture *hears, unsigned first, unsigned n)
{
        size_t before = hears->n_replies;

        for (unsigned i = first; i < first + n; i++)
                assert_int_equal(client_submit(s->f.client,
                                         &(Request){.kind = REQUEST_EXISTS,
                                                 .path = path_of(i),
                                                 .watch = true,
                                                 .tag = i + 1},
                                         fixture_on_answer, hears),
                        0);
        fixture_wait(&s->f, hears->n_replies == before + n, 10 * USEC_PER_SEC);
}

static void reconnect(Setup *s)
{
        size_t before = fixture_count(&s->f, SESSION_SUSPENDED);

        proxy_cut(s->proxy);
        fixture_wait(&s->f, fixture_count(&s->f, SESSION_SUSPENDED) == before + 1, USEC_PER_SEC);
        fixture_wait_attached(&s->f);
        /* With too large a packet it is attached, too, and then cut: only an answer proves it. */
        assert_int_equal(
                fixture_ask(&s->f, &(Request){.kind = REQUEST_GET, .path = "/", .tag = 900000})->outcome,
                OUTCOME_OK);
        assert_int_equal(fixture_count(&s->f, SESSION_SUSPENDED), before + 1);
        assert_int_equal(fixture_count(&s->f, SESSION_EXPIRED), 0);
}

/* So that a watch on it fires; leaves nothing to the other tests. */
static void create_and_delete(Setup *s, unsigned i)
{
        Request create = {.kind = REQUEST_CREATE, .path = path_of(i), .tag = 900001};
        Request delete = {.kind = REQUEST_DELETE, .path = create.path, .version = -1, .tag = 900002};

        assert_int_equal(fixture_ask(&s->f, &create)->outcome, OUTCOME_OK);
        assert_int_equal(fixture_ask(&s->f, &delete)->outcome, OUTCOME_OK);
}

static void test_watches_that_do_not_fit_in_one_packet_are_refused(void **state)
{
        static Setup s;

        setup_init(&s);
        watch_many(&s, &s.f, 0, N_FIT + 20);
        assert_int_equal(s.f.n_outcomes[OUTCOME_NO_NODE], N_FIT);
        assert_int_equal(s.f.n_outcomes[OUTCOME_REFUSED], 20);
        reconnect(&s);
        /* The last that fitted is still watched, and the first that did not is not. */
        create_and_delete(&s, N_FIT);
        create_and_delete(&s, N_FIT - 1);
        fixture_wait(&s.f, fixture_find_watch(&s.f, N_FIT), 5 * USEC_PER_SEC);
        assert_null(fixture_find_watch(&s.f, N_FIT + 1));
        /* One has fired: there is room for one. */
        watch_many(&s, &s.f, N_FIT + 30, 2);
        assert_int_equal(s.f.n_outcomes[OUTCOME_NO_NODE], N_FIT + 1);
        assert_int_equal(s.f.n_outcomes[OUTCOME_REFUSED], 21);
        setup_deinit(&s);
}

static void test_a_request_without_a_watch_is_served_beyond_the_bound(void **state)
{
        static Setup s;

        setup_init(&s);
        watch_many(&s, &s.f, 0, N_FIT);
        assert_int_equal(
                fixture_ask(&s.f, &(Request){.kind = REQUEST_EXISTS, .path = path_of(N_FIT), .tag = 900003})
                        ->outcome,
                OUTCOME_NO_NODE);
        setup_deinit(&s);
}

/* The library goes on to send them, whoever has lost interest. */
static void test_cancelled_watches_count_until_they_fire(void **state)
{
        static Setup s;

        setup_init(&s);
        watch_many(&s, &s.gone, 0, N_FIT - 1);
        /* One is cancelled before its answer has come: the server sets it all the same. */
        assert_int_equal(
                client_submit(s.f.client,
                        &(Request){
                                .kind = REQUEST_EXISTS, .path = path_of(N_FIT - 1), .watch = true, .tag = 1},
                        fixture_on_answer, &s.gone),
                0);
        client_cancel(s.f.client, &s.gone);
        watch_many(&s, &s.f, N_FIT, N_FIT);
        assert_int_equal(s.f.n_outcomes[OUTCOME_REFUSED], N_FIT);
        reconnect(&s);
        create_and_delete(&s, 0);
        create_and_delete(&s, N_FIT - 1);
        watch_many(&s, &s.f, N_FIT, 3);
        assert_int_equal(s.f.n_outcomes[OUTCOME_NO_NODE], 2);
        assert_int_equal(s.f.n_outcomes[OUTCOME_REFUSED], N_FIT + 1);
        assert_int_equal(s.gone.n_answers, N_FIT - 1); /* no watch was told to the one that is gone */
        setup_deinit(&s);
}

static void test_watching_and_cancelling_the_same_again_and_again_takes_no_room(void **state)
{
        static Setup s;

        setup_init(&s);
        for (unsigned i = 0; i < 3; i++) {
                watch_many(&s, &s.gone, 0, N_FIT / 2 - 1);
                client_cancel(s.f.client, &s.gone);
        }
        assert_int_equal(s.gone.n_outcomes[OUTCOME_NO_NODE], 3 * (N_FIT / 2 - 1));
        reconnect(&s);
        setup_deinit(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_watches_that_do_not_fit_in_one_packet_are_refused),
                cmocka_unit_test(test_a_request_without_a_watch_is_served_beyond_the_bound),
                cmocka_unit_test(test_cancelled_watches_count_until_they_fire),
                cmocka_unit_test(test_watching_and_cancelling_the_same_again_and_again_takes_no_room),
        };

        if (!zk_servers_available())
                return 77;
        return cmocka_run_group_tests(tests, start, stop);
}
