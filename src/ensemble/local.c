#include "ensemble/local.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "ensemble/four-letter.h"
#include "ensemble/places.h"
#include "ensemble/srvr.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define STOP_GRACE_USEC (3 * USEC_PER_SEC)
#define PROBE_PERIOD_MS 50
#define PROBE_TIMEOUT_USEC (500 * USEC_PER_MSEC)

struct Local {
        ZooConfig config;
        ServerCommand command;
        char *java, *classpath;
        char *dir;
        bool scratch; /* the directory is ours to remove */
        int lock_fd, signal_fd;
        Server servers[ENSEMBLE_NODES_MAX];
        bool serving[ENSEMBLE_NODES_MAX];
};

static int open_signals(Local *local)
{
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGHUP);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        local->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return local->signal_fd < 0 ? -errno : 0;
}

static int make_scratch_dir(Local *local, char problem[LOCAL_PROBLEM_MAX])
{
        const char *tmp = getenv("TMPDIR");
        int r;

        if (asprintf(&local->dir, "%s/zksup-ensemble-XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0)
                return -ENOMEM;
        if (mkdtemp(local->dir)) {
                local->scratch = true;
                return 0;
        }
        r = -errno;
        snprintf(problem, LOCAL_PROBLEM_MAX, "cannot make a scratch directory %s: %s; name one with --dir", local->dir,
                strerror(-r));
        return r;
}

/* Two ensembles on the same data would spoil it. */
static int lock_dir(Local *local, char problem[LOCAL_PROBLEM_MAX])
{
        CLEANUP_STRING path = NULL;

        if (asprintf(&path, "%s/lock", local->dir) < 0)
                return -ENOMEM;
        local->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (local->lock_fd < 0) {
                int r = -errno;

                snprintf(problem, LOCAL_PROBLEM_MAX, "cannot write in the directory '%s': %s; name another with --dir",
                        local->dir, strerror(-r));
                return r;
        }
        if (flock(local->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                snprintf(problem, LOCAL_PROBLEM_MAX,
                        "another local ensemble runs in the directory '%s'; stop it, or name another with --dir",
                        local->dir);
                return -EBUSY;
        }
        return 0;
}

static int make_dir(Local *local, const char *dir, char problem[LOCAL_PROBLEM_MAX])
{
        if (!dir)
                return make_scratch_dir(local, problem);
        if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
                int r = -errno;

                snprintf(problem, LOCAL_PROBLEM_MAX, "cannot make the directory '%s': %s; name another with --dir", dir,
                        strerror(-r));
                return r;
        }
        local->dir = realpath(dir, NULL);
        return local->dir ? 0 : -errno;
}

static int choose_ports(Local *local, uint64_t first, char problem[LOCAL_PROBLEM_MAX])
{
        uint16_t client[ENSEMBLE_NODES_MAX], inner[2 * ENSEMBLE_NODES_MAX];
        size_t n = local->config.nodes;
        int r;

        r = places_find_ports(client, n, first, problem, LOCAL_PROBLEM_MAX);
        if (r == 0)
                r = places_find_ports(inner, 2 * n, 0, problem, LOCAL_PROBLEM_MAX);
        for (size_t i = 0; r == 0 && i < n; i++)
                local->config.ports[i] = (ZooPorts){client[i], inner[2 * i], inner[2 * i + 1]};
        return r;
}

static int write_file(const char *dir, const char *name, const char *text)
{
        CLEANUP_STRING path = NULL;

        if (asprintf(&path, "%s/%s", dir, name) < 0)
                return -ENOMEM;
        return file_write_atomic(path, text, strlen(text), 0644);
}

static int prepare_node(Local *local, size_t node, const char *dir)
{
        CLEANUP(text_buffer_deinit) TextBuffer config = {0};
        CLEANUP_STRING data = NULL;
        char myid[24];
        int r;

        if (asprintf(&data, "%s/data", dir) < 0)
                return -ENOMEM;
        if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || (mkdir(data, 0755) < 0 && errno != EEXIST))
                return -errno;
        zoo_config_write(&local->config, data, node, &config);
        if (config.failed)
                return -ENOMEM;
        snprintf(myid, sizeof(myid), "%zu\n", node + 1);
        r = write_file(dir, "zoo.cfg", config.data);
        return r < 0 ? r : write_file(data, "myid", myid);
}

static int start_nodes(Local *local, char problem[LOCAL_PROBLEM_MAX])
{
        for (size_t i = 0; i < local->config.nodes; i++) {
                CLEANUP_STRING dir = NULL;
                int r;

                if (asprintf(&dir, "%s/%zu", local->dir, i + 1) < 0)
                        return -ENOMEM;
                r = prepare_node(local, i, dir);
                if (r == 0)
                        r = server_start(&local->servers[i], &local->command, dir);
                if (r < 0) {
                        snprintf(problem, LOCAL_PROBLEM_MAX, "cannot start ZooKeeper in '%s': %s", dir, strerror(-r));
                        return r;
                }
        }
        return 0;
}

int local_new(Local **out, const LocalConfig *config, char problem[LOCAL_PROBLEM_MAX])
{
        CLEANUP(local_free) Local *local = calloc(1, sizeof(*local));
        int r;

        snprintf(problem, LOCAL_PROBLEM_MAX, "out of memory");
        if (!local)
                return -ENOMEM;
        local->lock_fd = local->signal_fd = -1;
        for (size_t i = 0; i < ENSEMBLE_NODES_MAX; i++)
                server_init(&local->servers[i]);
        local->config = (ZooConfig){.nodes = config->nodes, .tick_ms = config->tick_ms};
        r = places_find_java(&local->java, config->java, problem, LOCAL_PROBLEM_MAX);
        if (r == 0)
                r = places_find_classpath(&local->classpath, config->classpath, problem, LOCAL_PROBLEM_MAX);
        if (r == 0)
                r = open_signals(local);
        if (r == 0)
                r = make_dir(local, config->dir, problem);
        if (r == 0)
                r = lock_dir(local, problem);
        if (r == 0)
                r = choose_ports(local, config->port, problem);
        if (r < 0)
                return r;
        local->command = (ServerCommand){.java = local->java, .classpath = local->classpath};
        r = start_nodes(local, problem);
        if (r < 0)
                return r;
        *out = TAKE(local);
        return 0;
}

Local *local_free(Local *local)
{
        if (!local)
                return NULL;
        server_stop_all(local->servers, local->config.nodes, STOP_GRACE_USEC);
        for (size_t i = 0; i < ENSEMBLE_NODES_MAX; i++)
                server_deinit(&local->servers[i]);
        if (local->scratch)
                places_remove_tree(local->dir);
        fd_close(local->lock_fd);
        fd_close(local->signal_fd);
        free(local->dir);
        free(local->classpath);
        free(local->java);
        free(local);
        return NULL;
}

static void describe_end(Local *local, size_t node, int status, char *text, size_t size)
{
        CLEANUP_STRING tail = server_log_tail(&local->servers[node]);

        snprintf(text, size, "ZooKeeper server %zu ended with %s %d%s%s", node + 1,
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                tail ? "; its last words:\n" : " without a word; is --java a Java runtime?", tail ? tail : "");
}

static size_t count_running(const Local *local)
{
        size_t n = 0;

        for (size_t i = 0; i < local->config.nodes; i++)
                n += local->servers[i].pid > 0;
        return n;
}

/* Sleeps until a signal, a server's end or the timeout. Returns the node that has ended, -1 for a
 * signal, -2 for nothing yet. */
static int wait_something(Local *local, int timeout_ms)
{
        struct pollfd fds[ENSEMBLE_NODES_MAX + 1];
        struct signalfd_siginfo info;

        for (size_t i = 0; i < ENSEMBLE_NODES_MAX; i++)
                fds[i] = (struct pollfd){.fd = local->servers[i].fd, .events = POLLIN};
        fds[ENSEMBLE_NODES_MAX] = (struct pollfd){.fd = local->signal_fd, .events = POLLIN};
        if (poll(fds, ENSEMBLE_NODES_MAX + 1, timeout_ms) <= 0)
                return -2;
        if (fds[ENSEMBLE_NODES_MAX].revents && read(local->signal_fd, &info, sizeof(info)) == sizeof(info))
                return -1;
        for (size_t i = 0; i < ENSEMBLE_NODES_MAX; i++)
                if (fds[i].revents)
                        return (int)i;
        return -2;
}

static void probe(Local *local)
{
        struct sockaddr_in addresses[ENSEMBLE_NODES_MAX];
        struct addrinfo infos[ENSEMBLE_NODES_MAX];
        FourLetter asked[ENSEMBLE_NODES_MAX];

        for (size_t i = 0; i < local->config.nodes; i++) {
                addresses[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(local->config.ports[i].client)};
                addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                infos[i] = (struct addrinfo){.ai_family = AF_INET,
                        .ai_addr = (struct sockaddr *)&addresses[i],
                        .ai_addrlen = sizeof(addresses[i])};
                asked[i] = (FourLetter){.address = &infos[i]};
        }
        if (four_letter_ask(asked, local->config.nodes, "srvr", PROBE_TIMEOUT_USEC) < 0)
                return;
        for (size_t i = 0; i < local->config.nodes; i++) {
                Srvr srvr;

                if (asked[i].result == 0) {
                        srvr_parse(&srvr, asked[i].answer.data);
                        local->serving[i] = srvr_mode_serves(srvr.mode);
                }
                four_letter_deinit(&asked[i]);
        }
}

static bool all_serve(const Local *local)
{
        for (size_t i = 0; i < local->config.nodes; i++)
                if (!local->serving[i])
                        return false;
        return true;
}

enum LocalEvent local_wait_serving(Local *local, uint64_t timeout_usec, char problem[LOCAL_PROBLEM_MAX])
{
        uint64_t deadline_usec = usec_add(clock_boottime_usec(), timeout_usec);

        while (clock_boottime_usec() < deadline_usec) {
                int node = wait_something(local, PROBE_PERIOD_MS);

                if (node == -1)
                        return LOCAL_SIGNAL;
                if (node >= 0) {
                        int status = server_reap(&local->servers[node]);

                        describe_end(local, (size_t)node, status, problem, LOCAL_PROBLEM_MAX);
                        return LOCAL_FAILED;
                }
                probe(local);
                if (all_serve(local))
                        return LOCAL_SERVING;
        }
        snprintf(problem, LOCAL_PROBLEM_MAX,
                "ZooKeeper does not serve after %llu s; a slow host may need a longer --timeout, and with --dir the"
                " server.log files stay",
                (unsigned long long)(timeout_usec / USEC_PER_SEC));
        return LOCAL_FAILED;
}

enum LocalEvent local_wait(Local *local, char problem[LOCAL_PROBLEM_MAX])
{
        for (;;) {
                int node = wait_something(local, -1), status;

                if (node == -1)
                        return LOCAL_SIGNAL;
                if (node < 0)
                        continue;
                status = server_reap(&local->servers[node]);
                describe_end(local, (size_t)node, status, problem, LOCAL_PROBLEM_MAX);
                if (count_running(local) * 2 <= local->config.nodes)
                        return LOCAL_FAILED;
                log_warning("%s", problem);
                log_warning("%zu of %zu servers are left and still serve", count_running(local), local->config.nodes);
        }
}

char *local_connect_string(const Local *local)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};

        zoo_config_connect_string(&local->config, &text);
        return text_buffer_take(&text);
}

const char *local_dir(const Local *local)
{
        return local->dir;
}
