#include "recipe/parents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum Step {
        STEP_LEAVES,
        STEP_ALL,
        STEP_EACH, /* and up to n - 1 more */
};

void parents_init(Parents *p)
{
        *p = (Parents){0};
}

static bool has(const Parents *p, const char *path, size_t len)
{
        for (size_t i = 0; i < p->n; i++)
                if (strlen(p->paths[i]) == len && strncmp(p->paths[i], path, len) == 0)
                        return true;
        return false;
}

/* Leaves stay at the end, in the order they were added. */
static int add(Parents *p, const char *path, size_t len, bool leaf)
{
        size_t at = leaf ? p->n : p->n - p->n_leaves;

        if (has(p, path, len))
                return 0;
        if (len >= ZNODE_PATH_MAX || p->n == PARENTS_MAX)
                return -ENAMETOOLONG;
        for (size_t i = p->n; i > at; i--) {
                strcpy(p->paths[i], p->paths[i - 1]);
                p->ops[i] = p->ops[i - 1];
        }
        snprintf(p->paths[at], ZNODE_PATH_MAX, "%.*s", (int)len, path);
        p->ops[at] = (Op){.kind = OP_CREATE, .mode = leaf ? CREATE_CONTAINER : CREATE_PERSISTENT};
        p->n++;
        p->n_leaves += leaf;
        for (size_t i = 0; i < p->n; i++)
                p->ops[i].path = p->paths[i];
        return 0;
}

int parents_add(Parents *p, const char *leaf)
{
        int r = 0;

        for (const char *slash = leaf + 1; r == 0 && (slash = strchr(slash, '/')); slash++)
                r = add(p, leaf, (size_t)(slash - leaf), false);
        return r < 0 ? r : add(p, leaf, strlen(leaf), true);
}

void parents_begin(Parents *p)
{
        p->step = p->asked ? STEP_EACH : STEP_LEAVES;
        p->asked = true;
}

void parents_request(Parents *p, Request *request)
{
        if (p->step == STEP_LEAVES) {
                request->ops = p->ops + (p->n - p->n_leaves);
                request->n_ops = p->n_leaves;
        } else if (p->step == STEP_ALL) {
                request->ops = p->ops;
                request->n_ops = p->n;
        } else {
                request->ops = &p->ops[p->step - STEP_EACH];
                request->n_ops = 1;
        }
}

bool parents_on_reply(Parents *p, enum Outcome outcome)
{
        if (p->step == STEP_LEAVES && outcome == OUTCOME_NO_NODE) {
                p->step = STEP_ALL;
                return true;
        }
        if (p->step >= STEP_EACH && p->step < STEP_EACH + p->n - 1) {
                p->step++;
                return true;
        }
        return false;
}

void parents_settled(Parents *p)
{
        p->asked = false;
}

const char *parents_path(const Parents *p)
{
        return p->step == STEP_LEAVES ? p->paths[p->n - p->n_leaves] :
                p->step == STEP_ALL   ? p->paths[0] :
                                        p->paths[p->step - STEP_EACH];
}
