/* Locks and elections under random schedules: replies lost before or after the request was done, sessions
 * that end, processes that crash, holders that are slow to renew, people who delete znodes. After every
 * step: no two hold what excludes each other, as long as their leases last. In the end, once all is well
 * again: everybody who asks is served, and nothing is left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "player.h"
#include "recipe/election.h"
#include "recipe/lock.h"
#include "util/macros.h"
#include "util/random.h"

#define SEEDS 250
#define STEPS 400
#define ACTIVE 5

typedef struct Holder {
        bool alive; /* its tree */
        bool shares;
        uint64_t deadline_usec;
        char grant[64];
} Holder;

typedef struct Run {
        Game *g;
        Random random;
        uint64_t seed;
        bool election, deletes;
        enum LockMode modes[ACTIVE];
        bool wants[ACTIVE];
        unsigned helds[ACTIVE], served, incarnation;
        Holder trees[4096]; /* of every hold there ever was */
        size_t n_trees, tree_of[ACTIVE];
} Run;

static bool chance(Run *r, unsigned percent)
{
        return random_below(&r->random, 100) < percent;
}

static void join(Run *r, size_t i)
{
        char id[16];
        int64_t session;

        snprintf(id, sizeof(id), "id%u", r->incarnation++);
        session = 1000000 + r->incarnation;
        r->modes[i] = (enum LockMode)random_below(&r->random, 3);
        if (r->election) {
                Election *election;

                r->modes[i] = LOCK_EXCLUSIVE;
                assert_int_equal(
                        election_new(&election, &(ElectionConfig){.root = "/z",
                                                        .name = "x",
                                                        .id = id,
                                                        .priority = (unsigned)random_below(&r->random, 3),
                                                        .preempt = chance(r, 50),
                                                        .text = {.host = "h", .unit = "u"}}),
                        0);
                game_join_as(r->g, i, session, &election_recipe, election);
        } else {
                Lock *lock;

                assert_int_equal(lock_new(&lock, &(LockConfig){.root = "/z",
                                                         .name = "x",
                                                         .id = id,
                                                         .mode = r->modes[i],
                                                         .text = {.host = "h", .unit = "u"}}),
                        0);
                game_join_as(r->g, i, session, &lock_recipe, lock);
        }
        r->wants[i] = true;
        r->helds[i] = 0;
}

static void note_holds(Run *r)
{
        for (size_t i = 0; i < ACTIVE; i++) {
                Player *p = &r->g->players[i];
                bool shares = r->modes[i] == LOCK_SHARED;

                if (!p->machine || p->helds == r->helds[i])
                        continue;
                assert_int_equal(p->helds, r->helds[i] + 1);
                r->helds[i]++;
                r->served++;
                for (size_t k = 0; k < r->n_trees; k++)
                        if (r->trees[k].alive && r->g->now < r->trees[k].deadline_usec &&
                                !(shares && r->trees[k].shares))
                                fail_msg("two at once, seed %d", (int)r->seed);
                assert_true(r->n_trees < ARRAY_SIZE(r->trees));
                r->tree_of[i] = r->n_trees;
                r->trees[r->n_trees] = (Holder){true, shares, p->recipe->claim(p->machine)->deadline_usec};
                snprintf(r->trees[r->n_trees++].grant, sizeof(r->trees[0].grant), "%s",
                        p->recipe->claim(p->machine)->grant);
        }
}

/* What lease.h and the guard do. */
static void mind_the_lease(Run *r, size_t i, bool may_renew)
{
        Game *g = r->g;
        Player *p = &g->players[i];
        Claim *claim;

        if (!p->machine || !p->held)
                return;
        claim = p->recipe->claim(p->machine);
        if (claim->state == CLAIM_HELD && may_renew) {
                if (game_renew(g, p) == OUTCOME_OK)
                        claim_extend(claim, &g->timing, g->now, g->now);
                else
                        claim_lose(claim, "the renewal failed");
        }
        if (claim->state == CLAIM_HELD && g->now >= claim_stop_usec(claim, &g->timing))
                claim_lose(claim, "no renewal in time");
        if (claim->state == CLAIM_HELD) {
                r->trees[r->tree_of[i]].deadline_usec = claim->deadline_usec;
                return;
        }
        r->trees[r->tree_of[i]].alive = false;
        p->held = false;
        game_step(g, p, (Event){.kind = EVENT_DEAD});
}

static bool is_due(const Game *g, const Player *p)
{
        return p->recipe->deadline(p->machine) <= g->now;
}

static void pass_time(Run *r, uint64_t usec, unsigned renew_percent)
{
        r->g->now += usec;
        game_pass_watches(r->g);
        for (size_t i = 0; i < ACTIVE; i++)
                mind_the_lease(r, i, chance(r, renew_percent));
        for (size_t i = 0; i < ACTIVE; i++)
                if (r->g->players[i].machine && is_due(r->g, &r->g->players[i]))
                        game_step(r->g, &r->g->players[i], (Event){.kind = EVENT_TIME});
}

static void let_go(Run *r, size_t i)
{
        Player *p = &r->g->players[i];

        if (r->wants[i]) {
                if (p->held)
                        r->trees[r->tree_of[i]].alive = false;
                game_release(r->g, p);
        }
        r->wants[i] = !r->wants[i] || chance(r, 50);
        if (r->wants[i])
                game_start(r->g, p);
}

static void expire(Run *r, size_t i)
{
        Player *p = &r->g->players[i];
        bool held = p->held;

        game_expire(r->g, p);
        if (held) { /* the guard stops the tree, and then */
                for (size_t k = random_below(&r->random, 3); k > 0 && r->g->players[(i + 1) % ACTIVE].n_asked;
                        k--)
                        game_answer(r->g, &r->g->players[(i + 1) % ACTIVE]);
                assert_int_equal(p->n_asked, 0);
                r->trees[r->tree_of[i]].alive = false;
                game_step(r->g, p, (Event){.kind = EVENT_DEAD});
        }
}

static void delete_something(Run *r)
{
        static const char *const dirs[] = {"/z/lock/x", "/z/record/lock", "/z/record/lock/x",
                "/z/record/lock/x/shared", "/z/election/x", "/z/record/election/x"};
        const char *path = game_find(r->g, dirs[random_below(&r->random, ARRAY_SIZE(dirs))], "");
        Op op = {.kind = OP_DELETE, .path = path, .version = VERSION_ANY};
        Request request = {
                .kind = REQUEST_DELETE, .path = path, .version = VERSION_ANY, .ops = &op, .n_ops = 1};

        if (path)
                (void)fake_apply(&r->g->fake, 0, NULL, &request);
        for (size_t k = 0; k < r->n_trees;
                k++) /* who deletes a record by hand says that nothing runs under it */
                if (!fake_has(&r->g->fake, r->trees[k].grant))
                        r->trees[k].alive = false;
}

static void act(Run *r)
{
        size_t i = (size_t)random_below(&r->random, ACTIVE);
        Player *p = &r->g->players[i];
        uint64_t dice = random_below(&r->random, 100);

        if (!p->machine) {
                if (dice < 30)
                        join(r, i);
        } else if (dice < 60) {
                if (p->n_asked)
                        game_answer(r->g, p);
        } else if (dice < 66) {
                if (p->n_asked)
                        game_lose_reply(r->g, p, chance(r, 50));
        } else if (dice < 68) {
                expire(r, i);
        } else if (dice < 70) {
                if (chance(r, 50))
                        game_end_session(r->g, p);
                else
                        r->g->now += SEC;
                game_crash(r->g, p);
        } else if (dice < 80) {
                let_go(r, i);
        } else if (dice < 98 || !r->deletes) {
                pass_time(r, random_below(&r->random, 3 * SEC), 85);
        } else {
                delete_something(r);
        }
        note_holds(r);
}

static void end_sessions_of_the_dead(Game *g, const char *queue)
{
        const Znode *node = tree_find(&g->fake.tree, queue), *child = node ? node->children : NULL;

        while (child) {
                int64_t session = child->stat.ephemeral_owner;

                if (game_has_session(g, session)) {
                        child = child->next;
                        continue;
                }
                fake_end_session(&g->fake, session);
                child = node->children;
        }
}

static void finish(Run *r)
{
        Game *g = r->g;

        end_sessions_of_the_dead(g, r->election ? "/z/election/x" : "/z/lock/x");
        for (unsigned rounds = 0; rounds < 4000; rounds++) {
                bool any = false;

                for (size_t i = 0; i < ACTIVE; i++) {
                        Player *p = &g->players[i];

                        if (!p->machine)
                                continue;
                        if (p->n_asked)
                                game_answer(g, p);
                        note_holds(r);
                        if (r->wants[i] && p->held && chance(r, 20)) {
                                r->trees[r->tree_of[i]].alive = false;
                                r->wants[i] = false;
                                game_release(g, p);
                        }
                        any |= r->wants[i] || !p->released;
                }
                if (!any)
                        return;
                pass_time(r, SEC, 100);
                note_holds(r);
        }
        for (size_t i = 0; i < ACTIVE; i++)
                if (g->players[i].machine)
                        print_message("%zu: wants %d released %d\n%s\n", i, r->wants[i],
                                g->players[i].released,
                                g->players[i].trace + MAX(strlen(g->players[i].trace), 600) - 600);
        game_print(g);
        fail_msg("not everybody is served, seed %d", (int)r->seed);
}

static unsigned run(uint64_t seed, bool election, bool deletes)
{
        Run *r = test_calloc(1, sizeof(*r));
        void *state;
        unsigned served;

        game_set_up(&state);
        r->g = state;
        r->seed = seed;
        r->election = election;
        r->deletes = deletes;
        random_init(&r->random, seed);
        for (unsigned i = 0; i < STEPS; i++)
                act(r);
        finish(r);
        if (!deletes) {
                assert_int_equal(game_children(r->g, election ? "/z/election/x" : "/z/lock/x"), 0);
        }
        served = r->served;
        game_tear_down(&state);
        test_free(r);
        return served;
}

static void run_all(bool election, bool deletes)
{
        unsigned served = 0;
        const char *only = getenv("SEED"); /* to look at one */

        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                if (only && (uint64_t)atoi(only) != seed)
                        continue;
                served += run(seed, election, deletes);
        }
        print_message("%u were served\n", served);
        assert_true(only || served > SEEDS);
}

static void locks_exclude_and_everybody_is_served(void **state)
{
        run_all(false, false);
}

static void elections_have_one_leader_and_everybody_is_served(void **state)
{
        run_all(true, false);
}

static void locks_exclude_whatever_people_delete(void **state)
{
        run_all(false, true);
}

static void elections_have_one_leader_whatever_people_delete(void **state)
{
        run_all(true, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(locks_exclude_and_everybody_is_served),
                cmocka_unit_test(elections_have_one_leader_and_everybody_is_served),
                cmocka_unit_test(locks_exclude_whatever_people_delete),
                cmocka_unit_test(elections_have_one_leader_whatever_people_delete),
        };

        return cmocka_run_group_tests_name("lock-random", tests, NULL, NULL);
}
