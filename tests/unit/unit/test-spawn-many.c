/* What a guard costs: the time to start many, the memory of each, and its silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "unit/spawn.h"
#include "util/clock.h"

#define GUARDS 1000
#define PSS_MAX_KB 60
/* The budget is a second on an idle machine; what must not pass here, on a busy one, is a start whose cost
 * grows with the number of those that run already (that took a minute). */
#define START_MAX_USEC (15 * USEC_PER_SEC)
#define WAIT_USEC (60 * USEC_PER_SEC)

typedef struct Crowd {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        Spawn *spawns[GUARDS];
        unsigned seen[SPAWN_GUARD_LOST + 1];
} Crowd;

static void on_event(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Crowd *crowd = userdata;

        crowd->seen[event->type]++;
}

static void await_all(Crowd *crowd, enum SpawnEventType type)
{
        uint64_t until = clock_boottime_usec() + WAIT_USEC;

        while (crowd->seen[type] < GUARDS) {
                assert_int_equal(crowd->seen[SPAWN_GUARD_LOST], 0);
                assert_true(clock_boottime_usec() < until);
                assert_true(sd_event_run(crowd->event, 100000) >= 0);
        }
}

static unsigned pss_kb(pid_t pid)
{
        char path[64], line[256];
        unsigned kb = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "Pss: %u", &kb) == 1)
                        break;
        if (f)
                fclose(f);
        return kb;
}

/* How often it was put on a processor; a busy loop shows as well, which voluntary switches alone miss. */
static unsigned long switches(pid_t pid)
{
        char path[64], line[256];
        unsigned long sum = 0, n;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1 ||
                        sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1)
                        sum += n;
        if (f)
                fclose(f);
        return sum;
}

static void crowd_init(Crowd *crowd)
{
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        assert_int_equal(sd_event_new(&crowd->event), 0);
        assert_int_equal(reaper_new(&crowd->reaper, crowd->event), 0);
        assert_int_equal(lease_page_new(&crowd->page, GUARDS), 0);
}

static void crowd_spawn(Crowd *crowd, enum ContainMode mode)
{
        char *argv[] = {(char *)FIXTURES "/fixture-ignore-term", NULL};
        SpawnConfig config = {.argv = argv, .contain = mode};

        for (unsigned i = 0; i < GUARDS; i++)
                assert_int_equal(spawn_new(&crowd->spawns[i], crowd->event, crowd->reaper, crowd->page,
                                         &config, on_event, crowd),
                        0);
        await_all(crowd, SPAWN_READY);
}

static void crowd_start(Crowd *crowd, uint64_t deadline)
{
        SpawnStart start = {.deadline_usec = deadline};

        for (unsigned i = 0; i < GUARDS; i++)
                assert_int_equal(spawn_start(crowd->spawns[i], &start), 0);
        await_all(crowd, SPAWN_STARTED);
}

static void crowd_stop(Crowd *crowd)
{
        for (unsigned i = 0; i < GUARDS; i++)
                assert_int_equal(spawn_kill(crowd->spawns[i]), 0);
        await_all(crowd, SPAWN_EMPTY);
        for (unsigned i = 0; i < GUARDS; i++)
                spawn_free(crowd->spawns[i]);
        reaper_free(crowd->reaper);
        lease_page_free(crowd->page);
        sd_event_unref(crowd->event);
}

static void run_for(Crowd *crowd, uint64_t usec)
{
        uint64_t until = clock_boottime_usec() + usec;

        while (clock_boottime_usec() < until)
                assert_true(sd_event_run(crowd->event, 100000) >= 0);
}

static void a_crowd_is_quick_small_and_silent(enum ContainMode mode)
{
        Crowd crowd = {0};
        uint64_t t0, t1, t2;
        unsigned long before = 0, after = 0;
        unsigned pss = 0;

        crowd_init(&crowd);
        t0 = clock_boottime_usec();
        crowd_spawn(&crowd, mode);
        t1 = clock_boottime_usec();
        crowd_start(&crowd, LEASE_DEADLINE_NONE);
        t2 = clock_boottime_usec();
        for (unsigned i = 0; i < GUARDS; i += 10)
                pss += pss_kb(spawn_guard_pid(crowd.spawns[i]));
        print_message("%s: %d guards ready in %.0f ms, commands started in %.0f ms; %.1f kB PSS each\n",
                contain_mode_to_string(spawn_contain(crowd.spawns[0])), GUARDS, (double)(t1 - t0) / 1000,
                (double)(t2 - t1) / 1000, pss * 10.0 / GUARDS);
        run_for(&crowd, USEC_PER_SEC / 5); /* the last ones go to sleep */
        for (unsigned i = 0; i < GUARDS; i++)
                before += switches(spawn_guard_pid(crowd.spawns[i]));
        run_for(&crowd, USEC_PER_SEC);
        for (unsigned i = 0; i < GUARDS; i++)
                after += switches(spawn_guard_pid(crowd.spawns[i]));
        print_message("%lu wake-ups of all guards in a second\n", after - before);
        crowd_stop(&crowd);
        assert_true(pss * 10 / GUARDS <= PSS_MAX_KB);
        assert_true(t2 - t0 < START_MAX_USEC);
        assert_int_equal(after, before);
}

static void a_thousand_guards_are_quick_small_and_silent(void **state)
{
        a_crowd_is_quick_small_and_silent(CONTAIN_SUBREAPER);
}

static void so_they_are_in_the_best_containment_to_be_had(void **state)
{
        a_crowd_is_quick_small_and_silent(CONTAIN_AUTO);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_thousand_guards_are_quick_small_and_silent),
                cmocka_unit_test(so_they_are_in_the_best_containment_to_be_had),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
