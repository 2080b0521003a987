/* The requests of the cron machine, one at a time, and the one setter of its phase. What to ask is decided in
 * cron-next.c; here is how. Internal to the cron machine. */
#pragma once

#include "recipe/cron.h"

void cron_ask_enter(Cron *c, enum CronPhase phase, Effects *effects, const char *cause);
/* Sync if it must be, then the book. */
void cron_ask_read(Cron *c, Effects *effects);
void cron_ask_begin_parents(Cron *c, Effects *effects);
void cron_ask_parents(Cron *c, Effects *effects);
/* These write c->draft. */
void cron_ask_make(Cron *c, Effects *effects);
void cron_ask_note(Cron *c, Effects *effects);
void cron_ask_reap(Cron *c, Effects *effects);
/* With c->run_id and c->tick. Returns 0 or -ENAMETOOLONG. */
int cron_ask_claim(Cron *c, Effects *effects);
/* Writes the draft unless that is done, and deletes what is not known to be gone. */
void cron_ask_end(Cron *c, Effects *effects);

void cron_ask_look(Cron *c, Effects *effects);
void cron_ask_record(Cron *c, Effects *effects);
void cron_ask_grant(Cron *c, Effects *effects);
void cron_ask_drop(Cron *c, Effects *effects);
