#include "manager/manager-private.h"

#include <signal.h>
#include <unistd.h>
#include "util/log.h"
#include "util/signal-name.h"

/* Everything but KILL and STOP, which nobody can pass on, and CHLD, which is the reaper's. */
static bool is_passed_on(int signal)
{
        /* the C library keeps those between the classic and the real-time signals for itself */
        return signal != SIGKILL && signal != SIGSTOP && signal != SIGCHLD && (signal < 32 || signal >= SIGRTMIN);
}

void manager_save_signals(sigset_t *blocked, sigset_t *ignored)
{
        sigset_t all;

        spawn_record_signals(blocked, ignored);
        sigemptyset(&all);
        for (int i = 1; i <= SIGRTMAX; i++)
                if (is_passed_on(i))
                        sigaddset(&all, i);
        sigaddset(&all, SIGCHLD);
        sigprocmask(SIG_BLOCK, &all, NULL);
}

/* What our own write brought about (PIPE when the reader of the log or a server has gone, XFSZ): the
 * kernel sends it as if we had sent it ourselves. It is not meant for the command. */
static bool is_of_our_own_making(const struct signalfd_siginfo *info)
{
        return info->ssi_code == SI_USER && info->ssi_pid == (uint32_t)getpid();
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        Manager *manager = userdata;
        int signal = (int)info->ssi_signo;
        char name[SIGNAL_NAME_MAX];

        if (is_of_our_own_making(info))
                return 0; /* without a line in the log, which might bring about the next one */
        log_debug("signal %s", signal_to_string(signal, name));
        if (manager->handler) {
                manager_tell(manager, (ManagerNews){.kind = MANAGER_SIGNAL, .signal = signal});
                return 0;
        }
        manager_begin_all(manager);
        for_each_member(m, manager)
                if (signal == SIGTERM || signal == SIGINT)
                        unit_down(m->unit, signal);
                else
                        unit_signal(m->unit, signal);
        return 0;
}

/* Those that mean something to us when there is more than one command; the others stay blocked. */
static bool is_ours(int signal)
{
        return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGUSR1 || signal == SIGUSR2;
}

/* All in one source each and at one priority, so that sd-event hands them out as the kernel does. */
int manager_add_signals(Manager *manager)
{
        for (int i = 1; i <= SIGRTMAX; i++) {
                int r;

                if (!(manager->handler ? is_ours(i) : is_passed_on(i)))
                        continue;
                r = sd_event_add_signal(manager->event, NULL, i, on_signal, manager);
                if (r < 0)
                        return r;
        }
        return 0;
}
