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
        LockConfig config = {.root = "/zksup",
                .name = "x",
                .id = id,
                .mode = mode,
                .text = {.pid = 10 + i, .host = "host-a"}};
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

static void a_release_is_answered_as_often_as_it_is_asked(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE);

        game_lose(g, a, "the znode is gone");
        game_settle(g);
        release(g, a);
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

/* What lease.h does, but for the check of the node. */
static void touch(Game *g, Player *p)
{
        const Claim *claim = p->recipe->claim(p->machine);
        Op op = {.kind = OP_SET,
                .path = claim->grant,
                .version = VERSION_ANY,
                .data = claim->data,
                .data_len = claim->data_len};
        Request request = {.kind = REQUEST_MULTI, .path = claim->grant, .ops = &op, .n_ops = 1};

        assert_int_equal(fake_apply(&g->fake, p->session, NULL, &request).outcome, OUTCOME_OK);
}

/* Joins, while nobody else moves. */
static Player *begin_and_settle_only(Game *g, size_t i)
{
        Player *p = begin(g, i, LOCK_EXCLUSIVE);

        while (p->n_asked)
                game_answer(g, p);
        return p;
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

static void who_comes_only_after_the_crash_waits_w_from_then_on(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b;
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);

        game_crash(g, a);
        game_end_session(g, a);
        game_pass(g, 100 * SEC); /* for all that it knows, it was renewed until just now */
        b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        game_pass(g, w - 1);
        assert_false(b->held);
        game_pass(g, 1);
        assert_true(b->held);
}

static void a_renewal_that_is_seen_starts_the_wait_anew(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);

        for (int i = 0; i < 20; i++) {
                game_pass(g, 2 * SEC);
                assert_int_equal(game_renew(g, a), OUTCOME_OK);
        }
        game_pass(g, 0);
        game_crash(g, a);
        game_end_session(g, a);
        game_pass(g, w - 1);
        assert_false(b->held);
        game_pass(g, 1);
        assert_true(b->held);
}

/* The read is answered late: what it shows may have been renewed since, and W counts from the answer. */
static void the_wait_counts_from_the_answer_to_the_read(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin(g, 1, LOCK_EXCLUSIVE);
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);

        for (int i = 0; i < 3; i++)
                game_answer(g, b); /* create, list, look */
        game_crash(g, a);
        g->now += 5 * SEC;
        game_answer(g, b);
        game_end_session(g, a);
        game_pass(g, w - 1);
        assert_false(b->held);
        game_pass(g, 1);
        assert_true(b->held);
}

static void a_takeover_that_a_renewal_has_overtaken_fails(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        uint64_t w = timing_takeover_wait_usec(g->timing.lease_usec);
        const char *node = game_find(g, QUEUE, "id0");

        fake_delete(&g->fake, node); /* by hand: b is at the front, a lives */
        game_settle(g);
        g->now += w;
        game_step(g, b, (Event){.kind = EVENT_TIME}); /* the multi is on its way */
        assert_int_equal(b->n_asked, 1);
        touch(g, a);
        game_answer(g, b);
        game_settle(g);
        assert_false(b->held);
        assert_true(fake_has(&g->fake, RECORD "/id0-0"));
        game_pass(g, w - 1);
        assert_false(b->held);
        game_pass(g, 1);
        assert_true(b->held);
}

/* --- waiting ------------------------------------------------------------------------------------ */

static void they_are_served_in_the_order_of_their_coming_and_say_whom_they_wait_for(void **state)
{
        Game *g = *state;

        for (size_t i = 0; i < 4; i++)
                begin_and_settle(g, i, LOCK_EXCLUSIVE);
        assert_string_equal(
                g->players[1].text, "position 2 in line, held by unit 'u0' on host-a (process 10)");
        assert_string_equal(
                g->players[3].text, "position 4 in line, behind unit 'u2' on host-a (process 12)");
        for (size_t i = 0; i < 4; i++) {
                for (size_t k = 0; k < 4; k++)
                        assert_int_equal(g->players[k].held, k == i);
                release(g, &g->players[i]);
        }
        nothing_but_the_parents_is_left(g);
}

static void when_a_waiter_in_the_middle_dies_nobody_acquires_while_the_holder_lives(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        Player *c = begin_and_settle(g, 2, LOCK_EXCLUSIVE), *d = begin_and_settle(g, 3, LOCK_EXCLUSIVE);

        game_crash(g, b);
        game_end_session(g, b);
        game_settle(g);
        assert_false(c->held || d->held);
        assert_non_null(strstr(c->text, "held by unit 'u0'")); /* it is next now, and knows the grant */
        release(g, a);
        assert_true(c->held && !d->held);
}

static void who_gives_up_while_waiting_leaves_nothing(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE);

        for (unsigned k = 0; k < 6; k++) { /* after none, one, two ... of its requests */
                Player *b = begin(g, 1 + k, LOCK_EXCLUSIVE);

                for (unsigned i = 0; i < k && b->n_asked; i++)
                        game_answer(g, b);
                release(g, b);
                assert_int_equal(game_children(g, QUEUE), 1);
                assert_int_equal(b->helds, 0);
        }
        release(g, a);
        nothing_but_the_parents_is_left(g);
}

static void who_gives_up_and_asks_again_at_once_stands_at_the_end(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        Player *c = begin_and_settle(g, 2, LOCK_EXCLUSIVE);

        game_release(g, a);
        game_start(g, a);
        game_settle(g);
        assert_true(b->held && !a->held);
        game_release(g, c);
        game_start(g, c);
        game_settle(g);
        release(g, b);
        assert_true(a->held && !c->held);
        release(g, a);
        assert_true(c->held);
        assert_int_equal(game_children(g, QUEUE), 1);
}

static void a_release_while_the_claim_is_under_way_takes_back_what_it_makes(void **state)
{
        Game *g = *state;
        Player *a = begin(g, 0, LOCK_EXCLUSIVE);

        while (a->asked[0].kind != REQUEST_MULTI || a->asked[0].ops[0].kind != OP_SET)
                game_answer(g, a);
        release(g, a);
        assert_int_equal(a->helds, 0);
        nothing_but_the_parents_is_left(g);
}

static void an_answer_to_the_claim_that_comes_too_late_is_no_hold(void **state)
{
        Game *g = *state;
        Player *a = begin(g, 0, LOCK_EXCLUSIVE);
        Reply reply;

        while (a->asked[0].kind != REQUEST_MULTI || a->asked[0].ops[0].kind != OP_SET)
                game_answer(g, a);
        reply = fake_apply(&g->fake, a->session, a, &a->asked[0]);
        reply.sent_usec = g->now;
        a->n_asked = 0;
        g->now += g->timing.lease_usec - g->timing.kill_usec - g->timing.grace_usec;
        game_step(g, a, (Event){.kind = EVENT_REPLY, .reply = reply});
        assert_int_equal(a->helds, 0);
        game_settle(g); /* takes it back, and asks anew */
        assert_int_equal(a->helds, 1);
        assert_int_equal(game_children(g, QUEUE), 1);
        assert_true(fake_has(&g->fake, RECORD "/id0-1"));
}

static void the_text_says_since_when(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin(g, 1, LOCK_EXCLUSIVE);
        Reply reply;

        game_answer(g, b);
        game_answer(g, b);
        reply = fake_apply(&g->fake, b->session, b, &b->asked[0]);
        reply.stat.ctime_msec = 1000;
        reply.stat.mtime_msec = 1795273263000; /* the claim has set it */
        b->n_asked = 0;
        game_step(g, b, (Event){.kind = EVENT_REPLY, .reply = reply});
        assert_string_equal(b->text,
                "position 2 in line, held by unit 'u0' on host-a (process 10) since 2026-11-21 15:01:03 UTC");
        release(g, a);
}

static void a_record_that_may_not_be_read_fails_the_lock(void **state)
{
        Game *g = *state;
        Player *a;

        release(g, begin_and_settle(g, 0, LOCK_EXCLUSIVE));
        fake_create(&g->fake, 0, RECORD, CREATE_PERSISTENT);
        a = begin(g, 1, LOCK_EXCLUSIVE);
        while (a->asked[0].kind != REQUEST_GET)
                game_answer(g, a);
        game_step(g, a,
                (Event){.kind = EVENT_REPLY, .reply = {.tag = a->asked[0].tag, .outcome = OUTCOME_DENIED}});
        assert_true(a->failed);
        assert_non_null(strstr(a->text, RECORD));
        a->asked[0] = a->asked[a->n_asked - 1];
        a->n_asked = 1;
        game_settle(g);
        assert_int_equal(game_children(g, QUEUE), 0); /* it is not in the way of others */
}

/* --- lost replies ------------------------------------------------------------------------------- */

/* Whatever reply is lost, whether or not the request was done: it is held in the end, with one node and
 * one record, and released without a trace. */
static void any_one_reply_may_be_lost(void **state)
{
        Game *g = *state;

        release(g, begin_and_settle(g, 7, LOCK_EXCLUSIVE));
        for (unsigned k = 0; k < 2 * 8; k++) {
                Player *a = begin(g, 0, LOCK_EXCLUSIVE);
                unsigned i;

                for (i = 0; i < k / 2 && a->n_asked; i++)
                        game_answer(g, a);
                if (a->n_asked)
                        game_lose_reply(g, a, k % 2);
                game_settle(g);
                assert_true(a->held);
                assert_int_equal(game_children(g, QUEUE), 1);
                assert_int_equal(game_children(g, RECORD), 1);
                assert_int_equal(game_renew(g, a), OUTCOME_OK);
                game_release(g, a);
                if (k >= 8)
                        game_lose_reply(g, a, k % 2);
                game_settle(g);
                assert_true(a->released);
                nothing_but_the_parents_is_left(g);
                game_crash(g, a);
        }
}

static void a_claim_whose_reply_was_lost_is_unmade_and_the_place_kept(void **state)
{
        Game *g = *state;
        Player *a = begin(g, 0, LOCK_EXCLUSIVE), *b;

        while (a->asked[0].kind != REQUEST_MULTI || a->asked[0].ops[0].kind != OP_SET)
                game_answer(g, a);
        b = begin_and_settle_only(g, 1);
        game_lose_reply(g, a, true);
        assert_false(a->held);
        game_settle(g);
        assert_true(a->held && !b->held);
        assert_true(fake_has(&g->fake, RECORD "/id0-1"));
        assert_false(fake_has(&g->fake, RECORD "/id0-0"));
        release(g, a);
        assert_true(b->held);
}

static void two_nodes_left_by_lost_replies_become_one(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin(g, 1, LOCK_EXCLUSIVE);

        fake_create(&g->fake, b->session, QUEUE "/_c_zksup-id1-lock-", CREATE_EPHEMERAL_SEQUENTIAL);
        game_settle(g);
        assert_int_equal(game_children(g, QUEUE), 2);
        release(g, a);
        assert_true(b->held);
        release(g, b);
        nothing_but_the_parents_is_left(g);
}

/* --- the end of a session ----------------------------------------------------------------------- */

static void who_waits_stands_in_line_anew_after_an_expiry(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        Player *c = begin_and_settle(g, 2, LOCK_EXCLUSIVE);

        game_expire(g, b);
        game_settle(g);
        release(g, a);
        assert_true(c->held && !b->held);
        release(g, c);
        assert_true(b->held);
}

/* A follower that lags may show the node of the former session for a while. */
static void the_ghost_of_a_former_session_is_not_taken_for_ours(void **state)
{
        Game *g = *state;
        Player *b;

        begin_and_settle(g, 0, LOCK_EXCLUSIVE);
        b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        game_expire(g, b);
        fake_create(&g->fake, 666, QUEUE "/_c_zksup-id1-lock-", CREATE_EPHEMERAL_SEQUENTIAL);
        game_lose_reply(g, b, false); /* the create: now it looks for what it may have made */
        game_settle(g);
        assert_int_equal(game_children(g, QUEUE), 2);
        assert_int_equal(
                tree_find(&g->fake.tree, game_find(g, QUEUE, "id1"))->stat.ephemeral_owner, b->session);
}

static void after_an_expiry_nothing_is_asked_until_the_tree_is_dead(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);

        game_expire(g, a);
        game_pass(g, SEC);
        assert_int_equal(a->n_asked, 0);
        assert_false(b->held);
        game_step(g, a, (Event){.kind = EVENT_DEAD});
        game_settle(g);
        /* the own ghost: its record was deleted at once, and nobody had to wait for W */
        assert_true(b->held);
        assert_false(a->held);
        release(g, b);
        assert_true(a->held);
}

static void a_release_after_the_loss_waits_for_the_death(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE);

        game_expire(g, a);
        game_release(g, a);
        game_settle(g);
        assert_false(a->released);
        game_step(g, a, (Event){.kind = EVENT_DEAD});
        game_settle(g);
        assert_true(a->released);
        nothing_but_the_parents_is_left(g);
}

static void a_hold_lost_by_its_lease_goes_to_the_next_and_then_is_asked_for_anew(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);

        game_lose(g, a, "no renewal was acknowledged in time");
        game_settle(g);
        assert_true(b->held && !a->held);
        release(g, b);
        assert_true(a->held);
}

static void a_tree_that_ends_by_itself_does_not_end_the_hold(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE);

        game_step(g, a, (Event){.kind = EVENT_DEAD});
        game_settle(g);
        assert_true(fake_has(&g->fake, RECORD "/id0-0"));
        assert_int_equal(a->n_asked, 0);
}

/* --- deleted by hand ---------------------------------------------------------------------------- */

static void who_waits_and_whose_node_is_deleted_stands_in_line_anew(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);

        fake_delete(&g->fake, game_find(g, QUEUE, "id1"));
        game_settle(g);
        release(g, a);
        assert_true(b->held);
        release(g, b);
        nothing_but_the_parents_is_left(g);
}

static void a_holder_whose_node_is_deleted_loses_and_nobody_is_faster_than_its_end(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);

        fake_delete(&g->fake, game_find(g, QUEUE, "id0"));
        game_settle(g);
        assert_false(b->held);
        assert_int_equal(game_renew(g, a), OUTCOME_NO_NODE);
        a->recipe->claim(a->machine)->node_gone = true;
        game_lose(g, a, "the znode of ours: no node");
        game_settle(g);
        assert_true(b->held && !a->held);
        release(g, b);
        assert_true(a->held);
}

static void a_holder_whose_record_is_deleted_loses_and_does_not_touch_the_next_one(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);

        fake_delete(&g->fake, RECORD "/id0-0");
        fake_delete(&g->fake, RECORD);
        game_settle(g);
        assert_false(b->held); /* the node of a is before it yet */
        assert_int_equal(game_renew(g, a), OUTCOME_NO_NODE);
        game_lose(g, a, "the record of ours: no node");
        game_settle(g);
        assert_true(b->held && !a->held);
        assert_true(fake_has(&g->fake, RECORD "/id1-0"));
}

static void a_queue_that_is_deleted_as_a_whole_is_made_again(void **state)
{
        Game *g = *state;
        Player *a;

        release(g, begin_and_settle(g, 0, LOCK_EXCLUSIVE));
        fake_delete(&g->fake, "/zksup/record/lock");
        a = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        assert_true(a->held);
        release(g, a);
        fake_delete(&g->fake, QUEUE);
        fake_delete(&g->fake, "/zksup/record/lock");
        assert_true(begin_and_settle(g, 2, LOCK_EXCLUSIVE)->held);
}

/* --- records that are odd ----------------------------------------------------------------------- */

static void a_wedged_record_is_never_taken_and_its_text_says_what_to_do(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_EXCLUSIVE), *b = begin_and_settle(g, 1, LOCK_EXCLUSIVE);

        claim_wedge(a->recipe->claim(a->machine));
        assert_int_equal(game_renew(g, a), OUTCOME_OK);
        game_settle(g);
        assert_non_null(strstr(b->text, "process 10 on host-a could not be killed"));
        game_crash(g, a);
        game_end_session(g, a);
        for (int i = 0; i < 100; i++)
                game_pass(g, 100 * SEC);
        assert_false(b->held);
        assert_non_null(strstr(b->text, "delete " RECORD));
        fake_delete(&g->fake, RECORD "/id0-0");
        fake_delete(&g->fake, RECORD);
        game_settle(g);
        assert_true(b->held);
}

static void a_record_made_by_hand_is_taken_after_the_longest_lease(void **state)
{
        Game *g = *state;
        Player *a;

        release(g, begin_and_settle(g, 0, LOCK_EXCLUSIVE));
        fake_create(&g->fake, 0, RECORD, CREATE_PERSISTENT);
        a = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        game_pass(g, timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC) - 1);
        assert_false(a->held);
        assert_non_null(strstr(a->text, "not made by zksup"));
        game_pass(g, 1);
        assert_true(a->held);
}

static void a_record_with_children_of_others_is_said_and_not_taken(void **state)
{
        Game *g = *state;
        Player *a;

        release(g, begin_and_settle(g, 0, LOCK_EXCLUSIVE));
        fake_create(&g->fake, 0, RECORD, CREATE_PERSISTENT);
        fake_create(&g->fake, 0, RECORD "/what", CREATE_PERSISTENT);
        a = begin_and_settle(g, 1, LOCK_EXCLUSIVE);
        for (int i = 0; i < 10; i++)
                game_pass(g, timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC));
        assert_false(a->held);
        assert_true(fake_has(&g->fake, RECORD "/what"));
        fake_delete(&g->fake, RECORD "/what");
        game_pass(g, timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC));
        assert_true(a->held);
}

static void a_shared_record_with_nothing_below_is_waited_for_by_readers_too(void **state)
{
        Game *g = *state;
        Request request = {.kind = REQUEST_CREATE,
                .path = RECORD,
                .data = SUCCESSOR_SHARED,
                .data_len = strlen(SUCCESSOR_SHARED)};
        Player *a;
        unsigned before;

        release(g, begin_and_settle(g, 0, LOCK_SHARED));
        assert_int_equal(fake_apply(&g->fake, 0, NULL, &request).outcome, OUTCOME_OK);
        before = g->fake.requests;
        a = begin_and_settle(g, 1, LOCK_SHARED);
        game_pass(g, timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC) - 1);
        assert_false(a->held);
        assert_true(g->fake.requests - before < 8);
        game_pass(g, 1);
        assert_true(a->held);
}

/* --- sharing ------------------------------------------------------------------------------------ */

static void readers_share_and_the_last_one_takes_the_record_with_it(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_SHARED), *b = begin_and_settle(g, 1, LOCK_SHARED);
        Player *c = begin_and_settle(g, 2, LOCK_SHARED);

        assert_true(a->held && b->held && c->held);
        assert_int_equal(game_children(g, RECORD "/shared"), 3);
        release(g, a);
        release(g, c);
        assert_int_equal(game_renew(g, b), OUTCOME_OK);
        release(g, b);
        nothing_but_the_parents_is_left(g);
}

static void a_writer_waits_for_the_readers_and_later_readers_for_it(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_SHARED), *b = begin_and_settle(g, 1, LOCK_SHARED);
        Player *w = begin_and_settle(g, 2, LOCK_WRITE), *c = begin_and_settle(g, 3, LOCK_SHARED);
        Player *d = begin_and_settle(g, 4, LOCK_SHARED);

        assert_true(a->held && b->held);
        assert_false(w->held || c->held || d->held); /* nobody overtakes the writer */
        release(g, b);
        assert_false(w->held);
        release(g, a);
        assert_true(w->held);
        assert_false(c->held || d->held);
        release(g, w);
        assert_true(c->held && d->held);
        release(g, d);
        release(g, c);
        nothing_but_the_parents_is_left(g);
}

/* Both find the other there, and go without the record. */
static void leave_together(Game *g, Player *a, Player *b)
{
        game_release(g, a);
        game_release(g, b);
        game_answer(g, a);
        game_answer(g, b);
}

static void readers_that_leave_together_leave_nothing(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_SHARED), *b = begin_and_settle(g, 1, LOCK_SHARED);

        leave_together(g, a, b);
        game_settle(g);
        assert_true(a->released && b->released);
        nothing_but_the_parents_is_left(g);
}

static void readers_that_die_while_they_leave_together_leave_an_empty_record_to_the_next_writer(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_SHARED), *b = begin_and_settle(g, 1, LOCK_SHARED), *w;

        leave_together(g, a, b);
        game_answer(g, a);
        game_answer(g, b);
        game_end_session(g, a);
        game_end_session(g, b);
        game_crash(g, a);
        game_crash(g, b);
        assert_true(fake_has(&g->fake, RECORD "/shared"));
        w = begin_and_settle(g, 2, LOCK_EXCLUSIVE);
        assert_true(w->held);
        release(g, w);
        nothing_but_the_parents_is_left(g);
}

static void a_writer_takes_the_grant_of_a_dead_reader_after_w(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, LOCK_SHARED), *b = begin_and_settle(g, 1, LOCK_SHARED);
        Player *w = begin_and_settle(g, 2, LOCK_WRITE);
        uint64_t wait = timing_takeover_wait_usec(g->timing.lease_usec);

        game_pass(g, 2 * SEC);
        assert_int_equal(game_renew(g, a), OUTCOME_OK);
        game_settle(g);
        game_crash(g, a);
        game_pass(g, wait - 1);
        game_end_session(g, a);
        assert_int_equal(game_renew(g, b), OUTCOME_OK);
        release(g, b);
        assert_false(w->held);
        game_pass(g, 1);
        assert_true(w->held);
        release(g, w);
        nothing_but_the_parents_is_left(g);
}

static void readers_take_over_from_a_dead_writer_together(void **state)
{
        Game *g = *state;
        Player *w = begin_and_settle(g, 0, LOCK_WRITE), *a = begin_and_settle(g, 1, LOCK_SHARED);
        Player *b = begin_and_settle(g, 2, LOCK_SHARED);
        uint64_t wait = timing_takeover_wait_usec(g->timing.lease_usec);

        game_crash(g, w);
        game_pass(g, wait - 1);
        game_end_session(g, w);
        game_settle(g);
        assert_false(a->held || b->held);
        game_pass(g, 1);
        assert_true(a->held && b->held);
        release(g, a);
        release(g, b);
        nothing_but_the_parents_is_left(g);
}

static void many_readers_behind_a_writer_cost_a_few_requests_each(void **state)
{
        Game *g = *state;
        Player *w = begin_and_settle(g, 0, LOCK_WRITE);
        unsigned before;

        for (size_t i = 1; i < PLAYERS; i++)
                begin_and_settle(g, i, LOCK_SHARED);
        before = g->fake.requests;
        release(g, w);
        for (size_t i = 1; i < PLAYERS; i++)
                assert_true(g->players[i].held);
        assert_true(g->fake.requests - before <= 1 + 3 * (PLAYERS - 1));
}

static void of_many_readers_behind_a_writer_one_keeps_it_in_sight(void **state)
{
        Game *g = *state;
        Player *w = begin_and_settle(g, 0, LOCK_WRITE);
        unsigned before;

        for (size_t i = 1; i < PLAYERS; i++)
                begin_and_settle(g, i, LOCK_SHARED);
        before = g->fake.requests;
        assert_int_equal(game_renew(g, w), OUTCOME_OK);
        game_settle(g);
        assert_int_equal(g->fake.requests - before, 2); /* the renewal, and one who reads it */
}

/* --- foreign clients ---------------------------------------------------------------------------- */

static void a_foreign_client_that_came_first_is_waited_for(void **state)
{
        static const char *const names[] = {"/_c_6f0e7a52-7b4c-4f6d-8f6e-0a4c3a1c9b11-lock-",
                "/0f8fad5bd9cb469fa16570867728950e__lock__", "/lock-"};
        Game *g = *state;

        release(g, begin_and_settle(g, 0, LOCK_EXCLUSIVE));
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char path[200];
                Player *p;

                snprintf(path, sizeof(path), QUEUE "%s", names[i]);
                fake_create(&g->fake, 900, path, CREATE_EPHEMERAL_SEQUENTIAL);
                p = begin_and_settle(g, 1 + i, LOCK_EXCLUSIVE);
                assert_false(p->held);
                assert_non_null(strstr(p->text, "foreign client"));
                game_pass(g, 1000 * SEC);
                assert_false(p->held);
                fake_end_session(&g->fake, 900);
                game_settle(g);
                assert_true(p->held);
                release(g, p);
        }
}

static void a_foreign_reader_stops_a_writer_and_not_a_reader(void **state)
{
        Game *g = *state;
        Player *a, *w;

        release(g, begin_and_settle(g, 0, LOCK_SHARED));
        fake_create(&g->fake, 900, QUEUE "/_c_6f0e7a52-__READ__", CREATE_EPHEMERAL_SEQUENTIAL);
        a = begin_and_settle(g, 1, LOCK_SHARED);
        w = begin_and_settle(g, 2, LOCK_WRITE);
        assert_true(a->held);
        release(g, a);
        assert_false(w->held);
        fake_end_session(&g->fake, 900);
        game_settle(g);
        assert_true(w->held);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, game_set_up, game_tear_down)
        const struct CMUnitTest tests[] = {
                T(the_first_one_gets_it_and_leaves_nothing),
                T(a_release_is_answered_as_often_as_it_is_asked),
                T(where_the_parents_are_three_requests_are_enough),
                T(a_hand_over_costs_five_requests_with_the_close_of_the_session),
                T(after_a_crash_the_next_one_waits_until_w_has_run_out_and_not_longer),
                T(who_comes_only_after_the_crash_waits_w_from_then_on),
                T(a_renewal_that_is_seen_starts_the_wait_anew),
                T(the_wait_counts_from_the_answer_to_the_read),
                T(a_takeover_that_a_renewal_has_overtaken_fails),
                T(they_are_served_in_the_order_of_their_coming_and_say_whom_they_wait_for),
                T(when_a_waiter_in_the_middle_dies_nobody_acquires_while_the_holder_lives),
                T(who_gives_up_while_waiting_leaves_nothing),
                T(who_gives_up_and_asks_again_at_once_stands_at_the_end),
                T(a_release_while_the_claim_is_under_way_takes_back_what_it_makes),
                T(an_answer_to_the_claim_that_comes_too_late_is_no_hold),
                T(the_text_says_since_when),
                T(a_record_that_may_not_be_read_fails_the_lock),
                T(many_readers_behind_a_writer_cost_a_few_requests_each),
                T(of_many_readers_behind_a_writer_one_keeps_it_in_sight),
                T(any_one_reply_may_be_lost),
                T(a_claim_whose_reply_was_lost_is_unmade_and_the_place_kept),
                T(two_nodes_left_by_lost_replies_become_one),
                T(who_waits_stands_in_line_anew_after_an_expiry),
                T(the_ghost_of_a_former_session_is_not_taken_for_ours),
                T(after_an_expiry_nothing_is_asked_until_the_tree_is_dead),
                T(a_release_after_the_loss_waits_for_the_death),
                T(a_hold_lost_by_its_lease_goes_to_the_next_and_then_is_asked_for_anew),
                T(a_tree_that_ends_by_itself_does_not_end_the_hold),
                T(who_waits_and_whose_node_is_deleted_stands_in_line_anew),
                T(a_holder_whose_node_is_deleted_loses_and_nobody_is_faster_than_its_end),
                T(a_holder_whose_record_is_deleted_loses_and_does_not_touch_the_next_one),
                T(a_queue_that_is_deleted_as_a_whole_is_made_again),
                T(a_wedged_record_is_never_taken_and_its_text_says_what_to_do),
                T(a_record_made_by_hand_is_taken_after_the_longest_lease),
                T(a_record_with_children_of_others_is_said_and_not_taken),
                T(a_shared_record_with_nothing_below_is_waited_for_by_readers_too),
                T(readers_share_and_the_last_one_takes_the_record_with_it),
                T(a_writer_waits_for_the_readers_and_later_readers_for_it),
                T(readers_that_leave_together_leave_nothing),
                T(readers_that_die_while_they_leave_together_leave_an_empty_record_to_the_next_writer),
                T(a_writer_takes_the_grant_of_a_dead_reader_after_w),
                T(readers_take_over_from_a_dead_writer_together),
                T(a_foreign_client_that_came_first_is_waited_for),
                T(a_foreign_reader_stops_a_writer_and_not_a_reader),
        };

        return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
