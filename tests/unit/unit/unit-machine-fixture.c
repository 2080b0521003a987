#include "unit-machine-fixture.h"

#include <stdio.h>
#include <string.h>
#include "util/clock.h"

void bench_init(Bench *b, const UnitPolicy *policy)
{
        *b = (Bench){.now_usec = 1000 * USEC_PER_SEC};
        unit_machine_init(&b->m, policy, 1, b->now_usec);
}

static void note_event(World *w, const UnitEvent *e)
{
        if (e->type == UNIT_EVENT_GUARD_READY && w->guard_owed) {
                w->guard_owed = false;
                w->guard = true;
        } else if (e->type == UNIT_EVENT_GUARD_FAILED || e->type == UNIT_EVENT_GUARD_LOST) {
                w->guard_owed = w->guard = false;
        } else if (e->type == UNIT_EVENT_GATE_OPEN && w->gate_asked) {
                w->gate_asked = false;
                w->gate_open = true;
        } else if (e->type == UNIT_EVENT_GATE_LOST) {
                w->gate_open = w->gate_asked = false;
        } else if (e->type == UNIT_EVENT_GATE_FAILED) {
                w->gate_asked = false;
        } else if (e->type == UNIT_EVENT_GATE_CLOSED) {
                w->release_owed = false;
        } else if (e->type == UNIT_EVENT_STARTED || e->type == UNIT_EVENT_EXEC_FAILED) {
                w->start_owed = false;
        } else if (e->type == UNIT_EVENT_TREE_EMPTY) {
                w->tree = w->start_owed = w->frozen = false;
                if (e->guard_gone)
                        w->guard = false;
        }
}

static void note_effect(Bench *b, const UnitEffect *e)
{
        World *w = &b->w;

        switch (e->type) {
        case UNIT_EFFECT_SPAWN_GUARD:
                assert_false(w->guard || w->guard_owed);
                w->guard_owed = true;
                break;
        case UNIT_EFFECT_DISMISS_GUARD:
                assert_false(w->tree);
                w->guard = w->guard_owed = false;
                break;
        case UNIT_EFFECT_OPEN_GATE:
                assert_false(w->gate_open || w->release_owed);
                w->gate_asked = true;
                break;
        case UNIT_EFFECT_RELEASE_GATE:
                assert_false(w->tree || w->release_owed);
                w->gate_open = w->gate_asked = false;
                w->release_owed = true;
                break;
        case UNIT_EFFECT_GATE_DEAD:
                assert_false(w->tree);
                w->gate_open = false;
                break;
        case UNIT_EFFECT_START:
                assert_true(w->gate_open && w->guard && !w->tree);
                w->tree = w->start_owed = true;
                break;
        case UNIT_EFFECT_STOP:
        case UNIT_EFFECT_KILL:
        case UNIT_EFFECT_SIGNAL:
        case UNIT_EFFECT_WEDGED:
        case UNIT_EFFECT_JOB_STOPPED:
        case UNIT_EFFECT_NOTIFY_READY:
                assert_true(w->tree);
                break;
        case UNIT_EFFECT_FREEZE:
                assert_true(w->tree && !w->frozen);
                w->frozen = true;
                break;
        case UNIT_EFFECT_THAW:
                assert_true(w->tree && w->frozen);
                w->frozen = false;
                break;
        case UNIT_EFFECT_WATCH_READY:
                assert_false(w->watched || w->tree); /* what lies in the pipe is then of no living process */
                w->watched = true;
                break;
        case UNIT_EFFECT_UNWATCH_READY:
                assert_true(w->watched);
                w->watched = false;
                break;
        case UNIT_EFFECT_FINISHED:
                assert_true(unit_machine_is_at_rest(&b->m));
                b->finished++;
                break;
        case UNIT_EFFECT_NOTIFY_STOPPING:
        case UNIT_EFFECT_TRACE:
                break;
        case UNIT_EFFECT_COUNT:
                fail();
        }
}

static void print_effect(char *log, size_t size, const UnitEffect *e)
{
        size_t n = strlen(log);
        const char *name = unit_effect_to_string(e->type), *gap = n ? " " : "";

        if (e->type == UNIT_EFFECT_TRACE)
                snprintf(log + n, size - n, "%s[%s]", gap, e->text);
        else if (e->type == UNIT_EFFECT_FINISHED)
                snprintf(log + n, size - n, "%s%s(%d)", gap, name, e->value);
        else if (e->type == UNIT_EFFECT_STOP || e->type == UNIT_EFFECT_SIGNAL ||
                 e->type == UNIT_EFFECT_JOB_STOPPED)
                snprintf(log + n, size - n, "%s%s(%d)", gap, name, e->signal);
        else
                snprintf(log + n, size - n, "%s%s", gap, name);
}

void bench_feed(Bench *b, UnitEvent event)
{
        bool was_at_rest = unit_machine_is_at_rest(&b->m);
        UnitEffects effects;

        event.now_usec = b->now_usec;
        b->log[0] = '\0';
        b->finished = 0;
        note_event(&b->w, &event);
        unit_machine_step(&b->m, &event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                note_effect(b, &effects.items[i]);
                print_effect(b->log, sizeof(b->log), &effects.items[i]);
        }
        assert_int_equal(b->finished, !was_at_rest && unit_machine_is_at_rest(&b->m));
        assert_int_equal(b->m.frozen, b->w.frozen);
        if (unit_machine_is_at_rest(&b->m))
                assert_false(b->w.tree || b->w.guard || b->w.guard_owed || b->w.gate_open || b->w.gate_asked);
}

void bench_bring_up(Bench *b)
{
        bench_feed(b, (UnitEvent){.type = UNIT_EVENT_UP});
        bench_feed(b, (UnitEvent){.type = UNIT_EVENT_GUARD_READY});
        bench_feed(b, (UnitEvent){.type = UNIT_EVENT_GATE_OPEN});
        bench_feed(b, (UnitEvent){.type = UNIT_EVENT_STARTED, .value = 77});
        bench_feed(b, (UnitEvent){.type = UNIT_EVENT_READY_OK});
        assert_int_equal(b->m.state, UNIT_STATE_READY);
}
