/* One linearizable server without time or network, for transcripts of recipe machines: a request is
 * applied when the test says so, and its reply delivered, or lost, when the test says so. The znode
 * tree is the simulator's. */
#pragma once

#include "recipe/effect.h"
#include "sim/tree.h"

#define FAKE_WATCHES_MAX 512

typedef struct FakeWatch {
        int64_t session;
        void *owner;
        uint32_t tag;
        bool children;
        enum WatchKind kind; /* once fired */
        char path[256];
} FakeWatch;

typedef struct Fake {
        Simulation simulation;
        Tree tree;
        int64_t zxid;
        unsigned requests;
        FakeWatch watches[FAKE_WATCHES_MAX];
        size_t n_watches;
} Fake;

void fake_init(Fake *fake);
void fake_deinit(Fake *fake);
/* Applies REQUEST for SESSION and gives the reply; what it points to lives until fake_deinit(). */
Reply fake_apply(Fake *fake, int64_t session, void *owner, const Request *request);
/* The next watch that has fired: true, and removed. */
bool fake_take_fired(Fake *fake, FakeWatch *watch);
void fake_end_session(Fake *fake, int64_t session);
void fake_create(Fake *fake, int64_t session, const char *path, enum CreateMode mode);
void fake_delete(Fake *fake, const char *path);
bool fake_has(const Fake *fake, const char *path);
