/* Supervisors that are replaced by another program in the same session, at any moment that is quiet, under the random
 * schedules of all recipes: what was held stays held, what waited keeps its place, and nothing is promised twice.
 * SIM_SCHEDULES is how many of each (default 3000), SIM_SEED the first seed. */
#include <stdio.h>
#include "sim/trial.h"

static Trials trials;

static const struct {
        const char *name;
        Subject subject;
} subjects[] = {
        {"number", {.reexecs = true}},
        {"lock", {.reexecs = true, .is_tenant = true, .tenant = TENANT_LOCK}},
        {"readwrite", {.reexecs = true, .is_tenant = true, .tenant = TENANT_READWRITE}},
        {"election", {.reexecs = true, .is_tenant = true, .tenant = TENANT_ELECTION}},
        {"semaphore", {.reexecs = true, .is_tenant = true, .tenant = TENANT_SEMAPHORE}},
};

int main(void)
{
        uint64_t n = trial_number("SIM_SCHEDULES", 3000);

        trials.first = trial_number("SIM_SEED", 1);
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
                Subject subject = subjects[i].subject;
                char name[80];

                snprintf(name, sizeof(name), "%s, replaced now and then,", subjects[i].name);
                trial_rule(&trials, name, &subject, n);
                if (!subject.is_tenant)
                        continue;
                subject.is_fair = true;
                snprintf(name, sizeof(name), "%s, replaced now and then, nothing breaking,", subjects[i].name);
                trial_rule(&trials, name, &subject, n / 10);
        }
        return trial_end(&trials);
}
