/* Readiness over real sockets, pipes and programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "unit/readiness.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/macros.h"

#define DEADLINE_USEC (10 * USEC_PER_SEC)
#define PROBE_USEC (100 * USEC_PER_MSEC)

typedef struct Rig {
        sd_event *event;
        Reaper *reaper;
        Readiness *readiness;
        ReadinessConfig config;
        unsigned ready, lost;
        char status[300];
        char dir[64];
        /* A server on the same loop; each reply is for one connection, "" closes, NULL stays silent. */
        int listener;
        sd_event_source *accept;
        const char *const *replies;
        unsigned connections;
        int held[8];
} Rig;

static void on_readiness(Readiness *readiness, const ReadinessEvent *event, void *userdata)
{
        Rig *rig = userdata;

        switch (event->type) {
        case READINESS_READY:
                rig->ready++;
                break;
        case READINESS_LOST:
                rig->lost++;
                break;
        case READINESS_STATUS:
                snprintf(rig->status, sizeof(rig->status), "%s", event->text);
                break;
        }
}

static int set_up(void **state)
{
        Rig *rig = calloc(1, sizeof(*rig));

        assert_non_null(rig);
        snprintf(rig->dir, sizeof(rig->dir), "/tmp/test-readiness.XXXXXX");
        assert_non_null(mkdtemp(rig->dir));
        rig->listener = -1;
        assert_true(sd_event_new(&rig->event) >= 0);
        assert_int_equal(reaper_new(&rig->reaper, rig->event), 0);
        *state = rig;
        return 0;
}

static int tear_down(void **state)
{
        Rig *rig = *state;
        char path[128];

        rig->readiness = readiness_free(rig->readiness);
        readiness_config_deinit(&rig->config);
        sd_event_source_disable_unref(rig->accept);
        fd_close(rig->listener);
        for (unsigned i = 0; i < MIN(rig->connections, ARRAY_SIZE(rig->held)); i++)
                fd_close(rig->held[i]);
        rig->reaper = reaper_free(rig->reaper);
        sd_event_unref(rig->event);
        unsetenv("XDG_RUNTIME_DIR");
        snprintf(path, sizeof(path), "%s/file", rig->dir);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/probe", rig->dir);
        (void)unlink(path);
        assert_int_equal(rmdir(rig->dir), 0); /* what the readiness made there is gone */
        free(rig);
        return 0;
}

static void make(Rig *rig, const char *text)
{
        char problem[200];

        if (readiness_parse(text, &rig->config, problem, sizeof(problem)) < 0)
                fail_msg("%s: %s", text, problem);
        rig->config.interval_usec = 20 * USEC_PER_MSEC;
        rig->config.probe_usec = PROBE_USEC;
        assert_int_equal(
                readiness_new(&rig->readiness, rig->event, rig->reaper, &rig->config, on_readiness, rig), 0);
}

#define run_until(rig, condition)                                                                            \
        do {                                                                                                 \
                uint64_t end_ = clock_boottime_usec() + DEADLINE_USEC;                                       \
                while (!(condition)) {                                                                       \
                        assert_true(clock_boottime_usec() < end_);                                           \
                        assert_true(sd_event_run((rig)->event, 100 * USEC_PER_MSEC) >= 0);                   \
                }                                                                                            \
        } while (0)

/* Handles all that is there already. */
static void run_pending(Rig *rig)
{
        while (sd_event_run(rig->event, 0) > 0)
                ;
}

/* --- the text ----------------------------------------------------------------------------------- */

static void every_way_to_be_ready_is_parsed(void **state)
{
        Rig *rig = *state;
        ReadinessConfig *c = &rig->config;
        char problem[200];

        assert_int_equal(readiness_parse("none", c, problem, sizeof(problem)), 0);
        assert_int_equal(c->kind, READINESS_NONE);
        assert_int_equal(readiness_parse("notify", c, problem, sizeof(problem)), 0);
        assert_int_equal(c->kind, READINESS_NOTIFY);
        assert_int_equal(readiness_parse("fd:3", c, problem, sizeof(problem)), 0);
        assert_int_equal(c->fd, 3);
        assert_int_equal(readiness_parse("tcp:8080", c, problem, sizeof(problem)), 0);
        assert_string_equal(c->host, "127.0.0.1");
        assert_int_equal(c->port, 8080);
        assert_int_equal(readiness_parse("tcp:[::1]:81", c, problem, sizeof(problem)), 0);
        assert_string_equal(c->host, "::1");
        assert_int_equal(c->port, 81);
        assert_int_equal(readiness_parse("tcp:10.1.2.3:82", c, problem, sizeof(problem)), 0);
        assert_string_equal(c->host, "10.1.2.3");
        assert_int_equal(
                readiness_parse("http://localhost:8080/health?full=1#x", c, problem, sizeof(problem)), 0);
        assert_string_equal(c->host, "127.0.0.1");
        assert_string_equal(c->path, "/health?full=1");
        assert_int_equal(readiness_parse("http:http://[::1]", c, problem, sizeof(problem)), 0);
        assert_int_equal(c->port, 80);
        assert_string_equal(c->path, "/");
        assert_int_equal(readiness_parse("exec:test  -e /tmp/x y", c, problem, sizeof(problem)), 0);
        assert_string_equal(c->argv[0], "test");
        assert_string_equal(c->argv[3], "y");
        assert_null(c->argv[4]);
}

static void what_is_wrong_with_a_readiness_is_said(void **state)
{
        static const struct {
                const char *text, *says;
        } wrong[] = {
                {"", "is no readiness"},
                {"tcp", "is no readiness"},
                {"fd:2", "fd:3 to fd:191"},
                {"fd:192", "fd:3 to fd:191"},
                {"fd:", "fd:3 to fd:191"},
                {"tcp:0", "needs a port"},
                {"tcp:65536", "needs a port"},
                {"tcp:123456789", "needs a port"},
                {"tcp:", "needs a port"},
                {"tcp:127.0.0.1:", "needs a port"},
                {"tcp::80", "needs a host"},
                {"tcp:db.example.org:80", "names a host"},
                {"tcp:[::1:80", "has no ']'"},
                {"tcp:[::1]80", "has no ']'"},
                {"tcp:[::1]", "needs a port"},
                {"http:/health", "needs a URL"},
                {"http://example.org/", "names a host"},
                {"http://localhost:x/", "needs a port"},
                {"http://localhost/a b", "%20"},
                {"http://localhost/a\r\nX: y", "%20"},
                {"https://localhost/", "not spoken"},
                {"http:https://localhost/", "not spoken"},
                {"exec:", "needs a program"},
                {"exec: \t", "needs a program"},
                {"exec:a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a", "too many words"},
        };
        Rig *rig = *state;
        char problem[200];

        assert_int_equal(readiness_parse("tcp:7", &rig->config, problem, sizeof(problem)), 0);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                assert_int_equal(
                        readiness_parse(wrong[i].text, &rig->config, problem, sizeof(problem)), -EINVAL);
                if (!strstr(problem, wrong[i].says))
                        fail_msg("'%s' gives: %s", wrong[i].text, problem);
                assert_int_equal(rig->config.port, 7); /* as before */
        }
}

/* --- none --------------------------------------------------------------------------------------- */

static void none_is_ready_from_the_loop_not_from_within_start(void **state)
{
        Rig *rig = *state;

        make(rig, "none");
        assert_null(readiness_env(rig->readiness));
        assert_int_equal(readiness_pass_fd(rig->readiness), -1);
        assert_int_equal(readiness_start(rig->readiness), 0);
        assert_int_equal(rig->ready, 0);
        run_until(rig, rig->ready == 1);
        assert_int_equal(readiness_start(rig->readiness), 0);
        readiness_stop(rig->readiness);
        run_pending(rig);
        assert_int_equal(rig->ready, 1);
}

/* --- notify ------------------------------------------------------------------------------------- */

static void make_notify(Rig *rig)
{
        setenv("XDG_RUNTIME_DIR", rig->dir, 1);
        make(rig, "notify");
        assert_int_equal(strncmp(readiness_env(rig->readiness), "NOTIFY_SOCKET=", 14), 0);
}

/* As a command would, optionally with a descriptor along. */
static void send_notify(const char *env, const char *text, int along)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        union {
                char room[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec part = {.iov_base = (char *)text, .iov_len = strlen(text)};
        struct msghdr message = {
                .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &part, .msg_iovlen = 1};
        CLEANUP_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", env + strlen("NOTIFY_SOCKET="));
        if (along >= 0) {
                struct cmsghdr *c;

                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
                c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(c), &along, sizeof(along));
        }
        assert_int_equal(sendmsg(fd, &message, 0), strlen(text));
}

static void notify_hears_ready_reloading_and_status(void **state)
{
        Rig *rig = *state;
        const char *env;

        make_notify(rig);
        env = readiness_env(rig->readiness);
        assert_int_equal(readiness_start(rig->readiness), 0);
        send_notify(env, "MAINPID=1\nWATCHDOG=1\nSTATUS=half\x1b[31m way\nREADY=0", -1);
        run_until(rig, rig->status[0]);
        assert_string_equal(rig->status, "half [31m way");
        assert_int_equal(rig->ready, 0);
        send_notify(env, "READY=1\n", -1);
        run_until(rig, rig->ready == 1);
        send_notify(env, "READY=1", -1);
        send_notify(env, "RELOADING=1\nMONOTONIC_USEC=5", -1);
        run_until(rig, rig->lost == 1);
        assert_int_equal(rig->ready, 1);
        send_notify(env, "STOPPING=1", -1);
        send_notify(env, "READY=1", -1);
        run_until(rig, rig->ready == 2);
        assert_int_equal(rig->lost, 1);
}

static void notify_of_an_earlier_run_is_thrown_away(void **state)
{
        Rig *rig = *state;
        const char *env;

        make_notify(rig);
        env = readiness_env(rig->readiness);
        send_notify(env, "READY=1", -1);
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_pending(rig);
        assert_int_equal(rig->ready, 0);
        readiness_stop(rig->readiness);
        readiness_stop(rig->readiness);
        for (int i = 0; i < 2000; i++) { /* far more than a queue takes: nobody is blocked */
                send_notify(env, "READY=1", -1);
                run_pending(rig);
        }
        assert_int_equal(rig->ready, 0);
}

static void notify_closes_descriptors_that_come_along(void **state)
{
        Rig *rig = *state;
        int ends[2];
        char byte;

        make_notify(rig);
        assert_int_equal(readiness_start(rig->readiness), 0);
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        send_notify(readiness_env(rig->readiness), "BARRIER=1", ends[1]);
        send_notify(readiness_env(rig->readiness), "READY=1", -1);
        fd_close(ends[1]);
        run_until(rig, rig->ready == 1);
        assert_int_equal(read(ends[0], &byte, 1), 0); /* the end: no copy is open any more */
        fd_close(ends[0]);
}

static void notify_of_a_foreign_user_is_dropped(void **state)
{
        Rig *rig = *state;
        const char *env, *path;
        char *dir;
        pid_t pid;
        int status;

        if (geteuid() != 0)
                skip();
        make_notify(rig);
        env = readiness_env(rig->readiness);
        path = env + strlen("NOTIFY_SOCKET=");
        dir = strdup(path);
        assert_non_null(dir);
        *strrchr(dir, '/') = '\0';
        assert_int_equal(chmod(rig->dir, 0755) | chmod(dir, 0755) | chmod(path, 0777),
                0); /* open the doors that protect it */
        free(dir);
        assert_int_equal(readiness_start(rig->readiness), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (setresuid(65534, 65534, 65534) < 0)
                        _exit(1);
                send_notify(env, "READY=1", -1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        send_notify(env, "STATUS=mine", -1);
        run_until(rig, rig->status[0]);
        assert_int_equal(rig->ready, 0);
}

static void notify_falls_back_when_the_runtime_directory_is_of_no_use(void **state)
{
        Rig *rig = *state;

        setenv("XDG_RUNTIME_DIR",
                "/tmp/a-path-that-is-far-too-long-for-the-address-of-a-socket-in-the-unix-domain-"
                "which-takes-108-bytes-at-most",
                1);
        make(rig, "notify");
        assert_int_equal(readiness_start(rig->readiness), 0);
        send_notify(readiness_env(rig->readiness), "READY=1", -1);
        run_until(rig, rig->ready == 1);
}

/* --- a descriptor ------------------------------------------------------------------------------- */

static void a_newline_on_the_descriptor_is_readiness(void **state)
{
        Rig *rig = *state;
        int fd;

        make(rig, "fd:3");
        fd = readiness_pass_fd(rig->readiness);
        assert_int_equal(write(fd, "old\n", 4), 4); /* of an earlier run */
        assert_int_equal(readiness_start(rig->readiness), 0);
        assert_int_equal(write(fd, "soon", 4), 4);
        run_pending(rig);
        assert_int_equal(rig->ready, 0);
        assert_int_equal(write(fd, "\n", 1), 1);
        run_until(rig, rig->ready == 1);
        assert_int_equal(write(fd, "\n\n", 2), 2);
        run_pending(rig);
        assert_int_equal(rig->ready, 1);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); /* the command's end is an ordinary pipe */
}

/* --- connections -------------------------------------------------------------------------------- */

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Rig *rig = userdata;
        int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        const char *reply = rig->replies ? rig->replies[rig->connections] : "";

        assert_true(c >= 0 && rig->connections < ARRAY_SIZE(rig->held));
        if (reply && *reply) /* before the request is there: the two ends share a thread */
                assert_int_equal(send(c, reply, strlen(reply), MSG_NOSIGNAL), strlen(reply));
        rig->held[rig->connections++] = reply && !*reply ? fd_close(c) : c;
        return 0;
}

/* Binds a free port of loopback; nobody listens yet. */
static unsigned bind_port(Rig *rig, int family)
{
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
        socklen_t len = family == AF_INET6 ? sizeof(six) : sizeof(four);

        rig->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (rig->listener < 0 || bind(rig->listener, address, len) < 0)
                return 0;
        assert_int_equal(getsockname(rig->listener, address, &len), 0);
        return ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
}

static void begin_to_listen(Rig *rig)
{
        assert_int_equal(listen(rig->listener, 5), 0);
        assert_true(sd_event_add_io(rig->event, &rig->accept, rig->listener, EPOLLIN, on_accept, rig) >= 0);
}

static int on_alarm(sd_event_source *source, uint64_t usec, void *userdata)
{
        *(bool *)userdata = true;
        return 0;
}

/* Lets the loop run for a while in which nothing may happen. */
static void run_quietly(Rig *rig, uint64_t usec)
{
        sd_event_source *source = NULL;
        bool over = false;

        assert_true(sd_event_add_time_relative(
                            rig->event, &source, CLOCK_MONOTONIC, usec, 1, on_alarm, &over) >= 0);
        run_until(rig, over);
        sd_event_source_disable_unref(source);
        assert_int_equal(rig->ready, 0);
}

static void a_port_is_tried_until_somebody_listens(void **state)
{
        Rig *rig = *state;
        char text[64];

        snprintf(text, sizeof(text), "tcp:%u", bind_port(rig, AF_INET));
        make(rig, text);
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_quietly(rig, 100 * USEC_PER_MSEC);
        begin_to_listen(rig);
        run_until(rig, rig->ready == 1);
        run_until(rig, rig->connections == 1);
        assert_int_equal(readiness_start(rig->readiness), 0); /* the next run is asked again */
        run_until(rig, rig->ready == 2);
        readiness_stop(rig->readiness);
}

static void a_port_of_ipv6_is_tried_too(void **state)
{
        Rig *rig = *state;
        unsigned port = bind_port(rig, AF_INET6);
        char text[64];

        if (port == 0)
                skip();
        snprintf(text, sizeof(text), "tcp:[::1]:%u", port);
        begin_to_listen(rig);
        make(rig, text);
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_until(rig, rig->ready == 1);
}

static void only_a_2xx_answer_is_readiness(void **state)
{
        static const char *const replies[] = {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "",
                "220 mail.example ESMTP\r\n", NULL, "HTTP/1.1 204 No Content\r\n\r\n"};
        Rig *rig = *state;
        char text[64], request[1024] = "";

        snprintf(text, sizeof(text), "http://127.0.0.1:%u/health?x=1", bind_port(rig, AF_INET));
        begin_to_listen(rig);
        rig->replies = replies;
        make(rig, text);
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_until(rig, rig->ready == 1);
        assert_int_equal(rig->connections, 5); /* the silent one cost the limit of one probe */
        assert_true(recv(rig->held[4], request, sizeof(request) - 1, MSG_DONTWAIT) > 0);
        assert_int_equal(strncmp(request, "GET /health?x=1 HTTP/1.0\r\nHost: 127.0.0.1:", 42), 0);
        assert_non_null(strstr(request, "\r\n\r\n"));
}

/* --- programs ----------------------------------------------------------------------------------- */

static void a_program_is_run_until_it_succeeds(void **state)
{
        Rig *rig = *state;
        char text[128];
        int fd;

        snprintf(text, sizeof(text), "exec:test -e %s/file", rig->dir);
        make(rig, text);
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_quietly(rig, 100 * USEC_PER_MSEC);
        fd = open(text + strlen("exec:test -e "), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        fd_close(fd);
        run_until(rig, rig->ready == 1);
}

static void a_program_that_is_not_there_is_not_readiness(void **state)
{
        Rig *rig = *state;

        make(rig, "exec:/nonexistent/program");
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_quietly(rig, 80 * USEC_PER_MSEC);
        readiness_stop(rig->readiness);
}

/* The pids that the probe script left in "file", one a line. */
static unsigned read_pids(Rig *rig, pid_t pids[], unsigned max)
{
        CLEANUP_STRING text = NULL;
        char path[128];
        unsigned n = 0;

        snprintf(path, sizeof(path), "%s/file", rig->dir);
        if (file_read(path, 4096, &text, NULL) < 0)
                return 0;
        for (char *line = text; n < max && strchr(line, '\n'); line = strchr(line, '\n') + 1)
                pids[n++] = (pid_t)strtol(line, NULL, 10);
        return n;
}

static void a_program_that_hangs_is_killed_with_its_group_and_tried_again(void **state)
{
        Rig *rig = *state;
        char script[256], path[128], text[160];
        pid_t pids[8];
        unsigned n;

        snprintf(path, sizeof(path), "%s/probe", rig->dir);
        snprintf(script, sizeof(script),
                "#!/bin/sh\nsleep 1000 &\necho $! >> %s/file\necho $$ >> %s/file\nwait\n", rig->dir,
                rig->dir);
        assert_int_equal(file_write_atomic(path, script, strlen(script), 0700), 0);
        snprintf(text, sizeof(text), "exec:%s", path);
        make(rig, text);
        assert_int_equal(readiness_start(rig->readiness), 0);
        run_until(rig, (n = read_pids(rig, pids, 8)) >= 4); /* two attempts */
        readiness_stop(rig->readiness);
        n = read_pids(rig, pids, 8);
        for (unsigned i = 0; i < n; i++)
                run_until(rig, kill(pids[i], 0) < 0 && errno == ESRCH);
        assert_int_equal(rig->ready, 0);
}

static void a_program_needs_a_reaper(void **state)
{
        Rig *rig = *state;
        char problem[100];

        assert_int_equal(readiness_parse("exec:true", &rig->config, problem, sizeof(problem)), 0);
        assert_int_equal(
                readiness_new(&rig->readiness, rig->event, NULL, &rig->config, on_readiness, rig), -EINVAL);
        assert_null(readiness_free(NULL));
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(every_way_to_be_ready_is_parsed),
                test(what_is_wrong_with_a_readiness_is_said),
                test(none_is_ready_from_the_loop_not_from_within_start),
                test(notify_hears_ready_reloading_and_status),
                test(notify_of_an_earlier_run_is_thrown_away),
                test(notify_closes_descriptors_that_come_along),
                test(notify_of_a_foreign_user_is_dropped),
                test(notify_falls_back_when_the_runtime_directory_is_of_no_use),
                test(a_newline_on_the_descriptor_is_readiness),
                test(a_port_is_tried_until_somebody_listens),
                test(a_port_of_ipv6_is_tried_too),
                test(only_a_2xx_answer_is_readiness),
                test(a_program_is_run_until_it_succeeds),
                test(a_program_that_is_not_there_is_not_readiness),
                test(a_program_that_hangs_is_killed_with_its_group_and_tried_again),
                test(a_program_needs_a_reaper),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
