/* The rule of the lease under random schedules, and the proof that they can fail: each rule broken on
 * purpose must be noticed. SIM_SCHEDULES is how many (default 100000), SIM_SEED the first seed;
 * SIM_EXPLAIN=1 prints the transcript of what catches a mutant, too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "sim/schedule.h"
#include "util/text.h"

static World world;
static unsigned passed, failed;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        uint64_t value = otherwise;

        if (text && text_to_u64(text, 0, UINT64_MAX, &value) < 0)
                fprintf(stderr, "%s: no number: %s\n", name, text);
        return value;
}

static double seconds(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void note(bool good)
{
        if (good)
                passed++;
        else
                failed++;
}

/* Else no failure could be looked at again. */
static void test_function_of_seed(uint64_t first)
{
        uint64_t events[50];
        bool same = true;

        for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
                schedule_run(&world, first + i, &(Subject){0});
                events[i] = world.simulation.n_events;
        }
        for (size_t i = ARRAY_SIZE(events); i-- > 0;) {
                schedule_run(&world, first + i, &(Subject){0});
                same = same && events[i] == world.simulation.n_events;
        }
        printf("%s: a schedule is a function of its seed\n", same ? "ok" : "not ok");
        note(same);
}

static void test_rule(uint64_t first, uint64_t n)
{
        Subject subject = {0};
        uint64_t events = 0, starts = 0, hand_overs = 0, n_faults = 0;
        double healing, worst = 0;
        double begin = seconds();

        for (uint64_t seed = first; seed < first + n; seed++) {
                bool good = schedule_run(&world, seed, &subject);

                events += world.simulation.n_events;
                starts += world.oracle.n_starts;
                hand_overs += world.oracle.n_hand_overs;
                n_faults += world.n_faults;
                healing = (double)world.heal_usec / (double)world.hosts[0].plan.timeout_usec;
                worst = healing > worst ? healing : worst;
                if (good)
                        continue;
                schedule_explain(&world, seed, &subject);
                printf("not ok: seed %" PRIu64 ": %s\n", seed, world.simulation.violation);
                note(false);
                return;
        }
        note(true);
        printf("ok: the rule survives %" PRIu64 " schedules: %" PRIu64 " events, %" PRIu64 " faults, %" PRIu64
               " children, %" PRIu64 " hand-overs, all served at most %.1f T after the healing, in %.1fs\n",
                n, events, n_faults, starts, hand_overs, worst, seconds() - begin);
}

static void test_mutant(const char *name, const Subject *subject, uint64_t first, uint64_t n)
{
        for (uint64_t seed = first; seed < first + n; seed++) {
                if (schedule_run(&world, seed, subject) || !world.simulation.is_unsafe)
                        continue;
                if (from_environment("SIM_EXPLAIN", 0))
                        schedule_explain(&world, seed, subject);
                printf("ok: %s: caught by schedule %" PRIu64 ": %s\n", name, seed - first + 1,
                        world.simulation.violation);
                note(true);
                return;
        }
        printf("not ok: %s survives %" PRIu64 " schedules\n", name, n);
        note(false);
}

int main(void)
{
        static const struct {
                const char *name;
                enum ClaimMutantKind kind;
        } mutants[] = {
                {"a read renews", MUTANT_READ_LEASE},
                {"the successor does not wait", MUTANT_NO_WAIT},
                {"deadline from the reply's time", MUTANT_REPLY_TIME},
                {"a late reply revives", MUTANT_REVIVE},
        };
        uint64_t n = from_environment("SIM_SCHEDULES", 100000), first = from_environment("SIM_SEED", 1);

        test_function_of_seed(first);
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
                claim_mutant = mutants[i].kind;
                test_mutant(mutants[i].name, &(Subject){0}, first, n);
        }
        claim_mutant = MUTANT_NONE;
        test_mutant("CLOCK_MONOTONIC over a suspend", &(Subject){.uses_monotonic = true}, first, n);
        test_mutant("released when told to stop", &(Subject){.releases_early = true}, first, n);
        for (enum NaiveLease lease = NAIVE_PING; lease < NAIVE_LEASES; lease++)
                test_mutant(naive_to_string(lease), &(Subject){.is_naive = true, .naive = lease}, first, n);
        test_rule(first, n);
        world_deinit(&world);
        printf("%u passed, %u failed\n", passed, failed);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
