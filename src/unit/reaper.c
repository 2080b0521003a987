#include "unit/reaper.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "guard/tree.h"

struct Reaper {
        ListLink watches;
        sd_event_source *source;
        Tree tree;
};

static ReaperWatch *find(const Reaper *r, pid_t pid)
{
        list_for_each (it, &r->watches) {
                ReaperWatch *w = list_entry(it, ReaperWatch, link);

                if (w->pid == pid)
                        return w;
        }
        return NULL;
}

static bool is_orphan(pid_t pid, void *userdata)
{
        return !find(userdata, pid);
}

/* One signal may stand for many children, so all that is to be had is taken. */
static int on_sigchld(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        Reaper *r = userdata;

        for (;;) {
                siginfo_t info = {0};
                ReaperWatch *w;

                if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG) < 0 || info.si_pid == 0)
                        return 0;
                w = find(r, info.si_pid);
                if (!w) /* an orphan; a pid that was just freed cannot be a new child of ours yet */
                        continue;
                if (info.si_code != CLD_STOPPED)
                        list_unlink(&w->link);
                if (w->handler)
                        w->handler(w, info.si_code, info.si_status);
        }
}

/* Ignored by whoever started us, the signal would reap behind our back. Only then: to set what is set already discards one
 * that waits (sigaction(3p)), such as that of a guard that ended while we were executed in place of another zksup. */
static void stop_ignoring(void)
{
        struct sigaction now;

        if (sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
                signal(SIGCHLD, SIG_DFL);
}

int reaper_new(Reaper **out, sd_event *event)
{
        CLEANUP(reaper_free) Reaper *r = NULL;
        sigset_t set;
        int n;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        list_init(&r->watches);
        r->tree.children_fd = r->tree.proc_fd = -1;
        r->tree.filter = is_orphan;
        r->tree.userdata = r;
        n = tree_open(&r->tree);
        if (n < 0)
                return n;
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return -errno;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        stop_ignoring();
        n = sd_event_add_signal(event, &r->source, SIGCHLD, on_sigchld, r);
        if (n < 0)
                return n;
        /* What a child said before it ended shall be heard before its end. */
        sd_event_source_set_priority(r->source, SD_EVENT_PRIORITY_NORMAL + 10);
        *out = TAKE(r);
        return 0;
}

Reaper *reaper_free(Reaper *r)
{
        if (!r)
                return NULL;
        while (!list_is_empty(&r->watches)) {
                ReaperWatch *w = list_entry(r->watches.next, ReaperWatch, link);

                list_unlink(&w->link);
                if (w->handler)
                        w->handler(w, 0, 0);
        }
        sd_event_source_disable_unref(r->source);
        tree_close(&r->tree);
        free(r);
        return NULL;
}

void reaper_watch(Reaper *r, ReaperWatch *w, pid_t pid, ReaperHandler handler)
{
        w->pid = pid;
        w->handler = handler;
        list_append(&r->watches, &w->link);
}

void reaper_unwatch(ReaperWatch *w)
{
        if (w->link.next)
                list_unlink(&w->link);
}

bool reaper_kill_orphans(Reaper *r)
{
        return tree_kill(&r->tree) == 0;
}

void reaper_kill_below(Reaper *r, pid_t pid)
{
        tree_signal_below(&r->tree, pid, SIGSTOP);
        tree_signal_below(&r->tree, pid, SIGKILL);
}

size_t reaper_count(const Reaper *r)
{
        size_t n = 0;

        list_for_each (it, &r->watches)
                n++;
        return n;
}
