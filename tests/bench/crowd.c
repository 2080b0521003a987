/* Many units under one supervisor: starts N guards with a command each, over the same interface the
 * supervisor uses, and says how long it took. Then it stays, so that its memory and its guards' can
 * be looked at, until standard input ends.
 *
 *     crowd N COMMAND [ARGUMENT]...
 *     -> "started MS", "guards PID...", "children PID..." */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "unit/spawn.h"
#include "util/clock.h"
#include "util/text.h"

typedef struct Crowd {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        Spawn **spawns;
        unsigned n;
        unsigned seen[SPAWN_GUARD_LOST + 1];
} Crowd;

static void on_event(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Crowd *crowd = userdata;
        SpawnStart start = {.deadline_usec = LEASE_DEADLINE_NONE};

        crowd->seen[event->type]++;
        if (event->type == SPAWN_READY && spawn_start(spawn, &start) < 0)
                crowd->seen[SPAWN_EXEC_FAILED]++;
}

static void await_all(Crowd *crowd, enum SpawnEventType type)
{
        while (crowd->seen[type] < crowd->n)
                if (sd_event_run(crowd->event, UINT64_MAX) < 0 || crowd->seen[SPAWN_GUARD_LOST] ||
                        crowd->seen[SPAWN_EXEC_FAILED]) {
                        fprintf(stderr, "crowd: a guard was lost or a command not started\n");
                        exit(1);
                }
}

static void start_all(Crowd *crowd, char **command)
{
        SpawnConfig config = {.argv = command, .name = "bench", .contain = CONTAIN_AUTO};
        uint64_t t0 = clock_boottime_usec();

        for (unsigned i = 0; i < crowd->n; i++)
                if (spawn_new(&crowd->spawns[i], crowd->event, crowd->reaper, crowd->page, &config, on_event,
                            crowd) < 0) {
                        fprintf(stderr, "crowd: cannot start guard %u\n", i);
                        exit(1);
                }
        await_all(crowd, SPAWN_STARTED);
        printf("started %.3f\n", (double)(clock_boottime_usec() - t0) / 1000);
}

static void print_pids(const Crowd *crowd)
{
        printf("guards");
        for (unsigned i = 0; i < crowd->n; i++)
                printf(" %d", (int)spawn_guard_pid(crowd->spawns[i]));
        printf("\nchildren");
        for (unsigned i = 0; i < crowd->n; i++)
                printf(" %d", (int)spawn_pid(crowd->spawns[i]));
        printf("\n");
        fflush(stdout);
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        *(bool *)userdata = true;
        return 0;
}

int main(int argc, char **argv)
{
        Crowd crowd = {0};
        struct rlimit limit;
        bool over = false;
        uint64_t n;

        if (argc < 3 || text_to_u64(argv[1], 1, 100000, &n) < 0) {
                fprintf(stderr, "crowd: usage: crowd N COMMAND [ARGUMENT]...\n");
                return 125;
        }
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        crowd.n = (unsigned)n;
        crowd.spawns = calloc(n, sizeof(*crowd.spawns));
        if (!crowd.spawns || sd_event_new(&crowd.event) < 0 || reaper_new(&crowd.reaper, crowd.event) < 0 ||
                lease_page_new(&crowd.page, crowd.n) < 0 ||
                sd_event_add_io(crowd.event, NULL, 0, EPOLLIN | EPOLLHUP, on_input, &over) < 0) {
                fprintf(stderr, "crowd: cannot set up\n");
                return 1;
        }
        start_all(&crowd, argv + 2);
        print_pids(&crowd);
        while (!over && sd_event_run(crowd.event, UINT64_MAX) >= 0)
                ;
        for (unsigned i = 0; i < crowd.n; i++)
                (void)spawn_kill(crowd.spawns[i]);
        await_all(&crowd, SPAWN_EMPTY);
        for (unsigned i = 0; i < crowd.n; i++)
                spawn_free(crowd.spawns[i]);
        free(crowd.spawns);
        reaper_free(crowd.reaper);
        lease_page_free(crowd.page);
        sd_event_unref(crowd.event);
        return 0;
}
