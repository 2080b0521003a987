/* What the TCP listener answers: four paths for probes, monitors and sidecars, nothing that changes anything. */
#include "api/router-private.h"

#include <inttypes.h>
#include <string.h>
#include "api/metrics.h"

static void get_health(Router *r)
{
        if (router_is_get(r) && router_parameters_are(r, NULL))
                text_buffer_puts(&r->reply->body, "ok\n");
}

static bool waits_for_schedule(const SnapshotUnit *unit)
{
        for (size_t i = 0; i < unit->n_gates; i++)
                if (strcmp(unit->gates[i].kind, "schedule") == 0)
                        return true;
        return false;
}

/* Whether UNIT is as it is wanted. What is not wanted, what has done its work, and a job between two ticks is. */
static bool is_ready(const SnapshotUnit *unit)
{
        return strcmp(unit->want, "up") != 0 || unit->ready || strcmp(unit->state, "finished") == 0 ||
               (strcmp(unit->state, "gate") == 0 && waits_for_schedule(unit));
}

static void text_problem(Router *r, unsigned status, const char *text)
{
        r->reply->status = status;
        text_buffer_printf(&r->reply->body, "%s\n", text);
}

static void get_ready(Router *r)
{
        const char *name;
        const Snapshot *s;
        bool ready;

        if (!router_is_get(r) || !router_parameters_are(r, "unit"))
                return;
        name = router_parameter(r, "unit");
        s = r->ops->snapshot(r->userdata);
        if (name && !router_find_unit(s, name)) {
                text_problem(r, 404, "there is no such unit");
                return;
        }
        ready = strcmp(s->session.state, "attached") == 0;
        if (!ready)
                text_buffer_printf(&r->reply->body, "session: %s\n", s->session.state);
        for (size_t i = 0; i < s->n_units; i++) {
                const SnapshotUnit *unit = &s->units[i];

                if ((name && strcmp(unit->name, name) != 0) || is_ready(unit))
                        continue;
                ready = false;
                text_buffer_printf(&r->reply->body, "unit %s: %s\n", unit->name, unit->state);
        }
        if (ready)
                text_buffer_puts(&r->reply->body, "ok\n");
        else
                r->reply->status = 503;
}

static const SnapshotUnit *find_only_sequence(const Snapshot *s, size_t *n)
{
        const SnapshotUnit *found = NULL;

        *n = 0;
        for (size_t i = 0; i < s->n_units; i++)
                for (size_t g = 0; g < s->units[i].n_gates; g++)
                        if (strcmp(s->units[i].gates[g].kind, "number") == 0) {
                                found = &s->units[i];
                                ++*n;
                                break;
                        }
        return found;
}

static void get_sequence(Router *r)
{
        const SnapshotUnit *unit;
        const Snapshot *s;
        const char *name;
        size_t n;

        if (!router_is_get(r) || !router_parameters_are(r, "unit"))
                return;
        name = router_parameter(r, "unit");
        s = r->ops->snapshot(r->userdata);
        unit = name ? router_find_unit(s, name) : find_only_sequence(s, &n);
        if (name && !unit)
                text_problem(r, 404, "there is no such unit");
        else if (!unit)
                text_problem(r, 404, "no unit here has a number");
        else if (!name && n > 1)
                text_problem(r, 400, "several units have numbers: add ?unit=NAME");
        else if (!unit->has_sequence)
                text_problem(r, 503, "no number is held now");
        else
                text_buffer_printf(&r->reply->body, "%" PRIu64 "\n", unit->sequence);
}

static void get_metrics(Router *r)
{
        bool openmetrics = metrics_wants_openmetrics(r->request->accept);
        MetricsProcess process;

        if (!router_is_get(r) || !router_parameters_are(r, NULL))
                return;
        metrics_process_read(&process);
        r->reply->type = openmetrics ? METRICS_OPENMETRICS : METRICS_TEXT;
        metrics_render(&r->reply->body, r->ops->snapshot(r->userdata), &process, openmetrics);
}

void router_public(const ApiOps *ops, void *userdata, const RouterRequest *request, RouterReply *reply)
{
        const char *what;
        Router r;

        if (!router_begin(&r, ops, userdata, request, reply))
                return;
        what = r.target.n_parts == 1 ? r.target.parts[0] : "";
        reply->type = ROUTER_TEXT;
        if (strcmp(what, "healthz") == 0)
                get_health(&r);
        else if (strcmp(what, "readyz") == 0)
                get_ready(&r);
        else if (strcmp(what, "sequence") == 0)
                get_sequence(&r);
        else if (strcmp(what, "metrics") == 0)
                get_metrics(&r);
        else
                router_no_such_path(&r);
        router_end(&r);
}
