#include "recipe/semaphore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "recipe/semaphore-ask.h"
#include "recipe/semaphore-save.h"
#include "recipe/semaphore-slots.h"
#include "util/clock.h"
#include "util/macros.h"

static void semaphore_set_timing(void *machine, const Timing *timing)
{
        Semaphore *s = machine;

        s->timing = *timing;
        janitor_set_pause(&s->janitor, timing->renew_usec);
}

static void semaphore_step_machine(void *machine, const Event *event, Effects *effects)
{
        semaphore_step(machine, event, effects);
}

static uint64_t semaphore_deadline(const void *machine)
{
        return semaphore_step_deadline(machine);
}

static Claim *semaphore_claim(void *machine)
{
        return &((Semaphore *)machine)->claim;
}

static void semaphore_deinit(void *machine)
{
        Semaphore *s = machine;

        if (!s)
                return;
        numbers_deinit(&s->recorded);
        janitor_deinit(&s->janitor);
        contend_deinit(&s->leases);
        contend_deinit(&s->locks);
        free(s);
}

const RecipeType semaphore_recipe = {
        .name = "slot",
        .deinit = semaphore_deinit,
        .set_timing = semaphore_set_timing,
        .step = semaphore_step_machine,
        .deadline = semaphore_deadline,
        .claim = semaphore_claim,
        .save = semaphore_save,
        .restore = semaphore_restore,
};

static int init_engines(Semaphore *s, const SemaphoreConfig *config)
{
        char queue[ZNODE_PATH_MAX], data[CONTEND_DATA_MAX];
        ContendConfig contend = {.queue = queue, .id = config->id, .kind = "lock-", .data = data, .tags = CONTEND_TAGS(0)};
        int r;

        snprintf(data, sizeof(data), "%s %" PRIu64 " %s", config->text.host, config->text.pid, config->text.unit);
        snprintf(queue, sizeof(queue), "%s/semaphore/%s/locks", config->root, config->name);
        r = contend_init(&s->locks, &contend);
        if (r < 0)
                return r;
        contend.queue = s->leases_path;
        contend.kind = "lease-";
        contend.rule = CONTEND_SLOTS;
        contend.slots = config->slots;
        contend.tags = CONTEND_TAGS(1);
        r = contend_init(&s->leases, &contend);
        if (r < 0)
                return r;
        r = parents_add(&s->locks.parents, s->records);
        return r < 0 ? r : parents_add(&s->leases.parents, s->records);
}

static void semaphore_free(Semaphore *s)
{
        semaphore_deinit(s);
}
CLEANUP_DEFINE(Semaphore, semaphore_free);

int semaphore_new(Semaphore **out, const SemaphoreConfig *config)
{
        CLEANUP(semaphore_free) Semaphore *s = calloc(1, sizeof(*s));
        int n, m, r;

        if (!s)
                return -ENOMEM;
        if (config->slots < 1 || config->slots > SEMAPHORE_SLOTS_MAX)
                return -EINVAL;
        n = snprintf(s->leases_path, sizeof(s->leases_path), "%s/semaphore/%s/leases", config->root, config->name);
        m = snprintf(s->records, sizeof(s->records), "%s/record/semaphore/%s", config->root, config->name);
        /* room for a slot and a grant below the records; contend_init() looks after the rest */
        if (n >= ZNODE_PATH_MAX || m + 24 + 80 >= ZNODE_PATH_MAX || strlen(config->id) >= sizeof(s->id))
                return -ENAMETOOLONG;
        snprintf(s->name, sizeof(s->name), "%s", config->name);
        strcpy(s->id, config->id);
        s->slots = config->slots;
        s->text = config->text;
        s->retry_usec = USEC_INFINITY;
        r = init_engines(s, config);
        if (r < 0)
                return r;
        janitor_init(&s->janitor, s->leases_path, s->records, 1, 0);
        janitor_set_names(&s->janitor, semaphore_slots_living);
        *out = TAKE(s);
        return 0;
}
