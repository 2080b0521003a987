/* A file that lines are appended to, rotated by size: FILE, FILE.1, ... FILE.KEEP. There is one LogFile for
 * each path, whoever writes there, so that all of them move on when it is rotated.
 *
 * It is opened for appending, with mode 0640, and never waited for: what cannot be opened or written is said
 * once and tried again with later lines, at most once a second if opening is what fails. A rotation that
 * fails leaves the file as it is, which then grows. Only regular files are rotated.
 *
 * One thing cannot be helped here: a write to a regular file waits for its file system (O_NONBLOCK means nothing
 * there). Where that hangs, like NFS without its server, the loop does, no lease is renewed, and the guards act. A
 * place of that kind is for the journal to write to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LogFile LogFile;

/* ROTATE_BYTES: 0: never. Where the path is in use, its limits are now these. Returns 0 or -ENOMEM. */
int log_file_get(LogFile **out, const char *path, uint64_t rotate_bytes, unsigned keep);
/* Returns NULL. */
LogFile *log_file_put(LogFile *file);

/* Whole lines, LINES of them. Rotates first if they would not fit. Returns how many bytes were written. */
size_t log_file_write(LogFile *file, const char *data, size_t len, uint64_t lines);
/* How much may be written before the next rotation: a writer of several lines at once asks. */
uint64_t log_file_room(const LogFile *file);
/* Somebody else has moved it away. */
void log_file_reopen(LogFile *file);
uint64_t log_file_rotations(const LogFile *file);
