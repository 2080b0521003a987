#include "manager/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "manager/identity.h"
#include "util/clock.h"

static uint64_t late_usec(const ConfigUnit *settings)
{
        if (settings->within_usec != UINT64_MAX)
                return settings->within_usec;
        return settings->missed == CONFIG_MISSED_RUN_ONCE ? USEC_INFINITY : CRON_LATE_DEFAULT;
}

static int add_cron(Plan *plan, const PlanContext *c, const ConfigUnit *s, const Record *record, char *problem,
        size_t problem_size)
{
        int r = zone_new(&plan->zone, s->timezone, problem, problem_size);

        if (r < 0)
                return r;
        plan->cron.cron = (CronConfig){.root = c->root,
                .name = s->cron,
                .id = plan->id,
                .rules = {.schedule = &s->schedule,
                        .zone = plan->zone,
                        .overlap = s->overlap,
                        .late_usec = late_usec(s),
                        .jitter_usec = s->jitter_usec,
                        .seed = random_seed_from_kernel()},
                .timeout_usec = s->timeout_usec,
                .text = *record};
        plan->gates[plan->n_gates++] = (GateConfig){.kind = GATE_CRON, .cron = &plan->cron};
        plan->unit.policy.restart = UNIT_RESTART_ALWAYS;
        plan->unit.policy.release_after_run = true;
        plan->unit.policy.reacquire = true;
        return 0;
}

static GateConfig number_of(const PlanContext *c, const ConfigUnit *s, const char *id, const Record *record)
{
        return (GateConfig){.kind = GATE_SEQUENCE,
                .sequence = {.root = c->root,
                        .pool = s->pool,
                        .id = id,
                        .first = s->first,
                        .max = s->max,
                        .prefer = s->prefer,
                        .reuse = s->reuse,
                        .text = *record}};
}

static GateConfig leadership_of(const PlanContext *c, const ConfigUnit *s, const char *id, const Record *record)
{
        return (GateConfig){.kind = GATE_ELECTION,
                .election = {.root = c->root,
                        .name = s->lead,
                        .id = id,
                        .priority = s->priority,
                        .preempt = s->preempt,
                        .text = *record}};
}

static enum LockMode mode_of(enum ConfigLockKind kind)
{
        switch (kind) {
        case CONFIG_LOCK_SHARED:
                return LOCK_SHARED;
        case CONFIG_LOCK_WRITE:
                return LOCK_WRITE;
        case CONFIG_LOCK_EXCLUSIVE:
        case CONFIG_LOCK_SLOTS:
                break;
        }
        return LOCK_EXCLUSIVE;
}

static GateConfig lock_of(const PlanContext *c, const ConfigUnit *s, const char *id, const Record *record)
{
        if (s->lock_kind == CONFIG_LOCK_SLOTS)
                return (GateConfig){.kind = GATE_SEMAPHORE,
                        .semaphore = {.root = c->root, .name = s->lock, .id = id, .slots = s->slots, .text = *record}};
        return (GateConfig){.kind = GATE_LOCK,
                .lock = {.root = c->root, .name = s->lock, .id = id, .mode = mode_of(s->lock_kind), .text = *record}};
}

static int add_gates(Plan *plan, const PlanContext *c, const ConfigUnit *s, char *problem, size_t problem_size)
{
        Record record = identity_record(s->name);
        int r = 0;

        if (s->pool)
                plan->gates[plan->n_gates++] = number_of(c, s, plan->id, &record);
        if (s->cron)
                r = add_cron(plan, c, s, &record, problem, problem_size);
        if (r < 0)
                return r;
        if (s->lead)
                plan->gates[plan->n_gates++] = leadership_of(c, s, plan->id, &record);
        if (s->lock)
                plan->gates[plan->n_gates++] = lock_of(c, s, plan->id, &record);
        if (plan->n_gates == 0)
                plan->unit.gateless = true;
        else if (plan->n_gates == 1)
                plan->unit.gate = plan->gates[0];
        else
                plan->unit.gate = (GateConfig){.kind = GATE_CHAIN, .chain = {plan->gates, plan->n_gates}};
        return 0;
}

static void add_lead(Plan *plan, const ConfigUnit *s)
{
        plan->lead = (LeadConfig){.lock = s->lead,
                .standby = s->standby,
                .on_won = s->on_won,
                .on_lost = s->on_lost,
                .hook_timeout_usec = s->hook_timeout_usec};
        plan->unit.lead = &plan->lead;
}

int plan_init(Plan *plan, const PlanContext *context, const ConfigUnit *settings, char *problem, size_t problem_size)
{
        *plan = (Plan){.unit = {.name = settings->name,
                               .argv = settings->command,
                               .policy = settings->policy,
                               .contain = settings->contain,
                               .blocked = context->blocked,
                               .ignored = context->ignored,
                               .readiness = &settings->readiness,
                               .wait_usec = settings->wait_usec,
                               .child = &settings->child,
                               .out = &settings->out,
                               .err = &settings->err}};
        if (settings->systemd_unit) { /* whose command is known when its guard is started, see service.h */
                plan->service[0] = (char *)settings->systemd_unit;
                plan->unit.argv = plan->service;
                plan->unit.service = settings->systemd_unit;
        }
        plan->unit.policy.await_ready = settings->readiness.kind != READINESS_NONE;
        random_uuid(plan->id);
        if (context->socket) {
                if (asprintf(&plan->socket, "ZKSUP_SOCKET=%s", context->socket) < 0) {
                        plan->socket = NULL;
                        snprintf(problem, problem_size, "out of memory");
                        return -ENOMEM;
                }
                plan->env[0] = plan->socket;
                plan->unit.env = plan->env;
        }
        if (settings->lead)
                add_lead(plan, settings);
        return add_gates(plan, context, settings, problem, problem_size);
}

void plan_deinit(Plan *plan)
{
        zone_free(plan->zone);
        free(plan->socket);
        *plan = (Plan){0};
}
