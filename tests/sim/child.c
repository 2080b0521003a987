#include "sim/child.h"

#include "sim/host.h"

static void on_guard_timer(void *object, void *payload, uint64_t generation);
static void on_death(void *object, void *payload, uint64_t generation);

bool child_is_executing(const Child *child)
{
        return child->state == CHILD_RUNNING || child->state == CHILD_STOPPING;
}

static uint64_t stop_usec(const Child *child)
{
        return usec_sub(child->page_usec, child->timing.kill_usec + child->timing.grace_usec);
}

static void executes(Child *child)
{
        child->is_seen = true;
        oracle_executes(child->host->oracle, child->hold, child->host->id);
}

static void rests(Child *child)
{
        if (child->is_seen)
                oracle_rests(child->host->oracle, child->hold, child->host->id);
        child->is_seen = false;
}

static void die(Child *child)
{
        Actor *actor = child->actor;

        if (child_is_executing(child)) {
                rests(child);
                simulation_trace(child->host->simulation, "host %u: child of hold %u is dead",
                        child->host->id, child->hold);
        }
        child->state = CHILD_NONE;
        child->generation++;
        if (actor)
                host_on_child_dead(child->host, actor, child->by_guard);
}

/* When the tree is dead, once the stop signal has been sent: soon, or when SIGKILL has done it. */
static uint64_t draw_death(Child *child, uint64_t kill_usec)
{
        Host *host = child->host;
        uint64_t now = host_now(host), latency;

        if (!simulation_chance(host->simulation, host->plan.stubborn_percent))
                return MIN(now + simulation_between(host->simulation, 500, 50000), kill_usec);
        latency = simulation_chance(host->simulation, 50)
                          ? child->timing.kill_usec
                          : simulation_below(host->simulation, child->timing.kill_usec);
        return kill_usec + latency;
}

static void begin_stop(Child *child, uint64_t kill_usec, const char *cause)
{
        Host *host = child->host;

        child->state = CHILD_STOPPING;
        child->generation++;
        child->death_usec = draw_death(child, kill_usec);
        simulation_trace(
                host->simulation, "host %u: child of hold %u is stopped (%s)", host->id, child->hold, cause);
        simulation_at(host->simulation, host_true(host, child->death_usec), on_death, child, NULL,
                child->generation);
}

static void on_death(void *object, void *payload, uint64_t generation)
{
        Child *child = object;

        if (child->generation == generation && !child->host->is_suspended)
                die(child);
}

static void arm_guard(Child *child)
{
        simulation_at(child->host->simulation, host_true(child->host, stop_usec(child)), on_guard_timer,
                child, NULL, child->generation);
}

static void on_guard_timer(void *object, void *payload, uint64_t generation)
{
        Child *child = object;

        if (child->generation != generation || child->host->is_suspended || child->state != CHILD_RUNNING)
                return;
        if (host_now(child->host) < stop_usec(child)) {
                arm_guard(child); /* the page says more than when the timer was set */
                return;
        }
        child->by_guard = true;
        begin_stop(child, usec_sub(child->page_usec, child->timing.kill_usec), "its guard's deadline");
}

static void on_work_done(void *object, void *payload, uint64_t generation)
{
        Child *child = object;

        if (child->generation == generation && child->state == CHILD_RUNNING && !child->host->is_suspended)
                die(child);
}

void child_retire(Child *child)
{
        Simulation *s = child->host->simulation;

        simulation_after(s,
                simulation_between(s, child->host->plan.work_min_usec, child->host->plan.work_max_usec),
                on_work_done, child, NULL, child->generation);
}

static void on_started(void *object, void *payload, uint64_t generation)
{
        Child *child = object;
        Host *host = child->host;

        if (child->generation != generation || child->state != CHILD_STARTING || host->is_suspended)
                return;
        if (host_now(host) >= stop_usec(child)) {
                child->by_guard = true;
                die(child); /* the guard does not even begin */
                return;
        }
        child->state = CHILD_RUNNING;
        simulation_trace(host->simulation, "host %u: child of hold %u executes", host->id, child->hold);
        executes(child);
        child_retire(child);
        arm_guard(child);
}

Child *child_new(Host *host, Actor *actor)
{
        Child *child = simulation_allocate(host->simulation, sizeof(*child));

        child->host = host;
        child->actor = actor;
        return child;
}

void child_start(Child *child, unsigned hold, uint64_t deadline_usec, const Timing *timing)
{
        Simulation *s = child->host->simulation;

        child->state = CHILD_STARTING;
        child->generation++;
        child->hold = hold;
        child->timing = *timing;
        child->page_usec = deadline_usec;
        child->by_guard = false;
        simulation_after(s, simulation_between(s, 100, 3000), on_started, child, NULL, child->generation);
}

void child_extend(Child *child, uint64_t deadline_usec)
{
        child->page_usec = deadline_usec;
}

void child_stop(Child *child)
{
        uint64_t kill_usec = usec_sub(child->page_usec, child->timing.kill_usec);

        switch (child->state) {
        case CHILD_NONE:
        case CHILD_STOPPING:
                break;
        case CHILD_STARTING:
                die(child);
                break;
        case CHILD_RUNNING:
                child->by_guard = true;
                begin_stop(
                        child, MIN(host_now(child->host) + child->timing.grace_usec, kill_usec), "told to");
                break;
        }
}

void child_vanish(Child *child)
{
        child->actor = NULL;
        if (child->state != CHILD_NONE)
                die(child);
}

void child_suspend(Child *child)
{
        rests(child);
        child->generation++; /* its timers are set anew afterwards */
}

/* The timers that came while the machine slept come now, before the child gets to execute. */
void child_resume(Child *child)
{
        Host *host = child->host;
        Simulation *s = host->simulation;

        switch (child->state) {
        case CHILD_NONE:
                return;
        case CHILD_STARTING:
                simulation_after(s, 100, on_started, child, NULL, child->generation);
                return;
        case CHILD_RUNNING:
                if (host_now(host) < stop_usec(child)) {
                        arm_guard(child);
                        break;
                }
                child->by_guard = true;
                begin_stop(
                        child, usec_sub(child->page_usec, child->timing.kill_usec), "its guard's deadline");
                break;
        case CHILD_STOPPING:
                simulation_at(
                        s, host_true(host, child->death_usec), on_death, child, NULL, child->generation);
                break;
        }
        if (host_now(host) >= usec_sub(child->page_usec, child->timing.kill_usec)) {
                die(child);
                return;
        }
        executes(child);
        child_retire(child);
}
