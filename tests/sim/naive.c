#include "sim/naive.h"

#include <stdio.h>

#define LOCK "/lock"

enum NaiveState {
        NAIVE_IDLE,
        NAIVE_ASKING,  /* create */
        NAIVE_WAITING, /* exists with a watch */
        NAIVE_HELD,
        NAIVE_LOST,   /* until the tree is dead */
        NAIVE_GIVING, /* delete */
};

typedef struct Naive {
        enum NaiveLease lease;
        enum NaiveState state;
        bool attached, under_way;
        bool gone; /* nothing of ours is in the ensemble */
        uint64_t timeout_usec, kill_usec;
        uint64_t deadline_usec, next_usec;
        uint32_t tag;
        int64_t session;
        Op ops[1];
} Naive;

const char *naive_to_string(enum NaiveLease lease)
{
        switch (lease) {
        case NAIVE_PING:
                return "ping lease";
        case NAIVE_READ:
                return "read lease";
        case NAIVE_SYNC:
                return "sync lease";
        case NAIVE_WRITE:
                return "write lease without the successor's wait";
        }
        return "?";
}

static Request *ask(Naive *n, Effects *effects, enum RequestKind kind)
{
        n->under_way = true;
        return effects_request(effects, kind, ++n->tag, LOCK);
}

static void claim(Naive *n, Effects *effects)
{
        n->state = NAIVE_ASKING;
        if (n->attached)
                ask(n, effects, REQUEST_CREATE)->mode = CREATE_EPHEMERAL;
}

static void look(Naive *n, Effects *effects)
{
        n->state = NAIVE_WAITING;
        if (n->attached)
                ask(n, effects, REQUEST_EXISTS)->watch = true;
}

/* As long as our session lives the znode can only be ours; after that nothing is to be given back. */
static void give_back(Naive *n, Effects *effects)
{
        n->state = NAIVE_GIVING;
        if (n->gone) {
                n->state = NAIVE_IDLE;
                effects_append(effects, EFFECT_RELEASED);
        } else if (n->attached) {
                ask(n, effects, REQUEST_DELETE);
        }
}

static void heartbeat(Naive *n, uint64_t now_usec, Effects *effects)
{
        n->next_usec = now_usec + n->timeout_usec / 8;
        switch (n->lease) {
        case NAIVE_PING:
                n->next_usec = USEC_INFINITY;
                break;
        case NAIVE_READ:
                ask(n, effects, REQUEST_EXISTS);
                break;
        case NAIVE_SYNC:
                ask(n, effects, REQUEST_SYNC);
                break;
        case NAIVE_WRITE:
                n->ops[0] = (Op){.kind = OP_CHECK, .path = LOCK, .version = VERSION_ANY};
                *ask(n, effects, REQUEST_MULTI) = (Request){
                        .kind = REQUEST_MULTI, .tag = n->tag, .path = LOCK, .ops = n->ops, .n_ops = 1};
                break;
        }
}

static void lose(Naive *n, Effects *effects, const char *why)
{
        n->state = NAIVE_LOST;
        snprintf(effects_append(effects, EFFECT_LOST)->lost.text, 80, "%s", why);
}

static void hold(Naive *n, const Reply *reply, uint64_t now_usec, Effects *effects)
{
        Effect *effect;

        n->gone = false;
        n->deadline_usec = reply->sent_usec + n->timeout_usec;
        if (now_usec >= n->deadline_usec - 2 * n->kill_usec) {
                give_back(n, effects); /* the answer came too late */
                return;
        }
        n->state = NAIVE_HELD;
        effect = effects_append(effects, EFFECT_HELD);
        effect->held.number = 1;
        effect->held.token = reply->stat.czxid;
        effect->held.deadline_usec = n->deadline_usec;
        heartbeat(n, now_usec, effects);
}

static void extend(Naive *n, uint64_t sent_usec, uint64_t now_usec, Effects *effects)
{
        if (n->state != NAIVE_HELD || now_usec >= n->deadline_usec)
                return;
        n->deadline_usec = MAX(n->deadline_usec, sent_usec + n->timeout_usec);
        effects_append(effects, EFFECT_EXTENDED)->held.deadline_usec = n->deadline_usec;
}

static void on_answer(Naive *n, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        bool is_ok = reply->outcome == OUTCOME_OK;

        switch (n->state) {
        case NAIVE_ASKING:
                if (is_ok)
                        hold(n, reply, event->now_usec, effects);
                else
                        look(n, effects);
                break;
        case NAIVE_WAITING:
                if (!is_ok)
                        claim(n, effects);
                else if (reply->stat.ephemeral_owner == n->session)
                        give_back(n, effects); /* made by a request whose reply was lost */
                break;
        case NAIVE_HELD:
                if (!is_ok || (n->lease == NAIVE_READ && reply->stat.ephemeral_owner != n->session))
                        lose(n, effects, "the znode is gone");
                else
                        extend(n, reply->sent_usec, event->now_usec, effects);
                break;
        case NAIVE_GIVING:
                n->gone = true;
                give_back(n, effects);
                break;
        case NAIVE_IDLE:
        case NAIVE_LOST:
                break;
        }
}

static void on_reply(Naive *n, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;

        if (reply->tag == UINT32_MAX) {
                if (n->lease == NAIVE_PING)
                        extend(n, reply->sent_usec, event->now_usec, effects);
                return;
        }
        if (reply->tag != n->tag)
                return;
        n->under_way = false;
        /* What was lost is asked again on ATTACHED. */
        if (reply->outcome != OUTCOME_UNKNOWN && reply->outcome != OUTCOME_EXPIRED)
                on_answer(n, event, effects);
}

static void on_attached(Naive *n, const Event *event, Effects *effects)
{
        n->session = event->session.id;
        n->timeout_usec = event->session.timeout_usec;
        n->kill_usec = MAX(250 * USEC_PER_MSEC, n->timeout_usec / 10 * 8 / 12);
        switch (n->state) {
        case NAIVE_ASKING:
        case NAIVE_WAITING:
                look(n, effects);
                break;
        case NAIVE_GIVING:
                give_back(n, effects);
                break;
        case NAIVE_HELD:
                heartbeat(n, event->now_usec, effects);
                break;
        case NAIVE_IDLE:
        case NAIVE_LOST:
                break;
        }
}

static void on_session(Naive *n, const Event *event, Effects *effects)
{
        n->attached = event->session.change == SESSION_ATTACHED;
        n->under_way = false;
        if (event->session.change == SESSION_EXPIRED) {
                n->gone = true;
                if (n->state == NAIVE_HELD)
                        lose(n, effects, "the session has expired");
                else if (n->state == NAIVE_GIVING)
                        give_back(n, effects);
        }
        if (n->attached)
                on_attached(n, event, effects);
}

static void on_time(Naive *n, uint64_t now_usec, Effects *effects)
{
        if (n->state != NAIVE_HELD)
                return;
        if (now_usec >= n->deadline_usec - 2 * n->kill_usec)
                lose(n, effects, "the lease ran out");
        else if (n->attached && !n->under_way && now_usec >= n->next_usec)
                heartbeat(n, now_usec, effects);
}

static void naive_step(void *machine, const Event *event, Effects *effects)
{
        Naive *n = machine;

        switch (event->kind) {
        case EVENT_START:
                n->gone = false;
                claim(n, effects);
                break;
        case EVENT_REPLY:
                on_reply(n, event, effects);
                break;
        case EVENT_WATCH:
                if (n->state == NAIVE_WAITING)
                        claim(n, effects);
                break;
        case EVENT_SESSION:
                on_session(n, event, effects);
                break;
        case EVENT_TIME:
                on_time(n, event->now_usec, effects);
                break;
        case EVENT_DEAD: /* after a loss: whatever is left of ours goes, then again */
        case EVENT_RELEASE:
                give_back(n, effects);
                break;
        }
}

static uint64_t naive_deadline(const void *machine)
{
        const Naive *n = machine;
        uint64_t deadline = n->deadline_usec - 2 * n->kill_usec;

        if (n->state != NAIVE_HELD)
                return USEC_INFINITY;
        return n->attached && !n->under_way ? MIN(deadline, n->next_usec) : deadline;
}

const ActorType naive_type = {
        .name = "naive", .step = naive_step, .deadline = naive_deadline, .wants_pongs = true};

void *naive_new(Host *host, enum NaiveLease lease)
{
        Naive *n = simulation_allocate(host->simulation, sizeof(*n));

        n->lease = lease;
        return n;
}
