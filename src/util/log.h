/* Log lines for people. A line says what happened to which thing and, where something is to be
 * done, what. The sink is set once by the program: stderr text here, journal fields in the
 * manager when stderr is the journal. Logging never blocks the loop: a sink that cannot write
 * drops the line and counts it. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include "util/macros.h"

enum LogLevel { /* the numbers are syslog's */
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

typedef void (*LogSink)(enum LogLevel level, const char *line, void *userdata);

/* Lines above LEVEL are not made. The default is LOG_LEVEL_INFO. */
void log_set_level(enum LogLevel level);
bool log_is_enabled(enum LogLevel level);
/* NULL gives back the default sink: "zksup: LINE" on stderr. */
void log_set_sink(LogSink sink, void *userdata);
/* Lines that the default sink could not write because stderr was full or gone. */
uint64_t log_dropped(void);

void log_write(enum LogLevel level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_writev(enum LogLevel level, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* What operators act on. Each has an identifier of its own in the journal, and an explanation in its catalog. */
enum LogEvent {
        LOG_EVENT_NONE,
        LOG_EVENT_CONNECTED,
        LOG_EVENT_NO_CONTACT,
        LOG_EVENT_NO_ENSEMBLE,
        LOG_EVENT_SESSION_EXPIRED,
        LOG_EVENT_REFUSED, /* by the ensemble */
        LOG_EVENT_HOLD_ACQUIRED,
        LOG_EVENT_HOLD_LOST,
        LOG_EVENT_HOLD_RETURNED, /* for others' sake */
        LOG_EVENT_NOT_ACQUIRED,
        LOG_EVENT_LEADERSHIP_WON,
        LOG_EVENT_LEADERSHIP_LOST,
        LOG_EVENT_LEASE_LOW,
        LOG_EVENT_UNIT_STARTED,
        LOG_EVENT_UNIT_ENDED, /* well, or because it was told to */
        LOG_EVENT_UNIT_FAILED,
        LOG_EVENT_UNIT_WEDGED,
        LOG_EVENT_GUARD_LOST,
        LOG_EVENT_OUTPUT_DROPPED,
        LOG_EVENT_RELOADED,
        LOG_EVENT_RELOAD_REFUSED,
        LOG_EVENT_REEXECUTED,
        LOG_EVENT_REEXEC_FAILED,
        LOG_EVENT_STUCK, /* no sign of life for the watchdog */
        LOG_EVENT_COUNT,
};

/* What a line is about, for sinks that keep it apart from the text. NULL or 0: not known. */
typedef struct LogFields {
        enum LogEvent event;
        const char *unit, *hold, *reason;
        int64_t token;
        uint64_t session;
} LogFields;

typedef void (*LogFieldSink)(enum LogLevel level, const char *line, const LogFields *fields, void *userdata);

/* Takes all lines in place of the other sink. NULL: none. */
void log_set_field_sink(LogFieldSink sink, void *userdata);
/* "UNIT: TEXT" if FIELDS have a unit, else the text alone. */
void log_write_fields(enum LogLevel level, const LogFields *fields, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* log_unit_info("web", "exited with status %d", 1). An event, with what else is known of it:
 * log_write_fields(LOG_LEVEL_WARNING, &(LogFields){LOG_EVENT_HOLD_LOST, .unit = "web", .token = 7}, "lost"). */
#define log_unit_error(u, ...) log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.unit = (u)}, __VA_ARGS__)
#define log_unit_warning(u, ...) log_write_fields(LOG_LEVEL_WARNING, &(LogFields){.unit = (u)}, __VA_ARGS__)
#define log_unit_info(u, ...) log_write_fields(LOG_LEVEL_INFO, &(LogFields){.unit = (u)}, __VA_ARGS__)
#define log_unit_debug(u, ...) log_write_fields(LOG_LEVEL_DEBUG, &(LogFields){.unit = (u)}, __VA_ARGS__)

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
