#include "manager/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>

/* Shared by all commands; open from the first one that needs it until we end. */
static int null_fd(void)
{
        static int fd = -1;

        if (fd < 0)
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        return fd;
}

static bool is_direct(const OutputConfig *config)
{
        return !config || config->kind == OUTPUT_DIRECT;
}

static bool is_same_file(const OutputConfig *a, const OutputConfig *b)
{
        return a->kind == OUTPUT_FILE && b->kind == OUTPUT_FILE && strcmp(a->path, b->path) == 0;
}

int streams_init(
        Streams *s, sd_event *event, const OutputConfig *out, const OutputConfig *err, const char *unit)
{
        const OutputConfig direct = {.kind = OUTPUT_DIRECT};
        int r;

        *s = (Streams){0};
        if (is_direct(out) && is_direct(err))
                return 0;
        out = out ? out : &direct;
        err = err ? err : &direct;
        r = null_fd() < 0 ? -errno : output_new(&s->out, event, out, unit, LOG_INFO, STDOUT_FILENO);
        if (r == 0 && !is_same_file(out, err)) {
                r = output_new(&s->err, event, err, unit, LOG_ERR, STDERR_FILENO);
                if (r == 0)
                        output_join(s->out, s->err);
        }
        if (r < 0) {
                streams_deinit(s);
                return r;
        }
        s->journal = output_is_journal(s->out) || (s->err && output_is_journal(s->err));
        return 0;
}

void streams_deinit(Streams *s)
{
        s->out = output_free(s->out);
        s->err = output_free(s->err);
}

void streams_give(const Streams *s, SpawnConfig *config)
{
        if (!s || !s->out)
                return;
        config->use_stdio = true;
        config->stdio[0] = null_fd();
        config->stdio[1] = output_fd(s->out);
        config->stdio[2] = output_fd(s->err ? s->err : s->out);
}

void streams_end_run(const Streams *s)
{
        if (s && s->out)
                output_end_run(s->out);
        if (s && s->err)
                output_end_run(s->err);
}

void streams_reopen(const Streams *s)
{
        if (s->out)
                output_reopen(s->out);
        if (s->err)
                output_reopen(s->err);
}

size_t streams_tail(const Streams *s, size_t n, TextBuffer *text)
{
        return s->out ? output_tail(s->out, n, text) : 0;
}

uint64_t streams_total(const Streams *s)
{
        return s->out ? output_total(s->out) : 0;
}

static uint64_t dropped(const Output *output)
{
        OutputStatistics n = {0};

        if (output)
                output_statistics(output, &n);
        return n.dropped_lines;
}

uint64_t streams_dropped(const Streams *s)
{
        return dropped(s->out) + dropped(s->err);
}

void streams_save(const Streams *s, SavedWriter *writer)
{
        if (s->out) {
                saved_enter(writer, "out", SAVED_NO_INDEX);
                output_save(s->out, writer);
                saved_leave(writer);
        }
        if (s->err) {
                saved_enter(writer, "err", SAVED_NO_INDEX);
                output_save(s->err, writer);
                saved_leave(writer);
        }
}

static int restore(Output *output, const char *name, Saved *saved)
{
        int r = 0;

        saved_go_in(saved, name, SAVED_NO_INDEX);
        if (output)
                r = output_restore(output, saved);
        saved_go_out(saved);
        return r;
}

int streams_restore(const Streams *s, Saved *saved)
{
        int r = restore(s->out, "out", saved);

        return r < 0 ? r : restore(s->err, "err", saved);
}
