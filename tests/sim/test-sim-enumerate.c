/* Small worlds, all their histories up to a depth: from the moment that one host holds the number
 * that the other waits for, or that both begin to ask for a lock, every message between a host and the
 * server is prompt, late or lost, and at every slot something happens or does not. SIM_DEPTH is the number
 * of choices. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "sim/schedule.h"
#include "util/text.h"

#define TICK (2 * USEC_PER_SEC)
#define TIMEOUT (6 * USEC_PER_SEC)

enum Slot {
        SLOT_QUIET,
        SLOT_EXPIRE, /* the holder's session, whatever the time */
        SLOT_KILL,   /* the holder's supervisor */
        SLOT_FREEZE, /* ... or it is frozen, or goes on */
        SLOT_CUT,    /* what it sends does not arrive, or does again; answers still come */
        SLOTS,
        SLOT_CRASH, /* the host, once, where it is the only thing that happens */
};

typedef struct Scene {
        const char *name;
        bool has_fates[2]; /* messages of these hosts */
        uint64_t late_usec;
        uint64_t slot_usec; /* 0: no slots */
        unsigned n_slots;
        unsigned depth;
        uint64_t rates[2];
        bool is_lock;         /* else a number of a pool */
        bool is_from_start;   /* the choices begin with the first host */
        unsigned n_instants;  /* one slot only, at one of so many instants */
        uint64_t instant_usec; /* apart */
} Scene;

static const Scene scenes[] = {
        {"the holder's messages", {true, false}, TIMEOUT / 2, 0, 0, 10, {900, 1100}},
        {"both hosts' messages", {true, true}, TIMEOUT / 3, 0, 0, 10, {900, 1100}},
        {"what befalls the holder", {false, false}, 0, TIMEOUT / 6, 7, 7, {900, 1100}},
        {"messages and what befalls the holder", {true, false}, TIMEOUT * 3 / 8, TIMEOUT / 4, 5, 9,
                {900, 1100}},
        {"the same with clocks the other way round", {true, false}, TIMEOUT * 3 / 8, TIMEOUT / 4, 5, 9,
                {1100, 900}},
        {"a lock: the messages of the first of two", {true, false}, TIMEOUT / 2, 0, 0, 8, {900, 1100}, true, true, 0, 0},
        {"a lock: the messages of who waits", {false, true}, TIMEOUT / 3, 0, 0, 8, {900, 1100}, true, false, 0, 0},
        {"a lock: one thing befalls the first at any moment", {true, false}, TIMEOUT / 2, 0, 0, 5, {900, 1100}, true, true, 60, 700},
        {"a lock: what befalls the holder", {false, false}, 0, TIMEOUT / 6, 7, 5, {900, 1100}, true, false, 0, 0},
        {"a lock: messages and what befalls the holder", {true, false}, TIMEOUT * 3 / 8, TIMEOUT / 4, 5, 6, {900, 1100}, true, false, 0, 0},
};

#define FIRST_LOCK 5

#define FIRST_WITH_SLOTS 2 /* messages alone break no mutant: the session must end, too */

static World world;
static Choices choices;
static unsigned passed, failed;

static void befall(Host *holder, enum Slot slot)
{
        Server *leader = ensemble_find_leader(&world.ensemble);

        switch (slot) {
        case SLOT_EXPIRE:
                if (leader && holder->client.session)
                        leader_expire(leader, holder->client.session);
                break;
        case SLOT_KILL:
                if (holder->is_up)
                        host_kill_supervisor(holder);
                else
                        host_boot(holder);
                break;
        case SLOT_FREEZE:
                host_freeze(holder, !holder->is_frozen);
                break;
        case SLOT_CUT:
                host_cut(holder, 0, true, false, !world.ensemble.network.links[network_host(0)][0].is_cut);
                break;
        case SLOT_CRASH:
                host_crash(holder);
                break;
        case SLOT_QUIET:
        case SLOTS:
                break;
        }
}

static void on_slot(void *object, void *payload, uint64_t left)
{
        const Scene *scene = payload;

        if (world.is_healed || left == 0)
                return;
        befall(&world.hosts[0], simulation_choose(&world.simulation, SLOTS, 50));
        simulation_after(&world.simulation, scene->slot_usec, on_slot, NULL, payload, left - 1);
}

static void on_instant(void *object, void *payload, uint64_t slot)
{
        if (!world.is_healed)
                befall(&world.hosts[0], (enum Slot)slot);
}

/* The first choice says when, the second what, and the others how messages fare. */
static void choose_instant(const Scene *scene)
{
        Simulation *s = &world.simulation;
        unsigned instant = simulation_choose(s, scene->n_instants, 50);
        enum Slot slot = SLOT_EXPIRE + simulation_choose(s, SLOTS + 1 - SLOT_EXPIRE, 50);

        if (slot == SLOTS)
                slot = SLOT_CRASH;
        simulation_after(s, (instant + 1) * scene->instant_usec, on_instant, NULL, NULL, slot);
}

static void begin_choices(const Scene *scene)
{
        Simulation *s = &world.simulation;

        s->choices = &choices;
        choices.at = 0;
        for (unsigned i = 0; i < 2; i++) {
                world.hosts[i].client.late_usec = scene->late_usec;
                world.hosts[i].client.has_fates = scene->has_fates[i];
        }
        if (scene->n_instants)
                choose_instant(scene);
        if (scene->slot_usec)
                simulation_after(s, scene->slot_usec, on_slot, NULL, (void *)scene, scene->n_slots);
}

static bool play(const Scene *scene)
{
        Subject subject = {.is_tenant = scene->is_lock, .tenant = TENANT_LOCK};
        HostPlan plan = {.timeout_usec = TIMEOUT,
                .work_min_usec = 1000 * USEC_PER_SEC,
                .work_max_usec = 1000 * USEC_PER_SEC,
                .stubborn_percent = 100,
                .restart_percent = 100};
        Simulation *s = &world.simulation;
        bool good;

        s->choices = NULL;
        world_init(&world, 1, &subject, 1, 2, TICK, &plan, 1);
        for (unsigned i = 0; i < 2; i++)
                world.hosts[i].rate_permille = scene->rates[i];
        host_boot(&world.hosts[0]);
        if (scene->is_from_start)
                begin_choices(scene);
        simulation_run(s, s->now_usec + (scene->is_from_start ? 5000 : USEC_PER_SEC / 2));
        host_boot(&world.hosts[1]);
        simulation_run(s, s->now_usec + USEC_PER_SEC / 2);
        if (!scene->is_from_start)
                begin_choices(scene);
        good = simulation_run(s, s->now_usec + 5 * TIMEOUT);
        if (good)
                good = world_heal(&world);
        world_clear(&world);
        return good;
}

static void explain(const Scene *scene)
{
        world.simulation.tracing = true;
        play(scene);
        world.simulation.tracing = false;
        fprintf(stderr, "---- transcript of %s\n%s----\n", scene->name, world.simulation.transcript.data);
}

/* Returns the histories played until one broke a promise (of safety, if UNSAFE_ONLY), 0 if none did. */
static uint64_t enumerate(const Scene *scene, unsigned depth, bool unsafe_only, uint64_t *n)
{
        choices = (Choices){.depth = MIN(depth, scene->depth)};
        *n = 0;
        do {
                ++*n;
                if (!play(scene) && (!unsafe_only || world.simulation.is_unsafe))
                        return *n;
        } while (choices_next(&choices));
        return 0;
}

static void test_rule(const Scene *scene, unsigned depth)
{
        uint64_t n;

        if (enumerate(scene, depth, false, &n) == 0) {
                printf("ok: %s: %" PRIu64 " histories\n", scene->name, n);
                passed++;
                return;
        }
        explain(scene);
        printf("not ok: %s: history %" PRIu64 ": %s\n", scene->name, n, world.simulation.violation);
        failed++;
}

static void test_mutant(const char *name, enum ClaimMutantKind kind, unsigned depth, size_t first, size_t end)
{
        uint64_t n, total = 0;

        claim_mutant = kind;
        for (size_t i = first; i < end; i++) {
                bool caught = enumerate(&scenes[i], depth, true, &n) != 0;

                total += n;
                if (!caught)
                        continue;
                printf("ok: %s: caught by history %" PRIu64 " (%s)\n", name, total, scenes[i].name);
                passed++;
                claim_mutant = MUTANT_NONE;
                return;
        }
        claim_mutant = MUTANT_NONE;
        printf("not ok: %s survives %" PRIu64 " histories\n", name, total);
        failed++;
}

int main(void)
{
        static const struct {
                const char *name;
                enum ClaimMutantKind kind;
                bool is_of_pool;
        } mutants[] = {
                {"the successor does not wait", MUTANT_NO_WAIT, true},
                {"deadline from the reply's time", MUTANT_REPLY_TIME, true},
                {"a late reply revives", MUTANT_REVIVE, true},
                {"the order of the queue alone", MUTANT_ORDER_ONLY, false},
        };
        const char *text = getenv("SIM_DEPTH");
        uint64_t depth = CHOICES_MAX;

        if (text && text_to_u64(text, 1, CHOICES_MAX, &depth) < 0)
                return EXIT_FAILURE;
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
                test_rule(&scenes[i], (unsigned)depth);
        for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
                if (mutants[i].is_of_pool)
                        test_mutant(mutants[i].name, mutants[i].kind, (unsigned)depth, FIRST_WITH_SLOTS, FIRST_LOCK);
                test_mutant(mutants[i].name, mutants[i].kind, (unsigned)depth, FIRST_LOCK, ARRAY_SIZE(scenes));
        }
        world_deinit(&world);
        printf("%u passed, %u failed\n", passed, failed);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
