/* A server of the control interface with made-up units, for tests of its manners:
 * api-server SOCKET [LISTEN [UNITS [GROUP]]]. Prints "ready PORT" when it listens. Every 10 ms it looks at the clock, as
 * a lease would. SIGUSR1 prints how late the worst look was since the last time, "late USEC memory KIB snapshots N";
 * SIGUSR2: every unit changes. It ends when its standard input ends or with POST /v1/stop. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include "fake-manager.h"
#include "util/clock.h"
#include "util/file.h"

#define BEAT_USEC (10 * USEC_PER_MSEC)

static FakeManager manager;
static uint64_t due_usec, worst_usec;

static unsigned long memory_kib(void)
{
        char *text = NULL, *line;
        unsigned long kib = 0;

        if (file_read("/proc/self/status", 65536, &text, NULL) == 0 && (line = strstr(text, "VmRSS:")))
                kib = strtoul(line + 6, NULL, 10);
        free(text);
        return kib;
}

static void report(void)
{
        printf("late %llu memory %lu snapshots %u\n", (unsigned long long)worst_usec, memory_kib(), manager.snapshots);
        fflush(stdout);
        worst_usec = 0;
}

static int on_beat(sd_event_source *source, uint64_t usec, void *userdata)
{
        uint64_t now = clock_boottime_usec();

        if (now > due_usec)
                worst_usec = MAX(worst_usec, now - due_usec);
        due_usec = now + BEAT_USEC;
        (void)sd_event_source_set_time(source, due_usec);
        if (manager.stopped)
                (void)sd_event_exit(sd_event_source_get_event(source), 0);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        if (si->ssi_signo == SIGUSR1)
                report();
        else
                for (size_t i = 0; i < manager.snapshot.n_units; i++)
                        api_tell_unit(manager.api, &manager.units[i]);
        return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        char c;

        if (read(fd, &c, 1) <= 0)
                (void)sd_event_exit(sd_event_source_get_event(source), 0);
        return 0;
}

static int serve(sd_event *event, Api *api)
{
        sd_event_source *beat = NULL;
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR1);
        sigaddset(&signals, SIGUSR2);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
        due_usec = clock_boottime_usec() + BEAT_USEC;
        if (sd_event_add_signal(event, NULL, SIGUSR1, on_signal, NULL) < 0 ||
                sd_event_add_signal(event, NULL, SIGUSR2, on_signal, NULL) < 0 ||
                sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL) < 0 ||
                sd_event_add_time(event, &beat, CLOCK_BOOTTIME, due_usec, 1, on_beat, NULL) < 0 ||
                sd_event_source_set_priority(beat, SD_EVENT_PRIORITY_IMPORTANT) < 0)
                return 1;
        printf("ready %u\n", api_port(api));
        fflush(stdout);
        (void)sd_event_loop(event);
        sd_event_source_unref(beat);
        report();
        return 0;
}

int main(int argc, char **argv)
{
        ApiConfig config = {.socket = argc > 1 ? argv[1] : NULL,
                .listen = argc > 2 && *argv[2] ? argv[2] : NULL,
                .group = argc > 4 ? argv[4] : NULL,
                .socket_fd = -1,
                .listen_fd = -1};
        sd_event *event = NULL;
        char problem[512] = "";
        Api *api = NULL;
        int r;

        fake_manager_init(&manager, argc > 3 ? strtoul(argv[3], NULL, 10) : 10);
        manager.keep_cluster = getenv("API_SERVER_KEEP_CLUSTER") != NULL;
        r = sd_event_new(&event);
        if (r >= 0)
                r = api_new(&api, event, &config, &fake_manager_ops, &manager, problem, sizeof(problem));
        if (r < 0) {
                fprintf(stderr, "api-server: %s\n", problem);
        } else {
                manager.api = api;
                r = serve(event, api);
        }
        api_free(api);
        if (manager.answer)
                api_answer_json(manager.answer, "{}");
        sd_event_unref(event);
        fake_manager_deinit(&manager);
        return r != 0;
}
