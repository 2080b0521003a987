#include "sim/host.h"

#include <assert.h>
#include <string.h>
#include "sim/ensemble.h"

static void on_timer(void *object, void *payload, uint64_t generation);

/* ---- clocks ---- */

static uint64_t boottime(const Host *host)
{
        return host->local_usec + (host->simulation->now_usec - host->true_usec) * host->rate_permille / 1000;
}

uint64_t host_monotonic(const Host *host)
{
        uint64_t now = host->is_suspended ? host->suspended_at_usec : boottime(host);

        return now - host->suspended_usec;
}

uint64_t host_now(const Host *host)
{
        return host->uses_monotonic ? host_monotonic(host) : boottime(host);
}

static uint64_t true_after(const Host *host, uint64_t delta_usec)
{
        uint64_t now = host->simulation->now_usec;
        /* What the division in boottime() cut off is waited for as well. */
        uint64_t fraction = (now - host->true_usec) * host->rate_permille % 1000;

        if (delta_usec == 0)
                return now;
        return now + (delta_usec * 1000 - fraction + host->rate_permille - 1) / host->rate_permille;
}

uint64_t host_true(const Host *host, uint64_t local_usec)
{
        if (local_usec == USEC_INFINITY)
                return USEC_INFINITY;
        return true_after(host, usec_sub(local_usec, host_now(host)));
}

/* ---- the process ---- */

void host_init(Host *host, Simulation *simulation, Ensemble *ensemble, Oracle *oracle, unsigned id,
        const HostPlan *plan)
{
        memset(host, 0, sizeof(*host));
        host->simulation = simulation;
        host->ensemble = ensemble;
        host->oracle = oracle;
        host->id = id;
        host->plan = *plan;
        host->rate_permille = 1000;
        host->true_usec = simulation->now_usec;
        host->local_usec = simulation_between(simulation, 1, 1000000) * USEC_PER_SEC;
        host->armed_usec = USEC_INFINITY;
}

static uint64_t next_deadline(const Host *host)
{
        uint64_t monotonic = client_deadline(&host->client), at = USEC_INFINITY;

        if (monotonic != USEC_INFINITY)
                at = true_after(host, usec_sub(monotonic, host_monotonic(host)));
        for (unsigned i = 0; i < host->n_actors; i++)
                at = MIN(at, host_true(host, host->actors[i].type->deadline(host->actors[i].machine)));
        return at;
}

static void arm(Host *host)
{
        uint64_t at;

        if (!host->is_up)
                return;
        at = MAX(next_deadline(host), host->simulation->now_usec + host->timer_min_usec);
        if (at >= host->armed_usec)
                return;
        host->armed_usec = at;
        simulation_at(host->simulation, at, on_timer, host, NULL, ++host->timer_generation);
}

static void on_timer(void *object, void *payload, uint64_t generation)
{
        Host *host = object;

        if (generation != host->timer_generation || !host->is_up)
                return;
        host->armed_usec = USEC_INFINITY;
        if (host->is_frozen || host->is_suspended) {
                host->is_timer_missed = true;
                return;
        }
        client_on_time(&host->client);
        for (unsigned i = 0; i < host->n_actors; i++) {
                Actor *actor = &host->actors[i];

                if (actor->type->deadline(actor->machine) > host_now(host))
                        continue;
                host_tell(host, actor, (Event){.kind = EVENT_TIME});
                if (host->timer_min_usec == 0 && actor->type->deadline(actor->machine) <= host_now(host))
                        simulation_violate(host->simulation, "host %u: %s asks for a time that has passed, again",
                                host->id, actor->type->name);
        }
        arm(host);
}

/* After a freeze or a suspend the timer may come before or after what the socket holds. */
static void catch_up(Host *host)
{
        if (host->is_frozen || host->is_suspended || !host->is_timer_missed)
                return;
        host->is_timer_missed = false;
        host->armed_usec = host->simulation->now_usec;
        simulation_after(host->simulation, simulation_chance(host->simulation, 50) ? 0 : 5000, on_timer, host, NULL,
                ++host->timer_generation);
}

static void update_network(Host *host)
{
        network_freeze(&host->ensemble->network, network_host(host->id), host->is_frozen || host->is_suspended);
}

static void on_start(void *object, void *payload, uint64_t incarnation)
{
        Actor *actor = object;
        Host *host = actor->host;

        if (!host->is_up || host->incarnation != incarnation)
                return;
        if (host->is_frozen || host->is_suspended)
                simulation_after(host->simulation, USEC_PER_SEC, on_start, actor, NULL, incarnation);
        else
                host_tell(host, actor, (Event){.kind = EVENT_START});
}

void host_boot_at(Host *host, unsigned first_server)
{
        unsigned n = host->ensemble->n_servers;

        host_boot(host);
        host->client.server = (first_server + n - 1) % n;
}

void host_boot(Host *host)
{
        assert(!host->is_up);
        simulation_trace(host->simulation, "host %u: supervisor starts", host->id);
        host->is_up = true;
        host->is_frozen = false;
        host->is_timer_missed = false;
        host->incarnation++;
        host->armed_usec = USEC_INFINITY;
        host->n_actors = 0;
        update_network(host);
        client_init(&host->client, host, host->simulation, host->ensemble, host->id, host->plan.timeout_usec);
        host->client.patience_usec = host->plan.patience_usec;
        host->spawn(host, host->userdata);
        for (unsigned i = 0; i < host->n_actors; i++)
                on_start(&host->actors[i], NULL, host->incarnation);
        client_start(&host->client);
        arm(host);
}

Actor *host_add_actor(Host *host, const ActorType *type, void *machine)
{
        Actor *actor = &host->actors[host->n_actors];

        assert(host->n_actors < HOST_ACTORS);
        memset(actor, 0, sizeof(*actor));
        actor->type = type;
        actor->machine = machine;
        actor->host = host;
        actor->index = host->n_actors++;
        actor->child = simulation_allocate(host->simulation, sizeof(*actor->child));
        actor->child->host = host;
        actor->child->actor = actor;
        return actor;
}

void host_freeze(Host *host, bool frozen)
{
        if (!host->is_up || host->is_frozen == frozen)
                return;
        simulation_trace(host->simulation, "host %u: supervisor %s", host->id, frozen ? "frozen" : "thawed");
        host->is_frozen = frozen;
        update_network(host);
        catch_up(host);
}

static void each_child(Host *host, void (*fn)(Child *))
{
        for (unsigned i = 0; i < HOST_CHILDREN; i++)
                if (host->children[i])
                        fn(host->children[i]);
}

void host_suspend(Host *host, bool suspended)
{
        if (host->is_suspended == suspended)
                return;
        simulation_trace(host->simulation, "host %u: machine %s", host->id, suspended ? "suspended" : "resumes");
        if (suspended) {
                host->suspended_at_usec = boottime(host);
                host->is_suspended = true;
                each_child(host, child_suspend);
        } else {
                host->suspended_usec += boottime(host) - host->suspended_at_usec;
                host->is_suspended = false;
                each_child(host, child_resume);
        }
        update_network(host);
        catch_up(host);
}

void host_deinit(Host *host)
{
        for (unsigned i = 0; i < host->n_actors; i++)
                if (host->actors[i].type->deinit)
                        host->actors[i].type->deinit(host->actors[i].machine);
        host->n_actors = 0;
}

static void end_supervisor(Host *host, bool says_so)
{
        if (!host->is_up)
                return;
        client_drop(&host->client, says_so);
        host->is_up = false;
        host->timer_generation++;
        host_deinit(host);
}

static void abandon(Child *child)
{
        child->actor = NULL;
        child_stop(child);
}

void host_kill_supervisor(Host *host)
{
        if (!host->is_up || host->is_suspended)
                return;
        simulation_trace(host->simulation, "host %u: supervisor killed", host->id);
        end_supervisor(host, true);
        each_child(host, abandon);
}

void host_crash(Host *host)
{
        simulation_trace(host->simulation, "host %u: crashes", host->id);
        if (host->is_suspended)
                host->suspended_usec += boottime(host) - host->suspended_at_usec;
        host->is_suspended = host->is_frozen = false;
        end_supervisor(host, false);
        each_child(host, child_vanish);
        memset(host->children, 0, sizeof(host->children));
        update_network(host);
}

void host_cut(Host *host, unsigned server, bool to, bool from, bool cut)
{
        if (to)
                network_cut(&host->ensemble->network, network_host(host->id), server, cut);
        if (from)
                network_cut(&host->ensemble->network, server, network_host(host->id), cut);
}

/* ---- the machines ---- */

static Timing timing_of(const Host *host)
{
        Timing timing;
        char problem[256];

        if (timing_init(&timing, host->client.timeout_usec, host->plan.grace_usec, problem, sizeof(problem)) < 0)
                assert(!"a plan whose numbers do not fit");
        return timing;
}

static void remember_child(Host *host, Child *child)
{
        Child **room = NULL;

        for (unsigned i = 0; i < HOST_CHILDREN; i++) {
                if (host->children[i] == child)
                        return;
                if (!room && (!host->children[i] || host->children[i]->state == CHILD_NONE))
                        room = &host->children[i];
        }
        assert(room); /* else too many trees on one host */
        *room = child;
}

static void give_child(Actor *actor, unsigned hold, uint64_t deadline_usec)
{
        Host *host = actor->host;
        Timing timing = timing_of(host);

        /* A guard that still stops its tree keeps it; this hold gets a new guard. */
        if (actor->child->state != CHILD_NONE)
                simulation_violate(host->simulation, "host %u: a grant while the tree of the last one lives", host->id);
        child_start(actor->child, hold, deadline_usec, &timing);
        remember_child(host, actor->child);
}

static void on_held(Actor *actor, const Effect *effect)
{
        Host *host = actor->host;
        unsigned hold = (unsigned)effect->held.number;

        simulation_trace(host->simulation, "host %u: %s holds %u, token %llx, for %.3fs", host->id, actor->type->name,
                hold, (unsigned long long)effect->held.token,
                ((double)effect->held.deadline_usec - (double)host_now(host)) / 1e6);
        actor->is_held = true;
        actor->is_lost = false;
        actor->hold = hold;
        actor->deadline_usec = effect->held.deadline_usec;
        oracle_granted(host->oracle, hold, host->id, effect->held.token);
        give_child(actor, hold, effect->held.deadline_usec);
}

static void on_dead(void *object, void *payload, uint64_t incarnation)
{
        Actor *actor = object;
        Host *host = actor->host;
        uint64_t now = host_now(host);
        const Child *child = actor->child;

        if (!host->is_up || host->incarnation != incarnation || child->state != CHILD_NONE)
                return;
        if (actor->is_lost) {
                actor->is_lost = false;
                host_tell(host, actor, (Event){.kind = EVENT_DEAD});
        } else if (!actor->is_held) {
                return;
        } else if (payload) { /* stopped by the guard: the machine will say LOST, or the lease goes on */
                if (now + child->timing.kill_usec + child->timing.grace_usec < actor->deadline_usec)
                        give_child(actor, actor->hold, actor->deadline_usec);
        } else if (simulation_chance(host->simulation, host->plan.restart_percent)) {
                give_child(actor, actor->hold, actor->deadline_usec);
        } else {
                actor->is_held = false;
                host_tell(host, actor, (Event){.kind = EVENT_RELEASE});
        }
}

void host_retire_child(Host *host, Actor *actor)
{
        child_retire(actor->child);
}

static void send_death(Actor *actor, bool by_guard)
{
        Host *host = actor->host;
        unsigned self = network_host(host->id);

        network_send(&host->ensemble->network, self, self, 0, on_dead, actor, by_guard ? actor : NULL, host->incarnation);
}

void host_on_child_dead(Host *host, Actor *actor, bool by_guard)
{
        send_death(actor, by_guard);
}

static void on_lost(Actor *actor, const char *why)
{
        simulation_trace(actor->host->simulation, "host %u: %s lost (%s)", actor->host->id, actor->type->name, why);
        actor->is_held = false;
        actor->is_lost = true;
        if (actor->child->state == CHILD_NONE)
                send_death(actor, true);
        else
                child_stop(actor->child);
}

static void on_released(Actor *actor)
{
        Host *host = actor->host;

        simulation_trace(host->simulation, "host %u: %s released", host->id, actor->type->name);
        actor->is_held = false;
        simulation_after(host->simulation, simulation_below(host->simulation, host->plan.pause_max_usec + 1), on_start,
                actor, NULL, host->incarnation);
}

static void perform(Actor *actor, const Effect *effect)
{
        Host *host = actor->host;

        switch (effect->kind) {
        case EFFECT_REQUEST:
                client_ask(&host->client, actor->index, &effect->request);
                break;
        case EFFECT_HELD:
                on_held(actor, effect);
                break;
        case EFFECT_EXTENDED:
                actor->deadline_usec = effect->held.deadline_usec;
                child_extend(actor->child, effect->held.deadline_usec);
                break;
        case EFFECT_LOST:
                on_lost(actor, effect->lost.text);
                break;
        case EFFECT_RELEASED:
                on_released(actor);
                break;
        case EFFECT_FAILED:
                simulation_violate(host->simulation, "host %u: %s failed: %s", host->id, actor->type->name,
                        effect->failed.text);
                break;
        case EFFECT_WAITING:
        case EFFECT_TRACE:
                simulation_trace(host->simulation, "host %u: %s: %s", host->id, actor->type->name, effect->trace.text);
                break;
        }
}

void host_tell(Host *host, Actor *actor, Event event)
{
        Effects effects;

        effects.n = 0;
        event.now_usec = host_now(host);
        actor->type->step(actor->machine, &event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                perform(actor, &effects.items[i]);
        arm(host);
}

void host_on_session(Host *host, enum SessionChange change, int64_t session, uint64_t timeout_usec)
{
        for (unsigned i = 0; i < host->n_actors; i++)
                host_tell(host, &host->actors[i], (Event){.kind = EVENT_SESSION,
                        .session = {.change = change, .id = session, .timeout_usec = timeout_usec}});
        arm(host);
}

void host_on_reply(Host *host, unsigned actor, const Reply *reply)
{
        host_tell(host, &host->actors[actor], (Event){.kind = EVENT_REPLY, .reply = *reply});
}

void host_on_watch(Host *host, unsigned actor, uint32_t tag, enum WatchKind kind, const char *path)
{
        host_tell(host, &host->actors[actor], (Event){.kind = EVENT_WATCH,
                .watch = {.tag = tag, .kind = kind, .path = path}});
}

void host_on_pong(Host *host, uint64_t sent_usec)
{
        for (unsigned i = 0; i < host->n_actors; i++)
                if (host->actors[i].type->wants_pongs)
                        host_tell(host, &host->actors[i], (Event){.kind = EVENT_REPLY,
                                .reply = {.tag = UINT32_MAX, .outcome = OUTCOME_OK, .sent_usec = sent_usec}});
        arm(host);
}
