/* Guards that go on under another program in our place: it is the same process to them, with the same descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include "unit/cgroup.h"
#include "unit/spawn-private.h"
#include "util/clock.h"

bool spawn_save(const Spawn *s, SavedWriter *w)
{
        if (!s->ready || s->lost || s->dead || s->freed || s->tty_fd >= 0)
                return false;
        saved_put_number(w, "wire", WIRE_VERSION);
        saved_put_number(w, "guard", (uint64_t)s->watch.pid);
        saved_put_fd(w, "socket", s->socket_fd);
        saved_put_number(w, "slot", s->slot);
        saved_put(w, "cgroup", s->cgroup);
        saved_put(w, "contain", contain_mode_to_string(s->contain));
        saved_put_number(w, "pid", (uint64_t)s->pid);
        saved_put_flag(w, "running", s->running);
        return true;
}

/* Names of groups that are there must not come again. */
static void pass_serial(const char *cgroup)
{
        const char *dash = strrchr(cgroup, '-');
        uint64_t serial;

        if (dash && text_to_u64(dash + 1, 0, UINT32_MAX - 1, &serial) == 0)
                spawn_private_serial = MAX(spawn_private_serial, (unsigned)serial);
}

static int open_group(Spawn *s, const char *cgroup)
{
        s->cgroup = strdup(cgroup);
        if (!s->cgroup)
                return -ENOMEM;
        pass_serial(cgroup);
        s->kill_fd = cgroup_open(cgroup, "cgroup.kill", O_WRONLY);
        s->events_fd = cgroup_open(cgroup, "cgroup.events", O_RDONLY);
        return s->kill_fd < 0 ? s->kill_fd : s->events_fd < 0 ? s->events_fd : 0;
}

static int take(Spawn *s, LeasePage *page, Saved *saved)
{
        const char *contain = saved_get(saved, "contain"), *cgroup = saved_get(saved, "cgroup");
        int mode = contain ? contain_mode_from_string(contain) : -EINVAL, r;
        uint64_t slot = saved_get_number(saved, "slot", UINT32_MAX);

        s->watch.pid = (pid_t)saved_get_number(saved, "guard", 0);
        s->pid = (pid_t)saved_get_number(saved, "pid", 0);
        s->running = saved_get_flag(saved, "running");
        s->ready = true;
        if (mode < 0 || s->watch.pid <= 1 || slot >= UINT32_MAX || saved_get_number(saved, "wire", 0) != WIRE_VERSION)
                return -EBADMSG;
        s->contain = (enum ContainMode)mode;
        r = lease_page_take_slot(page, (unsigned)slot);
        if (r < 0)
                return r;
        s->page = page;
        s->slot = (unsigned)slot;
        if (cgroup) {
                r = open_group(s, cgroup);
                if (r < 0)
                        return r;
        }
        s->socket_fd = saved_take_fd(saved, "socket");
        return s->socket_fd < 0 ? -EBADF : 0;
}

int spawn_adopt(Spawn **out, sd_event *event, Reaper *reaper, LeasePage *page, const SpawnConfig *c, Saved *saved,
        SpawnHandler handler, void *userdata)
{
        Spawn *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->reaper = reaper;
        s->handler = handler;
        s->userdata = userdata;
        s->socket_fd = s->kill_fd = s->events_fd = s->tty_fd = -1;
        s->blocked = spawn_private_signal_bits(c->blocked);
        s->ignored = spawn_private_signal_bits(c->ignored);
        service_group_init(&s->service);
        r = take(s, page, saved);
        if (r >= 0 && c->kill_cgroup)
                r = service_group_open(&s->service, c->kill_cgroup);
        if (r >= 0)
                r = sd_event_add_time(event, &s->timer, CLOCK_BOOTTIME, USEC_INFINITY, 1, spawn_private_on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_ON);
        if (r >= 0)
                r = sd_event_add_io(event, &s->io, s->socket_fd, EPOLLIN, spawn_private_on_io, s);
        if (r < 0) {
                spawn_private_free(s);
                return r;
        }
        reaper_watch(reaper, &s->watch, s->watch.pid, spawn_private_on_guard);
        *out = s;
        return 0;
}
