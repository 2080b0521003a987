#include "manager/gate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "manager/cron-gate.h"

/* --- what it last told -------------------------------------------------------------------------- */

static int view_init(GateView *view, const GateConfig *config)
{
        const char *name = NULL;

        switch (config->kind) {
        case GATE_SEQUENCE:
                view->kind = "number";
                name = config->sequence.pool;
                break;
        case GATE_LOCK:
                view->kind = config->lock.mode == LOCK_SHARED ? "shared lock" : "lock";
                name = config->lock.name;
                break;
        case GATE_ELECTION:
                view->kind = "leadership";
                name = config->election.name;
                break;
        case GATE_SEMAPHORE:
                view->kind = "slot";
                name = config->semaphore.name;
                break;
        case GATE_CRON:
                view->kind = "schedule";
                name = config->cron->cron.name;
                break;
        case GATE_CHAIN:
                view->kind = "gates";
                name = "";
                break;
        }
        view->name = strdup(name);
        return view->name ? 0 : -ENOMEM;
}

/* Without memory there is nothing to say, which does no harm. */
static void view_set(GateView *view, enum GateState state, const char *text, int64_t token)
{
        view->state = state;
        view->token = token;
        if (text && view->text && strcmp(text, view->text) == 0)
                return;
        free(view->text);
        view->text = text ? strdup(text) : NULL;
}

void gate_tell(Gate *gate, GateEvent event)
{
        GateView *view = &gate->view;

        switch (event.kind) {
        case GATE_WAITING:
                view_set(view, GATE_STATE_WAITING, event.text, 0);
                break;
        case GATE_OPENED:
                view_set(view, GATE_STATE_OPEN, event.text, event.token);
                break;
        case GATE_LOST:
                view_set(view, GATE_STATE_LOST, event.text, 0);
                break;
        case GATE_CLOSED:
                view_set(view, GATE_STATE_CLOSED, NULL, 0);
                break;
        case GATE_FAILED:
                view_set(view, GATE_STATE_CLOSED, event.text, 0);
                break;
        case GATE_IN_PLACE:
        case GATE_EXTENDED:
        case GATE_YIELD:
                break;
        }
        gate->handler(gate->userdata, &event);
}

bool gate_save(const Gate *gate, SavedWriter *w)
{
        saved_put(w, "kind", gate->view.kind);
        saved_put(w, "state", gate_state_to_string(gate->view.state));
        saved_put(w, "text", gate->view.text);
        saved_put_signed(w, "token", gate->view.token);
        return gate->type->save(gate, w);
}

static const char *state_name(int state)
{
        return gate_state_to_string((enum GateState)state);
}

int gate_restore(Gate *gate, Saved *saved)
{
        const char *kind = saved_get(saved, "kind");
        int state = saved_get_name(saved, "state", state_name, GATE_STATE_LOST + 1, GATE_STATE_CLOSED);

        if (!kind || strcmp(kind, gate->view.kind) != 0)
                return -EBADMSG;
        view_set(&gate->view, (enum GateState)state, saved_get(saved, "text"), saved_get_signed(saved, "token", 0));
        return gate->type->restore(gate, saved);
}

size_t gate_views(const Gate *gate, const GateView *views[static GATE_CHAIN_MAX])
{
        size_t n = 0;

        if (!gate->type->item) {
                views[0] = &gate->view;
                return 1;
        }
        for (const Gate *item; n < GATE_CHAIN_MAX && (item = gate->type->item(gate, n)); n++)
                views[n] = &item->view;
        return n;
}

const char *gate_state_to_string(enum GateState state)
{
        switch (state) {
        case GATE_STATE_CLOSED:
                return "closed";
        case GATE_STATE_WAITING:
                return "waiting";
        case GATE_STATE_OPEN:
                return "open";
        case GATE_STATE_LOST:
                return "lost";
        }
        return "?";
}

/* --- the table ---------------------------------------------------------------------------------- */

int gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config,
        GateHandler handler, void *userdata)
{
        int r = -EINVAL;

        switch (config->kind) {
        case GATE_SEQUENCE:
                r = sequence_gate_new(out, event, client, heart, &config->sequence);
                break;
        case GATE_LOCK:
        case GATE_ELECTION:
        case GATE_SEMAPHORE:
                r = recipe_gate_new(out, event, client, heart, config);
                break;
        case GATE_CRON:
                r = cron_gate_new(out, event, client, heart, config->cron);
                break;
        case GATE_CHAIN:
                r = chain_gate_new(out, event, client, heart, config);
                break;
        }
        if (r < 0)
                return r;
        (*out)->handler = handler;
        (*out)->userdata = userdata;
        r = view_init(&(*out)->view, config);
        if (r < 0)
                *out = gate_free(*out);
        return r;
}

Gate *gate_free(Gate *gate)
{
        GateView view;

        if (!gate)
                return NULL;
        view = gate->view;
        gate->type->free(gate);
        free(view.name);
        free(view.text);
        return NULL;
}

void gate_set_timing(Gate *gate, const Timing *timing)
{
        gate->type->set_timing(gate, timing);
}

void gate_on_session(Gate *gate, const Event *event)
{
        gate->type->on_session(gate, event);
}

void gate_open(Gate *gate)
{
        if (gate->view.state != GATE_STATE_OPEN)
                view_set(&gate->view, GATE_STATE_WAITING, NULL, 0);
        gate->type->open(gate);
}

void gate_close(Gate *gate)
{
        gate->type->close(gate);
}

void gate_lose(Gate *gate, const char *reason)
{
        if (gate->view.state == GATE_STATE_OPEN)
                view_set(&gate->view, GATE_STATE_LOST, reason, 0);
        gate->type->lose(gate, reason);
}

void gate_abandon(Gate *gate, const char *reason)
{
        if (gate->view.state == GATE_STATE_OPEN)
                view_set(&gate->view, GATE_STATE_LOST, reason, 0);
        if (gate->type->abandon)
                gate->type->abandon(gate, reason);
        else
                gate->type->lose(gate, reason);
}

void gate_wedge(Gate *gate)
{
        gate->type->wedge(gate);
}

void gate_env(const Gate *gate, GateEnv *env)
{
        env->n = 0;
        gate->type->env(gate, env);
}

void gate_ended(Gate *gate, int status)
{
        if (gate->type->ended)
                gate->type->ended(gate, status);
}

const char *gate_noun(const Gate *gate)
{
        const char *noun = gate->type->noun;

        for (size_t i = 0; gate->type->item; i++) {
                const Gate *item = gate->type->item(gate, i);

                if (!item)
                        break;
                noun = item->type->noun;
                if (item->view.state != GATE_STATE_OPEN)
                        break;
        }
        return noun;
}

void gate_env_add(GateEnv *env, const char *name, const char *fmt, ...)
{
        char *item = env->items[env->n];
        va_list ap;
        int n;

        if (env->n == GATE_ENV_MAX)
                return;
        n = snprintf(item, GATE_ENV_SIZE, "%s=", name);
        va_start(ap, fmt);
        vsnprintf(item + n, GATE_ENV_SIZE - (size_t)n, fmt, ap);
        va_end(ap);
        env->n++;
}
