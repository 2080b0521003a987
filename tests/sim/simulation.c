#include "sim/simulation.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_SIZE (256 * 1024)

struct SimulationChunk {
        SimulationChunk *next;
        size_t size;
        max_align_t data[];
};

static void *must(void *p)
{
        if (!p)
                abort();
        return p;
}

bool choices_next(Choices *choices)
{
        choices->at = 0;
        while (choices->n > 0) {
                unsigned last = choices->n - 1;

                if (choices->taken[last] + 1 < choices->width[last]) {
                        choices->taken[last]++;
                        return true;
                }
                choices->n--;
        }
        return false;
}

void simulation_reset(Simulation *s, uint64_t seed)
{
        s->now_usec = 100 * USEC_PER_SEC; /* so that there is a before */
        s->order = s->n_events = 0;
        s->n_heap = 0;
        s->chunk = s->chunks;
        s->chunk_used = 0;
        s->violated = s->is_unsafe = false;
        s->violation[0] = '\0';
        s->transcript.len = 0;
        random_init(&s->random, seed);
        if (s->choices)
                s->choices->at = 0;
}

void simulation_deinit(Simulation *s)
{
        while (s->chunks) {
                SimulationChunk *next = s->chunks->next;

                free(s->chunks);
                s->chunks = next;
        }
        free(s->heap);
        text_buffer_deinit(&s->transcript);
        *s = (Simulation){0};
}

static SimulationChunk *chunk_append(SimulationChunk **end, size_t size)
{
        SimulationChunk *chunk = must(malloc(sizeof(*chunk) + size));

        chunk->next = NULL;
        chunk->size = size;
        *end = chunk;
        return chunk;
}

static void next_chunk(Simulation *s, size_t size)
{
        SimulationChunk **at = s->chunk ? &s->chunk->next : &s->chunks;

        while (*at && (*at)->size < size)
                at = &(*at)->next;
        s->chunk = *at ? *at : chunk_append(at, MAX(size, (size_t)CHUNK_SIZE));
        s->chunk_used = 0;
}

static void *take(Simulation *s, size_t size)
{
        void *p;

        size = (size + 15) & ~(size_t)15;
        if (!s->chunk || s->chunk_used + size > s->chunk->size)
                next_chunk(s, size);
        p = (char *)s->chunk->data + s->chunk_used;
        s->chunk_used += size;
        return p;
}

void *simulation_allocate(Simulation *s, size_t size)
{
        return memset(take(s, size), 0, size);
}

void *simulation_copy(Simulation *s, const void *data, size_t size)
{
        void *copy;

        if (!data)
                return NULL;
        copy = take(s, size + 1);
        memcpy(copy, data, size);
        ((char *)copy)[size] = '\0';
        return copy;
}

char *simulation_copy_string(Simulation *s, const char *text)
{
        return simulation_copy(s, text, text ? strlen(text) : 0);
}

static bool is_before(const SimulationEvent *a, const SimulationEvent *b)
{
        return a->at_usec != b->at_usec ? a->at_usec < b->at_usec : a->order < b->order;
}

static void sift_up(SimulationEvent *heap, size_t i)
{
        SimulationEvent event = heap[i];

        for (; i > 0 && is_before(&event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
                heap[i] = heap[(i - 1) / 2];
        heap[i] = event;
}

static void sift_down(SimulationEvent *heap, size_t n, size_t i)
{
        SimulationEvent event = heap[i];
        size_t child;

        for (; (child = 2 * i + 1) < n; i = child) {
                if (child + 1 < n && is_before(&heap[child + 1], &heap[child]))
                        child++;
                if (!is_before(&heap[child], &event))
                        break;
                heap[i] = heap[child];
        }
        heap[i] = event;
}

void simulation_at(
        Simulation *s, uint64_t at_usec, SimulationFn fn, void *object, void *payload, uint64_t number)
{
        if (at_usec == USEC_INFINITY)
                return;
        if (s->n_heap == s->heap_room) {
                s->heap_room = s->heap_room ? 2 * s->heap_room : 256;
                s->heap = must(realloc(s->heap, s->heap_room * sizeof(*s->heap)));
        }
        s->heap[s->n_heap] = (SimulationEvent){.at_usec = MAX(at_usec, s->now_usec),
                .order = s->order++,
                .fn = fn,
                .object = object,
                .payload = payload,
                .number = number};
        sift_up(s->heap, s->n_heap++);
}

void simulation_after(
        Simulation *s, uint64_t delay_usec, SimulationFn fn, void *object, void *payload, uint64_t number)
{
        simulation_at(s, usec_add(s->now_usec, delay_usec), fn, object, payload, number);
}

bool simulation_step(Simulation *s)
{
        SimulationEvent event;

        if (s->violated || s->n_heap == 0)
                return false;
        event = s->heap[0];
        s->heap[0] = s->heap[--s->n_heap];
        if (s->n_heap > 0)
                sift_down(s->heap, s->n_heap, 0);
        assert(event.at_usec >= s->now_usec);
        s->now_usec = event.at_usec;
        s->n_events++;
        event.fn(event.object, event.payload, event.number);
        return !s->violated;
}

bool simulation_run(Simulation *s, uint64_t until_usec)
{
        while (!s->violated && s->n_heap > 0 && s->heap[0].at_usec <= until_usec) {
                simulation_step(s);
                if (s->n_events > SIMULATION_EVENTS_MAX)
                        simulation_violate(s, "more than %d events: somebody asks in circles", SIMULATION_EVENTS_MAX);
        }
        if (!s->violated)
                s->now_usec = MAX(s->now_usec, until_usec);
        return !s->violated;
}

uint64_t simulation_below(Simulation *s, uint64_t bound)
{
        return random_below(&s->random, bound);
}

uint64_t simulation_between(Simulation *s, uint64_t low, uint64_t high)
{
        return low + random_below(&s->random, high - low + 1);
}

bool simulation_chance(Simulation *s, unsigned percent)
{
        return random_below(&s->random, 100) < percent;
}

unsigned simulation_choose(Simulation *s, unsigned width, unsigned percent_first)
{
        Choices *c = s->choices;

        if (!c) {
                if (simulation_chance(s, percent_first))
                        return 0;
                return (unsigned)simulation_below(s, width);
        }
        if (c->at == c->n) {
                if (c->n >= c->depth || c->n >= CHOICES_MAX)
                        return 0;
                c->taken[c->n] = 0;
                c->width[c->n++] = (uint8_t)width;
        }
        assert(c->width[c->at] == width); /* else the schedule is no function of its choices */
        return c->taken[c->at++];
}

void simulation_write(Simulation *s, const char *fmt, ...)
{
        char line[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        text_buffer_printf(&s->transcript, "%10.6f %s\n", (double)s->now_usec / 1e6, line);
}

static void PRINTF_LIKE(3, 0) violate(Simulation *s, bool is_unsafe, const char *fmt, va_list ap)
{
        if (s->violated)
                return;
        s->violated = true;
        s->is_unsafe = is_unsafe;
        vsnprintf(s->violation, sizeof(s->violation), fmt, ap);
        simulation_trace(s, "VIOLATION: %s", s->violation);
}

void simulation_violate(Simulation *s, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        violate(s, false, fmt, ap);
        va_end(ap);
}

void simulation_violate_safety(Simulation *s, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        violate(s, true, fmt, ap);
        va_end(ap);
}
