/* What the cron machine does next, once it knows what it knows: plan, claim, note, end, wait; and what it tells.
 * Internal to the cron machine. */
#pragma once

#include "recipe/cron.h"

/* A tick that is nearer, or a run that began later, is not worth a line. */
#define ANNOUNCE_SECONDS 5

uint64_t cron_next_wall_usec(const Cron *c, uint64_t now_usec);
int64_t cron_next_wall_seconds(const Cron *c, uint64_t now_usec);
/* Whether requests are made in this phase, and replies of interest. */
bool cron_next_is_asking(const Cron *c);

/* From whatever state that waits for nothing: reads the book. Nothing while there is no contact or a reply
 * is awaited: then ATTACHED or the reply comes back here. */
void cron_next(Cron *c, Effects *effects);
/* Something changed nothing, or a reply settles nothing: again, a little later. */
void cron_next_later(Cron *c, uint64_t now_usec);
/* The book was read, or written by us: c->book and c->version are as good as it gets. */
void cron_next_consider(Cron *c, uint64_t now_usec, Effects *effects);
/* The tree is dead: the next step of writing the end and giving back what is held. */
void cron_next_end(Cron *c, uint64_t now_usec, Effects *effects);
/* Nothing of the run is left in the ensemble. */
void cron_next_ended(Cron *c, Effects *effects, const char *cause);

void cron_next_released(Cron *c, Effects *effects, const char *cause);
void cron_next_fail(Cron *c, Effects *effects, enum Outcome outcome, const char *path, const char *what);
/* That the run RUNNING is waited for, or if NULL, TICK. Once for each. */
void cron_next_announce(Cron *c, const CronEntry *running, int64_t tick, Effects *effects);
/* Asks for the run to be stopped, and remembers as what it is to be written into the book. Once. */
void cron_next_yield(Cron *c, enum CronMark mark, const char *text, Effects *effects);
