/* What was measured on real ensembles must be seen on the simulated one, or it cannot show that a
 * lease is wrong. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "sim/ensemble.h"
#include "sim/probe.h"

#define TICK (2 * USEC_PER_SEC)
#define TIMEOUT (6 * USEC_PER_SEC)

typedef struct Scene {
        Simulation simulation;
        Ensemble ensemble;
        Oracle oracle;
        Host hosts[2];
} Scene;

static Scene scene;

static void begin(uint64_t seed, unsigned n_servers)
{
        HostPlan plan = {.timeout_usec = TIMEOUT};

        simulation_reset(&scene.simulation, seed);
        ensemble_init(&scene.ensemble, &scene.simulation, n_servers, TICK);
        oracle_init(&scene.oracle, &scene.simulation);
        for (unsigned i = 0; i < 2; i++)
                host_init(&scene.hosts[i], &scene.simulation, &scene.ensemble, &scene.oracle, i, &plan);
}

static void run_for(uint64_t usec)
{
        simulation_run(&scene.simulation, scene.simulation.now_usec + usec);
}

/* Runs until PATH is gone on SERVER; how long that took, in true time. */
static uint64_t until_gone(unsigned server, const char *path)
{
        uint64_t start = scene.simulation.now_usec;

        while (tree_find(&scene.ensemble.servers[server].tree, path)) {
                assert_true(scene.simulation.now_usec < start + 20 * TIMEOUT);
                run_for(1000);
        }
        return scene.simulation.now_usec - start;
}

static void cut_all(Host *host)
{
        for (unsigned i = 0; i < scene.ensemble.n_servers; i++)
                host_cut(host, i, true, true, true);
}

static void test_a_write_is_seen_by_a_slow_follower_only_after_sync(void **state)
{
        Probe *writer, *reader;

        begin(1, 3);
        writer = probe_new(&scene.hosts[0], 0);
        reader = probe_new(&scene.hosts[1], 2);
        scene.ensemble.network.links[0][2].extra_usec = USEC_PER_SEC;
        assert_int_equal(probe_create(writer, "/a", CREATE_PERSISTENT), OUTCOME_OK);
        assert_int_equal(probe_exists(reader, "/a", false), OUTCOME_NO_NODE);
        assert_int_equal(probe_ask(reader, &(Request){.kind = REQUEST_SYNC, .path = "/a"}), OUTCOME_OK);
        assert_int_equal(probe_exists(reader, "/a", false), OUTCOME_OK);
}

static void test_a_silent_session_expires_between_T_and_a_tick_more(void **state)
{
        uint64_t least = USEC_INFINITY, most = 0;

        for (uint64_t seed = 1; seed <= 60; seed++) {
                uint64_t took;
                Probe *p;

                begin(seed, 1);
                p = probe_new(&scene.hosts[0], 0);
                assert_int_equal(probe_create(p, "/a", CREATE_EPHEMERAL), OUTCOME_OK);
                cut_all(p->host);
                took = until_gone(0, "/a");
                least = MIN(least, took);
                most = MAX(most, took);
        }
        assert_true(least >= TIMEOUT - 10000 && least < TIMEOUT + TICK / 4);
        assert_true(most <= TIMEOUT + TICK && most > TIMEOUT + TICK * 3 / 4);
}

/* The follower reports whom it has heard of every half tick only. */
static void test_a_write_through_a_follower_may_be_worth_less_than_T(void **state)
{
        uint64_t least = USEC_INFINITY;

        for (uint64_t seed = 1; seed <= 60; seed++) {
                uint64_t took;
                Probe *p;

                begin(seed, 3);
                p = probe_new(&scene.hosts[0], 1);
                assert_int_equal(probe_create(p, "/a", CREATE_EPHEMERAL), OUTCOME_OK);
                for (unsigned i = 0; i < 20 + seed; i++) {
                        run_for(200000);
                        assert_int_equal(
                                probe_ask(p, &(Request){.kind = REQUEST_SET, .path = "/a", .version = -1}),
                                OUTCOME_OK);
                }
                ensemble_crash(&scene.ensemble, 1, true);
                cut_all(p->host);
                took = until_gone(0, "/a");
                least = MIN(least, took);
        }
        assert_true(least < TIMEOUT - TICK / 4);
        assert_true(least > TIMEOUT - TICK / 2 - 10000);
}

static void test_a_cut_follower_answers_reads_after_the_znode_is_gone(void **state)
{
        uint64_t gone;
        Probe *p;

        begin(3, 3);
        p = probe_new(&scene.hosts[0], 1);
        assert_int_equal(probe_create(p, "/a", CREATE_EPHEMERAL), OUTCOME_OK);
        run_for(TICK);
        ensemble_isolate(&scene.ensemble, 1, true);
        gone = until_gone(0, "/a");
        assert_true(gone < SYNC_LIMIT * TICK);
        assert_int_equal(probe_exists(p, "/a", false), OUTCOME_OK);
        assert_int_equal(probe_ask(p, &(Request){.kind = REQUEST_SYNC, .path = "/a"}), OUTCOME_UNKNOWN);
        /* In the end it gives up, and its client learns the truth elsewhere. */
        run_for(2 * SYNC_LIMIT * TICK);
        assert_true(p->expired);
}

static void test_an_isolated_leader_answers_reads_and_syncs_but_no_writes(void **state)
{
        Probe *p;

        begin(4, 3);
        p = probe_new(&scene.hosts[0], 0);
        assert_int_equal(probe_create(p, "/a", CREATE_EPHEMERAL), OUTCOME_OK);
        run_for(TICK);
        ensemble_isolate(&scene.ensemble, 0, true);
        for (unsigned i = 1; i < 3; i++) {
                ensemble_crash(&scene.ensemble, i, true);
                ensemble_restart(&scene.ensemble, i);
        }
        until_gone(1, "/a");
        assert_int_equal(scene.ensemble.servers[0].role, SERVER_LEADING);
        assert_int_equal(ensemble_find_leader(&scene.ensemble)->epoch, 2);
        assert_int_equal(probe_exists(p, "/a", false), OUTCOME_OK);
        assert_int_equal(probe_ask(p, &(Request){.kind = REQUEST_SYNC, .path = "/a"}), OUTCOME_OK);
        assert_int_equal(
                probe_ask(p, &(Request){.kind = REQUEST_SET, .path = "/a", .version = -1}), OUTCOME_UNKNOWN);
        run_for(2 * SYNC_LIMIT * TICK);
        assert_int_not_equal(scene.ensemble.servers[0].role, SERVER_LEADING);
}

static void test_a_new_leader_starts_every_session_anew(void **state)
{
        uint64_t took;
        Probe *p;

        begin(5, 3);
        p = probe_new(&scene.hosts[0], 0);
        assert_int_equal(probe_create(p, "/a", CREATE_EPHEMERAL), OUTCOME_OK);
        cut_all(p->host);
        run_for(TIMEOUT - TICK);
        ensemble_crash(&scene.ensemble, 0, true);
        took = until_gone(1, "/a");
        assert_true(took >= TIMEOUT);
}

static void test_a_write_whose_reply_is_lost_may_have_been_done(void **state)
{
        Probe *p;

        begin(6, 3);
        p = probe_new(&scene.hosts[0], 1);
        host_cut(p->host, 1, false, true, true);
        probe_send(p, &(Request){.kind = REQUEST_CREATE, .path = "/a", .mode = CREATE_PERSISTENT});
        run_for(TIMEOUT);
        assert_int_equal(p->n_replies, 1);
        assert_int_equal(p->reply.outcome, OUTCOME_UNKNOWN);
        assert_non_null(tree_find(&scene.ensemble.servers[0].tree, "/a"));
        /* The answer itself, late, reaches nobody. */
        host_cut(p->host, 1, false, true, false);
        run_for(TIMEOUT);
        assert_int_equal(p->n_replies, 1);
}

static void test_a_request_given_up_for_lost_may_be_done_later(void **state)
{
        Probe *p;

        begin(7, 1);
        p = probe_new(&scene.hosts[0], 0);
        host_cut(p->host, 0, true, false, true);
        probe_send(p, &(Request){.kind = REQUEST_CREATE, .path = "/a", .mode = CREATE_PERSISTENT});
        run_for(TIMEOUT - TICK / 2);
        assert_int_equal(p->reply.outcome, OUTCOME_UNKNOWN);
        assert_null(tree_find(&scene.ensemble.servers[0].tree, "/a"));
        host_cut(p->host, 0, true, false, false);
        run_for(20000);
        assert_non_null(tree_find(&scene.ensemble.servers[0].tree, "/a"));
}

static void test_a_watch_fires_once_and_survives_a_reconnect(void **state)
{
        Probe *p, *other;

        begin(8, 3);
        p = probe_new(&scene.hosts[0], 1);
        other = probe_new(&scene.hosts[1], 0);
        assert_int_equal(probe_exists(p, "/a", true), OUTCOME_NO_NODE);
        probe_create(other, "/a", CREATE_PERSISTENT);
        run_for(20000);
        assert_int_equal(p->n_watches, 1);
        assert_int_equal(p->watch, WATCH_CREATED);
        probe_ask(other, &(Request){.kind = REQUEST_SET, .path = "/a", .version = -1});
        run_for(20000);
        assert_int_equal(p->n_watches, 1);

        assert_int_equal(probe_exists(p, "/a", true), OUTCOME_OK);
        cut_all(p->host);
        client_cut(&p->host->client);
        probe_ask(other, &(Request){.kind = REQUEST_DELETE, .path = "/a", .version = -1});
        assert_int_equal(p->n_watches, 1);
        probe_attach(p, 2);
        run_for(20000);
        assert_int_equal(p->n_watches, 2);
        assert_int_equal(p->watch, WATCH_DELETED);
}

static void test_what_was_not_committed_may_be_undone_by_a_new_leader(void **state)
{
        Probe *p;

        begin(9, 3);
        p = probe_new(&scene.hosts[0], 0);
        ensemble_isolate(&scene.ensemble, 0, true);
        probe_send(p, &(Request){.kind = REQUEST_CREATE, .path = "/a", .mode = CREATE_PERSISTENT});
        run_for(3 * SYNC_LIMIT * TICK);
        ensemble_heal(&scene.ensemble);
        run_for(TIMEOUT);
        for (unsigned i = 0; i < 3; i++) {
                assert_null(tree_find(&scene.ensemble.servers[i].tree, "/a"));
                assert_true(server_is_serving(&scene.ensemble.servers[i]));
        }
}

static void test_a_frozen_process_reads_its_replies_when_it_goes_on(void **state)
{
        uint64_t sent;
        Probe *p;

        begin(10, 1);
        p = probe_new(&scene.hosts[0], 0);
        p->host->rate_permille = 900;
        sent = host_now(p->host);
        probe_send(p, &(Request){.kind = REQUEST_CREATE, .path = "/a", .mode = CREATE_PERSISTENT});
        host_freeze(p->host, true);
        run_for(2 * TICK);
        assert_int_equal(p->n_replies, 0);
        host_freeze(p->host, false);
        run_for(20000);
        assert_int_equal(p->reply.outcome, OUTCOME_OK);
        assert_int_equal(p->reply.sent_usec, sent);       /* of the host's own clock, before the freeze */
        assert_true(host_now(p->host) - sent < 2 * TICK); /* which runs slow */
}

static void test_boottime_goes_on_in_suspend_and_monotonic_does_not(void **state)
{
        uint64_t boottime, monotonic;
        Host *host = &scene.hosts[0];

        begin(11, 1);
        host->rate_permille = 1100;
        boottime = host_now(host);
        monotonic = host_monotonic(host);
        host_suspend(host, true);
        run_for(10 * USEC_PER_SEC);
        host_suspend(host, false);
        assert_int_equal(host_now(host) - boottime, 11 * USEC_PER_SEC);
        assert_int_equal(host_monotonic(host) - monotonic, 0);
        assert_int_equal(host_true(host, host_now(host) + 11), scene.simulation.now_usec + 10);
}

static int end_scene(void **state)
{
        simulation_deinit(&scene.simulation);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_write_is_seen_by_a_slow_follower_only_after_sync),
                cmocka_unit_test(test_a_silent_session_expires_between_T_and_a_tick_more),
                cmocka_unit_test(test_a_write_through_a_follower_may_be_worth_less_than_T),
                cmocka_unit_test(test_a_cut_follower_answers_reads_after_the_znode_is_gone),
                cmocka_unit_test(test_an_isolated_leader_answers_reads_and_syncs_but_no_writes),
                cmocka_unit_test(test_a_new_leader_starts_every_session_anew),
                cmocka_unit_test(test_a_write_whose_reply_is_lost_may_have_been_done),
                cmocka_unit_test(test_a_request_given_up_for_lost_may_be_done_later),
                cmocka_unit_test(test_a_watch_fires_once_and_survives_a_reconnect),
                cmocka_unit_test(test_what_was_not_committed_may_be_undone_by_a_new_leader),
                cmocka_unit_test(test_a_frozen_process_reads_its_replies_when_it_goes_on),
                cmocka_unit_test(test_boottime_goes_on_in_suspend_and_monotonic_does_not),
        };

        return cmocka_run_group_tests(tests, NULL, end_scene);
}
