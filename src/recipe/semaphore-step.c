/* What a semaphore does on each event; how it looks from outside is in semaphore.c. */
#include <stdio.h>
#include "recipe/semaphore-ask.h"
#include "recipe/semaphore-slots.h"
#include "util/clock.h"
#include "util/macros.h"

static void released(Semaphore *s, Effects *effects)
{
        semaphore_ask_enter(s, SEMAPHORE_RELEASED, effects, "nothing of ours is left");
        effects_append(effects, EFFECT_RELEASED);
}

static void leave(Semaphore *s, Effects *effects, const char *cause)
{
        s->under_way = false; /* what is under way only reads; its reply is passed over by its tag */
        s->tag++;
        semaphore_ask_enter(s, SEMAPHORE_LEAVE, effects, cause);
        (void)contend_leave(&s->leases, effects);
        (void)contend_leave(&s->locks, effects);
        if (s->leases.state == CONTEND_OUT && s->locks.state == CONTEND_OUT)
                released(s, effects);
}

/* From whatever state that waits for nothing: the next thing to do, by how we stand in both queues. */
static void go_on(Semaphore *s, Effects *effects, const char *cause)
{
        if (s->under_way)
                return; /* on the reply */
        if (s->claim_maybe) {
                if (s->attached)
                        semaphore_ask_clean(s, effects, cause);
        } else if (!s->want) {
                leave(s, effects, cause);
        } else if (s->locks.state != CONTEND_FRONT) {
                semaphore_ask_enter(s, SEMAPHORE_QUEUE, effects, cause);
                contend_join(&s->locks, effects);
        } else if (!s->attached) {
                return;
        } else if (s->leases.state == CONTEND_OUT) {
                semaphore_ask_records(s, effects, cause);
        } else if (s->leases.state == CONTEND_FRONT) {
                semaphore_ask_claim(s, effects);
        } else {
                semaphore_ask_enter(s, SEMAPHORE_LEASE, effects, cause);
        }
}

/* --- choosing ----------------------------------------------------------------------------------- */

static void tell_waiting(Semaphore *s, Effects *effects, bool first, const char *text)
{
        Effect *effect = effects_append(effects, EFFECT_WAITING);

        effect->waiting.first = first;
        snprintf(effect->waiting.text, sizeof(effect->waiting.text), "%.158s", text);
}

static void on_records(Semaphore *s, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        size_t n = reply->outcome == OUTCOME_OK ? reply->n_children : 0;
        uint64_t slot;

        if (numbers_from_names(&s->recorded, reply->children, n) < 0) {
                semaphore_ask_later(s, event->now_usec);
                return;
        }
        slot = numbers_kth_free(&s->recorded, NULL, 1, 1);
        if (slot <= s->slots) {
                s->slot = (unsigned)slot;
                semaphore_slots_kind(s->leases.kind, s->slot);
                semaphore_ask_enter(s, SEMAPHORE_LEASE, effects, "a slot is free");
                contend_join(&s->leases, effects);
        } else if (!s->watching) {
                s->watching = true;
                semaphore_ask_records(s, effects, "no slot is free");
        } else {
                semaphore_ask_leases(s, effects);
        }
}

/* The janitor has no watch on the leases, but we have: whenever it fires, it looks again, too. */
static void on_leases(Semaphore *s, const Event *event, Effects *effects)
{
        char text[160];
        Event look = {.kind = EVENT_START, .now_usec = event->now_usec};

        if (s->janitor.state != JANITOR_OFF)
                look = (Event){.kind = EVENT_WATCH, .now_usec = event->now_usec, .watch.kind = WATCH_CHILDREN};
        semaphore_ask_tell_janitor(s, &look, effects);
        if (s->stirred) {
                semaphore_ask_records(s, effects, "something has changed");
                return;
        }
        semaphore_ask_enter(s, SEMAPHORE_FULL, effects, "no slot is free");
        snprintf(text, sizeof(text), "first in line for a slot of '%.60s': all %u are taken", s->name, s->slots);
        tell_waiting(s, effects, true, text);
}

/* --- claiming ----------------------------------------------------------------------------------- */

static void on_claimed(Semaphore *s, const Event *event, Effects *effects)
{
        Effect *effect;

        s->failures = 0;
        contend_forget(&s->locks);
        contend_rest(&s->leases);
        claim_grant(&s->claim, &s->timing, &event->reply, event->now_usec);
        if (!s->want || s->claim.state == CLAIM_LOST) {
                go_on(s, effects, s->want ? "the answer to the claim came too late" : "not wanted any more");
                return;
        }
        semaphore_ask_enter(s, SEMAPHORE_HELD, effects, "claimed");
        effect = effects_append(effects, EFFECT_HELD);
        effect->held.number = s->slot;
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

/* Nothing was done: what is missing is made, or we choose again. */
static void on_claim_failed(Semaphore *s, const Event *event, Effects *effects)
{
        bool missing = event->reply.outcome == OUTCOME_NO_NODE;

        s->claim_maybe = false;
        if (!s->want) {
                leave(s, effects, "not wanted any more");
                return;
        }
        switch (failed_op(&event->reply)) {
        case 0:
                semaphore_ask_enter(s, SEMAPHORE_QUEUE, effects, "our place in line is gone");
                contend_node_gone(&s->locks, effects);
                (void)contend_leave(&s->leases, effects);
                return;
        case 1:
                semaphore_ask_enter(s, SEMAPHORE_LEASE, effects, "our lease is gone");
                contend_node_gone(&s->leases, effects);
                return;
        case 2:
                semaphore_ask_enter(s, SEMAPHORE_LEASE, effects, missing ? "a parent is missing" : "somebody else was faster");
                if (missing)
                        contend_make_parents(&s->leases, effects);
                else
                        (void)contend_leave(&s->leases, effects); /* then choose again */
                return;
        }
        semaphore_ask_later(s, event->now_usec);
}

/* --- cleaning ----------------------------------------------------------------------------------- */

static void on_cleaned(Semaphore *s, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        if (outcome == OUTCOME_OK) {
                s->claim_maybe = false;
                s->claim.state = CLAIM_NONE;
                if (s->node_lives) { /* the lease went with the claim, the place in line with the claiming */
                        contend_forget(&s->leases);
                        contend_forget(&s->locks);
                }
                go_on(s, effects, "nothing of the claim is left");
        } else if (outcome == OUTCOME_NO_NODE && failed_op(&event->reply) == 2) {
                s->claim.node_gone = true; /* grant and record are ours, the lease was deleted by hand */
                go_on(s, effects, "the lease is gone already");
        } else if (outcome == OUTCOME_NO_NODE) {
                /* Never made, or taken away after a long silence. Our nodes may be there yet. */
                s->claim_maybe = false;
                s->claim.state = CLAIM_NONE;
                contend_look_again(&s->locks, effects);
                (void)contend_leave(&s->leases, effects);
                go_on(s, effects, "nothing of the claim is left");
        } else {
                semaphore_ask_later(s, event->now_usec); /* somebody has put children below; keep trying, slowly */
        }
}

/* --- events ------------------------------------------------------------------------------------- */

static void on_answer(Semaphore *s, const Event *event, Effects *effects)
{
        if ((s->state == SEMAPHORE_RECORDS || s->state == SEMAPHORE_LEASES) && s->locks.state != CONTEND_FRONT) {
                go_on(s, effects, "our place in line was lost");
                return;
        }
        switch (s->state) {
        case SEMAPHORE_RECORDS:
                on_records(s, event, effects);
                break;
        case SEMAPHORE_LEASES:
                on_leases(s, event, effects);
                break;
        case SEMAPHORE_CLAIM:
                if (event->reply.outcome == OUTCOME_OK)
                        on_claimed(s, event, effects);
                else
                        on_claim_failed(s, event, effects);
                break;
        case SEMAPHORE_CLEAN:
                on_cleaned(s, event, effects);
                break;
        case SEMAPHORE_IDLE:
        case SEMAPHORE_QUEUE:
        case SEMAPHORE_FULL:
        case SEMAPHORE_LEASE:
        case SEMAPHORE_HELD:
        case SEMAPHORE_LOST:
        case SEMAPHORE_LEAVE:
        case SEMAPHORE_RELEASED:
        case SEMAPHORE_FAILED:
                break;
        }
}

static void on_refused(Semaphore *s, const Event *event, Effects *effects)
{
        if (s->state == SEMAPHORE_CLEAN) {
                semaphore_ask_later(s, event->now_usec);
                return;
        }
        s->claim_maybe = false;
        if (s->want)
                semaphore_ask_fail(s, effects, event->reply.outcome, s->records);
        else
                leave(s, effects, "not wanted any more");
}

static void on_reply(Semaphore *s, const Event *event, Effects *effects)
{
        if (event->reply.tag != s->tag || !s->under_way)
                return;
        s->under_way = false;
        if (s->state == SEMAPHORE_FAILED)
                return;
        switch (event->reply.outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                on_answer(s, event, effects);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                semaphore_ask_later(s, event->now_usec); /* or on ATTACHED, if that comes first */
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                on_refused(s, event, effects);
                break;
        }
}

static bool is_choosing(const Semaphore *s)
{
        switch (s->state) {
        case SEMAPHORE_QUEUE:
        case SEMAPHORE_RECORDS:
        case SEMAPHORE_LEASES:
        case SEMAPHORE_FULL:
        case SEMAPHORE_LEASE:
                return true;
        case SEMAPHORE_IDLE:
        case SEMAPHORE_CLAIM:
        case SEMAPHORE_HELD:
        case SEMAPHORE_LOST:
        case SEMAPHORE_CLEAN:
        case SEMAPHORE_LEAVE:
        case SEMAPHORE_RELEASED:
        case SEMAPHORE_FAILED:
                return false;
        }
        return false;
}

static bool is_asking(const Semaphore *s)
{
        return is_choosing(s) || s->state == SEMAPHORE_CLAIM || s->state == SEMAPHORE_CLEAN ||
                s->state == SEMAPHORE_LEAVE;
}

/* One lease too many. That may be of another one who believes to have the mutex: if somebody has deleted
 * our place in line, it is for us to take our lease back, or both would wait for ever. */
static void on_behind(Semaphore *s, const Contend *engine, const char *text, Effects *effects)
{
        tell_waiting(s, effects, engine == &s->leases, text);
        if (engine == &s->leases) {
                contend_look_again(&s->locks, effects);
        } else if (s->leases.state != CONTEND_OUT) {
                semaphore_ask_enter(s, SEMAPHORE_QUEUE, effects, "our place in line was lost");
                (void)contend_leave(&s->leases, effects);
        }
}

static void on_news(Semaphore *s, const Contend *engine, enum ContendNews news, Effects *effects)
{
        char text[160], full[240];

        switch (news) {
        case CONTEND_NO_NEWS:
                break;
        case CONTEND_IS_BEHIND:
                contend_describe(engine, text, sizeof(text));
                snprintf(full, sizeof(full), "a slot of '%.40s': %s", s->name, text);
                if (is_choosing(s))
                        on_behind(s, engine, full, effects);
                break;
        case CONTEND_IS_FRONT:
                if (is_choosing(s))
                        go_on(s, effects, engine == &s->locks ? "first in line" : "no more leases than slots");
                break;
        case CONTEND_IS_OUT:
                if (is_choosing(s) || s->state == SEMAPHORE_LEAVE)
                        go_on(s, effects, "a node of ours is gone");
                break;
        case CONTEND_HAS_FAILED:
                if (s->state != SEMAPHORE_FAILED)
                        semaphore_ask_enter(s, SEMAPHORE_FAILED, effects, "refused");
                break;
        }
}

static void on_session_end(Semaphore *s, Effects *effects)
{
        s->attached = s->under_way = s->node_lives = false;
        if (s->state == SEMAPHORE_HELD) {
                claim_lose(&s->claim, "the session has ended");
                semaphore_ask_enter(s, SEMAPHORE_LOST, effects, "the session has ended");
        }
        /* The slot was chosen then; the engine would put the same lease there again. */
        (void)contend_leave(&s->leases, effects);
        if (is_choosing(s) || s->state == SEMAPHORE_LEAVE)
                go_on(s, effects, "the session has ended");
}

static void on_session(Semaphore *s, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                s->attached = true;
                s->under_way = false;
                s->session_id = event->session.id;
                if (is_asking(s))
                        go_on(s, effects, "connected");
                break;
        case SESSION_SUSPENDED:
                s->attached = false;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                on_session_end(s, effects);
                break;
        }
}

static void on_release(Semaphore *s, Effects *effects)
{
        s->want = false;
        switch (s->state) {
        case SEMAPHORE_IDLE:
                released(s, effects);
                break;
        case SEMAPHORE_HELD:
                semaphore_ask_enter(s, SEMAPHORE_CLEAN, effects, "released");
                go_on(s, effects, "released");
                break;
        case SEMAPHORE_QUEUE:
        case SEMAPHORE_RECORDS:
        case SEMAPHORE_LEASES:
        case SEMAPHORE_FULL:
        case SEMAPHORE_LEASE:
        case SEMAPHORE_FAILED:
                leave(s, effects, "not wanted any more");
                break;
        case SEMAPHORE_CLAIM:
        case SEMAPHORE_CLEAN:
                go_on(s, effects, "not wanted any more");
                break;
        case SEMAPHORE_RELEASED: /* asked once more, and answered */
                effects_append(effects, EFFECT_RELEASED);
                break;
        case SEMAPHORE_LOST: /* EVENT_DEAD is still to come */
        case SEMAPHORE_LEAVE:
                break;
        }
}

static void on_dead(Semaphore *s, Effects *effects)
{
        if (s->state != SEMAPHORE_HELD && s->state != SEMAPHORE_LOST)
                return;
        if (s->state == SEMAPHORE_HELD && s->claim.state == CLAIM_HELD)
                return; /* a tree that ended by itself: the hold goes on */
        semaphore_ask_enter(s, SEMAPHORE_CLEAN, effects, s->claim.reason);
        go_on(s, effects, "the tree is dead");
}

static void on_watch(Semaphore *s, const Event *event, Effects *effects)
{
        if (event->watch.tag > 0xffffff)
                return; /* not ours */
        s->stirred = true;
        if (s->state == SEMAPHORE_FULL)
                go_on(s, effects, "something has changed");
}

/* With the tag that it gave; whatever is not for it gets one that it never gave. */
static void offer_to_janitor(Semaphore *s, const Event *event, Effects *effects)
{
        Event copy = *event;
        uint32_t *tag = event->kind == EVENT_REPLY ? &copy.reply.tag : event->kind == EVENT_WATCH ? &copy.watch.tag : NULL;

        if (tag && *tag < SEMAPHORE_JANITOR_TAGS)
                return;
        if (tag)
                *tag -= SEMAPHORE_JANITOR_TAGS;
        if (event->kind != EVENT_START && event->kind != EVENT_RELEASE && event->kind != EVENT_DEAD)
                semaphore_ask_tell_janitor(s, &copy, effects);
}

void semaphore_step(Semaphore *s, const Event *event, Effects *effects)
{
        enum ContendNews locks, leases;

        locks = contend_step(&s->locks, event, effects);
        leases = contend_step(&s->leases, event, effects);
        offer_to_janitor(s, event, effects);
        on_news(s, &s->locks, locks, effects);
        on_news(s, &s->leases, leases, effects);
        switch (event->kind) {
        case EVENT_START:
                s->want = true;
                if (s->state == SEMAPHORE_IDLE || s->state == SEMAPHORE_RELEASED || s->state == SEMAPHORE_LEAVE)
                        go_on(s, effects, "start");
                break;
        case EVENT_REPLY:
                on_reply(s, event, effects);
                break;
        case EVENT_WATCH:
                on_watch(s, event, effects);
                break;
        case EVENT_SESSION:
                on_session(s, event, effects);
                break;
        case EVENT_TIME:
                if (event->now_usec >= s->retry_usec && is_asking(s)) {
                        s->retry_usec = USEC_INFINITY;
                        go_on(s, effects, "again");
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

uint64_t semaphore_step_deadline(const Semaphore *s)
{
        uint64_t own = s->attached && !s->under_way ? s->retry_usec : USEC_INFINITY;

        own = MIN(own, janitor_deadline(&s->janitor));
        return MIN(own, MIN(contend_deadline(&s->locks), contend_deadline(&s->leases)));
}
