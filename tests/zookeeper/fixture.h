/* A client on a loop of its own for the tests against real servers: what it was told is kept, and a
 * test waits for what it expects, with a deadline, while the loop runs. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client/client.h"
#include "util/clock.h"
#include "zk-server.h"

#define CHANGES_MAX 4096
#define ANSWERS_MAX 64

typedef struct Change {
        enum SessionChange change;
        int64_t id;
        uint64_t timeout_usec, at_usec;
} Change;

/* One delivery to a reply handler, copied. */
typedef struct Answer {
        bool watch;
        uint32_t tag;
        enum Outcome outcome;
        enum WatchKind kind;
        uint64_t sent_usec, at_usec;
        ZnodeStat stat;
        char path[256], data[256];
        size_t n_children, n_results;
        char children[16][64];
        OpResult results[8];
        char result_paths[8][256];
} Answer;

typedef struct Fixture {
        sd_event *event;
        Client *client;
        Change changes[CHANGES_MAX];
        size_t n_changes;
        Answer answers[ANSWERS_MAX];
        size_t n_answers; /* ever; the last ANSWERS_MAX are kept */
        size_t n_replies, n_outcomes[OUTCOME_REFUSED + 1];
        char no_ensemble[1024], denied[512], denied_path[256];
} Fixture;

/* Time for things to happen, in microseconds, scaled by ZKSUP_TEST_SCALE. */
uint64_t scaled(uint64_t usec);

/* CONFIG's connect string is used as it is. */
void fixture_init(Fixture *f, const ClientConfig *config);
/* The same loop, another client; the record of what was told goes on. */
void fixture_connect(Fixture *f, const ClientConfig *config);
void fixture_deinit(Fixture *f);

/* Runs the loop until CONDITION, or fails the test after USEC (scaled). */
#define fixture_wait(f, condition, usec)                                                                     \
        do {                                                                                                 \
                uint64_t until_ = clock_boottime_usec() + scaled(usec);                                      \
                while (!(condition)) {                                                                       \
                        if (clock_boottime_usec() > until_)                                                  \
                                fail_msg("not within %llu ms: %s", (unsigned long long)(usec) / 1000,        \
                                        #condition);                                                         \
                        fixture_run(f, 10000);                                                               \
                }                                                                                            \
        } while (0)
/* One round of the loop, at most USEC long. */
void fixture_run(Fixture *f, uint64_t usec);
/* Runs the loop for so long: for what must not happen. */
void fixture_idle(Fixture *f, uint64_t usec);

void fixture_wait_attached(Fixture *f);
/* Closes, waits for SESSION_CLOSED and frees. */
void fixture_close(Fixture *f);

/* Submits and waits for the reply. */
const Answer *fixture_ask(Fixture *f, const Request *request);
void fixture_on_answer(void *userdata, const Event *event);
size_t fixture_count(const Fixture *f, enum SessionChange change);
/* The last delivery of a watch with this tag, or NULL. */
const Answer *fixture_find_watch(const Fixture *f, uint32_t tag);
/* Open descriptors of this process. */
size_t count_fds(void);
