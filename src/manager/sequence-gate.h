/* The gate "sequence": waits for a number and keeps it. Carries out what the sequence machine and
 * the janitor decide, and hands the hold to the heart. */
#pragma once

#include "manager/heart.h"
#include "recipe/janitor.h"
#include "recipe/sequence.h"

typedef struct SequenceGate SequenceGate;

enum GateEventKind {
        GATE_WAITING, /* .text */
        GATE_OPENED,  /* .number, .token, .deadline_usec */
        GATE_EXTENDED, /* .deadline_usec */
        GATE_LOST,    /* .text */
        GATE_CLOSED,
        GATE_FAILED,  /* .outcome, .text */
};

typedef struct GateEvent {
        enum GateEventKind kind;
        uint64_t number;
        int64_t token;
        uint64_t deadline_usec;
        enum Outcome outcome;
        const char *text;
} GateEvent;

typedef void (*GateHandler)(void *userdata, const GateEvent *event);

int sequence_gate_new(SequenceGate **out, sd_event *event, Client *client, Heart *heart,
        const SequenceConfig *config, GateHandler handler, void *userdata);
SequenceGate *sequence_gate_free(SequenceGate *gate);
CLEANUP_DEFINE(SequenceGate, sequence_gate_free);

void sequence_gate_set_timing(SequenceGate *gate, const Timing *timing);
void sequence_gate_on_session(SequenceGate *gate, const Event *event);
/* Asks for a number; GATE_OPENED follows, or GATE_FAILED. */
void sequence_gate_open(SequenceGate *gate);
/* The tree under the lost hold is dead: cleans up. The next sequence_gate_open() asks again, also while
 * that is under way; else GATE_CLOSED follows. */
void sequence_gate_dead(SequenceGate *gate);
/* Gives back or stops asking; GATE_CLOSED follows. Only when no tree runs under the hold. */
void sequence_gate_close(SequenceGate *gate);
/* The guard has seen the lease end before we did. */
void sequence_gate_lose(SequenceGate *gate, const char *reason);
