/* The gates "lock", "leadership" and "slot": drive one recipe through its table (recipe/recipe.h),
 * carry out what it decides, and hand the hold to the heart. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "manager/gate.h"
#include "util/clock.h"
#include "util/log.h"

typedef struct RecipeGate {
        Gate gate;
        const RecipeType *recipe;
        void *machine;
        Client *client;
        Heart *heart;
        Timer timer;
        Hold hold;
        bool renewed; /* the hold is in the heart's care */
        bool abandoned;
        enum GateKind kind;
        uint64_t number; /* of the slot */
        char name[256];
} RecipeGate;

static void step(RecipeGate *g, const Event *event);

static Event event_now(enum EventKind kind)
{
        return (Event){.kind = kind, .now_usec = clock_boottime_usec()};
}

static void on_reply(void *userdata, const Event *event)
{
        step(userdata, event);
}

static void on_timer(void *userdata)
{
        Event event = event_now(EVENT_TIME);

        step(userdata, &event);
}

static void stop_renewing(RecipeGate *g)
{
        if (g->renewed)
                heart_remove(g->heart, &g->hold);
        g->renewed = false;
}

static void on_held(RecipeGate *g, const Effect *effect)
{
        char text[300];

        g->number = effect->held.number;
        g->renewed = true;
        heart_add(g->heart, &g->hold);
        if (g->kind == GATE_SEMAPHORE)
                snprintf(text, sizeof(text), "slot %" PRIu64 " of '%s'", g->number, g->name);
        else
                snprintf(text, sizeof(text), "%s '%s'", g->gate.type->noun, g->name);
        gate_tell(&g->gate, (GateEvent){.kind = GATE_OPENED,
                                    .text = text,
                                    .token = effect->held.token,
                                    .deadline_usec = effect->held.deadline_usec});
}

static void submit(RecipeGate *g, const Request *request)
{
        Event lost;

        if (client_submit(g->client, request, on_reply, g) == 0)
                return;
        lost = event_now(EVENT_REPLY);
        lost.reply = (Reply){.tag = request->tag, .outcome = OUTCOME_UNKNOWN};
        step(g, &lost); /* asks again later */
}

static void perform_one(RecipeGate *g, const Effect *effect)
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

static void step(RecipeGate *g, const Event *event)
{
        Effects effects;

        effects.n = 0;
        g->recipe->step(g->machine, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                perform_one(g, &effects.items[i]);
        timer_set(&g->timer, g->recipe->deadline(g->machine));
}

static void step_kind(RecipeGate *g, enum EventKind kind)
{
        Event event = event_now(kind);

        step(g, &event);
}

static void on_extended(Hold *hold, uint64_t deadline_usec)
{
        RecipeGate *g = CONTAINER_OF(hold, RecipeGate, hold);

        gate_tell(&g->gate, (GateEvent){.kind = GATE_EXTENDED, .deadline_usec = deadline_usec});
}

static void on_lost(Hold *hold, const char *reason)
{
        RecipeGate *g = CONTAINER_OF(hold, RecipeGate, hold);

        g->renewed = false;
        gate_tell(&g->gate, (GateEvent){.kind = GATE_LOST, .text = reason});
}

/* --- the table ---------------------------------------------------------------------------------- */

static void recipe_gate_free(Gate *gate)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        stop_renewing(g);
        client_cancel(g->client, g);
        timer_deinit(&g->timer);
        if (g->machine)
                g->recipe->deinit(g->machine);
        free(g);
}

static void recipe_gate_set_timing(Gate *gate, const Timing *timing)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        g->recipe->set_timing(g->machine, timing);
}

static void on_node_deleted(void *userdata, const Event *event)
{
        /* Done, or gone already; if the reply was lost it is asked again on ATTACHED. */
}

static void delete_node(RecipeGate *g)
{
        const Request request = {.kind = REQUEST_DELETE,
                .path = g->recipe->claim(g->machine)->node,
                .version = VERSION_ANY};

        if (client_submit(g->client, &request, on_node_deleted, g) < 0)
                log_error("cannot leave the line of '%s' to others: out of memory", g->name);
}

static void recipe_gate_on_session(Gate *gate, const Event *event)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        step(g, event);
        if (g->abandoned && event->session.change == SESSION_ATTACHED)
                delete_node(g);
}

static void recipe_gate_open(Gate *gate)
{
        step_kind(CONTAINER_OF(gate, RecipeGate, gate), EVENT_START);
}

static void recipe_gate_close(Gate *gate)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        stop_renewing(g);
        g->abandoned = false;
        step_kind(g, EVENT_RELEASE);
        step_kind(g, EVENT_DEAD); /* the tree is dead, which is all that a lost hold waits for */
}

static void recipe_gate_lose(Gate *gate, const char *reason)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        if (!g->renewed)
                return;
        stop_renewing(g);
        claim_lose(g->recipe->claim(g->machine), reason);
}

/* The recipe sees its node deleted as if somebody had done it by hand. */
static void recipe_gate_abandon(Gate *gate, const char *reason)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        recipe_gate_lose(gate, reason);
        g->abandoned = true;
        delete_node(g);
}

static void recipe_gate_wedge(Gate *gate)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        claim_wedge(g->recipe->claim(g->machine));
}

static void recipe_gate_env(const Gate *gate, GateEnv *env)
{
        const RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        gate_env_add(env, "ZK_LOCK", "%s", g->name);
        if (g->kind == GATE_ELECTION)
                gate_env_add(env, "ZK_ROLE", "leader");
        if (g->kind == GATE_SEMAPHORE)
                gate_env_add(env, "ZK_SEQUENCE", "%" PRIu64, g->number);
}

static bool recipe_gate_save(const Gate *gate, SavedWriter *w)
{
        const RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);

        saved_put_number(w, "number", g->number);
        return !g->abandoned && g->renewed == (g->recipe->claim(g->machine)->state == CLAIM_HELD) &&
                g->recipe->save(g->machine, w);
}

static int recipe_gate_restore(Gate *gate, Saved *saved)
{
        RecipeGate *g = CONTAINER_OF(gate, RecipeGate, gate);
        int r = g->recipe->restore(g->machine, saved);

        if (r < 0 || g->hold.claim->state != CLAIM_HELD)
                return r;
        g->number = saved_get_number(saved, "number", 0);
        g->renewed = true;
        heart_add(g->heart, &g->hold);
        return 0;
}

#define RECIPE_GATE_TYPE(what)                                                                               \
        {                                                                                                    \
                .noun = (what), .free = recipe_gate_free, .set_timing = recipe_gate_set_timing,              \
                .on_session = recipe_gate_on_session, .open = recipe_gate_open, .close = recipe_gate_close,  \
                .lose = recipe_gate_lose, .wedge = recipe_gate_wedge, .abandon = recipe_gate_abandon, .env = recipe_gate_env, \
                .save = recipe_gate_save, .restore = recipe_gate_restore,                \
        }

static const GateType lock_type = RECIPE_GATE_TYPE("lock");
static const GateType election_type = RECIPE_GATE_TYPE("leadership");
static const GateType semaphore_type = RECIPE_GATE_TYPE("slot");

static int make_machine(RecipeGate *g, const GateConfig *config)
{
        Lock *lock;
        Election *election;
        Semaphore *semaphore;
        int r = -EINVAL;

        switch (config->kind) {
        case GATE_LOCK:
                r = lock_new(&lock, &config->lock);
                g->gate.type = &lock_type;
                g->recipe = &lock_recipe;
                g->machine = r < 0 ? NULL : lock;
                snprintf(g->name, sizeof(g->name), "%s", config->lock.name);
                break;
        case GATE_ELECTION:
                r = election_new(&election, &config->election);
                g->gate.type = &election_type;
                g->recipe = &election_recipe;
                g->machine = r < 0 ? NULL : election;
                snprintf(g->name, sizeof(g->name), "%s", config->election.name);
                break;
        case GATE_SEMAPHORE:
                r = semaphore_new(&semaphore, &config->semaphore);
                g->gate.type = &semaphore_type;
                g->recipe = &semaphore_recipe;
                g->machine = r < 0 ? NULL : semaphore;
                snprintf(g->name, sizeof(g->name), "%s", config->semaphore.name);
                break;
        case GATE_SEQUENCE:
        case GATE_CRON:
        case GATE_CHAIN:
                break;
        }
        return r;
}

static void free_half_made(RecipeGate *g)
{
        recipe_gate_free(&g->gate);
}
CLEANUP_DEFINE(RecipeGate, free_half_made);

int recipe_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config)
{
        CLEANUP(free_half_made) RecipeGate *g = calloc(1, sizeof(*g));
        int r;

        if (!g)
                return -ENOMEM;
        g->client = client;
        g->heart = heart;
        g->kind = config->kind;
        r = make_machine(g, config);
        if (r < 0)
                return r;
        g->hold = (Hold){.claim = g->recipe->claim(g->machine), .extended = on_extended, .lost = on_lost};
        list_init(&g->hold.link);
        r = timer_init(&g->timer, event, SD_EVENT_PRIORITY_NORMAL, on_timer, g);
        if (r < 0)
                return r;
        *out = &TAKE(g)->gate;
        return 0;
}
