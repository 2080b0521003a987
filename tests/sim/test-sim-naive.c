/* Three scenes in which a lease by ping, read, sync or write fails although it does all else right,
 * and in which the real rule does not. Each is played with 40 different phases of the servers' ticks.
 * SIM_EXPLAIN=1 prints the transcript of the first failure of each. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "sim/schedule.h"

#define TICK (2 * USEC_PER_SEC)
#define TIMEOUT (6 * USEC_PER_SEC)
#define PHASES 40

typedef void (*Scene)(Ensemble *ensemble, Host *holder);

static World world;

static void keep_to(Host *host, unsigned server)
{
        for (unsigned i = 0; i < host->ensemble->n_servers; i++)
                if (i != server)
                        host_cut(host, i, true, true, true);
}

/* The holder's server goes on answering until it misses its leader. */
static void cut_follower(Ensemble *ensemble, Host *holder)
{
        ensemble_isolate(ensemble, 1, true);
}

/* The holder's server still believes to lead while the others have elected another. */
static void isolate_leader(Ensemble *ensemble, Host *holder)
{
        ensemble_isolate(ensemble, 0, true);
        for (unsigned i = 1; i < 3; i++) {
                ensemble_crash(ensemble, i, true);
                ensemble_restart(ensemble, i);
        }
}

/* The follower has not yet told the leader whom it has heard of, and never will. */
static void crash_follower(Ensemble *ensemble, Host *holder)
{
        for (unsigned i = 0; i < 3; i++)
                host_cut(holder, i, true, true, true);
        ensemble_crash(ensemble, 1, true);
}

/* Host 0 holds and is a client of SERVER only; host 1 wants to hold and is a client of the others. Returns
 * whether a promise of safety was broken. */
static bool play(uint64_t seed, const Subject *subject, unsigned server, Scene scene)
{
        HostPlan plan = {.timeout_usec = TIMEOUT,
                .patience_usec = TIMEOUT / 6,
                .work_min_usec = 1000 * USEC_PER_SEC,
                .work_max_usec = 1000 * USEC_PER_SEC,
                .stubborn_percent = 100};
        Simulation *s = &world.simulation;

        world_init(&world, seed, subject, 3, 2, TICK, &plan, 1);
        keep_to(&world.hosts[0], server);
        host_cut(&world.hosts[1], server, true, true, true);
        if (!subject->is_naive) { /* the worst clocks that are allowed */
                world.hosts[0].rate_permille = 900;
                world.hosts[1].rate_permille = 1100;
        }
        host_boot_at(&world.hosts[0], server);
        simulation_run(s, s->now_usec + TIMEOUT);
        assert_int_equal(world.oracle.holds[1].executing, 1);
        host_boot_at(&world.hosts[1], 2);
        simulation_run(s, s->now_usec + TIMEOUT + seed * 73000);
        scene(&world.ensemble, &world.hosts[0]);
        simulation_run(s, s->now_usec + 10 * TIMEOUT);
        if (!s->violated) /* else the scene did not come to its point */
                assert_int_equal(world.oracle.holds[1].executing, 2);
        world_clear(&world);
        return s->violated;
}

static unsigned count(const char *name, const Subject *subject, unsigned server, Scene scene)
{
        const char *what = subject->is_naive ? naive_to_string(subject->naive) : "the rule";
        unsigned n = 0;

        for (uint64_t seed = 1; seed <= PHASES; seed++) {
                if (!play(seed, subject, server, scene))
                        continue;
                assert_true(world.simulation.is_unsafe);
                if (n++ == 0 && getenv("SIM_EXPLAIN")) {
                        world.simulation.tracing = true;
                        play(seed, subject, server, scene);
                        world.simulation.tracing = false;
                        fprintf(stderr, "---- %s: %s\n%s", name, what, world.simulation.transcript.data);
                }
        }
        printf("%s: %s: two at once in %u of %u\n", name, what, n, PHASES);
        return n;
}

static unsigned count_naive(const char *name, enum NaiveLease lease, unsigned server, Scene scene)
{
        return count(name, &(Subject){.is_naive = true, .naive = lease}, server, scene);
}

static void test_a_cut_follower_deceives_pings_and_reads(void **state)
{
        const char *name = "cut follower";

        assert_int_equal(count_naive(name, NAIVE_PING, 1, cut_follower), PHASES);
        assert_int_equal(count_naive(name, NAIVE_READ, 1, cut_follower), PHASES);
        assert_int_equal(count(name, &(Subject){0}, 1, cut_follower), 0);
}

static void test_an_isolated_leader_deceives_pings_reads_and_syncs(void **state)
{
        const char *name = "isolated leader";

        assert_true(count_naive(name, NAIVE_PING, 0, isolate_leader) > PHASES / 2);
        assert_true(count_naive(name, NAIVE_READ, 0, isolate_leader) > PHASES / 2);
        assert_true(count_naive(name, NAIVE_SYNC, 0, isolate_leader) > PHASES / 2);
        assert_int_equal(count_naive(name, NAIVE_WRITE, 0, isolate_leader), 0);
        assert_int_equal(count(name, &(Subject){0}, 0, isolate_leader), 0);
}

static void test_the_touch_lag_deceives_even_writes(void **state)
{
        const char *name = "touch lag";

        assert_true(count_naive(name, NAIVE_WRITE, 1, crash_follower) > 0);
        assert_int_equal(count(name, &(Subject){0}, 1, crash_follower), 0);
}

static int end(void **state)
{
        world_deinit(&world);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_cut_follower_deceives_pings_and_reads),
                cmocka_unit_test(test_an_isolated_leader_deceives_pings_reads_and_syncs),
                cmocka_unit_test(test_the_touch_lag_deceives_even_writes),
        };

        return cmocka_run_group_tests(tests, NULL, end);
}
