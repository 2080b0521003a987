#include "guard/policy.h"

#include <signal.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

/* When SIGKILL is due, and when the stop signal. A lease of 0 is one that ended long ago. */
static uint64_t kill_due(const Policy *p, uint64_t lease_usec)
{
        return lease_usec == WIRE_DEADLINE_NONE ? USEC_INFINITY : usec_sub(lease_usec, p->kill_budget_usec);
}

static uint64_t stop_due(const Policy *p, uint64_t lease_usec)
{
        return usec_sub(kill_due(p, lease_usec), p->grace_usec);
}

static void enter_idle(Policy *p, PolicyActions *a)
{
        p->state = POLICY_IDLE;
        p->frozen = false;
        a->set |= POLICY_REPORT_EMPTY;
        if (p->gone)
                a->set |= POLICY_QUIT;
}

static void enter_stopping(
        Policy *p, const PolicyEvent *e, int signal, uint64_t grace, enum WireWhy why, PolicyActions *a)
{
        p->state = POLICY_STOPPING;
        p->stop_until_usec = usec_add(e->now_usec, grace);
        if (p->frozen)
                a->set |= POLICY_THAW;
        p->frozen = false;
        a->set |= POLICY_STOP_TREE | POLICY_REPORT_STOPPING;
        a->signal = p->sent_signal = signal > 0 ? signal : p->stop_signal;
        a->why = why;
}

static void kill_again(Policy *p, uint64_t now_usec, PolicyActions *a)
{
        a->set |= POLICY_KILL_TREE;
        p->next_kill_usec = usec_add(now_usec, p->retry_usec);
        p->retry_usec = MIN(p->retry_usec * 2, (uint64_t)POLICY_RETRY_MAX_USEC);
}

static void enter_killing(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        p->state = POLICY_KILLING;
        p->retry_usec = POLICY_RETRY_MIN_USEC;
        kill_again(p, e->now_usec, a);
}

static void step_idle(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        switch (e->type) {
        case POLICY_EVENT_START:
                p->stop_signal = e->signal > 0 ? e->signal : SIGTERM;
                p->grace_usec = e->grace_usec;
                p->kill_budget_usec = e->kill_budget_usec;
                if (p->gone || e->now_usec >= kill_due(p, e->lease_usec)) {
                        a->set |= POLICY_REFUSE | POLICY_REPORT_EMPTY;
                        return;
                }
                p->state = POLICY_RUNNING;
                a->set |= POLICY_SPAWN;
                return;
        case POLICY_EVENT_GONE:
                p->gone = true;
                a->set |= POLICY_QUIT;
                return;
        case POLICY_EVENT_SIGNAL: /* a request that crossed with our EMPTY */
        case POLICY_EVENT_STOP:
        case POLICY_EVENT_KILL:
        case POLICY_EVENT_FREEZE:
        case POLICY_EVENT_THAW:
        case POLICY_EVENT_CONTINUE:
        case POLICY_EVENT_TIMER:
        case POLICY_EVENT_EXITED:
        case POLICY_EVENT_EMPTY:
                return;
        }
}

static void running_timer(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        if (e->now_usec >= kill_due(p, e->lease_usec)) {
                enter_killing(p, e, a);
                a->set |= POLICY_REPORT_STOPPING;
                a->why = WIRE_WHY_LEASE;
        } else if (e->now_usec >= stop_due(p, e->lease_usec)) {
                enter_stopping(p, e, 0, p->grace_usec, WIRE_WHY_LEASE, a);
        }
}

static void step_running(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        switch (e->type) {
        case POLICY_EVENT_SIGNAL:
                a->set |= POLICY_FORWARD;
                a->signal = e->signal;
                return;
        case POLICY_EVENT_STOP:
                enter_stopping(p, e, e->signal, e->grace_usec, WIRE_WHY_REQUESTED, a);
                return;
        case POLICY_EVENT_KILL:
                enter_killing(p, e, a);
                return;
        case POLICY_EVENT_FREEZE:
                p->frozen = true;
                a->set |= POLICY_FREEZE;
                return;
        case POLICY_EVENT_THAW:
                p->frozen = false;
                a->set |= POLICY_THAW;
                return;
        case POLICY_EVENT_CONTINUE:
                a->set |= POLICY_CONTINUE;
                return;
        case POLICY_EVENT_TIMER:
                running_timer(p, e, a);
                return;
        case POLICY_EVENT_EXITED:
                enter_stopping(p, e, 0, p->grace_usec, WIRE_WHY_EXITED, a);
                return;
        case POLICY_EVENT_EMPTY:
                enter_idle(p, a);
                return;
        case POLICY_EVENT_GONE:
                p->gone = true;
                enter_stopping(p, e, 0, POLICY_GONE_GRACE_USEC, WIRE_WHY_SUPERVISOR_GONE, a);
                return;
        case POLICY_EVENT_START: /* the supervisor waits for EMPTY; a second start would be two */
                return;
        }
}

/* May shorten the grace, never lengthen it. A second signal of the same kind would tell the tree nothing, and many
 * programs take it for impatience. */
static void stop_again(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        int signal = e->signal > 0 ? e->signal : p->stop_signal;

        p->stop_until_usec = MIN(p->stop_until_usec, usec_add(e->now_usec, e->grace_usec));
        if (signal == p->sent_signal)
                return;
        a->set |= POLICY_STOP_TREE;
        a->signal = p->sent_signal = signal;
}

static void step_stopping(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        switch (e->type) {
        case POLICY_EVENT_SIGNAL:
                a->set |= POLICY_FORWARD;
                a->signal = e->signal;
                return;
        case POLICY_EVENT_STOP:
                stop_again(p, e, a);
                return;
        case POLICY_EVENT_KILL:
                enter_killing(p, e, a);
                return;
        case POLICY_EVENT_TIMER:
                if (e->now_usec >= MIN(p->stop_until_usec, kill_due(p, e->lease_usec)))
                        enter_killing(p, e, a);
                return;
        case POLICY_EVENT_EMPTY:
                enter_idle(p, a);
                return;
        case POLICY_EVENT_GONE:
                p->gone = true;
                p->stop_until_usec = MIN(p->stop_until_usec, usec_add(e->now_usec, POLICY_GONE_GRACE_USEC));
                return;
        case POLICY_EVENT_CONTINUE: /* a job stopped again in its last moments may go on stopping */
                a->set |= POLICY_CONTINUE;
                return;
        case POLICY_EVENT_START:
        case POLICY_EVENT_FREEZE: /* it must be able to act on the stop signal */
        case POLICY_EVENT_THAW:
        case POLICY_EVENT_EXITED: /* the descendants have the rest of the grace */
                return;
        }
}

static void step_killing(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        switch (e->type) {
        case POLICY_EVENT_TIMER:
                if (e->now_usec >= p->next_kill_usec)
                        kill_again(p, e->now_usec, a);
                return;
        case POLICY_EVENT_EMPTY:
                enter_idle(p, a);
                return;
        case POLICY_EVENT_GONE:
                p->gone = true;
                return;
        case POLICY_EVENT_START:
        case POLICY_EVENT_SIGNAL:
        case POLICY_EVENT_STOP:
        case POLICY_EVENT_KILL:
        case POLICY_EVENT_FREEZE:
        case POLICY_EVENT_THAW:
        case POLICY_EVENT_CONTINUE:
        case POLICY_EVENT_EXITED:
                return;
        }
}

void policy_init(Policy *p)
{
        memset(p, 0, sizeof(*p));
}

void policy_step(Policy *p, const PolicyEvent *e, PolicyActions *a)
{
        memset(a, 0, sizeof(*a));
        switch (p->state) {
        case POLICY_IDLE:
                step_idle(p, e, a);
                return;
        case POLICY_RUNNING:
                step_running(p, e, a);
                return;
        case POLICY_STOPPING:
                step_stopping(p, e, a);
                return;
        case POLICY_KILLING:
                step_killing(p, e, a);
                return;
        }
}

uint64_t policy_deadline(const Policy *p, uint64_t lease_usec)
{
        switch (p->state) {
        case POLICY_IDLE:
                return USEC_INFINITY;
        case POLICY_RUNNING:
                return stop_due(p, lease_usec);
        case POLICY_STOPPING:
                return MIN(p->stop_until_usec, kill_due(p, lease_usec));
        case POLICY_KILLING:
                return p->next_kill_usec;
        }
        return 0;
}
