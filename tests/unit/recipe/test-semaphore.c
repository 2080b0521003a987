/* The semaphore against one server, reply by reply. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "player.h"
#include "recipe/semaphore-slots.h"
#include "recipe/semaphore.h"
#include "util/macros.h"

#define LOCKS "/zksup/semaphore/x/locks"
#define LEASES "/zksup/semaphore/x/leases"
#define RECORDS "/zksup/record/semaphore/x"
#define STEPS_MAX 30

static Player *begin(Game *g, size_t i, unsigned slots)
{
        char id[8];
        SemaphoreConfig config = {
                .root = "/zksup", .name = "x", .id = id, .slots = slots, .text = {.pid = 10 + i, .host = "host-a", .unit = "web"}};
        Semaphore *semaphore;

        snprintf(id, sizeof(id), "id%zu", i);
        assert_int_equal(semaphore_new(&semaphore, &config), 0);
        return game_join(g, i, &semaphore_recipe, semaphore);
}

static Player *begin_and_settle(Game *g, size_t i, unsigned slots)
{
        Player *p = begin(g, i, slots);

        game_settle(g);
        return p;
}

static void release(Game *g, Player *p)
{
        game_release(g, p);
        game_settle(g);
        assert_true(p->released);
}

static bool has_slot(const Game *g, const Player *p, const char *slot)
{
        char record[200];

        snprintf(record, sizeof(record), RECORDS "/%s/", slot);
        return p->held && strncmp(p->recipe->claim(p->machine)->grant, record, strlen(record)) == 0 &&
                fake_has(&g->fake, p->recipe->claim(p->machine)->grant);
}

static void nothing_is_left(const Game *g)
{
        assert_int_equal(game_children(g, LOCKS), 0);
        assert_int_equal(game_children(g, LEASES), 0);
        assert_int_equal(game_children(g, RECORDS), 0);
}

static uint64_t wait_usec(const Game *g)
{
        return timing_takeover_wait_usec(g->timing.lease_usec);
}

/* --- the order of things ------------------------------------------------------------------------ */

static void as_many_as_there_are_slots_hold_one_and_the_next_gets_whose_is_given_back(void **state)
{
        Game *g = *state;
        Player *p[4];

        for (size_t i = 0; i < 4; i++)
                p[i] = begin_and_settle(g, i, 2);
        assert_true(has_slot(g, p[0], "1") && has_slot(g, p[1], "2"));
        assert_false(p[2]->held || p[3]->held);
        assert_non_null(strstr(p[2]->text, "all 2 are taken"));
        assert_non_null(strstr(p[3]->text, "unit 'web' on host-a (process 12)"));
        release(g, p[0]);
        assert_true(has_slot(g, p[2], "1"));
        assert_false(p[3]->held);
        release(g, p[1]);
        assert_true(has_slot(g, p[3], "2"));
        release(g, p[2]);
        release(g, p[3]);
        nothing_is_left(g);
}

static void where_the_parents_are_six_requests_are_enough(void **state)
{
        Game *g = *state;

        release(g, begin_and_settle(g, 0, 2));
        g->fake.requests = 0;
        assert_true(begin_and_settle(g, 1, 2)->held);
        assert_int_equal(g->fake.requests, 6); /* mutex and list, records, lease and list, claim */
}

static void who_holds_is_seen_by_its_lease_and_no_longer_in_line(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 3);

        assert_int_equal(game_children(g, LOCKS), 0);
        assert_non_null(game_find(g, LEASES, "_c_zksup-id0-s1-lease-"));
        assert_int_equal(a->token, g->fake.zxid);
}

static void the_lease_of_a_foreign_client_takes_a_place(void **state)
{
        Game *g = *state;
        Player *a;

        release(g, begin_and_settle(g, 0, 1));
        fake_create(&g->fake, 999, LEASES "/_c_0b3c-lease-", CREATE_EPHEMERAL_SEQUENTIAL);
        a = begin_and_settle(g, 1, 1);
        assert_false(a->held);
        assert_true(a->waiting);
        fake_end_session(&g->fake, 999);
        game_settle(g);
        assert_true(has_slot(g, a, "1"));
}

static void a_foreign_client_that_is_about_to_choose_is_waited_for(void **state)
{
        Game *g = *state;
        Player *a;

        release(g, begin_and_settle(g, 0, 1));
        fake_create(&g->fake, 999, LOCKS "/_c_0b3c-lock-", CREATE_EPHEMERAL_SEQUENTIAL);
        a = begin_and_settle(g, 1, 1);
        assert_false(a->held);
        fake_end_session(&g->fake, 999);
        game_settle(g);
        assert_true(a->held);
}

static void one_who_believes_in_fewer_slots_waits_longer(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 2), *b = begin_and_settle(g, 1, 2), *c;

        release(g, a);
        c = begin_and_settle(g, 2, 1); /* slot 1 is free, but one lease too many stands there */
        assert_false(c->held);
        release(g, b);
        assert_true(has_slot(g, c, "1"));
}

/* --- the dead ----------------------------------------------------------------------------------- */

static void the_slot_of_a_dead_holder_is_free_after_w(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 1), *b;

        game_crash(g, a);
        game_end_session(g, a);
        b = begin_and_settle(g, 1, 1);
        game_pass(g, g->timing.renew_usec); /* the janitor waits until the lists have settled */
        game_pass(g, wait_usec(g) - 1);
        assert_false(b->held);
        game_pass(g, 1);
        assert_true(has_slot(g, b, "1"));
}

static void what_was_in_sight_while_it_lived_counts(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 1), *b = begin_and_settle(g, 1, 1);
        uint64_t look = wait_usec(g) / 8;

        game_pass(g, g->timing.renew_usec);
        assert_int_equal(game_renew(g, a), OUTCOME_OK);
        game_crash(g, a);
        game_pass(g, look); /* sees the last renewal */
        game_pass(g, wait_usec(g) - look);
        assert_false(b->held);
        game_end_session(g, a);
        game_settle(g);
        game_pass(g, g->timing.renew_usec);
        game_pass(g, look);
        assert_true(b->held);
}

static void a_holder_that_renews_is_never_taken_from(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 1), *b = begin_and_settle(g, 1, 1);

        for (unsigned i = 0; i < 40; i++) {
                game_pass(g, g->timing.renew_usec);
                assert_int_equal(game_renew(g, a), OUTCOME_OK);
        }
        assert_false(b->held);
}

static void a_wedged_holder_is_never_taken_from(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 1), *b;

        claim_wedge(a->recipe->claim(a->machine));
        assert_int_equal(game_renew(g, a), OUTCOME_OK);
        game_crash(g, a);
        game_end_session(g, a);
        b = begin_and_settle(g, 1, 1);
        for (unsigned i = 0; i < 40; i++)
                game_pass(g, wait_usec(g) / 2);
        assert_false(b->held);
}

static void a_ghost_is_deleted_by_its_owner_once_the_tree_is_dead(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 1), *b = begin_and_settle(g, 1, 1);

        game_expire(g, a);
        game_settle(g);
        assert_false(b->held); /* the record stands */
        game_lose(g, a, "the session has expired");
        game_settle(g);
        assert_true(has_slot(g, b, "1"));
        assert_false(a->held); /* it stands in line again */
        release(g, b);
        assert_true(a->held);
}

static void a_lease_deleted_by_hand_is_found_out_and_does_not_hinder_the_release(void **state)
{
        Game *g = *state;
        Player *a = begin_and_settle(g, 0, 1);

        fake_delete(&g->fake, a->recipe->claim(a->machine)->node);
        assert_int_equal(game_renew(g, a), OUTCOME_NO_NODE);
        release(g, a);
        nothing_is_left(g);
}

/* Both add a lease then: neither may wait for the other's to go. */
static void a_place_in_line_deleted_by_hand_does_not_make_two_wait_for_each_other(void **state)
{
        Game *g = *state;
        Player *holder = begin_and_settle(g, 0, 1), *a = begin_and_settle(g, 1, 1), *b = begin_and_settle(g, 2, 1);

        fake_delete(&g->fake, game_find(g, LOCKS, "id1"));
        game_settle(g);
        release(g, holder);
        game_pass(g, 2 * SEC);
        assert_true(a->held != b->held);
        release(g, a->held ? a : b);
        assert_true(a->held != b->held);
}

/* --- at every request --------------------------------------------------------------------------- */

/* A waits for the slot of B, which is given back; the STEPth request of A meets its fate. Returns whether
 * A ever asked so many. */
static bool play(Game *g, unsigned step, void (*fate)(Game *g, Player *a))
{
        Player *b = begin_and_settle(g, 1, 1), *a = begin(g, 0, 1);
        bool met = false;

        for (unsigned n = 0; n < STEPS_MAX && !met; n++) {
                if (a->n_asked == 0 && b->held)
                        game_release(g, b);
                while (b->n_asked)
                        game_answer(g, b);
                if (a->n_asked == 0)
                        break;
                if (n == step) {
                        fate(g, a);
                        met = true;
                } else {
                        game_answer(g, a);
                }
        }
        if (b->held)
                game_release(g, b);
        game_settle(g);
        game_pass(g, 2 * SEC);
        return met;
}

static void lose_applied(Game *g, Player *a)
{
        game_lose_reply(g, a, true);
}

static void lose_not_applied(Game *g, Player *a)
{
        game_lose_reply(g, a, false);
}

static void give_up(Game *g, Player *a)
{
        game_release(g, a);
}

static void for_every_step(Game *g, void (*fate)(Game *g, Player *a), bool gets_it)
{
        for (unsigned step = 0;; step++) {
                Player *a = &g->players[0];
                bool met = play(g, step, fate);

                if (gets_it || !met) {
                        assert_true(has_slot(g, a, "1"));
                        assert_int_equal(game_children(g, LEASES), 1);
                        assert_int_equal(game_children(g, LOCKS), 0);
                        release(g, a);
                }
                assert_true(a->released);
                nothing_is_left(g);
                for (size_t i = 0; i < 2; i++)
                        game_crash(g, &g->players[i]);
                if (!met)
                        break;
                assert_true(step < STEPS_MAX);
        }
}

static void a_lost_reply_to_a_request_that_was_done_changes_nothing(void **state)
{
        for_every_step(*state, lose_applied, true);
}

static void a_request_that_is_lost_changes_nothing(void **state)
{
        for_every_step(*state, lose_not_applied, true);
}

static void an_expiry_at_any_request_puts_it_in_line_again(void **state)
{
        for_every_step(*state, game_expire, true);
}

static void who_gives_up_at_any_request_leaves_nothing(void **state)
{
        for_every_step(*state, give_up, false);
}

/* --- names -------------------------------------------------------------------------------------- */

static void the_slots_are_read_from_the_names_of_our_leases_alone(void **state)
{
        static const char *const names[] = {"_c_zksup-id-s3-lease-0000000001", "_c_0b3c-lease-0000000002",
                "_c_zksup-id-s12-lease-0000000003", "_c_zksup-id-lease-0000000004", "_c_zksup-id-s5-lease-",
                "_c_zksup-id-x7-lease-0000000005"};
        Numbers slots = {0};

        assert_int_equal(semaphore_slots_living(&slots, names, ARRAY_SIZE(names)), 0);
        assert_int_equal(slots.n, 2);
        assert_int_equal(slots.items[0], 3);
        assert_int_equal(slots.items[1], 12);
        numbers_deinit(&slots);
}

static void a_number_of_slots_that_makes_no_sense_is_refused(void **state)
{
        SemaphoreConfig config = {.root = "/zksup", .name = "x", .id = "id", .slots = 0};
        Semaphore *semaphore;

        assert_int_equal(semaphore_new(&semaphore, &config), -EINVAL);
        config.slots = SEMAPHORE_SLOTS_MAX + 1;
        assert_int_equal(semaphore_new(&semaphore, &config), -EINVAL);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, game_set_up, game_tear_down)
        const struct CMUnitTest tests[] = {
                T(as_many_as_there_are_slots_hold_one_and_the_next_gets_whose_is_given_back),
                T(where_the_parents_are_six_requests_are_enough),
                T(who_holds_is_seen_by_its_lease_and_no_longer_in_line),
                T(the_lease_of_a_foreign_client_takes_a_place),
                T(a_foreign_client_that_is_about_to_choose_is_waited_for),
                T(one_who_believes_in_fewer_slots_waits_longer),
                T(the_slot_of_a_dead_holder_is_free_after_w),
                T(what_was_in_sight_while_it_lived_counts),
                T(a_holder_that_renews_is_never_taken_from),
                T(a_wedged_holder_is_never_taken_from),
                T(a_ghost_is_deleted_by_its_owner_once_the_tree_is_dead),
                T(a_lease_deleted_by_hand_is_found_out_and_does_not_hinder_the_release),
                T(a_place_in_line_deleted_by_hand_does_not_make_two_wait_for_each_other),
                T(a_lost_reply_to_a_request_that_was_done_changes_nothing),
                T(a_request_that_is_lost_changes_nothing),
                T(an_expiry_at_any_request_puts_it_in_line_again),
                T(who_gives_up_at_any_request_leaves_nothing),
                cmocka_unit_test(the_slots_are_read_from_the_names_of_our_leases_alone),
                cmocka_unit_test(a_number_of_slots_that_makes_no_sense_is_refused),
        };

        return cmocka_run_group_tests_name("semaphore", tests, NULL, NULL);
}
