/* What happened lately, for those who listen: each event is kept once, however many listen, and forgotten when all
 * have had it. Whoever is so slow that the log has forgotten what comes next for them learns just that. No I/O.
 *
 * Invariant: at most EVENT_LOG_BYTES_MAX bytes and EVENT_LOG_MAX events are kept, besides the one that each
 * listener is being sent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_LOG_MAX 8192 /* a power of 2 */
#define EVENT_LOG_BYTES_MAX (4U << 20)

typedef struct Event {
        unsigned refs;
        size_t len;
        char text[]; /* as it is sent */
} Event;

/* "event: NAME\ndata: DATA\n\n"; DATA has no newline. NULL: no memory. One reference is the caller's. */
Event *event_new(const char *name, const char *data);
/* ": \n\n", which listeners skip. */
Event *event_new_comment(void);
Event *event_ref(Event *event);
Event *event_unref(Event *event);

typedef struct EventLog {
        Event **ring;         /* EVENT_LOG_MAX, made with the first event */
        uint64_t first, next; /* numbers of the oldest one kept, and of the one to come */
        size_t bytes;
} EventLog;

void event_log_deinit(EventLog *log);
/* Takes the reference over; false: there was no memory, and the event is lost (a gap that listeners will see). */
bool event_log_append(EventLog *log, Event *event);
/* A new reference to number N; NULL: forgotten, or not there yet. */
Event *event_log_get(const EventLog *log, uint64_t n);
/* Forgets those before N. */
void event_log_trim(EventLog *log, uint64_t n);
