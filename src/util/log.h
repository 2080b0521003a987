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

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
