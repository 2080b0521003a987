/* Lease file: the commands' deadlines once more, in a file that every user may read. The lease page itself is found
 * through /proc, which lets nobody look at the descriptors of another user's process; a command that runs as
 * another user than zksup finds the file by its path, also when it has closed all descriptors. The guards never
 * look at it.
 *
 * It is on a tmpfs, as what is written through a mapping of a real disk could block. Its name carries a random
 * token that is in its head too, so no file is taken for another. Its writer holds a lock on it, from before the
 * file has its name until it dies: a file without one is a dead zksup's, whatever the deadlines say. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LEASE_FILE_PATH_MAX 128

typedef struct LeaseFile {
        int fd; /* -1: there is none */
        size_t words;
        uint64_t *deadlines;
        char path[LEASE_FILE_PATH_MAX];
} LeaseFile;

void lease_file_init(LeaseFile *file);
/* Makes one with WORDS deadlines, all 0: in $RUNTIME_DIRECTORY, /run/zksup or /dev/shm, the first where others find
 * it. Files there that dead supervisors have left are removed. Returns 0 or a negative errno. */
int lease_file_make(LeaseFile *file, size_t words);
/* The one that FD is open for at PATH, made by a program whose place we have taken; the lock comes with FD, which is ours
 * from now on, in every case. Returns 0 or a negative errno. */
int lease_file_adopt(LeaseFile *file, int fd, const char *path, size_t words);
/* Removes the file. Twice is safe. */
void lease_file_close(LeaseFile *file);

/* Does nothing if there is no file. */
void lease_file_set(LeaseFile *file, size_t word, uint64_t deadline_usec);

/* For a reader: the deadline in WORD of the file at PATH. Returns 0 or a negative errno: -ESTALE, its writer is dead or
 * it is no such file; -EXDEV, it counts in another time namespace; or what open() and the like say. */
int lease_file_read(const char *path, size_t word, uint64_t *deadline_usec);
