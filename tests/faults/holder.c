/* The command that the fault suite runs under a lock, and its own witness.
 *
 *     holder DIRECTORY BEHAVIOUR
 *
 * Its first act is flock(LOCK_EX | LOCK_NB) on DIRECTORY/lock, through a descriptor that every
 * descendant inherits: that it is refused means that a process of another tree is alive right now.
 * From then on it appends to DIRECTORY/log, one line a beat, every 5 ms:
 *
 *     beat TOKEN TREE PID NANOSECONDS VALUE       (or "conflict ...", once, for a refused flock)
 *
 * TREE names the tree (the time of its start), NANOSECONDS is CLOCK_MONOTONIC. VALUE is what the main
 * process has just written into DIRECTORY/counter: it reads, sleeps for the 5 ms, and writes one more,
 * without any lock, so two lines with the same VALUE are a lost update. Other processes write 0.
 *
 * A BEHAVIOUR ignores TERM and leaves a daemon in a session of its own, which beats too, but for two:
 *
 *     daemon   no more than that
 *     alone    obeys TERM and has no daemon: the command that is easiest to supervise
 *     obey     obeys TERM, both of it
 *     stop     the main process stops itself
 *     close    closes every descriptor but those of the oracles
 *     exec     the main process executes itself again and again
 *     bomb     a hundred sleeping children and four chains of processes that fork their successor and end
 *     disk     a further process writes to $HOLDER_DISK all the time
 *
 * Each process ends by itself after two minutes, should the suite have died. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEAT_NSEC 5000000LL
#define HOP_NSEC 300000L
#define LIFE_SECONDS 120
#define SLEEPERS 100
#define CHAINS 4
/* Fixed numbers, so that they outlive an exec. */
enum { LOCK_FD = 200, LOG_FD, COUNTER_FD };

static char tree[32];

static long long now_nsec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void nap(long nsec)
{
        nanosleep(&(struct timespec){.tv_nsec = nsec}, NULL);
}

static void tell(const char *what, long value)
{
        const char *token = getenv("ZK_FENCE");
        char line[200];
        int n = snprintf(line, sizeof(line), "%s %s %s %d %lld %ld\n", what, token && *token ? token : "0", tree,
                (int)getpid(), now_nsec(), value);

        if (write(LOG_FD, line, (size_t)n) != n)
                _exit(98);
}

static void beat_and_count(void)
{
        char text[24] = "";

        (void)!pread(COUNTER_FD, text, sizeof(text) - 1, 0);
        nap(BEAT_NSEC);
        snprintf(text, sizeof(text), "%-20ld", strtol(text, NULL, 10) + 1);
        if (pwrite(COUNTER_FD, text, strlen(text), 0) < 0)
                _exit(98);
        tell("beat", strtol(text, NULL, 10));
}

static _Noreturn void beat(void)
{
        alarm(LIFE_SECONDS); /* not inherited by fork */
        for (;;) {
                tell("beat", 0);
                nap(BEAT_NSEC);
        }
}

/* Runs BODY in a daemon: a session of its own, no parent of ours. */
static void start_daemon(void (*body)(void))
{
        pid_t middle = fork();

        if (middle == 0) {
                setsid();
                if (fork() == 0)
                        body();
                _exit(0);
        }
        waitpid(middle, NULL, 0);
}

static void daemon_beats(void)
{
        beat();
}

static void write_to_disk(void)
{
        int fd = open(getenv("HOLDER_DISK"), O_WRONLY | O_CREAT, 0666);

        alarm(LIFE_SECONDS);
        while (fd >= 0) {
                (void)!pwrite(fd, tree, sizeof(tree), 0);
                nap(1000000);
        }
}

/* A moving target: no pid is good for long. */
static void chain(void)
{
        long long start = now_nsec(), beaten = 0;

        signal(SIGCHLD, SIG_IGN);
        for (;;) {
                if (fork() > 0)
                        _exit(0);
                nap(HOP_NSEC);
                if (now_nsec() - beaten > BEAT_NSEC) {
                        beaten = now_nsec();
                        tell("beat", 0);
                }
                if (now_nsec() - start > LIFE_SECONDS * 1000000000LL)
                        _exit(0);
        }
}

static void start_bomb(void)
{
        for (int i = 0; i < SLEEPERS; i++)
                if (fork() == 0) {
                        alarm(LIFE_SECONDS);
                        for (;;)
                                pause();
                }
        for (int i = 0; i < CHAINS; i++)
                start_daemon(chain);
}

static void close_others(void)
{
        for (int fd = 0; fd < 1024; fd++)
                if (fd != LOCK_FD && fd != LOG_FD && fd != COUNTER_FD)
                        close(fd);
}

static int open_at(const char *directory, const char *name, int flags, int fd)
{
        char path[4096];
        int opened;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        opened = open(path, flags | O_CREAT, 0666);
        if (opened < 0 || dup2(opened, fd) < 0)
                return -1;
        return close(opened);
}

static bool begin(const char *directory)
{
        if (open_at(directory, "lock", O_RDWR, LOCK_FD) < 0 ||
                open_at(directory, "log", O_WRONLY | O_APPEND, LOG_FD) < 0 ||
                open_at(directory, "counter", O_RDWR, COUNTER_FD) < 0)
                return false;
        snprintf(tree, sizeof(tree), "%lld", now_nsec());
        setenv("HOLDER_TREE", tree, 1);
        tell(flock(LOCK_FD, LOCK_EX | LOCK_NB) < 0 ? "conflict" : "beat", 0);
        return true;
}

int main(int argc, char **argv)
{
        const char *again = getenv("HOLDER_TREE"), *behaviour = argc == 3 ? argv[2] : "";
        bool alone = strcmp(behaviour, "alone") == 0;

        if (argc != 3)
                return 125;
        if (!alone && strcmp(behaviour, "obey") != 0)
                signal(SIGTERM, SIG_IGN);
        if (again)
                snprintf(tree, sizeof(tree), "%s", again);
        else if (!begin(argv[1]))
                return 125;
        if (!again && strcmp(behaviour, "close") == 0)
                close_others();
        if (!again && !alone)
                start_daemon(daemon_beats);
        if (strcmp(behaviour, "bomb") == 0)
                start_bomb();
        if (strcmp(behaviour, "disk") == 0)
                start_daemon(write_to_disk);
        alarm(LIFE_SECONDS);
        for (;;) {
                beat_and_count();
                if (strcmp(behaviour, "stop") == 0)
                        raise(SIGSTOP);
                if (strcmp(behaviour, "exec") == 0)
                        execv("/proc/self/exe", argv);
        }
}
