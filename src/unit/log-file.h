/* A log file as the loop sees it: lines go to the thread that writes (unit/log-writer.h), and what has become
 * of them comes back. There is one LogFile for each path, whoever writes there, so that all of them move on
 * when it is rotated (unit/log-disk.h).
 *
 * What cannot be opened or written is said once, dropped and counted, and it is said when it works again.
 * While much is on its way nobody should read more lines (log_file_is_full). If that lasts for a second the
 * file system counts as stuck: lines are dropped until all that is on its way is written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "unit/waiter.h"

typedef struct LogFile LogFile;

typedef struct LogFileStatistics {
        uint64_t dropped_lines, dropped_bytes, rotations;
} LogFileStatistics;

/* ROTATE_BYTES: 0: never. Where the path is in use, its limits are now these. PRIORITY is that of what comes
 * back. Returns 0 or a negative errno; a file that cannot be opened is none. */
int log_file_get(LogFile **out, sd_event *event, int64_t priority, const char *path, uint64_t rotate_bytes,
        unsigned keep);
/* What is on its way is still written; the last one waits for that for a moment. Returns NULL. */
LogFile *log_file_put(LogFile *file);

/* Whole lines, LINES of them. */
void log_file_write(LogFile *file, const char *data, size_t len, uint64_t lines);
/* Wait before you read more: resume() is called once there is room, or the file system counts as stuck. */
bool log_file_is_full(const LogFile *file);
void log_file_wait(LogFile *file, Waiter *waiter);
/* Somebody else has moved it away. */
void log_file_reopen(LogFile *file);
/* Waits until all is written that is on its way, to any file; not for longer than TIMEOUT_USEC. */
void log_file_sync(LogFile *file, uint64_t timeout_usec);
/* The same; returns whether nothing is on its way any more. exec waits for a thread that hangs, so a program
 * that is to be replaced must ask before. */
bool log_file_settle(uint64_t timeout_usec);
/* Of all who write to it, up to now. */
void log_file_statistics(const LogFile *file, LogFileStatistics *statistics);
