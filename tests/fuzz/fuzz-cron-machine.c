/* The cron machine, fed with events decoded from bytes: any reply, in any order, with any content. Whatever
 * comes, it has one request under way at most, announces a hold only for a claim that was granted, and what it
 * writes is a book that can be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "recipe/cron.h"
#include "util/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

#define WALL 1000000000ULL

typedef struct World {
        const uint8_t *data;
        size_t left;
        uint64_t now;
        int64_t ahead;
        Cron cron;
        bool under_way, granted;
        Request request;
        char book[CRON_BOOK_TEXT_MAX]; /* what was written last */
        size_t book_len;
        char grant[CRON_ID_MAX];
        int32_t version;
} World;

static uint8_t take(World *w)
{
        if (w->left == 0)
                return 0;
        w->left--;
        return *w->data++;
}

/* What is written is a book; it may be what is read later. */
static void keep_book(World *w, const void *data, size_t len)
{
        char problem[160];
        CronBook book;

        CHECK(cron_book_parse(&book, data, len, problem, sizeof(problem)) == 0);
        memcpy(w->book, data, len);
        w->book_len = len;
}

static void on_request(World *w, const Request *request)
{
        CHECK(!w->under_way);
        w->under_way = true;
        w->request = *request;
        CHECK(request->path && request->path[0] == '/');
        if ((request->kind == REQUEST_SET || request->kind == REQUEST_CREATE) && request->data)
                keep_book(w, request->data, request->data_len);
        if (request->kind != REQUEST_MULTI)
                return;
        CHECK(request->n_ops >= 1 && request->n_ops <= 5);
        if (request->ops[0].kind == OP_SET)
                keep_book(w, request->ops[0].data, request->ops[0].data_len);
        snprintf(w->grant, sizeof(w->grant), "%s", w->cron.run_id);
}

static void feed(World *w, Event event)
{
        Effects effects;

        effects.n = 0;
        event.now_usec = w->now;
        cron_set_clock(&w->cron, (int64_t)(WALL * USEC_PER_SEC) + w->ahead);
        cron_step(&w->cron, &event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                if (effects.items[i].kind == EFFECT_REQUEST)
                        on_request(w, &effects.items[i].request);
                if (effects.items[i].kind == EFFECT_HELD)
                        CHECK(w->granted && w->cron.claim.state == CLAIM_HELD);
        }
        CHECK(!w->under_way || cron_deadline(&w->cron) == USEC_INFINITY || w->cron.phase == CRON_HELD);
}

static void fill_multi(World *w, Reply *reply, OpResult results[5])
{
        size_t failed = take(w) % 5;

        for (size_t i = 0; i < w->request.n_ops; i++)
                results[i] = (OpResult){.outcome = reply->outcome == OUTCOME_OK ? OUTCOME_OK : OUTCOME_ROLLED_BACK,
                        .stat = {.version = ++w->version, .czxid = 7}};
        if (reply->outcome != OUTCOME_OK && failed < w->request.n_ops)
                results[failed].outcome = reply->outcome;
        reply->results = results;
        reply->n_results = w->request.n_ops;
        w->granted = reply->outcome == OUTCOME_OK && w->request.n_ops == 5;
}

static void answer(World *w)
{
        static const char *const texts[] = {"", "zksup-cron 1\nsince 5\nlast 5\n",
                "zksup-cron 1\nsince 999999990\nlast 999999990\nrunning 999999990 1 - - other h\n",
                "zksup-cron 1\nsince 999999990\nlast 999999990\nqueued 999999990\n", "other",
                "zksup-record 1\nstate HELD\nlease-us 1000000\n", "zksup-record 1\nstate WEDGED\nlease-us 5\n", "a/b"};
        uint8_t what = take(w), text = take(w) % (sizeof(texts) / sizeof(texts[0]) + 3);
        Reply reply = {.tag = w->request.tag, .outcome = OUTCOME_OK, .sent_usec = w->now};
        OpResult results[5];

        if (!w->under_way)
                return;
        w->under_way = w->granted = false;
        if (what >= 128)
                reply.outcome = (enum Outcome)(what % (OUTCOME_REFUSED + 1));
        reply.stat = (ZnodeStat){.version = w->version, .ephemeral_owner = take(w) & 1 ? 7 : 8};
        if (text < 8) {
                reply.data = texts[text];
                reply.data_len = strlen(texts[text]);
        } else {
                reply.data = text == 8 ? w->grant : w->book;
                reply.data_len = text == 8 ? strlen(w->grant) : w->book_len;
        }
        if (w->request.kind == REQUEST_MULTI && reply.outcome != OUTCOME_UNKNOWN && reply.outcome != OUTCOME_EXPIRED)
                fill_multi(w, &reply, results);
        feed(w, (Event){.kind = EVENT_REPLY, .reply = reply});
}

static void change_session(World *w, uint8_t what)
{
        enum SessionChange change = (enum SessionChange)(what % (SESSION_CLOSED + 1));

        if (change != SESSION_ATTACHED || w->under_way)
                w->under_way = false; /* the client answers no more */
        feed(w, (Event){.kind = EVENT_SESSION, .session = {.change = change, .id = 7}});
}

static void one(World *w)
{
        uint8_t what = take(w);

        w->now += (uint64_t)take(w) * 40 * USEC_PER_MSEC;
        switch (what % 12) {
        case 0:
                change_session(w, take(w));
                break;
        case 1:
                feed(w, (Event){.kind = EVENT_START});
                break;
        case 2:
                feed(w, (Event){.kind = EVENT_RELEASE});
                break;
        case 3:
                feed(w, (Event){.kind = EVENT_DEAD});
                break;
        case 4:
                feed(w, (Event){.kind = EVENT_WATCH});
                break;
        case 5:
                cron_ended(&w->cron, take(w));
                break;
        case 6:
                if (w->cron.claim.state == CLAIM_HELD)
                        claim_lose(&w->cron.claim, "so");
                break;
        case 7:
                w->ahead += ((int64_t)take(w) - 100) * (int64_t)USEC_PER_SEC / 4;
                break;
        case 8:
        case 9:
                feed(w, (Event){.kind = EVENT_TIME});
                break;
        case 10:
        case 11:
                answer(w);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static CronSchedule schedule;
        static Zone *zone;
        World *w = calloc(1, sizeof(*w));
        CronConfig config = {
                .root = "/z", .name = "job", .id = "id", .timeout_usec = 20 * USEC_PER_SEC, .text.host = "here"};
        Timing timing;
        char problem[512];

        if (!zone && (zone_new(&zone, "UTC", problem, sizeof(problem)) < 0 ||
                             cron_schedule_parse(&schedule, "@every 5s", problem, sizeof(problem)) < 0))
                abort();
        *w = (World){.data = data, .left = size, .now = USEC_PER_SEC};
        config.rules = (CronRules){.schedule = &schedule,
                .zone = zone,
                .overlap = (enum CronOverlap)(take(w) % 3),
                .late_usec = take(w) & 1 ? CRON_LATE_DEFAULT : USEC_INFINITY};
        config.tick_now = take(w) % 4 == 3;
        CHECK(timing_init(&timing, 15 * USEC_PER_SEC, 0, problem, sizeof(problem)) == 0);
        CHECK(cron_init(&w->cron, &config) == 0);
        cron_set_timing(&w->cron, &timing);
        feed(w, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = 7}});
        feed(w, (Event){.kind = EVENT_START});
        while (w->left)
                one(w);
        cron_deinit(&w->cron);
        free(w);
        return 0;
}
