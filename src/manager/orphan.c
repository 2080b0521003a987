#include "manager/orphan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "manager/timer.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_USEC (50 * USEC_PER_MSEC)
#define AGAIN_USEC USEC_PER_SEC

/* One znode, or one claim, that is to go. */
typedef struct Left {
        char *node;
        char *grant, *record; /* NULL: a place in line */
        bool shared;          /* others are below the record */
} Left;

struct Orphan {
        ListLink link;
        Client *client;
        LeasePage *page;
        int slot;
        Timer timer;
        OrphanHandler handler;
        void *userdata;
        Left *left;
        size_t n, at;
        bool under_way;
        char name[200];
};

static const char *sibling(const Saved *saved, const char *key, const char *suffix, const char *other)
{
        Saved s = *saved;
        char full[2 * SAVED_KEY_MAX];

        snprintf(full, sizeof(full), "%.*s%s", (int)(strlen(key) - strlen(suffix)), key, other);
        s.scope = (SavedScope){0};
        return saved_get(&s, full);
}

static int add(Orphan *o, const char *node, const char *grant, const char *record)
{
        Left *left = reallocarray(o->left, o->n + 1, sizeof(*left));

        if (!left)
                return -ENOMEM;
        o->left = left;
        left[o->n] = (Left){.node = strdup(node), .grant = grant ? strdup(grant) : NULL, .record = record ? strdup(record) : NULL};
        if (!left[o->n].node || (grant && !left[o->n].grant) || (record && !left[o->n].record))
                return -ENOMEM;
        o->n++;
        return 0;
}

/* All claims and places in line below the section, whatever kind of gate they are of. */
static int collect(Orphan *o, const Saved *saved)
{
        static const char claim[] = "claim-grant", line[] = "line-node";

        for (size_t i = 0; i < saved->n; i++) {
                const SavedEntry *e = &saved->entries[i];
                int r = 0;

                if (strncmp(e->key, saved->scope.prefix, saved->scope.len) != 0)
                        continue;
                if (text_has_suffix(e->key, claim)) {
                        const char *node = sibling(saved, e->key, claim, "claim-node");
                        const char *record = sibling(saved, e->key, claim, "claim-record");

                        r = node && record ? add(o, node, e->value, record) : 0;
                } else if (text_has_suffix(e->key, line)) {
                        r = add(o, e->value, NULL, NULL);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static void go_on(Orphan *o);

static void on_reply(void *userdata, const Event *event)
{
        Orphan *o = userdata;

        o->under_way = false;
        switch (event->reply.outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_ROLLED_BACK:
        case OUTCOME_EXPIRED:
                o->at++;
                go_on(o);
                return;
        case OUTCOME_NOT_EMPTY:
                if (!o->left[o->at].shared) {
                        o->left[o->at].shared = true;
                        go_on(o);
                        return;
                }
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
                break;
        }
        timer_set(&o->timer, clock_boottime_usec() + AGAIN_USEC);
}

/* The grant has a name that is never used twice: what it is deleted with is ours. */
static void give_back(Orphan *o)
{
        const Left *left = &o->left[o->at];
        Op ops[3] = {{.kind = OP_DELETE, .path = left->grant, .version = VERSION_ANY},
                {.kind = OP_DELETE, .path = left->node, .version = VERSION_ANY},
                {.kind = OP_DELETE, .path = left->record, .version = VERSION_ANY}};
        const Request claim = {.kind = REQUEST_MULTI, .path = left->node, .ops = ops, .n_ops = left->shared ? 2 : 3};
        const Request line = {.kind = REQUEST_DELETE, .path = left->node, .version = VERSION_ANY};

        o->under_way = client_submit(o->client, left->grant ? &claim : &line, on_reply, o) == 0;
        if (!o->under_way)
                timer_set(&o->timer, clock_boottime_usec() + AGAIN_USEC);
}

static void go_on(Orphan *o)
{
        if (o->under_way)
                return;
        if (o->slot >= 0 && lease_page_is_taken(o->page, (unsigned)o->slot)) {
                timer_set(&o->timer, clock_boottime_usec() + LOOK_USEC);
        } else if (o->at < o->n) {
                o->slot = -1;
                give_back(o);
        } else {
                log_unit_info(o->name, "nothing of what could not go on is left");
                o->handler(o, o->userdata);
        }
}

static void on_timer(void *userdata)
{
        go_on(userdata);
}

int orphan_new(Orphan **out, sd_event *event, Client *client, LeasePage *page, const Saved *saved, int slot,
        OrphanHandler handler, void *userdata)
{
        Orphan *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        list_init(&o->link);
        o->client = client;
        o->page = page;
        o->slot = slot;
        o->handler = handler;
        o->userdata = userdata;
        (void)saved_copy(saved, "name", o->name, sizeof(o->name));
        r = timer_init(&o->timer, event, SD_EVENT_PRIORITY_NORMAL, on_timer, o);
        if (r >= 0)
                r = collect(o, saved);
        if (r < 0) {
                orphan_free(o);
                return r;
        }
        timer_set(&o->timer, clock_boottime_usec() + LOOK_USEC);
        *out = o;
        return 0;
}

Orphan *orphan_free(Orphan *o)
{
        if (!o)
                return NULL;
        list_unlink(&o->link);
        client_cancel(o->client, o);
        timer_deinit(&o->timer);
        for (size_t i = 0; i < o->n; i++) {
                free(o->left[i].node);
                free(o->left[i].grant);
                free(o->left[i].record);
        }
        free(o->left);
        free(o);
        return NULL;
}

ListLink *orphan_link(Orphan *o)
{
        return &o->link;
}

Orphan *orphan_from_link(ListLink *link)
{
        return list_entry(link, Orphan, link);
}

const char *orphan_name(const Orphan *o)
{
        return o->name;
}
