#include "ensemble/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/macros.h"
#include "util/text.h"

#define LOG_NAME "server.log"
#define LOG_READ_MAX 16384
#define LOG_LINES 6
#define LOG_LINE_SHOWN 240

void server_init(Server *server)
{
        *server = (Server){.fd = -1};
}

static int path_of(char **out, const char *dir, const char *name)
{
        return asprintf(out, "%s/%s", dir, name) < 0 ? -ENOMEM : 0;
}

/* In the child: nothing of the parent but the log file. */
static void become_server(const ServerCommand *command, const char *config, int log_fd, pid_t parent)
{
        char *argv[] = {(char[]){"java"}, (char[]){"-Xmx128m"}, (char[]){"-XX:+UseSerialGC"},
                (char[]){"-XX:TieredStopAtLevel=1"}, (char[]){"-Dzookeeper.extendedTypesEnabled=true"}, (char[]){"-cp"},
                (char *)command->classpath,
                (char[]){"org.apache.zookeeper.server.quorum.QuorumPeerMain"}, (char *)config, NULL};
        int null_fd = open("/dev/null", O_RDONLY);
        sigset_t none;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || null_fd < 0)
                _exit(127);
        setpgid(0, 0);
        signal(SIGPIPE, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        dup2(null_fd, STDIN_FILENO);
        dup2(log_fd, STDOUT_FILENO);
        dup2(log_fd, STDERR_FILENO);
        execv(command->java, argv);
        dprintf(STDERR_FILENO, "cannot execute %s: %s\n", command->java, strerror(errno));
        _exit(127);
}

int server_start(Server *server, const ServerCommand *command, const char *dir)
{
        CLEANUP_STRING config = NULL;
        CLEANUP_STRING log = NULL;
        CLEANUP_FD log_fd = -1;
        pid_t parent = getpid(), pid;

        if (path_of(&config, dir, "zoo.cfg") < 0 || path_of(&log, dir, LOG_NAME) < 0)
                return -ENOMEM;
        free(server->dir);
        server->dir = strdup(dir);
        if (!server->dir)
                return -ENOMEM;
        log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
        if (log_fd < 0)
                return -errno;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                become_server(command, config, log_fd, parent);
        server->pid = pid;
        server->fd = pidfd_open(pid, 0);
        return server->fd < 0 ? -errno : 0;
}

int server_reap(Server *server)
{
        int status = 0;

        if (server->pid > 0)
                while (waitpid(server->pid, &status, 0) < 0 && errno == EINTR)
                        ;
        server->pid = 0;
        server->fd = fd_close(server->fd);
        return status;
}

static void wait_end(const Server *server, uint64_t deadline_usec)
{
        struct pollfd p = {.fd = server->fd, .events = POLLIN};
        uint64_t now_usec;

        while ((now_usec = clock_boottime_usec()) < deadline_usec)
                if (poll(&p, 1, (int)((deadline_usec - now_usec) / USEC_PER_MSEC + 1)) > 0)
                        return;
}

void server_stop_all(Server *servers, size_t n, uint64_t grace_usec)
{
        uint64_t deadline_usec = usec_add(clock_boottime_usec(), grace_usec);

        for (size_t i = 0; i < n; i++) {
                if (servers[i].pid <= 0)
                        continue;
                kill(servers[i].pid, SIGTERM);
                kill(servers[i].pid, SIGCONT);
        }
        for (size_t i = 0; i < n; i++) {
                if (servers[i].pid <= 0)
                        continue;
                wait_end(&servers[i], deadline_usec);
                kill(servers[i].pid, SIGKILL);
                server_reap(&servers[i]);
        }
}

/* The end of the file, from the start of a line. */
static char *read_end(const char *path, size_t max)
{
        CLEANUP_STRING text = NULL;
        CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        ssize_t n;
        char *line;

        if (fd < 0 || fstat(fd, &st) < 0)
                return NULL;
        text = calloc(1, max + 1);
        if (!text)
                return NULL;
        n = pread(fd, text, max, st.st_size > (off_t)max ? st.st_size - (off_t)max : 0);
        if (n <= 0)
                return NULL;
        line = st.st_size > (off_t)max ? strchr(text, '\n') : NULL;
        return line ? strdup(line + 1) : TAKE(text);
}

/* A Java stack trace buries the sentence that says what is wrong. */
static bool is_telling(const char *line)
{
        return *line && !text_has_prefix(line, "\tat ") && !text_has_prefix(line, "\t... ") && !strstr(line, " INFO ");
}

char *server_log_tail(const Server *server)
{
        CLEANUP(text_buffer_deinit) TextBuffer out = {0};
        CLEANUP_STRING path = NULL;
        CLEANUP_STRING text = NULL;
        char *kept[LOG_LINES], *rest, *line;
        size_t n = 0;

        if (!server->dir || path_of(&path, server->dir, LOG_NAME) < 0)
                return NULL;
        text = read_end(path, LOG_READ_MAX);
        rest = text;
        while (rest && (line = strsep(&rest, "\n")))
                if (is_telling(line))
                        kept[n++ % LOG_LINES] = line;
        for (size_t i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++)
                text_buffer_printf(&out, "%s%.*s", out.len ? "\n" : "", LOG_LINE_SHOWN, kept[i % LOG_LINES]);
        return out.len ? text_buffer_take(&out) : NULL;
}

void server_deinit(Server *server)
{
        server_stop_all(server, 1, 0);
        server->fd = fd_close(server->fd);
        free(server->dir);
        server->dir = NULL;
}
