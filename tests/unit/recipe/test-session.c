/* The session machine: every input in every state, and the numbers of the watchdog. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "recipe/session.h"
#include "util/clock.h"
#include "util/macros.h"

#define T (6 * USEC_PER_SEC)
#define AT(ms) ((ms)*USEC_PER_MSEC)

typedef struct Fixture {
        Session session;
        Random random;
        SessionEffects effects;
        char text[512]; /* the effects of the last step */
} Fixture;

static const char *name_of(const SessionEffect *effect)
{
        static const char *const names[] = {
                [SESSION_EFFECT_OPEN] = "open",
                [SESSION_EFFECT_DROP] = "drop",
                [SESSION_EFFECT_CUT] = "cut",
                [SESSION_EFFECT_PAUSE] = "pause",
                [SESSION_EFFECT_PROBE] = "probe",
                [SESSION_EFFECT_FAREWELL] = "farewell",
                [SESSION_EFFECT_NO_ENSEMBLE] = "no-ensemble",
        };
        static const char *const changes[] = {
                [SESSION_ATTACHED] = "ATTACHED",
                [SESSION_SUSPENDED] = "SUSPENDED",
                [SESSION_EXPIRED] = "EXPIRED",
                [SESSION_CLOSED] = "CLOSED",
        };

        if (effect->kind == SESSION_EFFECT_TRACE)
                return effect->trace;
        return effect->kind == SESSION_EFFECT_PUBLISH ? changes[effect->publish.change] : names[effect->kind];
}

static const char *step(Fixture *f, SessionInput input)
{
        f->effects = (SessionEffects){0};
        session_step(&f->session, &input, &f->effects);
        f->text[0] = '\0';
        for (size_t i = 0; i < f->effects.n; i++)
                snprintf(f->text + strlen(f->text), sizeof(f->text) - strlen(f->text), "%s%s", i ? "; " : "",
                        name_of(&f->effects.items[i]));
        return f->text;
}

static const char *at(Fixture *f, enum SessionInputKind kind, uint64_t now_usec)
{
        return step(f, (SessionInput){.kind = kind, .now_usec = now_usec});
}

static const char *connected(Fixture *f, int64_t id, uint64_t timeout_usec, uint64_t now_usec)
{
        SessionInput input = {.kind = SESSION_INPUT_CONNECTED, .now_usec = now_usec};

        input.connected.id = id;
        input.connected.timeout_usec = timeout_usec;
        return step(f, input);
}

static const char *answered(Fixture *f, size_t waiting, uint64_t now_usec)
{
        return step(
                f, (SessionInput){.kind = SESSION_INPUT_ANSWERED, .now_usec = now_usec, .waiting = waiting});
}

static void init(Fixture *f)
{
        memset(f, 0, sizeof(*f));
        random_init(&f->random, 1);
        session_init(&f->session, T, 10 * USEC_PER_SEC, &f->random);
}

static void enter(Fixture *f, enum SessionState state)
{
        init(f);
        if (state == SESSION_STATE_IDLE)
                return;
        at(f, SESSION_INPUT_OPEN, AT(1000));
        if (state != SESSION_STATE_CONNECTING)
                connected(f, 7, T, AT(1000));
        switch (state) {
        case SESSION_STATE_IDLE:
        case SESSION_STATE_CONNECTING:
        case SESSION_STATE_ATTACHED:
                break;
        case SESSION_STATE_SUSPENDED:
                at(f, SESSION_INPUT_DISCONNECTED, AT(1000));
                break;
        case SESSION_STATE_EXPIRED:
                at(f, SESSION_INPUT_EXPIRED, AT(1000));
                at(f, SESSION_INPUT_EXPIRED, AT(1990));
                break;
        case SESSION_STATE_DENIED:
                at(f, SESSION_INPUT_DENIED, AT(1000));
                break;
        case SESSION_STATE_CLOSING:
                at(f, SESSION_INPUT_ASKED, AT(1000));
                answered(f, 0, AT(1000));
                at(f, SESSION_INPUT_CLOSE, AT(2000));
                break;
        case SESSION_STATE_CLOSED:
                at(f, SESSION_INPUT_DISCONNECTED, AT(1000));
                at(f, SESSION_INPUT_CLOSE, AT(1000));
                break;
        }
        assert_int_equal(f->session.state, state);
}

/* At two seconds, when nothing is due. */
static const char *const table[SESSION_STATES][SESSION_INPUTS] = {
        [SESSION_STATE_IDLE] =
                {
                        [SESSION_INPUT_OPEN] = "idle -> connecting (open); open",
                        [SESSION_INPUT_ATTEMPT] = "",
                        [SESSION_INPUT_CONNECTED] = "",
                        [SESSION_INPUT_DISCONNECTED] = "",
                        [SESSION_INPUT_EXPIRED] = "",
                        [SESSION_INPUT_DENIED] = "",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "idle -> closed (close); CLOSED",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_CONNECTING] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] = "",
                        [SESSION_INPUT_CONNECTED] = "connecting -> attached (connected); ATTACHED",
                        [SESSION_INPUT_DISCONNECTED] = "",
                        [SESSION_INPUT_EXPIRED] = "drop; connecting -> expired (expired); expired -> "
                                                  "connecting (at once); open",
                        [SESSION_INPUT_DENIED] = "drop; connecting -> denied (denied); CLOSED",
                        [SESSION_INPUT_FAILED] = "connecting -> expired (no handle)",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "drop; connecting -> closed (close without contact); CLOSED",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_ATTACHED] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] = "attached -> suspended (disconnected); SUSPENDED",
                        [SESSION_INPUT_CONNECTED] =
                                "attached -> suspended (the connection was changed silently); SUSPENDED; "
                                "suspended -> attached (connected); ATTACHED",
                        [SESSION_INPUT_DISCONNECTED] = "attached -> suspended (disconnected); SUSPENDED",
                        [SESSION_INPUT_EXPIRED] = "drop; attached -> expired (expired); EXPIRED; "
                                                  "expired -> connecting (at once); open",
                        [SESSION_INPUT_DENIED] = "drop; attached -> denied (denied); CLOSED",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "attached -> closing (close); probe",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_SUSPENDED] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] = "",
                        [SESSION_INPUT_CONNECTED] = "suspended -> attached (connected); ATTACHED",
                        [SESSION_INPUT_DISCONNECTED] = "",
                        [SESSION_INPUT_EXPIRED] = "drop; suspended -> expired (expired); EXPIRED; "
                                                  "expired -> connecting (at once); open",
                        [SESSION_INPUT_DENIED] = "drop; suspended -> denied (denied); CLOSED",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "drop; suspended -> closed (close without contact); CLOSED",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_EXPIRED] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] = "",
                        [SESSION_INPUT_CONNECTED] = "",
                        [SESSION_INPUT_DISCONNECTED] = "",
                        [SESSION_INPUT_EXPIRED] = "",
                        [SESSION_INPUT_DENIED] = "",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "expired -> closed (close); CLOSED",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_DENIED] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] = "",
                        [SESSION_INPUT_CONNECTED] = "",
                        [SESSION_INPUT_DISCONNECTED] = "",
                        [SESSION_INPUT_EXPIRED] = "",
                        [SESSION_INPUT_DENIED] = "",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_CLOSING] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] =
                                "drop; closing -> closed (contact lost while closing); CLOSED",
                        [SESSION_INPUT_CONNECTED] =
                                "drop; closing -> closed (contact lost while closing); CLOSED",
                        [SESSION_INPUT_DISCONNECTED] =
                                "drop; closing -> closed (contact lost while closing); CLOSED",
                        [SESSION_INPUT_EXPIRED] =
                                "drop; closing -> closed (contact lost while closing); CLOSED",
                        [SESSION_INPUT_DENIED] =
                                "drop; closing -> closed (contact lost while closing); CLOSED",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "farewell; closing -> closed (closed); CLOSED",
                        [SESSION_INPUT_CLOSE] = "",
                        [SESSION_INPUT_TIME] = "",
                },
        [SESSION_STATE_CLOSED] =
                {
                        [SESSION_INPUT_OPEN] = "",
                        [SESSION_INPUT_ATTEMPT] = "",
                        [SESSION_INPUT_CONNECTED] = "",
                        [SESSION_INPUT_DISCONNECTED] = "",
                        [SESSION_INPUT_EXPIRED] = "",
                        [SESSION_INPUT_DENIED] = "",
                        [SESSION_INPUT_FAILED] = "",
                        [SESSION_INPUT_ASKED] = "",
                        [SESSION_INPUT_ANSWERED] = "",
                        [SESSION_INPUT_CLOSE] = "",
                        [SESSION_INPUT_TIME] = "",
                },
};

static void test_every_input_in_every_state(void **unused)
{
        for (enum SessionState state = 0; state < SESSION_STATES; state++) {
                for (enum SessionInputKind kind = 0; kind < SESSION_INPUTS; kind++) {
                        SessionInput input = {.kind = kind, .now_usec = AT(2000)};
                        Fixture f;

                        enter(&f, state);
                        if (kind == SESSION_INPUT_CONNECTED) {
                                input.connected.id = 7;
                                input.connected.timeout_usec = T;
                        }
                        assert_non_null(table[state][kind]);
                        if (strcmp(step(&f, input), table[state][kind]))
                                fail_msg("%s, input %d: '%s'", session_state_to_string(state), kind, f.text);
                }
        }
}

static void test_attached_says_the_smaller_of_the_timeouts(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_CONNECTING);
        connected(&f, 7, AT(4000), AT(1100));
        assert_int_equal(f.effects.items[1].publish.timeout_usec, AT(4000));
        assert_int_equal(f.effects.items[1].publish.id, 7);
        at(&f, SESSION_INPUT_DISCONNECTED, AT(1200));
        connected(&f, 7, AT(8000), AT(1300)); /* another server's limits */
        assert_int_equal(f.effects.items[1].publish.timeout_usec, AT(4000));
        at(&f, SESSION_INPUT_DISCONNECTED, AT(1200));
        connected(&f, 7, AT(3000), AT(1300));
        assert_int_equal(f.effects.items[1].publish.timeout_usec, AT(3000));
        at(&f, SESSION_INPUT_EXPIRED, AT(1400));
        connected(&f, 8, AT(8000), AT(1500)); /* another session */
        assert_int_equal(f.effects.items[1].publish.timeout_usec, AT(8000));
        assert_int_equal(f.effects.items[1].publish.id, 8);
}

static void test_an_attempt_is_cut_after_a_sixth_of_the_timeout_but_two_seconds_at_most(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_SUSPENDED);
        at(&f, SESSION_INPUT_ATTEMPT, AT(2000));
        assert_int_equal(session_deadline(&f.session), AT(3000));
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(2999)), "");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(3000)), "cut");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(3500)), "");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(4000)), "cut"); /* should the first be lost */
        session_init(&f.session, AT(60000), 0, &f.random);
        assert_int_equal(session_attempt_bound_usec(&f.session), AT(2000));
}

static void test_a_round_of_failures_is_followed_by_a_pause_that_grows(void **unused)
{
        uint64_t now = AT(2000), last = 0;
        Fixture f;

        enter(&f, SESSION_STATE_SUSPENDED);
        session_set_servers(&f.session, 3);
        for (int round = 0; round < 8; round++) {
                uint64_t pause, most = T / 15;

                at(&f, SESSION_INPUT_ATTEMPT, now);
                assert_string_equal(at(&f, SESSION_INPUT_DISCONNECTED, now), "");
                at(&f, SESSION_INPUT_ATTEMPT, now);
                assert_string_equal(
                        at(&f, SESSION_INPUT_ATTEMPT, now), ""); /* the end of the one before went unsaid */
                assert_string_equal(at(&f, SESSION_INPUT_DISCONNECTED, now), "pause");
                pause = f.effects.items[0].until_usec - now;
                assert_true(pause <= most && pause >= most / 16);
                if (round == 3)
                        assert_true(pause > last);
                if (round >= 3)
                        assert_true(pause >= most / 2);
                last = pause;
        }
        connected(&f, 7, T, now);
        assert_int_equal(f.session.failures, 0);
}

static void test_a_server_that_leaves_requests_unanswered_is_cut(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_ATTACHED);
        assert_int_equal(session_deadline(&f.session), USEC_INFINITY);
        at(&f, SESSION_INPUT_ASKED, AT(2000));
        at(&f, SESSION_INPUT_ASKED, AT(2500));
        assert_int_equal(session_deadline(&f.session), AT(3000));
        answered(&f, 1, AT(2900)); /* answers flow: the silence begins anew */
        assert_int_equal(session_deadline(&f.session), AT(3900));
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(3899)), "");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(3900)), "cut");
        answered(&f, 0, AT(3950));
        assert_int_equal(session_deadline(&f.session), USEC_INFINITY);
}

static void test_patience_grows_with_each_cut_and_comes_back_with_a_quick_answer(void **unused)
{
        Fixture f;
        static const unsigned expected[] = {1000, 2000, 4000, 4000};

        enter(&f, SESSION_STATE_ATTACHED);
        for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
                at(&f, SESSION_INPUT_ASKED, AT(10000));
                assert_int_equal(session_deadline(&f.session), AT(10000 + expected[i]));
                assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(10000 + expected[i])), "cut");
                at(&f, SESSION_INPUT_DISCONNECTED, AT(20000));
                connected(&f, 7, T, AT(20000));
        }
        at(&f, SESSION_INPUT_ASKED, AT(20000));
        answered(&f, 0, AT(21500)); /* as slow as before */
        at(&f, SESSION_INPUT_ASKED, AT(30000));
        assert_int_equal(session_deadline(&f.session), AT(34000));
        answered(&f, 0, AT(30010));
        at(&f, SESSION_INPUT_ASKED, AT(40000));
        assert_int_equal(session_deadline(&f.session), AT(41000));
}

static void test_what_was_asked_before_a_loss_counts_no_more(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_ATTACHED);
        at(&f, SESSION_INPUT_ASKED, AT(2000));
        at(&f, SESSION_INPUT_DISCONNECTED, AT(2100));
        connected(&f, 7, T, AT(2200));
        assert_int_equal(f.session.waiting, 0);
        assert_int_equal(session_deadline(&f.session), USEC_INFINITY);
}

static void test_no_ensemble_is_said_once_and_not_after_an_attach(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_CONNECTING);
        assert_int_equal(session_deadline(&f.session), AT(11000));
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(10999)), "");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(11000)), "no-ensemble");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(12000)), "");
        enter(&f, SESSION_STATE_SUSPENDED);
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(12000)), "");
        enter(&f, SESSION_STATE_EXPIRED);
        assert_true(session_deadline(&f.session) < AT(11000));
        init(&f);
        session_init(&f.session, T, 0, &f.random); /* for ever */
        at(&f, SESSION_INPUT_OPEN, 1);
        assert_int_equal(session_deadline(&f.session), USEC_INFINITY);
}

static void test_sessions_that_keep_being_lost_are_made_with_pauses(void **unused)
{
        Fixture f;
        uint64_t due;

        enter(&f, SESSION_STATE_ATTACHED);
        assert_non_null(strstr(at(&f, SESSION_INPUT_EXPIRED, AT(2000)), "open"));
        connected(&f, 8, T, AT(2100));
        assert_string_equal(
                at(&f, SESSION_INPUT_EXPIRED, AT(2200)), "drop; attached -> expired (expired); EXPIRED");
        due = session_deadline(&f.session);
        assert_true(due > AT(2200) && due <= AT(2200) + T / 15);
        assert_string_equal(at(&f, SESSION_INPUT_TIME, due - 1), "");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, due), "expired -> connecting (again); open");
        connected(&f, 9, T, AT(3000));
        assert_non_null(strstr(
                at(&f, SESSION_INPUT_EXPIRED, AT(64000)), "open")); /* after a minute it is at once again */
}

static void test_a_handle_that_cannot_be_made_is_tried_again(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_CONNECTING);
        at(&f, SESSION_INPUT_FAILED, AT(2000));
        assert_true(session_deadline(&f.session) <= AT(2000) + T / 15);
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(3000)), "expired -> connecting (again); open");
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(11000)), "no-ensemble");
}

static void test_closing_waits_for_what_is_out_and_asks_only_who_was_silent(void **unused)
{
        Fixture f;

        enter(&f, SESSION_STATE_ATTACHED);
        at(&f, SESSION_INPUT_ASKED, AT(2000));
        at(&f, SESSION_INPUT_ASKED, AT(2000));
        assert_string_equal(at(&f, SESSION_INPUT_CLOSE, AT(2010)), "attached -> closing (close)");
        assert_string_equal(answered(&f, 1, AT(2020)), "");
        assert_string_equal(answered(&f, 0, AT(2030)), "farewell; closing -> closed (closed); CLOSED");
        enter(&f, SESSION_STATE_ATTACHED);
        at(&f, SESSION_INPUT_ASKED, AT(2000));
        answered(&f, 0, AT(2001));
        assert_string_equal(at(&f, SESSION_INPUT_CLOSE, AT(2010)),
                "attached -> closing (close); farewell; closing -> closed (closed); CLOSED");
        enter(&f, SESSION_STATE_ATTACHED);
        assert_string_equal(at(&f, SESSION_INPUT_CLOSE, AT(2000)), "attached -> closing (close); probe");
        at(&f, SESSION_INPUT_ASKED, AT(2000));
        assert_int_equal(session_deadline(&f.session), AT(3000));
        assert_string_equal(at(&f, SESSION_INPUT_TIME, AT(3000)),
                "drop; closing -> closed (no answer while closing); CLOSED");
        assert_int_equal(session_deadline(&f.session), USEC_INFINITY);
}

/* Whatever comes in whatever order: published changes keep their order, handles are never leaked. */
static void test_random_walks_keep_the_invariants(void **unused)
{
        for (uint64_t seed = 1; seed <= 2000; seed++) {
                Fixture f;
                Random random;
                bool handle = false, attached = false, contact = false, over = false;
                uint64_t now = AT(1000);

                init(&f);
                random_init(&random, seed);
                for (int i = 0; i < 60; i++) {
                        SessionInput input = {
                                .kind = (enum SessionInputKind)random_below(&random, SESSION_INPUTS)};

                        if (i == 0)
                                input.kind = SESSION_INPUT_OPEN;
                        if ((input.kind == SESSION_INPUT_CLOSE || input.kind == SESSION_INPUT_DENIED) &&
                                random_below(&random, 10))
                                continue;
                        now += random_below(&random, AT(2000));
                        input.now_usec = now;
                        if (input.kind == SESSION_INPUT_CONNECTED) {
                                input.connected.id = f.session.id ? f.session.id : i + 1;
                                input.connected.timeout_usec = T;
                        }
                        step(&f, input);
                        for (size_t j = 0; j < f.effects.n; j++) {
                                const SessionEffect *e = &f.effects.items[j];

                                if (e->kind == SESSION_EFFECT_OPEN) {
                                        assert_false(handle);
                                        handle = true;
                                } else if (e->kind == SESSION_EFFECT_DROP ||
                                           e->kind == SESSION_EFFECT_FAREWELL) {
                                        assert_true(handle);
                                        handle = false;
                                }
                                if (e->kind != SESSION_EFFECT_PUBLISH)
                                        continue;
                                assert_false(over);
                                if (e->publish.change == SESSION_ATTACHED) {
                                        assert_false(contact);
                                        contact = attached = true;
                                } else if (e->publish.change == SESSION_SUSPENDED) {
                                        assert_true(contact);
                                        contact = false;
                                } else if (e->publish.change == SESSION_EXPIRED) {
                                        assert_true(attached);
                                        contact = attached = false;
                                } else {
                                        over = true;
                                }
                        }
                        if (input.kind == SESSION_INPUT_FAILED && f.session.state == SESSION_STATE_EXPIRED)
                                handle = false; /* it was never made */
                        assert_int_equal(handle, f.session.state == SESSION_STATE_CONNECTING ||
                                                         f.session.state == SESSION_STATE_ATTACHED ||
                                                         f.session.state == SESSION_STATE_SUSPENDED ||
                                                         f.session.state == SESSION_STATE_CLOSING);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_input_in_every_state),
                cmocka_unit_test(test_attached_says_the_smaller_of_the_timeouts),
                cmocka_unit_test(test_an_attempt_is_cut_after_a_sixth_of_the_timeout_but_two_seconds_at_most),
                cmocka_unit_test(test_a_round_of_failures_is_followed_by_a_pause_that_grows),
                cmocka_unit_test(test_a_server_that_leaves_requests_unanswered_is_cut),
                cmocka_unit_test(test_patience_grows_with_each_cut_and_comes_back_with_a_quick_answer),
                cmocka_unit_test(test_what_was_asked_before_a_loss_counts_no_more),
                cmocka_unit_test(test_no_ensemble_is_said_once_and_not_after_an_attach),
                cmocka_unit_test(test_sessions_that_keep_being_lost_are_made_with_pauses),
                cmocka_unit_test(test_a_handle_that_cannot_be_made_is_tried_again),
                cmocka_unit_test(test_closing_waits_for_what_is_out_and_asks_only_who_was_silent),
                cmocka_unit_test(test_random_walks_keep_the_invariants),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
