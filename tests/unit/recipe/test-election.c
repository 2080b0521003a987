/* The election against one server, reply by reply. */
#include <stdio.h>
#include <string.h>
#include "player.h"
#include "recipe/election.h"

#define QUEUE "/zksup/election/x"
#define RECORD "/zksup/record/election/x"

static Player *begin(Game *g, size_t i, unsigned priority, bool preempt)
{
        char id[8];
        ElectionConfig config = {.root = "/zksup",
                .name = "x",
                .id = id,
                .participant = "me",
                .priority = priority,
                .preempt = preempt,
                .text = {.pid = 10 + i, .host = "host-a", .unit = "web"}};
        Election *election;

        snprintf(id, sizeof(id), "id%zu", i);
        assert_int_equal(election_new(&election, &config), 0);
        return game_join(g, i, &election_recipe, election);
}

static Player *begin_and_settle(Game *g, size_t i, unsigned priority, bool preempt)
{
        Player *p = begin(g, i, priority, preempt);

        game_settle(g);
        return p;
}

static void release(Game *g, Player *p)
{
        game_release(g, p);
        game_settle(g);
}

static void the_oldest_of_equals_leads_and_then_the_next(void **state)
{
        Game *g = *state;

        for (size_t i = 0; i < 4; i++)
                begin_and_settle(g, i, 0, false);
        for (size_t i = 0; i < 4; i++) {
                assert_true(g->players[i].held);
                for (size_t k = i + 1; k < 4; k++)
                        assert_false(g->players[k].held);
                release(g, &g->players[i]);
                assert_true(g->players[i].released);
        }
        assert_int_equal(game_children(g, QUEUE), 0);
        assert_int_equal(game_children(g, "/zksup/record/election"), 0);
}

static void the_data_of_a_candidate_is_its_participant_and_nobody_changes_it(void **state)
{
        Game *g = *state;
        const Znode *node;

        begin_and_settle(g, 0, 0, false);
        node = tree_find(&g->fake.tree, game_find(g, QUEUE, "-latch-"));
        assert_int_equal(node->stat.version, 0);
        assert_int_equal(node->stat.data_length, 2);
        assert_memory_equal(node->data, "me", 2);
        assert_int_equal(game_renew(g, &g->players[0]), OUTCOME_OK);
        assert_int_equal(node->stat.version, 0);
}

static void the_highest_priority_leads_next_but_does_not_disturb_who_leads(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 0, false), *b = begin_and_settle(g, 1, 0, false);
        Player *c = begin_and_settle(g, 2, 7, false), *d = begin_and_settle(g, 3, 30, false);

        assert_true(a->held);
        assert_int_equal(a->yielded, 0);
        assert_non_null(strstr(d->text, "led by unit 'web'"));
        release(g, a);
        assert_true(d->held && !b->held && !c->held);
        release(g, d);
        assert_true(c->held && !b->held);
        release(g, c);
        assert_true(b->held);
}

/* The leader may go at any time while its record is looked at: what was half read is not believed. */
static void who_preempts_leads_whenever_the_leader_gives_way(void **state)
{
        Game *g = *state;

        for (int answers = 0; answers < 6; answers++) {
                Player *a = begin_and_settle(g, 0, 0, false), *b;

                assert_true(a->held);
                b = begin(g, 1, 5, true);
                for (int i = 0; i < answers && b->n_asked; i++)
                        game_answer(g, b);
                game_release(g, a);
                while (a->n_asked)
                        game_answer(g, a);
                game_settle(g);
                assert_true(b->held);
                release(g, b);
        }
}

static void who_preempts_is_yielded_to_once_and_the_leader_stands_anew(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 3, false), *b;

        begin_and_settle(g, 1, 3, true);
        assert_int_equal(a->yielded, 0); /* not better */
        b = begin_and_settle(g, 2, 5, true);
        assert_int_equal(a->yielded, 1);
        begin_and_settle(g, 3, 0, false);
        assert_int_equal(a->yielded, 1);
        assert_true(a->held && !b->held);
        game_release(g, a);
        game_start(g, a);
        game_settle(g);
        assert_true(b->held && !a->held);
        assert_int_equal(b->yielded, 0);
        release(g, b);
        assert_true(g->players[1].held); /* of the same priority as a, which came anew */
        release(g, &g->players[1]);
        assert_true(a->held);
}

static void nobody_of_ours_passes_a_foreign_candidate(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 0, false), *b, *c;
        const char *foreign = QUEUE "/_c_0b3c-latch-0000000001";

        fake_create(&g->fake, 999, QUEUE "/_c_0b3c-latch-", CREATE_EPHEMERAL_SEQUENTIAL);
        assert_true(fake_has(&g->fake, foreign));
        b = begin_and_settle(g, 1, 9, true);
        assert_int_equal(a->yielded, 0);
        c = begin_and_settle(g, 2, 0, false);
        release(g, a);
        assert_false(b->held || c->held);
        assert_non_null(strstr(b->text, "foreign"));
        fake_delete(&g->fake, foreign);
        game_settle(g);
        assert_true(b->held && !c->held);
}

static void after_a_crash_the_next_one_leads_as_soon_as_w_has_run_out(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 0, false), *b, *c;
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);

        b = begin_and_settle(g, 1, 0, false);
        c = begin_and_settle(g, 2, 0, false);
        release(g, a); /* b leads; c is next, and has it in sight from then on */
        assert_true(b->held);
        game_pass(g, 3 * SEC);
        assert_int_equal(game_renew(g, b), OUTCOME_OK);
        game_settle(g);
        game_crash(g, b);
        game_pass(g, w - 1);
        game_end_session(g, b);
        game_settle(g);
        assert_false(c->held);
        game_pass(g, 1);
        assert_true(c->held);
}

/* It may look for the record before the new leader has made it. */
static void the_next_one_sees_the_record_come(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 0, false), *b = begin_and_settle(g, 1, 0, false);
        Player *c = begin_and_settle(g, 2, 0, false);
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);

        game_release(g, a);
        game_answer(g, a);
        while (c->n_asked)
                game_answer(g, c);
        assert_false(b->held);
        game_settle(g);
        assert_true(b->held);
        assert_non_null(strstr(c->text, "position 2 in line, led by unit 'web' on host-a (process 11)"));
        game_crash(g, b);
        game_end_session(g, b);
        game_pass(g, w - 1);
        assert_false(c->held);
        game_pass(g, 1);
        assert_true(c->held);
}

static void the_leader_goes_on_watching_after_a_reply_was_lost(void **state)
{
        Game *g = *state;
        Player *a = begin(g, 0, 0, false);

        while (!a->held)
                game_answer(g, a);
        assert_int_equal(a->asked[0].kind, REQUEST_CHILDREN);
        game_lose_reply(g, a, false);
        game_settle(g);
        begin_and_settle(g, 1, 1, true);
        assert_int_equal(a->yielded, 1);
        assert_non_null(strstr(a->text, "priority 1 preempts our 0"));
        game_crash(g, &g->players[1]); /* and thinks better of it */
        game_end_session(g, &g->players[1]);
        game_settle(g);
        begin_and_settle(g, 2, 1, true);
        assert_int_equal(a->yielded, 2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, game_set_up, game_tear_down)
        const struct CMUnitTest tests[] = {
                T(the_oldest_of_equals_leads_and_then_the_next),
                T(the_data_of_a_candidate_is_its_participant_and_nobody_changes_it),
                T(the_highest_priority_leads_next_but_does_not_disturb_who_leads),
                T(who_preempts_leads_whenever_the_leader_gives_way),
                T(who_preempts_is_yielded_to_once_and_the_leader_stands_anew),
                T(nobody_of_ours_passes_a_foreign_candidate),
                T(the_next_one_sees_the_record_come),
                T(the_leader_goes_on_watching_after_a_reply_was_lost),
                T(after_a_crash_the_next_one_leads_as_soon_as_w_has_run_out),
        };

        return cmocka_run_group_tests_name("election", tests, NULL, NULL);
}
