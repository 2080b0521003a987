#define SD_JOURNAL_SUPPRESS_LOCATION
#include "unit/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-journal.h>
#include "unit/line-ring.h"
#include "unit/line-splitter.h"
#include "unit/log-file.h"
#include "unit/own-stream.h"
#include "util/clock.h"
#include "util/log.h"

/* After all else: sd-event takes a source of a lower priority only if none of a higher one is due, and a pipe
 * that is always full would keep whatever comes after it from its turn. */
#define PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)
#define PORTION 16384
/* Of the pipe: as large as it can be for a user without privileges (pipe(7), pipe-max-size), and to spare. */
#define PORTIONS_AT_END 72
/* For what is on its way to a file, at the end. */
#define SYNC_USEC (250 * USEC_PER_MSEC)
#define NAME_MAX_LENGTH 200
#define MARK "[...]"

struct Output {
        sd_event *event;
        enum OutputKind kind;
        int to;
        char *prefix; /* "UNIT: " */
        int read_fd, write_fd;
        sd_event_source *io;
        LineSplitter splitter;
        LineRing *ring;
        bool joined; /* the ring is another's */
        OwnStream *stream;
        LogFile *file;
        Waiter waiter;
        bool run_ended; /* what is in the pipe is its last; then its last line ends */
        OutputStatistics statistics;
};

/* --- writing ------------------------------------------------------------------------------------ */

/* Lines on their way. Up to PIPE_BUF bytes of them reach a pipe in one piece. */
typedef struct Batch {
        Output *output;
        size_t len, lines;
        char data[NAME_MAX_LENGTH + LINE_MAX_LENGTH + 32];
} Batch;

static void batch_init(Batch *b, Output *output)
{
        b->output = output;
        b->len = b->lines = 0;
}

static void batch_write(Batch *b)
{
        Output *o = b->output;

        if (b->len == 0)
                return;
        if (o->file) {
                log_file_write(o->file, b->data, b->len, b->lines);
        } else if (!o->stream || !own_stream_write(o->stream, b->data, b->len, b->lines)) {
                o->statistics.dropped_bytes += b->len;
                o->statistics.dropped_lines += b->lines;
        }
        b->len = b->lines = 0;
}

static bool fits(const Batch *b, size_t more)
{
        return b->len + more <= (b->output->file ? sizeof(b->data) : PIPE_BUF);
}

static void batch_puts(Batch *b, const char *data, size_t len)
{
        memcpy(b->data + b->len, data, len);
        b->len += len;
}

static void on_line(void *userdata, const Line *line)
{
        Batch *b = userdata;
        Output *o = b->output;
        size_t prefix = o->stream ? strlen(o->prefix) : 0, begin;
        size_t need = prefix + line->len + 2 * sizeof(MARK " ") + 1;

        if (!fits(b, need))
                batch_write(b);
        batch_puts(b, o->prefix, prefix);
        begin = b->len;
        if (line->continues)
                batch_puts(b, MARK " ", strlen(MARK " "));
        batch_puts(b, line->data, line->len);
        if (line->cut)
                batch_puts(b, " " MARK, strlen(" " MARK));
        line_ring_add(o->ring, b->data + begin, b->len - begin);
        batch_puts(b, "\n", 1);
        b->lines++;
        o->statistics.lines++;
        o->statistics.bytes += line->len + !line->cut;
}

/* --- reading ------------------------------------------------------------------------------------ */

static void end_line(Output *o)
{
        Batch b;

        batch_init(&b, o);
        o->run_ended = false;
        line_splitter_flush(&o->splitter, on_line, &b);
        batch_write(&b);
}

/* Returns whether there may be more. */
static bool read_portion(Output *o)
{
        char data[PORTION];
        Batch b;
        ssize_t n;

        do
                n = read(o->read_fd, data, sizeof(data));
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return false;
        batch_init(&b, o);
        line_splitter_feed(&o->splitter, data, (size_t)n, on_line, &b);
        batch_write(&b);
        return (size_t)n == sizeof(data);
}

static void on_resume(Waiter *waiter)
{
        Output *o = CONTAINER_OF(waiter, Output, waiter);

        (void)sd_event_source_set_enabled(o->io, SD_EVENT_ON);
}

/* Nothing more should be read now. */
static bool is_full(const Output *o)
{
        return o->stream ? own_stream_is_full(o->stream) : o->file && log_file_is_full(o->file);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Output *o = userdata;

        if (is_full(o)) {
                (void)sd_event_source_set_enabled(o->io, SD_EVENT_OFF);
                if (o->stream)
                        own_stream_wait(o->stream, &o->waiter);
                else
                        log_file_wait(o->file, &o->waiter);
                return 0;
        }
        if (!read_portion(o) && o->run_ended)
                end_line(o);
        return 0;
}

/* Returns whether all is read. */
static bool drain(Output *o)
{
        for (unsigned i = 0; i < PORTIONS_AT_END; i++) {
                if (is_full(o))
                        return false;
                if (!read_portion(o))
                        break;
        }
        return true;
}

/* Where there is no room it goes on as there is. */
void output_end_run(Output *o)
{
        if (o->read_fd < 0)
                return;
        o->run_ended = true;
        if (drain(o))
                end_line(o);
}

void output_sync(Output *o, uint64_t timeout_usec)
{
        if (o->file)
                log_file_sync(o->file, timeout_usec);
}

static void drain_at_end(Output *o)
{
        if (!drain(o)) {
                output_sync(o, SYNC_USEC);
                (void)drain(o);
        }
        end_line(o);
}

/* --- life --------------------------------------------------------------------------------------- */

static int make_pipe(Output *o)
{
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        o->read_fd = fds[0];
        o->write_fd = fds[1];
        return fcntl(o->read_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start_reading(Output *o)
{
        int r = sd_event_add_io(o->event, &o->io, o->read_fd, EPOLLIN, on_io, o);

        return r < 0 ? r : sd_event_source_set_priority(o->io, PRIORITY);
}

static void open_journal(Output *o, const char *unit, int priority)
{
        static bool said;
        int fd = sd_journal_stream_fd(unit, priority, true);

        if (fd >= 0) {
                o->write_fd = fd;
                return;
        }
        if (!said)
                log_warning("%s: there is no journal to write to (%s); what commands print goes to the "
                            "output of zksup "
                            "instead",
                        unit, strerror(-fd));
        said = true;
        o->kind = OUTPUT_INHERIT;
}

static int open_place(Output *o, const OutputConfig *config)
{
        int r = 0;

        switch (o->kind) {
        case OUTPUT_DIRECT:
        case OUTPUT_JOURNAL:
                break;
        case OUTPUT_NULL:
                o->write_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
                r = o->write_fd < 0 ? -errno : 0;
                break;
        case OUTPUT_INHERIT:
                r = own_stream_get(&o->stream, o->event, o->to, PRIORITY);
                break;
        case OUTPUT_FILE:
                r = log_file_get(&o->file, o->event, PRIORITY, config->path, config->rotate_bytes,
                        config->rotate_keep);
                break;
        }
        return r;
}

static bool has_pipe(const Output *o)
{
        return o->kind == OUTPUT_INHERIT || o->kind == OUTPUT_FILE;
}

int output_new(
        Output **out, sd_event *event, const OutputConfig *config, const char *unit, int priority, int to)
{
        CLEANUP(output_free) Output *o = calloc(1, sizeof(*o));
        int r = 0;

        if (!o)
                return -ENOMEM;
        o->event = event;
        o->kind = config->kind;
        o->to = to;
        o->read_fd = o->write_fd = -1;
        list_init(&o->waiter.link);
        o->waiter.resume = on_resume;
        o->ring = line_ring_new();
        if (!o->ring || asprintf(&o->prefix, "%.*s: ", NAME_MAX_LENGTH - 2, unit) < 0) {
                o->prefix = NULL;
                return -ENOMEM;
        }
        if (o->kind == OUTPUT_JOURNAL)
                open_journal(o, unit, priority);
        r = open_place(o, config);
        if (r == 0 && has_pipe(o))
                r = make_pipe(o);
        if (r == 0 && has_pipe(o))
                r = start_reading(o);
        if (r < 0)
                return r;
        *out = TAKE(o);
        return 0;
}

Output *output_free(Output *o)
{
        if (!o)
                return NULL;
        if (o->io)
                drain_at_end(o);
        sd_event_source_disable_unref(o->io);
        list_unlink(&o->waiter.link);
        own_stream_put(o->stream);
        log_file_put(o->file);
        line_splitter_deinit(&o->splitter);
        line_ring_unref(o->ring);
        fd_close(o->read_fd);
        fd_close(o->write_fd);
        free(o->prefix);
        free(o);
        return NULL;
}

int output_fd(const Output *o)
{
        return o->write_fd;
}

bool output_is_journal(const Output *o)
{
        return o->kind == OUTPUT_JOURNAL;
}

void output_reopen(Output *o)
{
        if (o->file)
                log_file_reopen(o->file);
}

/* --- what is kept ------------------------------------------------------------------------------- */

void output_statistics(const Output *o, OutputStatistics *statistics)
{
        LogFileStatistics file = {0};

        if (o->file)
                log_file_statistics(o->file, &file);
        *statistics = o->statistics;
        statistics->rotations += file.rotations;
        statistics->dropped_lines += file.dropped_lines;
        statistics->dropped_bytes += file.dropped_bytes;
}

void output_join(Output *o, Output *other)
{
        LineRing *ring = line_ring_ref(o->ring);

        line_ring_unref(other->ring);
        other->ring = ring;
        other->joined = true;
}

size_t output_tail(const Output *o, size_t n, TextBuffer *text)
{
        return line_ring_tail(o->ring, n, text);
}

uint64_t output_total(const Output *o)
{
        return line_ring_total(o->ring);
}

/* --- another program in our place --------------------------------------------------------------- */

void output_save(const Output *o, SavedWriter *w)
{
        CLEANUP(text_buffer_deinit) TextBuffer tail = {0};
        OutputStatistics n;

        output_statistics(o, &n);
        saved_put_number(w, "lines", n.lines);
        saved_put_number(w, "bytes", n.bytes);
        saved_put_number(w, "dropped-lines", n.dropped_lines);
        saved_put_number(w, "dropped-bytes", n.dropped_bytes);
        saved_put_number(w, "rotations", n.rotations);
        if (!o->joined && output_tail(o, SIZE_MAX, &tail) && !tail.failed) {
                saved_put_data(w, "tail", tail.data, tail.len);
                saved_put_number(w, "total", line_ring_total(o->ring));
        }
        if (o->read_fd < 0)
                return;
        saved_put_fd(w, "pipe-read#", o->read_fd);
        saved_put_fd(w, "pipe-write#", o->write_fd);
        if (o->splitter.len)
                saved_put_data(w, "line", o->splitter.held, o->splitter.len);
}

static void remember(Output *o, const char *text)
{
        for (const char *end; (end = strchr(text, '\n')); text = end + 1)
                line_ring_add(o->ring, text, (size_t)(end - text));
}

/* In place of what is there. */
static int take_pipe(Output *o, int read_fd, int write_fd)
{
        int r = 0;

        o->io = sd_event_source_disable_unref(o->io);
        fd_close(o->read_fd);
        fd_close(o->write_fd);
        o->read_fd = read_fd;
        o->write_fd = write_fd;
        if (!has_pipe(o)) {
                o->kind = OUTPUT_INHERIT;
                r = own_stream_get(&o->stream, o->event, o->to, PRIORITY);
        }
        return r < 0 ? r : start_reading(o);
}

int output_restore(Output *o, Saved *saved)
{
        const char *tail = saved_get(saved, "tail"), *line = saved_get(saved, "line");
        int read_fd = saved_take_fd(saved, "pipe-read#"), write_fd = saved_take_fd(saved, "pipe-write#");
        Batch b;

        o->statistics.lines = saved_get_number(saved, "lines", 0);
        o->statistics.bytes = saved_get_number(saved, "bytes", 0);
        o->statistics.dropped_lines = saved_get_number(saved, "dropped-lines", 0);
        o->statistics.dropped_bytes = saved_get_number(saved, "dropped-bytes", 0);
        o->statistics.rotations = saved_get_number(saved, "rotations", 0);
        if (tail) {
                remember(o, tail);
                line_ring_set_total(o->ring, saved_get_number(saved, "total", line_ring_total(o->ring)));
        }
        batch_init(&b, o);
        if (line && has_pipe(o))
                line_splitter_feed(&o->splitter, line, strlen(line), on_line, &b);
        if (read_fd >= 0 && write_fd >= 0)
                return take_pipe(o, read_fd, write_fd);
        return 0;
}
