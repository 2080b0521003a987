/* A child that says when its main() began: appends "PID NANOSECONDS" (CLOCK_MONOTONIC) to the file
 * $STAMP, then sleeps. Without $STAMP it only sleeps: the smallest thing to supervise. It takes no
 * arguments, so that it can be the `run` of a runit or s6 service without a shell before it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
        const char *path = getenv("STAMP");
        struct timespec now;
        char line[64];
        int fd, n;

        clock_gettime(CLOCK_MONOTONIC, &now);
        if (path) {
                fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
                n = snprintf(line, sizeof(line), "%d %lld\n", (int)getpid(),
                        now.tv_sec * 1000000000LL + now.tv_nsec);
                if (fd < 0 || write(fd, line, (size_t)n) != n)
                        return 1;
                close(fd);
        }
        for (;;)
                pause();
}
