#include "unit/log-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/macros.h"

#define MODE 0640
#define OPEN_AGAIN_USEC USEC_PER_SEC
#define ROTATE_AGAIN_USEC (60 * USEC_PER_SEC)

struct LogDisk {
        char *path;
        uint64_t rotate_bytes;
        unsigned keep;
        int fd;
        bool regular;
        bool broken; /* its last line has no end */
        uint64_t size;
        int open_error; /* of the last try */
        uint64_t open_after_usec, rotate_after_usec;
};

LogDisk *log_disk_new(const char *path)
{
        LogDisk *disk = calloc(1, sizeof(*disk));

        if (!disk)
                return NULL;
        disk->fd = -1;
        disk->path = strdup(path);
        return disk->path ? disk : log_disk_free(disk);
}

LogDisk *log_disk_free(LogDisk *disk)
{
        if (!disk)
                return NULL;
        fd_close(disk->fd);
        free(disk->path);
        free(disk);
        return NULL;
}

void log_disk_set_limits(LogDisk *disk, uint64_t rotate_bytes, unsigned keep)
{
        disk->rotate_bytes = rotate_bytes;
        disk->keep = keep;
}

/* Not to wait for the reader of a pipe either, and not to get a terminal that controls us. Returns 0 or a
 * negative errno. */
static int open_file(LogDisk *disk)
{
        struct stat st;

        if (disk->fd >= 0)
                return 0;
        if (clock_boottime_usec() < disk->open_after_usec)
                return -disk->open_error;
        disk->fd = open(disk->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, MODE);
        if (disk->fd < 0) {
                disk->open_error = errno;
                disk->open_after_usec = clock_boottime_usec() + OPEN_AGAIN_USEC;
                return -disk->open_error;
        }
        disk->regular = fstat(disk->fd, &st) == 0 && S_ISREG(st.st_mode);
        disk->size = disk->regular ? (uint64_t)st.st_size : 0;
        return 0;
}

static void close_file(LogDisk *disk)
{
        disk->fd = fd_close(disk->fd);
        disk->open_after_usec = 0;
        disk->broken = false;
}

void log_disk_open(LogDisk *disk, LogDiskResult *result)
{
        *result = (LogDiskResult){.error = -open_file(disk)};
}

void log_disk_reopen(LogDisk *disk, LogDiskResult *result)
{
        close_file(disk);
        log_disk_open(disk, result);
}

/* --- rotation ----------------------------------------------------------------------------------- */

/* FILE.N, or FILE itself for 0. */
static int old_name(const LogDisk *disk, unsigned n, char **name)
{
        int r = n ? asprintf(name, "%s.%u", disk->path, n) : asprintf(name, "%s", disk->path);

        if (r >= 0)
                return 0;
        *name = NULL;
        return -ENOMEM;
}

/* From the oldest on, each over the one after it. */
static int shift(const LogDisk *disk)
{
        if (disk->keep == 0)
                return unlink(disk->path) < 0 && errno != ENOENT ? -errno : 0;
        for (unsigned n = disk->keep; n; n--) {
                CLEANUP_STRING from = NULL;
                CLEANUP_STRING to = NULL;
                int r = old_name(disk, n - 1, &from);

                if (r == 0)
                        r = old_name(disk, n, &to);
                if (r < 0)
                        return r;
                if (rename(from, to) < 0 && errno != ENOENT)
                        return -errno;
        }
        return 0;
}

/* Others may append, truncate or move it as well: what it was when we looked last is not taken for granted.
 */
static bool must_rotate(LogDisk *disk, size_t len)
{
        struct stat st;

        if (!disk->regular || disk->rotate_bytes == 0 || disk->size == 0 ||
                disk->size + len <= disk->rotate_bytes)
                return false;
        if (clock_boottime_usec() < disk->rotate_after_usec)
                return false;
        if (fstat(disk->fd, &st) == 0)
                disk->size = (uint64_t)st.st_size;
        return disk->size && disk->size + len > disk->rotate_bytes;
}

static void rotate(LogDisk *disk, LogDiskResult *result)
{
        int r = shift(disk);

        if (r < 0) {
                disk->rotate_after_usec = clock_boottime_usec() + ROTATE_AGAIN_USEC;
                result->rotate_error = -r;
                return;
        }
        close_file(disk);
        result->rotations++;
}

/* --- writing ------------------------------------------------------------------------------------ */

static int write_some(LogDisk *disk, const char *data, size_t len, size_t *written)
{
        *written = 0;
        while (*written < len) {
                ssize_t n = write(disk->fd, data + *written, len - *written);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                *written += (size_t)n;
                disk->size += (size_t)n;
        }
        return 0;
}

/* Lines that belong into one file. */
static int write_lines(LogDisk *disk, const char *data, size_t len, LogDiskResult *result)
{
        size_t n = 0;
        int r = open_file(disk);

        if (r == 0 && must_rotate(disk, len)) {
                rotate(disk, result);
                r = open_file(disk);
        }
        if (r == 0 && disk->broken)
                r = write_some(disk, "\n", 1, &n);
        disk->broken = disk->broken && r < 0;
        if (r < 0)
                return r;
        r = write_some(disk, data, len, &n);
        result->written += n;
        if (r < 0 && n)
                disk->broken = data[n - 1] != '\n';
        return r;
}

/* As many whole lines as there is room for, one at least. */
static size_t lines_that_fit(const LogDisk *disk, const char *data, size_t len)
{
        const char *end;
        uint64_t room;

        if (disk->rotate_bytes == 0 || (disk->fd >= 0 && !disk->regular) ||
                clock_boottime_usec() < disk->rotate_after_usec)
                return len;
        room = disk->fd >= 0 && disk->size < disk->rotate_bytes ? disk->rotate_bytes - disk->size : 0;
        if (room < len) {
                end = memrchr(data, '\n', room);
                if (!end)
                        end = memchr(data, '\n', len);
                if (end)
                        return (size_t)(end - data) + 1;
        }
        return len;
}

void log_disk_write(LogDisk *disk, const char *data, size_t len, LogDiskResult *result)
{
        int r = 0;

        *result = (LogDiskResult){0};
        (void)open_file(disk); /* its size counts */
        while (r == 0 && result->written < len) {
                const char *rest = data + result->written;

                r = write_lines(disk, rest, lines_that_fit(disk, rest, len - result->written), result);
        }
        result->error = -r;
}
