/* A unit at work handed to another program: its machine, its guard with what runs, its gate, what goes with it. */
#include <errno.h>
#include <string.h>
#include "manager/unit-private.h"

#define NO_GUARD_LEFT(m) ((m)->guard == UNIT_GUARD_NONE)

/* --- saving ------------------------------------------------------------------------------------- */

static void save_counters(const UnitCounters *c, SavedWriter *w)
{
        saved_enter(w, "count", SAVED_NO_INDEX);
        saved_put_number(w, "starts", c->starts);
        saved_put_number(w, "restarts", c->restarts);
        saved_put_number(w, "failures", c->failures);
        saved_put_number(w, "hold-losses", c->hold_losses);
        saved_put_number(w, "hand-overs", c->hand_overs);
        saved_put_number(w, "waits-sum-usec", (uint64_t)(c->waits_sum_seconds * 1e6));
        for (size_t i = 0; i < ARRAY_SIZE(c->waits); i++) {
                saved_enter(w, "waits", i);
                saved_put_number(w, "n", c->waits[i]);
                saved_leave(w);
        }
        saved_leave(w);
}

static bool save_guard(const Unit *unit, SavedWriter *w)
{
        bool saved;

        if (NO_GUARD_LEFT(&unit->machine))
                return true;
        if (!unit->spawn || spawn_is_running(unit->spawn) != unit->machine.tree)
                return false;
        saved_enter(w, "guard", SAVED_NO_INDEX);
        saved = spawn_save(unit->spawn, w);
        saved_leave(w);
        return saved;
}

static bool save_gate(const Unit *unit, SavedWriter *w)
{
        bool saved;

        if (!unit->gate)
                return true;
        saved_enter(w, "gate", SAVED_NO_INDEX);
        saved = gate_save(unit->gate, w);
        saved_leave(w);
        return saved;
}

static bool save_lead(const Unit *unit, SavedWriter *w)
{
        bool saved;

        if (!unit->lead)
                return true;
        saved_enter(w, "lead", SAVED_NO_INDEX);
        saved = lead_save(unit->lead, w);
        saved_leave(w);
        return saved;
}

static bool save_machine(const Unit *unit, SavedWriter *w)
{
        bool saved;

        saved_enter(w, "machine", SAVED_NO_INDEX);
        saved = unit_machine_save(&unit->machine, w);
        saved_leave(w);
        return saved;
}

static void save_rest(const Unit *unit, SavedWriter *w)
{
        saved_put_flag(w, "gate-asked", unit->gate_asked);
        saved_put_flag(w, "follows", unit->follows);
        saved_put_flag(w, "rested", unit->rested);
        saved_put_signed(w, "status", unit->status);
        saved_put_signed(w, "stop-signal", unit->stop_signal);
        saved_put(w, "waiting", unit->waiting);
        saved_put(w, "said", unit->said);
        saved_put(w, "hold", unit->hold);
        saved_put_signed(w, "token", unit->token);
        saved_put_number(w, "deadline-usec", unit->deadline_usec);
        saved_put_number(w, "wait-since-usec", unit->wait_since_usec);
        saved_put_number(w, "wait-until-usec", unit->wait_timer.when_usec);
        save_counters(&unit->counters, w);
        saved_enter(w, "streams", SAVED_NO_INDEX);
        streams_save(&unit->streams, w);
        saved_leave(w);
        if (!unit->readiness)
                return;
        saved_enter(w, "readiness", SAVED_NO_INDEX);
        readiness_save(unit->readiness, w);
        saved_leave(w);
}

bool unit_has_guard(const Unit *unit)
{
        return unit->spawn != NULL;
}

size_t unit_guards(const Unit *unit)
{
        return !NO_GUARD_LEFT(&unit->machine) + (unit->lead ? lead_guards(unit->lead) : 0);
}

bool unit_save(const Unit *unit, SavedWriter *w)
{
        if (unit->stepping || unit->n_pending || unit->gives_up || unit->close_waits || unit->open_waits || unit->finished)
                return false;
        saved_put(w, "name", unit->config.name);
        if (!save_machine(unit, w) || !save_guard(unit, w) || !save_gate(unit, w) || !save_lead(unit, w))
                return false;
        save_rest(unit, w);
        return true;
}

/* --- restoring ---------------------------------------------------------------------------------- */

static void restore_counters(UnitCounters *c, Saved *saved)
{
        saved_go_in(saved, "count", SAVED_NO_INDEX);
        c->starts = saved_get_number(saved, "starts", 0);
        c->restarts = saved_get_number(saved, "restarts", 0);
        c->failures = saved_get_number(saved, "failures", 0);
        c->hold_losses = saved_get_number(saved, "hold-losses", 0);
        c->hand_overs = saved_get_number(saved, "hand-overs", 0);
        c->waits_sum_seconds = (double)saved_get_number(saved, "waits-sum-usec", 0) / 1e6;
        for (size_t i = 0; i < ARRAY_SIZE(c->waits); i++) {
                saved_go_in(saved, "waits", i);
                c->waits[i] = saved_get_number(saved, "n", 0);
                saved_go_out(saved);
        }
        saved_go_out(saved);
}

static int restore_part(Unit *unit, const char *name, Saved *saved, int (*restore)(Unit *unit, Saved *saved))
{
        int r;

        saved_go_in(saved, name, SAVED_NO_INDEX);
        r = restore(unit, saved);
        saved_go_out(saved);
        return r;
}

static int restore_machine(Unit *unit, Saved *saved)
{
        return unit_machine_restore(&unit->machine, saved);
}

static int restore_guard(Unit *unit, Saved *saved)
{
        return NO_GUARD_LEFT(&unit->machine) ? 0 : unit_run_adopt_guard(unit, saved);
}

static int restore_gate(Unit *unit, Saved *saved)
{
        return unit->gate ? gate_restore(unit->gate, saved) : 0;
}

static int restore_lead(Unit *unit, Saved *saved)
{
        return unit->lead ? lead_restore(unit->lead, saved) : 0;
}

static int restore_streams(Unit *unit, Saved *saved)
{
        return streams_restore(&unit->streams, saved);
}

static int restore_readiness(Unit *unit, Saved *saved)
{
        return unit->readiness ? readiness_restore(unit->readiness, unit->context.event, saved) : 0;
}

static void restore_rest(Unit *unit, Saved *saved)
{
        unit->gate_asked = saved_get_flag(saved, "gate-asked");
        unit->follows = saved_get_flag(saved, "follows");
        unit->rested = saved_get_flag(saved, "rested");
        unit->status = (int)saved_get_signed(saved, "status", 0);
        unit->stop_signal = (int)saved_get_signed(saved, "stop-signal", 0);
        (void)saved_copy(saved, "waiting", unit->waiting, sizeof(unit->waiting));
        (void)saved_copy(saved, "said", unit->said, sizeof(unit->said));
        (void)saved_copy(saved, "hold", unit->hold, sizeof(unit->hold));
        unit->token = saved_get_signed(saved, "token", 0);
        unit->deadline_usec = saved_get_number(saved, "deadline-usec", unit->deadline_usec);
        unit->wait_since_usec = saved_get_number(saved, "wait-since-usec", 0);
        timer_set(&unit->wait_timer, saved_get_number(saved, "wait-until-usec", UINT64_MAX));
        timer_set(&unit->timer, unit_machine_deadline(&unit->machine));
        restore_counters(&unit->counters, saved);
}

/* What the machine takes to be open must be. */
static bool is_gate_as_machine_says(const Unit *unit)
{
        const GateView *views[GATE_CHAIN_MAX];
        size_t n = unit->gate ? gate_views(unit->gate, views) : 0;

        for (size_t i = 0; i < n && unit->machine.gate == UNIT_GATE_OPEN; i++)
                if (views[i]->state != GATE_STATE_OPEN)
                        return false;
        return true;
}

int unit_restore(Unit *unit, Saved *saved)
{
        static const struct {
                const char *name;
                int (*restore)(Unit *unit, Saved *saved);
        } parts[] = {{"machine", restore_machine}, {"streams", restore_streams}, {"guard", restore_guard},
                {"readiness", restore_readiness}, {"gate", restore_gate}, {"lead", restore_lead}};

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                int r = restore_part(unit, parts[i].name, saved, parts[i].restore);

                if (r < 0)
                        return r;
        }
        restore_rest(unit, saved);
        return is_gate_as_machine_says(unit) ? 0 : -EBADMSG;
}
