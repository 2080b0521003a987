/* What the gate of a job is made of; see recipe/cron.h. */
#pragma once

#include "recipe/cron.h"

typedef struct CronGateConfig {
        CronConfig cron; /* read by gate_new(); schedule and zone must stay */
} CronGateConfig;
