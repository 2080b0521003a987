#include "zk-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/macros.h"

#define JAR "/usr/share/java/zookeeper.jar"
#define READY_USEC (60 * USEC_PER_SEC)

bool zk_servers_available(void)
{
        return access(JAR, R_OK) == 0 && (access("/usr/bin/java", X_OK) == 0 || getenv("JAVA"));
}

/* Free now, and not given out again for a while: the kernel hands out ephemeral ports at random. */
static uint16_t free_port(void)
{
        CLEANUP_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
                getsockname(fd, (struct sockaddr *)&address, &len) < 0)
                return 0;
        return ntohs(address.sin_port);
}

static int write_config(const ZkServers *servers, unsigned i)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%u", servers->dir, i);
        (void)mkdir(path, 0700);
        snprintf(path, sizeof(path), "%s/%u/myid", servers->dir, i);
        f = fopen(path, "we");
        if (!f)
                return -errno;
        fprintf(f, "%u\n", i + 1);
        fclose(f);
        snprintf(path, sizeof(path), "%s/%u.cfg", servers->dir, i);
        f = fopen(path, "we");
        if (!f)
                return -errno;
        fprintf(f,
                "tickTime=%u\ninitLimit=20\nsyncLimit=10\ndataDir=%s/%u\nclientPort=%u\n"
                "clientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=0\n",
                servers->tick_ms, servers->dir, i, servers->servers[i].port);
        for (unsigned j = 0; servers->n > 1 && j < servers->n; j++)
                fprintf(f, "server.%u=127.0.0.1:%u:%u\n", j + 1, servers->servers[j].peer_port,
                        servers->servers[j].election_port);
        fclose(f);
        return 0;
}

static void run_java(const ZkServers *servers, unsigned i, pid_t parent)
{
        const char *java = getenv("JAVA") ?: "/usr/bin/java";
        char config[128], log[128];
        sigset_t none;
        int fd;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        snprintf(config, sizeof(config), "%s/%u.cfg", servers->dir, i);
        snprintf(log, sizeof(log), "%s/%u.log", servers->dir, i);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(fd, 1);
        dup2(fd, 2);
        close_range(3, ~0U, 0);
        execl(java, java, "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                "-Dzookeeper.forceSync=no", "-cp", JAR, "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                config, (char *)NULL);
        _exit(127);
}

int zk_server_start(ZkServers *servers, unsigned i)
{
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_java(servers, i, parent);
        servers->servers[i].pid = pid;
        return 0;
}

static int ask_srvr(uint16_t port, char *answer, size_t size)
{
        CLEANUP_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {
                .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct timeval patience = {.tv_sec = 2};
        size_t len = 0;
        ssize_t n;

        if (fd < 0)
                return -errno;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                send(fd, "srvr", 4, MSG_NOSIGNAL) != 4)
                return -errno;
        while (len + 1 < size && (n = recv(fd, answer + len, size - len - 1, 0)) > 0)
                len += (size_t)n;
        answer[len] = '\0';
        return 0;
}

int zk_server_mode(const ZkServers *servers, unsigned i, char mode[16])
{
        char answer[2048];
        char *at;
        int r = ask_srvr(servers->servers[i].port, answer, sizeof(answer));

        if (r < 0)
                return r;
        at = strstr(answer, "Mode: ");
        if (!at || sscanf(at, "Mode: %15s", mode) != 1)
                return -EAGAIN;
        return 0;
}

int zk_server_wait(ZkServers *servers, unsigned i)
{
        uint64_t until = clock_boottime_usec() + READY_USEC;
        char mode[16];

        while (zk_server_mode(servers, i, mode) < 0) {
                if (waitpid(servers->servers[i].pid, NULL, WNOHANG) == servers->servers[i].pid) {
                        servers->servers[i].pid = 0;
                        return -ECHILD;
                }
                if (clock_boottime_usec() > until)
                        return -ETIMEDOUT;
                poll(NULL, 0, 20); /* between two questions; what is waited for is the answer */
        }
        return 0;
}

void zk_server_kill(ZkServers *servers, unsigned i)
{
        if (!servers->servers[i].pid)
                return;
        kill(servers->servers[i].pid, SIGKILL);
        waitpid(servers->servers[i].pid, NULL, 0);
        servers->servers[i].pid = 0;
}

void zk_server_freeze(ZkServers *servers, unsigned i)
{
        kill(servers->servers[i].pid, SIGSTOP);
}

void zk_server_thaw(ZkServers *servers, unsigned i)
{
        kill(servers->servers[i].pid, SIGCONT);
}

int zk_servers_start(ZkServers *servers, unsigned n, unsigned tick_ms)
{
        size_t len = 0;
        int r = 0;

        *servers = (ZkServers){.n = n, .tick_ms = tick_ms};
        snprintf(servers->dir, sizeof(servers->dir), "%s/zksup-test-XXXXXX", getenv("TMPDIR") ?: "/tmp");
        if (!mkdtemp(servers->dir))
                return -errno;
        for (unsigned i = 0; i < n; i++) {
                servers->servers[i].port = free_port();
                servers->servers[i].peer_port = free_port();
                servers->servers[i].election_port = free_port();
                len += (size_t)snprintf(servers->connect + len, sizeof(servers->connect) - len,
                        "%s127.0.0.1:%u", i ? "," : "", servers->servers[i].port);
        }
        for (unsigned i = 0; i < n && r >= 0; i++)
                r = write_config(servers, i);
        for (unsigned i = 0; i < n && r >= 0; i++)
                r = zk_server_start(servers, i);
        for (unsigned i = 0; i < n && r >= 0; i++)
                r = zk_server_wait(servers, i);
        if (r < 0)
                zk_servers_stop(servers);
        return r;
}

void zk_servers_stop(ZkServers *servers)
{
        pid_t pid;

        for (unsigned i = 0; i < servers->n; i++)
                zk_server_kill(servers, i);
        if (!servers->dir[0])
                return;
        pid = fork();
        if (pid == 0) {
                execlp("rm", "rm", "-rf", "--", servers->dir, (char *)NULL);
                _exit(127);
        }
        waitpid(pid, NULL, 0);
        servers->dir[0] = '\0';
}
