/* The gate "turn": open for one run of a job at a time, when a tick is due and this host has claimed it.
 * Carries out what the cron machine decides, hands the hold to the heart, and tells the machine what the
 * clock on the wall says. The kernel reports when that clock is set (timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET), as well as a resume from suspend, so no tick is overslept. */
#include "manager/cron-gate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include "manager/gate.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

/* What clocks that are kept together may differ by, and much more. */
#define AHEAD_SECONDS 60

typedef struct CronGate {
        Gate gate;
        Cron cron;
        Client *client;
        Heart *heart;
        Timer timer;
        sd_event_source *wall; /* the wall clock was set */
        int wall_fd;
        Hold hold;
        bool renewed; /* the hold is in the heart's care */
        bool abandoned;
        bool told_other_schedule, told_ahead, told_ready;
        char name[256];
} CronGate;

static void step(CronGate *g, const Event *event);

static void step_kind(CronGate *g, enum EventKind kind)
{
        Event event = {.kind = kind, .now_usec = clock_boottime_usec()};

        step(g, &event);
}

static void on_reply(void *userdata, const Event *event)
{
        step(userdata, event);
}

static void on_timer(void *userdata)
{
        step_kind(userdata, EVENT_TIME);
}

static void stop_renewing(CronGate *g)
{
        if (g->renewed)
                heart_remove(g->heart, &g->hold);
        g->renewed = false;
}

static void on_held(CronGate *g, const Effect *effect)
{
        char text[300], tick[CRON_TICK_STRING_MAX];

        g->renewed = true;
        heart_add(g->heart, &g->hold);
        snprintf(text, sizeof(text), "tick %s of '%s'",
                cron_tick_to_string(g->cron.tick, g->cron.rules.zone, tick), g->name);
        gate_tell(&g->gate, (GateEvent){.kind = GATE_OPENED,
                                    .text = text,
                                    .token = effect->held.token,
                                    .deadline_usec = effect->held.deadline_usec});
}

static void submit(CronGate *g, const Request *request)
{
        Event lost = {.kind = EVENT_REPLY, .now_usec = clock_boottime_usec()};

        if (client_submit(g->client, request, on_reply, g) == 0)
                return;
        lost.reply = (Reply){.tag = request->tag, .outcome = OUTCOME_UNKNOWN};
        step(g, &lost); /* asks again later */
}

static void perform_one(CronGate *g, const Effect *effect)
{
        switch (effect->kind) {
        case EFFECT_REQUEST:
                submit(g, &effect->request);
                break;
        case EFFECT_HELD:
                on_held(g, effect);
                break;
        case EFFECT_WAITING:
                gate_tell(&g->gate, (GateEvent){.kind = GATE_WAITING, .text = effect->waiting.text});
                break;
        case EFFECT_YIELD:
                gate_tell(&g->gate, (GateEvent){.kind = GATE_YIELD, .text = effect->yield.text});
                break;
        case EFFECT_RELEASED:
                gate_tell(&g->gate, (GateEvent){.kind = GATE_CLOSED});
                break;
        case EFFECT_FAILED:
                gate_tell(&g->gate, (GateEvent){.kind = GATE_FAILED,
                                            .outcome = effect->failed.outcome,
                                            .status = g->cron.had_turn ? MAX(g->cron.status, 0) : 0,
                                            .text = effect->failed.text});
                break;
        case EFFECT_TRACE:
                log_debug("%s", effect->trace.text);
                break;
        case EFFECT_EXTENDED: /* the heart's */
        case EFFECT_LOST:
                break;
        }
}

static void tell_what_is_odd(CronGate *g)
{
        bool ahead = g->cron.book.last > (int64_t)(clock_realtime_usec() / USEC_PER_SEC) + AHEAD_SECONDS;
        char tick[CRON_TICK_STRING_MAX];

        if (ahead && !g->told_ahead)
                log_warning("%s: the last tick is %s, which is yet to come: a clock is wrong, here or on the host "
                            "that claimed it; nothing is run until then, or until the znode is deleted",
                        g->cron.book_path, cron_tick_to_string(g->cron.book.last, g->cron.rules.zone, tick));
        g->told_ahead = ahead;
        if (g->cron.other_schedule && !g->told_other_schedule)
                log_warning("%s: another host, or an earlier start, has '%s' in %s; all hosts should have the same",
                        g->cron.book_path, g->cron.book.schedule, g->cron.book.zone);
        g->told_other_schedule = g->cron.other_schedule;
}

/* A scheduler is ready when it waits for a tick, not when the first run has begun. */
static void tell_ready(CronGate *g)
{
        if (g->told_ready || g->cron.tick_now || g->cron.plan_usec == USEC_INFINITY)
                return;
        g->told_ready = true;
        gate_tell(&g->gate, (GateEvent){.kind = GATE_IN_PLACE});
}

static void step(CronGate *g, const Event *event)
{
        Effects effects;

        effects.n = 0;
        cron_set_clock(&g->cron, (int64_t)clock_realtime_usec() - (int64_t)clock_boottime_usec());
        cron_step(&g->cron, event, &effects);
        tell_what_is_odd(g);
        tell_ready(g);
        for (size_t i = 0; i < effects.n; i++)
                perform_one(g, &effects.items[i]);
        timer_set(&g->timer, cron_deadline(&g->cron));
}

static void on_extended(Hold *hold, uint64_t deadline_usec)
{
        CronGate *g = CONTAINER_OF(hold, CronGate, hold);

        gate_tell(&g->gate, (GateEvent){.kind = GATE_EXTENDED, .deadline_usec = deadline_usec});
}

static void on_lost(Hold *hold, const char *reason)
{
        CronGate *g = CONTAINER_OF(hold, CronGate, hold);

        g->renewed = false;
        gate_tell(&g->gate, (GateEvent){.kind = GATE_LOST, .text = reason});
}

/* --- the wall clock ----------------------------------------------------------------------------- */

/* Armed for a time that never comes (the kernel counts nanoseconds in 63 bits, up to the year 2262): it fires
 * only when the clock is set. */
static int watch_wall_clock(int fd)
{
        struct itimerspec never = {.it_value.tv_sec = 9000000000};

        int r = timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);

        return r < 0 && errno != ECANCELED ? -errno : 0;
}

static int on_wall_clock(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        uint64_t n;

        if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
                return 0;
        log_debug("the clock was set, or the host was suspended");
        (void)watch_wall_clock(fd);
        step_kind(userdata, EVENT_TIME);
        return 0;
}

static int add_wall_clock(CronGate *g, sd_event *event)
{
        int r;

        g->wall_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (g->wall_fd < 0)
                return -errno;
        r = watch_wall_clock(g->wall_fd);
        if (r < 0)
                return r;
        return sd_event_add_io(event, &g->wall, g->wall_fd, EPOLLIN, on_wall_clock, g);
}

/* --- the table ---------------------------------------------------------------------------------- */

static void cron_gate_free(Gate *gate)
{
        CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        stop_renewing(g);
        client_cancel(g->client, g);
        g->wall = sd_event_source_disable_unref(g->wall);
        g->wall_fd = fd_close(g->wall_fd);
        timer_deinit(&g->timer);
        cron_deinit(&g->cron);
        free(g);
}

static void cron_gate_set_timing(Gate *gate, const Timing *timing)
{
        cron_set_timing(&CONTAINER_OF(gate, CronGate, gate)->cron, timing);
}

static void on_node_deleted(void *userdata, const Event *event)
{
        /* Done, or gone already; if the reply was lost it is asked again on ATTACHED. */
}

/* The node's name is that of any run: ours it is only while our grant is there. */
static void delete_node(CronGate *g)
{
        const Claim *claim = &g->cron.claim;
        const Op ops[] = {{.kind = OP_CHECK, .path = claim->grant, .version = VERSION_ANY},
                {.kind = OP_DELETE, .path = claim->node, .version = VERSION_ANY}};
        const Request request = {.kind = REQUEST_MULTI, .path = claim->node, .ops = ops, .n_ops = ARRAY_SIZE(ops)};

        if (client_submit(g->client, &request, on_node_deleted, g) < 0)
                log_error("cannot leave the job '%s' to others: out of memory", g->name);
}

static void cron_gate_on_session(Gate *gate, const Event *event)
{
        CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        step(g, event);
        if (g->abandoned && event->session.change == SESSION_ATTACHED)
                delete_node(g);
}

static void cron_gate_open(Gate *gate)
{
        step_kind(CONTAINER_OF(gate, CronGate, gate), EVENT_START);
}

static void cron_gate_close(Gate *gate)
{
        CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        stop_renewing(g);
        g->abandoned = false;
        step_kind(g, EVENT_RELEASE);
        step_kind(g, EVENT_DEAD); /* the tree is dead, which is all that a lost hold waits for */
}

static void cron_gate_lose(Gate *gate, const char *reason)
{
        CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        if (!g->renewed)
                return;
        stop_renewing(g);
        claim_lose(&g->cron.claim, reason);
}

/* The others take the run for one whose host has died, and wait for its record to run out. */
static void cron_gate_abandon(Gate *gate, const char *reason)
{
        CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        cron_gate_lose(gate, reason);
        g->abandoned = true;
        delete_node(g);
}

static void cron_gate_wedge(Gate *gate)
{
        claim_wedge(&CONTAINER_OF(gate, CronGate, gate)->cron.claim);
}

static void cron_gate_env(const Gate *gate, GateEnv *env)
{
        const CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        gate_env_add(env, "ZK_LOCK", "%s", g->name);
        gate_env_add(env, "ZKSUP_TICK", "%" PRId64, g->cron.tick);
}

static void cron_gate_ended(Gate *gate, int status)
{
        cron_ended(&CONTAINER_OF(gate, CronGate, gate)->cron, status);
}

static bool cron_gate_save(const Gate *gate, SavedWriter *w)
{
        const CronGate *g = CONTAINER_OF(gate, CronGate, gate);

        saved_put_flag(w, "told-other-schedule", g->told_other_schedule);
        saved_put_flag(w, "told-ahead", g->told_ahead);
        saved_put_flag(w, "told-ready", g->told_ready);
        return !g->abandoned && g->renewed == (g->cron.claim.state == CLAIM_HELD) && cron_save(&g->cron, w);
}

static int cron_gate_restore(Gate *gate, Saved *saved)
{
        CronGate *g = CONTAINER_OF(gate, CronGate, gate);
        int r = cron_restore(&g->cron, saved);

        g->told_other_schedule = saved_get_flag(saved, "told-other-schedule");
        g->told_ahead = saved_get_flag(saved, "told-ahead");
        g->told_ready = saved_get_flag(saved, "told-ready");
        if (r < 0 || g->cron.claim.state != CLAIM_HELD)
                return r;
        g->renewed = true;
        heart_add(g->heart, &g->hold);
        return 0;
}

static const GateType type = {.noun = "turn",
        .free = cron_gate_free,
        .set_timing = cron_gate_set_timing,
        .on_session = cron_gate_on_session,
        .open = cron_gate_open,
        .close = cron_gate_close,
        .lose = cron_gate_lose,
        .wedge = cron_gate_wedge,
        .abandon = cron_gate_abandon,
        .env = cron_gate_env,
        .ended = cron_gate_ended,
        .save = cron_gate_save,
        .restore = cron_gate_restore};

static void free_half_made(CronGate *g)
{
        cron_gate_free(&g->gate);
}
CLEANUP_DEFINE(CronGate, free_half_made);

int cron_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const struct CronGateConfig *config)
{
        CLEANUP(free_half_made) CronGate *g = calloc(1, sizeof(*g));
        int r;

        if (!g)
                return -ENOMEM;
        g->gate.type = &type;
        g->client = client;
        g->heart = heart;
        g->wall_fd = -1;
        g->hold = (Hold){.claim = &g->cron.claim, .extended = on_extended, .lost = on_lost};
        list_init(&g->hold.link);
        snprintf(g->name, sizeof(g->name), "%s", config->cron.name);
        r = cron_init(&g->cron, &config->cron);
        if (r == 0)
                r = timer_init(&g->timer, event, SD_EVENT_PRIORITY_NORMAL, on_timer, g);
        if (r == 0)
                r = add_wall_clock(g, event);
        if (r < 0)
                return r;
        *out = &TAKE(g)->gate;
        return 0;
}
