#include "sim/tree.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What has to be put back when a later operation of the multi fails. */
typedef struct Undo {
        enum OpKind kind;
        Znode *node, *parent;
        Znode saved, parent_saved;
} Undo;

static uint32_t hash_path(const char *path)
{
        uint32_t hash = 2166136261u; /* FNV-1a */

        for (; *path; path++)
                hash = (hash ^ (uint8_t)*path) * 16777619u;
        return hash;
}

Znode *tree_find(const Tree *tree, const char *path)
{
        uint32_t hash = hash_path(path);
        Znode *node = tree->buckets[hash % TREE_BUCKETS];

        while (node && (node->hash != hash || strcmp(node->path, path) != 0))
                node = node->bucket_next;
        return node;
}

static void link_node(Tree *tree, Znode *node)
{
        Znode **bucket = &tree->buckets[node->hash % TREE_BUCKETS];
        Znode *parent = node->parent;

        node->bucket_next = *bucket;
        *bucket = node;
        if (!parent)
                return;
        node->prev = NULL;
        node->next = parent->children;
        if (node->next)
                node->next->prev = node;
        parent->children = node;
        parent->stat.num_children++;
}

static void unlink_node(Tree *tree, Znode *node)
{
        Znode **at = &tree->buckets[node->hash % TREE_BUCKETS];

        while (*at != node)
                at = &(*at)->bucket_next;
        *at = node->bucket_next;
        if (node->next)
                node->next->prev = node->prev;
        if (node->prev)
                node->prev->next = node->next;
        else
                node->parent->children = node->next;
        node->parent->stat.num_children--;
}

static void count_children(Znode *parent, int64_t zxid)
{
        parent->stat.pzxid = zxid;
        /* What Stat shows counts creations and deletions. */
        parent->stat.cversion = 2 * parent->n_created - parent->stat.num_children;
}

static void note(Tree *tree, enum WatchKind kind, const char *path)
{
        assert(tree->n_changes < TREE_CHANGES_MAX);
        tree->changes[tree->n_changes++] = (TreeChange){kind, path};
}

static Znode *make_node(Tree *tree, const char *path, const void *data, size_t len)
{
        Znode *node = simulation_allocate(tree->simulation, sizeof(*node));

        node->path = path;
        node->hash = hash_path(path);
        node->data = data;
        node->stat.data_length = (int32_t)len;
        return node;
}

void tree_init(Tree *tree, Simulation *simulation)
{
        memset(tree, 0, offsetof(Tree, changes));
        tree->n_changes = 0;
        tree->simulation = simulation;
        tree->root = make_node(tree, "/", NULL, 0);
        link_node(tree, tree->root);
}

static Znode *find_parent(Tree *tree, const char *path)
{
        char parent[1024];
        const char *slash = strrchr(path, '/');
        size_t len = (size_t)(slash - path);

        assert(path[0] == '/' && len < sizeof(parent));
        if (len == 0)
                return tree->root;
        memcpy(parent, path, len);
        parent[len] = '\0';
        return tree_find(tree, parent);
}

static enum Outcome apply_create(
        Tree *tree, int64_t zxid, int64_t session, const Op *op, OpResult *result, Undo *undo)
{
        Znode *parent = find_parent(tree, op->path), *node;
        const char *path = op->path;
        bool is_ephemeral = op->mode == CREATE_EPHEMERAL || op->mode == CREATE_EPHEMERAL_SEQUENTIAL;

        if (!parent)
                return OUTCOME_NO_NODE;
        if (parent->stat.ephemeral_owner != 0)
                return OUTCOME_NO_CHILDREN;
        if (op->mode == CREATE_EPHEMERAL_SEQUENTIAL) {
                char name[1024];

                snprintf(name, sizeof(name), "%s%010d", op->path, parent->n_created);
                path = simulation_copy_string(tree->simulation, name);
        }
        if (tree_find(tree, path))
                return OUTCOME_NODE_EXISTS;
        node = make_node(tree, path, op->data, op->data_len);
        node->parent = parent;
        node->is_container = op->mode == CREATE_CONTAINER;
        node->stat.czxid = node->stat.mzxid = node->stat.pzxid = zxid;
        node->stat.ephemeral_owner = is_ephemeral ? session : 0;
        *undo = (Undo){.kind = OP_CREATE, .node = node, .parent = parent, .parent_saved = *parent};
        link_node(tree, node);
        parent->n_created++;
        count_children(parent, zxid);
        note(tree, WATCH_CREATED, path);
        note(tree, WATCH_CHILDREN, parent->path);
        result->path = path;
        result->stat = node->stat;
        return OUTCOME_OK;
}

static void delete_node(Tree *tree, int64_t zxid, Znode *node)
{
        unlink_node(tree, node);
        count_children(node->parent, zxid);
        note(tree, WATCH_DELETED, node->path);
        note(tree, WATCH_CHILDREN, node->parent->path);
}

static enum Outcome apply_delete(Tree *tree, int64_t zxid, const Op *op, Undo *undo)
{
        Znode *node = tree_find(tree, op->path);

        if (!node)
                return OUTCOME_NO_NODE;
        if (node == tree->root)
                return OUTCOME_REFUSED;
        if (op->version != VERSION_ANY && op->version != node->stat.version)
                return OUTCOME_BAD_VERSION;
        if (node->children)
                return OUTCOME_NOT_EMPTY;
        *undo = (Undo){
                .kind = OP_DELETE, .node = node, .parent = node->parent, .parent_saved = *node->parent};
        delete_node(tree, zxid, node);
        return OUTCOME_OK;
}

static enum Outcome apply_set(Tree *tree, int64_t zxid, const Op *op, OpResult *result, Undo *undo)
{
        Znode *node = tree_find(tree, op->path);

        if (!node)
                return OUTCOME_NO_NODE;
        if (op->version != VERSION_ANY && op->version != node->stat.version)
                return OUTCOME_BAD_VERSION;
        *undo = (Undo){.kind = OP_SET, .node = node, .saved = *node};
        node->data = op->data;
        node->stat.data_length = (int32_t)op->data_len;
        node->stat.version++;
        node->stat.mzxid = zxid;
        note(tree, WATCH_CHANGED, node->path);
        result->stat = node->stat;
        return OUTCOME_OK;
}

static enum Outcome apply_check(Tree *tree, const Op *op)
{
        const Znode *node = tree_find(tree, op->path);

        if (!node)
                return OUTCOME_NO_NODE;
        return op->version != VERSION_ANY && op->version != node->stat.version ? OUTCOME_BAD_VERSION
                                                                               : OUTCOME_OK;
}

static enum Outcome apply(
        Tree *tree, int64_t zxid, int64_t session, const Op *op, OpResult *result, Undo *undo)
{
        *result = (OpResult){0};
        undo->node = NULL;
        switch (op->kind) {
        case OP_CREATE:
                return apply_create(tree, zxid, session, op, result, undo);
        case OP_DELETE:
                return apply_delete(tree, zxid, op, undo);
        case OP_SET:
                return apply_set(tree, zxid, op, result, undo);
        case OP_CHECK:
                return apply_check(tree, op);
        }
        return OUTCOME_REFUSED;
}

static void restore_counts(Znode *parent, const Znode *saved)
{
        parent->n_created = saved->n_created;
        parent->stat = saved->stat;
}

static void undo_one(Tree *tree, const Undo *undo)
{
        if (!undo->node)
                return;
        switch (undo->kind) {
        case OP_CREATE:
                unlink_node(tree, undo->node);
                restore_counts(undo->parent, &undo->parent_saved);
                break;
        case OP_DELETE:
                link_node(tree, undo->node);
                restore_counts(undo->parent, &undo->parent_saved);
                break;
        case OP_SET:
                undo->node->data = undo->saved.data;
                undo->node->stat = undo->saved.stat;
                break;
        case OP_CHECK:
                break;
        }
}

enum Outcome tree_write(Tree *tree, int64_t zxid, int64_t session, const Op *ops, size_t n, OpResult *results)
{
        static Undo undo[TREE_OPS_MAX];
        enum Outcome outcome = OUTCOME_OK;
        size_t done = 0;

        assert(n <= TREE_OPS_MAX);
        tree->n_changes = 0;
        while (done < n) {
                outcome = apply(tree, zxid, session, &ops[done], &results[done], &undo[done]);
                if (outcome != OUTCOME_OK)
                        break;
                done++;
        }
        if (outcome == OUTCOME_OK)
                return OUTCOME_OK;
        for (size_t i = 0; i < n; i++)
                results[i] = (OpResult){.outcome = i == done ? outcome : OUTCOME_ROLLED_BACK};
        while (done-- > 0)
                undo_one(tree, &undo[done]);
        tree->n_changes = 0;
        return outcome;
}

static Znode *find_ephemeral(Znode *node, int64_t session)
{
        for (Znode *child = node->children; child; child = child->next) {
                Znode *found =
                        child->stat.ephemeral_owner == session ? child : find_ephemeral(child, session);

                if (found)
                        return found;
        }
        return NULL;
}

void tree_end_session(Tree *tree, int64_t zxid, int64_t session)
{
        Znode *node;

        tree->n_changes = 0;
        while ((node = find_ephemeral(tree->root, session)))
                delete_node(tree, zxid, node);
}

static bool is_reapable(const Znode *node)
{
        return node->is_container && !node->children && node->n_created > 0;
}

void tree_reap_container(Tree *tree, int64_t zxid, const char *path)
{
        Znode *node = tree_find(tree, path);

        tree->n_changes = 0;
        if (node && is_reapable(node))
                delete_node(tree, zxid, node);
}

const Znode *tree_find_empty_container(const Tree *tree)
{
        for (size_t i = 0; i < TREE_BUCKETS; i++)
                for (const Znode *node = tree->buckets[i]; node; node = node->bucket_next)
                        if (is_reapable(node))
                                return node;
        return NULL;
}
