/* What flows out of a recipe machine: requests to the ensemble and facts for the layer above.
 * Strings and operations that a request points to belong to the machine and stay valid until the
 * next step of it; whoever performs the effects does so before. */
#pragma once

#include <assert.h>
#include "recipe/event.h"

enum RequestKind {
        REQUEST_CREATE,   /* path, data, create */
        REQUEST_DELETE,   /* path, version */
        REQUEST_SET,      /* path, data, version */
        REQUEST_GET,      /* path, watch */
        REQUEST_EXISTS,   /* path, watch; on NO_NODE the watch is for its creation */
        REQUEST_CHILDREN, /* path, watch */
        REQUEST_MULTI,    /* ops, n_ops */
        REQUEST_SYNC,     /* path */
};

#define VERSION_ANY (-1)

enum CreateMode {
        CREATE_PERSISTENT,
        CREATE_EPHEMERAL,
        CREATE_EPHEMERAL_SEQUENTIAL,
        CREATE_CONTAINER, /* the server deletes it some time after its last child */
};

enum OpKind {
        OP_CREATE,
        OP_DELETE,
        OP_SET,
        OP_CHECK,
};

typedef struct Op {
        enum OpKind kind;
        enum CreateMode mode;
        int32_t version; /* OP_DELETE, OP_SET, OP_CHECK */
        const char *path;
        const void *data;
        size_t data_len;
} Op;

typedef struct Request {
        enum RequestKind kind;
        enum CreateMode mode;
        bool watch;
        int32_t version;
        uint32_t tag; /* comes back with the reply and with the watch */
        const char *path;
        const void *data;
        size_t data_len;
        const Op *ops;
        size_t n_ops;
} Request;

enum EffectKind {
        EFFECT_REQUEST,  /* .request */
        EFFECT_WAITING,  /* .waiting: not ours yet, and why; for people */
        EFFECT_HELD,     /* .held: ours; a tree may run until .deadline_usec */
        EFFECT_EXTENDED, /* .held.deadline_usec: the lease was renewed */
        EFFECT_LOST,     /* .lost: no longer ours, or not provably so: the tree must be stopped. The
                            machine waits for EVENT_DEAD before it asks again */
        EFFECT_YIELD,    /* .yield: still ours, but somebody with a better right waits: stop the tree, then
                            EVENT_RELEASE and, to stand in line again, EVENT_START */
        EFFECT_RELEASED, /* nothing of ours is left in the ensemble, or nothing that can be known of */
        EFFECT_FAILED,   /* .failed: refused for good (ACL, a request that can never work) */
        EFFECT_TRACE,    /* .trace: one transition, "old -> new (cause)" */
};

typedef struct Effect {
        enum EffectKind kind;
        union {
                Request request;
                struct {
                        uint64_t number;        /* the number, 0 where there is none */
                        int64_t token;          /* fencing token: czxid of the record */
                        uint64_t deadline_usec; /* CLOCK_BOOTTIME */
                } held;
                struct {
                        char text[160];
                        bool first; /* WAITING: nobody is before us in line */
                } waiting, lost, yield, trace;
                struct {
                        enum Outcome outcome;
                        char text[240]; /* with the path */
                } failed;
        };
} Effect;

/* No step appends more than this; a machine that could is wrong, and the assertion says so. */
#define EFFECTS_MAX 16

typedef struct Effects {
        Effect items[EFFECTS_MAX];
        size_t n;
} Effects;

static inline Effect *effects_append(Effects *effects, enum EffectKind kind)
{
        Effect *effect;

        assert(effects->n < EFFECTS_MAX);
        effect = &effects->items[effects->n++];
        *effect = (Effect){.kind = kind};
        return effect;
}

static inline Request *effects_request(Effects *effects, enum RequestKind kind, uint32_t tag, const char *path)
{
        Request *request = &effects_append(effects, EFFECT_REQUEST)->request;

        *request = (Request){.kind = kind, .tag = tag, .path = path, .version = VERSION_ANY};
        return request;
}
