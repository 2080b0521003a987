#include "manager/hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/signal-name.h"

/* From the stop signal to SIGKILL, once the time is over. */
#define HOOK_GRACE_USEC USEC_PER_SEC
#define HOOK_ENV_MAX 8

struct Hook {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        HookConfig config;
        char name[160];
        SpawnStart start;
        char *env[HOOK_ENV_MAX + 1];
        Spawn *spawn;
        Timer timer;
        HookHandler handler;
        void *userdata;
        bool running, started, stopping; /* stopping: whatever it comes to, it has not done its work */
        bool ok;
};

static void end(Hook *hook)
{
        timer_set(&hook->timer, USEC_INFINITY);
        hook->spawn = spawn_free(hook->spawn);
        hook->running = false;
        hook->handler(hook, HOOK_ENDED, hook->ok && !hook->stopping, hook->userdata);
}

static void on_ready(Hook *hook)
{
        int r;

        if (hook->stopping) {
                end(hook);
                return;
        }
        r = spawn_start(hook->spawn, &hook->start);
        if (r == 0) {
                hook->started = true;
                return;
        }
        log_unit_error(hook->name, "cannot start: %s", strerror(-r));
        end(hook);
}

static void on_exited(Hook *hook, const SpawnEvent *event)
{
        char name[SIGNAL_NAME_MAX];

        streams_end_run(hook->config.streams);
        hook->ok = event->code == CLD_EXITED && event->status == 0;
        if (event->code != CLD_EXITED)
                log_unit_warning(hook->name, "killed by %s", signal_to_string(event->status, name));
        else if (event->status)
                log_unit_warning(hook->name, "exited with status %d", event->status);
        else
                log_unit_info(hook->name, "done");
}

static void on_stopping(Hook *hook, enum WireWhy why)
{
        switch (why) {
        case WIRE_WHY_LEASE:
                hook->stopping = true;
                hook->handler(hook, HOOK_LEASE_LOW, false, hook->userdata);
                break;
        case WIRE_WHY_REQUESTED:
        case WIRE_WHY_SUPERVISOR_GONE:
        case WIRE_WHY_EXITED:
                break;
        }
}

static void on_spawn(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Hook *hook = userdata;
        char problem[400];

        switch (event->type) {
        case SPAWN_READY:
                on_ready(hook);
                break;
        case SPAWN_STARTED:
                log_unit_info(hook->name, "started as process %d", (int)event->pid);
                break;
        case SPAWN_EXEC_FAILED:
                child_config_explain(hook->config.child, hook->config.argv[0], event->stage, event->error, event->which,
                        problem, sizeof(problem));
                log_unit_error(hook->name, "%s", problem);
                break;
        case SPAWN_EXITED:
                on_exited(hook, event);
                break;
        case SPAWN_STOPPING:
                on_stopping(hook, event->why);
                break;
        case SPAWN_EMPTY:
                streams_end_run(hook->config.streams);
                end(hook);
                break;
        case SPAWN_GUARD_LOST:
                log_unit_error(hook->name, "its guard was killed or stopped");
                hook->stopping = true;
                if (!hook->started)
                        end(hook); /* else EMPTY follows */
                break;
        case SPAWN_JOB_STOPPED:
                break; /* the time will end it */
        }
}

static void on_timer(void *userdata)
{
        Hook *hook = userdata;
        char text[DURATION_STRING_MAX];

        log_unit_warning(hook->name, "not done after %s, it is stopped",
                duration_to_string(hook->config.timeout_usec, text));
        hook_stop(hook, false);
}

int hook_new(Hook **out, sd_event *event, Reaper *reaper, LeasePage *page, const HookConfig *config,
        HookHandler handler, void *userdata)
{
        CLEANUP(hook_free) Hook *hook = calloc(1, sizeof(*hook));
        int r;

        if (!hook)
                return -ENOMEM;
        hook->event = event;
        hook->reaper = reaper;
        hook->page = page;
        hook->config = *config;
        snprintf(hook->name, sizeof(hook->name), "%s", config->name);
        hook->handler = handler;
        hook->userdata = userdata;
        r = timer_init(&hook->timer, event, SD_EVENT_PRIORITY_NORMAL, on_timer, hook);
        if (r < 0)
                return r;
        *out = TAKE(hook);
        return 0;
}

Hook *hook_free(Hook *hook)
{
        if (!hook)
                return NULL;
        hook->spawn = spawn_free(hook->spawn);
        timer_deinit(&hook->timer);
        free(hook);
        return NULL;
}

static void copy_start(Hook *hook, const SpawnStart *start)
{
        size_t n = 0;

        for (; start->env[n] && n < HOOK_ENV_MAX; n++)
                hook->env[n] = start->env[n];
        hook->env[n] = NULL;
        hook->start = *start;
        hook->start.env = hook->env;
}

void hook_start(Hook *hook, const SpawnStart *start)
{
        char problem[300] = "";
        SpawnConfig config = {.argv = hook->config.argv,
                .name = hook->name,
                .contain = hook->config.contain,
                .child = hook->config.child,
                .problem = problem,
                .problem_size = sizeof(problem),
                .blocked = hook->config.blocked,
                .ignored = hook->config.ignored};
        int r;

        streams_give(hook->config.streams, &config);
        copy_start(hook, start);
        hook->running = true;
        hook->started = hook->stopping = hook->ok = false;
        r = spawn_new(&hook->spawn, hook->event, hook->reaper, hook->page, &config, on_spawn, hook);
        if (r < 0) {
                log_unit_error(hook->name, "cannot start its guard: %s", problem[0] ? problem : strerror(-r));
                end(hook);
                return;
        }
        timer_set(&hook->timer, usec_add(clock_boottime_usec(), hook->config.timeout_usec));
}

void hook_set_deadline(Hook *hook, uint64_t deadline_usec)
{
        hook->start.deadline_usec = deadline_usec;
        if (hook->started && hook->spawn)
                spawn_set_deadline(hook->spawn, deadline_usec);
}

void hook_disown(Hook *hook)
{
        if (hook->started && hook->spawn)
                spawn_disown(hook->spawn);
}

void hook_stop(Hook *hook, bool kill)
{
        if (!hook->running)
                return;
        hook->stopping = true;
        if (!hook->started)
                end(hook); /* its guard ends with us */
        else if (kill)
                (void)spawn_kill(hook->spawn);
        else
                (void)spawn_stop(hook->spawn, SIGTERM, HOOK_GRACE_USEC);
}
