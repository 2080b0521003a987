#include "guard/contain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the guard says to the init of the namespace: the command is over, end when all are. */
#define INIT_OVER SIGUSR1

static pid_t fork_with(uint64_t flags, int group_fd)
{
        struct clone_args args = {
                .flags = flags | (group_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, /* with it: the same as ours */
                .cgroup = group_fd >= 0 ? (uint64_t)group_fd : 0,
        };
        long r = syscall(SYS_clone3, &args, sizeof(args));

        return r < 0 ? -errno : (pid_t)r;
}

static bool write_file(const char *path, const char *text, size_t len)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;

        if (fd >= 0)
                close(fd);
        return ok;
}

static bool open_group(Contain *c, const char *dir)
{
        c->group_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->group_fd < 0)
                return false;
        c->kill_fd = openat(c->group_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        c->events_fd = openat(c->group_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        c->freeze_fd = openat(c->group_fd, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
        c->procs_fd = openat(c->group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return c->kill_fd >= 0 && c->events_fd >= 0 && c->freeze_fd >= 0 && c->procs_fd >= 0;
}

/* One line of /proc/self/uid_map or gid_map: ID stays ID. */
static bool write_map(const char *path, unsigned id)
{
        char line[32], digits[12], *d = digits + sizeof(digits);
        size_t len;

        *--d = 0;
        do
                *--d = (char)('0' + id % 10);
        while ((id /= 10) > 0);
        len = strlen(d);
        memcpy(line, d, len);
        line[len] = ' ';
        memcpy(line + len + 1, d, len);
        memcpy(line + 2 * len + 1, " 1", 2);
        return write_file(path, line, 2 * len + 3);
}

/* Without privilege the guard first moves into a user namespace in which its user and group stay
 * what they are. */
static bool enter_user_namespace(void)
{
        unsigned uid = geteuid(), gid = getegid();

        return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny", 4) &&
               write_map("/proc/self/uid_map", uid) && write_map("/proc/self/gid_map", gid);
}

/* Tries a namespace once, so that READY tells the truth. */
static bool open_namespace(Contain *c)
{
        if (contain_begin(c) < 0 && (!enter_user_namespace() || contain_begin(c) < 0))
                return false;
        kill(c->init, SIGKILL);
        while (waitpid(c->init, NULL, 0) < 0 && errno == EINTR)
                ;
        contain_reaped(c, c->init);
        return true;
}

void contain_open(Contain *c, enum WireContain mode, const char *cgroup, bool born_inside, int page_fd)
{
        memset(c, 0, sizeof(*c));
        service_group_init(&c->service);
        c->page_fd = page_fd;
        c->group_fd = c->kill_fd = c->events_fd = c->freeze_fd = c->procs_fd = c->init_fd = -1;
        c->guard_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        tree_open(&c->tree);
        c->mode = mode;
        c->born_inside = mode == WIRE_CONTAIN_CGROUP && born_inside;
        if ((mode == WIRE_CONTAIN_CGROUP && !(cgroup && open_group(c, cgroup))) ||
                (mode == WIRE_CONTAIN_PIDNS && !open_namespace(c))) {
                c->mode = WIRE_CONTAIN_SUBREAPER;
                c->born_inside = false;
        }
}

int contain_add_service(Contain *c, const char *path)
{
        return service_group_open(&c->service, path);
}

/* getppid() tells nothing about a parent outside the namespace. */
static bool guard_is_dead(const Contain *c)
{
        struct pollfd p = {.fd = c->guard_fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

static void close_all_but(int fd)
{
        if (fd > 0)
                syscall(SYS_close_range, 0, fd - 1, 0);
        syscall(SYS_close_range, fd + 1, ~0U, 0);
}

/* The init needs none, and only who has no fewer may look at what it has open (PTRACE_MODE_READ). */
static void drop_capabilities(void)
{
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

        syscall(SYS_capset, &head, none);
}

/* The init of the namespace. Keeps the lease page open: from inside, with a /proc of the namespace, the
 * supervisor is not to be found, but this process is, as number 1. Reaps orphans; ends when told that the command is over and nobody is
 * left. Signals from inside do not reach it, except those we wait for, and of these only the
 * guard's count (a sender outside the namespace has no pid here). */
static _Noreturn void init_main(const Contain *c)
{
        sigset_t set;
        siginfo_t info;
        bool over = false;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (guard_is_dead(c))
                _exit(0);
        prctl(PR_SET_NAME, "zksup-init");
        close_all_but(c->page_fd);
        drop_capabilities();
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, INIT_OVER);
        for (;;) {
                pid_t pid;

                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (over && pid < 0 && errno == ECHILD)
                        _exit(0);
                if (sigwaitinfo(&set, &info) == INIT_OVER && info.si_pid == 0)
                        over = true;
        }
}

int contain_begin(Contain *c)
{
        if (c->mode != WIRE_CONTAIN_PIDNS)
                return 0;
        c->init = fork_with(CLONE_NEWPID, -1);
        if (c->init == 0)
                init_main(c);
        if (c->init < 0) {
                int r = c->init;

                c->init = 0;
                return r;
        }
        c->tree.spare = c->init;
        c->init_fd = (int)syscall(SYS_pidfd_open, c->init, 0);
        if (c->init_fd < 0) {
                int r = -errno;

                kill(c->init, SIGKILL); /* reaped like any other child */
                return r;
        }
        return 0;
}

/* A short-lived helper enters the namespace for its children and forks the command as the guard's
 * own child (CLONE_PARENT), so the guard stays where it is and waits for the command itself. */
static pid_t fork_inside(const Contain *c)
{
        pid_t helper, pid = -EIO;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        helper = fork_with(0, -1);
        if (helper == 0) {
                pid = setns(c->init_fd, CLONE_NEWPID) < 0 ? -errno : fork_with(CLONE_PARENT, -1);
                if (pid == 0)
                        return 0;
                (void)!write(fds[1], &pid, sizeof(pid));
                _exit(0);
        }
        close(fds[1]);
        if (helper > 0) {
                (void)!read(fds[0], &pid, sizeof(pid));
                waitpid(helper, NULL, 0);
        } else {
                pid = helper;
        }
        close(fds[0]);
        return pid;
}

pid_t contain_fork(const Contain *c, bool *born_inside)
{
        pid_t pid;

        *born_inside = c->born_inside;
        if (c->mode == WIRE_CONTAIN_PIDNS)
                return fork_inside(c);
        pid = fork_with(0, *born_inside ? c->group_fd : -1);
        if (pid < 0 && *born_inside) { /* before Linux 5.7, or forbidden: enter before the exec */
                *born_inside = false;
                pid = fork_with(0, -1);
        }
        return pid;
}

/* Its own /proc, so that ps and /proc/self tell the command the truth about its namespace. */
static void mount_proc(void)
{
        if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
                mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

bool contain_guard_is_dead(const Contain *c, pid_t guard)
{
        return c->mode == WIRE_CONTAIN_PIDNS ? guard_is_dead(c) : getppid() != guard;
}

int contain_enter(const Contain *c, bool born_inside)
{
        if (c->mode == WIRE_CONTAIN_CGROUP && !born_inside && write(c->procs_fd, "0", 1) != 1)
                return -errno;
        if (c->mode == WIRE_CONTAIN_PIDNS)
                mount_proc();
        return 0;
}

void contain_signal(const Contain *c, int signal)
{
        tree_signal(&c->tree, signal);
}

void contain_freeze(Contain *c)
{
        service_group_freeze(&c->service, true);
        if (c->mode != WIRE_CONTAIN_CGROUP || write(c->freeze_fd, "1", 1) != 1)
                tree_stop(&c->tree);
}

void contain_thaw(Contain *c)
{
        service_group_freeze(&c->service, false);
        if (c->mode != WIRE_CONTAIN_CGROUP || write(c->freeze_fd, "0", 1) != 1)
                tree_signal(&c->tree, SIGCONT);
}

void contain_kill(Contain *c, pid_t main)
{
#ifdef MUTATE_KILL_CHILD_ONLY
        if (main > 0)
                kill(main, SIGKILL);
        return;
#endif
        c->born_inside = false; /* see cgroup_can_be_born() in unit/cgroup.h */
        service_group_kill(&c->service);
        if (c->mode == WIRE_CONTAIN_CGROUP && write(c->kill_fd, "1", 1) != 1)
                contain_thaw(c); /* no kill from there: at least let SIGKILL through */
        if (c->mode == WIRE_CONTAIN_PIDNS && c->init > 0)
                kill(c->init, SIGKILL);
        tree_kill(&c->tree);
        if (main > 0) /* even without /proc */
                kill(main, SIGKILL);
}

void contain_main_ended(const Contain *c)
{
        if (c->mode == WIRE_CONTAIN_PIDNS && c->init > 0)
                kill(c->init, INIT_OVER);
}

bool contain_reaped(Contain *c, pid_t pid)
{
        if (c->init == 0 || pid != c->init)
                return false;
        c->init = c->tree.spare = 0;
        close(c->init_fd);
        c->init_fd = -1;
        return true;
}

bool contain_is_empty(Contain *c)
{
        char buf[128];
        ssize_t n;

        if (!service_group_is_empty(&c->service))
                return false;
        if (c->mode != WIRE_CONTAIN_CGROUP)
                return true;
        n = pread(c->events_fd, buf, sizeof(buf) - 1, 0);
        if (n < 0)
                return errno == ENODEV; /* the directory is gone, so nobody is in it */
        buf[n] = 0;
        return strstr(buf, "populated 0") != NULL;
}
