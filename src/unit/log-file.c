#include "unit/log-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "unit/drop-report.h"
#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"

#define MODE 0640
#define OPEN_AGAIN_USEC USEC_PER_SEC
#define ROTATE_AGAIN_USEC (60 * USEC_PER_SEC)

struct LogFile {
        ListLink link;
        unsigned references;
        char *path;
        uint64_t rotate_bytes;
        unsigned keep;
        int fd;
        bool regular;
        bool broken; /* its last line has no end */
        uint64_t size, rotations;
        uint64_t open_after_usec, rotate_after_usec;
        DropReport report;
};

static ListLink files = {&files, &files};

static LogFile *find(const char *path)
{
        list_for_each (link, &files) {
                LogFile *file = list_entry(link, LogFile, link);

                if (strcmp(file->path, path) == 0)
                        return file;
        }
        return NULL;
}

/* Not to wait for the reader of a pipe either, and not to get a terminal that controls us. */
static int open_file(LogFile *file)
{
        struct stat st;

        if (file->fd >= 0)
                return 0;
        if (clock_boottime_usec() < file->open_after_usec)
                return -EAGAIN;
        file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, MODE);
        if (file->fd < 0) {
                file->open_after_usec = clock_boottime_usec() + OPEN_AGAIN_USEC;
                return -errno;
        }
        file->regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
        file->size = file->regular ? (uint64_t)st.st_size : 0;
        return 0;
}

int log_file_get(LogFile **out, const char *path, uint64_t rotate_bytes, unsigned keep)
{
        LogFile *file = find(path);
        int r;

        if (!file) {
                file = calloc(1, sizeof(*file));
                if (!file)
                        return -ENOMEM;
                file->path = strdup(path);
                if (!file->path) {
                        free(file);
                        return -ENOMEM;
                }
                file->fd = -1;
                list_append(&files, &file->link);
                r = open_file(file);
                if (r < 0)
                        drop_report_fail(&file->report, path, -r, 0);
        }
        file->references++;
        file->rotate_bytes = rotate_bytes;
        file->keep = keep;
        *out = file;
        return 0;
}

LogFile *log_file_put(LogFile *file)
{
        if (!file || --file->references)
                return NULL;
        list_unlink(&file->link);
        fd_close(file->fd);
        free(file->path);
        free(file);
        return NULL;
}

/* --- rotation ----------------------------------------------------------------------------------- */

/* FILE.N, or FILE itself for 0. */
static int old_name(const LogFile *file, unsigned n, char **name)
{
        int r = n ? asprintf(name, "%s.%u", file->path, n) : asprintf(name, "%s", file->path);

        if (r >= 0)
                return 0;
        *name = NULL;
        return -ENOMEM;
}

/* From the oldest on, each over the one after it. */
static int shift(const LogFile *file)
{
        if (file->keep == 0)
                return unlink(file->path) < 0 && errno != ENOENT ? -errno : 0;
        for (unsigned n = file->keep; n; n--) {
                CLEANUP_STRING from = NULL;
                CLEANUP_STRING to = NULL;
                int r = old_name(file, n - 1, &from);

                if (r == 0)
                        r = old_name(file, n, &to);
                if (r < 0)
                        return r;
                if (rename(from, to) < 0 && errno != ENOENT)
                        return -errno;
        }
        return 0;
}

static void rotate(LogFile *file)
{
        int r = shift(file);

        if (r < 0) {
                file->rotate_after_usec = clock_boottime_usec() + ROTATE_AGAIN_USEC;
                log_warning("cannot rotate %s: %s; it grows until it can be renamed in its directory",
                        file->path, strerror(-r));
                return;
        }
        file->fd = fd_close(file->fd);
        file->open_after_usec = 0;
        file->rotations++;
        file->broken = false;
}

/* Others may append, truncate or move it as well: what it was when we looked last is not taken for granted.
 */
static bool must_rotate(LogFile *file, size_t len)
{
        struct stat st;

        if (!file->regular || file->rotate_bytes == 0 || file->size == 0 ||
                file->size + len <= file->rotate_bytes)
                return false;
        if (clock_boottime_usec() < file->rotate_after_usec)
                return false;
        if (fstat(file->fd, &st) == 0)
                file->size = (uint64_t)st.st_size;
        return file->size && file->size + len > file->rotate_bytes;
}

uint64_t log_file_room(const LogFile *file)
{
        if (!file->regular || file->rotate_bytes == 0)
                return UINT64_MAX;
        return file->rotate_bytes > file->size ? file->rotate_bytes - file->size : 0;
}

/* --- writing ------------------------------------------------------------------------------------ */

static int write_some(LogFile *file, const char *data, size_t len, size_t *written)
{
        *written = 0;
        while (*written < len) {
                ssize_t n = write(file->fd, data + *written, len - *written);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                *written += (size_t)n;
                file->size += (size_t)n;
        }
        return 0;
}

size_t log_file_write(LogFile *file, const char *data, size_t len, uint64_t lines)
{
        size_t written = 0;
        int r = open_file(file);

        if (r == 0 && must_rotate(file, len)) {
                rotate(file);
                r = open_file(file);
        }
        if (r == 0 && file->broken)
                r = write_some(file, "\n", 1, &written);
        file->broken = file->broken && r < 0;
        written = 0;
        if (r == 0)
                r = write_some(file, data, len, &written);
        if (r == 0) {
                drop_report_work(&file->report, file->path);
                return len;
        }
        if (written)
                file->broken = data[written - 1] != '\n';
        drop_report_fail(&file->report, file->path, -r, lines);
        return written;
}

void log_file_reopen(LogFile *file)
{
        int r;

        file->fd = fd_close(file->fd);
        file->open_after_usec = 0;
        file->broken = false;
        r = open_file(file);
        if (r < 0)
                drop_report_fail(&file->report, file->path, -r, 0);
}

uint64_t log_file_rotations(const LogFile *file)
{
        return file->rotations;
}
