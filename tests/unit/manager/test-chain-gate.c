/* Chains of gates under random schedules. The gates are fakes that answer at once or later, as the dice fall, and
 * are lost, refused or asked to yield at any time; the unit starts a tree when the chain is open, and closes it only
 * once that is dead. After every step the rules of chain-gate.c and of gate.h are checked, and in the end, when
 * everybody answers, the chain gets where it was told to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "manager/cron-gate.h"
#include "manager/gate.h"
#include "util/clock.h"
#include "util/random.h"

#define SEEDS 4000
#define STEPS 120

enum FakeState {
        FAKE_IDLE,
        FAKE_ASKED,
        FAKE_HELD,
        FAKE_LOST,
        FAKE_CLEANING,
        FAKE_FAILED,
};

typedef struct Fake {
        Gate gate;
        size_t i;
        enum FakeState state;
        bool want; /* in CLEANING: asked for again */
        bool lost_by_us;
        uint64_t deadline_usec;
        int64_t token;
        int ended, wedged;
        const char *name;
} Fake;

static struct World {
        Fake *fakes[GATE_CHAIN_MAX];
        size_t n;
        Random random;
        unsigned sync_percent; /* how often a fake answers at once */
        bool tree;
} world;

/* What the unit knows. */
static struct Unit {
        Gate *chain;
        bool asked, open, lost, closing, failed;
        uint64_t deadline_usec;
        unsigned opened, closed, failures, losses, yields, extended, waited;
        bool yield;
        char text[300];
        int64_t token;
} unit;

static bool chance(unsigned percent)
{
        return random_below(&world.random, 100) < percent;
}

/* --- the fakes ---------------------------------------------------------------------------------- */

static Fake *fake_of(const Gate *gate)
{
        return CONTAINER_OF(gate, Fake, gate);
}

static void fake_grant(Fake *f)
{
        char text[40];

        f->state = FAKE_HELD;
        f->token++;
        f->deadline_usec = 1000 + random_below(&world.random, 1000);
        snprintf(text, sizeof(text), "%s '%zu'", f->gate.type->noun, f->i);
        gate_tell(&f->gate, (GateEvent){.kind = GATE_OPENED,
                                    .text = text,
                                    .token = f->token + 100 * (int64_t)(f->i + 1),
                                    .deadline_usec = f->deadline_usec});
}

static void fake_ask(Fake *f)
{
        for (size_t j = 0; j < world.n; j++)
                if (j < f->i)
                        assert_int_equal(world.fakes[j]->state, FAKE_HELD);
                else if (j > f->i)
                        assert_int_equal(world.fakes[j]->state, FAKE_IDLE);
        f->state = FAKE_ASKED;
        if (chance(world.sync_percent))
                gate_tell(&f->gate, (GateEvent){.kind = GATE_WAITING, .text = "waits"});
        if (f->state == FAKE_ASKED && chance(world.sync_percent))
                fake_grant(f);
}

static void fake_cleaned(Fake *f)
{
        f->state = FAKE_IDLE;
        if (f->want)
                fake_ask(f);
        else
                gate_tell(&f->gate, (GateEvent){.kind = GATE_CLOSED});
}

static void fake_open(Gate *gate)
{
        Fake *f = fake_of(gate);

        f->want = true;
        if (f->state == FAKE_IDLE || f->state == FAKE_FAILED)
                fake_ask(f);
}

static void fake_close(Gate *gate)
{
        Fake *f = fake_of(gate);

        assert_false(world.tree);
        f->want = f->lost_by_us = false;
        f->state = FAKE_CLEANING;
        if (chance(world.sync_percent))
                fake_cleaned(f);
}

static void fake_lose(Gate *gate, const char *reason)
{
        if (fake_of(gate)->state == FAKE_HELD)
                fake_of(gate)->lost_by_us = true;
}

static void fake_wedge(Gate *gate)
{
        assert_true(fake_of(gate)->state == FAKE_HELD || fake_of(gate)->state == FAKE_LOST);
        fake_of(gate)->wedged++;
}

static void fake_env(const Gate *gate, GateEnv *env)
{
        const Fake *f = CONTAINER_OF(gate, const Fake, gate);

        if (strcmp(gate->type->noun, "number") != 0)
                gate_env_add(env, "ZK_LOCK", "%s", f->gate.view.name);
        if (strcmp(gate->type->noun, "number") == 0 || strcmp(gate->type->noun, "slot") == 0)
                gate_env_add(env, "ZK_SEQUENCE", "%zu", f->i);
}

static void fake_ended(Gate *gate, int status)
{
        fake_of(gate)->ended = status;
}

static void fake_set_timing(Gate *gate, const Timing *timing)
{
}

static void fake_on_session(Gate *gate, const Event *event)
{
}

static void fake_free(Gate *gate)
{
        free(fake_of(gate));
}

#define FAKE_TYPE(word)                                                                                        \
        {                                                                                                      \
                .noun = (word), .free = fake_free, .set_timing = fake_set_timing,                              \
                .on_session = fake_on_session, .open = fake_open, .close = fake_close, .lose = fake_lose,      \
                .wedge = fake_wedge, .env = fake_env, .ended = fake_ended                                      \
        }

static const GateType number_type = FAKE_TYPE("number"), turn_type = FAKE_TYPE("turn"),
                      leadership_type = FAKE_TYPE("leadership"), lock_type = FAKE_TYPE("lock"),
                      slot_type = FAKE_TYPE("slot");

static int fake_new(Gate **out, const GateType *type)
{
        Fake *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->gate.type = type;
        f->i = world.n;
        world.fakes[world.n++] = f;
        *out = &f->gate;
        return 0;
}

int sequence_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const SequenceConfig *config)
{
        return fake_new(out, &number_type);
}

int recipe_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config)
{
        return fake_new(out, config->kind == GATE_ELECTION ? &leadership_type :
                        config->kind == GATE_LOCK          ? &lock_type :
                                                             &slot_type);
}

int cron_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const struct CronGateConfig *config)
{
        return fake_new(out, &turn_type);
}

/* --- the unit ----------------------------------------------------------------------------------- */

static bool all_are(enum FakeState state)
{
        for (size_t i = 0; i < world.n; i++)
                if (world.fakes[i]->state != state)
                        return false;
        return true;
}

static uint64_t least(void)
{
        uint64_t usec = USEC_INFINITY;

        for (size_t i = 0; i < world.n; i++)
                usec = MIN(usec, world.fakes[i]->deadline_usec);
        return usec;
}

static void on_opened(const GateEvent *event)
{
        assert_true(unit.asked && !unit.open && !unit.closing);
        assert_true(all_are(FAKE_HELD));
        assert_int_equal(event->deadline_usec, least());
        assert_int_equal(event->token, world.fakes[world.n - 1]->token + 100 * (int64_t)world.n);
        unit.opened++;
        unit.open = true;
        unit.token = event->token;
        unit.deadline_usec = event->deadline_usec;
        snprintf(unit.text, sizeof(unit.text), "%s", event->text);
        world.tree = true;
        if (chance(10)) { /* it ends at once, and is not wanted again */
                world.tree = false;
                unit.open = unit.asked = false;
                unit.closing = true;
                gate_close(unit.chain);
        }
}

static void on_chain(void *userdata, const GateEvent *event)
{
        switch (event->kind) {
        case GATE_WAITING:
        case GATE_IN_PLACE:
                assert_true(unit.asked && !unit.open);
                unit.waited++;
                break;
        case GATE_OPENED:
                on_opened(event);
                break;
        case GATE_EXTENDED:
                assert_true(unit.open && !unit.lost);
                assert_true(all_are(FAKE_HELD));
                assert_true(event->deadline_usec > unit.deadline_usec);
                assert_true(event->deadline_usec <= least());
                unit.deadline_usec = event->deadline_usec;
                unit.extended++;
                break;
        case GATE_YIELD:
                assert_true(unit.open && !unit.lost);
                unit.yield = true;
                unit.yields++;
                break;
        case GATE_LOST:
                assert_true(unit.open && !unit.lost);
                unit.lost = true;
                unit.losses++;
                break;
        case GATE_CLOSED:
                assert_true(unit.closing && all_are(FAKE_IDLE));
                unit.closing = false;
                unit.closed++;
                break;
        case GATE_FAILED:
                assert_true(unit.asked && !unit.open && all_are(FAKE_IDLE));
                assert_int_equal(event->outcome, OUTCOME_DENIED);
                unit.asked = false;
                unit.failed = true;
                unit.failures++;
                break;
        }
}

static void unit_open_chain(void)
{
        unit.asked = true;
        unit.closing = unit.failed = false; /* a close that is under way is not told of any more */
        gate_open(unit.chain);
}

static void unit_close_chain(void)
{
        world.tree = false;
        unit.asked = unit.open = unit.lost = unit.yield = unit.failed = false;
        unit.closing = true;
        gate_close(unit.chain);
}

static void set_up(size_t n, uint64_t seed)
{
        static const CronGateConfig cron = {.cron = {.name = "c"}};
        GateConfig items[GATE_CHAIN_MAX] = {{.kind = GATE_SEQUENCE, .sequence = {.pool = "a"}},
                {.kind = GATE_CRON, .cron = &cron},
                {.kind = GATE_ELECTION, .election = {.name = "b"}},
                {.kind = GATE_LOCK, .lock = {.name = "d"}}};
        GateConfig config = {.kind = GATE_CHAIN, .chain = {.items = items, .n = n}};

        memset(&world, 0, sizeof(world));
        memset(&unit, 0, sizeof(unit));
        random_init(&world.random, seed);
        world.sync_percent = (unsigned)random_below(&world.random, 101);
        assert_int_equal(gate_new(&unit.chain, NULL, NULL, NULL, &config, on_chain, NULL), 0);
        assert_int_equal(world.n, n);
}

static void tear_down(void)
{
        unit.chain = gate_free(unit.chain);
}

/* --- random ------------------------------------------------------------------------------------- */

static void disturb(Fake *f)
{
        switch (f->state) {
        case FAKE_IDLE:
        case FAKE_LOST:
        case FAKE_FAILED:
                break;
        case FAKE_ASKED:
                if (chance(10)) {
                        f->state = FAKE_FAILED;
                        gate_tell(&f->gate,
                                (GateEvent){.kind = GATE_FAILED, .outcome = OUTCOME_DENIED, .text = "refused"});
                } else if (chance(50)) {
                        fake_grant(f);
                } else {
                        gate_tell(&f->gate, (GateEvent){.kind = GATE_WAITING, .text = "waits"});
                }
                break;
        case FAKE_HELD:
                if (f->lost_by_us)
                        break;
                if (chance(60)) {
                        f->deadline_usec += random_below(&world.random, 500);
                        gate_tell(&f->gate,
                                (GateEvent){.kind = GATE_EXTENDED, .deadline_usec = f->deadline_usec});
                } else if (chance(50)) {
                        gate_tell(&f->gate, (GateEvent){.kind = GATE_YIELD, .text = "to another"});
                } else {
                        f->state = FAKE_LOST;
                        gate_tell(&f->gate, (GateEvent){.kind = GATE_LOST, .text = "gone"});
                }
                break;
        case FAKE_CLEANING:
                fake_cleaned(f);
                break;
        }
}

static void act(void)
{
        if (unit.open && chance(20) && !unit.lost) { /* the guard was first to see the lease end */
                unit.lost = true;
                gate_lose(unit.chain, "late");
        } else if ((unit.lost || unit.yield) && chance(50)) {
                unit_close_chain();
                if (chance(70))
                        unit_open_chain();
        } else if (chance(10)) {
                unit_close_chain();
        } else if (!unit.asked && chance(50)) {
                unit_open_chain();
        }
}

/* A tree is protected by all that the world has left it. */
static void check(void)
{
        for (size_t i = 0; world.tree && i < world.n; i++)
                assert_true(world.fakes[i]->state == FAKE_HELD || world.fakes[i]->state == FAKE_LOST);
        if (unit.open && !unit.lost)
                assert_true(all_are(FAKE_HELD));
}

static void settle(bool grant)
{
        for (unsigned round = 0; round < 20; round++)
                for (size_t i = 0; i < world.n; i++)
                        if (world.fakes[i]->state == FAKE_CLEANING)
                                fake_cleaned(world.fakes[i]);
                        else if (world.fakes[i]->state == FAKE_ASKED && grant)
                                fake_grant(world.fakes[i]);
}

static void the_rules_hold_under_random_schedules(void **state)
{
        unsigned opened = 0, losses = 0, yields = 0, failures = 0, extended = 0;

        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                set_up(1 + seed % GATE_CHAIN_MAX, seed);
                unit_open_chain();
                for (unsigned i = 0; i < STEPS; i++) {
                        if (chance(70))
                                disturb(world.fakes[random_below(&world.random, world.n)]);
                        else
                                act();
                        check();
                }
                if (unit.lost || unit.yield)
                        unit_close_chain();
                if (!unit.asked)
                        unit_open_chain();
                for (unsigned tries = 0; tries < 100 && !unit.open; tries++) { /* it may end at once */
                        settle(true);
                        if (!unit.asked)
                                unit_open_chain();
                }
                assert_true(unit.open);
                unit_close_chain();
                settle(false);
                assert_true(all_are(FAKE_IDLE) && !unit.closing);
                opened += unit.opened;
                losses += unit.losses;
                yields += unit.yields;
                failures += unit.failures;
                extended += unit.extended;
                tear_down();
        }
        assert_true(opened > SEEDS && losses > SEEDS / 10 && yields > SEEDS / 10 && failures > SEEDS / 10 &&
                    extended > SEEDS / 10);
}

/* --- one by one --------------------------------------------------------------------------------- */

static void an_open_chain_says_all_it_holds(void **state)
{
        GateEnv env;
        const GateView *views[GATE_CHAIN_MAX];

        set_up(4, 1);
        world.sync_percent = 100;
        for (uint64_t seed = 1; !unit.open; seed++) {
                random_init(&world.random, seed);
                unit_open_chain();
        }
        assert_string_equal(unit.text, "number '0', turn '1', leadership '2' and lock '3'");
        gate_env(unit.chain, &env);
        assert_int_equal(env.n, 6);
        assert_string_equal(env.items[0], "ZK_SEQUENCE=0");
        assert_string_equal(env.items[1], "ZK_LOCK=d");
        assert_string_equal(env.items[2], "ZK_FENCE_NUMBER=101");
        assert_string_equal(env.items[3], "ZK_FENCE_SCHEDULE=201");
        assert_string_equal(env.items[4], "ZK_FENCE_LEADERSHIP=301");
        assert_string_equal(env.items[5], "ZK_FENCE_LOCK=401");
        assert_int_equal(unit.token, 401);
        assert_int_equal(gate_views(unit.chain, views), 4);
        assert_string_equal(views[1]->kind, "schedule");
        assert_string_equal(views[1]->name, "c");
        assert_int_equal(views[3]->state, GATE_STATE_OPEN);
        assert_int_equal(views[3]->token, 401);
        gate_ended(unit.chain, 7);
        gate_wedge(unit.chain);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(world.fakes[i]->ended, 7);
                assert_int_equal(world.fakes[i]->wedged, 1);
        }
        tear_down();
}

static void a_chain_waits_under_the_name_of_what_it_waits_for(void **state)
{
        set_up(2, 1);
        world.sync_percent = 0;
        unit_open_chain();
        assert_string_equal(gate_noun(unit.chain), "number");
        fake_grant(world.fakes[0]);
        assert_string_equal(gate_noun(unit.chain), "turn");
        tear_down();
}

static void what_is_lost_while_a_later_gate_waits_is_asked_for_again_before_that(void **state)
{
        set_up(3, 1);
        world.sync_percent = 0;
        unit_open_chain();
        fake_grant(world.fakes[0]);
        fake_grant(world.fakes[1]);
        world.fakes[0]->state = FAKE_LOST;
        gate_tell(&world.fakes[0]->gate, (GateEvent){.kind = GATE_LOST, .text = "gone"});
        assert_int_equal(unit.losses, 0);
        assert_true(all_are(FAKE_CLEANING));
        fake_cleaned(world.fakes[0]);
        assert_int_equal(world.fakes[0]->state, FAKE_IDLE);
        fake_cleaned(world.fakes[1]);
        assert_int_equal(world.fakes[0]->state, FAKE_IDLE);
        fake_cleaned(world.fakes[2]);
        assert_int_equal(world.fakes[0]->state, FAKE_ASKED);
        tear_down();
}

static void a_refused_gate_leaves_nothing_held(void **state)
{
        set_up(2, 1);
        world.sync_percent = 0;
        unit_open_chain();
        fake_grant(world.fakes[0]);
        world.fakes[1]->state = FAKE_FAILED;
        gate_tell(&world.fakes[1]->gate, (GateEvent){.kind = GATE_FAILED, .outcome = OUTCOME_DENIED, .text = "refused"});
        assert_int_equal(unit.failures, 0);
        assert_true(all_are(FAKE_CLEANING));
        fake_cleaned(world.fakes[1]);
        fake_cleaned(world.fakes[0]);
        assert_int_equal(unit.failures, 1);
        tear_down();
}

static void a_chain_of_none_or_too_many_is_refused(void **state)
{
        GateConfig config = {.kind = GATE_CHAIN};
        Gate *gate;

        assert_int_equal(gate_new(&gate, NULL, NULL, NULL, &config, on_chain, NULL), -EINVAL);
        config.chain.n = GATE_CHAIN_MAX + 1;
        assert_int_equal(gate_new(&gate, NULL, NULL, NULL, &config, on_chain, NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_open_chain_says_all_it_holds),
                cmocka_unit_test(a_chain_waits_under_the_name_of_what_it_waits_for),
                cmocka_unit_test(what_is_lost_while_a_later_gate_waits_is_asked_for_again_before_that),
                cmocka_unit_test(a_refused_gate_leaves_nothing_held),
                cmocka_unit_test(a_chain_of_none_or_too_many_is_refused),
                cmocka_unit_test(the_rules_hold_under_random_schedules),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
