#include "unit/spawn-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "unit/cgroup.h"
#include "unit/child-environment.h"
#include "unit/child-identity.h"
#include "unit/spawn-guard.h"
#include "util/clock.h"
#include "util/log.h"

/* While the tree of a lost guard is killed from here: how often to look. */
#define LOST_RETRY_USEC 2000

/* No child has it, so a watch of it is heard of when the reaper ends. */
#define NO_PROCESS 0

void spawn_private_free(Spawn *s)
{
        sd_event_source_disable_unref(s->io);
        sd_event_source_disable_unref(s->timer);
        reaper_unwatch(&s->watch);
        reaper_unwatch(&s->care);
        fd_close(s->socket_fd);
        fd_close(s->kill_fd);
        fd_close(s->events_fd);
        fd_close(s->tty_fd);
        service_group_close(&s->service);
        if (s->cgroup)
                cgroup_remove(s->cgroup);
        free(s->cgroup);
        if (s->page)
                lease_page_free_slot(s->page, s->slot);
        sd_event_unref(s->event);
        free(s);
}

/* Calls the owner. He may free us in the handler; then we live on until the guard is gone, so the
 * callers need not care. */
static void emit(Spawn *s, SpawnEvent event)
{
        if (s->freed)
                return;
        s->in_handler++;
        s->handler(s, &event, s->userdata);
        s->in_handler--;
}

static enum ContainMode contain_from_wire(int number)
{
        return number == WIRE_CONTAIN_CGROUP  ? CONTAIN_CGROUP
               : number == WIRE_CONTAIN_PIDNS ? CONTAIN_PIDNS
                                              : CONTAIN_SUBREAPER;
}

static void on_ready(Spawn *s, const WireMessage *m)
{
        if (m->value != WIRE_VERSION) {
                log_error("zksup-guard speaks version %lld, this zksup %d: restart zksup after an upgrade",
                        (long long)m->value, WIRE_VERSION);
                kill(s->watch.pid, SIGKILL);
                return;
        }
        s->ready = true;
        s->contain = contain_from_wire(m->number);
        emit(s, (SpawnEvent){.type = SPAWN_READY, .contain = s->contain});
}

static void on_message(Spawn *s, const WireMessage *m)
{
        switch ((enum WireType)m->type) {
        case WIRE_READY:
                on_ready(s, m);
                return;
        case WIRE_STARTED:
                s->pid = m->number;
                emit(s, (SpawnEvent){.type = SPAWN_STARTED, .pid = s->pid});
                return;
        case WIRE_EXEC_FAILED:
                emit(s, (SpawnEvent){.type = SPAWN_EXEC_FAILED,
                                .stage = (enum WireStage)m->number,
                                .error = (int)m->value,
                                .which = (unsigned)m->usec});
                return;
        case WIRE_EXITED:
                s->pid = 0;
                emit(s, (SpawnEvent){.type = SPAWN_EXITED, .code = m->number, .status = (int)m->value});
                return;
        case WIRE_JOB_STOPPED:
                emit(s, (SpawnEvent){.type = SPAWN_JOB_STOPPED, .signal = m->number});
                return;
        case WIRE_STOPPING:
                emit(s, (SpawnEvent){.type = SPAWN_STOPPING, .why = (enum WireWhy)m->number});
                return;
        case WIRE_EMPTY:
                s->running = false;
                s->pid = 0;
                emit(s, (SpawnEvent){.type = SPAWN_EMPTY});
                return;
        case WIRE_START: /* ours to say */
        case WIRE_SIGNAL:
        case WIRE_STOP:
        case WIRE_KILL:
        case WIRE_FREEZE:
        case WIRE_THAW:
        case WIRE_CONTINUE:
                return;
        }
}

/* All that is there. What the guard said before it died is still true. */
static void drain(Spawn *s)
{
        WireMessage m;

        while (!s->freed && s->socket_fd >= 0) {
                ssize_t n = recv(s->socket_fd, &m, sizeof(m), MSG_DONTWAIT);

                if (n == sizeof(m)) {
                        on_message(s, &m);
                        continue;
                }
                if (n < 0 && errno == EINTR)
                        continue;
                if (n == 0 || (n < 0 && errno != EAGAIN)) /* its end is told by the reaper */
                        sd_event_source_set_enabled(s->io, SD_EVENT_OFF);
                return;
        }
}

int spawn_private_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        drain(userdata);
        return 0;
}

/* One round of killing the tree in the guard's place: true if it is proved empty. Nothing is allocated
 * here. */
static bool kill_round(Spawn *s)
{
        bool none;

        if (s->kill_fd >= 0)
                cgroup_kill(s->kill_fd);
        service_group_kill(&s->service);
        if (!s->dead) { /* stopped: its children are not ours to find before it dies */
                reaper_kill_below(s->reaper, s->watch.pid);
                kill(s->watch.pid, SIGKILL);
        }
        none = reaper_kill_orphans(s->reaper);
        return s->dead && none && service_group_is_empty(&s->service) &&
               (s->events_fd < 0 || cgroup_is_populated(s->events_fd) == 0);
}

/* The guard gives the terminal back when the command ends; a lost one cannot. If the group in the
 * foreground is nobody's any more, it was our command's. */
static void take_terminal_back(const Spawn *s)
{
        sigset_t ttou, old;
        pid_t group;

        if (s->tty_fd < 0)
                return;
        group = tcgetpgrp(s->tty_fd);
        if (group == getpgrp() || (group > 0 && kill(-group, 0) == 0))
                return;
        sigemptyset(&ttou);
        sigaddset(&ttou, SIGTTOU);
        sigprocmask(SIG_BLOCK, &ttou, &old);
        tcsetpgrp(s->tty_fd, getpgrp());
        sigprocmask(SIG_SETMASK, &old, NULL);
}

static void conclude(Spawn *s, bool empty)
{
        if (!empty) {
                (void)sd_event_source_set_time_relative(s->timer, LOST_RETRY_USEC);
                return;
        }
        take_terminal_back(s);
        if (s->running) {
                s->running = false;
                s->pid = 0;
                emit(s, (SpawnEvent){.type = SPAWN_EMPTY});
        }
        s->over = true;
        if (s->freed)
                spawn_private_free(s);
}

int spawn_private_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Spawn *s = userdata;

        sd_event_source_set_time(s->timer, USEC_INFINITY);
        conclude(s, s->over || kill_round(s));
        return 0;
}

/* The guard is dead, its tree not yet proved empty, and the reaper goes: nothing will prove it any more. */
static void on_reaper_end(ReaperWatch *care, int code, int status)
{
        Spawn *s = CONTAINER_OF(care, Spawn, care);

        s->over = true;
        if (s->freed)
                spawn_private_free(s);
}

void spawn_private_on_guard(ReaperWatch *watch, int code, int status)
{
        Spawn *s = CONTAINER_OF(watch, Spawn, watch);
        bool first = !s->lost, empty;

        s->dead = code != CLD_STOPPED;
        s->lost = true;
        if (code == 0 || (s->freed && code == CLD_EXITED && status == 0)) { /* it has proved it itself */
                s->over = true;
                if (s->freed)
                        spawn_private_free(s);
                return;
        }
        empty = kill_round(s); /* before anything that may take its time */
        if (s->dead)
                drain(s);
        if (s->dead && !empty)
                reaper_watch(s->reaper, &s->care, NO_PROCESS, on_reaper_end);
        if (first)
                emit(s, (SpawnEvent){.type = SPAWN_GUARD_LOST});
        conclude(s, empty);
}

uint64_t spawn_private_signal_bits(const sigset_t *set)
{
        uint64_t bits = 0;

        for (int i = 1; set && i <= 64; i++)
                if (sigismember(set, i) == 1)
                        bits |= UINT64_C(1) << (i - 1);
        return bits;
}

/* Of the last group that was made: a new name each time, as a group that was killed is not like a new one. */
unsigned spawn_private_serial;

/* A group of our own below our own, for the modes that want one. AUTO does without if need be. */
static int make_group(Spawn *s, const SpawnConfig *c)
{
        CLEANUP_STRING parent = NULL;
        CLEANUP_STRING name = NULL;
        int r;

        if (c->contain != CONTAIN_AUTO && c->contain != CONTAIN_CGROUP)
                return 0;
        r = c->cgroup_parent ? 0 : cgroup_find_own(&parent);
        if (r < 0)
                return r;
        if (asprintf(&name, "zksup-%s-%d-%u", c->name ? c->name : "unit", (int)getpid(), ++spawn_private_serial) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        r = cgroup_make(c->cgroup_parent ? c->cgroup_parent : parent, name, &s->cgroup);
        if (r < 0)
                return r;
        s->kill_fd = cgroup_open(s->cgroup, "cgroup.kill", O_WRONLY);
        s->events_fd = cgroup_open(s->cgroup, "cgroup.events", O_RDONLY);
        return s->kill_fd < 0 ? s->kill_fd : s->events_fd < 0 ? s->events_fd : 0;
}

/* Tried once for all groups with the same parent: they are all new, and we stay where we are (whoever kills our own group
 * kills us). A try costs a fork. */
static bool is_birth_possible(const char *group)
{
        static char *parent;
        static bool possible;
        size_t len = (size_t)(strrchr(group, '/') - group);

        if (parent && strlen(parent) == len && memcmp(parent, group, len) == 0)
                return possible;
        possible = cgroup_can_be_born(group);
        free(parent);
        parent = strndup(group, len);
        return possible;
}

static void drop_group(Spawn *s)
{
        s->kill_fd = fd_close(s->kill_fd);
        s->events_fd = fd_close(s->events_fd);
        if (s->cgroup)
                cgroup_remove(s->cgroup);
        free(TAKE(s->cgroup));
}

/* Without it the command runs all the same, and zksup still-mine says no in it. */
static void publish_lease(const Spawn *s, const SpawnConfig *c, const ChildIdentity *identity)
{
        int r = identity->changes && identity->has_user ? lease_page_publish(s->page) : 0;

        if (r < 0)
                log_warning("%s: zksup still-mine will not work in it, as user '%s' cannot read the lease: no file for it: %s",
                        c->name ? c->name : c->argv[0], c->child->user, strerror(-r));
}

static int execute(Spawn *s, const SpawnConfig *c)
{
        CLEANUP(child_identity_deinit) ChildIdentity identity;
        CLEANUP(child_environment_deinit) ChildEnvironment environment = {0};
        CLEANUP_STRING found = NULL;
        CLEANUP_FD theirs = -1;
        SpawnGuard g = {.page_fd = lease_page_fd(s->page), .slot = s->slot, .cgroup = s->cgroup};
        int fds[2], r;
        pid_t pid;

        r = child_identity_resolve(&identity, c->child, c->problem, c->problem_size);
        if (r == 0)
                publish_lease(s, c, &identity);
        if (r == 0)
                r = child_environment_make(&environment, c->child, &identity);
        if (r == 0 && !c->guard_path)
                r = spawn_find_guard(&found);
        if (r < 0)
                return r;
        g.born = s->cgroup && is_birth_possible(s->cgroup);
        g.identity = &identity;
        g.environment = environment.envp;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        s->socket_fd = fds[0];
        theirs = fds[1];
        g.path = c->guard_path ? c->guard_path : found;
        g.socket_fd = theirs;
        g.contain = s->cgroup                     ? CONTAIN_CGROUP
                    : c->contain == CONTAIN_PIDNS ? CONTAIN_PIDNS
                                                  : CONTAIN_SUBREAPER;
        r = spawn_guard_execute(&g, c, &pid);
        if (r == 0)
                reaper_watch(s->reaper, &s->watch, pid, spawn_private_on_guard);
        return r;
}

int spawn_new(Spawn **out, sd_event *event, Reaper *reaper, LeasePage *page, const SpawnConfig *c,
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
        s->socket_fd = s->kill_fd = s->events_fd = -1;
        service_group_init(&s->service);
        s->tty_fd = c->terminal ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
        s->blocked = spawn_private_signal_bits(c->blocked);
        s->ignored = spawn_private_signal_bits(c->ignored);
        r = lease_page_alloc_slot(page);
        if (r >= 0) {
                s->page = page;
                s->slot = (unsigned)r;
                r = make_group(s, c);
        }
        if (r < 0 && s->page && c->contain == CONTAIN_AUTO) {
                drop_group(s);
                r = 0;
        }
        if (r >= 0 && c->kill_cgroup)
                r = service_group_open(&s->service, c->kill_cgroup);
        if (r >= 0)
                r = sd_event_add_time(event, &s->timer, CLOCK_BOOTTIME, USEC_INFINITY, 1, spawn_private_on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_ON);
        if (r >= 0)
                r = execute(s, c);
        if (r >= 0)
                r = sd_event_add_io(event, &s->io, s->socket_fd, EPOLLIN, spawn_private_on_io, s);
        if (r < 0) {
                spawn_private_free(s); /* a guard that runs sees the end of its socket, and ends */
                return r;
        }
        *out = s;
        return 0;
}

Spawn *spawn_free(Spawn *s)
{
        if (!s)
                return NULL;
        s->freed = true;
        sd_event_source_set_enabled(s->io, SD_EVENT_OFF);
        s->io = sd_event_source_disable_unref(s->io);
        s->socket_fd = fd_close(s->socket_fd); /* the guard's sign to end */
        lease_page_set(s->page, s->slot, 0);
        if (s->over && s->in_handler == 0)
                spawn_private_free(s);
        return NULL;
}

static int send_message(Spawn *s, const void *m, size_t len)
{
        if (s->lost || s->socket_fd < 0)
                return -ENOTCONN;
        if (send(s->socket_fd, m, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return 0;
        return errno == EPIPE || errno == ECONNRESET ? -ENOTCONN : -errno;
}

static int request(Spawn *s, enum WireType type, int number, uint64_t usec)
{
        WireMessage m = {.type = type, .number = number, .usec = usec};

        if (!s->running)
                return -ESRCH;
        return send_message(s, &m, sizeof(m));
}

/* Returns 0 or -E2BIG. */
static int add_assignment(WireStart *w, const char *assignment)
{
        size_t len = strlen(assignment) + 1;

        if (len > sizeof(w->env) - w->env_len)
                return -E2BIG;
        memcpy(w->env + w->env_len, assignment, len);
        w->env_len += (uint32_t)len;
        return 0;
}

/* An empty group may be removed by whoever tidies up. Nothing can be started in it, so this guard is of no use any
 * more. */
static bool is_group_lost(Spawn *s)
{
        if (s->lost || s->events_fd < 0 || !cgroup_is_gone(s->events_fd))
                return false;
        log_warning("the control group %s was removed: its guard is replaced", s->cgroup);
        s->lost = true;
        kill(s->watch.pid, SIGKILL);
        return true;
}

int spawn_start(Spawn *s, const SpawnStart *start)
{
        char lease[LEASE_PAGE_ENV_MAX];
        WireStart w;
        int r;

        if (s->running)
                return -EBUSY;
        if (is_group_lost(s))
                return -ENOTCONN;
        memset(&w, 0, offsetof(WireStart, env));
        w.head.type = WIRE_START;
        w.head.number = start->stop_signal;
        w.grace_usec = start->grace_usec;
        w.kill_budget_usec = start->kill_budget_usec;
        w.blocked = s->blocked;
        w.ignored = s->ignored;
        lease_page_env(s->page, s->slot, lease);
        r = add_assignment(&w, lease);
        for (char *const *e = start->env; e && *e && r == 0; e++)
                r = add_assignment(&w, *e);
        if (r < 0)
                return r;
        spawn_set_deadline(s, start->deadline_usec);
        r = send_message(s, &w, offsetof(WireStart, env) + w.env_len);
        s->running = r == 0;
        return r;
}

int spawn_signal(Spawn *s, int signal)
{
        return request(s, WIRE_SIGNAL, signal, 0);
}

int spawn_stop(Spawn *s, int signal, uint64_t grace_usec)
{
        return request(s, WIRE_STOP, signal, grace_usec);
}

int spawn_kill(Spawn *s)
{
        return request(s, WIRE_KILL, 0, 0);
}

int spawn_freeze(Spawn *s)
{
        return request(s, WIRE_FREEZE, 0, 0);
}

int spawn_thaw(Spawn *s)
{
        return request(s, WIRE_THAW, 0, 0);
}

int spawn_continue(Spawn *s, bool foreground)
{
        return request(s, WIRE_CONTINUE, foreground, 0);
}

void spawn_set_deadline(Spawn *s, uint64_t deadline_usec)
{
        lease_page_set(s->page, s->slot, deadline_usec);
}

void spawn_disown(Spawn *s)
{
        lease_page_disown(s->page, s->slot);
}

bool spawn_is_ready(const Spawn *s)
{
        return s->ready && !s->lost;
}

bool spawn_is_running(const Spawn *s)
{
        return s->running;
}

bool spawn_is_lost(const Spawn *s)
{
        return s->lost;
}

pid_t spawn_guard_pid(const Spawn *s)
{
        return s->watch.pid;
}

pid_t spawn_pid(const Spawn *s)
{
        return s->pid;
}

enum ContainMode spawn_contain(const Spawn *s)
{
        return s->contain;
}

static const char *const contain_names[] = {
        [CONTAIN_AUTO] = "auto",
        [CONTAIN_CGROUP] = "cgroup",
        [CONTAIN_PIDNS] = "pidns",
        [CONTAIN_SUBREAPER] = "subreaper",
};

const char *contain_mode_to_string(enum ContainMode mode)
{
        return contain_names[mode];
}

int contain_mode_from_string(const char *text)
{
        for (size_t i = 0; i < ARRAY_SIZE(contain_names); i++)
                if (strcmp(text, contain_names[i]) == 0)
                        return (int)i;
        return -EINVAL;
}
