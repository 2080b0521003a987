#include "recipe/sequence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "recipe/sequence-ask.h"
#include "recipe/ticket.h"
#include "util/clock.h"

const char *sequence_state_to_string(enum SequenceState state)
{
        switch (state) {
        case SEQUENCE_IDLE:
                return "idle";
        case SEQUENCE_RECORDS:
                return "reading the records";
        case SEQUENCE_PARENTS:
                return "making the parents";
        case SEQUENCE_TICKET:
                return "taking a ticket";
        case SEQUENCE_POOL:
                return "reading the pool";
        case SEQUENCE_CLAIM:
                return "claiming";
        case SEQUENCE_WAIT:
                return "waiting";
        case SEQUENCE_HELD:
                return "held";
        case SEQUENCE_LOST:
                return "lost";
        case SEQUENCE_CLEAN:
                return "cleaning up";
        case SEQUENCE_RELEASED:
                return "released";
        case SEQUENCE_FAILED:
                return "failed";
        }
        return "?";
}

/* --- choosing ----------------------------------------------------------------------------------- */

/* Whether there is one that can be had now. */
static bool choose(const Sequence *s, const Numbers *living, uint64_t rank, uint64_t *number)
{
        if (s->prefer >= s->first && s->prefer <= s->max && s->prefer != UINT64_MAX &&
                !numbers_has(living, s->prefer) && !numbers_has(&s->dead, s->prefer)) {
                *number = s->prefer;
                return true;
        }
        if (s->reuse == SEQUENCE_REUSE_WAIT) {
                *number = numbers_kth_free(living, NULL, s->first, rank);
                if (numbers_has(&s->dead, *number))
                        return false;
        } else {
                *number = numbers_kth_free(living, &s->dead, s->first, rank);
        }
        return *number <= s->max;
}

static void wait_in_line(Sequence *s, const TicketQueue *q, const Numbers *living, Effects *effects)
{
        Effect *effect;

        if (q->rank == 1 && (!s->watching || s->stirred)) {
                s->watching = true; /* read both lists again, this time with watches */
                sequence_ask_next(s, effects, "no number is free");
                return;
        }
        s->watching = q->rank == 1;
        sequence_ask_enter(s, SEQUENCE_WAIT, effects, "no number is free");
        effect = effects_append(effects, EFFECT_WAITING);
        effect->waiting.first = q->rank == 1;
        snprintf(effect->waiting.text, sizeof(effect->waiting.text),
                "no number is free in %.60s: %zu in use, %zu records, position %" PRIu64 " in line", s->pool,
                living->n, s->dead.n, q->rank);
        if (q->rank > 1) {
                /* The ticket ahead wakes us, not every change of the pool: no herd. */
                snprintf(s->ahead, sizeof(s->ahead), "%s/%.*s", s->pool, SEQUENCE_CHILD_MAX, q->ahead);
                sequence_ask(s, effects, REQUEST_EXISTS, s->ahead)->watch = true;
        }
}

static void drop_ticket(Sequence *s, const char *name, Effects *effects)
{
        s->dropping = true;
        snprintf(s->ahead, sizeof(s->ahead), "%s/%.*s", s->pool, SEQUENCE_CHILD_MAX, name);
        sequence_ask(s, effects, REQUEST_DELETE, s->ahead);
}

static void on_pool(Sequence *s, const Event *event, Effects *effects)
{
        Numbers living = {0};
        TicketQueue q = ticket_queue(s->id, event->reply.children, event->reply.n_children);
        uint64_t number;

        s->ticket_maybe = false;
        s->ticket_made = q.mine != NULL;
        if (q.second || (q.mine && !s->want)) { /* stays in POOL; its reply starts over */
                s->ticket_maybe = true;
                drop_ticket(s, q.second ? q.second : q.mine, effects);
                return;
        }
        if (!s->want) {
                sequence_ask_released(s, effects, "the ticket is gone");
                return;
        }
        if (!q.mine) {
                sequence_ask_ticket(s, effects, "our ticket is not in the list");
                return;
        }
        if (numbers_from_names(&living, event->reply.children, event->reply.n_children) < 0) {
                sequence_ask_later(s, event->now_usec);
                return;
        }
        snprintf(s->ticket, sizeof(s->ticket), "%s/%.*s", s->pool, SEQUENCE_CHILD_MAX, q.mine);
        if (choose(s, &living, q.rank, &number))
                sequence_ask_claim(s, number, effects);
        else
                wait_in_line(s, &q, &living, effects);
        numbers_deinit(&living);
}

/* --- replies ------------------------------------------------------------------------------------ */

static void on_claimed(Sequence *s, const Event *event, Effects *effects)
{
        Effect *effect;

        s->ticket_made = s->ticket_maybe = false;
        s->collisions = 0;
        s->watching = false;
        parents_settled(&s->parents);
        claim_grant(&s->claim, &s->timing, &event->reply, event->now_usec);
        if (!s->want || s->claim.state == CLAIM_LOST) {
                sequence_ask_next(s, effects, s->want ? "the answer to the claim came too late" : "not wanted any more");
                return;
        }
        sequence_ask_enter(s, SEQUENCE_HELD, effects, "claimed");
        numbers_deinit(&s->dead); /* of a large pool, and read again when it is needed */
        effect = effects_append(effects, EFFECT_HELD);
        effect->held.number = s->number;
        effect->held.token = s->claim.token;
        effect->held.deadline_usec = s->claim.deadline_usec;
}

/* The operation at which a multi failed. */
static size_t failed_op(const Reply *reply)
{
        for (size_t i = 0; i < reply->n_results; i++)
                if (reply->results[i].outcome != OUTCOME_OK && reply->results[i].outcome != OUTCOME_ROLLED_BACK)
                        return i;
        return SIZE_MAX;
}

static void on_claim_failed(Sequence *s, const Event *event, Effects *effects)
{
        s->claim_maybe = false;
        s->ticket_maybe = true; /* it may be what was missing */
        if (event->reply.outcome == OUTCOME_NO_NODE && failed_op(&event->reply) > 0) {
                sequence_ask_begin_parents(s, effects, "the pool is gone"); /* an empty container was collected */
                return;
        }
        sequence_ask_enter(s, SEQUENCE_RECORDS, effects, "somebody else was faster");
        sequence_ask_later(s, event->now_usec);
}

static void cleaned(Sequence *s, Effects *effects)
{
        s->claim_maybe = false;
        s->claim.state = CLAIM_NONE;
        sequence_ask_next(s, effects, "nothing of the claim is left");
}

/* Other units of our session take numbers, too. */
static bool is_own_node(const Sequence *s, const Reply *reply)
{
        const char *id = claim_id(&s->claim);

        return reply->outcome == OUTCOME_OK && reply->stat.ephemeral_owner == s->session_id &&
                reply->data_len == strlen(id) && memcmp(reply->data, id, reply->data_len) == 0;
}

/* The grant was gone (never made, or taken away after a long silence), so the multi did nothing; a
 * node of ours may still stand. By now the number may be another's: look whose it is. */
static void on_clean_looked(Sequence *s, const Event *event, Effects *effects)
{
        if (is_own_node(s, &event->reply)) {
                s->clean_step = SEQUENCE_CLEAN_NODE;
                sequence_ask(s, effects, REQUEST_DELETE, s->claim.node);
        } else {
                cleaned(s, effects);
        }
}

static void on_cleaned(Sequence *s, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        if (s->clean_step == SEQUENCE_CLEAN_LOOK) {
                on_clean_looked(s, event, effects);
        } else if (s->clean_step == SEQUENCE_CLEAN_NODE || outcome == OUTCOME_OK) {
                cleaned(s, effects);
        } else if (outcome == OUTCOME_NO_NODE && failed_op(&event->reply) == 2) {
                s->claim.node_gone = true; /* grant and record are ours, the node was deleted by hand */
                sequence_ask_next(s, effects, "the node is gone already");
        } else if (outcome == OUTCOME_NO_NODE && s->node_lives && !s->claim.node_gone) {
                s->clean_step = SEQUENCE_CLEAN_LOOK;
                sequence_ask(s, effects, REQUEST_GET, s->claim.node);
        } else if (outcome == OUTCOME_NO_NODE) {
                cleaned(s, effects);
        } else {
                sequence_ask_later(s, event->now_usec); /* somebody has put children below; keep trying, slowly */
        }
}

static void on_parents(Sequence *s, const Event *event, Effects *effects)
{
        if (parents_on_reply(&s->parents, event->reply.outcome))
                sequence_ask_parents(s, effects, "there is less than that");
        else if (s->ticket_made || s->ticket_maybe)
                sequence_ask_pool(s, effects, "the parents are there");
        else /* where there was no list of records, there was no record: no need to read it again */
                sequence_ask_ticket(s, effects, "the parents are there");
}

static void on_reply_ok_or_no(Sequence *s, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;

        switch (s->state) {
        case SEQUENCE_RECORDS:
                if (reply->outcome == OUTCOME_NO_NODE) {
                        s->dead.n = 0;
                        sequence_ask_begin_parents(s, effects, "no such pool yet");
                } else if (numbers_from_names(&s->dead, reply->children, reply->n_children) < 0) {
                        sequence_ask_later(s, event->now_usec);
                } else if (s->ticket_made || s->ticket_maybe) {
                        sequence_ask_pool(s, effects, "records read");
                } else {
                        sequence_ask_ticket(s, effects, "records read");
                }
                break;
        case SEQUENCE_PARENTS:
                on_parents(s, event, effects);
                break;
        case SEQUENCE_TICKET:
                s->ticket_maybe = false;
                if (reply->outcome != OUTCOME_OK) {
                        sequence_ask_begin_parents(s, effects, "no such pool");
                        break;
                }
                s->ticket_made = true;
                sequence_ask_pool(s, effects, "ticket taken");
                break;
        case SEQUENCE_POOL:
                if (s->dropping) {
                        s->dropping = false;
                        sequence_ask_next(s, effects, "a ticket was taken back"); /* and look again */
                } else if (reply->outcome == OUTCOME_OK) {
                        on_pool(s, event, effects);
                } else {
                        s->ticket_made = s->ticket_maybe = false;
                        if (s->want)
                                sequence_ask_begin_parents(s, effects, "the pool is gone");
                        else
                                sequence_ask_released(s, effects, "the pool is gone");
                }
                break;
        case SEQUENCE_CLAIM:
                if (reply->outcome == OUTCOME_OK)
                        on_claimed(s, event, effects);
                else
                        on_claim_failed(s, event, effects);
                break;
        case SEQUENCE_CLEAN:
                on_cleaned(s, event, effects);
                break;
        case SEQUENCE_WAIT:
                if (reply->outcome == OUTCOME_NO_NODE)
                        sequence_ask_next(s, effects, "the one ahead is gone");
                break;
        case SEQUENCE_IDLE:
        case SEQUENCE_HELD:
        case SEQUENCE_LOST:
        case SEQUENCE_RELEASED:
        case SEQUENCE_FAILED:
                break;
        }
}

static const char *path_asked(const Sequence *s)
{
        switch (s->state) {
        case SEQUENCE_RECORDS:
                return s->records;
        case SEQUENCE_PARENTS:
                return parents_path(&s->parents);
        case SEQUENCE_CLAIM:
        case SEQUENCE_CLEAN:
                return s->claim.node;
        case SEQUENCE_IDLE:
        case SEQUENCE_TICKET:
        case SEQUENCE_POOL:
        case SEQUENCE_WAIT:
        case SEQUENCE_HELD:
        case SEQUENCE_LOST:
        case SEQUENCE_RELEASED:
        case SEQUENCE_FAILED:
                return s->pool;
        }
        return s->pool;
}

/* Nothing of what was asked was done. */
static void on_refused(Sequence *s, const Event *event, Effects *effects)
{
        if (s->state == SEQUENCE_CLAIM)
                s->claim_maybe = false;
        if (s->state == SEQUENCE_TICKET)
                s->ticket_maybe = false;
        if (s->state == SEQUENCE_CLEAN || (s->state == SEQUENCE_POOL && !s->want))
                sequence_ask_later(s, event->now_usec);
        else if (s->want)
                sequence_ask_fail(s, effects, event->reply.outcome, path_asked(s));
        else
                sequence_ask_next(s, effects, "not wanted any more");
}

static void on_reply(Sequence *s, const Event *event, Effects *effects)
{
        if (event->reply.tag != s->tag || !s->under_way)
                return;
        s->under_way = false;
        if (!s->want && s->state != SEQUENCE_CLAIM && s->state != SEQUENCE_CLEAN && s->state != SEQUENCE_POOL &&
                s->state != SEQUENCE_TICKET) {
                sequence_ask_next(s, effects, "not wanted any more");
                return;
        }
        switch (event->reply.outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                if (!s->want && s->state == SEQUENCE_TICKET) {
                        s->ticket_maybe = event->reply.outcome == OUTCOME_OK;
                        sequence_ask_next(s, effects, "not wanted any more");
                        break;
                }
                on_reply_ok_or_no(s, event, effects);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                /* What was asked may have been done; the flags *_maybe say so since it was asked.
                 * Again on ATTACHED, or soon if the connection is there all the same. */
                sequence_ask_later(s, event->now_usec);
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                on_refused(s, event, effects);
                break;
        }
}

/* --- everything else ---------------------------------------------------------------------------- */

static bool is_asking(const Sequence *s)
{
        switch (s->state) {
        case SEQUENCE_RECORDS:
        case SEQUENCE_PARENTS:
        case SEQUENCE_TICKET:
        case SEQUENCE_POOL:
        case SEQUENCE_CLAIM:
        case SEQUENCE_WAIT:
        case SEQUENCE_CLEAN:
                return true;
        case SEQUENCE_IDLE:
        case SEQUENCE_HELD:
        case SEQUENCE_LOST:
        case SEQUENCE_RELEASED:
        case SEQUENCE_FAILED:
                return false;
        }
        return false;
}

static void on_session(Sequence *s, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                s->attached = true;
                s->under_way = false;
                s->session_id = event->session.id;
                if (is_asking(s))
                        sequence_ask_next(s, effects, "connected");
                break;
        case SESSION_SUSPENDED:
                s->attached = false;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                s->attached = s->under_way = false;
                s->ticket_made = s->ticket_maybe = false; /* gone with the session */
                s->node_lives = false;
                if (s->state == SEQUENCE_HELD) {
                        claim_lose(&s->claim, "the session has expired");
                        sequence_ask_enter(s, SEQUENCE_LOST, effects, "the session has expired");
                }
                break;
        }
}

static void on_release(Sequence *s, Effects *effects)
{
        s->want = false;
        switch (s->state) {
        case SEQUENCE_IDLE:
                sequence_ask_released(s, effects, "nothing was asked for");
                break;
        case SEQUENCE_HELD:
                if (s->attached)
                        sequence_ask_clean(s, effects, "released");
                else
                        sequence_ask_enter(s, SEQUENCE_CLEAN, effects, "released");
                break;
        case SEQUENCE_LOST:
                break; /* EVENT_DEAD is still to come */
        case SEQUENCE_RECORDS:
        case SEQUENCE_PARENTS:
        case SEQUENCE_TICKET:
        case SEQUENCE_POOL:
        case SEQUENCE_CLAIM:
        case SEQUENCE_WAIT:
        case SEQUENCE_CLEAN:
                if (s->under_way && s->attached)
                        break; /* on the reply */
                if (!s->attached && !s->claim_maybe && !s->ticket_made && !s->ticket_maybe)
                        sequence_ask_released(s, effects, "nothing was made");
                else
                        sequence_ask_next(s, effects, "released");
                break;
        case SEQUENCE_FAILED:
                if (!s->ticket_made && !s->ticket_maybe) {
                        sequence_ask_released(s, effects, "nothing was made");
                        break;
                }
                sequence_ask_enter(s, SEQUENCE_POOL, effects, "released"); /* where ATTACHED goes on, too */
                sequence_ask_next(s, effects, "released");
                break;
        case SEQUENCE_RELEASED: /* asked once more, and answered */
                effects_append(effects, EFFECT_RELEASED);
                break;
        }
}

/* The tree of a hold that was lost is dead: from HELD (lease.h has lost it, we learn it here), or
 * from LOST (we knew first). */
static void on_dead(Sequence *s, Effects *effects)
{
        if (s->state != SEQUENCE_HELD && s->state != SEQUENCE_LOST)
                return;
        if (s->state == SEQUENCE_HELD && s->claim.state == CLAIM_HELD)
                return; /* a tree that ended by itself: the hold goes on */
        sequence_ask_enter(s, SEQUENCE_CLEAN, effects, s->claim.reason);
        sequence_ask_next(s, effects, "the tree is dead");
}

void sequence_step(Sequence *s, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_START:
                s->want = true;
                if (s->state == SEQUENCE_IDLE || s->state == SEQUENCE_RELEASED) {
                        sequence_ask_enter(s, SEQUENCE_RECORDS, effects, "start");
                        sequence_ask_next(s, effects, "start");
                }
                break;
        case EVENT_REPLY:
                on_reply(s, event, effects);
                break;
        case EVENT_WATCH:
                s->stirred = true;
                if (s->state == SEQUENCE_WAIT)
                        sequence_ask_next(s, effects, "something has changed");
                break;
        case EVENT_SESSION:
                on_session(s, event, effects);
                break;
        case EVENT_TIME:
                if (event->now_usec >= s->retry_usec && is_asking(s)) {
                        s->retry_usec = USEC_INFINITY;
                        sequence_ask_next(s, effects, "again");
                }
                break;
        case EVENT_DEAD:
                on_dead(s, effects);
                break;
        case EVENT_RELEASE:
                on_release(s, effects);
                break;
        }
}

uint64_t sequence_deadline(const Sequence *s)
{
        return s->attached && !s->under_way ? s->retry_usec : USEC_INFINITY;
}

void sequence_set_timing(Sequence *s, const Timing *timing)
{
        s->timing = *timing;
}

int sequence_init(Sequence *s, const SequenceConfig *config)
{
        int n, m;

        *s = (Sequence){.first = config->first,
                .max = config->max,
                .prefer = config->prefer,
                .reuse = config->reuse,
                .text = config->text,
                .retry_usec = USEC_INFINITY};
        n = snprintf(s->pool, sizeof(s->pool), "%s/sequence/%s", config->root, config->pool);
        m = snprintf(s->records, sizeof(s->records), "%s/record/sequence/%s", config->root, config->pool);
        snprintf(s->id, sizeof(s->id), "%s", config->id);
        /* room for a number and a grant, or for a ticket */
        if (n + 24 + 80 >= ZNODE_PATH_MAX || m + 24 + 80 >= ZNODE_PATH_MAX)
                return -ENAMETOOLONG;
        parents_init(&s->parents);
        n = parents_add(&s->parents, s->pool);
        return n < 0 ? n : parents_add(&s->parents, s->records);
}

void sequence_deinit(Sequence *s)
{
        numbers_deinit(&s->dead);
        parents_deinit(&s->parents);
}
