/* The rule of the lease under random schedules, with numbers of a pool, and the proof that they can
 * fail: each rule broken on purpose must be noticed. SIM_SCHEDULES is how many (default 100000), SIM_SEED
 * the first seed. */
#include <stdio.h>
#include "sim/trial.h"

static Trials trials;

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
        uint64_t n = trial_number("SIM_SCHEDULES", 100000);

        trials.first = trial_number("SIM_SEED", 1);
        setvbuf(stdout, NULL, _IOLBF, 0);
        trial_function_of_seed(&trials, &(Subject){0});
        for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
                claim_mutant = mutants[i].kind;
                trial_mutant(&trials, mutants[i].name, &(Subject){0}, n);
        }
        claim_mutant = MUTANT_NONE;
        trial_mutant(&trials, "CLOCK_MONOTONIC over a suspend", &(Subject){.uses_monotonic = true}, n);
        trial_mutant(&trials, "released when told to stop", &(Subject){.releases_early = true}, n);
        for (enum NaiveLease lease = NAIVE_PING; lease < NAIVE_LEASES; lease++)
                trial_mutant(&trials, naive_to_string(lease), &(Subject){.is_naive = true, .naive = lease}, n);
        trial_rule(&trials, "the rule", &(Subject){0}, n);
        return trial_end(&trials);
}
