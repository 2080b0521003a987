/* The claim and its lease: only a committed write extends, from its sending, and nothing revives. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "recipe/lease.h"
#include "util/clock.h"
#include "util/macros.h"

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)

typedef struct Fixture {
        Lease lease;
        Timing timing; /* T 15 s: D 12, R 2, G 3, K 1 */
        Claim claims[3];
        Effects effects;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = test_calloc(1, sizeof(*f));
        char problem[400];

        assert_int_equal(timing_init(&f->timing, 15 * SEC, 0, problem, sizeof(problem)), 0);
        lease_init(&f->lease);
        lease_set_timing(&f->lease, &f->timing);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        lease_deinit(&f->lease);
        test_free(f);
        return 0;
}

static void hold(Fixture *f, size_t i, uint64_t sent, uint64_t now)
{
        OpResult results[3] = {[2] = {.stat = {.czxid = 77 + (int64_t)i, .version = 1}}};
        Reply reply = {.sent_usec = sent, .results = results, .n_results = 3};
        Record record = {.lease_usec = f->timing.lease_usec, .host = "h"};
        char node[32], path[32];

        snprintf(node, sizeof(node), "/s/%zu", i);
        snprintf(path, sizeof(path), "/r/%zu", i);
        assert_int_equal(claim_init(&f->claims[i], node, path, "id-0", &record), 0);
        claim_grant(&f->claims[i], &f->timing, &reply, now);
        if (f->claims[i].state == CLAIM_HELD) {
                assert_int_equal(lease_reserve(&f->lease, i + 1), 0);
                lease_add(&f->lease, &f->claims[i], now);
        }
}

static void step(Fixture *f, Event event, uint64_t now)
{
        f->effects.n = 0;
        event.now_usec = now;
        lease_step(&f->lease, &event, &f->effects);
}

static const Request *request(const Fixture *f)
{
        for (size_t i = 0; i < f->effects.n; i++)
                if (f->effects.items[i].kind == EFFECT_REQUEST)
                        return &f->effects.items[i].request;
        return NULL;
}

static bool has(const Fixture *f, enum EffectKind kind)
{
        for (size_t i = 0; i < f->effects.n; i++)
                if (f->effects.items[i].kind == kind)
                        return true;
        return false;
}

static Event session(enum SessionChange change)
{
        return (Event){.kind = EVENT_SESSION, .session = {.change = change, .id = 1, .timeout_usec = 15 * SEC}};
}

static Event answer(const Fixture *f, enum Outcome outcome, uint64_t sent, const OpResult *results, size_t n)
{
        return (Event){.kind = EVENT_REPLY,
                .reply = {.tag = f->lease.tag,
                        .outcome = outcome,
                        .sent_usec = sent,
                        .results = results,
                        .n_results = n}};
}

static const OpResult fine[6];

static void the_numbers_are_those_of_the_rule(void **state)
{
        Fixture *f = *state;

        assert_int_equal(f->timing.lease_usec, 12 * SEC);
        assert_int_equal(f->timing.renew_usec, 2 * SEC);
        assert_int_equal(f->timing.grace_usec, 3 * SEC);
        assert_int_equal(f->timing.kill_usec, SEC);
        /* W = D * 1.1 / 0.9, rounded up */
        assert_int_equal(timing_takeover_wait_usec(9 * SEC), 11 * SEC);
        assert_int_equal(timing_takeover_wait_usec(1), 2);
        assert_int_equal(timing_takeover_wait_usec(0), timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC));
        assert_int_equal(timing_takeover_wait_usec(UINT64_MAX), timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC));
}

static void a_grace_that_does_not_fit_is_refused_with_the_numbers(void **state)
{
        char problem[400];
        Timing t;

        assert_int_equal(timing_init(&t, 6 * SEC, 8 * SEC, problem, sizeof(problem)), -ERANGE);
        assert_non_null(strstr(problem, "grace 8s does not fit the granted session timeout 6s"));
        assert_int_equal(timing_init(&t, 6 * SEC, USEC_INFINITY, problem, sizeof(problem)), -ERANGE);
        /* the remedy is one */
        assert_int_equal(timing_init(&t, 18 * SEC, 8 * SEC, problem, sizeof(problem)), 0);
        assert_int_equal(timing_init(&t, SEC, 0, problem, sizeof(problem)), 0);
        assert_int_equal(timing_init(&t, 400000, 0, problem, sizeof(problem)), -ERANGE);
}

/* The next holder waits for what the record says, whatever timeout a later server grants. */
static void a_lease_is_never_longer_than_the_record_says(void **state)
{
        Fixture *f = *state;
        Claim *claim = &f->claims[0];
        uint64_t of_record;
        Timing longer;
        char problem[400];

        hold(f, 0, 100 * SEC, 100 * SEC);
        of_record = f->timing.lease_usec;
        assert_int_equal(timing_init(&longer, 30 * SEC, SEC, problem, sizeof(problem)), 0);
        assert_true(longer.lease_usec > of_record);
        claim_extend(claim, &longer, 102 * SEC, 102 * SEC);
        assert_int_equal(claim->deadline_usec, 102 * SEC + of_record);
        /* a shorter one counts as it is */
        assert_int_equal(timing_init(&longer, 10 * SEC, SEC, problem, sizeof(problem)), 0);
        claim_extend(claim, &longer, 109 * SEC, 109 * SEC);
        assert_int_equal(claim->deadline_usec, 109 * SEC + 8 * SEC);
}

static void one_multi_renews_all_holds_from_the_time_it_was_sent(void **state)
{
        Fixture *f = *state;
        const Request *r;

        hold(f, 0, T0, T0 + 1);
        hold(f, 1, T0, T0 + 1);
        step(f, session(SESSION_ATTACHED), T0 + SEC);
        r = request(f);
        assert_non_null(r);
        assert_int_equal(r->kind, REQUEST_MULTI);
        assert_int_equal(r->n_ops, 4);
        assert_int_equal(r->ops[0].kind, OP_CHECK);
        assert_string_equal(r->ops[0].path, "/s/0");
        assert_int_equal(r->ops[1].kind, OP_SET);
        assert_string_equal(r->ops[1].path, "/r/0/id-0");
        step(f, answer(f, OUTCOME_OK, T0 + SEC, fine, 4), T0 + 3 * SEC);
        assert_true(has(f, EFFECT_EXTENDED));
        assert_int_equal(f->claims[0].deadline_usec, T0 + 13 * SEC);
        assert_int_equal(f->claims[1].deadline_usec, T0 + 13 * SEC);
}

/* The claim is the first renewal: no write follows it at once. */
static void a_claim_made_long_after_the_connection_is_renewed_after_a_period(void **state)
{
        Fixture *f = *state;

        step(f, session(SESSION_ATTACHED), T0);
        hold(f, 0, T0 + 5 * SEC, T0 + 5 * SEC);
        assert_int_equal(lease_deadline(&f->lease), T0 + 7 * SEC);
        step(f, (Event){.kind = EVENT_TIME}, T0 + 7 * SEC - 1);
        assert_null(request(f));
        step(f, (Event){.kind = EVENT_TIME}, T0 + 7 * SEC);
        assert_non_null(request(f));
}

static void only_one_renewal_is_under_way(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0);
        assert_non_null(request(f));
        step(f, (Event){.kind = EVENT_TIME}, T0 + 5 * SEC);
        assert_null(request(f));
        step(f, answer(f, OUTCOME_OK, T0, fine, 2), T0 + 5 * SEC);
        assert_non_null(request(f)); /* overdue: at once */
}

static void a_lost_reply_extends_nothing(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0 + SEC);
        step(f, answer(f, OUTCOME_UNKNOWN, T0 + SEC, NULL, 0), T0 + 2 * SEC);
        assert_int_equal(f->claims[0].deadline_usec, T0 + 12 * SEC);
        assert_int_equal(f->claims[0].state, CLAIM_HELD);
        assert_int_equal(lease_deadline(&f->lease), T0 + 3 * SEC);
}

static void the_answer_of_an_older_renewal_extends_nothing(void **state)
{
        Fixture *f = *state;
        Event old;

        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0 + SEC);
        old = answer(f, OUTCOME_OK, T0 + SEC, fine, 2);
        step(f, session(SESSION_SUSPENDED), T0 + 2 * SEC);
        step(f, old, T0 + 2 * SEC);
        assert_int_equal(f->claims[0].deadline_usec, T0 + 12 * SEC);
        step(f, session(SESSION_ATTACHED), T0 + 3 * SEC);
        step(f, old, T0 + 3 * SEC);
        assert_int_equal(f->claims[0].deadline_usec, T0 + 12 * SEC);
}

static void a_hold_is_lost_when_its_guard_begins_to_stop_and_not_revived(void **state)
{
        Fixture *f = *state;
        Event late;

        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0 + 6 * SEC);
        late = answer(f, OUTCOME_OK, T0 + 6 * SEC, fine, 2);
        assert_int_equal(lease_deadline(&f->lease), T0 + 8 * SEC); /* D - K - G */
        step(f, (Event){.kind = EVENT_TIME}, T0 + 8 * SEC - 1);
        assert_false(has(f, EFFECT_LOST));
        step(f, (Event){.kind = EVENT_TIME}, T0 + 8 * SEC);
        assert_true(has(f, EFFECT_LOST));
        assert_ptr_equal(lease_take_lost(&f->lease), &f->claims[0]);
        assert_null(lease_take_lost(&f->lease));
        step(f, late, T0 + 8 * SEC + 1);
        assert_int_equal(f->claims[0].state, CLAIM_LOST);
        assert_int_equal(f->claims[0].deadline_usec, T0 + 12 * SEC);
        assert_int_equal(lease_deadline(&f->lease), USEC_INFINITY);
}

static void an_answer_that_comes_at_the_stop_time_is_too_late(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0 + 6 * SEC);
        step(f, answer(f, OUTCOME_OK, T0 + 6 * SEC, fine, 2), T0 + 8 * SEC);
        assert_true(has(f, EFFECT_LOST));
        assert_int_equal(f->claims[0].deadline_usec, T0 + 12 * SEC);
}

static void a_claim_answered_too_late_is_never_held(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0 + 8 * SEC);
        assert_int_equal(f->claims[0].state, CLAIM_LOST);
        hold(f, 1, T0, T0 + 8 * SEC - 1);
        assert_int_equal(f->claims[1].state, CLAIM_HELD);
        assert_int_equal(f->claims[1].token, 78);
}

static void the_hold_whose_check_failed_is_dropped_and_the_others_renewed_at_once(void **state)
{
        Fixture *f = *state;
        OpResult results[6] = {[0] = {.outcome = OUTCOME_ROLLED_BACK},
                [1] = {.outcome = OUTCOME_ROLLED_BACK},
                [2] = {.outcome = OUTCOME_NO_NODE},
                [3] = {.outcome = OUTCOME_ROLLED_BACK},
                [4] = {.outcome = OUTCOME_ROLLED_BACK},
                [5] = {.outcome = OUTCOME_ROLLED_BACK}};

        for (size_t i = 0; i < 3; i++)
                hold(f, i, T0, T0);
        step(f, session(SESSION_ATTACHED), T0);
        step(f, answer(f, OUTCOME_NO_NODE, T0, results, 6), T0 + SEC);
        assert_true(has(f, EFFECT_LOST));
        assert_ptr_equal(lease_take_lost(&f->lease), &f->claims[1]);
        assert_true(f->claims[1].node_gone);
        assert_non_null(strstr(f->claims[1].reason, "the znode of ours: no such znode"));
        assert_non_null(request(f));
        assert_int_equal(request(f)->n_ops, 4);
        /* the record: not the node */
        results[0].outcome = OUTCOME_OK;
        results[1].outcome = OUTCOME_NO_NODE;
        step(f, answer(f, OUTCOME_NO_NODE, T0 + SEC, results, 4), T0 + 2 * SEC);
        assert_ptr_equal(lease_take_lost(&f->lease), &f->claims[0]);
        assert_false(f->claims[0].node_gone);
        assert_non_null(strstr(f->claims[0].reason, "the record of ours"));
        assert_int_equal(request(f)->n_ops, 2);
}

static void a_failure_that_names_no_operation_is_no_renewal_and_no_loss(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0);
        step(f, answer(f, OUTCOME_REFUSED, T0, NULL, 0), T0 + SEC);
        assert_false(has(f, EFFECT_LOST));
        assert_false(has(f, EFFECT_EXTENDED));
        assert_int_equal(lease_deadline(&f->lease), T0 + 2 * SEC);
}

static void all_is_lost_when_the_session_expires(void **state)
{
        static const enum SessionChange ends[] = {SESSION_EXPIRED, SESSION_CLOSED};
        Fixture *f = *state;

        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
                hold(f, 0, T0, T0);
                hold(f, 1, T0, T0);
                step(f, session(ends[i]), T0 + 1);
                assert_true(has(f, EFFECT_LOST));
                assert_non_null(lease_take_lost(&f->lease));
                assert_non_null(lease_take_lost(&f->lease));
        }
        hold(f, 0, T0, T0);
        step(f, session(SESSION_ATTACHED), T0);
        step(f, answer(f, OUTCOME_EXPIRED, T0, NULL, 0), T0 + 1);
        assert_ptr_equal(lease_take_lost(&f->lease), &f->claims[0]);
}

static void a_hold_removed_under_way_is_left_alone(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0);
        hold(f, 1, T0, T0);
        step(f, session(SESSION_ATTACHED), T0 + SEC);
        lease_remove(&f->lease, &f->claims[0]);
        step(f, answer(f, OUTCOME_OK, T0 + SEC, fine, 4), T0 + SEC);
        assert_int_equal(f->claims[0].deadline_usec, T0 + 12 * SEC);
        assert_int_equal(f->claims[1].deadline_usec, T0 + 13 * SEC);
}

static void a_release_names_the_grant_and_spares_a_node_that_is_gone(void **state)
{
        Fixture *f = *state;

        hold(f, 0, T0, T0);
        claim_make_release_ops(&f->claims[0], true);
        assert_int_equal(f->claims[0].n_ops, 3);
        assert_string_equal(f->claims[0].ops[0].path, "/r/0/id-0");
        assert_string_equal(f->claims[0].ops[1].path, "/r/0");
        assert_string_equal(f->claims[0].ops[2].path, "/s/0");
        claim_make_release_ops(&f->claims[0], false);
        assert_int_equal(f->claims[0].n_ops, 2);
        f->claims[0].node_gone = true;
        claim_make_release_ops(&f->claims[0], true);
        assert_int_equal(f->claims[0].n_ops, 2);
}

static void paths_that_do_not_fit_are_refused(void **state)
{
        char longest[ZNODE_PATH_MAX + 1];
        Record record = {0};
        Claim claim;

        memset(longest, 'x', sizeof(longest));
        longest[ZNODE_PATH_MAX] = '\0';
        assert_int_equal(claim_init(&claim, longest, "/r", "i", &record), -ENAMETOOLONG);
        longest[ZNODE_PATH_MAX - 1] = '\0';
        assert_int_equal(claim_init(&claim, "/n", longest, "i", &record), -ENAMETOOLONG);
}

/* --- many --------------------------------------------------------------------------------------- */

#define MANY 1000

typedef struct Crowd {
        Lease lease;
        Timing timing;
        Claim *claims;
        bool dead[MANY];
        unsigned renewed[MANY], requests;
        size_t most_bytes, bytes;
} Crowd;

static void crowd_init(Crowd *c, size_t data_len)
{
        char problem[400];

        *c = (Crowd){0};
        assert_int_equal(timing_init(&c->timing, 15 * SEC, 0, problem, sizeof(problem)), 0);
        lease_init(&c->lease);
        lease_set_timing(&c->lease, &c->timing);
        assert_int_equal(lease_reserve(&c->lease, MANY), 0);
        c->claims = test_calloc(MANY, sizeof(*c->claims));
        for (size_t i = 0; i < MANY; i++) {
                OpResult results[3] = {[2] = {.stat = {.czxid = 1 + (int64_t)i}}};
                Reply reply = {.sent_usec = T0, .results = results, .n_results = 3};
                Record record = {.lease_usec = c->timing.lease_usec, .host = "h"};
                char node[32], path[32];

                snprintf(node, sizeof(node), "/s/%zu", i);
                snprintf(path, sizeof(path), "/r/%zu", i);
                assert_int_equal(claim_init(&c->claims[i], node, path, "id-0", &record), 0);
                if (data_len)
                        c->claims[i].data_len = data_len;
                claim_grant(&c->claims[i], &c->timing, &reply, T0);
                lease_add(&c->lease, &c->claims[i], T0);
        }
}

static void crowd_deinit(Crowd *c)
{
        test_free(c->claims);
        lease_deinit(&c->lease);
}

/* As a server does it: all or nothing, and the first that failed is named. */
static enum Outcome apply(Crowd *c, const Request *request, OpResult results[static 2 * MANY])
{
        size_t bytes = 0, failed = request->n_ops;

        for (size_t i = request->n_ops; i-- > 0;) {
                bytes += strlen(request->ops[i].path) + request->ops[i].data_len;
                if (i % 2 == 0 && c->dead[atoi(request->ops[i].path + 3)])
                        failed = i;
        }
        c->requests++;
        c->bytes += bytes;
        c->most_bytes = MAX(c->most_bytes, bytes);
        for (size_t i = 0; i < request->n_ops; i++)
                results[i] = (OpResult){.outcome = failed == request->n_ops ? OUTCOME_OK :
                                                i == failed                 ? OUTCOME_NO_NODE :
                                                                              OUTCOME_ROLLED_BACK};
        for (size_t i = 0; failed == request->n_ops && i < request->n_ops; i += 2)
                c->renewed[atoi(request->ops[i].path + 3)]++;
        return failed == request->n_ops ? OUTCOME_OK : OUTCOME_NO_NODE;
}

/* Everything that EVENT leads to. Returns how many claims were lost. */
static size_t crowd_run(Crowd *c, Event event, uint64_t now)
{
        static OpResult results[2 * MANY];
        size_t lost = 0;

        for (bool asked = true; asked;) {
                Effects effects;

                asked = false;
                effects.n = 0;
                event.now_usec = now;
                lease_step(&c->lease, &event, &effects);
                while (lease_take_lost(&c->lease))
                        lost++;
                for (size_t i = 0; i < effects.n; i++) {
                        if (effects.items[i].kind != EFFECT_REQUEST)
                                continue;
                        assert_false(asked);
                        asked = true;
                        event = (Event){.kind = EVENT_REPLY,
                                .reply = {.tag = c->lease.tag,
                                        .outcome = apply(c, &effects.items[i].request, results),
                                        .sent_usec = now,
                                        .results = results,
                                        .n_results = effects.items[i].request.n_ops}};
                }
        }
        return lost;
}

static void a_thousand_claims_are_renewed_in_a_few_requests_of_bounded_size(void **state)
{
        Crowd c;

        crowd_init(&c, 0);
        assert_int_equal(crowd_run(&c, session(SESSION_ATTACHED), T0), 0);
        assert_in_range(c.requests, 1, 5);
        for (unsigned round = 2; round < 10; round++) {
                c.requests = 0;
                assert_int_equal(lease_deadline(&c.lease), T0 + (round - 1) * c.timing.renew_usec);
                assert_int_equal(crowd_run(&c, (Event){.kind = EVENT_TIME}, lease_deadline(&c.lease)), 0);
                assert_in_range(c.requests, 1, 5);
                for (size_t i = 0; i < MANY; i++)
                        assert_int_equal(c.renewed[i], round);
        }
        crowd_deinit(&c);
}

static void no_request_is_larger_than_a_server_takes(void **state)
{
        Crowd c;

        crowd_init(&c, RECORD_TEXT_MAX);
        assert_int_equal(crowd_run(&c, session(SESSION_ATTACHED), T0), 0);
        assert_true(c.most_bytes < 500000);
        for (size_t i = 0; i < MANY; i++)
                assert_int_equal(c.renewed[i], 1);
        crowd_deinit(&c);
}

static void claims_that_die_together_do_not_cost_large_requests_each(void **state)
{
        Crowd c;

        crowd_init(&c, 0);
        assert_int_equal(crowd_run(&c, session(SESSION_ATTACHED), T0), 0);
        c.bytes = c.requests = 0;
        for (size_t i = 0; i < MANY; i++)
                c.dead[i] = i % 10 != 0;
        assert_int_equal(crowd_run(&c, (Event){.kind = EVENT_TIME}, lease_deadline(&c.lease)), 900);
        assert_true(c.bytes < 5000000);
        for (size_t i = 0; i < MANY; i++)
                assert_int_equal(c.renewed[i], c.dead[i] ? 1 : 2);
        c.requests = 0; /* and from now on it is few large ones again */
        assert_int_equal(crowd_run(&c, (Event){.kind = EVENT_TIME}, lease_deadline(&c.lease)), 0);
        assert_in_range(c.requests, 1, 5);
        crowd_deinit(&c);
}

static void after_the_loss_of_all_a_new_one_is_renewed_when_it_is_due(void **state)
{
        Crowd c;

        crowd_init(&c, 0);
        for (size_t i = 1; i < MANY; i++)
                lease_remove(&c.lease, &c.claims[i]);
        c.dead[0] = true;
        assert_int_equal(crowd_run(&c, session(SESSION_ATTACHED), T0), 1);
        assert_int_equal(lease_deadline(&c.lease), USEC_INFINITY);
        lease_add(&c.lease, &c.claims[1], T0 + 1);
        for (uint64_t now = T0 + c.timing.renew_usec; now < T0 + 4 * c.timing.renew_usec;) {
                assert_int_equal(crowd_run(&c, (Event){.kind = EVENT_TIME}, now), 0);
                assert_true(lease_deadline(&c.lease) > now);
                now = lease_deadline(&c.lease);
        }
        assert_in_range(c.renewed[1], 3, 4);
        crowd_deinit(&c);
}

static void claims_removed_or_added_in_the_middle_of_a_round_do_not_disturb_it(void **state)
{
        Event event = session(SESSION_ATTACHED);
        OpResult results[2 * MANY];
        Effects effects;
        Crowd c;

        crowd_init(&c, 0);
        effects.n = 0;
        event.now_usec = T0;
        lease_step(&c.lease, &event, &effects);
        assert_int_equal(effects.n, 1);
        for (size_t i = 0; i < 100; i++)
                lease_remove(&c.lease, &c.claims[i]);
        for (size_t i = 0; i < 50; i++)
                lease_add(&c.lease, &c.claims[i], T0);
        event = (Event){.kind = EVENT_REPLY,
                .reply = {.tag = c.lease.tag,
                        .outcome = apply(&c, &effects.items[0].request, results),
                        .sent_usec = T0,
                        .results = results,
                        .n_results = effects.items[0].request.n_ops}};
        assert_int_equal(crowd_run(&c, event, T0), 0);
        for (size_t i = 100; i < MANY; i++)
                assert_int_equal(c.renewed[i], 1);
        assert_int_equal(crowd_run(&c, (Event){.kind = EVENT_TIME}, T0 + c.timing.renew_usec), 0);
        for (size_t i = 0; i < MANY; i++)
                assert_int_equal(c.renewed[i], i < 50 ? 2 : i < 100 ? 1 : 2);
        crowd_deinit(&c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                T(the_numbers_are_those_of_the_rule),
                T(a_grace_that_does_not_fit_is_refused_with_the_numbers),
                T(a_lease_is_never_longer_than_the_record_says),
                T(one_multi_renews_all_holds_from_the_time_it_was_sent),
                T(a_claim_made_long_after_the_connection_is_renewed_after_a_period),
                T(only_one_renewal_is_under_way),
                T(a_lost_reply_extends_nothing),
                T(the_answer_of_an_older_renewal_extends_nothing),
                T(a_hold_is_lost_when_its_guard_begins_to_stop_and_not_revived),
                T(an_answer_that_comes_at_the_stop_time_is_too_late),
                T(a_claim_answered_too_late_is_never_held),
                T(the_hold_whose_check_failed_is_dropped_and_the_others_renewed_at_once),
                T(a_failure_that_names_no_operation_is_no_renewal_and_no_loss),
                T(all_is_lost_when_the_session_expires),
                T(a_hold_removed_under_way_is_left_alone),
                T(a_release_names_the_grant_and_spares_a_node_that_is_gone),
                T(paths_that_do_not_fit_are_refused),
                cmocka_unit_test(a_thousand_claims_are_renewed_in_a_few_requests_of_bounded_size),
                cmocka_unit_test(no_request_is_larger_than_a_server_takes),
                cmocka_unit_test(claims_that_die_together_do_not_cost_large_requests_each),
                cmocka_unit_test(after_the_loss_of_all_a_new_one_is_renewed_when_it_is_due),
                cmocka_unit_test(claims_removed_or_added_in_the_middle_of_a_round_do_not_disturb_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
