#include "recipe/lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

/* Less than half of what a server takes by default (jute.maxbuffer, 1 MB), about 400 claims. */
#define BATCH_BYTES 200000
#define OP_BYTES 128 /* of one operation, besides path and data */
#define BATCH_MIN 8

void lease_init(Lease *lease)
{
        *lease = (Lease){.next_usec = USEC_INFINITY, .stop_usec = USEC_INFINITY, .batch = SIZE_MAX};
}

void lease_deinit(Lease *lease)
{
        free(lease->claims);
        free(lease->sent);
        free(lease->lost);
        free(lease->ops);
        lease_init(lease);
}

static void find_stop(Lease *lease)
{
        lease->stop_usec = USEC_INFINITY;
        for (size_t i = 0; i < lease->n_claims; i++)
                lease->stop_usec = MIN(lease->stop_usec, claim_stop_usec(lease->claims[i], &lease->timing));
}

void lease_set_timing(Lease *lease, const Timing *timing)
{
        lease->timing = *timing;
        find_stop(lease);
}

int lease_reserve(Lease *lease, size_t claims)
{
        size_t room = MAX(lease->room * 2, (size_t)4);
        struct {
                Claim ***array;
        } arrays[] = {{&lease->claims}, {&lease->sent}, {&lease->lost}};
        Op *ops;

        if (claims <= lease->room)
                return 0;
        room = MAX(room, claims);
        for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
                Claim **bigger = reallocarray(*arrays[i].array, room, sizeof(Claim *));

                if (!bigger)
                        return -ENOMEM;
                *arrays[i].array = bigger;
        }
        /* The operations may be under way, but whoever performs a request has copied them. */
        ops = reallocarray(lease->ops, 2 * room, sizeof(Op));
        if (!ops)
                return -ENOMEM;
        lease->ops = ops;
        lease->room = room;
        return 0;
}

void lease_add(Lease *lease, Claim *claim, uint64_t now_usec)
{
        assert(lease->n_claims < lease->room);
        assert(claim->state == CLAIM_HELD);
        claim->round = lease->round;
        lease->claims[lease->n_claims++] = claim;
        lease->stop_usec = MIN(lease->stop_usec, claim_stop_usec(claim, &lease->timing));
        /* The claim counts as the first renewal, so the first hold is in no hurry. */
        if (lease->n_claims == 1 && !lease->under_way)
                lease->next_usec = now_usec + lease->timing.renew_usec;
}

static void remove_from(Claim **array, size_t *n, const Claim *claim)
{
        for (size_t i = 0; i < *n; i++)
                if (array[i] == claim) {
                        array[i] = array[--*n];
                        return;
                }
}

void lease_remove(Lease *lease, Claim *claim)
{
        remove_from(lease->claims, &lease->n_claims, claim);
        if (lease->n_claims == 0)
                lease->stop_usec = USEC_INFINITY;
        remove_from(lease->lost, &lease->n_lost, claim);
        for (size_t i = 0; i < lease->n_sent; i++)
                if (lease->sent[i] == claim)
                        lease->sent[i] = NULL;
}

Claim *lease_take_lost(Lease *lease)
{
        return lease->n_lost ? lease->lost[--lease->n_lost] : NULL;
}

static void lose(Lease *lease, Claim *claim, const char *reason)
{
        claim_lose(claim, reason);
        lease_remove(lease, claim);
        lease->lost[lease->n_lost++] = claim;
}

/* Those whose stop time has come, and those that claim_extend() found to be too late. */
static void lose_overdue(Lease *lease, uint64_t now_usec)
{
        for (size_t i = lease->n_claims; i-- > 0;) {
                Claim *claim = lease->claims[i];

                if (CLAIM_MUTANT(MUTANT_REVIVE))
                        continue;
                if (claim->state == CLAIM_LOST || now_usec >= claim_stop_usec(claim, &lease->timing))
                        lose(lease, claim, "no renewal was acknowledged in time");
        }
        find_stop(lease);
}

static void lose_all(Lease *lease, const char *reason)
{
        while (lease->n_claims)
                lose(lease, lease->claims[0], reason);
}

static size_t size_of(const Claim *claim)
{
        return strlen(claim->node) + strlen(claim->grant) + claim->data_len + 2 * OP_BYTES;
}

static void add_to_batch(Lease *lease, Claim *claim)
{
        size_t n = 2 * lease->n_sent;

        lease->ops[n] = (Op){.kind = OP_CHECK, .path = claim->node, .version = VERSION_ANY};
        lease->ops[n + 1] = (Op){.kind = OP_SET,
                .path = claim->grant,
                .version = VERSION_ANY,
                .data = claim->data,
                .data_len = claim->data_len};
        lease->sent[lease->n_sent++] = claim;
        claim->round = lease->round;
}

/* Of those that are due in this round, as many as go into one request. */
static void fill_batch(Lease *lease)
{
        size_t bytes = 0;

        lease->in_round = false;
        for (size_t i = 0; i < lease->n_claims; i++) {
                Claim *claim = lease->claims[i];

                if (claim->round == lease->round)
                        continue;
                bytes += size_of(claim);
                if (lease->n_sent > 0 && (lease->n_sent == lease->batch || bytes > BATCH_BYTES)) {
                        lease->in_round = true;
                        return;
                }
                add_to_batch(lease, claim);
        }
}

static void renew(Lease *lease, uint64_t now_usec, Effects *effects)
{
        Request *request;

        lease->n_sent = 0;
        if (lease->in_round)
                fill_batch(lease); /* finds nothing if those that were left were removed meanwhile */
        if (lease->n_sent == 0 && now_usec >= lease->next_usec) {
                lease->round++;
                lease->next_usec = now_usec + lease->timing.renew_usec;
                fill_batch(lease);
        }
        if (lease->n_sent == 0)
                return;
        lease->tag++;
        lease->under_way = true;
        request = effects_request(effects,
                CLAIM_MUTANT(MUTANT_READ_LEASE) ? REQUEST_EXISTS : REQUEST_MULTI, lease->tag,
                lease->sent[0]->node);
        request->ops = lease->ops;
        request->n_ops = 2 * lease->n_sent;
}

/* The claim at which the multi failed; the others were rolled back with it. */
static void on_check_failed(Lease *lease, const Reply *reply)
{
        char reason[sizeof((Claim){0}.reason)];

        for (size_t i = 0; i < reply->n_results && i < 2 * lease->n_sent; i++) {
                Claim *claim = lease->sent[i / 2];

                if (reply->results[i].outcome == OUTCOME_OK || reply->results[i].outcome == OUTCOME_ROLLED_BACK)
                        continue;
                if (!claim)
                        return;
                if (i % 2 == 0 && reply->results[i].outcome == OUTCOME_NO_NODE)
                        claim->node_gone = true;
                snprintf(reason, sizeof(reason), "%s of ours: %s", i % 2 == 0 ? "the znode" : "the record",
                        outcome_to_string(reply->results[i].outcome));
                lose(lease, claim, reason);
                return;
        }
        /* A failure that names no operation (too large, throttled) is no renewal, and that is all. */
}

static void on_renewed(Lease *lease, const Reply *reply, uint64_t now_usec, Effects *effects)
{
        for (size_t i = 0; i < lease->n_sent; i++) {
                Claim *claim = lease->sent[i];

                if (!claim)
                        continue;
                claim_extend(claim, &lease->timing, reply->sent_usec, now_usec);
        }
        effects_append(effects, EFFECT_EXTENDED);
        lease->batch = lease->batch > SIZE_MAX / 2 ? SIZE_MAX : 2 * lease->batch;
}

/* One was lost, and the others of its batch are renewed without it, at once. */
static void send_batch_again(Lease *lease)
{
        for (size_t i = 0; i < lease->n_sent; i++)
                if (lease->sent[i])
                        lease->sent[i]->round = lease->round - 1;
        lease->batch = MAX(lease->n_sent / 2, (size_t)BATCH_MIN);
        lease->in_round = true;
}

static void on_reply(Lease *lease, const Event *event, Effects *effects)
{
        if (event->reply.tag != lease->tag || !lease->under_way)
                return;
        lease->under_way = false;
        switch (event->reply.outcome) {
        case OUTCOME_OK:
                on_renewed(lease, &event->reply, event->now_usec, effects);
                break;
        case OUTCOME_UNKNOWN:
                /* Not a renewal, not a failure; the next one is due as it was, or on ATTACHED. */
                lease->in_round = false;
                break;
        case OUTCOME_EXPIRED:
                lose_all(lease, "the session has expired");
                break;
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_DENIED:
        case OUTCOME_ROLLED_BACK:
        case OUTCOME_REFUSED:
                on_check_failed(lease, &event->reply);
                if (lease->n_lost)
                        send_batch_again(lease);
                break;
        }
        lease->n_sent = 0;
}

static void on_session(Lease *lease, const Event *event)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                lease->attached = true;
                lease->under_way = lease->in_round = false;
                lease->next_usec = event->now_usec; /* after a silence: as soon as may be */
                break;
        case SESSION_SUSPENDED:
                lease->attached = false;
                lease->under_way = lease->in_round = false;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                lease->attached = false;
                lease->under_way = lease->in_round = false;
                lose_all(lease, event->session.change == SESSION_EXPIRED ? "the session has expired" :
                                                                           "the session was closed");
                break;
        }
}

void lease_step(Lease *lease, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_REPLY:
                on_reply(lease, event, effects);
                break;
        case EVENT_SESSION:
                on_session(lease, event);
                break;
        case EVENT_TIME:
        case EVENT_START:
        case EVENT_WATCH:
        case EVENT_DEAD:
        case EVENT_RELEASE:
                break;
        }
        lose_overdue(lease, event->now_usec);
        if (lease->attached && !lease->under_way && lease->n_claims &&
                (lease->in_round || event->now_usec >= lease->next_usec))
                renew(lease, event->now_usec, effects);
        if (lease->n_lost)
                effects_append(effects, EFFECT_LOST);
}

uint64_t lease_deadline(const Lease *lease)
{
        uint64_t when = USEC_INFINITY;

        if (!lease->n_claims)
                return when;
        if (lease->attached && !lease->under_way)
                when = lease->next_usec;
        return MIN(when, lease->stop_usec);
}
