/* An ephemeral kept alive, against one server, reply by reply; the last test loses replies and sessions at
 * random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "fake.h"
#include "recipe/node.h"
#include "util/clock.h"
#include "util/random.h"

#define PATH "/zksup/host/a"
#define SEC USEC_PER_SEC

typedef struct Actor {
        Node node;
        const char *mark; /* what its data begins with, whatever its session */
        int64_t session;
        bool has_request, taken, released, failed;
        Request request;
        char data[16]; /* of the request: it is good until the next step only */
        unsigned sets;
} Actor;

typedef struct Fixture {
        Fake fake;
        uint64_t now;
        Actor actors[2];
} Fixture;

static bool is_ours(const void *userdata, const void *data, size_t len)
{
        const Actor *a = userdata;

        return len >= strlen(a->mark) && memcmp(data, a->mark, strlen(a->mark)) == 0;
}

static void step(Fixture *f, Actor *a, Event event)
{
        Effects effects;

        effects.n = 0;
        event.now_usec = f->now;
        node_step(&a->node, &event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                const Effect *e = &effects.items[i];

                if (e->kind == EFFECT_REQUEST) {
                        assert_false(a->has_request); /* one at a time */
                        a->request = e->request;
                        assert_true(e->request.data_len <= sizeof(a->data));
                        if (e->request.data_len)
                                a->request.data = memcpy(a->data, e->request.data, e->request.data_len);
                        a->has_request = true;
                        a->sets += e->request.kind == REQUEST_SET;
                }
                a->taken |= e->kind == EFFECT_WAITING;
                a->released |= e->kind == EFFECT_RELEASED;
                a->failed |= e->kind == EFFECT_FAILED;
        }
}

static void deliver_watches(Fixture *f)
{
        FakeWatch watch;

        while (fake_take_fired(&f->fake, &watch)) {
                Actor *a = watch.owner;

                if (a->session == watch.session)
                        step(f, a,
                                (Event){.kind = EVENT_WATCH,
                                        .watch = {.tag = watch.tag, .kind = watch.kind, .path = watch.path}});
        }
}

/* APPLIED: it reaches the server; HEARD: its answer comes back. */
static void answer(Fixture *f, Actor *a, bool applied, bool heard)
{
        Event event = {.kind = EVENT_REPLY};

        assert_true(a->has_request);
        event.reply = (Reply){.tag = a->request.tag, .outcome = OUTCOME_UNKNOWN};
        if (applied)
                event.reply = fake_apply(&f->fake, a->session, a, &a->request);
        if (applied && !heard)
                event.reply = (Reply){.tag = a->request.tag, .outcome = OUTCOME_UNKNOWN};
        a->has_request = false;
        deliver_watches(f);
        step(f, a, event);
}

static void settle(Fixture *f)
{
        bool busy = true;

        while (busy) {
                busy = false;
                deliver_watches(f);
                for (size_t i = 0; i < 2; i++)
                        if (f->actors[i].has_request) {
                                answer(f, &f->actors[i], true, true);
                                busy = true;
                        }
        }
}

/* To the next moment that somebody wants the clock at, but no further than LIMIT. */
static void advance(Fixture *f, uint64_t limit)
{
        uint64_t end = f->now + limit;

        for (;;) {
                uint64_t next = end;

                for (size_t i = 0; i < 2; i++)
                        next = MIN(next, node_deadline(&f->actors[i].node));
                f->now = MAX(f->now, next);
                if (next >= end)
                        return;
                for (size_t i = 0; i < 2; i++)
                        if (node_deadline(&f->actors[i].node) <= f->now)
                                step(f, &f->actors[i], (Event){.kind = EVENT_TIME});
                settle(f);
        }
}

static void attach(Fixture *f, Actor *a, int64_t session)
{
        a->session = session;
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = session}});
}

static void change(Fixture *f, Actor *a, enum SessionChange change)
{
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = change}});
}

static void say(Fixture *f, Actor *a, const char *text)
{
        assert_int_equal(node_set_data(&a->node, text, strlen(text)), 0);
        step(f, a, (Event){.kind = EVENT_TIME});
}

static Actor *begin(Fixture *f, int i, const char *mark)
{
        Actor *a = &f->actors[i];

        a->mark = mark;
        assert_int_equal(
                node_init(&a->node,
                        &(NodeConfig){
                                .path = PATH, .pause_usec = 2 * SEC, .is_ours = is_ours, .userdata = a}),
                0);
        step(f, a, (Event){.kind = EVENT_START});
        return a;
}

static void assert_says(Fixture *f, const Actor *a, const char *text)
{
        const Znode *node = tree_find(&f->fake.tree, PATH);

        assert_non_null(node);
        assert_int_equal(node->stat.ephemeral_owner, a->session);
        assert_int_equal(node->stat.data_length, strlen(text));
        assert_memory_equal(node->data, text, strlen(text));
}

static int set_up(void **state)
{
        Fixture *f = test_calloc(1, sizeof(*f));

        fake_init(&f->fake);
        f->now = 1000 * SEC;
        for (int i = 0; i < 2; i++)
                f->actors[i].node.retry_usec = USEC_INFINITY;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        for (int i = 0; i < 2; i++)
                node_deinit(&f->actors[i].node);
        fake_deinit(&f->fake);
        test_free(f);
        return 0;
}

static void test_it_is_made_with_its_parents_once_there_is_something_to_say(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a");

        attach(f, a, 1);
        assert_false(a->has_request);
        say(f, a, "a1");
        settle(f);
        assert_says(f, a, "a1");
        assert_int_equal(node_deadline(&a->node), USEC_INFINITY);
}

static void test_what_is_the_same_is_not_written_and_what_differs_at_most_every_pause(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a");

        attach(f, a, 1);
        say(f, a, "a1");
        settle(f);
        say(f, a, "a1");
        say(f, a, "a2");
        say(f, a, "a3");
        settle(f);
        assert_says(f, a, "a1");
        assert_int_equal(node_deadline(&a->node), f->now + 2 * SEC);
        advance(f, 2 * SEC + 1);
        assert_says(f, a, "a3");
        assert_int_equal(a->sets, 1);
        advance(f, 60 * SEC);
        assert_int_equal(a->sets, 1);
}

static void test_it_comes_back_some_time_after_somebody_has_deleted_it(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a");

        attach(f, a, 1);
        say(f, a, "a1");
        settle(f);
        fake_delete(&f->fake, PATH);
        settle(f);
        assert_false(fake_has(&f->fake, PATH)); /* not at once */
        advance(f, 3 * SEC);
        assert_says(f, a, "a1");
}

static void test_a_new_session_makes_it_anew(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a");

        attach(f, a, 1);
        say(f, a, "a1");
        settle(f);
        fake_end_session(&f->fake, 1);
        change(f, a, SESSION_EXPIRED);
        say(f, a, "a2");
        assert_false(a->has_request);
        attach(f, a, 2);
        settle(f);
        assert_says(f, a, "a2");
}

static void test_one_of_a_former_session_of_ours_is_deleted(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a"), *b;

        attach(f, a, 1);
        say(f, a, "a1");
        settle(f);
        change(f, a, SESSION_CLOSED);
        b = begin(f, 1, "a");
        attach(f, b, 2);
        say(f, b, "a2");
        settle(f);
        assert_says(f, b, "a2");
        assert_false(b->taken);
}

static void test_somebody_elses_is_waited_for_and_told_once(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a"), *b = begin(f, 1, "b");

        attach(f, a, 1);
        say(f, a, "a1");
        settle(f);
        attach(f, b, 2);
        say(f, b, "b1");
        settle(f);
        assert_true(b->taken);
        b->taken = false;
        say(f, a, "a2");
        advance(f, 10 * SEC);
        assert_says(f, a, "a2");
        assert_false(b->taken);
        assert_int_equal(node_deadline(&b->node), USEC_INFINITY); /* it waits for the watch */
        fake_end_session(&f->fake, 1);
        deliver_watches(f);
        settle(f);
        assert_says(f, b, "b1");
}

static void test_another_program_in_the_same_session_goes_on_with_it(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a"), *b;

        attach(f, a, 1);
        say(f, a, "a1");
        settle(f);
        change(f, a, SESSION_SUSPENDED);
        b = begin(f, 1, "a");
        attach(f, b, 1);
        say(f, b, "a2");
        settle(f);
        advance(f, 3 * SEC);
        assert_says(f, b, "a2");
        assert_int_equal(b->sets, 1);
}

static void test_a_creation_applied_unheard_is_found_and_one_lost_is_made_again(void **state)
{
        for (int applied = 0; applied < 2; applied++) {
                Fixture *f = *state;
                Actor *a = begin(f, 0, "a");

                fake_create(&f->fake, 0, "/zksup", CREATE_PERSISTENT);
                fake_create(&f->fake, 0, "/zksup/host", CREATE_PERSISTENT);
                attach(f, a, 1);
                say(f, a, "a1");
                answer(f, a, applied, false);
                say(f, a, "a2");
                advance(f, 5 * SEC);
                assert_says(f, a, "a2");
                tear_down(state);
                set_up(state);
        }
}

static void test_release_deletes_it_or_leaves_what_is_another_s(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0, "a"), *b = begin(f, 1, "b");

        attach(f, a, 1);
        attach(f, b, 2);
        say(f, a, "a1");
        settle(f);
        say(f, b, "b1");
        settle(f);
        step(f, b, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(b->released);
        assert_says(f, a, "a1");
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(a->released);
        assert_false(fake_has(&f->fake, PATH));
}

static void one_random_move(Fixture *f, Actor *a, Random *random, unsigned *sessions)
{
        char text[16];

        switch (random_below(random, 8)) {
        case 0:
                snprintf(text, sizeof(text), "%s%u", a->mark, (unsigned)random_below(random, 5));
                say(f, a, text);
                break;
        case 1:
                if (a->has_request)
                        answer(f, a, random_below(random, 2), false);
                change(f, a, SESSION_SUSPENDED);
                attach(f, a, a->session);
                break;
        case 2:
                if (a->has_request)
                        answer(f, a, random_below(random, 2), false);
                fake_end_session(&f->fake, a->session);
                deliver_watches(f);
                change(f, a, SESSION_EXPIRED);
                attach(f, a, ++*sessions);
                break;
        case 3:
                if (fake_has(&f->fake, PATH) && random_below(random, 4) == 0)
                        fake_delete(&f->fake, PATH);
                deliver_watches(f);
                break;
        case 4:
                f->now += random_below(random, 3 * SEC);
                if (!a->has_request)
                        step(f, a, (Event){.kind = EVENT_TIME});
                break;
        default:
                if (a->has_request)
                        answer(f, a, true, random_below(random, 10) > 0);
                break;
        }
}

static void test_at_random_one_of_them_says_its_newest_in_the_end(void **state)
{
        Random random;

        random_init(&random, 7);
        for (int round = 0; round < 300; round++) {
                Fixture *f = *state;
                Actor *a = begin(f, 0, "a"), *b = begin(f, 1, "b"), *owner;
                unsigned sessions = 2;

                attach(f, a, 1);
                attach(f, b, 2);
                for (int i = 0; i < 150; i++)
                        one_random_move(f, &f->actors[random_below(&random, 2)], &random, &sessions);
                say(f, a, "aend");
                say(f, b, "bend");
                settle(f);
                advance(f, 60 * SEC);
                assert_true(fake_has(&f->fake, PATH));
                owner = tree_find(&f->fake.tree, PATH)->stat.ephemeral_owner == a->session ? a : b;
                assert_says(f, owner, owner == a ? "aend" : "bend");
                assert_false(a->failed || b->failed);
                tear_down(state);
                set_up(state);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_it_is_made_with_its_parents_once_there_is_something_to_say),
                TEST(test_what_is_the_same_is_not_written_and_what_differs_at_most_every_pause),
                TEST(test_it_comes_back_some_time_after_somebody_has_deleted_it),
                TEST(test_a_new_session_makes_it_anew),
                TEST(test_one_of_a_former_session_of_ours_is_deleted),
                TEST(test_somebody_elses_is_waited_for_and_told_once),
                TEST(test_another_program_in_the_same_session_goes_on_with_it),
                TEST(test_a_creation_applied_unheard_is_found_and_one_lost_is_made_again),
                TEST(test_release_deletes_it_or_leaves_what_is_another_s),
                TEST(test_at_random_one_of_them_says_its_newest_in_the_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
