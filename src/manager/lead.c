#include "manager/lead.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "manager/hook.h"
#include "util/clock.h"
#include "util/log.h"

#define ENV_SIZE 320

enum Phase {
        PHASE_IDLE,
        PHASE_CLEARING, /* won: the standby is being stopped */
        PHASE_WON,      /* on-won runs */
        PHASE_LOST,     /* on-lost runs */
};

struct Lead {
        LeadConfig config;
        LeadHandler handler;
        void *userdata;
        Timing timing;
        enum Phase phase;
        bool begun;    /* on-won was begun under this leadership */
        bool prepared; /* nothing is to be done before the next start under it */
        bool follow;   /* the standby should run */
        Unit *standby;
        bool standby_asked;  /* up, and not told to stop since */
        bool standby_failed; /* it has given up by itself */
        Hook *won, *lost;
        uint64_t deadline_usec;
        char unit_name[160], name[170];
        char env_fence[48], env_lock[ENV_SIZE], env_unit[ENV_SIZE];
        ReadinessConfig no_readiness;
        char *standby_env[4], *hook_env[5];
};

static bool standby_runs(const Lead *lead)
{
        return lead->standby && !unit_is_at_rest(lead->standby);
}

static void stop_standby(Lead *lead)
{
        bool asked = lead->standby_asked;

        lead->standby_asked = false;
        if (asked)
                unit_down(lead->standby, 0);
}

static void tell_if_idle(Lead *lead)
{
        if (lead_is_idle(lead))
                lead->handler(lead->userdata, LEAD_IDLE);
}

/* Whatever ended may have been what the standby waited for. */
static void update_standby(Lead *lead)
{
        if (!lead->standby)
                return;
        if (!lead->follow || lead->phase != PHASE_IDLE) {
                stop_standby(lead);
        } else if (!lead->standby_asked && !lead->standby_failed && unit_is_at_rest(lead->standby)) {
                lead->standby_asked = true;
                unit_up(lead->standby);
        }
}

/* --- hooks -------------------------------------------------------------------------------------- */

static void start_hook(Lead *lead, Hook *hook, const char *role, uint64_t deadline_usec)
{
        SpawnStart start = {.env = lead->hook_env,
                .grace_usec = lead->timing.grace_usec,
                .kill_budget_usec = lead->timing.kill_usec,
                .deadline_usec = deadline_usec};

        lead->hook_env[0] = lead->env_fence;
        lead->hook_env[1] = lead->env_lock;
        lead->hook_env[2] = lead->env_unit;
        lead->hook_env[3] = (char *)role;
        lead->hook_env[4] = NULL;
        hook_start(hook, &start);
}

static void end_preparation(Lead *lead, bool ok)
{
        lead->phase = PHASE_IDLE;
        lead->prepared = ok;
        lead->handler(lead->userdata, ok ? LEAD_PREPARED : LEAD_FAILED);
        tell_if_idle(lead);
}

static void on_hook(Hook *hook, enum HookEventKind kind, bool ok, void *userdata)
{
        Lead *lead = userdata;

        switch (kind) {
        case HOOK_LEASE_LOW:
                lead->handler(lead->userdata, LEAD_LEASE_LOW);
                break;
        case HOOK_ENDED:
                if (hook == lead->won) {
                        end_preparation(lead, ok);
                        break;
                }
                lead->phase = PHASE_IDLE;
                lead->handler(lead->userdata, LEAD_CONCLUDED);
                update_standby(lead);
                tell_if_idle(lead);
                break;
        }
}

/* --- winning and losing ------------------------------------------------------------------------- */

static void run_on_won(Lead *lead)
{
        lead->begun = true;
        lead->phase = PHASE_WON;
        start_hook(lead, lead->won, "ZK_ROLE=leader", lead->deadline_usec);
}

static void on_standby_gone(Lead *lead)
{
        lead->standby_asked = false;
        if (lead->phase != PHASE_CLEARING) {
                update_standby(lead);
                tell_if_idle(lead);
        } else if (lead->won) {
                run_on_won(lead);
        } else {
                lead->begun = true;
                end_preparation(lead, true);
        }
}

static void on_standby(void *userdata, const UnitNews *news)
{
        Lead *lead = userdata;

        switch (news->kind) {
        case UNIT_NEWS_READY:
        case UNIT_NEWS_STATUS:
        case UNIT_NEWS_CHANGED:
                break;
        case UNIT_NEWS_WEDGED:
                if (lead->phase == PHASE_CLEARING)
                        end_preparation(lead, false); /* tried again; it may be dead by then */
                break;
        case UNIT_NEWS_FINISHED:
                lead->standby_failed = lead->standby_asked; /* nobody told it to stop */
                on_standby_gone(lead);
                break;
        }
}

bool lead_prepare(Lead *lead, int64_t token, uint64_t deadline_usec)
{
        lead->follow = false;
        if (lead->prepared)
                return false;
        snprintf(lead->env_fence, sizeof(lead->env_fence), "ZK_FENCE=%" PRId64, token);
        lead->deadline_usec = deadline_usec;
        if (standby_runs(lead)) {
                lead->phase = PHASE_CLEARING;
                stop_standby(lead);
                if (unit_is_wedged(lead->standby))
                        end_preparation(lead, false);
                return true;
        }
        if (lead->won) {
                run_on_won(lead);
                return true;
        }
        lead->begun = lead->prepared = true;
        return false;
}

void lead_set_deadline(Lead *lead, uint64_t deadline_usec)
{
        lead->deadline_usec = deadline_usec;
        if (lead->phase == PHASE_WON)
                hook_set_deadline(lead->won, deadline_usec);
}

void lead_disown(Lead *lead)
{
        if (lead->phase == PHASE_WON)
                hook_disown(lead->won);
}

bool lead_is_preparing(const Lead *lead)
{
        return lead->phase == PHASE_CLEARING || lead->phase == PHASE_WON;
}

void lead_cancel(Lead *lead, bool kill)
{
        switch (lead->phase) {
        case PHASE_CLEARING:
                end_preparation(lead, false);
                break;
        case PHASE_WON:
                hook_stop(lead->won, kill);
                break;
        case PHASE_IDLE:
        case PHASE_LOST:
                break;
        }
}

bool lead_conclude(Lead *lead)
{
        bool begun = lead->begun;

        lead->begun = lead->prepared = false;
        if (!begun || !lead->lost)
                return false;
        lead->phase = PHASE_LOST;
        start_hook(lead, lead->lost, "ZK_ROLE=standby", LEASE_DEADLINE_NONE);
        return true;
}

bool lead_is_concluding(const Lead *lead)
{
        return lead->phase == PHASE_LOST;
}

void lead_follow(Lead *lead, bool follow)
{
        if (lead->follow == follow)
                return;
        lead->follow = follow;
        lead->standby_failed = false;
        update_standby(lead);
}

void lead_kill(Lead *lead)
{
        if (standby_runs(lead))
                unit_down(lead->standby, 0); /* it is down already: kills */
        if (lead->phase == PHASE_LOST)
                hook_stop(lead->lost, true);
}

bool lead_is_idle(const Lead *lead)
{
        return lead->phase == PHASE_IDLE && !standby_runs(lead);
}

bool lead_signal(Lead *lead, int signal)
{
        if (!standby_runs(lead))
                return false;
        unit_signal(lead->standby, signal);
        return true;
}

/* --- life --------------------------------------------------------------------------------------- */

static int make_standby(Lead *lead, const UnitContext *context, const UnitConfig *leader)
{
        UnitConfig config = {.name = lead->name,
                .argv = lead->config.standby,
                .policy = leader->policy,
                .contain = leader->contain,
                .child = leader->child,
                .blocked = leader->blocked,
                .ignored = leader->ignored,
                .streams = leader->streams,
                .readiness = &lead->no_readiness,
                .gateless = true,
                .wait_usec = USEC_INFINITY,
                .env = lead->standby_env};

        config.policy.restart = UNIT_RESTART_ALWAYS;
        config.policy.on_loss = UNIT_ON_LOSS_KEEP;
        config.policy.on_suspend = UNIT_ON_SUSPEND_KEEP;
        config.policy.await_ready = config.policy.release_after_run = false;
        config.policy.backoff.limit = config.policy.give_up = 0;
        lead->standby_env[0] = lead->env_lock;
        lead->standby_env[1] = (char *)"ZK_ROLE=standby";
        return unit_new(&lead->standby, context, &config, on_standby, lead);
}

static int make_hook(Lead *lead, const UnitContext *context, const UnitConfig *leader, const char *name,
        char *const *argv, Hook **hook)
{
        char full[200];
        HookConfig config = {.name = full,
                .argv = argv,
                .timeout_usec = lead->config.hook_timeout_usec,
                .contain = leader->contain,
                .child = leader->child,
                .blocked = leader->blocked,
                .ignored = leader->ignored,
                .streams = leader->streams};

        if (!argv)
                return 0;
        snprintf(full, sizeof(full), "%s.%s", leader->name, name);
        return hook_new(hook, context->event, context->reaper, context->page, &config, on_hook, lead);
}

int lead_new(Lead **out, const UnitContext *context, const UnitConfig *unit, LeadHandler handler, void *userdata)
{
        CLEANUP(lead_free) Lead *lead = calloc(1, sizeof(*lead));
        int r = 0;

        if (!lead)
                return -ENOMEM;
        lead->config = *unit->lead;
        lead->handler = handler;
        lead->userdata = userdata;
        snprintf(lead->name, sizeof(lead->name), "%.150s.standby", unit->name);
        snprintf(lead->env_lock, sizeof(lead->env_lock), "ZK_LOCK=%s", lead->config.lock);
        snprintf(lead->env_unit, sizeof(lead->env_unit), "ZKSUP_UNIT=%s", unit->name);
        if (lead->config.standby)
                r = make_standby(lead, context, unit);
        if (r == 0)
                r = make_hook(lead, context, unit, "on-won", lead->config.on_won, &lead->won);
        if (r == 0)
                r = make_hook(lead, context, unit, "on-lost", lead->config.on_lost, &lead->lost);
        if (r < 0)
                return r;
        *out = TAKE(lead);
        return 0;
}

Lead *lead_free(Lead *lead)
{
        if (!lead)
                return NULL;
        lead->lost = hook_free(lead->lost);
        lead->won = hook_free(lead->won);
        lead->standby = unit_free(lead->standby);
        free(lead);
        return NULL;
}

void lead_set_timing(Lead *lead, const Timing *timing)
{
        lead->timing = *timing;
        if (lead->standby)
                unit_set_timing(lead->standby, timing);
}

void lead_on_session(Lead *lead, const Event *event)
{
        if (lead->standby)
                unit_on_session(lead->standby, event);
}

/* --- another program in our place --------------------------------------------------------------- */

size_t lead_guards(const Lead *lead)
{
        return lead->standby ? unit_guards(lead->standby) : 0;
}

bool lead_save(const Lead *lead, SavedWriter *w)
{
        bool saved = true;

        if (lead->phase != PHASE_IDLE)
                return false;
        saved_put_flag(w, "begun", lead->begun);
        saved_put_flag(w, "prepared", lead->prepared);
        saved_put_flag(w, "follow", lead->follow);
        saved_put_flag(w, "standby-asked", lead->standby_asked);
        saved_put_flag(w, "standby-failed", lead->standby_failed);
        saved_put_number(w, "deadline-usec", lead->deadline_usec);
        saved_put(w, "fence", lead->env_fence);
        if (lead->standby) {
                saved_enter(w, "standby", SAVED_NO_INDEX);
                saved = unit_save(lead->standby, w);
                saved_leave(w);
        }
        return saved;
}

int lead_restore(Lead *lead, Saved *saved)
{
        int r = 0;

        lead->begun = saved_get_flag(saved, "begun");
        lead->prepared = saved_get_flag(saved, "prepared");
        lead->follow = saved_get_flag(saved, "follow");
        lead->standby_asked = saved_get_flag(saved, "standby-asked");
        lead->standby_failed = saved_get_flag(saved, "standby-failed");
        lead->deadline_usec = saved_get_number(saved, "deadline-usec", 0);
        (void)saved_copy(saved, "fence", lead->env_fence, sizeof(lead->env_fence));
        if (lead->standby) {
                saved_go_in(saved, "standby", SAVED_NO_INDEX);
                r = unit_restore(lead->standby, saved);
                saved_go_out(saved);
        }
        return r;
}
