/* What the machines of a supervisor say, carried out; and what they are told. */
#include "sim/host.h"

#include <assert.h>
#include "sim/ensemble.h"

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

void actor_start(Actor *actor, uint64_t delay_usec)
{
        simulation_after(
                actor->host->simulation, delay_usec, on_start, actor, NULL, actor->host->incarnation);
}

static Timing timing_of(const Host *host)
{
        Timing timing;
        char problem[256];

        if (timing_init(&timing, host->client.timeout_usec, host->plan.grace_usec, problem, sizeof(problem)) <
                0)
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

        if (actor->child->state != CHILD_NONE && !host->releases_early)
                simulation_violate(
                        host->simulation, "host %u: a grant while the tree of the last one lives", host->id);
        if (actor->child->state != CHILD_NONE) {
                actor->child->actor = NULL; /* its guard goes on with it */
                actor->child = child_new(host, actor);
        }
        child_start(actor->child, hold, deadline_usec, &timing);
        remember_child(host, actor->child);
}

static void on_held(Actor *actor, const Effect *effect)
{
        Host *host = actor->host;
        unsigned hold = (unsigned)effect->held.number + actor->hold_base;

        simulation_trace(host->simulation, "host %u: %s holds %u, token %llx, for %.3fs", host->id,
                actor->type->name, hold, (unsigned long long)effect->held.token,
                ((double)effect->held.deadline_usec - (double)host_now(host)) / 1e6);
        actor->is_held = true;
        actor->is_lost = actor->is_yielding = false;
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

        if (!host->is_up || host->incarnation != incarnation ||
                (child->state != CHILD_NONE && !host->releases_early))
                return;
        if (actor->is_lost) {
                actor->is_lost = false;
                host_tell(host, actor, (Event){.kind = EVENT_DEAD});
        } else if (!actor->is_held) {
                return;
        } else if (actor->is_yielding) {
                actor->is_held = actor->is_yielding = false;
                host_tell(host, actor, (Event){.kind = EVENT_RELEASE});
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

        network_send(&host->ensemble->network, self, self, 0, on_dead, actor, by_guard ? actor : NULL,
                host->incarnation);
}

void host_on_child_dead(Host *host, Actor *actor, bool by_guard)
{
        send_death(actor, by_guard);
}

void actor_extend(Actor *actor, uint64_t deadline_usec)
{
        actor->deadline_usec = deadline_usec;
        child_extend(actor->child, deadline_usec);
}

void actor_lose(Actor *actor, const char *why)
{
        simulation_trace(
                actor->host->simulation, "host %u: %s lost (%s)", actor->host->id, actor->type->name, why);
        actor->is_held = actor->is_yielding = false;
        actor->is_lost = true;
        if (actor->child->state == CHILD_NONE || actor->host->releases_early)
                send_death(actor, true);
        child_stop(actor->child);
}

static void on_yield(Actor *actor, const char *why)
{
        simulation_trace(
                actor->host->simulation, "host %u: %s yields (%s)", actor->host->id, actor->type->name, why);
        if (!actor->is_held || actor->is_yielding)
                return;
        actor->is_yielding = true;
        if (actor->child->state == CHILD_NONE || actor->host->releases_early)
                send_death(actor, true);
        child_stop(actor->child);
}

static void on_released(Actor *actor)
{
        Host *host = actor->host;

        simulation_trace(host->simulation, "host %u: %s released", host->id, actor->type->name);
        actor->is_held = false;
        actor_start(actor, simulation_below(host->simulation, host->plan.pause_max_usec + 1));
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
                actor_extend(actor, effect->held.deadline_usec);
                break;
        case EFFECT_LOST:
                actor_lose(actor, effect->lost.text);
                break;
        case EFFECT_RELEASED:
                on_released(actor);
                break;
        case EFFECT_FAILED:
                simulation_violate(host->simulation, "host %u: %s failed: %s", host->id, actor->type->name,
                        effect->failed.text);
                break;
        case EFFECT_YIELD:
                on_yield(actor, effect->yield.text);
                break;
        case EFFECT_WAITING:
        case EFFECT_TRACE:
                simulation_trace(
                        host->simulation, "host %u: %s: %s", host->id, actor->type->name, effect->trace.text);
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
        host_arm(host);
}

void host_on_session(Host *host, enum SessionChange change, int64_t session, uint64_t timeout_usec)
{
        for (unsigned i = 0; i < host->n_actors; i++)
                host_tell(host, &host->actors[i],
                        (Event){.kind = EVENT_SESSION,
                                .session = {.change = change, .id = session, .timeout_usec = timeout_usec}});
        host_arm(host);
}

void host_on_reply(Host *host, unsigned actor, const Reply *reply)
{
        host_tell(host, &host->actors[actor], (Event){.kind = EVENT_REPLY, .reply = *reply});
}

void host_on_watch(Host *host, unsigned actor, uint32_t tag, enum WatchKind kind, const char *path)
{
        host_tell(host, &host->actors[actor],
                (Event){.kind = EVENT_WATCH, .watch = {.tag = tag, .kind = kind, .path = path}});
}

void host_on_pong(Host *host, uint64_t sent_usec)
{
        for (unsigned i = 0; i < host->n_actors; i++)
                if (host->actors[i].type->wants_pongs)
                        host_tell(host, &host->actors[i],
                                (Event){.kind = EVENT_REPLY,
                                        .reply = {.tag = UINT32_MAX,
                                                .outcome = OUTCOME_OK,
                                                .sent_usec = sent_usec}});
        host_arm(host);
}
