#include "recipe/lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "recipe/lock-ask.h"
#include "recipe/lock-save.h"
#include "recipe/lock-text.h"
#include "util/clock.h"
#include "util/macros.h"

/* --- in line ------------------------------------------------------------------------------------ */

/* We are next when the one that is watched holds, or all before us share: from then on the record is
 * kept in sight. Of many readers behind one writer only the first looks. */
static void look_ahead(Lock *l, Effects *effects)
{
        const Contend *c = &l->contend;

        if (l->elects) {
                if (c->position == 2 && !c->ahead.foreign)
                        successor_watch(&l->successor, NULL, effects);
                else
                        successor_stop(&l->successor);
        } else if (c->ahead.grant[0] && !c->ahead.shared) {
                if (c->adjacent)
                        successor_watch(&l->successor, c->ahead.grant, effects);
        } else if (c->only_sharers && !c->ahead.foreign) {
                successor_watch(&l->successor, NULL, effects);
        } else {
                successor_stop(&l->successor);
        }
}

/* At the front, and nothing is being asked of which we should wait for the answer. */
static bool can_go_on(const Lock *l)
{
        const Successor *s = &l->successor;

        if (l->state != LOCK_QUEUE || l->contend.state != CONTEND_FRONT || !l->attached || l->under_way)
                return false;
        return !s->active || (!s->read_record && !s->under_way);
}

/* At the front, the record being SHARED_BY others. */
static void claim(Lock *l, Effects *effects, const char *cause)
{
        if (l->elects && !l->fresh)
                contend_look_again(&l->contend, effects); /* somebody better may have come */
        else
                lock_ask_claim(l, effects, cause);
}

static void pass_sharers(Lock *l, uint64_t now_usec, Effects *effects)
{
        Successor *s = &l->successor;

        l->beside = l->mode == LOCK_SHARED;
        if (l->beside)
                claim(l, effects, "others share it");
        else if (successor_is_settled(s) && s->n_sights == 0)
                claim(l, effects, "those who shared it have left nothing but the record");
        else if (successor_due_usec(s) <= now_usec)
                successor_take_one(s, now_usec, effects);
}

/* At the front: claims as soon as nothing stands against it. Where nothing is known, the claim itself
 * finds out. */
static void go_on(Lock *l, uint64_t now_usec, Effects *effects)
{
        Successor *s = &l->successor;

        if (!can_go_on(l) || now_usec < l->not_before_usec) {
                l->fresh = false;
                return;
        }
        switch (s->kind) {
        case SUCCESSOR_UNKNOWN:
                l->beside = l->mode == LOCK_SHARED && l->contend.position > 1;
                claim(l, effects, "nobody is ahead");
                break;
        case SUCCESSOR_GONE:
                l->beside = false;
                claim(l, effects, "nobody is ahead");
                break;
        case SUCCESSOR_ONE:
        case SUCCESSOR_BARE:
                l->beside = false;
                if (!successor_is_settled(s) || successor_due_usec(s) > now_usec)
                        l->fresh = false;
                else
                        claim(l, effects, "the lease of the record has run out");
                break;
        case SUCCESSOR_SHARED_BY:
                pass_sharers(l, now_usec, effects);
                break;
        }
}

static void on_contend_news(Lock *l, enum ContendNews news, Effects *effects)
{
        switch (news) {
        case CONTEND_NO_NEWS:
                break;
        case CONTEND_IS_FRONT: /* go_on() looks at the state */
                l->fresh = true;
                break;
        case CONTEND_IS_BEHIND:
                if (l->state == LOCK_QUEUE)
                        look_ahead(l, effects);
                break;
        case CONTEND_IS_OUT:
                if (l->state == LOCK_LEAVE)
                        lock_ask_out(l, effects, "our node is gone");
                break;
        case CONTEND_HAS_FAILED:
                lock_ask_enter(l, LOCK_FAILED, effects, "the queue was refused");
                break;
        }
}

/* --- the claim ---------------------------------------------------------------------------------- */

static void on_claimed(Lock *l, const Event *event, Effects *effects)
{
        Effect *effect;

        l->failures = 0;
        parents_settled(&l->contend.parents);
        claim_grant(&l->claim, &l->timing, &event->reply, event->now_usec);
        l->clean = LOCK_CLEAN_ALL;
        if (!l->want || l->claim.state == CLAIM_LOST) {
                l->drop_node = true;
                lock_ask_clean(l, effects,
                        l->want ? "the answer to the claim came too late" : "not wanted any more");
                return;
        }
        contend_rest(&l->contend);
        lock_ask_enter(l, LOCK_HELD, effects, "claimed");
        effect = effects_append(effects, EFFECT_HELD);
        effect->held.token = l->claim.token;
        effect->held.deadline_usec = l->claim.deadline_usec;
}

static size_t failed_op(const Reply *reply)
{
        for (size_t i = 0; i < reply->n_results; i++)
                if (reply->results[i].outcome != OUTCOME_OK &&
                        reply->results[i].outcome != OUTCOME_ROLLED_BACK)
                        return i;
        return SIZE_MAX;
}

/* The first operation is our node, then come those that take, then those that create. */
static void on_claim_failed(Lock *l, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;
        size_t i = failed_op(&event->reply);

        l->claim_maybe = false;
        if (!l->want) {
                lock_ask_leave(l, effects, "not wanted any more");
                return;
        }
        lock_ask_enter(l, LOCK_QUEUE, effects, "the claim failed");
        l->fresh = false;
        if (++l->failures > 3) /* not as fast as the ensemble answers */
                l->not_before_usec = event->now_usec + lock_ask_pause_usec(l->failures);
        if (i == 0 && outcome == OUTCOME_NO_NODE) {
                contend_node_gone(&l->contend, effects);
                return;
        }
        if (outcome == OUTCOME_NO_NODE && i == l->n_take + 1 && !l->beside) {
                contend_make_parents(&l->contend, effects);
                return;
        }
        if (outcome == OUTCOME_NOT_EMPTY && i <= l->n_take && l->claim.ops[i].path == l->successor.record)
                successor_crowded(&l->successor, event->now_usec);
        successor_look_again(&l->successor, effects);
}

/* --- taking it away ----------------------------------------------------------------------------- */

static void cleaned(Lock *l, Effects *effects)
{
        l->claim_maybe = false;
        l->claim.state = CLAIM_NONE;
        l->clean = LOCK_CLEAN_ALL;
        if (!l->want || l->drop_node) {
                lock_ask_leave(l, effects, "nothing of the claim is left");
                return;
        }
        lock_ask_enter(l, LOCK_QUEUE, effects, "nothing of the claim is left");
        contend_join(&l->contend, effects); /* unless it stands there already */
        if (l->contend.state == CONTEND_BEHIND)
                look_ahead(l, effects);
}

static void on_cleaned(Lock *l, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;
        size_t i = failed_op(&event->reply);
        const char *path = i < l->claim.n_ops ? l->claim.ops[i].path : "";

        if (l->clean == LOCK_CLEAN_EMPTY) {
                cleaned(l, effects); /* or somebody shares it */
        } else if (outcome == OUTCOME_OK) {
                if (l->claim.ops[l->claim.n_ops - 1].path == l->claim.node)
                        contend_forget(&l->contend);
                if (l->clean == LOCK_CLEAN_NOT_LAST) {
                        l->clean = LOCK_CLEAN_EMPTY;
                        lock_ask_clean(l, effects, "the last one takes the record");
                } else {
                        cleaned(l, effects);
                }
        } else if (outcome == OUTCOME_NO_NODE && path == l->claim.grant) {
                cleaned(l,
                        effects); /* never made, or taken away after a long silence: the record is not ours */
        } else if (outcome == OUTCOME_NO_NODE && path == l->claim.node) {
                l->claim.node_gone = true; /* deleted by hand */
                contend_forget(&l->contend);
                lock_ask_clean(l, effects, "the node is gone already");
        } else if (l->mode == LOCK_SHARED && l->clean == LOCK_CLEAN_ALL) {
                l->clean = LOCK_CLEAN_NOT_LAST;
                lock_ask_clean(l, effects, "others share it");
        } else {
                lock_ask_later(l, event->now_usec); /* somebody has put children below; keep trying, slowly */
        }
}

/* --- events ------------------------------------------------------------------------------------- */

static void on_refused(Lock *l, const Event *event, Effects *effects)
{
        if (l->state != LOCK_CLAIM) {
                lock_ask_later(l, event->now_usec);
                return;
        }
        l->claim_maybe = false;
        if (l->want)
                lock_ask_fail(l, effects, event->reply.outcome, l->record);
        else
                lock_ask_leave(l, effects, "not wanted any more");
}

static void on_reply(Lock *l, const Event *event, Effects *effects)
{
        if (event->reply.tag != l->tag || !l->under_way)
                return;
        l->under_way = false;
        switch (event->reply.outcome) {
        case OUTCOME_OK:
                if (l->state == LOCK_CLAIM)
                        on_claimed(l, event, effects);
                else
                        on_cleaned(l, event, effects);
                break;
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                if (l->state == LOCK_CLAIM)
                        on_claim_failed(l, event, effects);
                else
                        on_cleaned(l, event, effects);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                /* It may have been done: what it made is unmade before anything else. */
                lock_ask_enter(l, LOCK_CLEAN, effects, "the reply was lost");
                lock_ask_later(l, event->now_usec); /* or on ATTACHED */
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                on_refused(l, event, effects);
                break;
        }
}

static void on_session(Lock *l, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                l->attached = true;
                l->under_way = false;
                if (l->state == LOCK_CLAIM || l->state == LOCK_CLEAN)
                        lock_ask_clean(l, effects, "connected");
                break;
        case SESSION_SUSPENDED:
                l->attached = false;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                l->attached = l->under_way = false;
                if (l->state == LOCK_HELD) {
                        claim_lose(&l->claim, "the session has expired");
                        lock_ask_enter(l, LOCK_LOST, effects, "the session has expired");
                } else if (l->state == LOCK_CLAIM) {
                        lock_ask_enter(l, LOCK_CLEAN, effects, "the session has expired");
                }
                break;
        }
}

static void on_start(Lock *l, Effects *effects)
{
        l->want = true;
        if (l->state == LOCK_IDLE || l->state == LOCK_RELEASED)
                lock_ask_out(l, effects, "start");
}

static void on_release(Lock *l, Effects *effects)
{
        l->want = false;
        switch (l->state) {
        case LOCK_IDLE:
                lock_ask_released(l, effects, "nothing was asked for");
                break;
        case LOCK_QUEUE:
        case LOCK_FAILED:
                lock_ask_leave(l, effects, "released");
                break;
        case LOCK_HELD:
        case LOCK_CLEAN:
                l->drop_node = true;
                lock_ask_clean(l, effects, "released");
                break;
        case LOCK_CLAIM:
                l->drop_node = true;
                break;  /* on the reply, or on ATTACHED */
        case LOCK_RELEASED: /* asked once more, and answered */
                effects_append(effects, EFFECT_RELEASED);
                break;
        case LOCK_LOST: /* EVENT_DEAD is still to come */
        case LOCK_LEAVE:
                break;
        }
}

/* The tree of a hold that was lost is dead: from HELD (lease.h has lost it, we learn it here), or
 * from LOST (we knew first). */
static void on_dead(Lock *l, Effects *effects)
{
        if (l->state != LOCK_LOST && (l->state != LOCK_HELD || l->claim.state == CLAIM_HELD))
                return;
        l->drop_node = true;
        lock_ask_clean(l, effects, l->claim.reason);
}

static void on_time(Lock *l, const Event *event, Effects *effects)
{
        if (event->now_usec < l->retry_usec)
                return;
        l->retry_usec = USEC_INFINITY;
        if (l->state == LOCK_CLEAN)
                lock_ask_clean(l, effects, "again");
}

void lock_step(void *machine, const Event *event, Effects *effects)
{
        Lock *l = machine;

        on_contend_news(l, contend_step(&l->contend, event, effects), effects);
        successor_step(&l->successor, event, effects);
        if (l->state == LOCK_QUEUE && l->successor.refused != OUTCOME_OK)
                lock_ask_fail(l, effects, l->successor.refused, l->record);
        switch (event->kind) {
        case EVENT_START:
                on_start(l, effects);
                break;
        case EVENT_REPLY:
                on_reply(l, event, effects);
                break;
        case EVENT_WATCH:
                break;
        case EVENT_SESSION:
                on_session(l, event, effects);
                break;
        case EVENT_TIME:
                on_time(l, event, effects);
                break;
        case EVENT_DEAD:
                on_dead(l, effects);
                break;
        case EVENT_RELEASE:
                on_release(l, effects);
                break;
        }
        go_on(l, event->now_usec, effects);
        lock_text_tell(l, event->now_usec, effects);
}

/* When what stands against a claim will no longer do so, as far as is known. */
static uint64_t claimable_usec(const Lock *l)
{
        switch (l->successor.kind) {
        case SUCCESSOR_UNKNOWN:
        case SUCCESSOR_GONE:
                return 0;
        case SUCCESSOR_ONE:
        case SUCCESSOR_BARE:
                break;
        case SUCCESSOR_SHARED_BY:
                if (l->mode == LOCK_SHARED || l->successor.n_sights == 0)
                        return 0;
                break;
        }
        return successor_due_usec(&l->successor);
}

uint64_t lock_deadline(const void *machine)
{
        const Lock *l = machine;
        uint64_t when = MIN(contend_deadline(&l->contend), successor_deadline(&l->successor));

        if (l->attached && !l->under_way)
                when = MIN(when, l->retry_usec);
        if (can_go_on(l))
                when = MIN(when, MAX(l->not_before_usec, claimable_usec(l)));
        return when;
}

void lock_set_timing(void *machine, const Timing *timing)
{
        ((Lock *)machine)->timing = *timing;
}

Claim *lock_claim(void *machine)
{
        return &((Lock *)machine)->claim;
}

void lock_deinit(void *machine)
{
        Lock *l = machine;

        if (!l)
                return;
        contend_deinit(&l->contend);
        free(l);
}

const RecipeType lock_recipe = {.name = "lock",
        .deinit = lock_deinit,
        .set_timing = lock_set_timing,
        .step = lock_step,
        .deadline = lock_deadline,
        .claim = lock_claim,
        .save = lock_save,
        .restore = lock_restore};

static const char *kind_of(enum LockMode mode)
{
        switch (mode) {
        case LOCK_EXCLUSIVE:
                return "lock-";
        case LOCK_WRITE:
                return "__WRIT__";
        case LOCK_SHARED:
                return "__READ__";
        }
        return "lock-";
}

int lock_init(Lock *l, const LockNames *names, const Record *text)
{
        char queue[ZNODE_PATH_MAX], records[ZNODE_PATH_MAX];
        int n, m, r;

        n = snprintf(queue, sizeof(queue), "%s/%s/%s", names->root, names->dir, names->name);
        m = snprintf(l->record, sizeof(l->record), "%s/record/%s/%s", names->root, names->dir, names->name);
        /* room for a grant below <record>/shared */
        if (n >= ZNODE_PATH_MAX || m + 100 >= ZNODE_PATH_MAX || strlen(names->id) >= sizeof(l->id))
                return -ENAMETOOLONG;
        snprintf(records, sizeof(records), "%s/record/%s", names->root, names->dir);
        snprintf(l->shared, sizeof(l->shared), "%s/" SUCCESSOR_SHARED, l->record);
        snprintf(l->name, sizeof(l->name), "%s", names->name);
        strcpy(l->id, names->id);
        l->text = *text;
        l->tags = l->tag = CONTEND_TAGS(2);
        l->retry_usec = USEC_INFINITY;
        r = contend_init(&l->contend, &(ContendConfig){.queue = queue,
                                              .id = names->id,
                                              .kind = names->kind,
                                              .data = names->data,
                                              .rule = names->rule,
                                              .tags = CONTEND_TAGS(0)});
        if (r == 0)
                r = parents_add_lasting(&l->contend.parents, records);
        return r < 0 ? r : successor_init(&l->successor, l->record, CONTEND_TAGS(1));
}

static int init(Lock *l, const LockConfig *config)
{
        char data[CONTEND_DATA_MAX];
        LockNames names = {
                .root = config->root, .dir = "lock", .name = config->name, .id = config->id, .data = data};
        int r;

        snprintf(data, sizeof(data), "%s %" PRIu64 " %s", config->text.host, config->text.pid,
                config->text.unit);
        names.kind = kind_of(config->mode);
        names.rule = config->mode == LOCK_SHARED ? CONTEND_SHARED : CONTEND_EXCLUSIVE;
        l->mode = config->mode;
        r = lock_init(l, &names, &config->text);
        l->successor.shares = config->mode == LOCK_SHARED;
        return r;
}

int lock_new(Lock **out, const LockConfig *config)
{
        Lock *l = calloc(1, sizeof(*l));
        int r = l ? init(l, config) : -ENOMEM;

        if (r < 0) {
                lock_deinit(l);
                return r;
        }
        *out = l;
        return 0;
}
