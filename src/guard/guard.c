/* zksup-guard: the parent of one unit's command, which it starts, stops, kills and proves dead.
 *
 * It waits in one poll for the supervisor (a socketpair), SIGCHLD (a signalfd), one timer and what
 * the start of the command has to say. What is to be done is policy.c's; here it is carried out.
 * The lease is read from a page that only the supervisor writes, whenever something happens, so
 * a renewal does not wake the guard: it wakes at the old deadline, and sees.
 *
 * Once READY it allocates nothing, logs nothing and opens nothing but a pipe before each start,
 * entries of /proc while it walks the tree (whose failing costs rounds, not the proof), and the files of
 * the control group of a service that the command drives (service-group.h).
 *
 * It must be single-threaded: PR_SET_PDEATHSIG fires when the thread ends that forked. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "guard/child.h"
#include "guard/contain.h"
#include "guard/options.h"
#include "guard/policy.h"
#include "guard/wire.h"
#include "util/macros.h"
#include "util/test-clock.h"

enum { FD_SOCKET, FD_SIGNAL, FD_TIMER, FD_EXEC, FD_EVENTS, N_FDS };

typedef struct Guard {
        Options options;
        Policy policy;
        Contain contain;
        Child child;
        const uint64_t *lease;
        struct pollfd fds[N_FDS];
        pid_t main; /* 0: not running */
        bool exec_failed;
        bool ended; /* the command has, and the policy does not know yet */
        uint64_t settle_usec;
        bool quit;
        uint64_t armed_usec;
        pid_t home_group; /* whose the terminal is between runs */
} Guard;

/* The command has ended and nobody is to be seen any more: how long the kernel may take to say that
 * the group or the namespace is empty, before we take it that somebody is there after all. */
#define SETTLE_USEC 20000
#define SETTLE_POLL_USEC 1000
/* Should the timer ever refuse to be set, the deadline is looked at so often. */
#define UNARMED_POLL_MSEC 5

/* A service that runs before we are READY: how long systemd may take to stop it, and how often we look. */
#define SERVICE_STOP_USEC 10000000
#define SERVICE_POLL_MSEC 10

static Guard guard;
static WireStart packet; /* as received last; a START stays until the fork is done */

static uint64_t now_usec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return test_clock_read((uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

static uint64_t lease_usec(const Guard *g)
{
        return __atomic_load_n(g->lease, __ATOMIC_ACQUIRE);
}

/* The socket never blocks us: the buffer holds more than a run has to say, and a supervisor that
 * does not read for so long is as good as dead. */
static bool tell_which(Guard *g, enum WireType type, int number, int64_t value, uint64_t which)
{
        WireMessage m = {.type = type, .number = number, .value = value, .usec = which};

        return send(g->options.socket_fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(m);
}

static bool tell(Guard *g, enum WireType type, int number, int64_t value)
{
        return tell_which(g, type, number, value, 0);
}

/* The terminal changes hands only between the supervisor and the command: with the supervisor in
 * the background, as "zksup ... &", it is a shell's. SIGTTOU is blocked. */
static void terminal_move(Guard *g, pid_t from, pid_t to)
{
        if (g->child.tty_fd >= 0 && from > 0 && tcgetpgrp(g->child.tty_fd) == from)
                tcsetpgrp(g->child.tty_fd, to);
}

static void exec_failed(Guard *g, enum WireStage stage, int error, unsigned which)
{
        tell_which(g, WIRE_EXEC_FAILED, (int)stage, error, which);
}

static void start_command(Guard *g)
{
        int r = contain_begin(&g->contain);

        g->child.foreground = g->child.tty_fd >= 0 && tcgetpgrp(g->child.tty_fd) == g->home_group;
        if (r == 0)
                r = child_start(&g->child, &g->contain, &packet, &g->fds[FD_EXEC].fd);
        if (r < 0) {
                exec_failed(g, WIRE_STAGE_FORK, -r, 0);
                contain_kill(&g->contain, 0);
        } else {
                g->main = r;
        }
        if (g->contain.mode == WIRE_CONTAIN_CGROUP)
                g->fds[FD_EVENTS].fd = g->contain.events_fd;
}

/* Tells how the start went, once that is known; at the latest when the command has ENDED. */
static void read_exec_result(Guard *g, bool ended)
{
        ChildError error;
        int r;

        if (g->fds[FD_EXEC].fd < 0)
                return;
        r = child_result(g->fds[FD_EXEC].fd, &error);
        if (r == -EAGAIN && !ended)
                return;
        g->fds[FD_EXEC].fd = fd_close(g->fds[FD_EXEC].fd);
        if (r == 0) {
                exec_failed(g, (enum WireStage)error.stage, error.error, error.which);
                g->exec_failed = true;
        } else {
                tell(g, WIRE_STARTED, g->main, 0);
        }
}

static void continue_job(Guard *g, bool foreground)
{
        if (g->main <= 0)
                return;
        if (foreground)
                terminal_move(g, g->home_group, g->main);
        kill(-g->main, SIGCONT);
}

static void perform(Guard *g, const PolicyActions *a, const WireMessage *m)
{
        if (a->set & POLICY_REFUSE)
                exec_failed(g, WIRE_STAGE_LEASE, ETIME, 0);
        if (a->set & POLICY_SPAWN)
                start_command(g);
        if (a->set & POLICY_FORWARD && g->main > 0)
                kill(-g->main, a->signal);
        if (a->set & POLICY_FREEZE)
                contain_freeze(&g->contain);
        if (a->set & POLICY_THAW)
                contain_thaw(&g->contain);
        if (a->set & POLICY_CONTINUE)
                continue_job(g, m && m->number);
        if (a->set & POLICY_STOP_TREE) {
                contain_signal(&g->contain, a->signal);
                contain_signal(&g->contain, SIGCONT);
        }
        if (a->set & POLICY_KILL_TREE)
                contain_kill(&g->contain, g->main);
        if (a->set & POLICY_REPORT_STOPPING)
                tell(g, WIRE_STOPPING, (int)a->why, 0);
        if (a->set & POLICY_REPORT_EMPTY) {
                g->fds[FD_EVENTS].fd = -1;
                /* A proof that does not arrive would be waited for for ever; our end is one too. */
                g->quit |= !tell(g, WIRE_EMPTY, 0, 0);
        }
        if (a->set & POLICY_QUIT)
                g->quit = true;
}

static void dispatch(Guard *g, enum PolicyEventType type, const WireMessage *m)
{
        PolicyEvent e = {.type = type, .now_usec = now_usec(), .lease_usec = lease_usec(g)};
        PolicyActions actions;

        if (m) {
                e.signal = m->number;
                e.grace_usec = m->usec;
        }
        if (type == POLICY_EVENT_START) {
                e.grace_usec = packet.grace_usec;
                e.kill_budget_usec = packet.kill_budget_usec;
        }
        policy_step(&g->policy, &e, &actions);
        perform(g, &actions, m);
}

/* Reports a change of the command; others are only reaped. */
static void on_main(Guard *g, const siginfo_t *info)
{
        if (info->si_code == CLD_STOPPED) {
                if (g->child.tty_fd >= 0 && info->si_status != SIGSTOP) {
                        terminal_move(g, g->main, g->home_group);
                        tell(g, WIRE_JOB_STOPPED, info->si_status, 0);
                }
                return;
        }
        read_exec_result(g, true);
        terminal_move(g, g->main, g->home_group);
        g->main = 0;
        contain_main_ended(&g->contain);
        g->ended = true;
        g->settle_usec = now_usec() + SETTLE_USEC;
        if (!g->exec_failed)
                tell(g, WIRE_EXITED, info->si_code, info->si_status);
        g->exec_failed = false;
}

/* Reaps all that is to be reaped. Returns true if the guard has no child left. */
static bool reap(Guard *g)
{
        for (;;) {
                siginfo_t info = {0};
                int flags = WEXITED | WNOHANG | (g->child.tty_fd >= 0 ? WSTOPPED : 0);

                if (waitid(P_ALL, 0, &info, flags) < 0)
                        return errno == ECHILD;
                if (info.si_pid == 0)
                        return false;
                if (g->main > 0 && info.si_pid == g->main)
                        on_main(g, &info);
                else if (info.si_code != CLD_STOPPED)
                        contain_reaped(&g->contain, info.si_pid);
        }
}

/* After anything that may have changed the tree: the one place where EMPTY is concluded. */
static void look(Guard *g)
{
        bool childless;

        read_exec_result(g, false);
        childless = reap(g);
        if (g->policy.state == POLICY_IDLE)
                return;
        if (childless && contain_is_empty(&g->contain)) {
                g->ended = false;
                dispatch(g, POLICY_EVENT_EMPTY, NULL);
        } else if (g->ended && (now_usec() >= g->settle_usec || tree_signal(&g->contain.tree, 0) > 0)) {
                g->ended = false;
                dispatch(g, POLICY_EVENT_EXITED, NULL);
        }
}

/* Returns for how long poll() may wait besides: -1 for ever, as the timer will end it. */
static int arm(Guard *g)
{
        uint64_t usec = policy_deadline(&g->policy, lease_usec(g));
        struct itimerspec its = {0};

        if (g->ended)
                usec = MIN(usec, now_usec() + SETTLE_POLL_USEC);
        if (usec == g->armed_usec)
                return -1;
        if (usec != UINT64_MAX) {
                uint64_t kernel_usec = test_clock_timer(usec);

                its.it_value.tv_sec = (time_t)(kernel_usec / 1000000);
                its.it_value.tv_nsec = (long)(kernel_usec % 1000000) * 1000 + 1; /* all 0 would disarm */
        }
        if (timerfd_settime(g->fds[FD_TIMER].fd, TFD_TIMER_ABSTIME, &its, NULL) < 0)
                return UNARMED_POLL_MSEC;
        g->armed_usec = usec;
        return -1;
}

static void on_message(Guard *g, ssize_t len)
{
        switch ((enum WireType)packet.head.type) {
        case WIRE_START:
                if (len >= (ssize_t)offsetof(WireStart, env) &&
                        (size_t)len - offsetof(WireStart, env) >= packet.env_len)
                        dispatch(g, POLICY_EVENT_START, &packet.head);
                return;
        case WIRE_SIGNAL:
                dispatch(g, POLICY_EVENT_SIGNAL, &packet.head);
                return;
        case WIRE_STOP:
                dispatch(g, POLICY_EVENT_STOP, &packet.head);
                return;
        case WIRE_KILL:
                dispatch(g, POLICY_EVENT_KILL, &packet.head);
                return;
        case WIRE_FREEZE:
                dispatch(g, POLICY_EVENT_FREEZE, &packet.head);
                return;
        case WIRE_THAW:
                dispatch(g, POLICY_EVENT_THAW, &packet.head);
                return;
        case WIRE_CONTINUE:
                dispatch(g, POLICY_EVENT_CONTINUE, &packet.head);
                return;
        case WIRE_READY: /* ours to say */
        case WIRE_STARTED:
        case WIRE_EXEC_FAILED:
        case WIRE_EXITED:
        case WIRE_JOB_STOPPED:
        case WIRE_STOPPING:
        case WIRE_EMPTY:
                return;
        }
}

/* One packet, so that what a message did to the tree is seen before the next one. */
static void on_socket(Guard *g)
{
        ssize_t n = recv(g->options.socket_fd, &packet, sizeof(packet), MSG_DONTWAIT);

        if (n >= (ssize_t)sizeof(WireMessage)) {
                on_message(g, n);
        } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                g->fds[FD_SOCKET].fd = -1;
                dispatch(g, POLICY_EVENT_GONE, NULL);
        }
}

static void run(Guard *g)
{
        while (!g->quit) {
                struct signalfd_siginfo si;
                uint64_t fired;
                int n = poll(g->fds, N_FDS, arm(g));

                if (n < 0)
                        continue;
                if (n == 0)
                        dispatch(g, POLICY_EVENT_TIMER, NULL);
                if (g->fds[FD_SIGNAL].revents)
                        (void)!read(g->fds[FD_SIGNAL].fd, &si, sizeof(si));
                if (g->fds[FD_TIMER].revents && read(g->fds[FD_TIMER].fd, &fired, sizeof(fired)) > 0) {
                        g->armed_usec = UINT64_MAX;
                        dispatch(g, POLICY_EVENT_TIMER, NULL);
                }
                if (g->fds[FD_EVENTS].revents) /* only reading it makes poll() wait again */
                        (void)contain_is_empty(&g->contain);
                if (g->fds[FD_SOCKET].revents)
                        on_socket(g);
                look(g);
        }
}

/* What makes us hard to starve or to choose as a victim, as far as we are allowed to. The child gets
 * back what was there before. */
static void harden(Guard *g)
{
        int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

        g->child.nice = getpriority(PRIO_PROCESS, 0);
        setpriority(PRIO_PROCESS, 0, MIN(g->child.nice, -15));
        if (fd >= 0) {
                ssize_t n = pread(fd, g->child.oom_adj, sizeof(g->child.oom_adj) - 1, 0);

                if (n <= 0 || write(fd, "-1000", 5) != 5)
                        n = 0;
                g->child.oom_adj[n] = 0;
                close(fd);
        }
        /* Not our stack's whole reserve, only what is touched: hence on fault. */
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static void open_signals(Guard *g)
{
        struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = g->options.terminal ? 0 : SA_NOCLDSTOP};
        uint64_t all = ~UINT64_C(0);
        sigset_t set;

        /* not sigprocmask(3), which leaves two of glibc's own open, and their default is to kill */
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
        sigaction(SIGCHLD, &sa, NULL); /* an inherited SIG_IGN would reap behind our back */
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        g->fds[FD_SIGNAL].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static const char *open_all(Guard *g)
{
        const Options *o = &g->options;
        size_t page_size = (size_t)sysconf(_SC_PAGESIZE), at = o->slot * sizeof(uint64_t);
        char *page =
                mmap(NULL, page_size, PROT_READ, MAP_SHARED, o->page_fd, (off_t)(at / page_size * page_size));

        if (page == MAP_FAILED)
                return "cannot map the lease page";
        g->lease = (const uint64_t *)(void *)(page + at % page_size);
        fcntl(o->page_fd, F_SETFD, FD_CLOEXEC);
        for (unsigned i = 0; i < N_FDS; i++)
                g->fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
        g->fds[FD_EVENTS].events = POLLPRI;
        g->fds[FD_SOCKET].fd = o->socket_fd;
        fcntl(o->socket_fd, F_SETFD, FD_CLOEXEC);
        g->fds[FD_TIMER].fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        open_signals(g);
        g->child.cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (g->fds[FD_TIMER].fd < 0 || g->fds[FD_SIGNAL].fd < 0)
                return "cannot open a timer";
        return g->child.cwd_fd < 0 ? "cannot open the working directory" : NULL;
}

static void open_terminal(Guard *g)
{
        g->child.tty_fd = -1;
        if (!g->options.terminal) {
                setsid(); /* fails if the supervisor has made us a leader already */
                return;
        }
        g->home_group = getpgid(getppid());
        setpgid(0, 0);
        g->child.tty_fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

/* A service that runs although nobody holds anything for it: zksup has asked systemd to stop it, and here
 * it is waited for. Until it is dead we are not READY, and nothing is asked of the ensemble before that. */
static void clear_service(Guard *g)
{
        uint64_t until_usec = now_usec() + SERVICE_STOP_USEC;
        struct pollfd supervisor = {.fd = g->options.socket_fd, .events = POLLRDHUP};

        while (!contain_is_empty(&g->contain)) {
                if (now_usec() >= until_usec)
                        contain_kill(&g->contain, 0);
                if (poll(&supervisor, 1, SERVICE_POLL_MSEC) > 0 && supervisor.revents)
                        return;
        }
}

static int complain(const char *problem)
{
        static const char name[] = "zksup-guard: ";

        (void)!write(STDERR_FILENO, name, sizeof(name) - 1);
        (void)!write(STDERR_FILENO, problem, strlen(problem));
        (void)!write(STDERR_FILENO, "\n", 1);
        return 125;
}

int main(int argc, char **argv)
{
        Guard *g = &guard;
        const char *problem = options_parse(&g->options, argv);

        if (problem)
                return complain(problem);
        options_close_others(&g->options);
        problem = open_all(g);
        if (problem)
                return complain(problem);
        open_terminal(g);
        contain_open(&g->contain, g->options.contain, g->options.cgroup, g->options.born,
                g->options.page_fd);
        if (g->options.kill_cgroup && contain_add_service(&g->contain, g->options.kill_cgroup) < 0)
                return complain("--kill-cgroup: not in a file system of control groups, version 2");
        harden(g);
        (void)!chdir("/");
        g->child.argv = g->options.argv;
        g->child.settings = &g->options.settings;
        g->child.guard = getpid();
        g->child.n_pass_fds = g->options.n_pass_fds;
        g->child.pass_at = g->options.pass_at;
        memcpy(g->child.pass_fds, g->options.pass_fds, sizeof(g->child.pass_fds));
        policy_init(&g->policy);
        g->armed_usec = UINT64_MAX;
        clear_service(g);
        tell(g, WIRE_READY, (int)g->contain.mode, WIRE_VERSION);
        run(g);
        if (g->contain.mode == WIRE_CONTAIN_CGROUP)
                rmdir(g->options.cgroup); /* nobody else may be left to do it */
        return 0;
}
