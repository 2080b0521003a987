/* Random schedules, one after another: that a rule survives them, or that breaking it is noticed. Each
 * says "ok" or "not ok" on a line of its own. SIM_EXPLAIN=1 prints the transcript of what catches a mutant,
 * too. */
#pragma once

#include "sim/schedule.h"

typedef struct Trials {
        World world;
        uint64_t first; /* seed */
        unsigned passed, failed;
} Trials;

/* A number from the environment: how many, which. */
uint64_t trial_number(const char *name, uint64_t otherwise);
void trial_note(Trials *trials, bool good);
/* N schedules break no promise. */
void trial_rule(Trials *trials, const char *name, const Subject *subject, uint64_t n);
/* One of N schedules breaks a promise of safety. */
void trial_mutant(Trials *trials, const char *name, const Subject *subject, uint64_t n);
/* Else no failure could be looked at again. */
void trial_function_of_seed(Trials *trials, const Subject *subject);
/* Prints the sum and returns the exit status. */
int trial_end(Trials *trials);
