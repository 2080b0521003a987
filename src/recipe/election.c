#include "recipe/election.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "recipe/lock-ask.h"
#include "recipe/lock-save.h"
#include "util/clock.h"

/* A lock with other names and another order; and, while we lead, an eye on the list. */
struct Election {
        Lock lock; /* first: the same address */
        char queue[ZNODE_PATH_MAX];
        unsigned priority;
        bool attached;
        bool is_leader; /* as of the last step */
        bool to_list;   /* the list is to be read, with a watch */
        bool under_way;
        uint32_t tag; /* of the newest list */
        uint64_t retry_usec;
        int64_t yielded; /* order of the newest candidate that we have been told to yield to */
        bool has_yielded;
};

#define TAGS CONTEND_TAGS(3)
#define RETRY_USEC (500 * USEC_PER_MSEC)

/* The best of those who may lead in our stead and want to. A foreign one before it forbids it. */
static bool find_preempting(const Election *e, const Reply *reply, Contender *best)
{
        int64_t foreign = INT64_MAX;
        Contender x;
        bool found = false;

        *best = (Contender){0};
        for (size_t i = 0; i < reply->n_children; i++)
                if (contender_parse(reply->children[i], &x) && x.foreign && x.order < foreign)
                        foreign = x.order;
        for (size_t i = 0; i < reply->n_children; i++) {
                if (!contender_parse(reply->children[i], &x) || x.foreign || !x.preempts ||
                        x.order > foreign || x.priority <= e->priority)
                        continue;
                if (!found || x.priority > best->priority ||
                        (x.priority == best->priority && x.order < best->order))
                        *best = x;
                found = true;
        }
        return found;
}

static void on_list(Election *e, const Reply *reply, Effects *effects)
{
        Contender best;
        Effect *effect;

        if (!find_preempting(e, reply, &best) || (e->has_yielded && e->yielded == best.order))
                return;
        e->has_yielded = true;
        e->yielded = best.order;
        effect = effects_append(effects, EFFECT_YIELD);
        snprintf(effect->yield.text, sizeof(effect->yield.text), "a candidate of priority %u preempts our %u",
                best.priority, e->priority);
}

static void on_reply(Election *e, const Event *event, Effects *effects)
{
        if (event->reply.tag != e->tag || !e->under_way)
                return;
        e->under_way = false;
        if (event->reply.outcome == OUTCOME_OK) {
                on_list(e, &event->reply, effects);
                return;
        }
        e->to_list = true; /* or on ATTACHED */
        e->retry_usec = event->now_usec + RETRY_USEC;
}

static void watch_list(Election *e, const Event *event, Effects *effects)
{
        bool leads = e->lock.state == LOCK_HELD;

        if (event->kind == EVENT_SESSION) {
                e->attached = event->session.change == SESSION_ATTACHED;
                e->to_list |= e->under_way;
                e->under_way = false;
                e->retry_usec = 0;
        }
        if (leads != e->is_leader) {
                e->is_leader = e->to_list = leads;
                e->under_way = e->has_yielded = false;
                e->retry_usec = 0;
        }
        if (leads && event->kind == EVENT_WATCH && event->watch.tag == e->tag)
                e->to_list = true;
        if (leads && event->kind == EVENT_REPLY)
                on_reply(e, event, effects);
        if (!leads || !e->attached || e->under_way || !e->to_list || event->now_usec < e->retry_usec)
                return;
        e->to_list = false;
        e->under_way = true;
        e->tag = TAGS + ((e->tag + 1) & 0xffffff);
        effects_request(effects, REQUEST_CHILDREN, e->tag, e->queue)->watch = true;
}

static void election_step(void *machine, const Event *event, Effects *effects)
{
        lock_step(machine, event, effects);
        watch_list(machine, event, effects);
}

static uint64_t election_deadline(const void *machine)
{
        const Election *e = machine;
        uint64_t when = lock_deadline(machine);

        return e->is_leader && e->attached && e->to_list && !e->under_way && e->retry_usec < when
                       ? e->retry_usec
                       : when;
}

const RecipeType election_recipe = {.name = "election",
        .deinit = lock_deinit, /* the lock comes first */
        .set_timing = lock_set_timing,
        .step = election_step,
        .deadline = election_deadline,
        .claim = lock_claim,
        .save = lock_save,
        .restore = lock_restore};

static int init(Election *e, const ElectionConfig *config)
{
        char kind[32];
        int r;

        if (config->priority > ELECTION_PRIORITY_MAX)
                return -EINVAL;
        if (config->priority || config->preempt)
                snprintf(kind, sizeof(kind), "p%u%s-latch-", config->priority, config->preempt ? "!" : "");
        else
                snprintf(kind, sizeof(kind), "latch-");
        e->priority = config->priority;
        e->lock.elects = true;
        r = lock_init(&e->lock,
                &(LockNames){.root = config->root,
                        .dir = "election",
                        .name = config->name,
                        .id = config->id,
                        .kind = kind,
                        .data = config->participant ? config->participant : config->text.host,
                        .rule = CONTEND_ELECTION},
                &config->text);
        if (r < 0)
                return r;
        e->lock.successor.awaits = true;
        strcpy(e->queue, e->lock.contend.queue);
        return 0;
}

int election_new(Election **out, const ElectionConfig *config)
{
        Election *e = calloc(1, sizeof(*e));
        int r = e ? init(e, config) : -ENOMEM;

        if (r < 0) {
                lock_deinit(e);
                return r;
        }
        *out = e;
        return 0;
}
