#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE_MAX 2048

static enum LogLevel threshold = LOG_LEVEL_INFO;
static LogSink current_sink;
static void *sink_userdata;
static LogFieldSink field_sink;
static void *field_sink_userdata;
static uint64_t dropped;

/* A pipe nobody empties, or a terminal stopped with ^S, must not hold up the renewal: ask poll
 * first. A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)), a line is
 * shorter than that. */
static void stderr_sink(enum LogLevel level, const char *line, void *userdata)
{
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        char text[LOG_LINE_MAX + 16];
        int n;

        n = snprintf(text, sizeof(text), "zksup: %s\n", line);
        if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || write(STDERR_FILENO, text, (size_t)n) != n)
                dropped++;
}

void log_set_level(enum LogLevel level)
{
        threshold = level;
}

bool log_is_enabled(enum LogLevel level)
{
        return level <= threshold;
}

void log_set_sink(LogSink sink, void *userdata)
{
        current_sink = sink;
        sink_userdata = userdata;
}

uint64_t log_dropped(void)
{
        return dropped;
}

void log_set_field_sink(LogFieldSink sink, void *userdata)
{
        field_sink = sink;
        field_sink_userdata = userdata;
}

static void write_line(enum LogLevel level, const LogFields *fields, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
static void write_line(enum LogLevel level, const LogFields *fields, const char *fmt, va_list ap)
{
        char line[LOG_LINE_MAX];
        int saved_errno = errno, n = 0;

        if (!log_is_enabled(level))
                return;
        if (fields->unit)
                n = MIN(snprintf(line, sizeof(line), "%s: ", fields->unit), (int)sizeof(line) - 1);
        vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
        if (field_sink)
                field_sink(level, line, fields, field_sink_userdata);
        else
                (current_sink ? current_sink : stderr_sink)(level, line, sink_userdata);
        errno = saved_errno;
}

void log_write_fields(enum LogLevel level, const LogFields *fields, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        write_line(level, fields, fmt, ap);
        va_end(ap);
}

void log_writev(enum LogLevel level, const char *fmt, va_list ap)
{
        write_line(level, &(LogFields){0}, fmt, ap);
}

void log_write(enum LogLevel level, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        log_writev(level, fmt, ap);
        va_end(ap);
}
