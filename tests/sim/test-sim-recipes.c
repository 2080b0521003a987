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

/* Found within some hundred schedules, but that depends on every detail of the machines. */
#define MUTANT_SCHEDULES 20000
#define OF(kind) (1U << (kind))

static const struct {
        const char *name;
        enum ClaimMutantKind kind;
        unsigned not_of; /* recipes in which it does no harm, or seldom */
} mutants[] = {
        {"a read renews", MUTANT_READ_LEASE, 0},
        {"the successor does not wait", MUTANT_NO_WAIT, 0},
        {"deadline from the reply's time", MUTANT_REPLY_TIME, OF(TENANT_SEMAPHORE)},
        {"a late reply revives", MUTANT_REVIVE, 0},
        /* In a lock, who is first has seen the holder's node go, and before that each renewal. */
        {"taken without its version", MUTANT_TAKE_UNCHECKED, OF(TENANT_LOCK) | OF(TENANT_READWRITE) | OF(TENANT_ELECTION)},
        {"whoever's ghost is deleted", MUTANT_GHOST_UNCHECKED, 0},
        {"the order of the queue alone", MUTANT_ORDER_ONLY, 0},
};

static bool is_chosen(const char *name)
{
        const char *one = getenv("SIM_RECIPE");

        return !one || strcmp(one, name) == 0;
}

static void test_mutants(enum TenantKind kind, const char *recipe)
{
        Subject subject = {.is_tenant = true, .tenant = kind};
        char name[80];

        for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
                if (mutants[i].not_of & OF(kind))
                        continue;
                claim_mutant = mutants[i].kind;
                snprintf(name, sizeof(name), "%s, %s", recipe, mutants[i].name);
                trial_mutant(&trials, name, &subject, MUTANT_SCHEDULES);
        }
        claim_mutant = MUTANT_NONE;
        subject.releases_early = true;
        snprintf(name, sizeof(name), "%s, released when told to stop", recipe);
        trial_mutant(&trials, name, &subject, MUTANT_SCHEDULES);
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
                test_mutants(recipes[i].kind, recipes[i].name);
                trial_function_of_seed(&trials, &subject);
                trial_rule(&trials, recipes[i].name, &subject, n);
                subject.is_fair = true;
                snprintf(name, sizeof(name), "%s, nothing breaking,", recipes[i].name);
                trial_rule(&trials, name, &subject, n / 20);
        }
        return trial_end(&trials);
}
