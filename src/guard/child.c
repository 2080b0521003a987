#include "guard/child.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors that are on their way to 3, 4, ... wait above this. */
#define PARKED_FD_MIN CHILD_PASS_AT_LIMIT

static _Noreturn void fail_setting(int error_fd, const SettingsError *error)
{
        ChildError e = {.stage = (int32_t)error->stage, .error = error->error, .which = error->which};

        (void)!write(error_fd, &e, sizeof(e));
        _exit(127);
}

static _Noreturn void fail(int error_fd, enum WireStage stage, int error)
{
        fail_setting(error_fd, &(SettingsError){.stage = stage, .error = error});
}

static bool same_name(const char *assignment, const char *other)
{
        while (*assignment && *assignment == *other && *assignment != '=')
                assignment++, other++;
        return *assignment == '=' && *other == '=';
}

static void put_assignment(char **envp, char *assignment)
{
        while (*envp && !same_name(assignment, *envp))
                envp++;
        if (!*envp)
                envp[1] = NULL;
        *envp = assignment;
}

/* Our environment with the assignments of START; on the stack, which the exec discards. */
static __attribute__((noinline)) void exec_with(char **argv, const WireStart *start)
{
        size_t n = 0, added = 0;
        char **envp, *env;
        uint32_t len = start->env_len;

        for (uint32_t i = 0; i < len; i++)
                added += start->env[i] == 0;
        while (environ[n])
                n++;
        envp = alloca((n + added + 1) * sizeof(*envp));
        memcpy(envp, environ, (n + 1) * sizeof(*envp));
        env = alloca(len + 1);
        memcpy(env, start->env, len);
        env[len] = 0;
        for (char *e = env; e < env + len; e += strlen(e) + 1)
                put_assignment(envp, e);
        environ = envp;
        execvp(argv[0], argv);
}

static int place_fds(const Child *c, int *error_fd)
{
        int parked[CHILD_PASS_FDS_MAX], e;

        e = fcntl(*error_fd, F_DUPFD_CLOEXEC, PARKED_FD_MIN);
        if (e < 0)
                return -errno;
        *error_fd = e;
        for (unsigned i = 0; i < c->n_pass_fds; i++) {
                parked[i] = fcntl(c->pass_fds[i], F_DUPFD_CLOEXEC, PARKED_FD_MIN);
                if (parked[i] < 0)
                        return -errno;
        }
        syscall(SYS_close_range, 3, PARKED_FD_MIN - 1, 0);
        for (unsigned i = 0; i < c->n_pass_fds; i++)
                if (dup2(parked[i], c->pass_at + (int)i) < 0)
                        return -errno;
        if (syscall(SYS_close_range, PARKED_FD_MIN, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
                for (int fd = PARKED_FD_MIN; fd < PARKED_FD_MIN + 2 * CHILD_PASS_FDS_MAX; fd++)
                        fcntl(fd, F_SETFD, FD_CLOEXEC);
        return 0;
}

/* The system call's own structure: sigaction(3) refuses the two signals that glibc keeps for itself,
 * but somebody may have handed them to us ignored. */
struct KernelSigaction {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
};

static void reset_signals(uint64_t blocked, uint64_t ignored)
{
        sigset_t set;

        sigemptyset(&set);
        for (int s = 1; s <= 64; s++) {
                uint64_t bit = UINT64_C(1) << (s - 1);
                struct KernelSigaction sa = {.handler = ignored & bit ? SIG_IGN : SIG_DFL};

                if (s != SIGKILL && s != SIGSTOP)
                        syscall(SYS_rt_sigaction, s, &sa, NULL, sizeof(sa.mask));
                if (blocked & bit)
                        sigaddset(&set, s);
        }
        sigprocmask(SIG_SETMASK, &set, NULL);
}

static _Noreturn void child_main(
        const Child *c, const Contain *contain, const WireStart *start, bool born_inside, int error_fd)
{
        SettingsError error;
        int r;

        setpgid(0, 0);
        r = contain_enter(contain, born_inside);
        if (r < 0)
                fail(error_fd, WIRE_STAGE_SETUP, -r);
        if (c->foreground)
                tcsetpgrp(c->tty_fd, getpgrp());
        if (fchdir(c->cwd_fd) < 0)
                fail(error_fd, WIRE_STAGE_SETUP, errno);
        if (!settings_apply(c->settings, c->nice, c->oom_adj, &error))
                fail_setting(error_fd, &error);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (contain_guard_is_dead(contain, c->guard))
                _exit(127);
        if (!settings_enter_directory(c->settings, &error))
                fail_setting(error_fd, &error);
        r = place_fds(c, &error_fd);
        if (r < 0)
                fail(error_fd, WIRE_STAGE_SETUP, -r);
        if (!settings_limit(c->settings, &error))
                fail_setting(error_fd, &error);
        reset_signals(start->blocked, start->ignored);
        exec_with(c->argv, start);
        fail(error_fd, WIRE_STAGE_EXEC, errno);
}

pid_t child_start(const Child *c, const Contain *contain, const WireStart *start, int *error_fd)
{
        int fds[2];
        bool born_inside;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        pid = contain_fork(contain, &born_inside);
        if (pid == 0)
                child_main(c, contain, start, born_inside, fds[1]);
        close(fds[1]);
        if (pid < 0) {
                close(fds[0]);
                return pid;
        }
        setpgid(pid, pid); /* in both, so that a signal to the group cannot come too early */
        *error_fd = fds[0];
        return pid;
}

int child_result(int error_fd, ChildError *error)
{
        ssize_t n;

        do
                n = read(error_fd, error, sizeof(*error));
        while (n < 0 && errno == EINTR);
        if (n == sizeof(*error))
                return 0;
        return n < 0 && errno == EAGAIN ? -EAGAIN : 1;
}
