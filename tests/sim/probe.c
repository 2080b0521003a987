#include "sim/probe.h"

#include <assert.h>
#include "sim/ensemble.h"

static void on_reply(Probe *p, const Reply *reply)
{
        if (reply->tag == UINT32_MAX) {
                p->n_pongs++;
                return;
        }
        p->reply = *reply;
        p->reply_usec = p->host->simulation->now_usec;
        p->n_replies++;
}

static void on_session(Probe *p, const Event *event)
{
        p->attached = event->session.change == SESSION_ATTACHED;
        p->expired |= event->session.change == SESSION_EXPIRED;
        if (p->attached)
                p->session = event->session.id;
}

static void probe_step(void *machine, const Event *event, Effects *effects)
{
        Probe *p = machine;

        switch (event->kind) {
        case EVENT_REPLY:
                on_reply(p, &event->reply);
                break;
        case EVENT_WATCH:
                p->n_watches++;
                p->watch = event->watch.kind;
                p->watch_path = event->watch.path;
                break;
        case EVENT_SESSION:
                on_session(p, event);
                break;
        case EVENT_START:
        case EVENT_TIME:
        case EVENT_DEAD:
        case EVENT_RELEASE:
                break;
        }
}

static uint64_t probe_deadline(const void *machine)
{
        return USEC_INFINITY;
}

static const ActorType probe_type = {
        .name = "probe", .step = probe_step, .deadline = probe_deadline, .wants_pongs = true};

static void spawn(Host *host, void *userdata)
{
        host_add_actor(host, &probe_type, userdata);
}

void probe_attach(Probe *p, unsigned server)
{
        Host *host = p->host;

        for (unsigned i = 0; i < host->ensemble->n_servers; i++)
                host_cut(host, i, true, true, i != server);
        if (host->client.server != server)
                client_cut(&host->client);
        for (unsigned i = 0; i < 10000 && (!p->attached || host->client.server != server); i++)
                simulation_run(host->simulation, host->simulation->now_usec + 10000);
        assert(p->attached && host->client.server == server);
        for (unsigned i = 0; i < host->ensemble->n_servers; i++)
                host_cut(host, i, true, true, false);
}

Probe *probe_new(Host *host, unsigned server)
{
        Probe *p = simulation_allocate(host->simulation, sizeof(*p));

        p->host = host;
        host->spawn = spawn;
        host->userdata = p;
        host_boot_at(host, server);
        probe_attach(p, server);
        return p;
}

void probe_send(Probe *p, const Request *request)
{
        client_ask(&p->host->client, 0, request);
}

enum Outcome probe_ask(Probe *p, const Request *request)
{
        Simulation *s = p->host->simulation;
        uint64_t limit = s->now_usec + p->host->plan.timeout_usec;
        unsigned n = p->n_replies;

        probe_send(p, request);
        while (p->n_replies == n && s->now_usec < limit)
                simulation_run(s, s->now_usec + 100);
        return p->n_replies == n ? OUTCOME_UNKNOWN : p->reply.outcome;
}

enum Outcome probe_create(Probe *p, const char *path, enum CreateMode mode)
{
        return probe_ask(p, &(Request){.kind = REQUEST_CREATE, .path = path, .mode = mode});
}

enum Outcome probe_exists(Probe *p, const char *path, bool watch)
{
        return probe_ask(p, &(Request){.kind = REQUEST_EXISTS, .path = path, .watch = watch});
}
