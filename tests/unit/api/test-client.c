/* The client's half: replies cut anywhere, replies that are none, and whole conversations with a server in another
 * process. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "api/client.h"
#include "api/event-log.h"
#include "api/http-reply.h"
#include "fake-manager.h"
#include "util/clock.h"

#define TIMEOUT (30 * USEC_PER_SEC)

static char directory[] = "/tmp/zksup-client-XXXXXX", path[sizeof(directory) + 16];
static pid_t server_pid;

/* Feeds TEXT in pieces of N bytes, then the end. Returns 0 or the error. */
static int read_reply(HttpReply *reply, const char *text, size_t n, const char **problem)
{
        size_t len = strlen(text);
        int r = 0;

        http_reply_init(reply, false);
        for (size_t i = 0; r == 0 && i < len; i += n)
                r = http_reply_feed(reply, text + i, MIN(n, len - i), 4096, problem);
        return r ? r : http_reply_end(reply, problem);
}

static void replies_are_read_wherever_they_are_cut(void **state)
{
        static const struct {
                const char *text, *body;
        } cases[] = {
                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloX", "hello"},
                {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n03\r\nllo\r\n0\r\nTrailer: x\r\n\r\n",
                        "hello"},
                {"HTTP/1.0 200 OK\n\nhello", "hello"},
                {"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:\t5 \r\n\r\nhello",
                        "hello"},
                {"HTTP/1.1 204 No Content\r\n\r\n", NULL},
                {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                for (size_t n = 1; n < 20; n++) {
                        const char *problem = NULL;
                        HttpReply reply;

                        assert_int_equal(read_reply(&reply, cases[i].text, n, &problem), 0);
                        if (cases[i].body)
                                assert_string_equal(reply.body.data, cases[i].body);
                        else
                                assert_int_equal(reply.body.len, 0);
                        http_reply_deinit(&reply);
                }
}

static void what_is_no_reply_is_refused_with_the_reason(void **state)
{
        static const char *const wrong[] = {"", "SSH-2.0-x\r\n", "HTTP/1.1 20 OK\r\n\r\n",
                "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                "HTTP/1.1 200 OK\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"};

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                const char *problem = NULL;
                HttpReply reply;

                assert_int_equal(read_reply(&reply, wrong[i], 7, &problem), -EPROTO);
                assert_non_null(problem);
                http_reply_deinit(&reply);
        }
}

static void what_a_reply_may_cost_is_bounded(void **state)
{
        static char line[70000];
        const char *problem = NULL;
        HttpReply reply;

        memset(line, 'x', sizeof(line) - 1);
        http_reply_init(&reply, false);
        assert_int_equal(http_reply_feed(&reply, line, sizeof(line) - 1, 4096, &problem), -EPROTO);
        http_reply_deinit(&reply);
        http_reply_init(&reply, false);
        assert_int_equal(http_reply_feed(&reply, "HTTP/1.1 200 OK\r\n\r\n", 19, 4096, &problem), 0);
        assert_int_equal(http_reply_feed(&reply, line, 4097, 4096, &problem), -EMSGSIZE);
        http_reply_deinit(&reply);
}

static void the_log_of_events_forgets_the_oldest(void **state)
{
        EventLog log = {0};
        Event *event;

        for (int i = 0; i < EVENT_LOG_MAX + 10; i++)
                assert_true(event_log_append(&log, event_new("x", "{}")));
        assert_int_equal(log.next - log.first, EVENT_LOG_MAX);
        assert_null(event_log_get(&log, 9));
        event = event_log_get(&log, 10);
        assert_string_equal(event->text, "event: x\ndata: {}\n\n");
        event_log_trim(&log, log.next + 5);
        assert_int_equal(log.bytes, 0);
        assert_int_equal(event->refs, 1); /* ours outlives the log's */
        event_unref(event);
        event_log_deinit(&log);
}

/* --- with a server ------------------------------------------------------------------------------ */

static int serve(void)
{
        ApiConfig config = {.socket = path, .socket_fd = -1, .listen_fd = -1};
        sd_event *event = NULL;
        FakeManager manager;
        char problem[512];

        fake_manager_init(&manager, 20);
        if (sd_event_new(&event) < 0 ||
                api_new(&manager.api, event, &config, &fake_manager_ops, &manager, problem, sizeof(problem)) < 0)
                return 1;
        while (!manager.stopped)
                (void)sd_event_run(event, 100000);
        for (int i = 0; i < 50; i++) /* its answer */
                (void)sd_event_run(event, 1000);
        api_free(manager.api);
        sd_event_unref(event);
        fake_manager_deinit(&manager);
        return 0;
}

static int start(void **state)
{
        ApiReply reply;
        char problem[512];

        if (!mkdtemp(directory))
                return -1;
        snprintf(path, sizeof(path), "%s/s", directory);
        server_pid = fork();
        if (server_pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(serve());
        }
        for (uint64_t end = clock_boottime_usec() + TIMEOUT; clock_boottime_usec() < end; usleep(10000)) {
                int r = api_request(path, "GET", "/v1/session", NULL, TIMEOUT, &reply, problem, sizeof(problem));

                api_reply_deinit(&reply);
                if (r == 0)
                        return 0;
        }
        return -1;
}

static int stop(void **state)
{
        int status = -1;

        if (server_pid > 0) { /* a test has failed */
                (void)kill(server_pid, SIGKILL);
                (void)waitpid(server_pid, &status, 0);
        }
        (void)unlink(path);
        return rmdir(directory);
}

static void ask(const char *method, const char *target, const char *body, unsigned status, ApiReply *reply)
{
        char problem[512] = "";
        json_t *json = body ? json_loads(body, 0, NULL) : NULL;

        assert_int_equal(api_request(path, method, target, json, TIMEOUT, reply, problem, sizeof(problem)), 0);
        assert_int_equal(reply->status, status);
        assert_true(json_is_object(reply->json));
        json_decref(json);
}

static void requests_are_answered(void **state)
{
        ApiReply reply;

        ask("GET", "/v1/units?full=1", NULL, 200, &reply);
        assert_int_equal(json_array_size(json_object_get(reply.json, "units")), 20);
        api_reply_deinit(&reply);
        ask("POST", "/v1/units/unit-4/signal", "{\"signal\": \"USR1\"}", 200, &reply);
        assert_string_equal(json_string_value(json_object_get(reply.json, "name")), "unit-4");
        api_reply_deinit(&reply);
        ask("POST", "/v1/reload", NULL, 200, &reply);
        api_reply_deinit(&reply);
        ask("GET", "/nothing", NULL, 404, &reply);
        assert_non_null(json_object_get(reply.json, "error"));
        api_reply_deinit(&reply);
}

static bool on_event(void *userdata, const char *event, const json_t *data)
{
        unsigned *events = userdata;
        ApiReply reply;

        if (++*events == 1) {
                assert_string_equal(event, "hello");
                ask("POST", "/v1/units/unit-5/stop", NULL, 200, &reply);
                api_reply_deinit(&reply);
                return true;
        }
        assert_string_equal(event, "unit");
        assert_string_equal(json_string_value(json_object_get(data, "want")), "down");
        return false;
}

static void events_come_until_the_handler_has_enough(void **state)
{
        char problem[512] = "";
        unsigned events = 0;

        assert_int_equal(api_listen(path, TIMEOUT, on_event, &events, problem, sizeof(problem)), 0);
        assert_int_equal(events, 2);
}

static bool on_more(void *userdata, const char *event, const json_t *data)
{
        return true;
}

static void listening_ends_in_time(void **state)
{
        char problem[512] = "";

        assert_int_equal(api_listen(path, 50000, on_more, NULL, problem, sizeof(problem)), -ETIMEDOUT);
        assert_non_null(strstr(problem, path));
}

static void who_does_not_answer_is_named(void **state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char problem[512] = "", silent[sizeof(path) + 8];
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ApiReply reply;

        snprintf(silent, sizeof(silent), "%s.silent", path);
        assert_int_equal(
                api_request(silent, "GET", "/v1/units", NULL, TIMEOUT, &reply, problem, sizeof(problem)), -ENOENT);
        assert_non_null(strstr(problem, "no supervisor listens at"));
        strcpy(address.sun_path, silent);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(api_request(silent, "GET", "/v1/units", NULL, TIMEOUT, &reply, problem, sizeof(problem)),
                -ECONNREFUSED);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(api_request(silent, "GET", "/v1/units", NULL, 50000, &reply, problem, sizeof(problem)),
                -ETIMEDOUT);
        assert_non_null(strstr(problem, "does not answer in time"));
        for (int i = 0; i < 3; i++) /* also with a full queue, where connecting itself waits */
                assert_int_equal(api_request(silent, "GET", "/", NULL, 50000, &reply, problem, sizeof(problem)),
                        -ETIMEDOUT);
        close(fd);
        assert_int_equal(unlink(silent), 0);
}

static bool on_hello(void *userdata, const char *event, const json_t *data)
{
        ApiReply reply;

        ask("POST", "/v1/stop", NULL, 202, &reply);
        api_reply_deinit(&reply);
        return true;
}

/* The stream of events is cut off without a last chunk. */
static void a_server_that_ends_ends_in_order(void **state)
{
        char problem[512] = "";
        int status;

        assert_int_equal(api_listen(path, TIMEOUT, on_hello, NULL, problem, sizeof(problem)), -ECONNRESET);
        assert_non_null(strstr(problem, "has ended"));
        assert_int_equal(waitpid(server_pid, &status, 0), server_pid);
        server_pid = 0;
        assert_int_equal(status, 0);
        assert_int_equal(access(path, F_OK), -1); /* it took its socket away */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(replies_are_read_wherever_they_are_cut),
                cmocka_unit_test(what_is_no_reply_is_refused_with_the_reason),
                cmocka_unit_test(what_a_reply_may_cost_is_bounded),
                cmocka_unit_test(the_log_of_events_forgets_the_oldest),
                cmocka_unit_test(requests_are_answered),
                cmocka_unit_test(events_come_until_the_handler_has_enough),
                cmocka_unit_test(listening_ends_in_time),
                cmocka_unit_test(who_does_not_answer_is_named),
                cmocka_unit_test(a_server_that_ends_ends_in_order),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
