/* The lock machine against one server, reply by reply. */
#include <stdio.h>
#include <string.h>
#include "player.h"
#include "recipe/lock.h"
#include "recipe/successor.h"
#include "util/macros.h"

#define QUEUE "/zksup/lock/x"
#define RECORD "/zksup/record/lock/x"

static Player *begin(Game *g, size_t i, enum LockMode mode)
{
        char id[8], unit[8];
        LockConfig config = {.root = "/zksup", .name = "x", .id = id, .mode = mode, .text = {.pid = 10 + i, .host = "host-a"}};
        Lock *lock;

        snprintf(id, sizeof(id), "id%zu", i);
        snprintf(unit, sizeof(unit), "u%zu", i);
        strcpy(config.text.unit, unit);
        assert_int_equal(lock_new(&lock, &config), 0);
        return game_join(g, i, &lock_recipe, lock);
}

static Player *begin_and_settle(Game *g, size_t i, enum LockMode mode)
{
        Player *p = begin(g, i, mode);

        game_settle(g);
        return p;
}

static void nothing_but_the_parents_is_left(const Game *g)
{
        assert_int_equal(game_children(g, QUEUE), 0);
        assert_int_equal(game_children(g, "/zksup/record/lock"), 0);
}

static void release(Game *g, Player *p)
{
        game_release(g, p);
        game_settle(g);
        assert_true(p->released);
}

static void the_first_one_gets_it_and_leaves_nothing(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE);

        assert_true(a->held);
        assert_int_equal(a->token, g->fake.zxid);
        assert_true(fake_has(&g->fake, RECORD "/id0-0"));
        release(g, a);
        nothing_but_the_parents_is_left(g);
}

static void where_the_parents_are_three_requests_are_enough(void **state)
{
        Game *g = *state;

        release(g, begin_and_settle(g, 0, LOCK_EXCLUSIVE));
        g->fake.requests = 0;
        assert_true(begin_and_settle(g, 1, LOCK_EXCLUSIVE)->held);
        assert_int_equal(g->fake.requests, 3); /* create, list, claim */
}

static void a_hand_over_costs_five_requests_with_the_close_of_the_session(void **state)
{
        Game *g = *state;
        unsigned before;

        for (size_t i = 0; i < 5; i++)
                begin_and_settle(g, i, LOCK_EXCLUSIVE);
        for (size_t i = 0; i < 3; i++) {
                before = g->fake.requests;
                assert_true(g->players[i].held);
                release(g, &g->players[i]);
                assert_true(g->players[i + 1].held);
                assert_false(g->players[i + 2].held);
                assert_int_equal(g->fake.requests - before + 1, 5);
        }
        assert_true(g->players[1].token > g->players[0].token && g->players[2].token > g->players[1].token);
}

/* --- a crash ------------------------------------------------------------------------------------ */

static void after_a_crash_the_next_one_waits_until_w_has_run_out_and_not_longer(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);

        game_pass(g, 5 * SEC);
        assert_int_equal(game_renew(g, a), OUTCOME_OK);
        game_settle(g); /* b sees it: from now on it counts */
        game_crash(g, a);
        game_pass(g, 3 * SEC);
        assert_false(b->held);
        game_end_session(g, a);
        game_settle(g);
        assert_false(b->held);
        assert_non_null(strstr(b->text, "unit 'u0' that died on host-a"));
        game_pass(g, w - 3 * SEC - 1);
        assert_false(b->held);
        assert_int_equal(b->recipe->deadline(b->machine), g->now + 1);
        game_pass(g, 1);
        assert_true(b->held);
        assert_false(fake_has(&g->fake, RECORD "/id0-0"));
        release(g, b);
        nothing_but_the_parents_is_left(g);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, game_set_up, game_tear_down)
        const struct CMUnitTest tests[] = {
                T(the_first_one_gets_it_and_leaves_nothing),
                T(where_the_parents_are_three_requests_are_enough),
                T(a_hand_over_costs_five_requests_with_the_close_of_the_session),
                T(after_a_crash_the_next_one_waits_until_w_has_run_out_and_not_longer),
        };

        return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
