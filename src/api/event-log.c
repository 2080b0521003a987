#include "api/event-log.h"

#include <string.h>
#include "util/macros.h"

static Event *event_alloc(size_t len)
{
        Event *event = malloc(sizeof(*event) + len + 1);

        if (event) {
                event->refs = 1;
                event->len = len;
        }
        return event;
}

Event *event_new(const char *name, const char *data)
{
        static const char before[] = "event: ", between[] = "\ndata: ", after[] = "\n\n";
        size_t name_len = strlen(name), data_len = strlen(data);
        Event *event = event_alloc(sizeof(before) + sizeof(between) + sizeof(after) - 3 + name_len + data_len);
        char *p;

        if (!event)
                return NULL;
        p = stpcpy(event->text, before);
        p = stpcpy(p, name);
        p = stpcpy(p, between);
        p = stpcpy(p, data);
        strcpy(p, after);
        return event;
}

Event *event_new_comment(void)
{
        static const char text[] = ": \n\n";
        Event *event = event_alloc(sizeof(text) - 1);

        if (event)
                memcpy(event->text, text, sizeof(text));
        return event;
}

Event *event_ref(Event *event)
{
        event->refs++;
        return event;
}

Event *event_unref(Event *event)
{
        if (event && --event->refs == 0)
                free(event);
        return NULL;
}

static Event **slot(const EventLog *log, uint64_t n)
{
        return &log->ring[n & (EVENT_LOG_MAX - 1)];
}

void event_log_trim(EventLog *log, uint64_t n)
{
        for (; log->first < n && log->first < log->next; log->first++) {
                log->bytes -= (*slot(log, log->first))->len;
                *slot(log, log->first) = event_unref(*slot(log, log->first));
        }
}

void event_log_deinit(EventLog *log)
{
        event_log_trim(log, log->next);
        free(log->ring);
        log->ring = NULL;
}

bool event_log_append(EventLog *log, Event *event)
{
        if (!log->ring)
                log->ring = calloc(EVENT_LOG_MAX, sizeof(*log->ring));
        if (!log->ring) {
                event_unref(event);
                return false;
        }
        if (log->next - log->first == EVENT_LOG_MAX)
                event_log_trim(log, log->first + 1);
        *slot(log, log->next++) = event;
        log->bytes += event->len;
        while (log->bytes > EVENT_LOG_BYTES_MAX)
                event_log_trim(log, log->first + 1);
        return true;
}

Event *event_log_get(const EventLog *log, uint64_t n)
{
        return n >= log->first && n < log->next ? event_ref(*slot(log, n)) : NULL;
}
