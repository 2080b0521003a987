/* The decisions of the unit machine that more than one event leads to, and the one setter of its state.
 * Internal to unit-machine.c, which holds the table of states and events. */
#pragma once

#include "unit/unit-machine.h"

/* What one step works on. */
typedef struct UnitStep {
        UnitMachine *m;
        const UnitEvent *event;
        UnitEffects *effects;
} UnitStep;

/* Appends an effect; the caller fills it in. */
UnitEffect *unit_step_push(UnitStep *s, enum UnitEffectType type);
/* The only writer of the state: asserts that the step is legal, traces it, and drops what the new
 * state may not hold, the timer included. */
void unit_step_set_state(UnitStep *s, enum UnitState state);
/* From now on; infinity: never. */
void unit_step_set_timer(UnitStep *s, uint64_t usec);

bool unit_step_is_rest(enum UnitState state);
/* STARTING, RUNNING or READY: a main process that was not told to stop. */
bool unit_step_is_running(enum UnitState state);

/* UP from rest: everything earlier is forgotten. */
void unit_step_begin(UnitStep *s);
/* Takes the next thing that a start lacks, or starts. Without delay; want must be UP. */
void unit_step_proceed(UnitStep *s);
void unit_step_open_gate(UnitStep *s);
/* STARTED was heard and nothing is awaited any more. */
void unit_step_set_ready(UnitStep *s);
void unit_step_arm_ready_timeout(UnitStep *s);

void unit_step_stop(UnitStep *s, enum UnitReason reason);
void unit_step_kill(UnitStep *s);
/* The tree is going down by itself or by its guard; only the net under that is set. */
void unit_step_await_tree(UnitStep *s, enum UnitReason reason);

/* TREE_EMPTY: gives back what is to be given back and decides what comes next. */
void unit_step_end_run(UnitStep *s);
/* Something failed while nothing ran: tries again after the backoff, or rests, as the policy says. */
void unit_step_retry(UnitStep *s, enum UnitReason reason);
/* Gives back what is held or asked for, then rests in STATE. No tree may be there. */
void unit_step_go_to_rest(UnitStep *s, enum UnitState state, enum UnitReason reason, int status);
/* Gives back what is held, to ask for it anew, not before that time. No tree may be there. */
void unit_step_ask_anew(UnitStep *s, uint64_t not_before_usec);
/* HOLDING is over: what was to come after it. */
void unit_step_end_holding(UnitStep *s);
/* RELEASING is over. ANSWERED: by GATE_CLOSED, which else is still owed. */
void unit_step_end_release(UnitStep *s, bool answered);
/* The exit status when DOWN comes while nothing runs. */
int unit_step_waiting_status(const UnitMachine *m);
