#include "guard/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Deeper descendants are found in a later round, once those above them are dead. */
#define DEPTH_MAX 24
#define STOP_ROUNDS_MAX 4

static unsigned walk_process(const Tree *tree, pid_t pid, int signal, unsigned depth);

static char *append(char *to, const char *text)
{
        while ((*to = *text++))
                to++;
        return to;
}

static char *append_pid(char *to, pid_t pid)
{
        char digits[12], *d = digits + sizeof(digits);

        *--d = 0;
        do
                *--d = (char)('0' + pid % 10);
        while ((pid /= 10) > 0);
        return append(to, d);
}

static void strike(pid_t pid, int signal)
{
        if (signal == 0)
                return;
        if (signal == SIGKILL) /* a starved victim takes seconds to give its memory back */
                setpriority(PRIO_PROCESS, (id_t)pid, -20);
        kill(pid, signal);
}

static unsigned walk_child(const Tree *tree, pid_t pid, int signal, unsigned depth)
{
        unsigned n = 0;

        if (depth == 0 && tree->filter && !tree->filter(pid, tree->userdata))
                return 0;
        if (pid != tree->spare) {
                strike(pid, signal);
                n++;
        }
        return n + walk_process(tree, pid, signal, depth + 1);
}

/* Reads a list of pids separated by blanks. The kernel finds its place in the list by the offset. */
static unsigned walk_list(const Tree *tree, int fd, int signal, unsigned depth)
{
        char buf[128];
        off_t offset = 0;
        pid_t pid = 0;
        unsigned n = 0;

        for (;;) {
                ssize_t len = pread(fd, buf, sizeof(buf), offset);

                if (len <= 0)
                        break;
                offset += len;
                for (ssize_t i = 0; i < len; i++) {
                        if (buf[i] >= '0' && buf[i] <= '9') {
                                pid = pid * 10 + (buf[i] - '0');
                        } else if (pid > 0) {
                                n += walk_child(tree, pid, signal, depth);
                                pid = 0;
                        }
                }
        }
        if (pid > 0)
                n += walk_child(tree, pid, signal, depth);
        return n;
}

struct Dirent { /* getdents64(2) */
        uint64_t ino;
        int64_t off;
        unsigned short reclen;
        unsigned char type;
        char name[];
};

static unsigned walk_thread(const Tree *tree, int task_fd, const char *tid, int signal, unsigned depth)
{
        char path[sizeof("/children") + 256];
        unsigned n = 0;
        int fd;

        append(append(path, tid), "/children");
        fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                n = walk_list(tree, fd, signal, depth);
                close(fd);
        }
        return n;
}

/* The children of a process are listed under the thread that forked them, so every thread counts. */
static unsigned walk_process(const Tree *tree, pid_t pid, int signal, unsigned depth)
{
        char path[32], buf[256] __attribute__((aligned(8)));
        unsigned n = 0;
        long len;
        int fd;

        if (depth >= DEPTH_MAX || tree->proc_fd < 0)
                return 0;
        append(append_pid(path, pid), "/task");
        fd = openat(tree->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        while ((len = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
                for (long i = 0; i < len;) {
                        const struct Dirent *d = (const struct Dirent *)(const void *)(buf + i);

                        if (d->name[0] != '.')
                                n += walk_thread(tree, fd, d->name, signal, depth);
                        i += d->reclen;
                }
        close(fd);
        return n;
}

int tree_open(Tree *tree)
{
        char path[48];

        tree->children_fd = -1;
        tree->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (tree->proc_fd < 0)
                return -errno;
        append(append_pid(append(path, "self/task/"), getpid()), "/children");
        tree->children_fd = openat(tree->proc_fd, path, O_RDONLY | O_CLOEXEC);
        return tree->children_fd < 0 ? -errno : 0;
}

void tree_close(Tree *tree)
{
        if (tree->proc_fd >= 0)
                close(tree->proc_fd);
        if (tree->children_fd >= 0)
                close(tree->children_fd);
        tree->proc_fd = tree->children_fd = -1;
}

unsigned tree_signal(const Tree *tree, int signal)
{
        return tree->children_fd < 0 ? 0 : walk_list(tree, tree->children_fd, signal, 0);
}

unsigned tree_signal_below(const Tree *tree, pid_t pid, int signal)
{
        return walk_process(tree, pid, signal, 1);
}

unsigned tree_stop(const Tree *tree)
{
        unsigned before = 0, n = 0;

        for (unsigned round = 0; round < STOP_ROUNDS_MAX; round++) {
                n = tree_signal(tree, SIGSTOP);
                if (n == before)
                        break;
                before = n;
        }
        return n;
}

unsigned tree_kill(const Tree *tree)
{
        return tree_stop(tree) == 0 ? 0 : tree_signal(tree, SIGKILL);
}
