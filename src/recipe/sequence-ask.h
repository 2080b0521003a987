/* The requests of the sequence machine, one at a time, and the one setter of its state. What to ask is
 * decided in sequence.c; here is how. Internal to the sequence machine. */
#pragma once

#include "recipe/sequence.h"

/* A name of ours is shorter: prefix, uuid, ten digits. */
#define SEQUENCE_CHILD_MAX 100

enum SequenceCleanStep {
        SEQUENCE_CLEAN_CLAIM, /* grant, record, node in one multi */
        SEQUENCE_CLEAN_LOOK,  /* the grant was gone: is the node there, and ours? */
        SEQUENCE_CLEAN_NODE,
};

/* The only writer of the state: asserts that the step is legal and traces it. */
void sequence_ask_enter(Sequence *s, enum SequenceState state, Effects *effects, const char *cause);
/* A request of KIND about PATH, to be filled in; none may be under way. */
Request *sequence_ask(Sequence *s, Effects *effects, enum RequestKind kind, const char *path);

void sequence_ask_ticket(Sequence *s, Effects *effects, const char *cause);
void sequence_ask_pool(Sequence *s, Effects *effects, const char *cause);
void sequence_ask_claim(Sequence *s, uint64_t number, Effects *effects);
void sequence_ask_clean(Sequence *s, Effects *effects, const char *cause);
/* Begins to make the parents; then, reply by reply, the next ones. */
void sequence_ask_begin_parents(Sequence *s, Effects *effects, const char *cause);
void sequence_ask_parents(Sequence *s, Effects *effects, const char *cause);

/* From whatever state that waits for nothing: the next thing to do. Nothing while there is no contact or
 * a reply is awaited: then ATTACHED or the reply comes back here. */
void sequence_ask_next(Sequence *s, Effects *effects, const char *cause);
/* A try that changed nothing, or a reply that settles nothing: again, a little later. */
void sequence_ask_later(Sequence *s, uint64_t now_usec);
/* Nothing is left to ask for, and nothing of ours is left. */
void sequence_ask_released(Sequence *s, Effects *effects, const char *cause);
void sequence_ask_fail(Sequence *s, Effects *effects, enum Outcome outcome, const char *path);
