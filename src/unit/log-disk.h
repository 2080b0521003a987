/* A file that lines are appended to, rotated by size: FILE, FILE.1, ... FILE.KEEP. These functions wait for
 * the file system; unit/log-file.h is for those who must not.
 *
 * It is opened for appending, with mode 0640. What cannot be opened is tried again at most once a second. A
 * rotation that fails leaves the file as it is, which then grows, and is tried again after a minute. Only
 * regular files are rotated; a pipe is not waited for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LogDisk LogDisk;

/* NULL when out of memory. */
LogDisk *log_disk_new(const char *path);
/* Returns NULL. */
LogDisk *log_disk_free(LogDisk *disk);

/* ROTATE_BYTES: 0: never. */
void log_disk_set_limits(LogDisk *disk, uint64_t rotate_bytes, unsigned keep);

typedef struct LogDiskResult {
        size_t written; /* from the front */
        unsigned rotations;
        int error;        /* a positive errno: not all is written */
        int rotate_error; /* it should have been rotated, and could not be */
} LogDiskResult;

/* Opens it if need be. */
void log_disk_open(LogDisk *disk, LogDiskResult *result);
/* Somebody else has moved it away. */
void log_disk_reopen(LogDisk *disk, LogDiskResult *result);
/* Whole lines. No line is in two files, and none is larger than ROTATE_BYTES unless a line is. */
void log_disk_write(LogDisk *disk, const char *data, size_t len, LogDiskResult *result);
