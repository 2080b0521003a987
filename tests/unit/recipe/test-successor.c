/* The successor alone: what it keeps in sight, since when, and what it would take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "player.h"
#include "recipe/successor.h"
#include "util/macros.h"

#define RECORD "/r"
#define LEASE (12 * SEC)

typedef struct Watcher {
        Successor successor;
        Claim claim;
} Watcher;

static void watcher_step(void *machine, const Event *event, Effects *effects)
{
        Successor *s = &((Watcher *)machine)->successor;

        successor_step(s, event, effects);
        if (event->kind == EVENT_START)
                successor_watch(s, NULL, effects);
        else if (event->kind == EVENT_RELEASE)
                successor_stop(s);
}

static uint64_t watcher_deadline(const void *machine)
{
        return successor_deadline(&((const Watcher *)machine)->successor);
}

static void watcher_set_timing(void *machine, const Timing *timing)
{
}

static Claim *watcher_claim(void *machine)
{
        return &((Watcher *)machine)->claim;
}

static const RecipeType watcher_recipe = {
        "watcher", free, watcher_set_timing, watcher_step, watcher_deadline, watcher_claim};

static Successor *begin(Game *g)
{
        Watcher *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        assert_int_equal(successor_init(&w->successor, RECORD, 1 << 24), 0);
        game_join(g, 0, &watcher_recipe, w);
        return &w->successor;
}

static void write_grant(Game *g, const char *path, const Record *text, enum OpKind kind)
{
        char data[RECORD_TEXT_MAX];
        Op op = {.kind = kind,
                .path = path,
                .version = VERSION_ANY,
                .data = data,
                .data_len = record_to_string(text, data)};
        Request request = {.kind = REQUEST_MULTI, .path = path, .ops = &op, .n_ops = 1};

        assert_int_equal(fake_apply(&g->fake, 0, NULL, &request).outcome, OUTCOME_OK);
}

static void create(Game *g, const char *path, const char *data)
{
        Request request = {.kind = REQUEST_CREATE, .path = path, .data = data, .data_len = strlen(data)};

        assert_int_equal(fake_apply(&g->fake, 0, NULL, &request).outcome, OUTCOME_OK);
}

static const Record text_of_a = {.lease_usec = LEASE, .pid = 7, .host = "host-a", .unit = "web"};

static void hold(Game *g)
{
        create(g, RECORD, "a-0");
        write_grant(g, RECORD "/a-0", &text_of_a, OP_CREATE);
}

static void take(Game *g, Successor *s, enum Outcome expected)
{
        Op ops[2];
        Request request = {
                .kind = REQUEST_MULTI, .path = RECORD, .ops = ops, .n_ops = successor_take_ops(s, ops)};

        assert_int_equal(fake_apply(&g->fake, 1, NULL, &request).outcome, expected);
}

static void where_there_is_nothing_nothing_is_to_be_waited_for(void **state)
{
        Game *g = *state;
        Successor *s = begin(g);
        Op ops[2];

        assert_false(successor_is_settled(s));
        game_settle(g);
        assert_true(successor_is_settled(s));
        assert_int_equal(s->kind, SUCCESSOR_GONE);
        assert_int_equal(successor_take_ops(s, ops), 0);
        assert_int_equal(successor_due_usec(s), USEC_INFINITY);
}

static void a_grant_is_due_w_after_the_answer_that_showed_it(void **state)
{
        Game *g = *state;
        Successor *s;

        hold(g);
        s = begin(g);
        game_answer(g, &g->players[0]);
        g->now += 2 * SEC;
        game_answer(g, &g->players[0]);
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
        g->now += 3 * SEC;
        write_grant(g, RECORD "/a-0", &text_of_a, OP_SET);
        take(g, s, OUTCOME_BAD_VERSION);
        game_settle(g);
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
        take(g, s, OUTCOME_OK);
        assert_false(fake_has(&g->fake, RECORD));
        game_settle(g);
        assert_int_equal(s->kind, SUCCESSOR_GONE);
}

static void what_was_seen_goes_on_counting_through_a_new_session(void **state)
{
        Game *g = *state;
        Successor *s;
        uint64_t due;

        hold(g);
        s = begin(g);
        game_settle(g);
        due = successor_due_usec(s);
        g->now += 5 * SEC;
        game_expire(g, &g->players[0]);
        game_settle(g);
        assert_true(successor_is_settled(s));
        assert_int_equal(successor_due_usec(s), due);
        write_grant(g, RECORD "/a-0", &text_of_a, OP_SET); /* the new session watches too */
        game_settle(g);
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
}

static void another_holder_starts_the_wait_anew(void **state)
{
        Game *g = *state;
        Successor *s;

        hold(g);
        s = begin(g);
        game_settle(g);
        g->now += 5 * SEC;
        fake_delete(&g->fake, RECORD "/a-0");
        fake_delete(&g->fake, RECORD);
        create(g, RECORD, "b-0"); /* of the same version */
        write_grant(g, RECORD "/b-0", &text_of_a, OP_CREATE);
        game_settle(g);
        game_start(g, &g->players[0]);
        game_settle(g);
        assert_string_equal(s->sights[0].grant, "b-0");
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
}

static void what_cannot_be_read_counts_as_the_longest_lease(void **state)
{
        static const char *const texts[] = {"", "garbage", "zksup-record 1\nstate HELD\nlease-us x\n"};
        Game *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                Successor *s;

                create(g, RECORD, "a-0");
                create(g, RECORD "/a-0", texts[i]);
                s = begin(g);
                game_settle(g);
                assert_int_equal(s->kind, SUCCESSOR_ONE);
                assert_int_equal(
                        successor_due_usec(s), g->now + timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC));
                take(g, s, OUTCOME_OK);
                game_crash(g, &g->players[0]);
        }
}

static void a_record_without_a_grant_is_bare_whatever_it_says(void **state)
{
        static const char *const data[] = {"", "a-0", "shared", "a/b"};
        Game *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
                Successor *s;

                create(g, RECORD, data[i]);
                s = begin(g);
                game_settle(g);
                assert_int_equal(s->kind, SUCCESSOR_BARE);
                assert_int_equal(
                        successor_due_usec(s), g->now + timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC));
                take(g, s, OUTCOME_OK);
                game_crash(g, &g->players[0]);
        }
        create(g, RECORD, "shared");
        create(g, RECORD "/other", "");
        begin(g);
        game_settle(g); /* and asks no more */
        assert_int_equal(((Watcher *)g->players[0].machine)->successor.kind, SUCCESSOR_BARE);
        take(g, &((Watcher *)g->players[0].machine)->successor, OUTCOME_NOT_EMPTY);
}

static void a_bare_record_that_changes_starts_the_wait_anew(void **state)
{
        Game *g = *state;
        Successor *s;
        Request set = {
                .kind = REQUEST_SET, .path = RECORD, .data = "x", .data_len = 1, .version = VERSION_ANY};
        uint64_t w = timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC);

        create(g, RECORD, "");
        s = begin(g);
        game_settle(g);
        g->now += 100 * SEC;
        assert_int_equal(fake_apply(&g->fake, 1, NULL, &set).outcome, OUTCOME_OK);
        take(g, s, OUTCOME_BAD_VERSION);
        game_settle(g);
        assert_int_equal(successor_due_usec(s), g->now + w);
        g->now += 100 * SEC;
        fake_delete(&g->fake, RECORD);
        create(g, RECORD, "");
        assert_int_equal(fake_apply(&g->fake, 1, NULL, &set).outcome, OUTCOME_OK);
        game_settle(g);
        assert_int_equal(successor_due_usec(s), g->now + w);
        take(g, s, OUTCOME_OK);
}

static void a_wedged_grant_is_never_due(void **state)
{
        Game *g = *state;
        Record wedged = text_of_a;
        Successor *s;
        char text[160];

        hold(g);
        s = begin(g);
        game_settle(g);
        assert_false(successor_is_wedged(s));
        wedged.state = RECORD_WEDGED;
        write_grant(g, RECORD "/a-0", &wedged, OP_SET);
        game_settle(g);
        assert_true(successor_is_wedged(s));
        assert_int_equal(successor_due_usec(s), USEC_INFINITY);
        successor_describe(s, g->now, text, sizeof(text));
        assert_string_equal(text, "process 7 on host-a could not be killed; when it is gone, delete /r");
}

static void grants_of_sharers_are_taken_one_by_one(void **state)
{
        Game *g = *state;
        Record wedged = text_of_a;
        Successor *s;
        Effects effects = {0};

        create(g, RECORD, "shared");
        create(g, RECORD "/shared", "");
        write_grant(g, RECORD "/shared/a-0", &text_of_a, OP_CREATE);
        wedged.state = RECORD_WEDGED;
        write_grant(g, RECORD "/shared/b-0", &wedged, OP_CREATE);
        s = begin(g);
        game_settle(g);
        assert_int_equal(s->n_sights, 2);
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
        g->now += 3 * SEC;
        write_grant(g, RECORD "/shared/c-0", &text_of_a, OP_CREATE);
        game_settle(g);
        assert_int_equal(s->n_sights, 3);
        successor_take_one(s, successor_due_usec(s) - 1, &effects);
        assert_int_equal(effects.n, 0);
        successor_take_one(s, successor_due_usec(s), &effects);
        assert_int_equal(effects.n, 1);
        assert_string_equal(effects.items[0].request.path, RECORD "/shared/a-0");
        assert_int_equal(effects.items[0].request.version, 0);
        g->players[0].asked[g->players[0].n_asked++] = effects.items[0].request;
        game_settle(g);
        assert_int_equal(s->n_sights, 2);
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
        take(g, s, OUTCOME_NOT_EMPTY);
        fake_delete(&g->fake, RECORD "/shared/b-0");
        fake_delete(&g->fake, RECORD "/shared/c-0");
        game_settle(g);
        assert_true(successor_is_settled(s) && s->n_sights == 0);
        take(g, s, OUTCOME_OK);
        assert_false(fake_has(&g->fake, RECORD));
}

static void more_sharers_than_it_has_room_for_are_seen_later(void **state)
{
        Game *g = *state;
        Successor *s;
        char path[80];

        create(g, RECORD, "shared");
        create(g, RECORD "/shared", "");
        for (int i = 0; i < SUCCESSOR_GRANTS_MAX + 5; i++) {
                snprintf(path, sizeof(path), RECORD "/shared/g-%d", i);
                write_grant(g, path, &text_of_a, OP_CREATE);
        }
        s = begin(g);
        game_settle(g);
        assert_int_equal(s->n_sights, SUCCESSOR_GRANTS_MAX);
        for (int i = 0; i < SUCCESSOR_GRANTS_MAX + 5; i++) {
                snprintf(path, sizeof(path), RECORD "/shared/g-%d", i);
                fake_delete(&g->fake, path);
                game_settle(g);
        }
        assert_int_equal(s->n_sights, 0);
}

static void a_reader_asks_only_whether_it_is_shared(void **state)
{
        Game *g = *state;
        Successor *s;

        create(g, RECORD, "shared");
        create(g, RECORD "/shared", "");
        write_grant(g, RECORD "/shared/a-0", &text_of_a, OP_CREATE);
        g->fake.requests = 0;
        s = begin(g);
        s->shares = true;
        game_settle(g);
        assert_int_equal(s->kind, SUCCESSOR_SHARED_BY);
        assert_int_equal(g->fake.requests, 1);
}

static void who_awaits_a_record_sees_it_come(void **state)
{
        Game *g = *state;
        Successor *s = begin(g);

        s->awaits = true;
        game_settle(g);
        assert_int_equal(s->kind, SUCCESSOR_GONE);
        hold(g);
        game_settle(g);
        assert_int_equal(s->kind, SUCCESSOR_ONE);
        assert_int_equal(successor_due_usec(s), g->now + timing_takeover_wait_usec(LEASE));
        fake_delete(&g->fake, RECORD "/a-0");
        fake_delete(&g->fake, RECORD);
        game_settle(g);
        assert_int_equal(s->kind, SUCCESSOR_GONE);
        hold(g);
        game_settle(g);
        assert_int_equal(s->kind, SUCCESSOR_ONE);
}

static void what_may_not_be_read_is_told(void **state)
{
        Game *g = *state;
        Successor *s = begin(g);
        uint32_t tag = g->players[0].asked[0].tag;

        g->players[0].n_asked = 0;
        game_step(g, &g->players[0],
                (Event){.kind = EVENT_REPLY, .reply = {.tag = tag, .outcome = OUTCOME_DENIED}});
        assert_int_equal(s->refused, OUTCOME_DENIED);
        assert_int_equal(g->players[0].n_asked, 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, game_set_up, game_tear_down)
        const struct CMUnitTest tests[] = {
                T(where_there_is_nothing_nothing_is_to_be_waited_for),
                T(a_grant_is_due_w_after_the_answer_that_showed_it),
                T(what_was_seen_goes_on_counting_through_a_new_session),
                T(another_holder_starts_the_wait_anew),
                T(what_cannot_be_read_counts_as_the_longest_lease),
                T(a_record_without_a_grant_is_bare_whatever_it_says),
                T(a_bare_record_that_changes_starts_the_wait_anew),
                T(a_wedged_grant_is_never_due),
                T(grants_of_sharers_are_taken_one_by_one),
                T(more_sharers_than_it_has_room_for_are_seen_later),
                T(a_reader_asks_only_whether_it_is_shared),
                T(who_awaits_a_record_sees_it_come),
                T(what_may_not_be_read_is_told),
        };

        return cmocka_run_group_tests_name("successor", tests, NULL, NULL);
}
