/* Every state the unit machine can reach, under every policy, by any event at any time, sensible or
 * not: in each the promises hold (unit-machine-fixture.c), and from each there is a way to rest and a way to
 * a ready command that needs only the replies that the header says are owed. */
#include "unit-machine-fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

#define SLOTS (1U << 18)
#define STEPS_MAX 40

/* What tells two situations apart: all that a later decision looks at. Times, counters and exit
 * statuses that are only reported do not. */
typedef struct Key {
        uint8_t used, want, state, reason, guard, gate, rest, timed, frozen, suspended, ran, early, exited,
                failed, error, give_back, closed_owed, failures, young, delayed;
        World w;
} Key;

typedef struct Reach {
        Key *keys;
        Bench *queue;
        size_t n, room;
} Reach;

static const UnitEvent all_events[] = {
        {.type = UNIT_EVENT_UP},
        {.type = UNIT_EVENT_DOWN},
        {.type = UNIT_EVENT_DOWN, .signal = SIGTERM},
        {.type = UNIT_EVENT_RESTART},
        {.type = UNIT_EVENT_FORCE},
        {.type = UNIT_EVENT_YIELD},
        {.type = UNIT_EVENT_GUARD_READY},
        {.type = UNIT_EVENT_GUARD_FAILED, .value = EAGAIN},
        {.type = UNIT_EVENT_GUARD_LOST},
        {.type = UNIT_EVENT_GATE_OPEN},
        {.type = UNIT_EVENT_GATE_LOST},
        {.type = UNIT_EVENT_GATE_FAILED, .value = 124},
        {.type = UNIT_EVENT_GATE_CLOSED},
        {.type = UNIT_EVENT_SUSPENDED},
        {.type = UNIT_EVENT_RESUMED},
        {.type = UNIT_EVENT_SESSION_LOST},
        {.type = UNIT_EVENT_LEASE_LOW},
        {.type = UNIT_EVENT_STARTED, .value = 77},
        {.type = UNIT_EVENT_EXEC_FAILED, .value = ENOENT},
        {.type = UNIT_EVENT_EXEC_FAILED, .value = EAGAIN},
        {.type = UNIT_EVENT_EXITED},
        {.type = UNIT_EVENT_EXITED, .value = 3},
        {.type = UNIT_EVENT_TREE_EMPTY},
        {.type = UNIT_EVENT_TREE_EMPTY, .guard_gone = true},
        {.type = UNIT_EVENT_JOB_STOPPED, .signal = SIGTSTP},
        {.type = UNIT_EVENT_READY_OK},
        {.type = UNIT_EVENT_READY_LOST},
        {.type = UNIT_EVENT_READY_TIMEOUT},
        {.type = UNIT_EVENT_TIMER},
};

/* The proof of an empty tree cannot come before the guard has said what became of the start, nor can
 * a guard answer that is not there. */
static bool is_possible(const World *w, const UnitEvent *e)
{
        if (e->type == UNIT_EVENT_TREE_EMPTY)
                return w->tree;
        if (e->type == UNIT_EVENT_GUARD_LOST)
                return w->guard || w->guard_owed;
        if (e->type == UNIT_EVENT_GUARD_FAILED)
                return w->guard_owed;
        return true;
}

static Key key_of(const Bench *b)
{
        const UnitMachine *m = &b->m;
        Key k;

        memset(&k, 0, sizeof(k)); /* padding too: keys are compared whole */
        k.used = 1;
        k.want = m->want;
        k.state = m->state;
        k.guard = m->guard;
        k.gate = m->gate;
        k.rest = m->state == UNIT_STATE_RELEASING || m->state == UNIT_STATE_HOLDING ? m->rest : UNIT_STATE_COUNT;
        k.closed_owed = m->closed_owed;
        if (m->state == UNIT_STATE_RELEASING)
                k.delayed = b->now_usec < m->not_before_usec;
        if (m->gate == UNIT_GATE_OPEN) {
                k.give_back = m->give_back;
                k.failures = m->policy.give_up ? (uint8_t)m->failures : 0;
                k.young = m->started_usec && b->now_usec < usec_add(m->opened_usec, m->policy.hold_min_usec);
        }
        k.timed = m->timer_usec != USEC_INFINITY;
        k.frozen = m->frozen;
        k.suspended = m->suspended;
        if (m->tree) {
                k.reason = m->reason;
                k.early = m->ready_early;
                k.exited = m->exited;
                k.failed = m->exited && m->exit_status != 0;
                k.error = (uint8_t)m->exec_errno;
        }
        k.ran = m->ran && !unit_machine_is_at_rest(m);
        k.w = b->w;
        return k;
}

static size_t hash(const Key *k)
{
        const unsigned char *bytes = (const unsigned char *)k;
        uint64_t h = 14695981039346656037ULL;

        for (size_t i = 0; i < sizeof(*k); i++)
                h = (h ^ bytes[i]) * 1099511628211ULL;
        return (size_t)(h ^ (h >> 32)) % SLOTS;
}

/* Adds B unless its like is there. */
static void visit(Reach *r, const Bench *b)
{
        Key k = key_of(b);
        size_t i = hash(&k);

        for (; r->keys[i].used; i = (i + 1) % SLOTS)
                if (memcmp(&r->keys[i], &k, sizeof(k)) == 0)
                        return;
        assert_true(r->n < SLOTS / 2);
        r->keys[i] = k;
        if (r->n == r->room) {
                r->room = r->room ? 2 * r->room : 1024;
                r->queue = realloc(r->queue, r->room * sizeof(*r->queue));
                assert_non_null(r->queue);
        }
        r->queue[r->n++] = *b;
}

static void feed_timer(Bench *b)
{
        if (unit_machine_deadline(&b->m) != USEC_INFINITY)
                b->now_usec = MAX(b->now_usec, unit_machine_deadline(&b->m));
        bench_feed(b, (UnitEvent){.type = UNIT_EVENT_TIMER});
}

static void feed_any(Bench *b, const UnitEvent *e)
{
        if (e->type == UNIT_EVENT_TIMER)
                feed_timer(b);
        else
                bench_feed(b, *e);
}

static void must_come_to_rest(const Bench *from)
{
        Bench b = *from;
        int steps = 0;

        bench_feed(&b, (UnitEvent){.type = UNIT_EVENT_DOWN});
        for (; !unit_machine_is_at_rest(&b.m) && steps < STEPS_MAX; steps++) {
                assert_false(b.m.state == UNIT_STATE_GUARD || b.m.state == UNIT_STATE_GATE ||
                             b.m.state == UNIT_STATE_BACKOFF || b.m.state == UNIT_STATE_HOLDING);
                if (b.w.start_owed)
                        bench_feed(&b, (UnitEvent){.type = UNIT_EVENT_STARTED, .value = 77});
                else if (b.w.tree)
                        bench_feed(&b, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY});
                else
                        bench_feed(&b, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED});
        }
        assert_true(unit_machine_is_at_rest(&b.m));
        assert_int_equal(b.m.want, UNIT_WANT_DOWN);
}

/* The next reply of a world in which all goes well. */
static void feed_well(Bench *b)
{
        enum UnitState state = b->m.state;

        if (unit_machine_is_at_rest(&b->m) || b->m.want == UNIT_WANT_DOWN)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_UP});
        else if (state == UNIT_STATE_STOPPING || state == UNIT_STATE_KILLING)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY});
        else if (b->m.suspended)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_RESUMED});
        else if (state == UNIT_STATE_GUARD)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_GUARD_READY});
        else if (state == UNIT_STATE_GATE)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_GATE_OPEN});
        else if (state == UNIT_STATE_STARTING)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_STARTED, .value = 77});
        else if (state == UNIT_STATE_RUNNING)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_READY_OK});
        else if (state == UNIT_STATE_RELEASING)
                bench_feed(b, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED});
        else
                feed_timer(b);
}

static void must_get_ready(const Bench *from)
{
        Bench b = *from;
        int steps = 0;

        while ((b.m.state != UNIT_STATE_READY || b.m.suspended) && steps++ < STEPS_MAX)
                feed_well(&b);
        assert_int_equal(b.m.state, UNIT_STATE_READY);
}

static size_t explore(const UnitPolicy *policy)
{
        Reach r = {.keys = calloc(SLOTS, sizeof(Key))};
        Bench first;
        size_t n;

        assert_non_null(r.keys);
        bench_init(&first, policy);
        visit(&r, &first);
        for (size_t i = 0; i < r.n; i++) {
                for (size_t e = 0; e < ARRAY_SIZE(all_events); e++) {
                        Bench b = r.queue[i];

                        if (!is_possible(&b.w, &all_events[e]))
                                continue;
                        feed_any(&b, &all_events[e]);
                        visit(&r, &b);
                }
                must_come_to_rest(&r.queue[i]);
                must_get_ready(&r.queue[i]);
        }
        n = r.n;
        free(r.queue);
        free(r.keys);
        return n;
}

static void explore_with(enum UnitOnSuspend on_suspend, bool await_ready)
{
        static const enum UnitRestart restarts[] = {
                UNIT_RESTART_ALWAYS, UNIT_RESTART_ON_FAILURE, UNIT_RESTART_NEVER};
        UnitPolicy policy = unit_policy_default();
        size_t total = 0;

        policy.on_suspend = on_suspend;
        policy.suspend_signal = SIGUSR1;
        policy.await_ready = await_ready;
        policy.ready_timeout_usec = 3 * USEC_PER_SEC;
        policy.backoff.limit = 0; /* a counter would make the states endless; it has its own tests */
        for (size_t i = 0; i < ARRAY_SIZE(restarts); i++)
                for (int reacquire = 0; reacquire < 2; reacquire++) {
                        policy.restart = restarts[i];
                        policy.reacquire = reacquire;
                        policy.on_loss = reacquire ? UNIT_ON_LOSS_STOP : UNIT_ON_LOSS_KEEP;
                        total += explore(&policy);
                }
        print_message("%zu situations\n", total);
        assert_true(total > 1000);
}

/* What gives a hold back although no end is wanted. */
static void every_situation_keeps_the_promises_with_turns(void **state)
{
        UnitPolicy policy = unit_policy_default();
        size_t total = 0;

        policy.backoff.limit = 0;
        policy.hold_min_usec = 60 * USEC_PER_SEC;
        for (unsigned i = 0; i < 8; i++) {
                policy.release_after_run = i & 1;
                policy.give_up = i & 2 ? 2 : 0;
                policy.on_unkillable = i & 4 ? UNIT_ON_UNKILLABLE_TAKEOVER : UNIT_ON_UNKILLABLE_HOLD;
                policy.reacquire = !(i & 4);
                policy.restart = i & 2 ? UNIT_RESTART_ALWAYS : UNIT_RESTART_NEVER;
                total += explore(&policy);
        }
        print_message("%zu situations\n", total);
        assert_true(total > 1000);
}

static void every_situation_keeps_the_promises_with_keep(void **state)
{
        explore_with(UNIT_ON_SUSPEND_KEEP, false);
        explore_with(UNIT_ON_SUSPEND_KEEP, true);
}

static void every_situation_keeps_the_promises_with_freeze(void **state)
{
        explore_with(UNIT_ON_SUSPEND_FREEZE, false);
        explore_with(UNIT_ON_SUSPEND_FREEZE, true);
}

static void every_situation_keeps_the_promises_with_signal(void **state)
{
        explore_with(UNIT_ON_SUSPEND_SIGNAL, true);
}

static void every_situation_keeps_the_promises_with_stop(void **state)
{
        explore_with(UNIT_ON_SUSPEND_STOP, false);
        explore_with(UNIT_ON_SUSPEND_STOP, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_situation_keeps_the_promises_with_keep),
                cmocka_unit_test(every_situation_keeps_the_promises_with_freeze),
                cmocka_unit_test(every_situation_keeps_the_promises_with_signal),
                cmocka_unit_test(every_situation_keeps_the_promises_with_stop),
                cmocka_unit_test(every_situation_keeps_the_promises_with_turns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
