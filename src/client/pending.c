#include "client/pending.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "client/outcome.h"
#include "util/clock.h"

/* A sequence number is ten digits, or eleven with a minus when it has overflowed. */
#define SEQUENCE_MAX 12
/* Of one operation on the wire: header, lengths, flags (zookeeper.jute). */
#define OP_OVERHEAD 64
/* How a result looks that the library has not touched. */
#define NO_RESULT INT_MAX

struct PendingOps {
        zoo_op_t *calls; /* only for the call */
        zoo_op_result_t *results;
        struct Stat *stats;
        char **names; /* of those created */
        OpResult *replies;
        char **paths; /* with the chroot; only for the call */
};

static ZnodeStat stat_from_zookeeper(const struct Stat *stat)
{
        return (ZnodeStat){
                .czxid = stat->czxid,
                .mzxid = stat->mzxid,
                .pzxid = stat->pzxid,
                .ctime_msec = stat->ctime,
                .mtime_msec = stat->mtime,
                .version = stat->version,
                .cversion = stat->cversion,
                .ephemeral_owner = stat->ephemeralOwner,
                .data_length = stat->dataLength,
                .num_children = stat->numChildren,
        };
}

static int mode_to_zookeeper(enum CreateMode mode)
{
        switch (mode) {
        case CREATE_PERSISTENT:
                return ZOO_PERSISTENT;
        case CREATE_EPHEMERAL:
                return ZOO_EPHEMERAL;
        case CREATE_EPHEMERAL_SEQUENTIAL:
                return ZOO_EPHEMERAL_SEQUENTIAL;
        case CREATE_CONTAINER:
                return ZOO_CONTAINER;
        }
        return ZOO_PERSISTENT;
}

/* A chroot and the user's "/" make the chroot itself. */
static size_t path_with_chroot(char *to, size_t size, const char *chroot, const char *path)
{
        int n = snprintf(to, size, "%s%s", chroot, *chroot && !strcmp(path, "/") ? "" : path);

        return (size_t)n;
}

/* As the server sees it (PathUtils.validatePath). The library checks as well, but of a multi it
 * leaks the operations before a bad one. */
static bool path_is_valid(const char *path, bool sequential)
{
        size_t len;

        if (*path != '/')
                return false;
        if (!path[1])
                return true;
        for (const char *slash = path; *slash; slash += 1 + len) {
                const char *name = slash + 1;

                len = strcspn(name, "/");
                if (!len)
                        return sequential && !*name; /* the number makes the name */
                if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
                        return false;
                for (size_t i = 0; i < len; i++)
                        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
                                return false;
        }
        return true;
}

static bool paths_are_valid(const Request *request)
{
        if (request->kind != REQUEST_MULTI)
                return path_is_valid(request->path, request->mode == CREATE_EPHEMERAL_SEQUENTIAL);
        for (size_t i = 0; i < request->n_ops; i++)
                if (!path_is_valid(request->ops[i].path, request->ops[i].mode == CREATE_EPHEMERAL_SEQUENTIAL))
                        return false;
        return true;
}

static const char *strip(const Pending *pending, const char *path)
{
        return strlen(path) > pending->strip ? path + pending->strip : "/";
}

static struct PendingOps *ops_free(struct PendingOps *ops, size_t n)
{
        if (!ops)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                free(ops->names ? ops->names[i] : NULL);
                free(ops->paths ? ops->paths[i] : NULL);
        }
        free(ops->calls);
        free(ops->results);
        free(ops->stats);
        free(ops->names);
        free(ops->replies);
        free(ops->paths);
        free(ops);
        return NULL;
}

static bool ops_fill(struct PendingOps *ops, const Request *request, const char *chroot)
{
        for (size_t i = 0; i < request->n_ops; i++) {
                size_t size = strlen(chroot) + strlen(request->ops[i].path) + 1;

                ops->paths[i] = malloc(size);
                ops->names[i] = malloc(size + SEQUENCE_MAX);
                if (!ops->paths[i] || !ops->names[i])
                        return false;
                path_with_chroot(ops->paths[i], size, chroot, request->ops[i].path);
                ops->names[i][0] = '\0';
                ops->results[i].err = NO_RESULT;
        }
        return true;
}

static struct PendingOps *ops_new(const Request *request, const char *chroot)
{
        struct PendingOps *ops = calloc(1, sizeof(*ops));
        size_t n = request->n_ops;

        if (!ops)
                return NULL;
        ops->calls = calloc(n, sizeof(*ops->calls));
        ops->results = calloc(n, sizeof(*ops->results));
        ops->stats = calloc(n, sizeof(*ops->stats));
        ops->names = calloc(n, sizeof(*ops->names));
        ops->replies = calloc(n, sizeof(*ops->replies));
        ops->paths = calloc(n, sizeof(*ops->paths));
        if (ops->calls && ops->results && ops->stats && ops->names && ops->replies && ops->paths &&
                ops_fill(ops, request, chroot))
                return ops;
        return ops_free(ops, n);
}

static bool add_watch(Pending *pending, const Request *request, const char *chroot)
{
        char path[PATH_MAX];

        if (!request->watch || path_with_chroot(path, sizeof(path), chroot, request->path) >= sizeof(path))
                return true;
        pending->watch = watch_new(
                pending->watches, path, request->kind, request->tag, pending->handler, pending->userdata);
        return pending->watch;
}

Pending *pending_new(Inbox *inbox, Watches *watches, const Request *request, const char *chroot,
        ClientReplyHandler handler, void *userdata)
{
        Pending *pending = calloc(1, sizeof(*pending));

        if (!pending)
                return NULL;
        pending->item.kind = INBOX_REPLY;
        list_init(&pending->item.link);
        list_init(&pending->link);
        pending->inbox = inbox;
        pending->watches = watches;
        pending->handler = handler;
        pending->userdata = userdata;
        pending->kind = request->kind;
        pending->strip = strlen(chroot);
        pending->reply.tag = request->tag;
        if (request->kind == REQUEST_MULTI) {
                pending->n_ops = request->n_ops;
                pending->ops = ops_new(request, chroot);
                if (!pending->ops)
                        return pending_free(pending);
        }
        if (!add_watch(pending, request, chroot))
                return pending_free(pending);
        return pending;
}

Pending *pending_free(Pending *pending)
{
        assert(!pending->in_library);
        pending->watch = watch_free(pending->watches, pending->watch);
        list_unlink(&pending->link);
        list_unlink(&pending->item.link);
        ops_free(pending->ops, pending->n_ops);
        free(pending->data);
        free(pending);
        return NULL;
}

bool pending_is_too_large(const Request *request, const char *chroot, const Acl *acl)
{
        size_t acl_size = OP_OVERHEAD, total = OP_OVERHEAD;

        for (size_t i = 0; i < acl->n; i++)
                acl_size += strlen(acl->items[i].scheme) + strlen(acl->items[i].id) + 12;
        if (request->path)
                total += strlen(chroot) + strlen(request->path) + acl_size;
        total += request->data_len;
        for (size_t i = 0; i < request->n_ops; i++)
                total += strlen(chroot) + strlen(request->ops[i].path) + request->ops[i].data_len + acl_size;
        return total > CLIENT_REQUEST_MAX;
}

void pending_set_outcome(Pending *pending, enum Outcome outcome)
{
        uint32_t tag = pending->reply.tag;
        uint64_t sent_usec = pending->reply.sent_usec;

        pending->reply = (Reply){.tag = tag, .sent_usec = sent_usec, .outcome = outcome};
}

/* The library has done with it. A watch is armed at this moment: what is reported from now on is
 * about what the reply shows. */
static void complete(Pending *pending, int rc)
{
        enum Outcome outcome = outcome_from_zookeeper(rc);

        pending->in_library = false;
        if (pending->answered)
                pending->watch = watch_free(pending->watches, pending->watch);
        else
                pending->reply.outcome = outcome;
        if (pending->watch &&
                (outcome == OUTCOME_OK || (pending->kind == REQUEST_EXISTS && outcome == OUTCOME_NO_NODE))) {
                watches_arm(pending->watches, pending->watch);
                pending->watch = NULL;
        }
        inbox_put(pending->inbox, &pending->item);
}

static void take_path(Pending *pending, const char *path)
{
        pending->data = strdup(strip(pending, path));
        pending->reply.path = pending->data;
}

/* Returns the code to go on with: a reply that cannot be kept is a reply that was lost. */
static int take_data(Pending *pending, const char *data, int len)
{
        size_t size = len > 0 ? (size_t)len : 0;

        pending->data = malloc(size + 1);
        if (!pending->data)
                return ZSYSTEMERROR;
        if (size)
                memcpy(pending->data, data, size);
        ((char *)pending->data)[size] = '\0';
        pending->reply.data = pending->data;
        pending->reply.data_len = size;
        return ZOK;
}

static int take_children(Pending *pending, const struct String_vector *strings)
{
        size_t n = strings->count > 0 ? (size_t)strings->count : 0, size = n * sizeof(char *) + 1;
        char **names, *text;

        for (size_t i = 0; i < n; i++)
                size += strlen(strings->data[i]) + 1;
        pending->data = names = malloc(size);
        if (!names)
                return ZSYSTEMERROR;
        text = (char *)(names + n);
        for (size_t i = 0; i < n; i++) {
                names[i] = text;
                text = stpcpy(text, strings->data[i]) + 1;
        }
        pending->reply.children = (const char *const *)names;
        pending->reply.n_children = n;
        return ZOK;
}

static Pending *pending_from(const void *data)
{
        return (Pending *)data;
}

static void on_void(int rc, const void *data)
{
        complete(pending_from(data), rc);
}

static void on_string(int rc, const char *value, const void *data)
{
        Pending *pending = pending_from(data);

        if (rc == ZOK && value && pending->kind == REQUEST_CREATE && !pending->answered) {
                take_path(pending, value);
                rc = pending->data ? ZOK : ZSYSTEMERROR;
        }
        complete(pending, rc);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
        Pending *pending = pending_from(data);

        if (rc == ZOK && stat && !pending->answered)
                pending->reply.stat = stat_from_zookeeper(stat);
        complete(pending, rc);
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
        Pending *pending = pending_from(data);

        if (rc == ZOK && !pending->answered) {
                pending->reply.stat = stat_from_zookeeper(stat);
                rc = take_data(pending, value, len);
        }
        complete(pending, rc);
}

static void on_children(
        int rc, const struct String_vector *strings, const struct Stat *stat, const void *data)
{
        Pending *pending = pending_from(data);

        if (rc == ZOK && !pending->answered) {
                pending->reply.stat = stat_from_zookeeper(stat);
                rc = take_children(pending, strings);
        }
        complete(pending, rc);
}

/* Which operation made the multi fail: those before it are reported as ZOK and those after it as
 * ZRUNTIMEINCONSISTENCY (DataTree.processTxn); all of them were rolled back. N if none did. */
static size_t find_culprit(const struct PendingOps *ops, size_t n)
{
        size_t i = 0;

        while (i < n && (ops->results[i].err == ZOK || ops->results[i].err == ZRUNTIMEINCONSISTENCY))
                i++;
        return i;
}

static void fill_results(Pending *pending, bool ok, size_t culprit)
{
        struct PendingOps *ops = pending->ops;

        for (size_t i = 0; i < pending->n_ops; i++) {
                OpResult *reply = &ops->replies[i];

                *reply = (OpResult){.outcome = ok ? OUTCOME_OK : OUTCOME_ROLLED_BACK};
                if (i == culprit)
                        reply->outcome = outcome_from_zookeeper(ops->results[i].err);
                if (!ok)
                        continue;
                reply->path = ops->names[i][0] ? strip(pending, ops->names[i]) : NULL;
                reply->stat = stat_from_zookeeper(&ops->stats[i]);
        }
        pending->reply.results = ops->replies;
        pending->reply.n_results = pending->n_ops;
}

/* A lost connection also sets every result, so the code of the whole decides what they are worth. */
static void on_multi(int rc, const void *data)
{
        Pending *pending = pending_from(data);
        enum Outcome outcome = outcome_from_zookeeper(rc);
        size_t culprit = find_culprit(pending->ops, pending->n_ops);

        if (pending->answered || outcome == OUTCOME_UNKNOWN || outcome == OUTCOME_EXPIRED) {
                complete(pending, rc);
                return;
        }
        if (culprit < pending->n_ops && pending->ops->results[culprit].err == NO_RESULT) {
                complete(pending, rc == ZOK && pending->n_ops ? ZRUNTIMEINCONSISTENCY : rc);
                return;
        }
        fill_results(pending, culprit == pending->n_ops && rc == ZOK, culprit);
        complete(pending, culprit < pending->n_ops ? pending->ops->results[culprit].err : rc);
}

static void on_watch(zhandle_t *zh, int type, int state, const char *path, void *context)
{
        if (type != ZOO_SESSION_EVENT)
                watches_fire(context, type, path);
}

static int send_multi(Pending *pending, zhandle_t *zh, const Request *request, struct ACL_vector *acl)
{
        struct PendingOps *ops = pending->ops;

        /* The library's decoder aborts on the answer to containers in a multi (3.8.0). */
        for (size_t i = 0; i < request->n_ops; i++)
                if (request->ops[i].kind == OP_CREATE && request->ops[i].mode == CREATE_CONTAINER)
                        return ZUNIMPLEMENTED;
        for (size_t i = 0; i < request->n_ops; i++) {
                const Op *op = &request->ops[i];
                zoo_op_t *call = &ops->calls[i];
                const char *path = ops->paths[i];

                switch (op->kind) {
                case OP_CREATE:
                        zoo_create_op_init(call, path, op->data ? op->data : "", (int)op->data_len, acl,
                                mode_to_zookeeper(op->mode), ops->names[i], (int)strlen(path) + SEQUENCE_MAX);
                        break;
                case OP_DELETE:
                        zoo_delete_op_init(call, path, op->version);
                        break;
                case OP_SET:
                        zoo_set_op_init(call, path, op->data ? op->data : "", (int)op->data_len, op->version,
                                &ops->stats[i]);
                        break;
                case OP_CHECK:
                        zoo_check_op_init(call, path, op->version);
                        break;
                }
        }
        return zoo_amulti(zh, (int)request->n_ops, ops->calls, ops->results, on_multi, pending);
}

static int send_single(
        Pending *pending, zhandle_t *zh, const Request *request, const char *path, struct ACL_vector *acl)
{
        const char *data = request->data ? request->data : "";
        watcher_fn watcher = pending->watch ? on_watch : NULL;
        Watches *watches = pending->watches;
        int len = (int)request->data_len;

        switch (request->kind) {
        case REQUEST_CREATE:
                return zoo_acreate(
                        zh, path, data, len, acl, mode_to_zookeeper(request->mode), on_string, pending);
        case REQUEST_DELETE:
                return zoo_adelete(zh, path, request->version, on_void, pending);
        case REQUEST_SET:
                return zoo_aset(zh, path, data, len, request->version, on_stat, pending);
        case REQUEST_GET:
                return zoo_awget(zh, path, watcher, watches, on_data, pending);
        case REQUEST_EXISTS:
                return zoo_awexists(zh, path, watcher, watches, on_stat, pending);
        case REQUEST_CHILDREN:
                return zoo_awget_children2(zh, path, watcher, watches, on_children, pending);
        case REQUEST_SYNC:
                return zoo_async(zh, path, on_string, pending);
        case REQUEST_MULTI:
                return send_multi(pending, zh, request, acl);
        }
        return ZBADARGUMENTS;
}

void pending_send(
        Pending *pending, Handle *handle, const Request *request, const char *chroot, const Acl *acl)
{
        struct ACL entries[ACL_MAX];
        struct ACL_vector vector = {.count = (int32_t)acl->n, .data = entries};
        char path[PATH_MAX] = "";
        int rc = ZBADARGUMENTS;

        for (size_t i = 0; i < acl->n; i++)
                entries[i] = (struct ACL){
                        .perms = acl->items[i].perms, .id = {acl->items[i].scheme, acl->items[i].id}};
        pending->reply.sent_usec = clock_boottime_usec();
        if (paths_are_valid(request) && (!request->path || path_with_chroot(path, sizeof(path), chroot,
                                                                   request->path) < sizeof(path))) {
                pending->in_library = true;
                rc = send_single(pending, handle_zookeeper(handle), request, path, &vector);
        }
        if (rc != ZOK) {
                /* Not sent: whatever the code, that is a definite no. */
                pending->in_library = false;
                pending_set_outcome(pending, rc == ZINVALIDSTATE ? OUTCOME_EXPIRED : OUTCOME_REFUSED);
                inbox_put(pending->inbox, &pending->item);
        }
        handle_touch(handle);
}
