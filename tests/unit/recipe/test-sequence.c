/* The sequence machine and the janitor against one server, reply by reply. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "fake.h"
#include "recipe/janitor.h"
#include "recipe/sequence.h"
#include "util/clock.h"
#include "util/macros.h"

#define SEC USEC_PER_SEC
#define POOL "/zksup/sequence/p"
#define RECORDS "/zksup/record/sequence/p"
#define ACTORS 6

typedef struct Actor {
        Sequence sequence;
        int64_t session;
        bool held, waiting, released, failed, has_request;
        Request request; /* asked, not applied yet */
        char text[240];
} Actor;

typedef struct Fixture {
        Fake fake;
        Timing timing;
        uint64_t now;
        Actor actors[ACTORS];
        Janitor janitor;
        int64_t janitor_session;
        bool janitor_asks;
        Request janitor_request;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = test_calloc(1, sizeof(*f));
        char problem[400];

        fake_init(&f->fake);
        f->now = 1000 * SEC;
        assert_int_equal(timing_init(&f->timing, 15 * SEC, 0, problem, sizeof(problem)), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        for (size_t i = 0; i < ACTORS; i++)
                sequence_deinit(&f->actors[i].sequence);
        janitor_deinit(&f->janitor);
        fake_deinit(&f->fake);
        test_free(f);
        return 0;
}

static void step(Fixture *f, Actor *a, Event event)
{
        Effects effects = {0};

        event.now_usec = f->now;
        sequence_step(&a->sequence, &event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                const Effect *e = &effects.items[i];

                a->held |= e->kind == EFFECT_HELD;
                a->released |= e->kind == EFFECT_RELEASED;
                if (e->kind == EFFECT_WAITING) {
                        a->waiting = true;
                        snprintf(a->text, sizeof(a->text), "%s", e->waiting.text);
                } else if (e->kind == EFFECT_FAILED) {
                        a->failed = true;
                        snprintf(a->text, sizeof(a->text), "%s", e->failed.text);
                } else if (e->kind == EFFECT_REQUEST) {
                        assert_false(a->has_request);
                        a->request = e->request;
                        a->has_request = true;
                }
        }
}

static void attach(Fixture *f, Actor *a, int64_t session)
{
        a->session = session;
        sequence_set_timing(&a->sequence, &f->timing);
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = session}});
}

static void lose_session(Fixture *f, Actor *a)
{
        fake_end_session(&f->fake, a->session);
        a->has_request = false;
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_EXPIRED}});
}

static Actor *begin_in(Fixture *f, size_t i, int64_t session, SequenceConfig config)
{
        Actor *a = &f->actors[i];
        char id[8];

        snprintf(id, sizeof(id), "id%zu", i);
        config.root = "/zksup";
        config.pool = "p";
        config.id = id;
        config.first = config.first ? config.first : 1;
        config.max = config.max ? config.max : UINT64_MAX - 1;
        config.prefer = config.prefer ? config.prefer : UINT64_MAX;
        assert_int_equal(sequence_init(&a->sequence, &config), 0);
        attach(f, a, session);
        step(f, a, (Event){.kind = EVENT_START});
        return a;
}

static Actor *begin(Fixture *f, size_t i, SequenceConfig config)
{
        return begin_in(f, i, 100 + (int64_t)i, config);
}

static void deliver(Fixture *f, Actor *a, Reply reply, uint64_t sent)
{
        reply.sent_usec = sent;
        step(f, a, (Event){.kind = EVENT_REPLY, .reply = reply});
}

static void pass_watches(Fixture *f)
{
        FakeWatch watch;

        while (fake_take_fired(&f->fake, &watch))
                for (size_t i = 0; i < ACTORS; i++)
                        if (watch.owner == &f->actors[i] && watch.session == f->actors[i].session)
                                step(f, &f->actors[i], (Event){.kind = EVENT_WATCH, .watch = {.tag = watch.tag, .kind = watch.children ? WATCH_CHILDREN : WATCH_DELETED}});
}

/* One request of A: applied and answered. */
static void answer(Fixture *f, Actor *a)
{
        Reply reply;

        assert_true(a->has_request);
        a->has_request = false;
        reply = fake_apply(&f->fake, a->session, a, &a->request);
        deliver(f, a, reply, f->now);
        pass_watches(f);
}

/* One request of A: applied if it is, but the reply is lost with the connection. */
static void lose_reply(Fixture *f, Actor *a, bool applied, enum Outcome outcome)
{
        Reply reply = {.tag = a->request.tag, .outcome = outcome};

        assert_true(a->has_request);
        a->has_request = false;
        if (applied)
                (void)fake_apply(&f->fake, a->session, a, &a->request);
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        deliver(f, a, reply, f->now);
        assert_int_equal(sequence_deadline(&a->sequence), USEC_INFINITY);
        attach(f, a, a->session);
}

static void settle(Fixture *f)
{
        for (unsigned rounds = 0; rounds < 300; rounds++) {
                bool any = false;

                for (size_t i = 0; i < ACTORS; i++) {
                        Actor *a = &f->actors[i];

                        if (a->has_request) {
                                answer(f, a);
                                any = true;
                        } else if (sequence_deadline(&a->sequence) != USEC_INFINITY && a->session) {
                                f->now = MAX(f->now, sequence_deadline(&a->sequence));
                                step(f, a, (Event){.kind = EVENT_TIME});
                                any = true;
                        }
                }
                if (!any)
                        return;
        }
        fail_msg("does not settle");
}

static void until(Fixture *f, Actor *a, enum SequenceState state)
{
        for (int i = 0; a->sequence.state != state; i++) {
                assert_true(i < 30);
                answer(f, a);
        }
}

static void nothing_but_the_parents_is_left(const Fixture *f)
{
        const Znode *pool = tree_find(&f->fake.tree, POOL), *records = tree_find(&f->fake.tree, RECORDS);

        assert_true(!pool || !pool->children);
        assert_true(!records || !records->children);
}

static void release(Fixture *f, Actor *a)
{
        a->held = false;
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(a->released);
        assert_int_equal(a->sequence.state, SEQUENCE_RELEASED);
}

/* --- the straight way --------------------------------------------------------------------------- */

static void the_first_one_makes_the_parents_and_gets_the_first_number(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 1);
        assert_int_equal(a->sequence.claim.token, f->fake.zxid);
        assert_true(fake_has(&f->fake, POOL "/1"));
        assert_true(fake_has(&f->fake, RECORDS "/1/id0-0"));
        assert_int_equal(f->fake.requests, 8); /* with the four that make the parents */
        release(f, a);
        nothing_but_the_parents_is_left(f);
}

static void where_the_parents_are_four_requests_are_enough(void **state)
{
        Fixture *f = *state;

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        f->fake.requests = 0;
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        assert_int_equal(f->actors[1].sequence.number, 2);
        assert_int_equal(f->fake.requests, 4);
}

static void those_who_start_together_take_the_numbers_of_their_ranks_without_a_collision(void **state)
{
        Fixture *f = *state;

        for (size_t i = 0; i < ACTORS; i++)
                begin(f, i, (SequenceConfig){0});
        settle(f);
        for (size_t n = 1; n <= ACTORS; n++) {
                size_t holders = 0;

                for (size_t i = 0; i < ACTORS; i++)
                        holders += f->actors[i].held && f->actors[i].sequence.number == n;
                assert_int_equal(holders, 1);
        }
        assert_true(f->fake.requests <= 8 * ACTORS);
}

static void a_number_given_back_is_the_next_one_given(void **state)
{
        Fixture *f = *state;

        for (size_t i = 0; i < 3; i++) {
                begin(f, i, (SequenceConfig){0});
                settle(f);
        }
        release(f, &f->actors[1]);
        begin(f, 3, (SequenceConfig){0});
        settle(f);
        assert_int_equal(f->actors[3].sequence.number, 2);
}

static void a_foreign_holder_is_respected(void **state)
{
        Fixture *f = *state;

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        fake_create(&f->fake, 999, POOL "/2", CREATE_EPHEMERAL);
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        assert_int_equal(f->actors[1].sequence.number, 3);
}

static void first_and_prefer_are_heard(void **state)
{
        Fixture *f = *state;

        begin(f, 0, (SequenceConfig){.first = 10});
        settle(f);
        assert_int_equal(f->actors[0].sequence.number, 10);
        begin(f, 1, (SequenceConfig){.first = 10, .prefer = 42});
        settle(f);
        assert_int_equal(f->actors[1].sequence.number, 42);
        begin(f, 2, (SequenceConfig){.first = 10, .prefer = 42});
        settle(f);
        assert_int_equal(f->actors[2].sequence.number, 11);
}

/* --- waiting ------------------------------------------------------------------------------------ */

static void when_all_are_taken_they_queue_and_only_the_next_one_wakes(void **state)
{
        Fixture *f = *state;
        unsigned before;

        for (size_t i = 0; i < 4; i++) {
                begin(f, i, (SequenceConfig){.max = 1});
                settle(f);
        }
        assert_true(f->actors[0].held);
        for (size_t i = 1; i < 4; i++)
                assert_true(f->actors[i].waiting && !f->actors[i].held);
        assert_non_null(strstr(f->actors[3].text, "position 3 in line"));
        before = f->fake.requests;
        release(f, &f->actors[0]);
        assert_true(f->actors[1].held);
        assert_false(f->actors[2].held || f->actors[3].held);
        assert_true(f->fake.requests - before <= 9); /* release, two lists and the claim; then the next in line */
        release(f, &f->actors[1]);
        assert_true(f->actors[2].held);
        release(f, &f->actors[3]); /* out of the line */
        release(f, &f->actors[2]);
        nothing_but_the_parents_is_left(f);
}

static void a_waiter_in_the_middle_that_goes_lets_its_successor_move_up(void **state)
{
        Fixture *f = *state;

        for (size_t i = 0; i < 4; i++) {
                begin(f, i, (SequenceConfig){.max = 1});
                settle(f);
        }
        lose_session(f, &f->actors[2]);
        f->actors[2].session = 0;
        pass_watches(f);
        assert_true(f->actors[3].has_request); /* and the first, who watches the whole pool */
        settle(f);
        assert_false(f->actors[3].held);
        assert_non_null(strstr(f->actors[3].text, "position 2 in line"));
}

static void a_release_between_the_two_lists_is_not_missed(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){.max = 1}), *b;

        settle(f);
        b = begin(f, 1, (SequenceConfig){.max = 1});
        until(f, b, SEQUENCE_POOL);
        answer(f, b); /* first in line: reads again with watches */
        until(f, b, SEQUENCE_POOL);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        answer(f, a);
        settle(f);
        assert_true(b->held);
}

/* --- those who died ----------------------------------------------------------------------------- */

static void die(Fixture *f, Actor *a)
{
        fake_end_session(&f->fake, a->session);
        a->session = 0;
        a->has_request = false;
        pass_watches(f);
}

static void a_number_whose_holder_died_is_passed_over(void **state)
{
        Fixture *f = *state;

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        die(f, &f->actors[0]);
        begin(f, 2, (SequenceConfig){0});
        settle(f);
        assert_int_equal(f->actors[2].sequence.number, 3);
}

static void or_waited_for(void **state)
{
        Fixture *f = *state;

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        die(f, &f->actors[0]);
        begin(f, 1, (SequenceConfig){.reuse = SEQUENCE_REUSE_WAIT});
        settle(f);
        assert_true(f->actors[1].waiting);
        assert_false(f->actors[1].held);
        fake_delete(&f->fake, RECORDS "/1/id0-0");
        fake_delete(&f->fake, RECORDS "/1");
        pass_watches(f);
        settle(f);
        assert_true(f->actors[1].held);
        assert_int_equal(f->actors[1].sequence.number, 1);
}

/* --- lost replies ------------------------------------------------------------------------------- */

/* Each request of an acquisition, in turn, loses its reply, once applied and once not. */
static void any_one_reply_may_be_lost(void **state)
{
        Fixture *f = *state;

        for (int applied = 0; applied < 2; applied++)
                for (int victim = 0; victim < 8; victim++) {
                        Actor *a;

                        tear_down(state);
                        set_up(state);
                        f = *state;
                        a = begin(f, 0, (SequenceConfig){0});
                        for (int i = 0; i < victim; i++)
                                answer(f, a);
                        lose_reply(f, a, applied, OUTCOME_UNKNOWN);
                        settle(f);
                        assert_true(a->held);
                        assert_int_equal(a->sequence.number, 1);
                        assert_ptr_equal(tree_find(&f->fake.tree, POOL)->children->next, NULL); /* no orphan */
                        release(f, a);
                        nothing_but_the_parents_is_left(f);
                }
}

static void a_claim_whose_reply_was_lost_with_the_session_leaves_no_record(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        until(f, a, SEQUENCE_CLAIM);
        (void)fake_apply(&f->fake, a->session, a, &a->request);
        lose_session(f, a);
        assert_true(fake_has(&f->fake, RECORDS "/1/id0-0"));
        attach(f, a, 200);
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 1);
        assert_true(fake_has(&f->fake, RECORDS "/1/id0-1"));
        assert_false(fake_has(&f->fake, RECORDS "/1/id0-0"));
}

static void a_lost_release_is_repeated_until_known(void **state)
{
        Fixture *f = *state;

        for (int applied = 0; applied < 2; applied++) {
                Actor *a = begin(f, (size_t)applied, (SequenceConfig){0});

                settle(f);
                step(f, a, (Event){.kind = EVENT_RELEASE});
                lose_reply(f, a, applied, OUTCOME_UNKNOWN);
                settle(f);
                assert_true(a->released);
                nothing_but_the_parents_is_left(f);
        }
}

static void a_number_released_and_taken_by_another_is_not_taken_away(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0}), *b;
        Reply lost;

        settle(f);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        (void)fake_apply(&f->fake, a->session, a, &a->request); /* applied, the reply is lost */
        lost = (Reply){.tag = a->request.tag, .outcome = OUTCOME_UNKNOWN};
        a->has_request = false;
        b = begin(f, 1, (SequenceConfig){0});
        for (int i = 0; i < 10 && !b->held; i++)
                answer(f, b);
        assert_int_equal(b->sequence.number, 1);
        deliver(f, a, lost, f->now);
        settle(f);
        assert_true(a->released);
        assert_true(fake_has(&f->fake, POOL "/1"));
        assert_true(fake_has(&f->fake, RECORDS "/1/id1-0"));
}

/* --- losing ------------------------------------------------------------------------------------- */

static void after_a_loss_nothing_is_asked_until_the_tree_is_dead(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        a->held = false;
        lose_session(f, a);
        assert_int_equal(a->sequence.state, SEQUENCE_LOST);
        attach(f, a, 300);
        assert_false(a->has_request);
        step(f, a, (Event){.kind = EVENT_DEAD});
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 1); /* our own ghost is no obstacle */
}

/* What the gate does when the tree under a lost number is dead. */
static void a_loss_that_is_given_up_is_cleaned_and_asked_again_on_start_only(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        a->held = false;
        lose_session(f, a);
        attach(f, a, 300);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        assert_int_equal(a->sequence.state, SEQUENCE_LOST);
        step(f, a, (Event){.kind = EVENT_DEAD});
        settle(f);
        assert_int_equal(a->sequence.state, SEQUENCE_RELEASED);
        assert_false(a->held);
        assert_false(fake_has(&f->fake, RECORDS "/1"));
        step(f, a, (Event){.kind = EVENT_START});
        settle(f);
        assert_true(a->held);

        a->held = false;
        claim_lose(&a->sequence.claim, "no renewal was acknowledged in time");
        step(f, a, (Event){.kind = EVENT_RELEASE});
        step(f, a, (Event){.kind = EVENT_DEAD});
        assert_int_equal(a->sequence.state, SEQUENCE_CLEAN);
        step(f, a, (Event){.kind = EVENT_START}); /* while it is being cleaned */
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 1);
}

static void a_znode_deleted_by_hand_is_not_deleted_again(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        a->held = false;
        fake_delete(&f->fake, POOL "/1");
        fake_create(&f->fake, 999, POOL "/1", CREATE_EPHEMERAL); /* somebody else's now */
        claim_lose(&a->sequence.claim, "the znode of ours: no such znode");
        a->sequence.claim.node_gone = true;
        step(f, a, (Event){.kind = EVENT_DEAD});
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 2);
        assert_int_equal(tree_find(&f->fake.tree, POOL "/1")->stat.ephemeral_owner, 999);
        assert_false(fake_has(&f->fake, RECORDS "/1"));
}

static void a_number_of_another_unit_of_our_session_is_left_alone(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0}), *b;

        settle(f);
        fake_delete(&f->fake, RECORDS "/1/id0-0"); /* all that says that it is ours */
        fake_delete(&f->fake, RECORDS "/1");
        fake_delete(&f->fake, POOL "/1");
        b = begin_in(f, 1, a->session, (SequenceConfig){0});
        settle(f);
        assert_int_equal(b->sequence.number, 1);
        a->held = false;
        claim_lose(&a->sequence.claim, "the record of ours: no such znode");
        step(f, a, (Event){.kind = EVENT_DEAD});
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 2);
        assert_true(fake_has(&f->fake, POOL "/1"));
        assert_true(fake_has(&f->fake, RECORDS "/1"));
}

static void a_record_taken_away_leaves_no_node_of_ours_behind(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        a->held = false;
        fake_delete(&f->fake, RECORDS "/1/id0-0");
        fake_delete(&f->fake, RECORDS "/1");
        claim_lose(&a->sequence.claim, "the record of ours: no such znode");
        step(f, a, (Event){.kind = EVENT_DEAD});
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->sequence.number, 1);
}

static void a_znode_deleted_by_hand_is_found_at_the_release(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        fake_delete(&f->fake, POOL "/1");
        release(f, a);
        nothing_but_the_parents_is_left(f);
}

static void a_claim_answered_too_late_is_given_back(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});
        Reply reply;
        uint64_t sent;

        until(f, a, SEQUENCE_CLAIM);
        reply = fake_apply(&f->fake, a->session, a, &a->request);
        a->has_request = false;
        sent = f->now;
        f->now += 9 * SEC;
        deliver(f, a, reply, sent);
        assert_false(a->held);
        settle(f);
        assert_true(a->held);
}

/* --- refusals ----------------------------------------------------------------------------------- */

static void a_refusal_fails_with_the_path(void **state)
{
        Fixture *f = *state;

        for (int at = 0; at < 8; at++) {
                Actor *a;

                tear_down(state);
                set_up(state);
                f = *state;
                a = begin(f, 0, (SequenceConfig){0});
                for (int i = 0; i < at; i++)
                        answer(f, a);
                a->has_request = false;
                deliver(f, a, (Reply){.tag = a->request.tag, .outcome = OUTCOME_DENIED}, f->now);
                assert_true(a->failed);
                assert_non_null(strstr(a->text, "/zksup"));
                assert_non_null(strstr(a->text, "denied"));
                step(f, a, (Event){.kind = EVENT_RELEASE});
                settle(f);
                assert_true(a->released);
                nothing_but_the_parents_is_left(f);
                step(f, a, (Event){.kind = EVENT_START}); /* what was refused may be granted now */
                settle(f);
                assert_true(a->held);
        }
}

static void a_refusal_after_the_release_is_no_failure(void **state)
{
        Fixture *f = *state;

        for (int at = 0; at < 8; at++) {
                Actor *a;

                tear_down(state);
                set_up(state);
                f = *state;
                a = begin(f, 0, (SequenceConfig){0});
                for (int i = 0; i < at; i++)
                        answer(f, a);
                step(f, a, (Event){.kind = EVENT_RELEASE});
                if (a->has_request) {
                        a->has_request = false;
                        deliver(f, a, (Reply){.tag = a->request.tag, .outcome = OUTCOME_DENIED}, f->now);
                }
                settle(f);
                assert_false(a->failed);
                assert_true(a->released);
                nothing_but_the_parents_is_left(f);
        }
}

static void a_release_while_asking_takes_the_ticket_back(void **state)
{
        Fixture *f = *state;

        for (int at = 0; at < 8; at++) {
                Actor *a;

                tear_down(state);
                set_up(state);
                f = *state;
                a = begin(f, 0, (SequenceConfig){0});
                for (int i = 0; i < at; i++)
                        answer(f, a);
                step(f, a, (Event){.kind = EVENT_RELEASE});
                settle(f);
                assert_true(a->released);
                assert_false(a->held);
        nothing_but_the_parents_is_left(f);
                step(f, a, (Event){.kind = EVENT_START}); /* and it can be asked for again */
                settle(f);
                assert_true(a->held);
        }
}

static void a_release_without_contact_waits_for_it(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0});

        settle(f);
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        step(f, a, (Event){.kind = EVENT_RELEASE});
        assert_false(a->has_request);
        assert_false(a->released);
        attach(f, a, a->session);
        settle(f);
        assert_true(a->released);
        nothing_but_the_parents_is_left(f);
}

static void an_empty_pool_collected_by_the_server_is_made_again(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, (SequenceConfig){0}), *b;

        settle(f);
        release(f, a);
        for (int at = 0; at < 4; at++) {
                b = begin(f, 1, (SequenceConfig){0});
                for (int i = 0; i < at; i++)
                        answer(f, b);
                if (!tree_find(&f->fake.tree, POOL)->children)
                        fake_delete(&f->fake, POOL);
                fake_delete(&f->fake, RECORDS);
                settle(f);
                assert_true(b->held);
                release(f, b);
                sequence_deinit(&b->sequence);
        }
}

static void a_pool_whose_name_does_not_fit_is_refused(void **state)
{
        char name[600];
        Sequence s;
        SequenceConfig config = {.root = "/zksup", .pool = name, .id = "x", .first = 1, .max = 9};

        memset(name, 'a', sizeof(name));
        name[599] = '\0';
        assert_int_equal(sequence_init(&s, &config), -ENAMETOOLONG);
        config.pool = "p";
        sequence_deinit(&s);
        config.root = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14";
        assert_int_equal(sequence_init(&s, &config), -ENAMETOOLONG);
        sequence_deinit(&s);
}

static void every_state_has_words(void **state)
{
        for (int i = 0; i <= SEQUENCE_FAILED; i++)
                assert_true(strlen(sequence_state_to_string((enum SequenceState)i)) > 1);
}

/* --- the janitor -------------------------------------------------------------------------------- */

static void step_janitor(Fixture *f, Event event)
{
        Effects effects = {0};

        event.now_usec = f->now;
        janitor_step(&f->janitor, &event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                if (effects.items[i].kind == EFFECT_REQUEST) {
                        assert_false(f->janitor_asks);
                        f->janitor_request = effects.items[i].request;
                        f->janitor_asks = true;
                }
}

static void pass_janitor_watches(Fixture *f)
{
        FakeWatch watch;

        while (fake_take_fired(&f->fake, &watch))
                if (watch.owner == &f->janitor)
                        step_janitor(f, (Event){.kind = EVENT_WATCH, .watch = {.tag = watch.tag, .kind = watch.children ? WATCH_CHILDREN : WATCH_DELETED, .path = watch.path}});
}

/* Answers whatever the janitor asks, and lets time pass to its deadlines, until UNTIL. */
static void run_janitor(Fixture *f, uint64_t until_usec)
{
        for (int i = 0; i < 200; i++) {
                pass_janitor_watches(f);
                if (f->janitor_asks) {
                        Reply reply = fake_apply(&f->fake, 500, &f->janitor, &f->janitor_request);

                        f->janitor_asks = false;
                        step_janitor(f, (Event){.kind = EVENT_REPLY, .reply = reply});
                } else if (janitor_deadline(&f->janitor) <= until_usec) {
                        f->now = MAX(f->now, janitor_deadline(&f->janitor));
                        step_janitor(f, (Event){.kind = EVENT_TIME});
                } else {
                        f->now = until_usec;
                        return;
                }
        }
        fail_msg("the janitor does not settle");
}

static void start_janitor(Fixture *f, bool has_number, uint64_t number)
{
        janitor_init(&f->janitor, POOL, RECORDS, 1, SEC);
        janitor_set_pause(&f->janitor, 2 * SEC);
        step_janitor(f, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED}});
        janitor_set_number(&f->janitor, has_number, number);
        step_janitor(f, (Event){.kind = EVENT_START});
}

static void the_record_of_the_dead_goes_after_the_wait_and_not_before(void **state)
{
        Fixture *f = *state;
        uint64_t w = timing_takeover_wait_usec(12 * SEC), seen;

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        die(f, &f->actors[1]);
        start_janitor(f, true, 1);
        run_janitor(f, f->now + 2 * SEC); /* the pause, the lists, the record: in sight now */
        seen = f->now;
        run_janitor(f, seen + w - 1);
        assert_true(fake_has(&f->fake, RECORDS "/2"));
        run_janitor(f, seen + w);
        assert_false(fake_has(&f->fake, RECORDS "/2"));
        assert_int_equal(f->janitor.removed, 1);
        assert_true(fake_has(&f->fake, RECORDS "/1")); /* the living one is left alone */
}

/* Who waits looks at the living too: when one dies, the time it has been silent counts. */
static void the_wait_of_a_waiter_begins_before_the_session_of_the_dead_ends(void **state)
{
        Fixture *f = *state;
        uint64_t w = timing_takeover_wait_usec(12 * SEC), silent;

        begin(f, 0, (SequenceConfig){.max = 1});
        settle(f);
        start_janitor(f, false, 0);
        run_janitor(f, f->now + 3 * SEC); /* in sight */
        silent = f->now;
        run_janitor(f, silent + w - SEC);
        assert_true(fake_has(&f->fake, RECORDS "/1"));
        fake_end_session(&f->fake, f->actors[0].session);
        f->actors[0].session = 0;
        step_janitor(f, (Event){.kind = EVENT_WATCH, .watch = {.kind = WATCH_CHILDREN, .path = POOL}});
        run_janitor(f, silent + w + 2 * SEC); /* the pause before the lists */
        assert_false(fake_has(&f->fake, RECORDS "/1"));
}

static void the_record_of_the_living_is_never_removed_and_its_renewals_begin_the_wait_anew(void **state)
{
        Fixture *f = *state;
        uint64_t w = timing_takeover_wait_usec(12 * SEC), renewed;
        Op renew = {.kind = OP_SET, .path = RECORDS "/1/id0-0", .version = VERSION_ANY};
        Request request = {.kind = REQUEST_MULTI, .path = RECORDS, .ops = &renew, .n_ops = 1};

        begin(f, 0, (SequenceConfig){.max = 1});
        settle(f);
        renew.data = f->actors[0].sequence.claim.data;
        renew.data_len = f->actors[0].sequence.claim.data_len;
        start_janitor(f, false, 0);
        run_janitor(f, f->now + 3 * w); /* silent, but its session lives */
        assert_true(fake_has(&f->fake, RECORDS "/1"));
        (void)fake_apply(&f->fake, 7, NULL, &request);
        renewed = f->now;
        fake_end_session(&f->fake, f->actors[0].session);
        f->actors[0].session = 0;
        step_janitor(f, (Event){.kind = EVENT_WATCH, .watch = {.kind = WATCH_CHILDREN, .path = POOL}});
        run_janitor(f, renewed + w - 1);
        assert_true(fake_has(&f->fake, RECORDS "/1"));
        run_janitor(f, renewed + 2 * w);
        assert_false(fake_has(&f->fake, RECORDS "/1"));
}

static void a_record_that_is_renewed_meanwhile_stays(void **state)
{
        Fixture *f = *state;
        uint64_t w = timing_takeover_wait_usec(12 * SEC);
        Op renew = {.kind = OP_SET, .path = RECORDS "/2/id1-0", .version = VERSION_ANY};
        Request request = {.kind = REQUEST_MULTI, .path = RECORDS, .ops = &renew, .n_ops = 1};

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        renew.data = f->actors[1].sequence.claim.data;
        renew.data_len = f->actors[1].sequence.claim.data_len;
        fake_delete(&f->fake, POOL "/2"); /* by hand: its holder does not know yet */
        start_janitor(f, true, 1);
        for (int i = 0; i < 3; i++) {
                run_janitor(f, f->now + w - SEC);
                (void)fake_apply(&f->fake, 7, NULL, &request);
        }
        assert_true(fake_has(&f->fake, RECORDS "/2"));
        run_janitor(f, f->now + 2 * w + 4 * SEC);
        assert_false(fake_has(&f->fake, RECORDS "/2"));
}

static void who_has_a_living_predecessor_sleeps_until_it_dies(void **state)
{
        Fixture *f = *state;

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        start_janitor(f, true, 2);
        run_janitor(f, f->now + 100 * SEC);
        assert_int_equal(f->janitor.state, JANITOR_ASLEEP);
        assert_int_equal(janitor_deadline(&f->janitor), USEC_INFINITY);
        fake_end_session(&f->fake, f->actors[0].session);
        f->actors[0].session = 0;
        run_janitor(f, f->now + 100 * SEC);
        assert_false(fake_has(&f->fake, RECORDS "/1"));
        assert_int_equal(f->janitor.removed, 1);
}

static void a_wedged_record_is_left_alone(void **state)
{
        Fixture *f = *state;
        static const char wedged[] = "zksup-record 1\nstate WEDGED\nlease-us 5\n";
        Op op = {.kind = OP_SET, .path = RECORDS "/1/id0-0", .version = VERSION_ANY, .data = wedged, .data_len = sizeof(wedged) - 1};
        Request request = {.kind = REQUEST_MULTI, .path = RECORDS, .ops = &op, .n_ops = 1};

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        (void)fake_apply(&f->fake, 7, NULL, &request);
        die(f, &f->actors[0]);
        start_janitor(f, false, 0);
        for (int i = 0; i < 5; i++) {
                f->now += SEC;
                step_janitor(f, (Event){.kind = EVENT_TIME});
                if (f->janitor_asks) {
                        Reply reply = fake_apply(&f->fake, 500, &f->janitor, &f->janitor_request);

                        f->janitor_asks = false;
                        step_janitor(f, (Event){.kind = EVENT_REPLY, .reply = reply});
                }
        }
        assert_true(fake_has(&f->fake, RECORDS "/1"));
}

static void a_record_made_by_hand_goes_after_the_longest_wait(void **state)
{
        Fixture *f = *state;
        uint64_t w = timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC);

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        fake_create(&f->fake, 0, RECORDS "/7", CREATE_PERSISTENT);
        start_janitor(f, true, 1);
        run_janitor(f, f->now + w);
        assert_true(fake_has(&f->fake, RECORDS "/7"));
        run_janitor(f, f->now + 3 * SEC);
        assert_false(fake_has(&f->fake, RECORDS "/7"));
}

static void a_lost_reply_or_connection_only_delays_the_janitor(void **state)
{
        Fixture *f = *state;
        static const enum Outcome outcomes[] = {OUTCOME_UNKNOWN, OUTCOME_EXPIRED};

        begin(f, 0, (SequenceConfig){0});
        settle(f);
        begin(f, 1, (SequenceConfig){0});
        settle(f);
        die(f, &f->actors[1]);
        start_janitor(f, true, 1);
        for (int i = 0; i < 6; i++) {
                f->now += 2 * SEC;
                step_janitor(f, (Event){.kind = EVENT_TIME});
                if (!f->janitor_asks)
                        continue;
                f->janitor_asks = false;
                step_janitor(f, (Event){.kind = EVENT_REPLY, .reply = {.tag = f->janitor.tag, .outcome = outcomes[i % 2]}});
                step_janitor(f, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
                assert_int_equal(janitor_deadline(&f->janitor), USEC_INFINITY);
                step_janitor(f, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED}});
        }
        run_janitor(f, f->now + 40 * SEC);
        assert_false(fake_has(&f->fake, RECORDS "/2"));
        step_janitor(f, (Event){.kind = EVENT_RELEASE});
        assert_int_equal(f->janitor.state, JANITOR_OFF);
        assert_int_equal(janitor_deadline(&f->janitor), USEC_INFINITY);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                T(the_first_one_makes_the_parents_and_gets_the_first_number),
                T(where_the_parents_are_four_requests_are_enough),
                T(those_who_start_together_take_the_numbers_of_their_ranks_without_a_collision),
                T(a_number_given_back_is_the_next_one_given),
                T(a_foreign_holder_is_respected),
                T(first_and_prefer_are_heard),
                T(when_all_are_taken_they_queue_and_only_the_next_one_wakes),
                T(a_waiter_in_the_middle_that_goes_lets_its_successor_move_up),
                T(a_release_between_the_two_lists_is_not_missed),
                T(a_number_whose_holder_died_is_passed_over),
                T(or_waited_for),
                T(any_one_reply_may_be_lost),
                T(a_claim_whose_reply_was_lost_with_the_session_leaves_no_record),
                T(a_lost_release_is_repeated_until_known),
                T(a_number_released_and_taken_by_another_is_not_taken_away),
                T(after_a_loss_nothing_is_asked_until_the_tree_is_dead),
                T(a_loss_that_is_given_up_is_cleaned_and_asked_again_on_start_only),
                T(a_znode_deleted_by_hand_is_not_deleted_again),
                T(a_record_taken_away_leaves_no_node_of_ours_behind),
                T(a_number_of_another_unit_of_our_session_is_left_alone),
                T(a_znode_deleted_by_hand_is_found_at_the_release),
                T(a_claim_answered_too_late_is_given_back),
                T(a_refusal_fails_with_the_path),
                T(a_refusal_after_the_release_is_no_failure),
                T(a_release_while_asking_takes_the_ticket_back),
                T(a_release_without_contact_waits_for_it),
                T(an_empty_pool_collected_by_the_server_is_made_again),
                T(a_pool_whose_name_does_not_fit_is_refused),
                T(every_state_has_words),
                T(the_record_of_the_dead_goes_after_the_wait_and_not_before),
                T(the_wait_of_a_waiter_begins_before_the_session_of_the_dead_ends),
                T(the_record_of_the_living_is_never_removed_and_its_renewals_begin_the_wait_anew),
                T(a_record_that_is_renewed_meanwhile_stays),
                T(who_has_a_living_predecessor_sleeps_until_it_dies),
                T(a_wedged_record_is_left_alone),
                T(a_record_made_by_hand_goes_after_the_longest_wait),
                T(a_lost_reply_or_connection_only_delays_the_janitor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
