#include "fake.h"

#include <string.h>

static struct {
        Fake *fake;
        FakeWatch fired[FAKE_WATCHES_MAX];
        size_t n;
} queue;

void fake_init(Fake *fake)
{
        memset(fake, 0, sizeof(*fake));
        simulation_reset(&fake->simulation, 1);
        tree_init(&fake->tree, &fake->simulation);
        queue.n = 0;
}

void fake_deinit(Fake *fake)
{
        simulation_deinit(&fake->simulation);
}

static void fire(Fake *fake)
{
        for (size_t c = 0; c < fake->tree.n_changes; c++)
                for (size_t i = fake->n_watches; i-- > 0;) {
                        FakeWatch *watch = &fake->watches[i];

                        if (strcmp(watch->path, fake->tree.changes[c].path) != 0 ||
                                watch->children != (fake->tree.changes[c].kind == WATCH_CHILDREN))
                                continue;
                        watch->kind = fake->tree.changes[c].kind;
                        queue.fired[queue.n++] = *watch;
                        *watch = fake->watches[--fake->n_watches];
                }
        fake->tree.n_changes = 0;
}

bool fake_take_fired(Fake *fake, FakeWatch *watch)
{
        if (queue.n == 0)
                return false;
        *watch = queue.fired[0];
        memmove(queue.fired, queue.fired + 1, --queue.n * sizeof(queue.fired[0]));
        return true;
}

static void set_watch(Fake *fake, int64_t session, void *owner, const Request *request)
{
        FakeWatch *watch = &fake->watches[fake->n_watches++];

        assert(fake->n_watches <= FAKE_WATCHES_MAX);
        *watch = (FakeWatch){.session = session,
                .owner = owner,
                .tag = request->tag,
                .children = request->kind == REQUEST_CHILDREN};
        strncpy(watch->path, request->path, sizeof(watch->path) - 1);
}

static const void *copy(Fake *fake, const void *from, size_t size)
{
        return from ? memcpy(simulation_allocate(&fake->simulation, size + 1), from, size) : NULL;
}

/* The tree keeps what it is given, and the machines change theirs with the next step. */
static void write_ops(Fake *fake, int64_t session, const Op *ops, size_t n, Reply *reply)
{
        OpResult *results = simulation_allocate(&fake->simulation, (n + 1) * sizeof(*results));
        Op *copies = simulation_allocate(&fake->simulation, n * sizeof(*copies));

        for (size_t i = 0; i < n; i++) {
                copies[i] = ops[i];
                copies[i].path = copy(fake, ops[i].path, strlen(ops[i].path) + 1);
                copies[i].data = copy(fake, ops[i].data, ops[i].data_len);
        }
        reply->outcome = tree_write(&fake->tree, ++fake->zxid, session, copies, n, results);
        reply->results = results;
        reply->n_results = n;
        reply->path = results[0].path;
        fire(fake);
}

static void read_children(Fake *fake, const Znode *node, Reply *reply)
{
        const char **names = simulation_allocate(&fake->simulation, sizeof(*names) * 256);

        for (const Znode *child = node->children; child; child = child->next)
                names[reply->n_children++] = strrchr(child->path, '/') + 1;
        reply->children = names;
}

Reply fake_apply(Fake *fake, int64_t session, void *owner, const Request *request)
{
        Reply reply = {.tag = request->tag};
        const Znode *node = tree_find(&fake->tree, request->path);
        Op op = {.mode = request->mode,
                .path = request->path,
                .data = request->data,
                .data_len = request->data_len,
                .version = request->version};

        fake->requests++;
        switch (request->kind) {
        case REQUEST_CREATE:
        case REQUEST_DELETE:
        case REQUEST_SET:
                op.kind = request->kind == REQUEST_CREATE ? OP_CREATE :
                        request->kind == REQUEST_DELETE   ? OP_DELETE :
                                                            OP_SET;
                write_ops(fake, session, &op, 1, &reply);
                break;
        case REQUEST_MULTI:
                write_ops(fake, session, request->ops, request->n_ops, &reply);
                break;
        case REQUEST_GET:
        case REQUEST_EXISTS:
        case REQUEST_CHILDREN:
                if (request->watch && (node || request->kind == REQUEST_EXISTS))
                        set_watch(fake, session, owner, request);
                if (!node) {
                        reply.outcome = OUTCOME_NO_NODE;
                        break;
                }
                reply.stat = node->stat;
                reply.data = node->data;
                reply.data_len = (size_t)node->stat.data_length;
                if (request->kind == REQUEST_CHILDREN)
                        read_children(fake, node, &reply);
                break;
        case REQUEST_SYNC:
                break;
        }
        return reply;
}

void fake_end_session(Fake *fake, int64_t session)
{
        for (size_t i = fake->n_watches; i-- > 0;)
                if (fake->watches[i].session == session)
                        fake->watches[i] = fake->watches[--fake->n_watches];
        tree_end_session(&fake->tree, ++fake->zxid, session);
        fire(fake);
}

void fake_create(Fake *fake, int64_t session, const char *path, enum CreateMode mode)
{
        Op op = {.kind = OP_CREATE, .mode = mode, .path = path, .version = VERSION_ANY};
        Reply reply;

        write_ops(fake, session, &op, 1, &reply);
        assert(reply.outcome == OUTCOME_OK);
}

void fake_delete(Fake *fake, const char *path)
{
        Op op = {.kind = OP_DELETE, .path = path, .version = VERSION_ANY};
        Reply reply;

        write_ops(fake, 0, &op, 1, &reply);
        assert(reply.outcome == OUTCOME_OK);
}

bool fake_has(const Fake *fake, const char *path)
{
        return tree_find(&fake->tree, path) != NULL;
}
