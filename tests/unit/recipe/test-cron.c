/* The cron machine against one server, reply by reply. Hosts are actors with clocks of their own; the last test
 * lets them meet in random order, with replies lost, hosts dying and coming back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "fake.h"
#include "recipe/cron.h"
#include "util/clock.h"
#include "util/random.h"

#define SEC USEC_PER_SEC
#define BOOT (1000 * SEC)
#define T 1000000000LL /* a tick of "@every 10s"; the wall clock at BOOT */
#define BOOK "/zksup/cron/job"
#define RECORD_PATH "/zksup/record/cron/job"
#define ACTORS 4
#define TICKS_MAX 4000

typedef struct Actor {
        Cron cron;
        int64_t session, skew_usec;
        bool held, yielded, released, failed, has_request;
        enum Outcome outcome;
        Request request; /* asked, not applied yet */
        unsigned runs, requests;
        char text[240];
        uint64_t end_usec;   /* of its command, in the random test */
        uint64_t renew_usec; /* likewise: when it renews */
} Actor;

typedef struct Fixture {
        Fake fake;
        Timing timing;
        CronSchedule schedule;
        Zone *zone;
        uint64_t now;
        Actor actors[ACTORS];
        uint8_t runs_of_tick[TICKS_MAX]; /* by tick / 10 - T / 10 */
        int64_t sessions;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = test_calloc(1, sizeof(*f));
        char problem[400];

        fake_init(&f->fake);
        f->now = BOOT;
        f->sessions = 100;
        assert_int_equal(timing_init(&f->timing, 15 * SEC, 0, problem, sizeof(problem)), 0);
        assert_int_equal(cron_schedule_parse(&f->schedule, "@every 10s", problem, sizeof(problem)), 0);
        assert_int_equal(zone_new(&f->zone, "UTC", problem, sizeof(problem)), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        zone_free(f->zone);
        for (size_t i = 0; i < ARRAY_SIZE(f->actors); i++)
                cron_deinit(&f->actors[i].cron);
        fake_deinit(&f->fake);
        test_free(f);
        return 0;
}

static void on_held(Fixture *f, Actor *a)
{
        int64_t i = (a->cron.tick - T) / 10;

        a->held = true;
        a->runs++;
        assert_in_range(i, 0, TICKS_MAX - 1);
        if (f->runs_of_tick[i]++)
                fail_msg("tick T+%lld is run twice", (long long)(a->cron.tick - T));
}

static void step(Fixture *f, Actor *a, Event event)
{
        Effects effects = {0};

        event.now_usec = f->now;
        cron_set_clock(&a->cron, (int64_t)(T * SEC) - (int64_t)BOOT + a->skew_usec);
        cron_step(&a->cron, &event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                const Effect *e = &effects.items[i];

                if (e->kind == EFFECT_HELD)
                        on_held(f, a);
                a->yielded |= e->kind == EFFECT_YIELD;
                a->released |= e->kind == EFFECT_RELEASED;
                if (e->kind == EFFECT_WAITING) {
                        snprintf(a->text, sizeof(a->text), "%s", e->waiting.text);
                } else if (e->kind == EFFECT_FAILED) {
                        a->failed = true;
                        a->outcome = e->failed.outcome;
                        snprintf(a->text, sizeof(a->text), "%s", e->failed.text);
                } else if (e->kind == EFFECT_REQUEST) {
                        assert_false(a->has_request);
                        a->request = e->request;
                        a->has_request = true;
                        a->requests++;
                }
        }
}

static void attach(Fixture *f, Actor *a)
{
        a->session = ++f->sessions;
        cron_set_timing(&a->cron, &f->timing);
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = a->session}});
}

static Actor *begin_with(Fixture *f, size_t i, CronConfig config)
{
        Actor *a = &f->actors[i];
        char id[24];

        snprintf(id, sizeof(id), "id%zu-%lld", i, (long long)f->sessions);
        config.root = "/zksup";
        config.name = "job";
        config.id = id;
        config.rules.schedule = &f->schedule;
        config.rules.zone = f->zone;
        config.rules.late_usec = config.rules.late_usec ? config.rules.late_usec : CRON_LATE_DEFAULT;
        config.timeout_usec = config.timeout_usec ? config.timeout_usec : USEC_INFINITY;
        snprintf(config.text.host, sizeof(config.text.host), "host%zu", i);
        cron_deinit(&a->cron);
        assert_int_equal(cron_init(&a->cron, &config), 0);
        attach(f, a);
        step(f, a, (Event){.kind = EVENT_START});
        return a;
}

static Actor *begin(Fixture *f, size_t i)
{
        return begin_with(f, i, (CronConfig){0});
}

static void deliver(Fixture *f, Actor *a, Reply reply)
{
        reply.sent_usec = f->now;
        step(f, a, (Event){.kind = EVENT_REPLY, .reply = reply});
}

static void pass_watches(Fixture *f)
{
        FakeWatch watch;

        while (fake_take_fired(&f->fake, &watch))
                for (size_t i = 0; i < ACTORS; i++)
                        if (watch.owner == &f->actors[i] && watch.session == f->actors[i].session)
                                step(f, &f->actors[i],
                                        (Event){.kind = EVENT_WATCH, .watch = {.tag = watch.tag, .kind = WATCH_CHANGED}});
}

static void *keep(Fixture *f, const void *data, size_t len)
{
        char *copy = simulation_allocate(&f->fake.simulation, len + 1);

        copy[len] = '\0';
        return memcpy(copy, len ? data : "", len);
}

/* The tree keeps what it is given, and the machine uses its buffer again. */
static Reply apply(Fixture *f, Actor *a, Request request)
{
        Op ops[5];
        Reply reply;

        request.path = keep(f, request.path, strlen(request.path));
        request.data = keep(f, request.data, request.data_len);
        for (size_t i = 0; i < request.n_ops; i++) {
                ops[i] = request.ops[i];
                ops[i].path = keep(f, ops[i].path, strlen(ops[i].path));
                ops[i].data = keep(f, ops[i].data, ops[i].data_len);
        }
        request.ops = ops;
        reply = fake_apply(&f->fake, a->session, a, &request);
        if (request.kind == REQUEST_SET && reply.outcome == OUTCOME_OK)
                reply.stat = reply.results[0].stat;
        return reply;
}

/* One request of A: applied and answered. */
static void answer(Fixture *f, Actor *a)
{
        Request request = a->request;

        assert_true(a->has_request);
        a->has_request = false;
        deliver(f, a, apply(f, a, request));
}

/* Likewise, but the reply is lost. */
static void answer_unheard(Fixture *f, Actor *a, bool applied)
{
        Request request = a->request;

        assert_true(a->has_request);
        a->has_request = false;
        if (applied)
                (void)apply(f, a, request);
        deliver(f, a, (Reply){.tag = request.tag, .outcome = OUTCOME_UNKNOWN});
}

static void settle(Fixture *f)
{
        for (int rounds = 0; rounds < 1000; rounds++) {
                bool quiet = true;

                pass_watches(f);
                for (size_t i = 0; i < ACTORS; i++)
                        if (f->actors[i].has_request) {
                                answer(f, &f->actors[i]);
                                quiet = false;
                        }
                if (quiet)
                        return;
        }
        fail_msg("they never come to rest");
}

/* To SECONDS after BOOT, that is to wall clock T + SECONDS where there is no skew. */
static void advance(Fixture *f, double seconds)
{
        uint64_t end = BOOT + (uint64_t)(seconds * (double)SEC);

        settle(f);
        while (f->now < end) {
                uint64_t next = end;

                for (size_t i = 0; i < ACTORS; i++)
                        if (f->actors[i].session)
                                next = MIN(next, MAX(cron_deadline(&f->actors[i].cron), f->now + 1));
                f->now = next;
                for (size_t i = 0; i < ACTORS; i++)
                        if (f->actors[i].session && cron_deadline(&f->actors[i].cron) <= f->now)
                                step(f, &f->actors[i], (Event){.kind = EVENT_TIME});
                settle(f);
        }
}

static void end_run(Fixture *f, Actor *a, int status)
{
        assert_true(a->held);
        a->held = a->released = false;
        cron_ended(&a->cron, status);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(a->released);
        step(f, a, (Event){.kind = EVENT_START});
        settle(f);
}

/* Its host dies, and the ensemble forgets the session. */
static void die(Fixture *f, Actor *a)
{
        fake_end_session(&f->fake, a->session);
        a->session = 0;
        a->has_request = a->held = false;
}

static CronBook read_book(Fixture *f)
{
        const Znode *node = tree_find(&f->fake.tree, BOOK);
        char problem[160];
        CronBook book;

        assert_non_null(node);
        if (cron_book_parse(&book, node->data, (size_t)node->stat.data_length, problem, sizeof(problem)) < 0)
                fail_msg("%s", problem);
        return book;
}

static void assert_mark(Fixture *f, int64_t tick, enum CronMark mark)
{
        CronBook book = read_book(f);
        const CronEntry *e = cron_book_find(&book, tick);

        if (!e || e->mark != mark)
                fail_msg("T+%lld is %s, not %s", (long long)(tick - T), e ? cron_mark_to_string(e->mark) : "none",
                        cron_mark_to_string(mark));
}

static void assert_all_accounted(Fixture *f)
{
        CronBook b = read_book(f);
        uint64_t n = (cron_book_running(&b) != NULL) + (b.queued >= 0);

        for (int i = CRON_RUNNING + 1; i < CRON_MARKS; i++)
                n += b.totals[i];
        assert_int_equal(n, (b.last - b.since) / 10);
}

static void assert_nothing_held(Fixture *f)
{
        assert_false(fake_has(&f->fake, BOOK "/run"));
        assert_false(fake_has(&f->fake, RECORD_PATH));
}

/* --- ticks -------------------------------------------------------------------------------------- */

static void test_each_tick_is_run_by_one_host(void **state)
{
        Fixture *f = *state;
        unsigned runs = 0;

        for (size_t i = 0; i < 3; i++)
                begin(f, i);
        settle(f);
        for (int tick = 1; tick <= 20; tick++) {
                advance(f, 10 * tick);
                assert_int_equal(f->runs_of_tick[tick], 1);
                advance(f, 10 * tick + 1);
                for (size_t i = 0; i < 3; i++)
                        if (f->actors[i].held)
                                end_run(f, &f->actors[i], 0);
        }
        for (size_t i = 0; i < 3; i++)
                runs += f->actors[i].runs;
        assert_int_equal(runs, 20);
        assert_int_equal(read_book(f).totals[CRON_DONE], 20);
        assert_all_accounted(f);
        assert_nothing_held(f);
}

static void test_a_tick_costs_a_read_and_a_claim(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);
        unsigned before;

        settle(f);
        before = a->requests;
        f->now = BOOT + 10 * SEC;
        step(f, a, (Event){.kind = EVENT_TIME});
        assert_int_equal(a->request.kind, REQUEST_GET);
        answer(f, a);
        assert_int_equal(a->request.kind, REQUEST_MULTI);
        assert_int_equal(a->request.n_ops, 5);
        assert_string_equal(a->request.ops[0].path, BOOK);
        assert_string_equal(a->request.ops[1].path, BOOK "/run");
        assert_string_equal(a->request.ops[2].path, RECORD_PATH);
        answer(f, a);
        if (!a->held) { /* the first time its parents are missing */
                settle(f);
                before = a->requests - 2;
        }
        assert_true(a->held);
        assert_in_range(a->requests - before, 2, 3); /* and the watch for what it may be asked */
        assert_true(a->cron.claim.token > 0);
        assert_int_equal(a->cron.claim.deadline_usec, f->now + f->timing.lease_usec);
        settle(f);
        before = a->requests;
        end_run(f, a, 0);
        assert_in_range(a->requests - before, 2, 3);
}

static void test_hosts_with_different_clocks_run_a_tick_once(void **state)
{
        Fixture *f = *state;

        f->actors[0].skew_usec = -3 * (int64_t)SEC;
        f->actors[1].skew_usec = 2 * (int64_t)SEC;
        for (size_t i = 0; i < 3; i++)
                begin(f, i);
        settle(f);
        for (int tick = 1; tick <= 10; tick++) {
                advance(f, 10 * tick + 0.5);
                for (size_t i = 0; i < 3; i++)
                        if (f->actors[i].held)
                                end_run(f, &f->actors[i], 0);
                advance(f, 10 * tick + 5);
                assert_int_equal(f->runs_of_tick[tick], 1);
                assert_false(f->actors[0].held);
        }
        assert_int_equal(f->actors[1].runs, 10); /* the one that is ahead */
}

static void test_a_clock_set_back_repeats_nothing(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 30);
        end_run(f, a, 0);
        a->skew_usec = -15 * (int64_t)SEC;
        step(f, a, (Event){.kind = EVENT_TIME});
        settle(f);
        advance(f, 50);
        assert_int_equal(a->runs, 1);
        advance(f, 55);
        assert_int_equal(a->runs, 2);
        assert_int_equal(f->runs_of_tick[4], 1);
}

static void test_a_clock_set_forward_is_noticed_at_once(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        settle(f);
        a->skew_usec = 21 * (int64_t)SEC;
        step(f, a, (Event){.kind = EVENT_TIME});
        settle(f);
        assert_true(a->held);
        assert_int_equal(a->cron.tick, T + 20);
        assert_mark(f, T + 10, CRON_MISSED);
}

static void test_a_job_that_is_not_wanted_needs_no_clock(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        settle(f);
        assert_int_not_equal(cron_deadline(&a->cron), USEC_INFINITY);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(a->released);
        assert_int_equal(cron_deadline(&a->cron), USEC_INFINITY);
        a->skew_usec = 21 * (int64_t)SEC;
        step(f, a, (Event){.kind = EVENT_TIME});
        assert_int_equal(cron_deadline(&a->cron), USEC_INFINITY);
}

/* --- lost replies ------------------------------------------------------------------------------- */

static void to_claim(Fixture *f, Actor *a)
{
        advance(f, 9);
        f->now = BOOT + 10 * SEC;
        step(f, a, (Event){.kind = EVENT_TIME});
        answer(f, a);
        assert_int_equal(a->request.kind, REQUEST_MULTI);
        if (!tree_find(&f->fake.tree, "/zksup/record/cron"))
                fake_create(&f->fake, 0, "/zksup/record/cron", CREATE_CONTAINER);
}

static void make_parents(Fixture *f)
{
        fake_create(&f->fake, 0, "/zksup", CREATE_PERSISTENT);
        fake_create(&f->fake, 0, "/zksup/cron", CREATE_CONTAINER);
        fake_create(&f->fake, 0, "/zksup/record", CREATE_PERSISTENT);
        fake_create(&f->fake, 0, "/zksup/record/cron", CREATE_CONTAINER);
}

static void test_a_claim_applied_unheard_is_undone_and_made_again(void **state)
{
        Fixture *f = *state;
        Actor *a;

        make_parents(f);
        a = begin(f, 0);
        settle(f);
        to_claim(f, a);
        answer_unheard(f, a, true);
        assert_false(a->held);
        assert_true(fake_has(&f->fake, BOOK "/run"));
        advance(f, 11);
        assert_true(a->held);
        assert_int_equal(a->cron.tick, T + 10);
        assert_all_accounted(f);
        end_run(f, a, 0);
        assert_nothing_held(f);
}

static void test_a_claim_not_applied_unheard_is_made_again(void **state)
{
        Fixture *f = *state;
        Actor *a;

        make_parents(f);
        a = begin(f, 0);
        settle(f);
        to_claim(f, a);
        answer_unheard(f, a, false);
        advance(f, 11);
        assert_true(a->held);
        assert_int_equal(a->cron.tick, T + 10);
}

static void test_a_claim_unheard_and_not_wanted_any_more_is_given_to_others(void **state)
{
        Fixture *f = *state;
        Actor *a, *b;

        make_parents(f);
        a = begin(f, 0);
        settle(f);
        to_claim(f, a);
        answer_unheard(f, a, true);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        advance(f, 11);
        assert_true(a->released);
        assert_false(a->held);
        assert_nothing_held(f);
        b = begin(f, 1);
        settle(f);
        assert_true(b->held);
        assert_int_equal(b->cron.tick, T + 10);
}

static void lose_end(void **state, bool applied)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        cron_ended(&a->cron, 7);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        answer(f, a); /* the book */
        assert_int_equal(a->request.kind, REQUEST_MULTI);
        answer_unheard(f, a, applied);
        advance(f, 12);
        assert_true(a->released);
        assert_nothing_held(f);
        assert_mark(f, T + 10, CRON_DONE);
        assert_int_equal(read_book(f).entries[0].status, 7);
        assert_all_accounted(f);
}

static void test_an_end_applied_unheard_is_found(void **state)
{
        lose_end(state, true);
}

static void test_an_end_not_applied_unheard_is_made_again(void **state)
{
        lose_end(state, false);
}

static void test_an_end_is_not_lost_when_others_write(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);
        char text[CRON_BOOK_TEXT_MAX];
        CronBook book;
        Request set = {.kind = REQUEST_SET, .path = BOOK, .version = VERSION_ANY, .data = text};

        advance(f, 10);
        cron_ended(&a->cron, 0);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        answer(f, a);
        book = read_book(f);
        cron_book_note(&book, CRON_SKIPPED, T + 20, T + 20, 1);
        book.last = T + 20;
        set.data_len = cron_book_to_string(&book, text);
        set.data = keep(f, text, set.data_len);
        (void)fake_apply(&f->fake, 99, NULL, &set);
        settle(f);
        assert_true(a->released);
        assert_mark(f, T + 10, CRON_DONE);
        assert_mark(f, T + 20, CRON_SKIPPED);
        assert_nothing_held(f);
}

static void test_a_run_ends_although_its_book_was_deleted(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        fake_delete(&f->fake, BOOK "/run");
        fake_delete(&f->fake, BOOK);
        end_run(f, a, 0);
        assert_nothing_held(f);
        advance(f, 20);
        assert_true(a->held);
}

static void test_a_run_ends_although_its_record_was_deleted(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        fake_delete(&f->fake, a->cron.claim.grant);
        fake_delete(&f->fake, RECORD_PATH);
        end_run(f, a, 0);
        assert_nothing_held(f);
        assert_mark(f, T + 10, CRON_DONE);
}

/* --- runs that last ----------------------------------------------------------------------------- */

static void test_overlap_skip_is_noted_once_by_whoever_is_first(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        begin(f, 1);
        begin(f, 2);
        advance(f, 45);
        assert_int_equal(read_book(f).totals[CRON_SKIPPED], 3);
        assert_all_accounted(f);
        end_run(f, a, 0);
        assert_int_equal(a->runs + f->actors[1].runs + f->actors[2].runs, 1);
        advance(f, 50);
        assert_int_equal(f->runs_of_tick[5], 1);
}

static void test_overlap_queue_runs_one_when_the_run_is_over(void **state)
{
        Fixture *f = *state;
        CronConfig config = {.rules.overlap = CRON_OVERLAP_QUEUE};
        Actor *a = begin_with(f, 0, config), *b;

        advance(f, 10);
        b = begin_with(f, 1, config);
        advance(f, 45);
        assert_false(b->held);
        end_run(f, a, 0);
        assert_int_equal(f->runs_of_tick[2], 1);
        assert_int_equal(a->runs + b->runs, 2);
        assert_int_equal(read_book(f).totals[CRON_SKIPPED], 2);
        assert_all_accounted(f);
}

static void test_overlap_kill_stops_the_run_of_another_host(void **state)
{
        Fixture *f = *state;
        CronConfig config = {.rules.overlap = CRON_OVERLAP_KILL};
        Actor *a = begin_with(f, 0, config), *b;

        advance(f, 10);
        b = begin_with(f, 1, config);
        advance(f, 19);
        assert_false(a->yielded);
        advance(f, 20);
        assert_true(a->yielded);
        assert_false(b->held);
        a->cron.want = true;
        cron_ended(&a->cron, 143);
        a->held = false;
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_mark(f, T + 10, CRON_KILLED);
        assert_true(b->held);
        assert_int_equal(b->cron.tick, T + 20);
        assert_all_accounted(f);
}

static void test_a_run_that_takes_too_long_is_stopped(void **state)
{
        Fixture *f = *state;
        Actor *a = begin_with(f, 0, (CronConfig){.timeout_usec = 4 * SEC});

        advance(f, 13.9);
        assert_true(a->held);
        assert_false(a->yielded);
        advance(f, 14.1);
        assert_true(a->yielded);
        end_run(f, a, 143);
        assert_mark(f, T + 10, CRON_TIMEOUT);
        assert_int_equal(read_book(f).entries[0].status, 143);
}

/* --- holders that die --------------------------------------------------------------------------- */

static void test_a_dead_holder_is_unknown_after_its_record_was_in_sight_for_w(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0), *b;
        uint64_t wait = timing_takeover_wait_usec(f->timing.lease_usec);

        advance(f, 10);
        assert_true(a->held);
        b = begin(f, 1);
        advance(f, 12);
        die(f, a);
        settle(f);
        advance(f, 12 + (double)wait / SEC - 0.01);
        assert_true(fake_has(&f->fake, RECORD_PATH));
        assert_int_equal(b->runs, 0);
        advance(f, 12 + (double)wait / SEC + 0.01);
        assert_false(fake_has(&f->fake, RECORD_PATH));
        assert_mark(f, T + 10, CRON_UNKNOWN);
        advance(f, 40);
        assert_true(b->held);
        assert_all_accounted(f);
}

static void renew(Fixture *f, Actor *a, const char *text)
{
        Request set = {.kind = REQUEST_SET, .path = a->cron.claim.grant, .version = VERSION_ANY};

        set.data_len = text ? strlen(text) : a->cron.claim.data_len;
        set.data = keep(f, text ? text : a->cron.claim.data, set.data_len);
        (void)fake_apply(&f->fake, a->session, NULL, &set);
}

static void test_a_record_that_changes_is_not_taken(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0), *b;

        advance(f, 10);
        b = begin(f, 1);
        settle(f);
        fake_delete(&f->fake, BOOK "/run"); /* by hand: the run goes on */
        settle(f);
        for (int t = 12; t < 60; t += 4) {
                renew(f, a, NULL);
                advance(f, t);
        }
        assert_true(fake_has(&f->fake, RECORD_PATH));
        assert_int_equal(b->runs, 0);
}

static void test_a_renewal_at_the_last_moment_saves_a_record(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0), *b;

        advance(f, 10);
        b = begin(f, 1);
        settle(f);
        fake_delete(&f->fake, BOOK "/run");
        settle(f);
        f->now += timing_takeover_wait_usec(f->timing.lease_usec);
        step(f, b, (Event){.kind = EVENT_TIME});
        for (int i = 0; i < 10 && b->request.kind != REQUEST_MULTI; i++)
                answer(f, b);
        assert_int_equal(b->request.n_ops, 3);
        renew(f, a, NULL);
        settle(f);
        assert_true(fake_has(&f->fake, RECORD_PATH));
        assert_mark(f, T + 10, CRON_RUNNING);
}

static void test_a_wedged_run_is_not_taken(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        begin(f, 1);
        settle(f);
        renew(f, a, "zksup-record 1\nstate WEDGED\nlease-us 1000000\n");
        die(f, a);
        settle(f);
        advance(f, 200);
        assert_true(fake_has(&f->fake, RECORD_PATH));
        assert_int_equal(f->actors[1].runs, 0);
}

static void test_a_run_whose_record_was_deleted_with_its_host_is_unknown(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        begin(f, 1);
        settle(f);
        fake_delete(&f->fake, a->cron.claim.grant);
        fake_delete(&f->fake, RECORD_PATH);
        die(f, a);
        settle(f);
        assert_mark(f, T + 10, CRON_UNKNOWN);
        advance(f, 20);
        assert_true(f->actors[1].held);
}

static void test_a_lost_hold_is_killed_in_the_book(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        advance(f, 10);
        fake_end_session(&f->fake, a->session);
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_EXPIRED}});
        attach(f, a);
        settle(f);
        assert_true(fake_has(&f->fake, RECORD_PATH)); /* until the tree is dead */
        cron_ended(&a->cron, 137);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        step(f, a, (Event){.kind = EVENT_DEAD});
        settle(f);
        assert_true(a->released);
        assert_nothing_held(f);
        assert_mark(f, T + 10, CRON_KILLED);
}

/* --- tick now ----------------------------------------------------------------------------------- */

static void test_tick_now_runs_the_tick_that_has_passed_once(void **state)
{
        Fixture *f = *state;
        CronConfig config = {.tick_now = true, .rules.late_usec = 60 * SEC};
        Actor *a, *b;

        f->now = BOOT + 13 * SEC;
        a = begin_with(f, 0, config);
        b = begin_with(f, 1, config);
        settle(f);
        assert_int_equal(a->held + b->held, 1);
        if (b->held) {
                Actor *swap = a;

                a = b;
                b = swap;
        }
        assert_int_equal(a->cron.tick, T + 10);
        assert_true(b->failed);
        assert_int_equal(b->outcome, OUTCOME_OK);
        assert_non_null(strstr(b->text, "tick 2001-09-09 01:46:50 +0000 is being run by host"));
        a->held = false;
        cron_ended(&a->cron, 3);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(a->released);
        b = begin_with(f, 2, config);
        settle(f);
        assert_non_null(strstr(b->text, ": done, status 3"));
}

static void test_tick_now_leaves_a_tick_that_is_too_old(void **state)
{
        Fixture *f = *state;
        CronConfig config = {.tick_now = true, .rules.late_usec = 2 * SEC};
        Actor *a;

        begin(f, 0);
        settle(f);
        f->actors[0].session = 0; /* it only makes the book */
        f->now = BOOT + 13 * SEC;
        a = begin_with(f, 1, config);
        settle(f);
        assert_true(a->failed);
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_non_null(strstr(a->text, "is too long ago to be run now"));
        assert_mark(f, T + 10, CRON_MISSED);
}

static void test_tick_now_says_what_it_is_skipped_for(void **state)
{
        Fixture *f = *state;
        Actor *a;

        begin(f, 0);
        advance(f, 10);
        assert_true(f->actors[0].held);
        advance(f, 19.9);
        f->actors[0].cron.wake_usec = USEC_INFINITY;
        f->now = BOOT + 21 * SEC;
        a = begin_with(f, 1, (CronConfig){.tick_now = true, .rules.late_usec = 60 * SEC});
        settle(f);
        assert_int_equal(a->outcome, OUTCOME_OK);
        assert_non_null(strstr(a->text, "is skipped: the run of 2001-09-09 01:46:50 +0000 on host0 is under way"));
}

/* --- the book ----------------------------------------------------------------------------------- */

static void test_a_znode_that_is_no_book_is_left_alone(void **state)
{
        Fixture *f = *state;
        Request set = {.kind = REQUEST_SET, .path = BOOK, .version = VERSION_ANY, .data = "mine", .data_len = 4};
        Actor *a;

        make_parents(f);
        fake_create(&f->fake, 0, BOOK, CREATE_PERSISTENT);
        (void)fake_apply(&f->fake, 99, NULL, &set);
        a = begin(f, 0);
        settle(f);
        assert_true(a->failed);
        assert_int_equal(a->outcome, OUTCOME_REFUSED);
        assert_string_equal(a->text, BOOK ": begins with 'mine', not with 'zksup-cron 1'");
}

static void test_a_record_left_without_an_entry_is_taken_after_w(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0), *b;

        advance(f, 10);
        assert_true(a->held);
        die(f, a);
        fake_delete(&f->fake, BOOK); /* by hand; the record stays */
        advance(f, 11);
        b = begin(f, 1);
        advance(f, 24);
        assert_false(b->held);
        assert_true(fake_has(&f->fake, RECORD_PATH));
        advance(f, 50);
        assert_true(b->held);
        assert_all_accounted(f);
}

static void test_a_record_without_a_grant_is_left_to_people(void **state)
{
        Fixture *f = *state;
        Request set = {.kind = REQUEST_SET, .path = RECORD_PATH, .version = VERSION_ANY, .data = "gone", .data_len = 4};
        unsigned before;
        Actor *a;

        make_parents(f);
        fake_create(&f->fake, 0, RECORD_PATH, CREATE_PERSISTENT);
        (void)fake_apply(&f->fake, 99, NULL, &set);
        a = begin(f, 0);
        advance(f, 12);
        assert_false(a->held);
        assert_string_equal(a->text, RECORD_PATH " names no grant: if nothing is under way, delete it by hand");
        before = a->requests;
        advance(f, 22);
        assert_in_range(a->requests - before, 5, 80); /* it does not ask all the time */
        set.data_len = 0;
        (void)fake_apply(&f->fake, 99, NULL, &set);
        advance(f, 32);
        assert_false(a->held);
        fake_delete(&f->fake, RECORD_PATH);
        advance(f, 40);
        assert_true(a->held);
}

static void test_what_is_denied_is_told_with_its_path(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        a->has_request = false;
        deliver(f, a, (Reply){.tag = a->request.tag, .outcome = OUTCOME_DENIED});
        assert_true(a->failed);
        assert_int_equal(a->outcome, OUTCOME_DENIED);
        assert_non_null(strstr(a->text, BOOK ": "));
}

static void test_a_run_ends_although_its_book_was_spoilt(void **state)
{
        Fixture *f = *state;
        Request set = {.kind = REQUEST_SET, .path = BOOK, .version = VERSION_ANY, .data = "x", .data_len = 1};
        Actor *a = begin(f, 0);

        advance(f, 10);
        assert_true(a->held);
        (void)fake_apply(&f->fake, 99, NULL, &set);
        settle(f);
        a->held = false;
        cron_ended(&a->cron, 0);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        settle(f);
        assert_true(a->released);
        assert_nothing_held(f);
        step(f, a, (Event){.kind = EVENT_START});
        settle(f);
        assert_true(a->failed);
}

static void test_a_claim_that_comes_when_it_is_not_wanted_any_more_is_undone(void **state)
{
        Fixture *f = *state;
        Actor *a;

        make_parents(f);
        a = begin(f, 0);
        settle(f);
        to_claim(f, a);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        assert_false(a->released);
        settle(f);
        assert_true(a->released);
        assert_false(a->held);
        assert_nothing_held(f);
        assert_int_equal(read_book(f).queued, T + 10);
}

static void test_an_end_waits_until_a_foreign_child_of_the_record_is_gone(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);
        unsigned before;

        advance(f, 10);
        fake_create(&f->fake, 0, RECORD_PATH "/foreign", CREATE_PERSISTENT);
        cron_ended(&a->cron, 0);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        before = a->requests;
        advance(f, 20);
        assert_false(a->released);
        assert_in_range(a->requests - before, 10, 60);
        fake_delete(&f->fake, RECORD_PATH "/foreign");
        advance(f, 22);
        assert_true(a->released);
        assert_nothing_held(f);
}

static void test_a_release_without_contact_and_claim_is_answered_at_once(void **state)
{
        Fixture *f = *state;
        Actor *a = begin(f, 0);

        settle(f);
        step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        step(f, a, (Event){.kind = EVENT_RELEASE});
        assert_true(a->released);
}

/* --- everything --------------------------------------------------------------------------------- */

/* The tree of a host that died may run until its lease ends: nobody may start before. */
static uint64_t dead_until;

static void check_alone(Fixture *f)
{
        unsigned n = f->now < dead_until;

        for (size_t i = 0; i < ACTORS; i++)
                n += f->actors[i].held;
        assert_in_range(n, 0, 1);
}

static void lose_lease(Fixture *f, Actor *a, const char *why)
{
        claim_lose(&a->cron.claim, why);
        a->held = false;
        cron_ended(&a->cron, 137);
        step(f, a, (Event){.kind = EVENT_RELEASE});
        step(f, a, (Event){.kind = EVENT_DEAD});
        step(f, a, (Event){.kind = EVENT_START});
}

/* As lease.h does it: one multi, every R; the tree is stopped in time if it fails. */
static void renew_in_random(Fixture *f, Actor *a, Random *random)
{
        const Claim *claim = &a->cron.claim;
        Op ops[2] = {{.kind = OP_CHECK, .path = claim->node, .version = VERSION_ANY},
                {.kind = OP_SET,
                        .path = claim->grant,
                        .version = VERSION_ANY,
                        .data = keep(f, claim->data, claim->data_len),
                        .data_len = claim->data_len}};
        Request request = {.kind = REQUEST_MULTI, .path = ops[0].path, .ops = ops, .n_ops = 2};

        if (a->cron.claim.state != CLAIM_HELD || f->now >= claim_stop_usec(&a->cron.claim, &f->timing)) {
                lose_lease(f, a, "too late");
                return;
        }
        if (f->now < a->renew_usec || random_below(random, 6) == 0)
                return;
        a->renew_usec = f->now + f->timing.renew_usec;
        if (fake_apply(&f->fake, a->session, NULL, &request).outcome == OUTCOME_OK)
                claim_extend(&a->cron.claim, &f->timing, f->now, f->now);
        else
                lose_lease(f, a, "the check failed");
}

static void act(Fixture *f, Actor *a, size_t i, Random *random)
{
        uint64_t dice = random_below(random, 1000);

        if (!a->session) {
                if (dice < 30) {
                        cron_deinit(&a->cron);
                        *a = (Actor){.skew_usec = (int64_t)random_below(random, 4 * SEC) - 2 * (int64_t)SEC};
                        begin_with(f, i, (CronConfig){.rules.overlap = (enum CronOverlap)random_below(random, 3),
                                                 .timeout_usec = random_below(random, 2) ? USEC_INFINITY : 6 * SEC});
                }
                return;
        }
        if (dice < 2) { /* the host dies */
                if (a->held)
                        dead_until = MAX(dead_until, a->cron.claim.deadline_usec);
                die(f, a);
                return;
        }
        if (dice < 4) { /* the session is lost */
                bool held = a->held;

                fake_end_session(&f->fake, a->session);
                a->has_request = false;
                step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
                step(f, a, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_EXPIRED}});
                attach(f, a);
                if (held)
                        lose_lease(f, a, "expired");
                return;
        }
        if (a->has_request && dice < 600) {
                if (dice < 20)
                        answer_unheard(f, a, dice & 1);
                else
                        answer(f, a);
        }
        if (cron_deadline(&a->cron) <= f->now)
                step(f, a, (Event){.kind = EVENT_TIME});
        if (a->held)
                renew_in_random(f, a, random);
        if (a->held && (a->yielded || dice > 990)) {
                a->held = a->yielded = false;
                cron_ended(&a->cron, 0);
                step(f, a, (Event){.kind = EVENT_RELEASE});
                step(f, a, (Event){.kind = EVENT_START});
        }
}

static void live_at_random(Fixture *f, uint64_t seed)
{
        Random random;
        CronBook book;

        random_init(&random, seed);
        dead_until = 0;
        for (int turn = 0; turn < 30000; turn++) {
                f->now += random_below(&random, 40 * USEC_PER_MSEC);
                pass_watches(f);
                act(f, &f->actors[turn % ACTORS], (size_t)turn % ACTORS, &random);
                check_alone(f);
        }
        for (size_t i = 0; i < ACTORS; i++)
                if (f->actors[i].session)
                        die(f, &f->actors[i]);
        assert_all_accounted(f);
        book = read_book(f);
        assert_true(book.totals[CRON_DONE] + book.totals[CRON_TIMEOUT] + book.totals[CRON_KILLED] > 5);
}

static void test_at_random_no_tick_runs_twice_and_every_tick_is_accounted_for(void **state)
{
        for (uint64_t seed = 1; seed <= 20; seed++) {
                void *fixture;

                set_up(&fixture);
                live_at_random(fixture, seed);
                tear_down(&fixture);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_each_tick_is_run_by_one_host),
                TEST(test_a_tick_costs_a_read_and_a_claim),
                TEST(test_hosts_with_different_clocks_run_a_tick_once),
                TEST(test_a_clock_set_back_repeats_nothing),
                TEST(test_a_clock_set_forward_is_noticed_at_once),
                TEST(test_a_job_that_is_not_wanted_needs_no_clock),
                TEST(test_a_claim_applied_unheard_is_undone_and_made_again),
                TEST(test_a_claim_not_applied_unheard_is_made_again),
                TEST(test_a_claim_unheard_and_not_wanted_any_more_is_given_to_others),
                TEST(test_an_end_applied_unheard_is_found),
                TEST(test_an_end_not_applied_unheard_is_made_again),
                TEST(test_an_end_is_not_lost_when_others_write),
                TEST(test_a_run_ends_although_its_book_was_deleted),
                TEST(test_a_run_ends_although_its_record_was_deleted),
                TEST(test_overlap_skip_is_noted_once_by_whoever_is_first),
                TEST(test_overlap_queue_runs_one_when_the_run_is_over),
                TEST(test_overlap_kill_stops_the_run_of_another_host),
                TEST(test_a_run_that_takes_too_long_is_stopped),
                TEST(test_a_dead_holder_is_unknown_after_its_record_was_in_sight_for_w),
                TEST(test_a_record_that_changes_is_not_taken),
                TEST(test_a_renewal_at_the_last_moment_saves_a_record),
                TEST(test_a_wedged_run_is_not_taken),
                TEST(test_a_run_whose_record_was_deleted_with_its_host_is_unknown),
                TEST(test_a_lost_hold_is_killed_in_the_book),
                TEST(test_tick_now_runs_the_tick_that_has_passed_once),
                TEST(test_tick_now_leaves_a_tick_that_is_too_old),
                TEST(test_tick_now_says_what_it_is_skipped_for),
                TEST(test_a_znode_that_is_no_book_is_left_alone),
                TEST(test_a_record_left_without_an_entry_is_taken_after_w),
                TEST(test_a_record_without_a_grant_is_left_to_people),
                TEST(test_what_is_denied_is_told_with_its_path),
                TEST(test_a_run_ends_although_its_book_was_spoilt),
                TEST(test_a_claim_that_comes_when_it_is_not_wanted_any_more_is_undone),
                TEST(test_an_end_waits_until_a_foreign_child_of_the_record_is_gone),
                TEST(test_a_release_without_contact_and_claim_is_answered_at_once),
                cmocka_unit_test(test_at_random_no_tick_runs_twice_and_every_tick_is_accounted_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
