#include "manager/gate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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
        return 0;
}

Gate *gate_free(Gate *gate)
{
        if (gate)
                gate->type->free(gate);
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
        gate->type->open(gate);
}

void gate_close(Gate *gate)
{
        gate->type->close(gate);
}

void gate_lose(Gate *gate, const char *reason)
{
        gate->type->lose(gate, reason);
}

void gate_abandon(Gate *gate, const char *reason)
{
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
        return gate->type->noun;
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
