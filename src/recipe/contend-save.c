/* The queue engine handed to another program in the same session. */
#include "recipe/contend.h"

#include <errno.h>
#include <string.h>
#include "util/clock.h"

bool contend_save(const Contend *c, SavedWriter *w)
{
        saved_put(w, "line-id", c->id);
        saved_put(w, "line-queue", c->queue);
        switch (c->state) {
        case CONTEND_OUT:
                saved_put(w, "line", "out");
                return true;
        case CONTEND_REST:
                saved_put(w, "line", "rest");
                break;
        case CONTEND_PARENTS:
        case CONTEND_CREATE:
        case CONTEND_LIST:
        case CONTEND_OWNER:
        case CONTEND_DROP:
        case CONTEND_LOOK:
        case CONTEND_BEHIND:
        case CONTEND_FRONT:
                saved_put(w, "line", "wait");
                break;
        case CONTEND_LEAVE:
        case CONTEND_FAILED:
                return false;
        }
        saved_put(w, "line-kind", c->kind);
        saved_put(w, "line-node", c->node[0] ? c->node : NULL);
        return c->want && !c->under_way;
}

static bool is(const Saved *saved, const char *key, const char *value)
{
        const char *found = saved_get(saved, key);

        return found && strcmp(found, value) == 0;
}

/* Our node is not believed in for having been saved: the list is, and the session that the server says it is of. The id
 * is kept by who is out of the line, too: a node whose creation went unheard may come to light yet. */
int contend_restore(Contend *c, const Saved *saved)
{
        bool rests = is(saved, "line", "rest");

        if (!is(saved, "line-queue", c->queue) || !saved_copy(saved, "line-id", c->id, sizeof(c->id)))
                return -EBADMSG;
        if (is(saved, "line", "out"))
                return 0;
        if ((!rests && !is(saved, "line", "wait")) || !is(saved, "line-kind", c->kind))
                return -EBADMSG;
        if (rests && !saved_copy(saved, "line-node", c->node, sizeof(c->node)))
                return -EBADMSG;
        c->want = true;
        c->maybe = !rests;
        c->state = rests ? CONTEND_REST : CONTEND_LIST;
        return 0;
}
