/* The child of the partition tests, and its own witness.
 *
 *     beater LOCKFILE LOGFILE [--alone]
 *
 * Its first act is flock(LOCK_EX | LOCK_NB) on LOCKFILE, through a descriptor that its whole tree
 * inherits: that it is refused means that a process of another tree is alive right now. Then it
 * appends "beat TOKEN PID NANOSECONDS" (CLOCK_MONOTONIC) to LOGFILE every 5 ms, or "conflict ..."
 * once. So does a grandchild in a session of its own, unless --alone. Neither heeds TERM: only the
 * end of the lease ends them. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEAT_NSEC 5000000L

static void tell(int fd, const char *what)
{
        struct timespec now;
        const char *token = getenv("ZK_FENCE");
        char line[160];
        int n;

        clock_gettime(CLOCK_MONOTONIC, &now);
        n = snprintf(line, sizeof(line), "%s %s %d %lld\n", what, token ? token : "0", (int)getpid(),
                now.tv_sec * 1000000000LL + now.tv_nsec);
        if (write(fd, line, (size_t)n) != n)
                _exit(98);
}

static _Noreturn void beat(int fd)
{
        for (;;) {
                tell(fd, "beat");
                nanosleep(&(struct timespec){.tv_nsec = BEAT_NSEC}, NULL);
        }
}

static void start_daemon(int fd)
{
        pid_t middle = fork();

        if (middle == 0) {
                setsid();
                if (fork() == 0)
                        beat(fd);
                _exit(0);
        }
        waitpid(middle, NULL, 0);
}

int main(int argc, char **argv)
{
        int lock, log;

        if (argc < 3)
                return 125;
        signal(SIGTERM, SIG_IGN);
        lock = open(argv[1], O_RDWR | O_CREAT, 0666);
        log = open(argv[2], O_WRONLY | O_APPEND | O_CREAT, 0666);
        if (lock < 0 || log < 0)
                return 125;
        if (flock(lock, LOCK_EX | LOCK_NB) < 0)
                tell(log, "conflict");
        if (argc == 3)
                start_daemon(log);
        beat(log);
}
