/* The gate of a unit, and what goes with a leadership: what they say is told to the machine, and what the
 * machine decides about the hold is put in order with the hooks. */
#include "manager/unit-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"

void unit_hold_lose(Unit *unit, const char *reason)
{
        if (unit->gate)
                gate_lose(unit->gate, reason);
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
}

void unit_hold_lease_low(Unit *unit)
{
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_LEASE_LOW});
        unit_hold_lose(unit, "the lease ran out");
}

/* --- the gate ----------------------------------------------------------------------------------- */

/* Also as one of several holds. */
static bool is_leadership(const char *hold)
{
        return strstr(hold, "leadership '") != NULL;
}

static void on_gate_opened(Unit *unit, const GateEvent *event)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        unit->waiting[0] = '\0';
        snprintf(unit->hold, sizeof(unit->hold), "%s", event->text);
        unit->token = event->token;
        unit->deadline_usec = event->deadline_usec;
        unit_snapshot_end_wait(unit);
        if (is_leadership(event->text))
                unit_log(unit, LOG_LEVEL_INFO, LEADERSHIP_WON, NULL, "holds %s, fencing token %" PRId64, event->text,
                        event->token);
        else
                unit_log(unit, LOG_LEVEL_INFO, HOLD_ACQUIRED, NULL, "holds %s, fencing token %" PRId64, event->text,
                        event->token);
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_OPEN});
}

static void end_wait(Unit *unit)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        unit->gives_up = false;
        unit_gate_failed(unit, UNIT_EXIT_NOT_ACQUIRED);
}

/* Leaves the line first, where that can be: a claim under way would else leave its record behind. */
void unit_hold_on_wait_timer(void *userdata)
{
        Unit *unit = userdata;
        char text[DURATION_STRING_MAX];

        if (unit->gives_up) { /* no answer */
                end_wait(unit);
                return;
        }
        if (unit->config.wait_usec == 0)
                unit_log(unit, LOG_LEVEL_ERROR, NOT_ACQUIRED, NULL, "no %s without waiting", gate_noun(unit->gate));
        else
                unit_log(unit, LOG_LEVEL_ERROR, NOT_ACQUIRED, NULL, "no %s within --wait %s", gate_noun(unit->gate),
                        duration_to_string(unit->config.wait_usec, text));
        if (!client_is_attached(unit->context.client)) {
                end_wait(unit);
                return;
        }
        unit->gives_up = true;
        timer_set(&unit->wait_timer, usec_add(clock_boottime_usec(), unit->config.policy.release_usec));
        unit_hold_close_gate(unit);
}

/* For whom and since when, once: a recipe says it again at every look. */
static void on_gate_waiting(Unit *unit, const char *text)
{
        if (strcmp(unit->waiting, text) != 0) {
                snprintf(unit->waiting, sizeof(unit->waiting), "%s", text);
                log_unit_info(unit->config.name, "waiting: %s", text);
                unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_STATUS, .text = text});
                unit_changed(unit);
        }
        unit->follows = true;
        unit_hold_follow(unit);
        if (unit->lead) /* to stand by is what it is there for */
                unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_READY});
        if (unit->config.wait_usec == 0 && !unit->gives_up) /* tried once, as was asked */
                unit_hold_on_wait_timer(unit);
}

void unit_hold_on_gate(void *userdata, const GateEvent *event)
{
        Unit *unit = userdata;

        switch (event->kind) {
        case GATE_WAITING:
                on_gate_waiting(unit, event->text);
                break;
        case GATE_IN_PLACE:
                unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_READY});
                break;
        case GATE_OPENED:
                on_gate_opened(unit, event);
                break;
        case GATE_EXTENDED:
                unit->deadline_usec = event->deadline_usec;
                if (unit->spawn)
                        spawn_set_deadline(unit->spawn, event->deadline_usec);
                if (unit->lead)
                        lead_set_deadline(unit->lead, event->deadline_usec);
                if (unit->machine.suspended)
                        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_RESUMED});
                break;
        case GATE_LOST:
                if (is_leadership(unit->hold))
                        unit_log(unit, LOG_LEVEL_WARNING, LEADERSHIP_LOST, event->text, "%s is lost: %s", unit->hold,
                                event->text);
                else
                        unit_log(unit, LOG_LEVEL_WARNING, HOLD_LOST, event->text, "%s is lost: %s", unit->hold,
                                event->text);
                if (unit->spawn)
                        spawn_disown(unit->spawn);
                if (unit->lead)
                        lead_disown(unit->lead);
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_LOST});
                break;
        case GATE_YIELD:
                unit_log(unit, LOG_LEVEL_INFO, HOLD_RETURNED, event->text, "gives %s back: %s", unit->hold,
                        event->text);
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_YIELD});
                break;
        case GATE_CLOSED:
                unit->gate_asked = false;
                unit->wait_since_usec = 0;
                unit_changed(unit);
                if (unit->gives_up) {
                        end_wait(unit);
                        break;
                }
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED, .value = unit->n_closes});
                break;
        case GATE_FAILED:
                if (event->outcome == OUTCOME_OK) {
                        log_unit_info(unit->config.name, "%s", event->text);
                        unit_gate_failed(unit, event->status);
                        break;
                }
                if (event->outcome == OUTCOME_DENIED)
                        unit_log(unit, LOG_LEVEL_ERROR, REFUSED, event->text, "cannot get the %s: %s",
                                gate_noun(unit->gate), event->text);
                else
                        unit_log(unit, LOG_LEVEL_ERROR, UNIT_FAILED, event->text, "cannot get the %s: %s",
                                gate_noun(unit->gate), event->text);
                unit_gate_failed(unit, event->outcome == OUTCOME_DENIED ? UNIT_EXIT_REFUSED : UNIT_EXIT_FAILURE);
                break;
        }
}

void unit_hold_open(Unit *unit)
{
        if (!unit->gate) {
                if (unit->attached || unit->config.policy.on_loss == UNIT_ON_LOSS_KEEP)
                        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_OPEN});
                return;
        }
        if (unit->lead && lead_is_concluding(unit->lead)) {
                unit->open_waits = true;
                return;
        }
        if (!unit->gate_asked && unit->config.wait_usec && unit->config.wait_usec != USEC_INFINITY)
                timer_set(&unit->wait_timer, usec_add(clock_boottime_usec(), unit->config.wait_usec));
        unit->gate_asked = true;
        unit_snapshot_begin_wait(unit);
        gate_open(unit->gate);
}

void unit_hold_close_gate(Unit *unit)
{
        unit->n_closes++;
        gate_close(unit->gate);
}

void unit_hold_close(Unit *unit)
{
        timer_set(&unit->wait_timer, USEC_INFINITY);
        unit->open_waits = unit->gives_up = false;
        unit->follows = unit->machine.rest == UNIT_STATE_COUNT;
        if (!unit->gate)
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_GATE_CLOSED, .value = unit->n_closes});
        else if (unit->lead && lead_conclude(unit->lead))
                unit->close_waits = true;
        else
                unit_hold_close_gate(unit);
}

void unit_hold_clean(Unit *unit)
{
        unit->follows = true;
        if (unit->gate)
                unit_hold_close_gate(unit);
        if (unit->lead)
                (void)lead_conclude(unit->lead);
}

/* --- what goes with the hold -------------------------------------------------------------------- */

/* The standby runs from the first wait on, and between two leaderships. */
void unit_hold_follow(Unit *unit)
{
        const UnitMachine *m = &unit->machine;

        if (unit->lead)
                lead_follow(unit->lead, unit->follows && m->want == UNIT_WANT_UP && !m->tree &&
                                                m->gate != UNIT_GATE_OPEN && !unit->close_waits &&
                                                !unit_machine_is_at_rest(m));
}

static void on_concluded(Unit *unit)
{
        if (unit->close_waits)
                unit_hold_close_gate(unit);
        unit->close_waits = false;
        if (unit->open_waits)
                unit_hold_open(unit);
        unit->open_waits = false;
        unit_hold_follow(unit);
}

/* Nothing of the run was there but its preparation, which has ended. */
static void on_not_prepared(Unit *unit)
{
        if (unit->stop_signal)
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_EXITED, .signal = unit->stop_signal});
        else
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_EXEC_FAILED, .value = EAGAIN});
        unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_TREE_EMPTY});
}

void unit_hold_on_lead(void *userdata, enum LeadEventKind kind)
{
        Unit *unit = userdata;

        switch (kind) {
        case LEAD_PREPARED:
                if (unit->machine.state == UNIT_STATE_STARTING)
                        unit_run_start(unit);
                else
                        on_not_prepared(unit); /* stopped, or the hold lost, meanwhile */
                break;
        case LEAD_FAILED:
                on_not_prepared(unit);
                break;
        case LEAD_LEASE_LOW:
                unit_hold_lease_low(unit);
                break;
        case LEAD_CONCLUDED:
                on_concluded(unit);
                break;
        case LEAD_IDLE:
                unit_finish(unit);
                break;
        }
}

/* --- what goes wrong ---------------------------------------------------------------------------- */

void unit_hold_wedge(Unit *unit, enum UnitOnUnkillable what)
{
        bool is_ours = !unit->gate || unit->machine.gate == UNIT_GATE_OPEN; /* else the record runs out */

        switch (what) {
        case UNIT_ON_UNKILLABLE_HOLD:
                unit_log(unit, LOG_LEVEL_ERROR, UNIT_WEDGED, NULL,
                        "its processes do not die of SIGKILL (disk sleep?); %s",
                        is_ours ? "nobody else may start" :
                                  "the hold is lost, and others may start once the lease has run out");
                if (unit->gate)
                        gate_wedge(unit->gate);
                break;
        case UNIT_ON_UNKILLABLE_TAKEOVER:
                unit_log(unit, LOG_LEVEL_ERROR, UNIT_WEDGED, NULL,
                        "its processes do not die of SIGKILL (disk sleep?); others may start once the lease has run "
                        "out");
                if (unit->gate)
                        gate_abandon(unit->gate, "its processes do not die");
                break;
        }
        unit_tell(unit, (UnitNews){.kind = UNIT_NEWS_WEDGED});
}

void unit_hold_on_session_without_gate(Unit *unit, enum SessionChange change)
{
        switch (change) {
        case SESSION_ATTACHED:
                unit->attached = true;
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_RESUMED});
                if (unit->machine.gate == UNIT_GATE_ASKED)
                        unit_hold_open(unit);
                break;
        case SESSION_EXPIRED:
                unit->attached = false;
                unit_feed(unit, (UnitEvent){.type = UNIT_EVENT_SESSION_LOST});
                break;
        case SESSION_SUSPENDED:
        case SESSION_CLOSED:
                break;
        }
}
