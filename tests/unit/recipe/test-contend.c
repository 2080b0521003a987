/* The queue engine alone: a recipe that claims nothing. What it does within a lock is in test-lock.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "player.h"
#include "recipe/contend.h"
#include "util/macros.h"

#define QUEUE "/zksup/lock/x"

/* A machine around the engine: joins on START, leaves on RELEASE, and notes the news. */
typedef struct Stander {
        Contend contend;
        Claim claim;
        enum ContendNews news;
        unsigned n_news;
} Stander;

static void note(Stander *s, enum ContendNews news)
{
        if (news == CONTEND_NO_NEWS)
                return;
        s->news = news;
        s->n_news++;
}

static void stander_step(void *machine, const Event *event, Effects *effects)
{
        Stander *s = machine;

        note(s, contend_step(&s->contend, event, effects));
        if (event->kind == EVENT_START)
                contend_join(&s->contend, effects);
        else if (event->kind == EVENT_RELEASE)
                note(s, contend_leave(&s->contend, effects));
}

static uint64_t stander_deadline(const void *machine)
{
        return contend_deadline(&((const Stander *)machine)->contend);
}

static void stander_set_timing(void *machine, const Timing *timing)
{
}

static Claim *stander_claim(void *machine)
{
        return &((Stander *)machine)->claim;
}

static void stander_deinit(void *machine)
{
        contend_deinit(&((Stander *)machine)->contend);
        free(machine);
}

static const RecipeType stander_recipe = {
        "stander", stander_deinit, stander_set_timing, stander_step, stander_deadline, stander_claim};

static Stander *stander(const Player *p)
{
        return p->machine;
}

static Player *begin_as(Game *g, size_t i, enum ContendRule rule, const char *kind)
{
        Stander *s = calloc(1, sizeof(*s));
        char id[8], data[40];

        assert_non_null(s);
        snprintf(id, sizeof(id), "id%zu", i);
        snprintf(data, sizeof(data), "host-a %zu unit %zu", 10 + i, i);
        assert_int_equal(contend_init(&s->contend, &(ContendConfig){.queue = QUEUE,
                                                           .id = id,
                                                           .kind = kind,
                                                           .data = data,
                                                           .rule = rule,
                                                           .slots = 2,
                                                           .tags = CONTEND_TAGS(5)}),
                0);
        return game_join(g, i, &stander_recipe, s);
}

static Player *begin(Game *g, size_t i)
{
        return begin_as(g, i, CONTEND_EXCLUSIVE, "lock-");
}

static Player *begin_and_settle(Game *g, size_t i)
{
        Player *p = begin(g, i);

        game_settle(g);
        return p;
}

static void joining_a_queue_costs_three_requests_however_long_it_is(void **state)
{
        Game *g = *state;

        begin_and_settle(g, 0);
        for (size_t i = 1; i < PLAYERS; i++) {
                unsigned before = g->fake.requests;

                begin_and_settle(g, i);
                assert_int_equal(g->fake.requests - before, 3);
                assert_int_equal(stander(&g->players[i])->news, CONTEND_IS_BEHIND);
                assert_int_equal(stander(&g->players[i])->contend.position, i + 1);
        }
        assert_int_equal(stander(&g->players[0])->news, CONTEND_IS_FRONT);
}

static void who_leaves_wakes_only_its_successor(void **state)
{
        Game *g = *state;
        unsigned before;

        for (size_t i = 0; i < 6; i++)
                begin_and_settle(g, i);
        before = g->fake.requests;
        game_release(g, &g->players[2]);
        game_settle(g);
        assert_int_equal(stander(&g->players[2])->news, CONTEND_IS_OUT);
        assert_int_equal(g->fake.requests - before, 3); /* delete; list, look */
        assert_int_equal(stander(&g->players[3])->contend.position, 3);
        assert_int_equal(stander(&g->players[4])->n_news, 1);
}

static void a_create_whose_reply_was_lost_is_found_by_its_id_or_done_again(void **state)
{
        Game *g = *state;

        begin_and_settle(g, 0);
        for (int applied = 0; applied < 2; applied++) {
                Player *p = begin(g, 1);

                game_lose_reply(g, p, applied);
                game_settle(g);
                assert_int_equal(game_children(g, QUEUE), 2);
                assert_int_equal(stander(p)->news, CONTEND_IS_BEHIND);
                game_release(g, p);
                game_settle(g);
                assert_int_equal(game_children(g, QUEUE), 1);
                game_crash(g, p);
        }
}

static void who_leaves_when_the_reply_to_its_create_was_lost_leaves_no_node(void **state)
{
        Game *g = *state;
        Player *p;

        begin_and_settle(g, 0);
        p = begin(g, 1);
        game_step(g, p, (Event){.kind = EVENT_RELEASE}); /* while it is under way */
        assert_int_equal(stander(p)->n_news, 0);
        game_lose_reply(g, p, true);
        assert_int_equal(stander(p)->n_news, 0); /* not out as long as it is not known */
        game_settle(g);
        assert_int_equal(stander(p)->news, CONTEND_IS_OUT);
        assert_int_equal(game_children(g, QUEUE), 1);
}

static void a_deletion_whose_reply_was_lost_is_done_again(void **state)
{
        Game *g = *state;

        for (int applied = 0; applied < 2; applied++) {
                Player *p = begin_and_settle(g, 0);

                game_release(g, p);
                game_lose_reply(g, p, applied);
                assert_int_equal(stander(p)->news, CONTEND_IS_FRONT);
                game_settle(g);
                assert_int_equal(stander(p)->news, CONTEND_IS_OUT);
                assert_int_equal(game_children(g, QUEUE), 0);
                game_crash(g, p);
        }
}

/* A reply that is lost without the connection: nothing wakes it but its own deadline. */
static void a_request_that_could_not_be_sent_is_made_again_a_little_later(void **state)
{
        Game *g = *state;
        Player *p = begin(g, 0);
        uint32_t tag = p->asked[0].tag;

        p->n_asked = 0;
        game_step(g, p, (Event){.kind = EVENT_REPLY, .reply = {.tag = tag, .outcome = OUTCOME_UNKNOWN}});
        assert_int_equal(p->n_asked, 0);
        assert_true(contend_deadline(&stander(p)->contend) > g->now);
        game_pass(g, SEC);
        assert_int_equal(stander(p)->news, CONTEND_IS_FRONT);
        assert_int_equal(game_children(g, QUEUE), 1);
}

static void the_predecessor_that_goes_while_its_successor_looks_is_noticed(void **state)
{
        Game *g = *state;
        Player *a = begin_as(g, 0, CONTEND_ELECTION, "latch-"), *b, *c;

        game_settle(g);
        b = begin_as(g, 1, CONTEND_ELECTION, "latch-");
        game_settle(g);
        c = begin_as(g, 2, CONTEND_ELECTION, "latch-");
        for (int i = 0; i < 3; i++)
                game_answer(g, c); /* create, list, look at b; next it looks at a */
        assert_string_equal(c->asked[0].path, stander(a)->contend.node);
        fake_end_session(&g->fake, b->session);
        game_crash(g, b);
        game_settle(g);
        assert_int_equal(stander(c)->news, CONTEND_IS_BEHIND);
        assert_int_equal(stander(c)->contend.position, 2);
        assert_string_equal(stander(c)->contend.ahead.path, stander(a)->contend.node);
}

static void the_predecessor_that_goes_before_it_can_be_watched_is_noticed(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0), *b = begin(g, 1);

        game_answer(g, b);
        game_answer(g, b);
        assert_int_equal(b->asked[0].kind, REQUEST_GET);
        game_crash(g, a);
        game_end_session(g, a);
        game_settle(g);
        assert_int_equal(stander(b)->news, CONTEND_IS_FRONT);
}

static void after_an_expiry_it_stands_in_line_again_but_not_if_the_recipe_rests(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0), *b = begin_and_settle(g, 1);

        contend_rest(&stander(a)->contend);
        game_expire(g, a);
        game_expire(g, b);
        game_settle(g);
        assert_int_equal(stander(a)->contend.state, CONTEND_OUT);
        assert_int_equal(stander(b)->contend.state, CONTEND_FRONT);
        assert_int_equal(game_children(g, QUEUE), 1);
        game_start(g, a);
        game_settle(g);
        assert_int_equal(stander(a)->contend.state, CONTEND_BEHIND);
}

static void who_joins_while_it_leaves_stands_at_the_end(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0), *b = begin_and_settle(g, 1);

        game_release(g, a);
        game_start(g, a);
        game_settle(g);
        assert_int_equal(stander(b)->contend.state, CONTEND_FRONT);
        assert_int_equal(stander(a)->contend.state, CONTEND_BEHIND);
        assert_int_equal(game_children(g, QUEUE), 2);
}

static void leaving_without_contact_is_done_at_the_next_contact_or_with_the_session(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0), *b = begin_and_settle(g, 1);

        game_step(g, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        game_release(g, a);
        assert_int_equal(a->n_asked, 0);
        game_step(g, a,
                (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = a->session}});
        game_settle(g);
        assert_int_equal(stander(a)->news, CONTEND_IS_OUT);
        assert_int_equal(game_children(g, QUEUE), 1);
        game_step(g, b, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        game_release(g, b);
        assert_int_equal(stander(b)->news, CONTEND_IS_FRONT);
        game_step(g, b, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_EXPIRED}});
        assert_int_equal(stander(b)->news, CONTEND_IS_OUT);
}

static void what_is_refused_fails_and_says_which_path(void **state)
{
        Game *g = *state;
        Player *p = begin(g, 0);
        uint32_t tag = p->asked[0].tag;

        p->n_asked = 0;
        game_step(g, p, (Event){.kind = EVENT_REPLY, .reply = {.tag = tag, .outcome = OUTCOME_DENIED}});
        assert_true(p->failed);
        assert_non_null(strstr(p->text, QUEUE));
        assert_int_equal(stander(p)->news, CONTEND_HAS_FAILED);
        assert_int_equal(contend_deadline(&stander(p)->contend), USEC_INFINITY);
}

static void leases_wait_for_a_free_slot_whoever_came_first(void **state)
{
        Game *g = *state;
        Player *p[4];

        for (size_t i = 0; i < 4; i++) {
                p[i] = begin_as(g, i, CONTEND_SLOTS, "lease-");
                game_settle(g);
                assert_int_equal(stander(p[i])->news, i < 2 ? CONTEND_IS_FRONT : CONTEND_IS_BEHIND);
        }
        game_release(g, p[3]);
        game_settle(g);
        assert_int_equal(stander(p[2])->contend.state, CONTEND_BEHIND);
        game_release(g, p[0]);
        game_settle(g);
        assert_int_equal(stander(p[2])->contend.state, CONTEND_FRONT);
}

static void the_own_operation_proves_the_node_and_marks_it(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0), *b = begin_and_settle(g, 1);
        Contend *c = &stander(a)->contend;
        Op op = contend_own_op(c, NULL);
        Request request = {.kind = REQUEST_MULTI, .path = op.path, .ops = &op, .n_ops = 1};
        char text[200];

        assert_int_equal(op.kind, OP_CHECK);
        assert_int_equal(fake_apply(&g->fake, a->session, NULL, &request).outcome, OUTCOME_OK);
        game_settle(g);
        assert_int_equal(stander(b)->n_news, 1);
        op = contend_own_op(c, "grant-7");
        assert_int_equal(fake_apply(&g->fake, a->session, NULL, &request).outcome, OUTCOME_OK);
        game_settle(g);
        assert_int_equal(stander(b)->n_news, 2);
        assert_string_equal(stander(b)->contend.ahead.grant, "grant-7");
        contend_describe(&stander(b)->contend, text, sizeof(text));
        assert_string_equal(text, "position 2 in line, held by unit 'unit 0' on host-a (process 10)");
        stander(b)->contend.ahead.since_msec =
                951782399999; /* as the Stat says it: the leap day of 2000 is next */
        contend_describe(&stander(b)->contend, text, sizeof(text));
        assert_non_null(strstr(text, " since 2000-02-28 23:59:59 UTC"));
}

static void names_that_are_too_long_are_refused_at_once(void **state)
{
        Contend *c = test_calloc(1, sizeof(*c));
        char queue[ZNODE_PATH_MAX + 1];

        memset(queue, 'a', sizeof(queue));
        queue[0] = '/';
        queue[ZNODE_PATH_MAX - 50] = '\0';
        assert_int_equal(
                contend_init(c, &(ContendConfig){.queue = queue, .id = "i", .kind = "lock-", .data = ""}),
                -ENAMETOOLONG);
        contend_deinit(c);
        test_free(c);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, game_set_up, game_tear_down)
        const struct CMUnitTest tests[] = {
                T(joining_a_queue_costs_three_requests_however_long_it_is),
                T(who_leaves_wakes_only_its_successor),
                T(a_create_whose_reply_was_lost_is_found_by_its_id_or_done_again),
                T(who_leaves_when_the_reply_to_its_create_was_lost_leaves_no_node),
                T(a_deletion_whose_reply_was_lost_is_done_again),
                T(a_request_that_could_not_be_sent_is_made_again_a_little_later),
                T(the_predecessor_that_goes_while_its_successor_looks_is_noticed),
                T(the_predecessor_that_goes_before_it_can_be_watched_is_noticed),
                T(after_an_expiry_it_stands_in_line_again_but_not_if_the_recipe_rests),
                T(who_joins_while_it_leaves_stands_at_the_end),
                T(leaving_without_contact_is_done_at_the_next_contact_or_with_the_session),
                T(what_is_refused_fails_and_says_which_path),
                T(leases_wait_for_a_free_slot_whoever_came_first),
                T(the_own_operation_proves_the_node_and_marks_it),
                T(names_that_are_too_long_are_refused_at_once),
        };

        return cmocka_run_group_tests_name("contend", tests, NULL, NULL);
}
