/* The state that a program hands to the next one, and the recipes restored from it. Whatever comes: what is refused is refused
 * whole; what is taken gets through contact, a wait and the end of it all without a broken promise, and can be saved
 * and taken again. */
#include <stdio.h>
#include <string.h>
#include "recipe/election.h"
#include "recipe/lock.h"
#include "recipe/semaphore.h"
#include "recipe/sequence.h"
#include "util/clock.h"
#include "util/saved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

static const Record record = {.host = "h", .unit = "u", .lease_usec = 8000000};
static Timing timing;

static void *make(int kind)
{
        Lock *lock = NULL;
        Election *election = NULL;
        Semaphore *semaphore = NULL;

        switch (kind) {
        case 0:
        case 1:
                CHECK(lock_new(&lock, &(LockConfig){.root = "/z", .name = "k", .id = "new",
                              .mode = kind ? LOCK_SHARED : LOCK_EXCLUSIVE, .text = record}) == 0);
                return lock;
        case 2:
                CHECK(election_new(&election, &(ElectionConfig){.root = "/z", .name = "k", .id = "new", .text = record}) == 0);
                return election;
        default:
                CHECK(semaphore_new(&semaphore, &(SemaphoreConfig){.root = "/z", .name = "k", .id = "new", .slots = 2,
                              .text = record}) == 0);
                return semaphore;
        }
}

static const RecipeType *type_of(int kind)
{
        return kind < 2 ? &lock_recipe : kind == 2 ? &election_recipe : &semaphore_recipe;
}

static void look_at(const Effects *effects)
{
        for (size_t i = 0; i < effects->n; i++) {
                CHECK(effects->items[i].kind != EFFECT_HELD); /* nobody has answered */
                if (effects->items[i].kind == EFFECT_REQUEST)
                        CHECK(effects->items[i].request.path && effects->items[i].request.path[0] == '/');
        }
}

static void live(const RecipeType *type, void *machine)
{
        static const enum EventKind kinds[] = {EVENT_TIME, EVENT_RELEASE, EVENT_DEAD, EVENT_TIME};
        Event attached = {.kind = EVENT_SESSION, .now_usec = 5000000, .session = {.id = 7, .timeout_usec = 10000000}};
        Effects effects;

        type->set_timing(machine, &timing);
        effects.n = 0;
        type->step(machine, &attached, &effects);
        look_at(&effects);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                effects.n = 0;
                type->step(machine, &(Event){.kind = kinds[i], .now_usec = 6000000 + i}, &effects);
                look_at(&effects);
        }
}

/* What was taken says the same again. */
static void take_again(const RecipeType *type, int kind, const void *machine)
{
        void *other = make(kind);
        SavedWriter w = {0};
        Saved saved;

        if (type->save(machine, &w)) {
                CHECK(saved_parse(&saved, w.text.data, w.text.len) == 0);
                CHECK(type->restore(other, &saved) == 0);
                saved_deinit(&saved);
        }
        saved_writer_deinit(&w);
        type->deinit(other);
}

static void try_recipe(int kind, Saved *saved)
{
        const RecipeType *type = type_of(kind);
        void *machine = make(kind);

        if (type->restore(machine, saved) == 0) {
                take_again(type, kind, machine);
                live(type, machine);
        }
        type->deinit(machine);
}

static void try_sequence(Saved *saved)
{
        Sequence s;

        CHECK(sequence_init(&s, &(SequenceConfig){.root = "/z", .pool = "p", .id = "new", .first = 1, .max = 9,
                      .prefer = UINT64_MAX, .text = record}) == 0);
        if (sequence_restore(&s, saved) == 0) {
                Effects effects = {0};

                sequence_set_timing(&s, &timing);
                sequence_step(&s, &(Event){.kind = EVENT_SESSION, .now_usec = 5000000, .session = {.id = 7}}, &effects);
                sequence_step(&s, &(Event){.kind = EVENT_RELEASE, .now_usec = 6000000}, &effects);
                look_at(&effects);
        }
        sequence_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char problem[200];
        Saved saved;

        CHECK(timing_init(&timing, 10000000, 0, problem, sizeof(problem)) == 0);
        if (saved_parse(&saved, (const char *)data, size) < 0)
                return 0;
        for (int kind = 0; kind < 4; kind++)
                try_recipe(kind, &saved);
        try_sequence(&saved);
        saved_deinit(&saved);
        return 0;
}
