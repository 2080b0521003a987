/* The sequence machine, the lease and the janitor, fed with events decoded from bytes: any reply, in
 * any order, with any content. Whatever comes, one machine never has two requests under way, a hold
 * is announced only for a claim that was granted, and a deadline is never later than the newest
 * sending plus D. */
#include <stdio.h>
#include <string.h>
#include "recipe/janitor.h"
#include "recipe/lease.h"
#include "recipe/sequence.h"
#include "util/clock.h"
#include "util/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

typedef struct World {
        const uint8_t *data;
        size_t left;
        uint64_t now;
        Timing timing;
        Sequence sequence;
        Lease lease;
        Janitor janitor;
        uint64_t asked[3], newest_claim_or_renewal; /* when the request under way was sent */
        bool under_way[3], in_lease;
} World;

static uint8_t take(World *w)
{
        if (w->left == 0)
                return 0;
        w->left--;
        return *w->data++;
}

static void note(World *w, int machine, const Effects *effects)
{
        bool asked = false;

        for (size_t i = 0; i < effects->n; i++) {
                const Effect *e = &effects->items[i];

                if (e->kind == EFFECT_REQUEST) {
                        CHECK(!asked && !w->under_way[machine]);
                        asked = w->under_way[machine] = true;
                        w->asked[machine] = w->now;
                        if (machine == 1 || w->sequence.state == SEQUENCE_CLAIM)
                                w->newest_claim_or_renewal = MAX(w->newest_claim_or_renewal, w->now);
                        if (e->request.kind == REQUEST_MULTI)
                                for (size_t k = 0; k < e->request.n_ops; k++)
                                        CHECK(e->request.ops[k].path && e->request.ops[k].path[0] == '/');
                } else if (e->kind == EFFECT_HELD) {
                        CHECK(w->sequence.claim.state == CLAIM_HELD && machine == 0);
                        CHECK(lease_reserve(&w->lease, 1) == 0);
                        lease_add(&w->lease, &w->sequence.claim, w->now);
                        w->in_lease = true;
                } else if (e->kind == EFFECT_LOST) {
                        while (lease_take_lost(&w->lease))
                                w->in_lease = false;
                }
        }
        if (w->sequence.claim.state == CLAIM_HELD)
                CHECK(w->sequence.claim.deadline_usec <= w->newest_claim_or_renewal + w->timing.lease_usec);
}

static void feed(World *w, int machine, Event event)
{
        Effects effects = {0};

        event.now_usec = w->now;
        if (machine == 0)
                sequence_step(&w->sequence, &event, &effects);
        else if (machine == 1)
                lease_step(&w->lease, &event, &effects);
        else
                janitor_step(&w->janitor, &event, &effects);
        note(w, machine, &effects);
}

static void reply(World *w, int machine)
{
        static const char *const names[] = {"1", "2", "3", "t-a-0000000001", "t-b-0000000000", "t-a-0000000004", "x", "01"};
        const char *children[8];
        OpResult results[5] = {0};
        uint8_t shape = take(w), bits = take(w);
        Reply r = {.outcome = (enum Outcome)(shape % (OUTCOME_REFUSED + 1)),
                .sent_usec = w->asked[machine],
                .children = children,
                .results = results,
                .n_results = 5,
                .path = "/z/sequence/p/t-a-0000000001",
                .data = "a-0",
                .data_len = bits % 4};

        if (!w->under_way[machine])
                return;
        r.tag = machine == 0 ? w->sequence.tag : machine == 1 ? w->lease.tag : w->janitor.tag;
        if (shape & 0x80)
                r.tag--; /* an older one */
        else
                w->under_way[machine] = false;
        for (int i = 0; i < 8; i++)
                if (bits & (1 << i))
                        children[r.n_children++] = names[i];
        for (int i = 0; i < 5; i++)
                results[i] = (OpResult){.outcome = i == bits % 6 ? r.outcome : OUTCOME_OK, .stat = {.czxid = 9, .version = 1}};
        if (r.outcome == OUTCOME_OK)
                for (int i = 0; i < 5; i++)
                        results[i].outcome = OUTCOME_OK;
        feed(w, machine, (Event){.kind = EVENT_REPLY, .reply = r});
}

static void session(World *w, enum SessionChange change)
{
        memset(w->under_way, 0, sizeof(w->under_way));
        for (int m = 0; m < 3; m++)
                feed(w, m, (Event){.kind = EVENT_SESSION, .session = {.change = change, .id = 5}});
}

static void tree_dead(World *w, enum EventKind kind)
{
        if (w->in_lease) {
                lease_remove(&w->lease, &w->sequence.claim);
                w->in_lease = false;
                if (kind == EVENT_DEAD)
                        claim_lose(&w->sequence.claim, "fuzz");
        }
        feed(w, 0, (Event){.kind = kind});
        feed(w, 0, (Event){.kind = EVENT_DEAD});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        World *w = calloc(1, sizeof(*w));
        char problem[400];
        SequenceConfig config = {.root = "/z", .pool = "p", .id = "a", .first = 1, .prefer = UINT64_MAX};

        w->data = data;
        w->left = size;
        w->now = 1000 * USEC_PER_SEC;
        CHECK(timing_init(&w->timing, 15 * USEC_PER_SEC, 0, problem, sizeof(problem)) == 0);
        config.max = take(w) % 4;
        config.max = config.max ? config.max : UINT64_MAX - 1;
        config.reuse = take(w) % 2;
        CHECK(sequence_init(&w->sequence, &config) == 0);
        sequence_set_timing(&w->sequence, &w->timing);
        lease_init(&w->lease);
        lease_set_timing(&w->lease, &w->timing);
        janitor_init(&w->janitor, "/z/sequence/p", "/z/record/sequence/p", 1, USEC_PER_SEC);
        while (w->left) {
                uint8_t what = take(w);

                w->now += (uint64_t)(what >> 4) * 100 * USEC_PER_MSEC;
                switch (what & 15) {
                case 0:
                case 1:
                case 2:
                case 3:
                        reply(w, 0);
                        break;
                case 4:
                        reply(w, 1);
                        break;
                case 5:
                        reply(w, 2);
                        break;
                case 6:
                        session(w, SESSION_ATTACHED);
                        break;
                case 7:
                        session(w, SESSION_SUSPENDED);
                        break;
                case 8:
                        session(w, SESSION_EXPIRED);
                        break;
                case 9:
                        tree_dead(w, EVENT_DEAD);
                        break;
                case 10:
                        tree_dead(w, EVENT_RELEASE);
                        break;
                case 11:
                        feed(w, 0, (Event){.kind = EVENT_START});
                        break;
                case 12:
                        w->under_way[2] = false;
                        feed(w, 2, (Event){.kind = EVENT_START});
                        break;
                case 13:
                        feed(w, (int)take(w) % 3, (Event){.kind = EVENT_WATCH, .watch = {.kind = (enum WatchKind)(take(w) % 4), .path = "/z"}});
                        break;
                case 14:
                        w->now += 5 * USEC_PER_SEC;
                        __attribute__((fallthrough));
                default:
                        for (int m = 0; m < 3; m++)
                                feed(w, m, (Event){.kind = EVENT_TIME});
                }
        }
        sequence_deinit(&w->sequence);
        janitor_deinit(&w->janitor);
        lease_deinit(&w->lease);
        free(w);
        return 0;
}
