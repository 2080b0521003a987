/* The client against one real server: requests and what comes back. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ZkServers servers;

static ClientConfig config(void)
{
        return (ClientConfig){
                .connect = servers.connect, .session_timeout_usec = 6 * USEC_PER_SEC, .seed = 1};
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

static const Answer *create(Fixture *f, const char *path, enum CreateMode mode, const char *data)
{
        return fixture_ask(f, &(Request){.kind = REQUEST_CREATE,
                                      .mode = mode,
                                      .path = path,
                                      .data = data,
                                      .data_len = strlen(data),
                                      .tag = 1});
}

static void test_attaches_and_says_with_which_session_and_timeout(void **state)
{
        ClientConfig c = config();
        Fixture f;

        fixture_init(&f, &c);
        assert_int_equal(client_session_id(f.client), 0);
        fixture_wait_attached(&f);
        assert_int_equal(f.n_changes, 1);
        assert_int_equal(f.changes[0].change, SESSION_ATTACHED);
        assert_true(f.changes[0].id != 0 && f.changes[0].id == client_session_id(f.client));
        assert_int_equal(f.changes[0].timeout_usec, 6 * USEC_PER_SEC);
        fixture_close(&f);
        assert_int_equal(f.changes[1].change, SESSION_CLOSED);
        fixture_deinit(&f);
}

static void test_a_closed_session_takes_its_ephemerals_along_at_once(void **state)
{
        ClientConfig c = config();
        Fixture f;
        const Answer *a;

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        assert_int_equal(create(&f, "/closed", CREATE_EPHEMERAL, "x")->outcome, OUTCOME_OK);
        fixture_close(&f);
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/closed", .tag = 2});
        assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_every_request_gets_its_reply(void **state)
{
        ClientConfig c = config();
        Fixture f;
        const Answer *a;
        uint64_t before = clock_boottime_usec();

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        a = create(&f, "/r", CREATE_PERSISTENT, "one");
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_string_equal(a->path, "/r");
        assert_true(a->sent_usec >= before && a->sent_usec <= a->at_usec);
        assert_int_equal(create(&f, "/r", CREATE_PERSISTENT, "")->outcome, OUTCOME_NODE_EXISTS);
        a = create(&f, "/r/s-", CREATE_EPHEMERAL_SEQUENTIAL, "");
        assert_string_equal(a->path, "/r/s-0000000000");
        assert_int_equal(
                create(&f, "/r/s-0000000000/x", CREATE_PERSISTENT, "")->outcome, OUTCOME_NO_CHILDREN);
        assert_int_equal(create(&f, "/r/c", CREATE_CONTAINER, "")->outcome, OUTCOME_OK);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/r", .tag = 2});
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_string_equal(a->data, "one");
        assert_int_equal(a->stat.data_length, 3);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_SET,
                                    .path = "/r",
                                    .data = "two!",
                                    .data_len = 4,
                                    .version = 0,
                                    .tag = 3});
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_int_equal(a->stat.version, 1);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_SET, .path = "/r", .version = 0, .tag = 3});
        assert_int_equal(a->outcome, OUTCOME_BAD_VERSION);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_CHILDREN, .path = "/r", .tag = 4});
        assert_int_equal(a->n_children, 2);
        assert_int_equal(a->stat.num_children, 2);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/r/s-0000000000", .tag = 5});
        assert_int_equal(a->stat.ephemeral_owner, client_session_id(f.client));
        a = fixture_ask(
                &f, &(Request){.kind = REQUEST_DELETE, .path = "/r", .version = VERSION_ANY, .tag = 6});
        assert_int_equal(a->outcome, OUTCOME_NOT_EMPTY);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_SYNC, .path = "/r", .tag = 7});
        assert_int_equal(a->outcome, OUTCOME_OK);
        a = fixture_ask(
                &f, &(Request){.kind = REQUEST_DELETE, .path = "/none", .version = VERSION_ANY, .tag = 8});
        assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_the_set_of_a_claim_brings_the_czxid_of_its_create(void **state)
{
        ClientConfig c = config();
        Fixture f;
        const Answer *a;
        Op ops[] = {
                {.kind = OP_CREATE,
                        .mode = CREATE_EPHEMERAL_SEQUENTIAL,
                        .path = "/m-",
                        .data = "",
                        .version = -1},
                {.kind = OP_CREATE,
                        .mode = CREATE_PERSISTENT,
                        .path = "/m-record",
                        .data = "a",
                        .data_len = 1},
                {.kind = OP_SET, .path = "/m-record", .data = "bc", .data_len = 2, .version = VERSION_ANY},
        };
        int64_t czxid;

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_MULTI, .ops = ops, .n_ops = 3, .tag = 9});
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_int_equal(a->n_results, 3);
        assert_int_equal(a->results[0].outcome, OUTCOME_OK);
        assert_int_equal(strncmp(a->result_paths[0], "/m-00000", 8), 0);
        assert_string_equal(a->result_paths[1], "/m-record");
        assert_int_equal(a->results[2].stat.version, 1);
        assert_int_equal(a->results[2].stat.data_length, 2);
        czxid = a->results[2].stat.czxid;
        assert_true(czxid > 0);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/m-record", .tag = 10});
        assert_int_equal(a->stat.czxid, czxid);
        assert_string_equal(a->data, "bc");
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_a_multi_that_fails_says_which_operation_was_the_cause(void **state)
{
        ClientConfig c = config();
        Fixture f;
        const Answer *a;
        Op ops[] = {
                {.kind = OP_CREATE, .path = "/half", .data = "", .version = -1},
                {.kind = OP_CHECK, .path = "/not-there", .version = VERSION_ANY},
                {.kind = OP_DELETE, .path = "/half", .version = VERSION_ANY},
        };

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_MULTI, .ops = ops, .n_ops = 3, .tag = 9});
        assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        assert_int_equal(a->n_results, 3);
        assert_int_equal(a->results[0].outcome, OUTCOME_ROLLED_BACK);
        assert_int_equal(a->results[1].outcome, OUTCOME_NO_NODE);
        assert_int_equal(a->results[2].outcome, OUTCOME_ROLLED_BACK);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/half", .tag = 1});
        assert_int_equal(a->outcome, OUTCOME_NO_NODE);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_what_can_never_work_is_refused_without_harm_to_the_connection(void **state)
{
        ClientConfig c = config();
        static char big[1100000];
        Fixture f;
        const Answer *a;
        Op op = {.kind = OP_SET, .path = "bad", .data = "", .version = -1};

        memset(big, 'x', sizeof(big));
        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_CREATE,
                                    .path = "/big",
                                    .data = big,
                                    .data_len = sizeof(big),
                                    .tag = 1});
        assert_int_equal(a->outcome, OUTCOME_REFUSED);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "no-slash", .tag = 2});
        assert_int_equal(a->outcome, OUTCOME_REFUSED);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_MULTI, .ops = &op, .n_ops = 1, .tag = 3});
        assert_int_equal(a->outcome, OUTCOME_REFUSED);
        a = fixture_ask(&f,
                &(Request){
                        .kind = REQUEST_CREATE, .path = "/fits", .data = big, .data_len = 990000, .tag = 4});
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_int_equal(f.n_changes, 1);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_watches_fire_once_for_what_they_were_set(void **state)
{
        ClientConfig c = config();
        Fixture f, other;

        fixture_init(&f, &c);
        fixture_init(&other, &c);
        fixture_wait_attached(&f);
        fixture_wait_attached(&other);
        create(&f, "/w", CREATE_PERSISTENT, "");
        fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/w", .watch = true, .tag = 21});
        fixture_ask(&f, &(Request){.kind = REQUEST_CHILDREN, .path = "/w", .watch = true, .tag = 22});
        fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/w/x", .watch = true, .tag = 23});
        create(&other, "/w/x", CREATE_PERSISTENT, "");
        fixture_wait(&f, fixture_find_watch(&f, 22) && fixture_find_watch(&f, 23), 5 * USEC_PER_SEC);
        assert_int_equal(fixture_find_watch(&f, 22)->kind, WATCH_CHILDREN);
        assert_string_equal(fixture_find_watch(&f, 22)->path, "/w");
        assert_int_equal(fixture_find_watch(&f, 23)->kind, WATCH_CREATED);
        assert_null(fixture_find_watch(&f, 21));
        fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/w/x", .watch = true, .tag = 24});
        fixture_ask(&other, &(Request){.kind = REQUEST_DELETE, .path = "/w/x", .version = -1, .tag = 1});
        fixture_ask(&other, &(Request){.kind = REQUEST_SET, .path = "/w", .version = -1, .tag = 1});
        fixture_wait(&f, fixture_find_watch(&f, 21) && fixture_find_watch(&f, 24), 5 * USEC_PER_SEC);
        assert_int_equal(fixture_find_watch(&f, 21)->kind, WATCH_CHANGED);
        assert_int_equal(fixture_find_watch(&f, 24)->kind, WATCH_DELETED);
        fixture_ask(&other, &(Request){.kind = REQUEST_DELETE, .path = "/w", .version = -1, .tag = 1});
        fixture_ask(&f, &(Request){.kind = REQUEST_SYNC, .path = "/", .tag = 2});
        assert_int_equal(f.n_answers - f.n_replies, 4);
        fixture_close(&other);
        fixture_close(&f);
        fixture_deinit(&other);
        fixture_deinit(&f);
}

static void test_one_that_cancelled_hears_nothing_more(void **state)
{
        ClientConfig c = config();
        Fixture f, gone = {0}, other;
        size_t n;

        fixture_init(&f, &c);
        fixture_init(&other, &c);
        fixture_wait_attached(&f);
        fixture_wait_attached(&other);
        create(&f, "/cancel", CREATE_PERSISTENT, "");
        client_submit(f.client, &(Request){.kind = REQUEST_GET, .path = "/cancel", .watch = true, .tag = 1},
                fixture_on_answer, &gone);
        fixture_wait(&f, gone.n_replies == 1, 5 * USEC_PER_SEC);
        client_submit(f.client, &(Request){.kind = REQUEST_GET, .path = "/cancel", .watch = true, .tag = 2},
                fixture_on_answer, &gone);
        client_cancel(f.client, &gone);
        n = gone.n_answers;
        /* The same path watched again by somebody who stays. */
        fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/cancel", .watch = true, .tag = 3});
        fixture_ask(&other, &(Request){.kind = REQUEST_SET, .path = "/cancel", .version = -1, .tag = 1});
        fixture_wait(&f, fixture_find_watch(&f, 3), 5 * USEC_PER_SEC);
        assert_int_equal(gone.n_answers, n);
        fixture_close(&other);
        fixture_close(&f);
        fixture_deinit(&other);
        fixture_deinit(&f);
}

/* As by an exec: the old client ends without a word, the new one has the id and the password. */
static void test_another_client_goes_on_with_the_session(void **state)
{
        ClientConfig c = config();
        ClientSession session;
        int64_t id;
        Fixture f;
        const Answer *a;

        fixture_init(&f, &c);
        assert_false(client_save(f.client, &session)); /* there is none yet */
        fixture_wait_attached(&f);
        id = client_session_id(f.client);
        assert_int_equal(create(&f, "/adopted", CREATE_EPHEMERAL, "x")->outcome, OUTCOME_OK);
        client_submit(f.client, &(Request){.kind = REQUEST_GET, .path = "/adopted"}, fixture_on_answer, &f);
        assert_false(client_save(f.client, &session)); /* an answer is awaited */
        fixture_wait(&f, client_save(f.client, &session), 5 * USEC_PER_SEC);
        f.client = client_free(f.client);
        f.n_changes = 0;
        c.session = &session;
        fixture_connect(&f, &c);
        fixture_wait(&f, f.n_changes, 5 * USEC_PER_SEC);
        assert_int_equal(f.changes[0].change, SESSION_ATTACHED);
        assert_true(f.changes[0].id == id);
        assert_int_equal(f.changes[0].timeout_usec, 6 * USEC_PER_SEC);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/adopted", .tag = 2});
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_true(a->stat.ephemeral_owner == id);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_a_session_that_is_gone_is_lost_and_another_one_made(void **state)
{
        ClientConfig c = config();
        ClientSession session;
        Fixture f;

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        assert_true(client_save(f.client, &session));
        fixture_close(&f);
        fixture_deinit(&f);
        c.session = &session;
        fixture_init(&f, &c);
        fixture_wait(&f, f.n_changes == 2, 10 * USEC_PER_SEC);
        assert_int_equal(f.changes[0].change, SESSION_EXPIRED);
        assert_int_equal(f.changes[1].change, SESSION_ATTACHED);
        assert_true(f.changes[1].id != session.id);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void free_client(void *userdata, const Event *event)
{
        Fixture *f = userdata;

        f->n_replies++;
        f->client = client_free(f->client);
}

static void test_a_handler_may_free_the_client(void **state)
{
        ClientConfig c = config();
        Fixture f;

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        for (int i = 0; i < 3; i++)
                client_submit(f.client, &(Request){.kind = REQUEST_GET, .path = "/", .watch = true, .tag = 1},
                        free_client, &f);
        fixture_wait(&f, !f.client, 5 * USEC_PER_SEC);
        fixture_idle(&f, 50000);
        assert_int_equal(f.n_replies, 1);
        fixture_deinit(&f);
}

typedef struct Closer {
        Fixture *f;
        bool replied, closed_before;
} Closer;

static void on_last_reply(void *userdata, const Event *event)
{
        Closer *closer = userdata;

        assert_int_equal(event->reply.outcome, OUTCOME_OK);
        closer->closed_before = fixture_count(closer->f, SESSION_CLOSED) > 0;
        closer->replied = true;
}

static void test_what_was_asked_before_closing_is_answered_before_it_is_closed(void **state)
{
        ClientConfig c = config();
        Fixture f;
        Closer closer = {.f = &f};

        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        client_submit(f.client, &(Request){.kind = REQUEST_SET, .path = "/", .version = -1, .tag = 1},
                on_last_reply, &closer);
        fixture_close(&f);
        assert_true(closer.replied);
        assert_false(closer.closed_before);
        fixture_deinit(&f);
}

static void test_a_chroot_is_created_and_seen_by_nobody_above(void **state)
{
        char connect[300];
        ClientConfig c = config(), plain = config();
        ClientStatistics statistics;
        Fixture f;
        const Answer *a;
        Op op = {.kind = OP_CREATE, .mode = CREATE_EPHEMERAL_SEQUENTIAL, .path = "/q-", .data = ""};

        snprintf(connect, sizeof(connect), "%s/ch/root", servers.connect);
        c.connect = connect;
        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        assert_string_equal(create(&f, "/in", CREATE_PERSISTENT, "")->path, "/in");
        a = fixture_ask(&f, &(Request){.kind = REQUEST_MULTI, .ops = &op, .n_ops = 1, .tag = 2});
        assert_string_equal(a->result_paths[0], "/q-0000000001");
        fixture_ask(&f, &(Request){.kind = REQUEST_CHILDREN, .path = "/", .watch = true, .tag = 3});
        create(&f, "/in2", CREATE_PERSISTENT, "");
        fixture_wait(&f, fixture_find_watch(&f, 3), 5 * USEC_PER_SEC);
        assert_string_equal(fixture_find_watch(&f, 3)->path, "/");
        fixture_close(&f);
        /* The second time it costs one read. */
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        client_statistics(f.client, &statistics);
        assert_int_equal(statistics.requests, 1);
        assert_int_equal(statistics.sessions, 1);
        assert_int_equal(statistics.attaches, 1);
        fixture_close(&f);
        fixture_connect(&f, &plain);
        fixture_wait_attached(&f);
        client_statistics(f.client, &statistics);
        assert_int_equal(statistics.requests, 0);
        a = fixture_ask(&f, &(Request){.kind = REQUEST_EXISTS, .path = "/ch/root/in", .tag = 4});
        assert_int_equal(a->outcome, OUTCOME_OK);
        fixture_close(&f);
        fixture_deinit(&f);
}

static void test_the_wrong_password_is_denied_and_a_forbidden_chroot_is_named(void **state)
{
        char connect[300];
        ClientConfig c = config(), wrong = config();
        Fixture f;

        c.auth_cert = "ann:right";
        wrong.auth_cert = "ann:wrong";
        fixture_init(&f, &c);
        fixture_wait_attached(&f);
        assert_int_equal(create(&f, "/secret", CREATE_PERSISTENT, "s")->outcome, OUTCOME_OK);
        fixture_close(&f);
        fixture_connect(&f, &c);
        fixture_wait_attached(&f);
        assert_int_equal(
                fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/secret", .tag = 1})->outcome,
                OUTCOME_OK);
        fixture_close(&f);
        fixture_connect(&f, &wrong);
        fixture_wait_attached(&f);
        assert_int_equal(
                fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/secret", .tag = 1})->outcome,
                OUTCOME_DENIED);
        fixture_close(&f);
        snprintf(connect, sizeof(connect), "%s/secret/app", servers.connect);
        wrong.connect = connect;
        fixture_connect(&f, &wrong);
        fixture_wait(
                &f, f.denied[0] && f.changes[f.n_changes - 1].change == SESSION_CLOSED, 5 * USEC_PER_SEC);
        assert_string_equal(f.denied_path, "/secret/app");
        assert_non_null(strstr(f.denied, "/secret/app: cannot create"));
        assert_int_equal(fixture_ask(&f, &(Request){.kind = REQUEST_GET, .path = "/x", .tag = 1})->outcome,
                OUTCOME_EXPIRED);
        fixture_deinit(&f);
}

static void test_an_unknown_scheme_is_denied(void **state)
{
        ClientConfig c = config();
        Fixture f;

        c.auth_scheme = "nonsense";
        c.auth_cert = "x";
        fixture_init(&f, &c);
        fixture_wait(&f, f.denied[0], 5 * USEC_PER_SEC);
        assert_non_null(strstr(f.denied, "nonsense"));
        fixture_wait(&f, fixture_count(&f, SESSION_CLOSED) == 1, 5 * USEC_PER_SEC);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attaches_and_says_with_which_session_and_timeout),
                cmocka_unit_test(test_a_closed_session_takes_its_ephemerals_along_at_once),
                cmocka_unit_test(test_every_request_gets_its_reply),
                cmocka_unit_test(test_the_set_of_a_claim_brings_the_czxid_of_its_create),
                cmocka_unit_test(test_a_multi_that_fails_says_which_operation_was_the_cause),
                cmocka_unit_test(test_what_can_never_work_is_refused_without_harm_to_the_connection),
                cmocka_unit_test(test_watches_fire_once_for_what_they_were_set),
                cmocka_unit_test(test_one_that_cancelled_hears_nothing_more),
                cmocka_unit_test(test_another_client_goes_on_with_the_session),
                cmocka_unit_test(test_a_session_that_is_gone_is_lost_and_another_one_made),
                cmocka_unit_test(test_a_handler_may_free_the_client),
                cmocka_unit_test(test_what_was_asked_before_closing_is_answered_before_it_is_closed),
                cmocka_unit_test(test_a_chroot_is_created_and_seen_by_nobody_above),
                cmocka_unit_test(test_the_wrong_password_is_denied_and_a_forbidden_chroot_is_named),
                cmocka_unit_test(test_an_unknown_scheme_is_denied),
        };

        if (!zk_servers_available())
                return 77;
        return cmocka_run_group_tests(tests, start, stop);
}
