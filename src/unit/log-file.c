#include "unit/log-file.h"

#include <errno.h>
#include <string.h>
#include "unit/drop-report.h"
#include "unit/log-disk.h"
#include "unit/log-writer.h"
#include "util/clock.h"
#include "util/log.h"

/* On its way: from where on it is full, and what is dropped at once, with one portion that was read before.
 */
#define FULL_BYTES (64 * 1024)
#define TOO_MUCH_BYTES (2 * FULL_BYTES)
#define PATIENCE_USEC USEC_PER_SEC
#define END_USEC (250 * USEC_PER_MSEC)

struct LogFile {
        ListLink link;
        unsigned references;
        char *path;
        LogDisk *disk; /* the writer's, but for its address */
        uint64_t rotate_bytes;
        unsigned keep;
        size_t on_its_way;
        bool stuck;
        sd_event_source *patience;
        ListLink waiters;
        LogFileStatistics statistics;
        DropReport report;
};

static ListLink files = {&files, &files};
static LogWriter *writer; /* while there are files */

static LogFile *find(const char *path)
{
        list_for_each (link, &files) {
                LogFile *file = list_entry(link, LogFile, link);

                if (strcmp(file->path, path) == 0)
                        return file;
        }
        return NULL;
}

/* --- what comes back ---------------------------------------------------------------------------- */

static uint64_t count_lines(const char *data, size_t len)
{
        uint64_t n = 0;

        for (const char *p = data; (p = memchr(p, '\n', len - (size_t)(p - data))); p++)
                n++;
        return n;
}

static void on_failed(LogFile *file, const LogJob *job)
{
        uint64_t lines = count_lines(job->data + job->result.written, job->len - job->result.written);

        file->statistics.dropped_bytes += job->len - job->result.written;
        file->statistics.dropped_lines += lines;
        drop_report_fail(&file->report, file->path, job->result.error, lines);
}

/* Nobody waits for what is not full any more. */
static void look_for_room(LogFile *file)
{
        if (file->on_its_way == 0)
                file->stuck = false;
        if (log_file_is_full(file))
                return;
        (void)sd_event_source_set_enabled(file->patience, SD_EVENT_OFF);
        waiter_resume_all(&file->waiters);
}

static void on_done(const LogJob *job)
{
        LogFile *file = job->owner;

        if (!file)
                return;
        file->statistics.rotations += job->result.rotations;
        if (job->result.rotate_error)
                log_warning("cannot rotate %s: %s; it grows until it can be renamed in its directory",
                        file->path, strerror(job->result.rotate_error));
        file->on_its_way -= job->len;
        if (job->result.error)
                on_failed(file, job);
        else if (job->kind == LOG_JOB_WRITE && (!file->stuck || file->on_its_way == 0))
                drop_report_work(&file->report, file->path);
        look_for_room(file);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
        LogFile *file = userdata;

        file->stuck = true;
        drop_report_fail(&file->report, file->path, ETIMEDOUT, 0);
        waiter_resume_all(&file->waiters);
        return 0;
}

/* --- life --------------------------------------------------------------------------------------- */

/* Returns whether it was given. */
static bool give(LogFile *file, enum LogJobKind kind)
{
        LogJob *job = log_job_new(kind, 0);

        if (!job)
                return false;
        job->disk = file->disk;
        job->owner = kind == LOG_JOB_CLOSE ? NULL : file;
        job->rotate_bytes = file->rotate_bytes;
        job->keep = file->keep;
        log_writer_give(writer, job);
        return true;
}

static void destroy(LogFile *file)
{
        list_unlink(&file->link);
        sd_event_source_disable_unref(file->patience);
        if (file->disk && !(writer && give(file, LOG_JOB_CLOSE)))
                log_disk_free(file->disk);
        free(file->path);
        free(file);
        if (list_is_empty(&files))
                writer = log_writer_free(writer, END_USEC);
}

static int make(LogFile **out, sd_event *event, int64_t priority, const char *path)
{
        LogFile *file = calloc(1, sizeof(*file));
        int r = 0;

        if (!file)
                return -ENOMEM;
        list_init(&file->waiters);
        list_append(&files, &file->link);
        file->path = strdup(path);
        file->disk = log_disk_new(path);
        if (!file->path || !file->disk)
                r = -ENOMEM;
        if (r == 0)
                r = sd_event_add_time(
                        event, &file->patience, CLOCK_BOOTTIME, USEC_INFINITY, 0, on_patience, file);
        if (r >= 0)
                r = sd_event_source_set_enabled(file->patience, SD_EVENT_OFF);
        if (r >= 0 && !writer)
                r = log_writer_new(&writer, event, priority, on_done);
        if (r < 0) {
                destroy(file);
                return r;
        }
        *out = file;
        return 0;
}

int log_file_get(LogFile **out, sd_event *event, int64_t priority, const char *path, uint64_t rotate_bytes,
        unsigned keep)
{
        LogFile *file = find(path);
        bool is_new = !file;
        int r = file ? 0 : make(&file, event, priority, path);

        if (r < 0)
                return r;
        file->references++;
        file->rotate_bytes = rotate_bytes;
        file->keep = keep;
        (void)give(file, LOG_JOB_LIMITS);
        if (is_new)
                (void)give(file, LOG_JOB_OPEN);
        *out = file;
        return 0;
}

/* A job that is on its way has its owner: those of this file are waited for, or cannot be told any more. */
LogFile *log_file_put(LogFile *file)
{
        if (!file || --file->references)
                return NULL;
        if (file->on_its_way)
                (void)log_writer_sync(writer, END_USEC);
        log_writer_disown(writer, file);
        destroy(file);
        return NULL;
}

void log_file_write(LogFile *file, const char *data, size_t len, uint64_t lines)
{
        LogJob *job = NULL;

        if (!file->stuck && file->on_its_way + len <= TOO_MUCH_BYTES)
                job = log_job_new(LOG_JOB_WRITE, len);
        if (!job) {
                file->statistics.dropped_bytes += len;
                file->statistics.dropped_lines += lines;
                drop_report_fail(&file->report, file->path, ETIMEDOUT, lines);
                return;
        }
        memcpy(job->data, data, len);
        job->disk = file->disk;
        job->owner = file;
        job->lines = lines;
        file->on_its_way += len;
        log_writer_give(writer, job);
}

bool log_file_is_full(const LogFile *file)
{
        return file->on_its_way >= FULL_BYTES && !file->stuck;
}

void log_file_wait(LogFile *file, Waiter *waiter)
{
        int enabled = SD_EVENT_OFF;

        list_append(&file->waiters, &waiter->link);
        (void)sd_event_source_get_enabled(file->patience, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void)sd_event_source_set_time_relative(file->patience, PATIENCE_USEC);
        (void)sd_event_source_set_enabled(file->patience, SD_EVENT_ONESHOT);
}

void log_file_reopen(LogFile *file)
{
        (void)give(file, LOG_JOB_REOPEN);
}

void log_file_sync(LogFile *file, uint64_t timeout_usec)
{
        (void)log_writer_sync(writer, timeout_usec);
}

bool log_file_settle(uint64_t timeout_usec)
{
        return !writer || log_writer_sync(writer, timeout_usec);
}

void log_file_statistics(const LogFile *file, LogFileStatistics *statistics)
{
        *statistics = file->statistics;
}
