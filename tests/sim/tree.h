/* The znode tree of one server, as far as the recipes use it: versions, czxid/mzxid/pzxid, cversion,
 * ephemeral owners, sequence counters, containers, atomic multis.
 *
 * Deterministic: the same writes in the same order give the same tree and the same results on every
 * server, which is what lets the ensemble replicate the requests themselves. Memory comes from the
 * simulation and is never given back before its reset; strings are shared between servers and never
 * changed. */
#pragma once

#include "recipe/effect.h"
#include "sim/simulation.h"

#define TREE_BUCKETS 64
#define TREE_OPS_MAX 64
#define TREE_CHANGES_MAX (3 * TREE_OPS_MAX)

typedef struct Znode Znode;
struct Znode {
        Znode *bucket_next;
        Znode *parent, *children, *next, *prev;
        uint32_t hash;
        const char *path;
        const void *data;
        int32_t n_created; /* children ever created: the sequence counter */
        bool is_container;
        ZnodeStat stat;
};

/* What a watch may be waiting for. */
typedef struct TreeChange {
        enum WatchKind kind;
        const char *path;
} TreeChange;

typedef struct Tree {
        Simulation *simulation;
        Znode *buckets[TREE_BUCKETS];
        Znode *root;
        TreeChange changes[TREE_CHANGES_MAX]; /* by the last successful write, in order */
        size_t n_changes;
} Tree;

void tree_init(Tree *tree, Simulation *simulation);
Znode *tree_find(const Tree *tree, const char *path);

/* Applies OPS in order, all or none, for SESSION. RESULTS has room for N. Returns OK, or the outcome
 * of the operation that failed; the others are then ROLLED_BACK. */
enum Outcome tree_write(
        Tree *tree, int64_t zxid, int64_t session, const Op *ops, size_t n, OpResult *results);
/* Deletes the ephemerals of SESSION. */
void tree_end_session(Tree *tree, int64_t zxid, int64_t session);
/* Deletes an empty container that once had a child; nothing else. */
void tree_reap_container(Tree *tree, int64_t zxid, const char *path);
/* The first container that may be reaped, or NULL. */
const Znode *tree_find_empty_container(const Tree *tree);
