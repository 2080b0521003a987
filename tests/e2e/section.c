/* What runs under a lock in the tests: a section that witnesses that nobody else is in it.
 *
 *     section LOG WHO write|read|any STAY
 *
 * Its first act is the time of its main(), its second a lock of the kernel on LOG.lock, of the whole
 * file, that is refused if somebody else is inside: for writing alone, for reading shared, for "any"
 * none. Then it appends "enter WHO TOKEN PID NANOSECONDS" (CLOCK_MONOTONIC, the time of its main())
 * to LOG, or "conflict ..." and goes on. STAY says for how long: a number of milliseconds, "-" for
 * ever, or the path of a Unix socket, the door: it sends there what it has logged and stays until
 * an answer comes (interop.py has the other side). At the end it appends "leave ...".
 *
 * The lock is one of the open file description (F_OFD_SETLK), which is at odds with the POSIX locks
 * of other processes: those are all that Java has. TOKEN is $ZK_FENCE, or 0. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now_nsec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void tell(int fd, const char *what, const char *who, long long nsec)
{
        const char *token = getenv("ZK_FENCE");
        char line[300];
        int n = snprintf(line, sizeof(line), "%s %s %s %d %lld\n", what, who, token ? token : "0", (int)getpid(), nsec);

        if (write(fd, line, (size_t)n) != n) {
                perror("section: write");
                exit(98);
        }
}

/* Returns whether nobody else is inside. The descriptor stays open to the end of the process. */
static int lock(const char *log, const char *how)
{
        struct flock range = {.l_type = strcmp(how, "read") == 0 ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
        char path[4096];
        int fd;

        if (strcmp(how, "any") == 0)
                return 1;
        snprintf(path, sizeof(path), "%s.lock", log);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) {
                perror(path);
                exit(98);
        }
        return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

static void pass_door(const char *path, const char *what, const char *who, long long nsec)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char byte;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                perror(path);
                exit(98);
        }
        tell(fd, what, who, nsec);
        if (read(fd, &byte, 1) != 1)
                exit(97); /* the other side has ended: so has the test */
}

static void stay(const char *how_long)
{
        long msec = strtol(how_long, NULL, 10);

        if (strcmp(how_long, "-") == 0)
                for (;;)
                        pause();
        if (msec > 0)
                nanosleep(&(struct timespec){.tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000}, NULL);
}

int main(int argc, char **argv)
{
        long long begun = now_nsec();
        const char *what;
        int log;

        if (argc != 5) {
                fprintf(stderr, "section: usage: section LOG WHO write|read|any STAY\n");
                return 125;
        }
        what = lock(argv[1], argv[3]) ? "enter" : "conflict";
        log = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        if (log < 0) {
                perror(argv[1]);
                return 98;
        }
        tell(log, what, argv[2], begun);
        if (argv[4][0] == '/')
                pass_door(argv[4], what, argv[2], begun);
        else
                stay(argv[4]);
        tell(log, "leave", argv[2], now_nsec());
        return 0;
}
