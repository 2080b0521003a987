/* Reads the cluster: which names there are, then what is below each, then the data of that. Every request is
 * an entry of one list, answered by its place in it; an answer may add entries. When the last one is answered
 * the picture is complete. A lost answer ends it all: half a picture is worse than none. */
#include "manager/cluster-private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "recipe/contender.h"
#include "util/clock.h"
#include "util/text.h"

enum AskKind {
        ASK_NAMES,   /* children of a directory such as <root>/lock: the things */
        ASK_SELF,    /* data of host/ID, cron/NAME */
        ASK_NODES,   /* children of a queue or pool */
        ASK_LINE,    /* children of a semaphore's locks */
        ASK_NODE,    /* data of one of them */
        ASK_RECORDS, /* children of record/KIND/NAME */
        ASK_GRANTS,  /* children of a record that is one of several, or of "shared" */
        ASK_GRANT,   /* data of a grant */
};

typedef struct Ask {
        enum AskKind kind;
        enum ClusterPart part; /* ASK_NAMES */
        size_t thing, index;
        char *path;
} Ask;

struct Cluster {
        Client *client;
        ClusterHandler handler;
        void *userdata;
        char *root, *name;
        Ask *asks;
        size_t n_asks, room, next, in_flight;
        ClusterPicture picture;
        int error;
};

/* The directory of each part, below the root and below its records. Hosts and services have no records. */
static const char *const directories[CLUSTER_PARTS] = {
        "host", "sequence", "election", "lock", "semaphore", "cron", "service"};
static const char *const part_names[CLUSTER_PARTS] = {
        "hosts", "numbers", "elections", "locks", "slots", "cron", "services"};

const char *cluster_part_to_string(enum ClusterPart part)
{
        return part < CLUSTER_PARTS ? part_names[part] : "?";
}

static bool has_records(enum ClusterPart part)
{
        return part != CLUSTER_HOSTS && part != CLUSTER_SERVICES;
}

/* --- the list of requests ----------------------------------------------------------------------- */

static void fail(Cluster *c, int error)
{
        if (c->error == 0)
                c->error = error;
}

/* One more, PATH taken over. */
static void ask(Cluster *c, Ask entry)
{
        if (!entry.path) {
                fail(c, -ENOMEM);
                return;
        }
        if (c->n_asks == CLUSTER_REQUESTS_MAX) {
                c->picture.truncated = true;
                free(entry.path);
                return;
        }
        if (c->n_asks == c->room) {
                size_t room = c->room ? 2 * c->room : 64;
                Ask *asks = reallocarray(c->asks, room, sizeof(*asks));

                if (!asks) {
                        fail(c, -ENOMEM);
                        free(entry.path);
                        return;
                }
                c->asks = asks;
                c->room = room;
        }
        c->asks[c->n_asks++] = entry;
}

static char *PRINTF_LIKE(1, 2) make_path(const char *fmt, ...)
{
        char *path;
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&path, fmt, ap);
        va_end(ap);
        return n < 0 ? NULL : path;
}

static void on_reply(void *userdata, const Event *event);

static void on_end(Cluster *c)
{
        ClusterHandler handler = c->handler;
        json_t *result = NULL;

        if (c->error == 0) {
                result = cluster_json(&c->picture);
                if (!result)
                        c->error = -ENOMEM;
        }
        handler(c->userdata, result, c->error,
                c->error == 0           ? NULL
                : c->error == -ENOTCONN ? "no contact with the ensemble; try again when it answers"
                                        : "out of memory");
}

/* Sends what the window has room for. */
static void send_more(Cluster *c)
{
        while (c->error == 0 && c->next < c->n_asks && c->in_flight < CLUSTER_WINDOW) {
                const Ask *a = &c->asks[c->next];
                bool is_list = a->kind != ASK_SELF && a->kind != ASK_NODE && a->kind != ASK_GRANT;
                Request request = {.kind = is_list ? REQUEST_CHILDREN : REQUEST_GET,
                        .path = a->path,
                        .tag = (uint32_t)c->next,
                        .version = VERSION_ANY};

                if (client_submit(c->client, &request, on_reply, c) < 0) {
                        fail(c, -ENOMEM);
                        return;
                }
                c->next++;
                c->in_flight++;
        }
}

/* --- what was read ------------------------------------------------------------------------------ */

/* One more zeroed element at the end of *ARRAY. Returns it or NULL. */
static void *append(Cluster *c, void *array, size_t *n, size_t size)
{
        void **items = array, *more = reallocarray(*items, *n + 1, size);

        if (!more) {
                fail(c, -ENOMEM);
                return NULL;
        }
        *items = more;
        memset((char *)more + *n * size, 0, size);
        return (char *)more + (*n)++ * size;
}

static char *copy(Cluster *c, const char *text)
{
        char *s = strdup(text);

        if (!s)
                fail(c, -ENOMEM);
        return s;
}

static void ask_thing(Cluster *c, size_t thing, enum AskKind kind, char *path)
{
        ask(c, (Ask){.kind = kind, .thing = thing, .path = path});
}

/* What is to be read of a thing, now that its name is known. */
static void open_thing(Cluster *c, enum ClusterPart part, const char *name)
{
        const char *directory = directories[part];
        ClusterThing *thing;
        size_t i;

        for (i = 0; i < c->picture.n_things; i++)
                if (c->picture.things[i].part == part && strcmp(c->picture.things[i].name, name) == 0)
                        return;
        thing = append(c, &c->picture.things, &c->picture.n_things, sizeof(*thing));
        if (!thing)
                return;
        thing->part = part;
        thing->name = copy(c, name);
        if (part == CLUSTER_HOSTS || part == CLUSTER_CRON)
                ask_thing(c, i, ASK_SELF, make_path("%s/%s/%s", c->root, directory, name));
        if (part == CLUSTER_SLOTS) {
                ask_thing(c, i, ASK_NODES, make_path("%s/%s/%s/leases", c->root, directory, name));
                ask_thing(c, i, ASK_LINE, make_path("%s/%s/%s/locks", c->root, directory, name));
        } else if (part != CLUSTER_HOSTS) {
                ask_thing(c, i, ASK_NODES, make_path("%s/%s/%s", c->root, directory, name));
        }
        if (has_records(part))
                ask_thing(c, i, ASK_RECORDS, make_path("%s/record/%s/%s", c->root, directory, name));
}

/* Which children of a thing count. */
static bool is_member(ClusterThing *thing, const char *name)
{
        Contender contender;
        uint64_t number;

        switch (thing->part) {
        case CLUSTER_NUMBERS:
                thing->choosing += text_has_prefix(name, "t-");
                return text_to_u64(name, 0, UINT64_MAX, &number) == 0;
        case CLUSTER_ELECTIONS:
        case CLUSTER_LOCKS:
        case CLUSTER_SLOTS:
                return contender_parse(name, &contender);
        case CLUSTER_CRON: /* "run" */
        case CLUSTER_SERVICES:
                return true;
        case CLUSTER_HOSTS:
        case CLUSTER_PARTS:
                break;
        }
        return false;
}

static void on_nodes(Cluster *c, size_t t, bool in_line, const char *path, const Reply *reply)
{
        for (size_t i = 0; i < reply->n_children; i++) {
                ClusterThing *thing = &c->picture.things[t];
                ClusterNode *node;

                if (!is_member(thing, reply->children[i]))
                        continue;
                node = append(c, &thing->nodes, &thing->n_nodes, sizeof(*node));
                if (!node)
                        return;
                node->name = copy(c, reply->children[i]);
                node->in_line = in_line;
                ask(c, (Ask){.kind = ASK_NODE,
                               .thing = t,
                               .index = thing->n_nodes - 1,
                               .path = make_path("%s/%s", path, reply->children[i])});
        }
}

static void on_data(Cluster *c, ClusterNode *node, const Reply *reply)
{
        node->data = malloc(reply->data_len + 1);
        if (!node->data) {
                fail(c, -ENOMEM);
                return;
        }
        memcpy(node->data, reply->data_len ? reply->data : "", reply->data_len);
        node->data[reply->data_len] = '\0';
        node->len = reply->data_len;
        node->stat = reply->stat;
        node->there = true;
}

static void add_grant(Cluster *c, size_t t, const char *record, const char *path, const char *name)
{
        ClusterThing *thing = &c->picture.things[t];
        ClusterGrant *grant = append(c, &thing->grants, &thing->n_grants, sizeof(*grant));

        if (!grant)
                return;
        grant->record = copy(c, record);
        grant->name = copy(c, name);
        if (*name)
                ask(c, (Ask){.kind = ASK_GRANT,
                               .thing = t,
                               .index = thing->n_grants - 1,
                               .path = make_path("%s/%s", path, name)});
        else
                grant->there = true;
}

static void on_grants(Cluster *c, size_t t, const char *record, const char *path, const Reply *reply)
{
        for (size_t i = 0; i < reply->n_children; i++)
                add_grant(c, t, record, path, reply->children[i]);
        if (reply->n_children == 0 && strcmp(record, "shared") != 0)
                add_grant(c, t, record, path, "");
}

/* Below record/sequence/POOL and record/semaphore/NAME are records, elsewhere grants. */
static void on_records(Cluster *c, size_t t, const char *path, const Reply *reply)
{
        ClusterThing *thing = &c->picture.things[t];

        if (thing->part == CLUSTER_LOCKS && reply->n_children == 1 &&
                strcmp(reply->children[0], "shared") == 0) {
                thing->shared = true;
                ask_thing(c, t, ASK_GRANTS, make_path("%s/shared", path));
        } else if (thing->part == CLUSTER_NUMBERS || thing->part == CLUSTER_SLOTS) {
                for (size_t i = 0; i < reply->n_children; i++)
                        ask_thing(c, t, ASK_GRANTS, make_path("%s/%s", path, reply->children[i]));
        } else {
                on_grants(c, t, "", path, reply);
        }
}

static void on_grant(ClusterGrant *grant, const Reply *reply)
{
        grant->understood = record_parse(reply->data, reply->data_len, &grant->text);
        grant->stat = reply->stat;
        grant->there = true;
}

static void take(Cluster *c, const Ask *a, const Reply *reply)
{
        ClusterThing *thing = a->kind == ASK_NAMES ? NULL : &c->picture.things[a->thing];

        switch (a->kind) {
        case ASK_NAMES:
                for (size_t i = 0; i < reply->n_children; i++)
                        open_thing(c, a->part, reply->children[i]);
                break;
        case ASK_SELF:
                on_data(c, &thing->self, reply);
                break;
        case ASK_NODES:
        case ASK_LINE:
                on_nodes(c, a->thing, a->kind == ASK_LINE, a->path, reply);
                break;
        case ASK_NODE:
                on_data(c, &thing->nodes[a->index], reply);
                break;
        case ASK_RECORDS:
                on_records(c, a->thing, a->path, reply);
                break;
        case ASK_GRANTS:
                on_grants(c, a->thing, strrchr(a->path, '/') + 1, a->path, reply);
                break;
        case ASK_GRANT:
                on_grant(&thing->grants[a->index], reply);
                break;
        }
}

static void judge(Cluster *c, const Ask *a, const Reply *reply)
{
        switch (reply->outcome) {
        case OUTCOME_OK:
                take(c, a, reply);
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
                json_array_append_new(c->picture.denied, json_string(a->path));
                break;
        case OUTCOME_EXPIRED:
        case OUTCOME_UNKNOWN:
                fail(c, -ENOTCONN);
                break;
        case OUTCOME_NO_NODE: /* nothing there, or no longer */
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
                break;
        }
}

static void on_reply(void *userdata, const Event *event)
{
        Cluster *c = userdata;
        Ask a;

        if (event->kind != EVENT_REPLY)
                return;
        a = c->asks[event->reply.tag]; /* the list may move while the answer adds to it */
        c->in_flight--;
        if (c->error == 0)
                judge(c, &a, &event->reply);
        send_more(c);
        if (c->in_flight == 0 && (c->error || c->next == c->n_asks))
                on_end(c);
}

/* --- life --------------------------------------------------------------------------------------- */

static void free_node(ClusterNode *node)
{
        free(node->name);
        free(node->data);
}

static void free_thing(ClusterThing *thing)
{
        for (size_t i = 0; i < thing->n_nodes; i++)
                free_node(&thing->nodes[i]);
        for (size_t i = 0; i < thing->n_grants; i++) {
                free(thing->grants[i].record);
                free(thing->grants[i].name);
        }
        free_node(&thing->self);
        free(thing->nodes);
        free(thing->grants);
        free(thing->name);
}

Cluster *cluster_free(Cluster *c)
{
        if (!c)
                return NULL;
        client_cancel(c->client, c);
        for (size_t i = 0; i < c->n_asks; i++)
                free(c->asks[i].path);
        free(c->asks);
        for (size_t i = 0; i < c->picture.n_things; i++)
                free_thing(&c->picture.things[i]);
        free(c->picture.things);
        json_decref(c->picture.denied);
        free(c->root);
        free(c->name);
        free(c);
        return NULL;
}

static void begin(Cluster *c, unsigned parts)
{
        for (enum ClusterPart part = 0; part < CLUSTER_PARTS; part++) {
                if (!(parts & 1U << part))
                        continue;
                if (c->name) {
                        open_thing(c, part, c->name);
                        continue;
                }
                ask(c, (Ask){.kind = ASK_NAMES,
                               .part = part,
                               .path = make_path("%s/%s", c->root, directories[part])});
                if (has_records(part))
                        ask(c, (Ask){.kind = ASK_NAMES,
                                       .part = part,
                                       .path = make_path("%s/record/%s", c->root, directories[part])});
        }
        send_more(c);
}

int cluster_new(
        Cluster **out, Client *client, const ClusterConfig *config, ClusterHandler handler, void *userdata)
{
        CLEANUP(cluster_free) Cluster *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->client = client;
        c->handler = handler;
        c->userdata = userdata;
        c->root = strdup(strcmp(config->root, "/") == 0 ? "" : config->root);
        c->name = config->name ? strdup(config->name) : NULL;
        c->picture = (ClusterPicture){
                .root = c->root, .denied = json_array(), .now_usec = (int64_t)clock_realtime_usec()};
        if (!c->root || (config->name && !c->name) || !c->picture.denied)
                return -ENOMEM;
        begin(c, config->parts ? config->parts : (1U << CLUSTER_PARTS) - 1);
        if (c->error)
                return c->error;
        *out = TAKE(c);
        return 0;
}
