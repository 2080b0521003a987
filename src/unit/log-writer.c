#include "unit/log-writer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include "util/clock.h"
#include "util/macros.h"

#define STACK_SIZE (64 * 1024)

struct LogWriter {
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t given, idle;
        /* Below the mutex. */
        ListLink todo, done;
        LogJob *current; /* in neither list */
        bool working;    /* or about to be */
        bool end;        /* once todo is empty */
        bool left;       /* nobody waits for the thread: it frees all this */
        /* The loop's. */
        int fd; /* eventfd: there is something in done */
        sd_event_source *source;
        LogWriterDone on_done;
};

static void free_jobs(ListLink *jobs)
{
        list_for_each_safe (link, jobs) {
                list_unlink(link);
                free(list_entry(link, LogJob, link));
        }
}

static void writer_destroy(LogWriter *w)
{
        free_jobs(&w->todo);
        free_jobs(&w->done);
        pthread_cond_destroy(&w->given);
        pthread_cond_destroy(&w->idle);
        pthread_mutex_destroy(&w->mutex);
        fd_close(w->fd);
        free(w);
}

/* --- the thread --------------------------------------------------------------------------------- */

static void work(LogJob *job)
{
        switch (job->kind) {
        case LOG_JOB_OPEN:
                log_disk_open(job->disk, &job->result);
                break;
        case LOG_JOB_REOPEN:
                log_disk_reopen(job->disk, &job->result);
                break;
        case LOG_JOB_LIMITS:
                log_disk_set_limits(job->disk, job->rotate_bytes, job->keep);
                break;
        case LOG_JOB_WRITE:
                log_disk_write(job->disk, job->data, job->len, &job->result);
                break;
        case LOG_JOB_CLOSE:
                log_disk_free(job->disk);
                break;
        }
}

static LogJob *take_job(LogWriter *w)
{
        LogJob *job;

        while (list_is_empty(&w->todo)) {
                w->working = false;
                pthread_cond_broadcast(&w->idle);
                if (w->end)
                        return NULL;
                pthread_cond_wait(&w->given, &w->mutex);
        }
        job = list_entry(w->todo.next, LogJob, link);
        list_unlink(&job->link);
        w->working = true;
        w->current = job;
        return job;
}

static void *run(void *userdata)
{
        LogWriter *w = userdata;
        LogJob *job;
        bool left;

        pthread_mutex_lock(&w->mutex);
        while ((job = take_job(w))) {
                pthread_mutex_unlock(&w->mutex);
                work(job);
                pthread_mutex_lock(&w->mutex);
                w->current = NULL;
                list_append(&w->done, &job->link);
                (void)eventfd_write(w->fd, 1);
        }
        left = w->left;
        pthread_mutex_unlock(&w->mutex);
        if (left)
                writer_destroy(w);
        return NULL;
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void collect(LogWriter *w)
{
        ListLink done;
        eventfd_t n;

        list_init(&done);
        pthread_mutex_lock(&w->mutex);
        (void)eventfd_read(w->fd, &n);
        while (!list_is_empty(&w->done)) {
                ListLink *link = w->done.next;

                list_unlink(link);
                list_append(&done, link);
        }
        pthread_mutex_unlock(&w->mutex);
        list_for_each_safe (link, &done) {
                LogJob *job = list_entry(link, LogJob, link);

                list_unlink(link);
                if (job->kind != LOG_JOB_CLOSE)
                        w->on_done(job);
                free(job);
        }
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        collect(userdata);
        return 0;
}

/* No signal is for this thread: the loop reads them all from a descriptor. */
static int start(LogWriter *w)
{
        pthread_attr_t attributes;
        sigset_t all, old;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pthread_attr_init(&attributes);
        (void)pthread_attr_setstacksize(&attributes, MAX(STACK_SIZE, (size_t)PTHREAD_STACK_MIN));
        r = pthread_create(&w->thread, &attributes, run, w);
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return -r;
}

int log_writer_new(LogWriter **out, sd_event *event, int64_t priority, LogWriterDone done)
{
        LogWriter *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->given, NULL);
        pthread_cond_init(&w->idle, NULL);
        list_init(&w->todo);
        list_init(&w->done);
        w->on_done = done;
        w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = w->fd < 0 ? -errno : sd_event_add_io(event, &w->source, w->fd, EPOLLIN, on_done, w);
        if (r >= 0)
                r = sd_event_source_set_priority(w->source, priority);
        if (r >= 0)
                r = start(w);
        if (r < 0) {
                sd_event_source_disable_unref(w->source);
                writer_destroy(w);
                return r;
        }
        *out = w;
        return 0;
}

/* With the mutex. Returns whether there is nothing to do any more. */
static bool wait_until_idle(LogWriter *w, uint64_t timeout_usec)
{
        struct timespec until;
        int r = 0;

        clock_gettime(CLOCK_REALTIME, &until); /* what a condition counts by, unless told otherwise */
        until.tv_sec += (time_t)(timeout_usec / USEC_PER_SEC);
        until.tv_nsec += (long)(timeout_usec % USEC_PER_SEC) * 1000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
        }
        while (r == 0 && (w->working || !list_is_empty(&w->todo)))
                r = pthread_cond_timedwait(&w->idle, &w->mutex, &until);
        return !w->working && list_is_empty(&w->todo);
}

bool log_writer_sync(LogWriter *w, uint64_t timeout_usec)
{
        bool idle;

        pthread_mutex_lock(&w->mutex);
        idle = wait_until_idle(w, timeout_usec);
        pthread_mutex_unlock(&w->mutex);
        collect(w);
        return idle;
}

LogWriter *log_writer_free(LogWriter *w, uint64_t timeout_usec)
{
        bool idle;

        if (!w)
                return NULL;
        w->source = sd_event_source_disable_unref(w->source);
        pthread_mutex_lock(&w->mutex);
        idle = wait_until_idle(w, timeout_usec);
        w->end = true;
        w->left = !idle;
        pthread_cond_signal(&w->given);
        pthread_mutex_unlock(&w->mutex);
        if (!idle) {
                pthread_detach(w->thread);
                return NULL;
        }
        pthread_join(w->thread, NULL);
        writer_destroy(w);
        return NULL;
}

static void disown(ListLink *jobs, const void *owner)
{
        list_for_each (link, jobs) {
                LogJob *job = list_entry(link, LogJob, link);

                if (job->owner == owner)
                        job->owner = NULL;
        }
}

/* The thread does not look at the owner. */
void log_writer_disown(LogWriter *w, const void *owner)
{
        pthread_mutex_lock(&w->mutex);
        disown(&w->todo, owner);
        disown(&w->done, owner);
        if (w->current && w->current->owner == owner)
                w->current->owner = NULL;
        pthread_mutex_unlock(&w->mutex);
}

LogJob *log_job_new(enum LogJobKind kind, size_t len)
{
        LogJob *job = calloc(1, sizeof(*job) + len);

        if (!job)
                return NULL;
        job->kind = kind;
        job->len = len;
        list_init(&job->link);
        return job;
}

void log_writer_give(LogWriter *w, LogJob *job)
{
        pthread_mutex_lock(&w->mutex);
        list_append(&w->todo, &job->link);
        w->working = true;
        pthread_cond_signal(&w->given);
        pthread_mutex_unlock(&w->mutex);
}
