/* The thread that waits for file systems, so that the loop need not: a write to a file waits as long as its
 * file system pleases, O_NONBLOCK or not, while it is frozen for a snapshot, say, or its server does not
 * answer. It is the only other thread, there is only while a log file is open, and it touches nothing but the
 * jobs that are given to it and the LogDisk in them; it does not log.
 *
 * Jobs are done in the order in which they are given, those of all files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "unit/log-disk.h"
#include "util/list.h"

enum LogJobKind {
        LOG_JOB_OPEN,
        LOG_JOB_REOPEN,
        LOG_JOB_LIMITS,
        LOG_JOB_WRITE,
        LOG_JOB_CLOSE, /* frees the disk; nobody is told */
};

typedef struct LogJob {
        ListLink link;
        enum LogJobKind kind;
        LogDisk *disk;
        void *owner; /* for who is told */
        uint64_t rotate_bytes, lines;
        unsigned keep;
        LogDiskResult result; /* once it is done */
        size_t len;
        char data[];
} LogJob;

typedef struct LogWriter LogWriter;

/* DONE is called on the loop for each job that was done, in their order, and must not start or end the
 * writer. */
typedef void (*LogWriterDone)(const LogJob *job);
int log_writer_new(LogWriter **out, sd_event *event, int64_t priority, LogWriterDone done);
/* Leaves a thread that is stuck alone after TIMEOUT_USEC: it ends by itself once it can. Returns NULL. */
LogWriter *log_writer_free(LogWriter *writer, uint64_t timeout_usec);
/* A job for LEN bytes, all else zero; NULL when out of memory. */
LogJob *log_job_new(enum LogJobKind kind, size_t len);
/* JOB is the writer's. */
void log_writer_give(LogWriter *writer, LogJob *job);
/* OWNER is not told any more. */
void log_writer_disown(LogWriter *writer, const void *owner);
/* Until all is done, or not; DONE was called for what is. Returns whether it is. */
bool log_writer_sync(LogWriter *writer, uint64_t timeout_usec);
