#include "unit/own-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "unit/drop-report.h"
#include "util/clock.h"
#include "util/text.h"

#define PATIENCE_USEC USEC_PER_SEC
/* One portion of what a command printed, with a long name before each of its lines. */
#define KEPT_MAX (256 * 1024)
/* What a terminal takes at once if it takes anything, more or less. */
#define CAUTIOUS_WRITE 256

enum Manner {
        MANNER_PLAIN, /* a file, or opened anew with O_NONBLOCK */
        MANNER_SOCKET,
        MANNER_CAUTIOUS, /* the blocking descriptor itself */
};

struct OwnStream {
        unsigned references;
        int fd;
        bool opened; /* fd is ours to close */
        enum Manner manner;
        sd_event_source *room, *patience;
        TextBuffer kept;
        bool stuck;
        bool broken; /* the last line has no end */
        ListLink waiters;
        DropReport report;
};

static OwnStream *streams[3];

static const char *place(const OwnStream *stream)
{
        return stream == streams[1] ? "standard output" : "standard error";
}

static ssize_t write_cautiously(int fd, const char *data, size_t len)
{
        struct pollfd p = {.fd = fd, .events = POLLOUT};

        if (poll(&p, 1, 0) != 1 || p.revents & POLLNVAL) {
                errno = p.revents & POLLNVAL ? EBADF : EAGAIN;
                return -1;
        }
        return write(fd, data, MIN(len, CAUTIOUS_WRITE));
}

static ssize_t write_once(const OwnStream *stream, const char *data, size_t len)
{
        switch (stream->manner) {
        case MANNER_PLAIN:
                return write(stream->fd, data, len);
        case MANNER_SOCKET:
                return send(stream->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        case MANNER_CAUTIOUS:
                return write_cautiously(stream->fd, data, len);
        }
        return -1;
}

/* Returns 0, -EAGAIN or what else went wrong; *WRITTEN in any case. */
static int write_some(const OwnStream *stream, const char *data, size_t len, size_t *written)
{
        *written = 0;
        while (*written < len) {
                ssize_t n = write_once(stream, data + *written, len - *written);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                *written += (size_t)n;
        }
        return 0;
}

/* All that was kept is written, or never will be. */
static void end_keeping(OwnStream *stream)
{
        text_buffer_deinit(&stream->kept);
        stream->stuck = false;
        (void)sd_event_source_set_enabled(stream->room, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(stream->patience, SD_EVENT_OFF);
        waiter_resume_all(&stream->waiters);
}

static int on_room(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        OwnStream *stream = userdata;
        size_t n;
        int r = write_some(stream, stream->kept.data, stream->kept.len, &n);

        stream->kept.len -= n;
        memmove(stream->kept.data, stream->kept.data + n, stream->kept.len);
        if (r == -EAGAIN)
                return 0;
        if (r == 0)
                drop_report_work(&stream->report, place(stream));
        else
                drop_report_fail(&stream->report, place(stream), -r, 0);
        end_keeping(stream);
        return 0;
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
        OwnStream *stream = userdata;

        stream->stuck = true;
        drop_report_fail(&stream->report, place(stream), EAGAIN, 0);
        waiter_resume_all(&stream->waiters);
        return 0;
}

static bool keep(OwnStream *stream, const char *data, size_t len)
{
        if (stream->stuck || stream->kept.len + len > KEPT_MAX)
                return false;
        if (stream->kept.len == 0) {
                int r = sd_event_source_set_enabled(stream->room, SD_EVENT_ON);

                if (r >= 0)
                        r = sd_event_source_set_time_relative(stream->patience, PATIENCE_USEC);
                if (r >= 0)
                        r = sd_event_source_set_enabled(stream->patience, SD_EVENT_ONESHOT);
                if (r < 0)
                        return false;
        }
        text_buffer_append(&stream->kept, data, len);
        if (!stream->kept.failed)
                return true;
        stream->kept.failed = false; /* what was kept before is still there */
        return false;
}

bool own_stream_write(OwnStream *stream, const char *data, size_t len, uint64_t lines)
{
        size_t n = 0;
        int r = stream->kept.len ? -EAGAIN : 0;

        if (r == 0 && stream->broken)
                r = write_some(stream, "\n", 1, &n);
        stream->broken = stream->broken && r < 0;
        if (r == 0)
                r = write_some(stream, data, len, &n);
        if (r == 0) {
                drop_report_work(&stream->report, place(stream));
                return true;
        }
        if (r == -EAGAIN && stream->room && keep(stream, data + n, len - n))
                return true;
        if (n)
                stream->broken = data[n - 1] != '\n';
        drop_report_fail(&stream->report, place(stream), -r, lines);
        return false;
}

bool own_stream_is_full(const OwnStream *stream)
{
        return stream->kept.len && !stream->stuck;
}

void own_stream_wait(OwnStream *stream, Waiter *waiter)
{
        list_append(&stream->waiters, &waiter->link);
}

/* --- life --------------------------------------------------------------------------------------- */

/* A file keeps its descriptor: opened anew, it would be written from its beginning. */
static void open_anew(OwnStream *stream)
{
        char path[40];
        struct stat st;
        int fd;

        stream->manner = MANNER_CAUTIOUS;
        if (fstat(stream->fd, &st) < 0)
                return;
        if (S_ISREG(st.st_mode))
                stream->manner = MANNER_PLAIN;
        if (S_ISSOCK(st.st_mode))
                stream->manner = MANNER_SOCKET;
        if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
                return;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", stream->fd);
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return;
        stream->fd = fd;
        stream->opened = true;
        stream->manner = MANNER_PLAIN;
}

/* A regular file cannot be watched (epoll_ctl(2), EPERM), and need not be; what is closed shows when it is
 * written. */
static int watch(OwnStream *stream, sd_event *event, int64_t priority)
{
        int r = sd_event_add_io(event, &stream->room, stream->fd, EPOLLOUT, on_room, stream);

        if (r == -EPERM || r == -EBADF)
                return 0;
        if (r >= 0)
                r = sd_event_source_set_enabled(stream->room, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(stream->room, priority);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &stream->patience, CLOCK_BOOTTIME, USEC_INFINITY, 0, on_patience, stream);
        if (r >= 0)
                r = sd_event_source_set_enabled(stream->patience, SD_EVENT_OFF);
        return r;
}

int own_stream_get(OwnStream **out, sd_event *event, int fd, int64_t priority)
{
        OwnStream *stream = streams[fd];
        int r;

        if (!stream) {
                stream = calloc(1, sizeof(*stream));
                if (!stream)
                        return -ENOMEM;
                list_init(&stream->waiters);
                stream->fd = fd;
                streams[fd] = stream;
                open_anew(stream);
                r = watch(stream, event, priority);
                if (r < 0) {
                        stream->references = 1;
                        own_stream_put(stream);
                        return r;
                }
        }
        stream->references++;
        *out = stream;
        return 0;
}

OwnStream *own_stream_put(OwnStream *stream)
{
        size_t n;

        if (!stream || --stream->references)
                return NULL;
        if (stream->kept.len)
                (void)write_some(stream, stream->kept.data, stream->kept.len, &n);
        text_buffer_deinit(&stream->kept);
        sd_event_source_disable_unref(stream->room);
        sd_event_source_disable_unref(stream->patience);
        if (stream->opened)
                close(stream->fd);
        streams[stream == streams[1] ? 1 : 2] = NULL;
        free(stream);
        return NULL;
}
