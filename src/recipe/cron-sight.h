/* A run whose host may be dead: its node, its record, its grant, one after the other. When the node is gone
 * and the grant was in sight, unchanged, for W, the run is taken away and called unknown. The wait counts
 * from the moment our read of the grant was ANSWERED: it was written before that. A WEDGED one is left
 * alone. Internal to the cron machine. */
#pragma once

#include "recipe/cron.h"

void cron_sight_forget(Cron *c);
/* The answers to cron_ask_look(), _record(), _grant() and _reap(). */
void cron_sight_looked(Cron *c, const Event *event, Effects *effects);
void cron_sight_record(Cron *c, const Event *event, Effects *effects);
void cron_sight_grant(Cron *c, const Event *event, Effects *effects);
void cron_sight_reaped(Cron *c, const Event *event, Effects *effects);
