/* The gate "chain": several gates of one unit, opened one after the other in the order in which they are given, which
 * is number, schedule, leadership, lock for every unit.
 *
 *   CLOSED --open--> OPENING --all open--> OPEN --one is lost--> LOST
 *     ^                |  |                  |                     |
 *     |                |  +--failed--> FAILING                     |
 *     |                |                  |                        |
 *     +---- all are closed ---- CLOSING <-+------- close ----------+
 *
 * Invariants:
 *  - a gate is asked for only while all before it are open, and none after it is asked for, open or being given
 *    back. So nobody who holds a later one waits for an earlier one, and no two units wait for each other;
 *  - OPENED is told while all are open, with the least of their deadlines, and EXTENDED when the least grows;
 *  - after LOST of one the others are kept, and renewed, until gate_close(): the tree may be alive until then,
 *    and what it still holds protects it. While not all are open there is no tree, and nothing to protect:
 *    what comes after the lost one is given back at once, and the chain goes on from there;
 *  - CLOSED is told when all are closed, and so is FAILED: no hold is left behind a gate that was refused.
 *
 * What is held early is kept while a later one is waited for, however long that takes: a number that was given
 * away would be another one tomorrow, and a claimed tick is run when its lock comes. So a job with a lock counts as
 * running while it waits for the lock, and its further ticks are skipped or queued as for any run that takes long.
 *
 * ZK_FENCE is the token of the last gate, the one that stands nearest to what the command does. The tokens of all
 * are in ZK_FENCE_NUMBER, ZK_FENCE_SCHEDULE, ZK_FENCE_LEADERSHIP and ZK_FENCE_LOCK. A variable that two
 * of them would set says what the command needs it for: ZK_LOCK is that of the last one, ZK_SEQUENCE that of the first. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "manager/gate.h"
#include "util/clock.h"
#include "util/macros.h"

enum ChainState {
        CHAIN_CLOSED,
        CHAIN_OPENING,
        CHAIN_OPEN,
        CHAIN_LOST,
        CHAIN_CLOSING,
        CHAIN_FAILING,
};

enum LinkState {
        LINK_CLOSED,
        LINK_ASKED,
        LINK_OPEN,
        LINK_LOST,
        LINK_CLOSING,
};

typedef struct ChainGate ChainGate;

typedef struct ChainItem {
        ChainGate *chain;
        Gate *gate;
        enum LinkState state;
        uint64_t deadline_usec;
        int64_t token;
        char text[120];
} ChainItem;

struct ChainGate {
        Gate gate;
        enum ChainState state;
        bool reopen;            /* in CLOSING: asked for again meanwhile */
        bool advancing, again;  /* see advance() */
        uint64_t deadline_usec; /* as told */
        enum Outcome outcome;   /* of FAILING, with status and failure */
        int status;
        char failure[240];
        size_t n;
        ChainItem items[GATE_CHAIN_MAX];
};

static void advance(ChainGate *c);

static uint64_t least_deadline(const ChainGate *c)
{
        uint64_t least = USEC_INFINITY;

        for (size_t i = 0; i < c->n; i++)
                least = MIN(least, c->items[i].deadline_usec);
        return least;
}

static bool are_closed_from(const ChainGate *c, size_t from)
{
        for (size_t i = from; i < c->n; i++)
                if (c->items[i].state != LINK_CLOSED)
                        return false;
        return true;
}

/* In reverse order; each tells CLOSED when it is, perhaps at once, and then none of the others may count as open. */
static void close_from(ChainGate *c, size_t from)
{
        bool closes[GATE_CHAIN_MAX] = {0};

        for (size_t i = from; i < c->n; i++) {
                closes[i] = c->items[i].state != LINK_CLOSED && c->items[i].state != LINK_CLOSING;
                if (closes[i])
                        c->items[i].state = LINK_CLOSING;
        }
        for (size_t i = c->n; i-- > from;)
                if (closes[i])
                        gate_close(c->items[i].gate);
}

/* --- onward ------------------------------------------------------------------------------------- */

/* "number 3, tick 12:00 of 'x' and lock 'y'" */
static void join_texts(const ChainGate *c, char *text, size_t size)
{
        size_t at = 0;

        text[0] = '\0';
        for (size_t i = 0; i < c->n && at < size; i++)
                at += (size_t)snprintf(text + at, size - at, "%s%s",
                        i == 0           ? "" :
                        i == c->n - 1    ? " and " :
                                           ", ",
                        c->items[i].text);
}

static void tell_opened(ChainGate *c)
{
        char text[300];

        c->state = CHAIN_OPEN;
        c->deadline_usec = least_deadline(c);
        join_texts(c, text, sizeof(text));
        gate_tell(&c->gate, (GateEvent){.kind = GATE_OPENED,
                                    .text = text,
                                    .token = c->items[c->n - 1].token,
                                    .deadline_usec = c->deadline_usec});
}

static void open_next(ChainGate *c)
{
        for (size_t i = 0; i < c->n; i++) {
                ChainItem *item = &c->items[i];

                if (item->state == LINK_OPEN)
                        continue;
                if (item->state == LINK_CLOSED && are_closed_from(c, i)) {
                        item->state = LINK_ASKED;
                        gate_open(item->gate);
                }
                return;
        }
        tell_opened(c);
}

static void end_closing(ChainGate *c)
{
        if (!are_closed_from(c, 0))
                return;
        if (c->reopen) {
                c->reopen = false;
                c->state = CHAIN_OPENING;
                c->again = true;
                return;
        }
        c->state = CHAIN_CLOSED;
        gate_tell(&c->gate, (GateEvent){.kind = GATE_CLOSED});
}

static void end_failing(ChainGate *c)
{
        if (!are_closed_from(c, 0))
                return;
        c->state = CHAIN_CLOSED;
        gate_tell(&c->gate, (GateEvent){.kind = GATE_FAILED,
                                    .outcome = c->outcome,
                                    .status = c->status,
                                    .text = c->failure});
}

/* Whatever the state now asks for. What gates tell from inside the calls that are made here is noted, and
 * looked at in the next round. */
static void advance(ChainGate *c)
{
        c->again = true;
        if (c->advancing)
                return;
        c->advancing = true;
        while (c->again) {
                c->again = false;
                switch (c->state) {
                case CHAIN_OPENING:
                        open_next(c);
                        break;
                case CHAIN_CLOSING:
                        end_closing(c);
                        break;
                case CHAIN_FAILING:
                        end_failing(c);
                        break;
                case CHAIN_CLOSED:
                case CHAIN_OPEN:
                case CHAIN_LOST:
                        break;
                }
        }
        c->advancing = false;
}

/* --- what the gates tell ------------------------------------------------------------------------ */

static void on_opened(ChainItem *item, const GateEvent *event)
{
        if (item->state != LINK_ASKED)
                return; /* it is being given back */
        item->state = LINK_OPEN;
        item->deadline_usec = event->deadline_usec;
        item->token = event->token;
        snprintf(item->text, sizeof(item->text), "%s", event->text);
        advance(item->chain);
}

static void on_extended(ChainItem *item, const GateEvent *event)
{
        ChainGate *c = item->chain;
        uint64_t least;

        item->deadline_usec = event->deadline_usec;
        if (c->state != CHAIN_OPEN)
                return;
        least = least_deadline(c);
        if (least <= c->deadline_usec)
                return;
        c->deadline_usec = least;
        gate_tell(&c->gate, (GateEvent){.kind = GATE_EXTENDED, .deadline_usec = least});
}

/* LOST, and YIELD while nothing runs: on from here, once what comes after is given back. */
static void start_over_from(ChainItem *item)
{
        ChainGate *c = item->chain;

        close_from(c, (size_t)(item - c->items));
        advance(c);
}

static void on_lost(ChainItem *item, const GateEvent *event)
{
        ChainGate *c = item->chain;

        if (item->state != LINK_OPEN)
                return;
        item->state = LINK_LOST;
        if (c->state == CHAIN_OPENING) {
                start_over_from(item);
        } else if (c->state == CHAIN_OPEN) {
                c->state = CHAIN_LOST;
                gate_tell(&c->gate, *event);
        }
}

static void on_yield(ChainItem *item, const GateEvent *event)
{
        ChainGate *c = item->chain;

        if (item->state != LINK_OPEN)
                return;
        if (c->state == CHAIN_OPENING)
                start_over_from(item);
        else if (c->state == CHAIN_OPEN)
                gate_tell(&c->gate, *event);
}

static void on_failed(ChainItem *item, const GateEvent *event)
{
        ChainGate *c = item->chain;

        if (c->state == CHAIN_OPEN || c->state == CHAIN_LOST) {
                gate_tell(&c->gate, *event); /* it is closed once the tree is dead */
                return;
        }
        if (item->state == LINK_CLOSING) { /* it cannot be given back, so it never will */
                item->state = LINK_CLOSED;
        } else if (c->state == CHAIN_OPENING) {
                c->state = CHAIN_FAILING;
                c->outcome = event->outcome;
                c->status = event->status;
                snprintf(c->failure, sizeof(c->failure), "%s", event->text);
                close_from(c, 0);
        }
        advance(c);
}

static void on_item(void *userdata, const GateEvent *event)
{
        ChainItem *item = userdata;
        ChainGate *c = item->chain;

        switch (event->kind) {
        case GATE_WAITING:
        case GATE_IN_PLACE:
                if (item->state == LINK_ASKED && c->state == CHAIN_OPENING)
                        gate_tell(&c->gate, *event);
                break;
        case GATE_OPENED:
                on_opened(item, event);
                break;
        case GATE_EXTENDED:
                on_extended(item, event);
                break;
        case GATE_YIELD:
                on_yield(item, event);
                break;
        case GATE_LOST:
                on_lost(item, event);
                break;
        case GATE_CLOSED:
                if (item->state == LINK_CLOSING)
                        item->state = LINK_CLOSED;
                advance(c);
                break;
        case GATE_FAILED:
                on_failed(item, event);
                break;
        }
}

/* --- the table ---------------------------------------------------------------------------------- */

static ChainGate *chain_of(const Gate *gate)
{
        return CONTAINER_OF(gate, ChainGate, gate);
}

static void chain_gate_free(Gate *gate)
{
        ChainGate *c = chain_of(gate);

        for (size_t i = c->n; i-- > 0;)
                gate_free(c->items[i].gate);
        free(c);
}

static void chain_gate_set_timing(Gate *gate, const Timing *timing)
{
        ChainGate *c = chain_of(gate);

        for (size_t i = 0; i < c->n; i++)
                gate_set_timing(c->items[i].gate, timing);
}

static void chain_gate_on_session(Gate *gate, const Event *event)
{
        ChainGate *c = chain_of(gate);

        for (size_t i = 0; i < c->n; i++)
                gate_on_session(c->items[i].gate, event);
}

static void chain_gate_open(Gate *gate)
{
        ChainGate *c = chain_of(gate);

        switch (c->state) {
        case CHAIN_CLOSED:
                c->state = CHAIN_OPENING;
                advance(c);
                break;
        case CHAIN_LOST:
                c->state = CHAIN_CLOSING;
                c->reopen = true;
                close_from(c, 0);
                advance(c);
                break;
        case CHAIN_CLOSING:
                c->reopen = true;
                break;
        case CHAIN_FAILING:
        case CHAIN_OPENING:
        case CHAIN_OPEN:
                break;
        }
}

static void chain_gate_close(Gate *gate)
{
        ChainGate *c = chain_of(gate);

        c->state = CHAIN_CLOSING;
        c->reopen = false;
        close_from(c, 0);
        advance(c);
}

/* No deadline that passed is revived: once in LOST nothing is told of it any more. */
static void chain_gate_lose(Gate *gate, const char *reason)
{
        ChainGate *c = chain_of(gate);

        if (c->state != CHAIN_OPEN)
                return;
        c->state = CHAIN_LOST;
        for (size_t i = 0; i < c->n; i++)
                gate_lose(c->items[i].gate, reason);
}

/* Open, or lost under a tree that is still there. */
static bool is_held(const ChainItem *item)
{
        return item->state == LINK_OPEN || item->state == LINK_LOST;
}

static void chain_gate_wedge(Gate *gate)
{
        ChainGate *c = chain_of(gate);

        for (size_t i = 0; i < c->n; i++)
                if (is_held(&c->items[i]))
                        gate_wedge(c->items[i].gate);
}

static void chain_gate_abandon(Gate *gate, const char *reason)
{
        ChainGate *c = chain_of(gate);

        if (c->state == CHAIN_OPEN)
                c->state = CHAIN_LOST;
        for (size_t i = 0; i < c->n; i++)
                if (is_held(&c->items[i]))
                        gate_abandon(c->items[i].gate, reason);
}

static const char *find_env(const GateEnv *env, const char *item, size_t *at)
{
        size_t len = (size_t)(strchr(item, '=') - item) + 1;

        for (*at = 0; *at < env->n; ++*at)
                if (strncmp(env->items[*at], item, len) == 0)
                        return env->items[*at];
        return NULL;
}

static void add_item_env(GateEnv *env, const GateEnv *own)
{
        size_t at;

        for (size_t i = 0; i < own->n; i++) {
                bool first_counts = strncmp(own->items[i], "ZK_SEQUENCE=", strlen("ZK_SEQUENCE=")) == 0;

                if (find_env(env, own->items[i], &at)) {
                        if (!first_counts)
                                strcpy(env->items[at], own->items[i]);
                } else if (env->n < GATE_ENV_MAX) {
                        strcpy(env->items[env->n++], own->items[i]);
                }
        }
}

/* "shared lock" and "slot" are locks to the command. */
static const char *fence_name(const Gate *gate)
{
        const char *kind = gate->view.kind;

        return strcmp(kind, "number") == 0     ? "ZK_FENCE_NUMBER" :
                strcmp(kind, "schedule") == 0   ? "ZK_FENCE_SCHEDULE" :
                strcmp(kind, "leadership") == 0 ? "ZK_FENCE_LEADERSHIP" :
                                                  "ZK_FENCE_LOCK";
}

static void chain_gate_env(const Gate *gate, GateEnv *env)
{
        const ChainGate *c = chain_of(gate);

        for (size_t i = 0; i < c->n; i++) {
                GateEnv own;

                gate_env(c->items[i].gate, &own);
                add_item_env(env, &own);
        }
        for (size_t i = 0; i < c->n; i++)
                gate_env_add(env, fence_name(c->items[i].gate), "%" PRId64, c->items[i].token);
}

static void chain_gate_ended(Gate *gate, int status)
{
        ChainGate *c = chain_of(gate);

        for (size_t i = 0; i < c->n; i++)
                gate_ended(c->items[i].gate, status);
}

static const Gate *chain_gate_item(const Gate *gate, size_t i)
{
        const ChainGate *c = chain_of(gate);

        return i < c->n ? c->items[i].gate : NULL;
}

static const char *link_name(int state)
{
        static const char *const names[] = {
                [LINK_CLOSED] = "closed", [LINK_ASKED] = "asked", [LINK_OPEN] = "open", [LINK_LOST] = "lost", [LINK_CLOSING] = "closing"};

        return names[state];
}

static bool chain_gate_save(const Gate *gate, SavedWriter *w)
{
        const ChainGate *c = chain_of(gate);
        bool saved = true;

        if (c->state != CHAIN_CLOSED && c->state != CHAIN_OPENING && c->state != CHAIN_OPEN)
                return false;
        saved_put(w, "chain", c->state == CHAIN_CLOSED ? "closed" : c->state == CHAIN_OPENING ? "opening" : "open");
        saved_put_number(w, "deadline-usec", c->deadline_usec);
        for (size_t i = 0; i < c->n && saved; i++) {
                const ChainItem *item = &c->items[i];

                saved_enter(w, "item", i);
                saved_put(w, "link", link_name(item->state));
                saved_put_number(w, "link-deadline-usec", item->deadline_usec);
                saved_put_signed(w, "link-token", item->token);
                saved_put(w, "link-text", item->text);
                saved = item->state != LINK_LOST && item->state != LINK_CLOSING && gate_save(item->gate, w);
                saved_leave(w);
        }
        return saved;
}

static int restore_item(ChainItem *item, Saved *saved)
{
        int state = saved_get_name(saved, "link", link_name, LINK_OPEN + 1, -1);

        if (state < 0)
                return -EBADMSG;
        item->state = (enum LinkState)state;
        item->deadline_usec = saved_get_number(saved, "link-deadline-usec", 0);
        item->token = saved_get_signed(saved, "link-token", 0);
        (void)saved_copy(saved, "link-text", item->text, sizeof(item->text));
        return gate_restore(item->gate, saved);
}

static int chain_gate_restore(Gate *gate, Saved *saved)
{
        ChainGate *c = chain_of(gate);
        const char *state = saved_get(saved, "chain");
        int r = 0;

        c->state = !state || strcmp(state, "closed") == 0 ? CHAIN_CLOSED :
                strcmp(state, "opening") == 0             ? CHAIN_OPENING :
                                                            CHAIN_OPEN;
        c->deadline_usec = saved_get_number(saved, "deadline-usec", 0);
        for (size_t i = 0; i < c->n && r == 0; i++) {
                saved_go_in(saved, "item", i);
                r = restore_item(&c->items[i], saved);
                saved_go_out(saved);
        }
        return r;
}

static const GateType type = {.noun = "gates",
        .free = chain_gate_free,
        .set_timing = chain_gate_set_timing,
        .on_session = chain_gate_on_session,
        .open = chain_gate_open,
        .close = chain_gate_close,
        .lose = chain_gate_lose,
        .wedge = chain_gate_wedge,
        .abandon = chain_gate_abandon,
        .env = chain_gate_env,
        .ended = chain_gate_ended,
        .item = chain_gate_item,
        .save = chain_gate_save,
        .restore = chain_gate_restore};

static void free_half_made(ChainGate *c)
{
        chain_gate_free(&c->gate);
}
CLEANUP_DEFINE(ChainGate, free_half_made);

int chain_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config)
{
        CLEANUP(free_half_made) ChainGate *c = NULL;

        if (config->chain.n == 0 || config->chain.n > GATE_CHAIN_MAX)
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->gate.type = &type;
        for (size_t i = 0; i < config->chain.n; i++) {
                ChainItem *item = &c->items[i];
                int r;

                item->chain = c;
                r = gate_new(&item->gate, event, client, heart, &config->chain.items[i], on_item, item);
                if (r < 0)
                        return r;
                c->n++;
        }
        *out = &TAKE(c)->gate;
        return 0;
}
