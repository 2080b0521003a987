/* The simulated world: true time, a queue of what is going to happen, memory that lives as long as
 * one schedule, chance, and the transcript.
 *
 * A schedule is a pure function of its seed (or of its choices, when schedules are enumerated): no
 * clock, no thread, no address goes into it. So a failing one is run again with the transcript on.
 *
 * Invariants: time never goes back; events of the same time happen in the order in which they were
 * scheduled. Nothing is cancelled: a handler that may be stale compares a generation of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/clock.h"
#include "util/macros.h"
#include "util/random.h"
#include "util/text.h"

/* The choices of an enumerated schedule, in the order in which they were asked for. The first DEPTH
 * of them are enumerated, the others take alternative 0. */
#define CHOICES_MAX 64
typedef struct Choices {
        unsigned depth, n, at;
        uint8_t taken[CHOICES_MAX], width[CHOICES_MAX];
} Choices;

/* Goes to the next combination, depth first. Returns false after the last one. */
bool choices_next(Choices *choices);

/* No schedule needs as many; the longest have a tenth. */
#define SIMULATION_EVENTS_MAX 1000000

typedef void (*SimulationFn)(void *object, void *payload, uint64_t number);

typedef struct SimulationEvent {
        uint64_t at_usec, order;
        SimulationFn fn;
        void *object, *payload;
        uint64_t number;
} SimulationEvent;

typedef struct SimulationChunk SimulationChunk;

typedef struct Simulation {
        uint64_t now_usec; /* true time */
        uint64_t order, n_events;
        SimulationEvent *heap;
        size_t n_heap, heap_room;
        SimulationChunk *chunks, *chunk; /* all, and the one in use */
        size_t chunk_used;
        Random random;
        Choices *choices; /* NULL: by chance */
        bool tracing;
        TextBuffer transcript;
        bool violated;
        bool is_unsafe; /* ... and it is one of safety, not of liveness */
        char violation[256];
} Simulation;

/* A zeroed struct may be reset; the memory of the schedule before is used again. */
void simulation_reset(Simulation *simulation, uint64_t seed);
void simulation_deinit(Simulation *simulation);

/* Memory until the next reset, zeroed; never NULL (a test program may abort). */
void *simulation_allocate(Simulation *simulation, size_t size);
void *simulation_copy(Simulation *simulation, const void *data, size_t size);
char *simulation_copy_string(Simulation *simulation, const char *text);

/* Calls FN(object, payload, number) when AT_USEC (or now, if that has passed) has come. */
void simulation_at(Simulation *simulation, uint64_t at_usec, SimulationFn fn, void *object, void *payload,
        uint64_t number);
void simulation_after(Simulation *simulation, uint64_t delay_usec, SimulationFn fn, void *object,
        void *payload, uint64_t number);
/* Lets the next thing happen. Returns false if there is none, or a promise is broken. */
bool simulation_step(Simulation *simulation);
/* Runs until true time UNTIL_USEC. Returns false once a promise is broken. */
bool simulation_run(Simulation *simulation, uint64_t until_usec);

uint64_t simulation_below(Simulation *simulation, uint64_t bound);
/* Uniform in [low, high]. */
uint64_t simulation_between(Simulation *simulation, uint64_t low, uint64_t high);
bool simulation_chance(Simulation *simulation, unsigned percent);
/* One of 0..width-1: enumerated where choices are, else by chance with 0 as likely as PERCENT. */
unsigned simulation_choose(Simulation *simulation, unsigned width, unsigned percent_first);

/* A line of the transcript, "true time who: what"; costs nothing while it is off. */
void simulation_write(Simulation *simulation, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define simulation_trace(s, ...)                                                                             \
        do {                                                                                                 \
                if ((s)->tracing)                                                                            \
                        simulation_write(s, __VA_ARGS__);                                                    \
        } while (0)
/* A promise of safety or, without _unsafe, of liveness or form. The first promise that is broken; the
 * schedule ends there. */
void simulation_violate(Simulation *simulation, const char *fmt, ...) PRINTF_LIKE(2, 3);
void simulation_violate_safety(Simulation *simulation, const char *fmt, ...) PRINTF_LIKE(2, 3);
