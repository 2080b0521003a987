/* What the ensemble says to the cron machine. Internal to it. */
#pragma once

#include "recipe/cron.h"

/* EVENT_REPLY. */
void cron_reply_take(Cron *c, const Event *event, Effects *effects);
