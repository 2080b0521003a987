#include "recipe/parents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Steps below n are single paths: a leaf at first, anything when everything is made one by one. */
#define STEP_ALL PARENTS_MAX /* all that are no leaves, in one multi */

void parents_init(Parents *p)
{
        *p = (Parents){0};
}

void parents_deinit(Parents *p)
{
        for (size_t i = 0; i < p->n; i++)
                free((char *)p->ops[i].path);
        free(p->ops);
        parents_init(p);
}

static bool has(const Parents *p, const char *path, size_t len)
{
        for (size_t i = 0; i < p->n; i++)
                if (strlen(p->ops[i].path) == len && strncmp(p->ops[i].path, path, len) == 0)
                        return true;
        return false;
}

/* Leaves stay at the end, in the order they were added. */
static int add(Parents *p, const char *path, size_t len, bool leaf)
{
        size_t at = leaf ? p->n : p->n - p->n_leaves;
        char *copy;
        Op *ops;

        if (has(p, path, len))
                return 0;
        if (len >= ZNODE_PATH_MAX || p->n == PARENTS_MAX)
                return -ENAMETOOLONG;
        ops = reallocarray(p->ops, p->n + 1, sizeof(*ops));
        if (!ops)
                return -ENOMEM;
        p->ops = ops;
        copy = strndup(path, len);
        if (!copy)
                return -ENOMEM;
        memmove(ops + at + 1, ops + at, (p->n - at) * sizeof(*ops));
        ops[at] = (Op){.kind = OP_CREATE, .path = copy, .mode = leaf ? CREATE_CONTAINER : CREATE_PERSISTENT};
        p->n++;
        p->n_leaves += leaf;
        return 0;
}

static int add_all(Parents *p, const char *path, bool leaf)
{
        int r = 0;

        for (const char *slash = path + 1; r == 0 && (slash = strchr(slash, '/')); slash++)
                r = add(p, path, (size_t)(slash - path), false);
        return r < 0 ? r : add(p, path, strlen(path), leaf);
}

int parents_add(Parents *p, const char *leaf)
{
        return add_all(p, leaf, true);
}

int parents_add_lasting(Parents *p, const char *path)
{
        return add_all(p, path, false);
}

static size_t first_leaf(const Parents *p)
{
        return p->n - p->n_leaves;
}

void parents_begin(Parents *p)
{
        p->thorough = p->asked;
        p->step = p->thorough ? 0 : first_leaf(p);
        p->asked = true;
        p->made = false;
}

void parents_request(Parents *p, Request *request)
{
        if (p->step == STEP_ALL) {
                request->kind = REQUEST_MULTI;
                request->ops = p->ops;
                request->n_ops = first_leaf(p);
                request->path = p->ops[0].path;
                return;
        }
        request->kind = REQUEST_CREATE;
        request->mode = p->ops[p->step].mode;
        request->path = p->ops[p->step].path;
}

bool parents_on_reply(Parents *p, enum Outcome outcome)
{
        if (p->step == STEP_ALL) {
                p->step = first_leaf(p);
                p->made = true;
                return true;
        }
        if (p->step >= first_leaf(p) && outcome == OUTCOME_NO_NODE && !p->made) {
                p->step = STEP_ALL;
                return true;
        }
        if (p->step == first_leaf(p) && outcome == OUTCOME_NODE_EXISTS && p->step > 0 && !p->thorough)
                return false; /* somebody else was faster, and makes the other leaves as well */
        p->step++;
        return p->step < p->n;
}

void parents_settled(Parents *p)
{
        p->asked = false;
}

const char *parents_path(const Parents *p)
{
        return p->ops[p->step == STEP_ALL ? 0 : p->step].path;
}
