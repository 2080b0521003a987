/* Locks, readers and writers, elections and semaphores under random schedules, and the proof that they
 * can fail. SIM_SCHEDULES is how many of each (default 10000), SIM_SEED the first seed; SIM_RECIPE=NAME
 * tries one only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim/trial.h"

static Trials trials;

static const struct {
        const char *name;
        enum TenantKind kind;
} recipes[] = {
        {"lock", TENANT_LOCK},
        {"readwrite", TENANT_READWRITE},
        {"election", TENANT_ELECTION},
        {"semaphore", TENANT_SEMAPHORE},
};

static const struct {
        const char *name;
        enum ClaimMutantKind kind;
} mutants[] = {
        {"a read renews", MUTANT_READ_LEASE},
        {"the successor does not wait", MUTANT_NO_WAIT},
        {"deadline from the reply's time", MUTANT_REPLY_TIME},
        {"a late reply revives", MUTANT_REVIVE},
        {"taken without its version", MUTANT_TAKE_UNCHECKED},
        {"whoever's ghost is deleted", MUTANT_GHOST_UNCHECKED},
        {"the order of the queue alone", MUTANT_ORDER_ONLY},
};

static bool is_chosen(const char *name)
{
        const char *one = getenv("SIM_RECIPE");

        return !one || strcmp(one, name) == 0;
}

static void test_mutants(enum TenantKind kind, const char *recipe, uint64_t n)
{
        Subject subject = {.is_tenant = true, .tenant = kind};
        char name[80];

        for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
                if (mutants[i].kind == MUTANT_TAKE_UNCHECKED && (kind == TENANT_LOCK || kind == TENANT_READWRITE))
                        continue; /* who is first has seen the holder's node go, and before that each renewal */
                claim_mutant = mutants[i].kind;
                snprintf(name, sizeof(name), "%s, %s", recipe, mutants[i].name);
                trial_mutant(&trials, name, &subject, n);
        }
        claim_mutant = MUTANT_NONE;
        subject.releases_early = true;
        snprintf(name, sizeof(name), "%s, released when told to stop", recipe);
        trial_mutant(&trials, name, &subject, n);
}

int main(void)
{
        uint64_t n = trial_number("SIM_SCHEDULES", 10000);

        trials.first = trial_number("SIM_SEED", 1);
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
                char name[80];
                Subject subject = {.is_tenant = true, .tenant = recipes[i].kind};

                if (!is_chosen(recipes[i].name))
                        continue;
                test_mutants(recipes[i].kind, recipes[i].name, n);
                trial_function_of_seed(&trials, &subject);
                trial_rule(&trials, recipes[i].name, &subject, n);
                subject.is_fair = true;
                snprintf(name, sizeof(name), "%s, nothing breaking,", recipes[i].name);
                trial_rule(&trials, name, &subject, n / 20);
        }
        return trial_end(&trials);
}
