#include "unit/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include "unit/readiness-notify.h"
#include "unit/readiness-probe.h"

#define DATAGRAM_MAX 4096
/* Datagrams or reads handled in one wake-up, so that a chatty command cannot hold the loop. */
#define ROUND_MAX 16

struct Readiness {
        const ReadinessConfig *config;
        ReadinessHandler handler;
        void *userdata;
        bool active; /* between start and stop */
        bool ready;
        Probe probe;
        NotifySocket notify;
        int pipe[2]; /* ours, the command's */
        sd_event_source *io;
        sd_event_source *at_once; /* for none */
};

static void tell(Readiness *r, enum ReadinessEventType type, const char *text)
{
        ReadinessEvent event = {.type = type, .text = text};

        if (r->active)
                r->handler(r, &event, r->userdata);
}

static void set_ready(Readiness *r, bool ready)
{
        if (!r->active || r->ready == ready)
                return;
        r->ready = ready;
        tell(r, ready ? READINESS_READY : READINESS_LOST, NULL);
}

static void on_probe(void *userdata)
{
        set_ready(userdata, true);
}

static int on_at_once(sd_event_source *source, void *userdata)
{
        set_ready(userdata, true);
        return 0;
}

/* --- notify ------------------------------------------------------------------------------------- */

static void hear(Readiness *r, char *text)
{
        char status[NOTIFY_STATUS_MAX];
        enum NotifyWord word;

        while (readiness_notify_next_word(&text, &word, status))
                switch (word) {
                case NOTIFY_WORD_READY:
                        set_ready(r, true);
                        break;
                case NOTIFY_WORD_RELOADING:
                case NOTIFY_WORD_STOPPING:
                        set_ready(r, false);
                        break;
                case NOTIFY_WORD_STATUS:
                        tell(r, READINESS_STATUS, status);
                        break;
                case NOTIFY_WORD_NONE:
                        break;
                }
}

/* Handles what came, or throws it away when nobody waits for it: a full queue would block the
 * command. Returns false when nothing is left. */
static bool read_notify(Readiness *r)
{
        char datagram[DATAGRAM_MAX];
        int n = readiness_notify_socket_read(&r->notify, datagram, sizeof(datagram));

        if (n > 0 && r->active)
                hear(r, datagram);
        return n >= 0;
}

/* --- a newline on a descriptor ------------------------------------------------------------------ */

static bool read_pipe(Readiness *r)
{
        char bytes[512];
        ssize_t n = read(r->pipe[0], bytes, sizeof(bytes));

        for (ssize_t i = 0; i < n; i++)
                if (bytes[i] == '\n')
                        set_ready(r, true);
        return n > 0 || (n < 0 && errno == EINTR);
}

static bool read_one(Readiness *r)
{
        return r->config->kind == READINESS_NOTIFY ? read_notify(r) : read_pipe(r);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        for (int i = 0; i < ROUND_MAX && read_one(userdata); i++)
                ;
        return 0;
}

/* Only our end must not block: the flag belongs to the open file, and the other one is the command's. */
static int open_pipe(Readiness *r)
{
        if (pipe2(r->pipe, O_CLOEXEC) < 0)
                return -errno;
        if (fcntl(r->pipe[0], F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

/* --- the object --------------------------------------------------------------------------------- */

static int set_up(Readiness *r, sd_event *event, Reaper *reaper)
{
        int e;

        switch (r->config->kind) {
        case READINESS_NONE:
                e = sd_event_add_defer(event, &r->at_once, on_at_once, r);
                return e < 0 ? e : sd_event_source_set_enabled(r->at_once, SD_EVENT_OFF);
        case READINESS_NOTIFY:
                e = readiness_notify_socket_init(&r->notify);
                return e < 0 ? e : sd_event_add_io(event, &r->io, r->notify.fd, EPOLLIN, on_io, r);
        case READINESS_FD:
                e = open_pipe(r);
                return e < 0 ? e : sd_event_add_io(event, &r->io, r->pipe[0], EPOLLIN, on_io, r);
        case READINESS_EXEC:
                if (!reaper)
                        return -EINVAL;
                return readiness_probe_init(&r->probe, event, reaper, r->config, on_probe, r);
        case READINESS_TCP:
        case READINESS_HTTP:
                return readiness_probe_init(&r->probe, event, reaper, r->config, on_probe, r);
        }
        return -EINVAL;
}

int readiness_new(Readiness **out, sd_event *event, Reaper *reaper, const ReadinessConfig *config,
        ReadinessHandler handler, void *userdata)
{
        CLEANUP(readiness_free) Readiness *r = calloc(1, sizeof(*r));
        int e;

        if (!r)
                return -ENOMEM;
        r->config = config;
        r->handler = handler;
        r->userdata = userdata;
        r->notify.fd = r->pipe[0] = r->pipe[1] = -1;
        e = set_up(r, event, reaper);
        if (e < 0)
                return e;
        *out = TAKE(r);
        return 0;
}

Readiness *readiness_free(Readiness *r)
{
        if (!r)
                return NULL;
        readiness_stop(r);
        sd_event_source_disable_unref(r->at_once);
        sd_event_source_disable_unref(r->io);
        readiness_probe_deinit(&r->probe);
        readiness_notify_socket_deinit(&r->notify);
        fd_close(r->pipe[0]);
        fd_close(r->pipe[1]);
        free(r);
        return NULL;
}

int readiness_start(Readiness *r)
{
        readiness_stop(r);
        r->ready = false;
        if (r->io)
                while (read_one(r)) /* of an earlier run: nobody of this one is there to write yet */
                        ;
        r->active = true;
        if (r->at_once)
                return sd_event_source_set_enabled(r->at_once, SD_EVENT_ONESHOT);
        return r->probe.event ? readiness_probe_start(&r->probe) : 0;
}

void readiness_stop(Readiness *r)
{
        if (!r->active)
                return;
        r->active = false;
        if (r->at_once)
                (void)sd_event_source_set_enabled(r->at_once, SD_EVENT_OFF);
        if (r->probe.event)
                readiness_probe_stop(&r->probe);
}

const char *readiness_env(const Readiness *r)
{
        return r->notify.env;
}

int readiness_pass_fd(const Readiness *r)
{
        return r->pipe[1];
}

/* --- another program in our place --------------------------------------------------------------- */

void readiness_save(const Readiness *r, SavedWriter *w)
{
        saved_put_flag(w, "active", r->active);
        saved_put_flag(w, "ready", r->ready);
        saved_put(w, "directory", r->notify.directory);
        saved_put_fd(w, "notify", r->notify.fd);
        saved_put_fd(w, "pipe-read", r->pipe[0]);
        saved_put_fd(w, "pipe-write", r->pipe[1]);
}

static int take_notify(Readiness *r, Saved *saved)
{
        const char *directory = saved_get(saved, "directory");
        int fd = directory ? saved_take_fd(saved, "notify") : -1;

        return fd < 0 ? -EBADMSG : readiness_notify_socket_take(&r->notify, directory, fd);
}

static int take_pipe(Readiness *r, Saved *saved)
{
        CLEANUP_FD ours = saved_take_fd(saved, "pipe-read");
        CLEANUP_FD theirs = saved_take_fd(saved, "pipe-write");

        if (ours < 0 || theirs < 0)
                return -EBADMSG;
        fd_close(r->pipe[0]);
        fd_close(r->pipe[1]);
        r->pipe[0] = TAKE_FD(ours);
        r->pipe[1] = TAKE_FD(theirs);
        return 0;
}

/* An old source may be of a descriptor whose number is about to be another's. */
static int take_descriptors(Readiness *r, sd_event *event, Saved *saved)
{
        bool notify = r->config->kind == READINESS_NOTIFY;
        int e;

        if (!notify && r->config->kind != READINESS_FD)
                return 0;
        r->io = sd_event_source_disable_unref(r->io);
        e = notify ? take_notify(r, saved) : take_pipe(r, saved);
        return e < 0 ? e : sd_event_add_io(event, &r->io, notify ? r->notify.fd : r->pipe[0], EPOLLIN, on_io, r);
}

int readiness_restore(Readiness *r, sd_event *event, Saved *saved)
{
        int e = take_descriptors(r, event, saved);

        r->active = saved_get_flag(saved, "active");
        r->ready = saved_get_flag(saved, "ready");
        if (e >= 0 && r->active && !r->ready && r->at_once)
                e = sd_event_source_set_enabled(r->at_once, SD_EVENT_ONESHOT);
        else if (e >= 0 && r->active && !r->ready && r->probe.event)
                e = readiness_probe_start(&r->probe);
        return e < 0 ? e : 0;
}
