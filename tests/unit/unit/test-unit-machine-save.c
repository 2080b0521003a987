/* A unit machine that is saved and restored, at every moment of random lives at which it says that it can be: from then on
 * it does what the one that it was made from does. */
#include "unit-machine-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include "util/clock.h"

#define LIVES 300
#define EVENTS 200
#define AFTER 40

static UnitPolicy draw_policy(Random *r)
{
        UnitPolicy p = unit_policy_default();

        p.restart = (enum UnitRestart)random_below(r, 3);
        p.reacquire = random_below(r, 2);
        p.await_ready = random_below(r, 2);
        p.ready_timeout_usec = random_below(r, 2) ? 3 * USEC_PER_SEC : 0;
        p.release_after_run = random_below(r, 4) == 0;
        p.give_up = (unsigned)random_below(r, 3);
        p.hold_min_usec = random_below(r, 3) ? 0 : 5 * USEC_PER_SEC;
        return p;
}

/* Something that the world as it is may bring about. */
static UnitEvent draw_event(const Bench *b, Random *r)
{
        const World *w = &b->w;

        switch (random_below(r, 14)) {
        case 0:
                return (UnitEvent){.type = UNIT_EVENT_UP};
        case 1:
                return (UnitEvent){.type = random_below(r, 4) ? UNIT_EVENT_RESTART : UNIT_EVENT_DOWN};
        case 2:
                return (UnitEvent){.type = b->m.gate == UNIT_GATE_OPEN ? UNIT_EVENT_YIELD : UNIT_EVENT_TIMER};
        case 3:
                if (b->m.gate == UNIT_GATE_OPEN)
                        return (UnitEvent){.type = UNIT_EVENT_GATE_LOST};
                break;
        case 4:
                if (w->tree && !w->start_owed && b->m.pid)
                        return (UnitEvent){.type = UNIT_EVENT_EXITED, .value = (int)random_below(r, 2)};
                break;
        case 5:
                if (w->watched)
                        return (UnitEvent){.type = random_below(r, 2) ? UNIT_EVENT_READY_OK : UNIT_EVENT_READY_LOST};
                break;
        default:
                break;
        }
        if (w->guard_owed)
                return (UnitEvent){.type = UNIT_EVENT_GUARD_READY};
        if (w->start_owed)
                return (UnitEvent){.type = UNIT_EVENT_STARTED, .value = 4711};
        if (w->tree && (b->m.state == UNIT_STATE_STOPPING || b->m.state == UNIT_STATE_KILLING))
                return (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY};
        if (w->release_owed)
                return (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED};
        if (w->gate_asked && random_below(r, 2))
                return (UnitEvent){.type = UNIT_EVENT_GATE_OPEN};
        return (UnitEvent){.type = UNIT_EVENT_TIMER};
}

static void go_on(Bench *b, Random *r)
{
        UnitEvent event = draw_event(b, r);

        if (event.type == UNIT_EVENT_TIMER && random_below(r, 2) && unit_machine_deadline(&b->m) != USEC_INFINITY)
                b->now_usec = MAX(b->now_usec, unit_machine_deadline(&b->m));
        else
                b->now_usec += random_below(r, 500) * USEC_PER_MSEC;
        bench_feed(b, event);
}

/* Returns whether it can be. */
static bool hand_over(const Bench *from, const UnitPolicy *policy, Bench *to)
{
        SavedWriter w = {0};
        Saved saved;
        bool can = unit_machine_save(&from->m, &w);

        if (can) {
                *to = *from;
                unit_machine_init(&to->m, policy, 1, from->now_usec);
                to->m.random = from->m.random; /* the jitter may differ, but not here */
                assert_int_equal(saved_parse(&saved, w.text.data, w.text.len), 0);
                assert_int_equal(unit_machine_restore(&to->m, &saved), 0);
                saved_deinit(&saved);
        }
        saved_writer_deinit(&w);
        return can;
}

static void compare(Bench a, Bench b, Random r)
{
        Random s = r;

        for (int i = 0; i < AFTER; i++) {
                go_on(&a, &r);
                go_on(&b, &s);
                assert_string_equal(a.log, b.log);
                assert_int_equal(unit_machine_deadline(&a.m), unit_machine_deadline(&b.m));
                assert_int_equal(a.m.final_status, b.m.final_status);
                assert_int_equal(a.m.restarts, b.m.restarts);
        }
}

static void one_that_was_restored_does_what_the_other_does(void **state)
{
        unsigned seen[UNIT_STATE_COUNT] = {0};
        Random r;

        random_init(&r, 7);
        for (int life = 0; life < LIVES; life++) {
                UnitPolicy policy = draw_policy(&r);
                Bench b, other;

                bench_init(&b, &policy);
                for (int i = 0; i < EVENTS; i++) {
                        go_on(&b, &r);
                        if (!hand_over(&b, &policy, &other))
                                continue;
                        seen[b.m.state]++;
                        if (random_below(&r, 8) == 0)
                                compare(b, other, r);
                }
        }
        for (int s = 0; s < UNIT_STATE_COUNT; s++) {
                bool passes = s == UNIT_STATE_GUARD || s == UNIT_STATE_STARTING || s == UNIT_STATE_STOPPING ||
                        s == UNIT_STATE_KILLING || s == UNIT_STATE_RELEASING;

                if (passes)
                        assert_int_equal(seen[s], 0);
                else
                        assert_true(seen[s] > 0);
        }
}

static void refuse(const char *text)
{
        UnitPolicy policy = unit_policy_default();
        UnitMachine m, before;
        Saved saved;

        unit_machine_init(&m, &policy, 1, 1);
        before = m;
        assert_int_equal(saved_parse(&saved, text, strlen(text)), 0);
        assert_int_equal(unit_machine_restore(&m, &saved), -EBADMSG);
        assert_int_equal(m.state, before.state);
        saved_deinit(&saved);
}

static void what_no_machine_can_be_is_refused(void **state)
{
        refuse("");
        refuse("state dancing\ngate closed\n");
        refuse("state stopping\ngate open\ntree 1\nguard 1\n"); /* it passes */
        refuse("state ready\ngate asked\ntree 1\nguard 1\n");   /* it runs without a hold */
        refuse("state ready\ngate open\ntree 1\nguard 0\n");
        refuse("state ready\ngate open\ntree 0\nguard 1\n");
        refuse("state gate\ngate asked\ntree 1\nguard 1\n");
        refuse("state down\ngate open\n"); /* at rest, and holds */
        refuse("state finished\ngate closed\nguard 1\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_that_was_restored_does_what_the_other_does),
                cmocka_unit_test(what_no_machine_can_be_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
