#include "sim/trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "util/text.h"

uint64_t trial_number(const char *name, uint64_t otherwise)
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

void trial_note(Trials *trials, bool good)
{
        if (good)
                trials->passed++;
        else
                trials->failed++;
}

void trial_function_of_seed(Trials *trials, const Subject *subject)
{
        uint64_t events[50];
        bool same = true;

        for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
                schedule_run(&trials->world, trials->first + i, subject);
                events[i] = trials->world.simulation.n_events;
        }
        for (size_t i = ARRAY_SIZE(events); i-- > 0;) {
                schedule_run(&trials->world, trials->first + i, subject);
                same = same && events[i] == trials->world.simulation.n_events;
        }
        printf("%s: a schedule is a function of its seed\n", same ? "ok" : "not ok");
        trial_note(trials, same);
}

void trial_rule(Trials *trials, const char *name, const Subject *subject, uint64_t n)
{
        World *world = &trials->world;
        uint64_t events = 0, starts = 0, hand_overs = 0, n_faults = 0, n_reexecs = 0;
        double healing, worst = 0;
        double begin = seconds();

        for (uint64_t seed = trials->first; seed < trials->first + n; seed++) {
                bool good = schedule_run(world, seed, subject);

                events += world->simulation.n_events;
                starts += world->oracle.n_starts;
                hand_overs += world->oracle.n_hand_overs;
                n_faults += world->n_faults;
                n_reexecs += world->n_reexecs;
                healing = (double)world->heal_usec / (double)world->hosts[0].plan.timeout_usec;
                worst = healing > worst ? healing : worst;
                if (good)
                        continue;
                schedule_explain(world, seed, subject);
                printf("not ok: %s: seed %" PRIu64 ": %s\n", name, seed, world->simulation.violation);
                trial_note(trials, false);
                return;
        }
        if (subject->reexecs && n_reexecs < n) {
                printf("not ok: %s: no more than %" PRIu64 " programs were replaced\n", name, n_reexecs);
                trial_note(trials, false);
                return;
        }
        trial_note(trials, true);
        if (subject->reexecs)
                printf("%" PRIu64 " programs were replaced; ", n_reexecs);
        printf("ok: %s survives %" PRIu64 " schedules: %" PRIu64 " events, %" PRIu64 " faults, %" PRIu64
               " children, %" PRIu64 " hand-overs, all served at most %.1f T after the healing, in %.1fs\n",
                name, n, events, n_faults, starts, hand_overs, worst, seconds() - begin);
}

void trial_mutant(Trials *trials, const char *name, const Subject *subject, uint64_t n)
{
        World *world = &trials->world;

        for (uint64_t seed = trials->first; seed < trials->first + n; seed++) {
                if (schedule_run(world, seed, subject) || !world->simulation.is_unsafe)
                        continue;
                if (trial_number("SIM_EXPLAIN", 0))
                        schedule_explain(world, seed, subject);
                printf("ok: %s: caught by schedule %" PRIu64 ": %s\n", name, seed - trials->first + 1,
                        world->simulation.violation);
                trial_note(trials, true);
                return;
        }
        printf("not ok: %s survives %" PRIu64 " schedules\n", name, n);
        trial_note(trials, false);
}

int trial_end(Trials *trials)
{
        world_deinit(&trials->world);
        printf("%u passed, %u failed\n", trials->passed, trials->failed);
        return trials->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
