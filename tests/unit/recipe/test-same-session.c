/* Units of one supervisor that want the same: machines in one session, told apart by their ids alone. Replies are
 * lost before or after the request was done, holders release and ask again, grants are deleted by hand. After every
 * step no more hold than may; in the end all are served, and when all have released nothing is left. */
#include <stdio.h>
#include <string.h>
#include "player.h"
#include "recipe/election.h"
#include "recipe/lock.h"
#include "recipe/semaphore.h"
#include "util/macros.h"
#include "util/random.h"

#define SESSION 4711
#define UNITS 5
#define SEEDS 150
#define STEPS 300
#define SLOTS 2

enum Kind {
        KIND_LOCK,
        KIND_READWRITE,
        KIND_ELECTION,
        KIND_SEMAPHORE,
};

typedef struct Run {
        Game *g;
        Random random;
        enum Kind kind;
        bool shares[UNITS];
        unsigned served[UNITS];
        bool was_held[UNITS];
} Run;

static void join(Run *r, size_t i)
{
        Record text = {.host = "h", .unit = "u"};
        Semaphore *semaphore;
        Election *election;
        char id[8];
        Lock *lock;

        snprintf(id, sizeof(id), "id%zu", i);
        switch (r->kind) {
        case KIND_LOCK:
        case KIND_READWRITE:
                r->shares[i] = r->kind == KIND_READWRITE && i > 1;
                assert_int_equal(lock_new(&lock, &(LockConfig){.root = "/z",
                                                         .name = "x",
                                                         .id = id,
                                                         .mode = r->shares[i]             ? LOCK_SHARED :
                                                                 r->kind == KIND_READWRITE ? LOCK_WRITE :
                                                                                             LOCK_EXCLUSIVE,
                                                         .text = text}),
                        0);
                game_join_as(r->g, i, SESSION, &lock_recipe, lock);
                break;
        case KIND_ELECTION:
                assert_int_equal(
                        election_new(&election, &(ElectionConfig){.root = "/z", .name = "x", .id = id, .text = text}), 0);
                game_join_as(r->g, i, SESSION, &election_recipe, election);
                break;
        case KIND_SEMAPHORE:
                assert_int_equal(semaphore_new(&semaphore, &(SemaphoreConfig){.root = "/z",
                                                                   .name = "x",
                                                                   .id = id,
                                                                   .slots = SLOTS,
                                                                   .text = text}),
                        0);
                game_join_as(r->g, i, SESSION, &semaphore_recipe, semaphore);
                break;
        }
}

static void check(Run *r)
{
        unsigned held = 0, sharing = 0;

        for (size_t i = 0; i < UNITS; i++) {
                Player *p = &r->g->players[i];

                held += p->held;
                sharing += p->held && r->shares[i];
                r->served[i] += p->held && !r->was_held[i];
                r->was_held[i] = p->held;
        }
        if (r->kind == KIND_SEMAPHORE)
                assert_true(held <= SLOTS);
        else
                assert_true(held <= 1 || held == sharing);
}

static bool chance(Run *r, unsigned percent)
{
        return random_below(&r->random, 100) < percent;
}

/* All that says that it is ours; the next renewal finds it. */
static void take_grant_away(Run *r, Player *p)
{
        const Claim *claim = p->recipe->claim(p->machine);

        fake_delete(&r->g->fake, claim->grant);
        if (game_children(r->g, claim->record) == 0)
                fake_delete(&r->g->fake, claim->record);
        /* what readers share is below the record, which without them is one that nobody knows the age of */
        if (strcmp(claim->record, "/z/record/lock/x/shared") == 0 && game_children(r->g, "/z/record/lock/x") == 0)
                fake_delete(&r->g->fake, "/z/record/lock/x");
        game_pass_watches(r->g);
        game_lose(r->g, p, "the record of ours: no such znode");
}

static void act(Run *r)
{
        Player *p = &r->g->players[random_below(&r->random, UNITS)];

        if (p->n_asked > 0 && chance(r, 85)) {
                if (chance(r, 90))
                        game_answer(r->g, p);
                else
                        game_lose_reply(r->g, p, chance(r, 50));
        } else if (p->held && chance(r, 15)) {
                take_grant_away(r, p);
        } else if (p->held) {
                game_release(r->g, p);
        } else if (p->released) {
                game_start(r->g, p);
        } else if (chance(r, 10)) {
                game_release(r->g, p); /* while it waits */
        }
        if (p->n_asked == 0 && p->recipe->deadline(p->machine) != USEC_INFINITY && chance(r, 30)) {
                r->g->now = MAX(r->g->now, p->recipe->deadline(p->machine));
                game_step(r->g, p, (Event){.kind = EVENT_TIME});
        }
}

/* Time for those that wait before they ask again, and for what was left by hand to run out. */
static void settle(Run *r)
{
        for (unsigned i = 0; i < 10; i++) {
                game_pass(r->g, SEC);
                check(r);
        }
}

static void finish(Run *r)
{
        bool all = false;

        for (size_t i = 0; i < UNITS; i++) {
                r->served[i] = 0;
                r->was_held[i] = false; /* who holds it now is served */
                game_start(r->g, &r->g->players[i]);
        }
        for (unsigned rounds = 0; rounds < 60 && !all; rounds++) {
                settle(r);
                all = true;
                for (size_t i = 0; i < UNITS; i++) {
                        all &= r->served[i] > 0 || r->g->players[i].held;
                        if (r->g->players[i].held) {
                                game_release(r->g, &r->g->players[i]);
                                check(r);
                        }
                }
        }
        assert_true(all);
        for (size_t i = 0; i < UNITS; i++)
                game_release(r->g, &r->g->players[i]);
        settle(r);
        for (size_t i = 0; i < UNITS; i++)
                assert_true(r->g->players[i].released);
        assert_int_equal(game_children(r->g, "/z/lock/x"), 0);
        assert_int_equal(game_children(r->g, "/z/election/x"), 0);
        assert_int_equal(game_children(r->g, "/z/semaphore/x/leases"), 0);
        assert_int_equal(game_children(r->g, "/z/semaphore/x/locks"), 0);
        assert_int_equal(game_children(r->g, "/z/record/semaphore/x"), 0);
        assert_int_equal(game_children(r->g, "/z/record/lock"), 0);
        assert_int_equal(game_children(r->g, "/z/record/election"), 0);
}

static void run(void **state, enum Kind kind)
{
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                Run r = {.kind = kind};
                void *game = NULL;

                assert_int_equal(game_set_up(&game), 0);
                r.g = game;
                random_init(&r.random, seed);
                for (size_t i = 0; i < UNITS; i++)
                        join(&r, i);
                for (unsigned i = 0; i < STEPS; i++) {
                        act(&r);
                        check(&r);
                }
                finish(&r);
                assert_int_equal(game_tear_down(&game), 0);
        }
}

static void units_of_one_session_share_a_lock_in_turn(void **state)
{
        run(state, KIND_LOCK);
}

static void readers_and_writers_of_one_session_exclude_each_other(void **state)
{
        run(state, KIND_READWRITE);
}

static void one_of_the_candidates_of_one_session_leads(void **state)
{
        run(state, KIND_ELECTION);
}

static void no_more_than_the_slots_are_held_in_one_session(void **state)
{
        run(state, KIND_SEMAPHORE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(units_of_one_session_share_a_lock_in_turn),
                cmocka_unit_test(readers_and_writers_of_one_session_exclude_each_other),
                cmocka_unit_test(one_of_the_candidates_of_one_session_leads),
                cmocka_unit_test(no_more_than_the_slots_are_held_in_one_session),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
