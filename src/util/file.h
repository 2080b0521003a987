/* Whole files: read with a bound, write so that a reader sees the old or the new content. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Reads at most MAX bytes of PATH into a new NUL-terminated buffer that the caller frees.
 * Returns 0, or a negative errno (-EFBIG if the file is longer). LEN may be NULL. */
int file_read(const char *path, size_t max, char **data, size_t *len);

/* Writes DATA to a temporary file beside PATH and renames it over PATH. Returns 0 or a negative
 * errno; on failure PATH is as it was and no temporary file is left. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);

/* Writes all of DATA to FD, over EINTR and short writes. */
int file_write_all(int fd, const void *data, size_t len);
