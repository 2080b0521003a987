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

void host_arm(Host *host)
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
                        simulation_violate(host->simulation,
                                "host %u: %s asks for a time that has passed, again", host->id,
                                actor->type->name);
        }
        host_arm(host);
}

/* After a freeze or a suspend the timer may come before or after what the socket holds. */
static void catch_up(Host *host)
{
        if (host->is_frozen || host->is_suspended || !host->is_timer_missed)
                return;
        host->is_timer_missed = false;
        host->armed_usec = host->simulation->now_usec;
        simulation_after(host->simulation, simulation_chance(host->simulation, 50) ? 0 : 5000, on_timer, host,
                NULL, ++host->timer_generation);
}

static void update_network(Host *host)
{
        network_freeze(
                &host->ensemble->network, network_host(host->id), host->is_frozen || host->is_suspended);
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
                actor_start(&host->actors[i], 0);
        client_start(&host->client);
        host_arm(host);
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
        actor->child = child_new(host, actor);
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
        simulation_trace(
                host->simulation, "host %u: machine %s", host->id, suspended ? "suspended" : "resumes");
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

/* ---- another program in its place ---- */

static bool save_actors(const Host *host, SavedWriter *w)
{
        for (unsigned i = 0; i < host->n_actors; i++) {
                const Actor *actor = &host->actors[i];
                bool saved;

                if (!actor->type->save || actor->is_lost || actor->is_yielding)
                        return false;
                saved_enter(w, "actor", i);
                saved = actor->type->save(actor->machine, w);
                saved_leave(w);
                if (!saved)
                        return false;
        }
        return !saved_writer_failed(w);
}

static void restore_actors(Host *host, Saved *saved)
{
        for (unsigned i = 0; i < host->n_actors; i++) {
                saved_go_in(saved, "actor", i);
                host->actors[i].type->restore(host->actors[i].machine, saved);
                saved_go_out(saved);
        }
}

bool host_reexec(Host *host)
{
        SavedWriter w = {0};
        Saved saved;
        bool quiet = host->is_up && !host->is_frozen && !host->is_suspended &&
                host->client.state == CLIENT_CONNECTED && !host->client.pending && save_actors(host, &w);

        if (quiet && saved_parse(&saved, w.text.data ? w.text.data : "", w.text.len) == 0) {
                simulation_trace(host->simulation, "host %u: another program takes over\n%s", host->id,
                        w.text.data ? w.text.data : "");
                client_reexec(&host->client);
                restore_actors(host, &saved);
                saved_deinit(&saved);
                host_arm(host);
        }
        saved_writer_deinit(&w);
        return quiet;
}
