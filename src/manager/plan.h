/* From the settings of a unit to what the manager makes of them: its gates in their fixed order, its policy, what
 * goes with a leadership. The strings are those of the settings, which must stay as long as the unit. */
#pragma once

#include "config/config.h"
#include "manager/cron-gate.h"
#include "manager/lead.h"
#include "util/random.h"

typedef struct PlanContext {
        const char *root;
        const char *socket; /* of the control interface, for ZKSUP_SOCKET; NULL: none */
        const sigset_t *blocked, *ignored; /* as zksup was started */
} PlanContext;

typedef struct Plan {
        UnitConfig unit;
        GateConfig gates[GATE_CHAIN_MAX]; /* read when the unit is made */
        size_t n_gates;
        CronGateConfig cron;
        Zone *zone;
        LeadConfig lead;
        char id[RANDOM_ID_MAX];
        char *service[2]; /* stands for the command of a unit that drives a systemd service */
        char *socket; /* "ZKSUP_SOCKET=..." */
        char *env[2];
} Plan;

/* Fills in PLAN, which must stay where it is while the unit lives. Returns 0, or a negative errno with a sentence in
 * PROBLEM. */
int plan_init(Plan *plan, const PlanContext *context, const ConfigUnit *settings, char *problem, size_t problem_size);
void plan_deinit(Plan *plan);
