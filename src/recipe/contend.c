#include "recipe/contend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "recipe/contend-line.h"
#include "util/clock.h"
#include "util/macros.h"

/* After a reply that settles nothing although there is contact. */
#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC

/* The only writer of the state. */
static void enter(Contend *c, enum ContendState state, Effects *effects, const char *cause)
{
        if (state == c->state)
                return;
        assert(c->state != CONTEND_FAILED || state == CONTEND_LEAVE);
        assert((state != CONTEND_FRONT && state != CONTEND_BEHIND) || (c->node[0] && c->want));
        assert(state != CONTEND_REST || c->state == CONTEND_FRONT);
        if (effects)
                snprintf(effects_append(effects, EFFECT_TRACE)->trace.text, sizeof((Effect){0}.trace.text),
                        "queue: %s -> %s (%s)", contend_state_to_string(c->state),
                        contend_state_to_string(state), cause);
        c->state = state;
        c->retry_usec = USEC_INFINITY;
}

static Request *ask(Contend *c, Effects *effects, enum RequestKind kind, const char *path)
{
        assert(!c->under_way && c->attached);
        c->under_way = true;
        c->asked = c->state;
        c->retry_usec = USEC_INFINITY;
        c->tag = c->tags + ((c->tag + 1) & 0xffffff);
        return effects_request(effects, kind, c->tag, path);
}

static void ask_create(Contend *c, Effects *effects)
{
        Request *request;

        c->maybe = true;
        (void)contender_format(
                c->other, sizeof(c->other), c->queue, c->id, c->kind); /* fits, see contend_init() */
        request = ask(c, effects, REQUEST_CREATE, c->other);
        request->mode = CREATE_EPHEMERAL_SEQUENTIAL;
        request->data = c->data;
        request->data_len = strlen(c->data);
}

static void ask_list(Contend *c, Effects *effects)
{
        c->stirred = false;
        ask(c, effects, REQUEST_CHILDREN, c->queue)->watch =
                c->rule == CONTEND_SLOTS && c->state == CONTEND_LIST;
        c->list_tag = c->tag;
}

static void ask_look(Contend *c, Effects *effects)
{
        if (c->looking_second)
                ask(c, effects, REQUEST_EXISTS, c->second)->watch = true;
        else
                ask(c, effects, REQUEST_GET, c->ahead.path)->watch = true;
        *(c->looking_second ? &c->second_tag : &c->ahead_tag) = c->tag;
}

/* The request that the state is about, unless one is under way. Without contact: on ATTACHED. */
static void go_on(Contend *c, Effects *effects)
{
        if (!c->attached || c->under_way)
                return;
        switch (c->state) {
        case CONTEND_PARENTS:
                parents_request(&c->parents, ask(c, effects, REQUEST_CREATE, c->queue));
                break;
        case CONTEND_CREATE:
                if (c->maybe) { /* its reply was lost */
                        enter(c, CONTEND_LIST, effects, "we may have a node already");
                        ask_list(c, effects);
                } else {
                        ask_create(c, effects);
                }
                break;
        case CONTEND_LIST:
                ask_list(c, effects);
                break;
        case CONTEND_OWNER:
                ask(c, effects, REQUEST_EXISTS, c->other);
                break;
        case CONTEND_DROP:
                ask(c, effects, REQUEST_DELETE, c->other);
                break;
        case CONTEND_LOOK:
                ask_look(c, effects);
                break;
        case CONTEND_LEAVE:
                if (c->node[0])
                        ask(c, effects, REQUEST_DELETE, c->node);
                else
                        ask_list(c, effects);
                break;
        case CONTEND_OUT:
        case CONTEND_BEHIND:
        case CONTEND_FRONT:
        case CONTEND_REST:
        case CONTEND_FAILED:
                break;
        }
}

static void go(Contend *c, enum ContendState state, Effects *effects, const char *cause)
{
        enter(c, state, effects, cause);
        go_on(c, effects);
}

static void begin_parents(Contend *c, Effects *effects, const char *cause)
{
        parents_begin(&c->parents);
        go(c, CONTEND_PARENTS, effects, cause);
}

static void later(Contend *c, uint64_t now_usec)
{
        unsigned doublings = MIN(c->failures, 6U);

        c->failures++;
        c->retry_usec = now_usec + MIN(RETRY_USEC << doublings, RETRY_MAX_USEC);
}

/* --- who is before us --------------------------------------------------------------------------- */

static enum ContendNews come_to_the_front(Contend *c, Effects *effects, const char *cause)
{
        c->ahead = (ContendAhead){0};
        c->second[0] = '\0';
        c->n_ahead = 0;
        c->failures = 0;
        enter(c, CONTEND_FRONT, effects, cause);
        return CONTEND_IS_FRONT;
}

static void path_of(const Contend *c, char path[CONTEND_PATH_MAX], const char *name)
{
        snprintf(path, CONTEND_PATH_MAX, "%s/%.190s", c->queue, name);
}

static enum ContendNews take_place(Contend *c, const Line *line, Effects *effects)
{
        char path[CONTEND_PATH_MAX];

        c->maybe = false;
        c->position = line->position;
        c->n_ahead = line->n_ahead;
        c->only_sharers = line->only_sharers;
        c->adjacent = line->adjacent;
        if (line->n_ahead == 0)
                return come_to_the_front(c, effects, "nobody is ahead");
        if (c->rule == CONTEND_SLOTS) {
                enter(c, CONTEND_BEHIND, effects, "all slots are taken");
                return CONTEND_IS_BEHIND;
        }
        path_of(c, path, line->ahead.name);
        if (strcmp(path, c->ahead.path) != 0)
                c->ahead = (ContendAhead){0};
        strcpy(c->ahead.path, path);
        c->ahead.shared = line->ahead.shared;
        c->ahead.foreign = line->ahead.foreign;
        c->second[0] = '\0';
        if (line->second)
                path_of(c, c->second, line->second);
        c->looking_second = false;
        go(c, CONTEND_LOOK, effects, "somebody is ahead");
        return CONTEND_NO_NEWS;
}

static enum ContendNews on_list(Contend *c, const Reply *reply, Effects *effects)
{
        Line line;

        if (reply->outcome != OUTCOME_OK) {
                c->node[0] = '\0';
                c->maybe = false;
                begin_parents(c, effects, "the queue is gone");
                return CONTEND_NO_NEWS;
        }
        contend_line_read(&line, c->rule, c->slots, c->id, c->node[0] ? strrchr(c->node, '/') + 1 : "",
                reply->children, reply->n_children);
        if (line.other) {
                path_of(c, c->other, line.other);
                go(c, c->node[0] ? CONTEND_DROP : CONTEND_OWNER, effects,
                        "a node with our id that we do not know");
                return CONTEND_NO_NEWS;
        }
        if (!line.found) {
                c->node[0] = '\0';
                c->maybe = false;
                go(c, CONTEND_CREATE, effects, "our node is not in the list");
                return CONTEND_NO_NEWS;
        }
        return take_place(c, &line, effects);
}

/* "text\ngrant" or "text". */
static void read_ahead(ContendAhead *ahead, const Reply *reply)
{
        const char *data = reply->data_len ? reply->data : "", *end = data + reply->data_len;
        const char *newline = reply->data_len ? memchr(data, '\n', reply->data_len) : NULL;
        size_t len = (size_t)((newline ? newline : end) - data);

        snprintf(ahead->text, sizeof(ahead->text), "%.*s", (int)MIN(len, sizeof(ahead->text) - 1), data);
        ahead->grant[0] = '\0';
        len = newline ? (size_t)(end - newline - 1) : 0;
        if (len > 0 && len < sizeof(ahead->grant) && !memchr(newline + 1, '/', len) && !ahead->foreign)
                snprintf(ahead->grant, sizeof(ahead->grant), "%.*s", (int)len, newline + 1);
        for (char *p = ahead->text; *p; p++)
                if ((unsigned char)*p < 0x20)
                        *p = '?';
}

/* Who has marked its node was first in line then, and nobody comes in before it. */
static bool was_first(const Contend *c)
{
        return c->ahead.grant[0] && !c->ahead.shared && !c->ahead.foreign && c->rule != CONTEND_ELECTION;
}

static enum ContendNews on_looked(Contend *c, const Reply *reply, Effects *effects)
{
        if (reply->outcome != OUTCOME_OK || c->stirred) {
                go(c, CONTEND_LIST, effects, "the one ahead is gone");
                return CONTEND_NO_NEWS;
        }
        if (!c->looking_second) {
                read_ahead(&c->ahead, reply);
                c->ahead.since_msec = c->ahead.grant[0] ? reply->stat.mtime_msec : reply->stat.ctime_msec;
                if (c->second[0]) {
                        c->looking_second = true;
                        go_on(c, effects);
                        return CONTEND_NO_NEWS;
                }
        }
        c->failures = 0;
        if (was_first(c) && c->rule == CONTEND_EXCLUSIVE)
                c->position = 2; /* those before it have gone */
        enter(c, CONTEND_BEHIND, effects,
                c->ahead.grant[0] ? "the one ahead holds" : "watching the one ahead");
        return CONTEND_IS_BEHIND;
}

static enum ContendNews on_watch(Contend *c, const Event *event, Effects *effects)
{
        uint32_t tag = event->watch.tag;
        bool is_ahead = tag == c->ahead_tag;

        if (!is_ahead && tag != c->second_tag && tag != c->list_tag)
                return CONTEND_NO_NEWS;
        if (c->state == CONTEND_LOOK)
                c->stirred = true;
        if (c->state != CONTEND_BEHIND)
                return CONTEND_NO_NEWS;
        if (is_ahead && event->watch.kind == WATCH_CHANGED) {
                c->looking_second = false;
                go(c, CONTEND_LOOK, effects, "the one ahead has changed");
        } else if (is_ahead && event->watch.kind == WATCH_DELETED && was_first(c)) {
                /* sharers that stand between it and us come to the front with us */
                c->position = c->adjacent ? 1 : 2;
                return come_to_the_front(c, effects, "the holder is gone");
        } else {
                go(c, CONTEND_LIST, effects, is_ahead ? "the one ahead is gone" : "something has changed");
        }
        return CONTEND_NO_NEWS;
}

/* --- replies ------------------------------------------------------------------------------------ */

static enum ContendNews left(Contend *c, Effects *effects, const char *cause)
{
        c->maybe = false;
        if (c->want) {
                go(c, CONTEND_CREATE, effects, cause);
                return CONTEND_NO_NEWS;
        }
        enter(c, CONTEND_OUT, effects, cause);
        return CONTEND_IS_OUT;
}

/* In LEAVE: the node that is known is deleted; then, if need be, those that the list shows. */
static enum ContendNews on_left(Contend *c, const Reply *reply, Effects *effects)
{
        Line line;

        if (c->node[0]) {
                c->node[0] = '\0';
                if (!c->maybe)
                        return left(c, effects, "our node is gone");
                go_on(c, effects);
                return CONTEND_NO_NEWS;
        }
        contend_line_read(&line, c->rule, c->slots, c->id, "", reply->children,
                reply->outcome == OUTCOME_OK ? reply->n_children : 0);
        if (!line.other)
                return left(c, effects, "no node of ours is in the list");
        path_of(c, c->node, line.other);
        c->maybe = true;
        go_on(c, effects);
        return CONTEND_NO_NEWS;
}

static void on_created(Contend *c, const Reply *reply)
{
        c->maybe = false;
        if (reply->outcome == OUTCOME_OK)
                snprintf(c->node, sizeof(c->node), "%s", reply->path);
}

static enum ContendNews on_owner(Contend *c, const Reply *reply, Effects *effects)
{
        if (reply->outcome == OUTCOME_OK && reply->stat.ephemeral_owner == c->session_id) {
                strcpy(c->node, c->other);
                go(c, CONTEND_LIST, effects, "it is ours");
        } else if (reply->outcome == OUTCOME_OK) {
                go(c, CONTEND_DROP, effects, "it is of a former session");
        } else {
                go(c, CONTEND_LIST, effects, "it is gone");
        }
        return CONTEND_NO_NEWS;
}

static enum ContendNews on_answer(Contend *c, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;

        switch (c->state) {
        case CONTEND_PARENTS:
                if (parents_on_reply(&c->parents, reply->outcome))
                        go_on(c, effects);
                else
                        go(c, c->node[0] || c->maybe ? CONTEND_LIST : CONTEND_CREATE, effects,
                                "the parents are there");
                return CONTEND_NO_NEWS;
        case CONTEND_CREATE:
                if (c->node[0])
                        go(c, CONTEND_LIST, effects, "joined");
                else
                        begin_parents(c, effects, "no such queue yet");
                return CONTEND_NO_NEWS;
        case CONTEND_LIST:
                return on_list(c, reply, effects);
        case CONTEND_OWNER:
                return on_owner(c, reply, effects);
        case CONTEND_DROP:
                go(c, CONTEND_LIST, effects, "deleted");
                return CONTEND_NO_NEWS;
        case CONTEND_LOOK:
                return on_looked(c, reply, effects);
        case CONTEND_LEAVE:
                return on_left(c, reply, effects);
        case CONTEND_OUT:
        case CONTEND_BEHIND:
        case CONTEND_FRONT:
        case CONTEND_REST:
        case CONTEND_FAILED:
                return CONTEND_NO_NEWS;
        }
        return CONTEND_NO_NEWS;
}

static const char *path_asked(const Contend *c)
{
        return c->state == CONTEND_PARENTS ? parents_path(&c->parents)
               : c->state == CONTEND_LOOK  ? c->ahead.path
                                           : c->queue;
}

static enum ContendNews fail(Contend *c, enum Outcome outcome, Effects *effects)
{
        Effect *effect = effects_append(effects, EFFECT_FAILED);

        effect->failed.outcome = outcome;
        snprintf(effect->failed.text, sizeof(effect->failed.text), "%.190s: %s", path_asked(c),
                outcome_to_string(outcome));
        enter(c, CONTEND_FAILED, effects, outcome_to_string(outcome));
        return CONTEND_HAS_FAILED;
}

static enum ContendNews on_reply(Contend *c, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        if (event->reply.tag != c->tag || !c->under_way)
                return CONTEND_NO_NEWS;
        c->under_way = false;
        switch (outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                if (c->asked == CONTEND_CREATE)
                        on_created(c, &event->reply);
                if (c->asked == c->state)
                        return on_answer(c, event, effects);
                if (c->state == CONTEND_LEAVE && !c->node[0] && !c->maybe)
                        return left(c, effects, "nothing was made");
                go_on(c, effects); /* we have been told to do something else meanwhile */
                return CONTEND_NO_NEWS;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                later(c, event->now_usec); /* or on ATTACHED, if that comes first */
                return CONTEND_NO_NEWS;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                if (c->asked == CONTEND_CREATE)
                        c->maybe = false;
                if (c->state != CONTEND_LEAVE || c->want)
                        return fail(c, outcome, effects);
                later(c, event->now_usec);
                return CONTEND_NO_NEWS;
        }
        return CONTEND_NO_NEWS;
}

/* --- everything else ---------------------------------------------------------------------------- */

/* All that we had there went with the session. */
static enum ContendNews on_session_end(Contend *c, Effects *effects)
{
        c->attached = c->under_way = c->maybe = false;
        c->node[0] = '\0';
        c->ahead = (ContendAhead){0};
        switch (c->state) {
        case CONTEND_REST:
                contend_forget(c);
                return CONTEND_NO_NEWS;
        case CONTEND_LEAVE:
                return left(c, effects, "the session has ended");
        case CONTEND_PARENTS:
        case CONTEND_CREATE:
        case CONTEND_LIST:
        case CONTEND_OWNER:
        case CONTEND_DROP:
        case CONTEND_LOOK:
        case CONTEND_BEHIND:
        case CONTEND_FRONT:
                enter(c, CONTEND_CREATE, effects, "the session has ended");
                return CONTEND_NO_NEWS;
        case CONTEND_OUT:
        case CONTEND_FAILED:
                return CONTEND_NO_NEWS;
        }
        return CONTEND_NO_NEWS;
}

static enum ContendNews on_session(Contend *c, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                c->attached = true;
                c->under_way = false;
                c->session_id = event->session.id;
                go_on(c, effects);
                return CONTEND_NO_NEWS;
        case SESSION_SUSPENDED:
                c->attached = false;
                return CONTEND_NO_NEWS;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                return on_session_end(c, effects);
        }
        return CONTEND_NO_NEWS;
}

enum ContendNews contend_step(Contend *c, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_REPLY:
                return on_reply(c, event, effects);
        case EVENT_WATCH:
                return on_watch(c, event, effects);
        case EVENT_SESSION:
                return on_session(c, event, effects);
        case EVENT_TIME:
                if (event->now_usec >= c->retry_usec) {
                        c->retry_usec = USEC_INFINITY;
                        go_on(c, effects);
                }
                return CONTEND_NO_NEWS;
        case EVENT_START:
        case EVENT_DEAD:
        case EVENT_RELEASE:
                return CONTEND_NO_NEWS;
        }
        return CONTEND_NO_NEWS;
}

uint64_t contend_deadline(const Contend *c)
{
        return c->attached && !c->under_way ? c->retry_usec : USEC_INFINITY;
}

void contend_join(Contend *c, Effects *effects)
{
        c->want = true;
        if (c->state == CONTEND_OUT)
                go(c, CONTEND_CREATE, effects, "asked to stand in line");
}

enum ContendNews contend_leave(Contend *c, Effects *effects)
{
        c->want = false;
        if (c->state == CONTEND_OUT)
                return CONTEND_IS_OUT;
        if (c->state == CONTEND_LEAVE)
                return CONTEND_NO_NEWS;
        enter(c, CONTEND_LEAVE, effects, "asked to leave");
        if (!c->under_way && !c->node[0] && !c->maybe)
                return left(c, effects, "nothing was made");
        go_on(c, effects);
        return CONTEND_NO_NEWS;
}

void contend_rest(Contend *c)
{
        enter(c, CONTEND_REST, NULL, "");
}

void contend_look_again(Contend *c, Effects *effects)
{
        if (c->state == CONTEND_FRONT || c->state == CONTEND_BEHIND || c->state == CONTEND_REST)
                go(c, CONTEND_LIST, effects, "asked to look again");
}

void contend_make_parents(Contend *c, Effects *effects)
{
        begin_parents(c, effects, "a parent is missing");
}

void contend_node_gone(Contend *c, Effects *effects)
{
        c->node[0] = '\0';
        go(c, CONTEND_CREATE, effects, "our node was deleted");
}

void contend_forget(Contend *c)
{
        c->want = c->maybe = c->under_way = false;
        c->node[0] = '\0';
        c->ahead = (ContendAhead){0};
        enter(c, CONTEND_OUT, NULL, "");
}

Op contend_own_op(Contend *c, const char *grant)
{
        Op op = {.kind = OP_CHECK, .path = c->node, .version = VERSION_ANY};

        assert(c->node[0]);
        if (!grant)
                return op;
        op.kind = OP_SET;
        op.data = c->marked;
        op.data_len = (size_t)snprintf(c->marked, sizeof(c->marked), "%s\n%s", c->data, grant);
        return op;
}

static void copy_data(char data[CONTEND_DATA_MAX], const char *from)
{
        snprintf(data, CONTEND_DATA_MAX, "%s", from);
        for (char *p = data; *p; p++)
                if ((unsigned char)*p < 0x20)
                        *p = '?';
}

int contend_init(Contend *c, const ContendConfig *config)
{
        /* with what the server appends, and the longest name beside it */
        if (strlen(config->queue) + 16 + strlen(CONTENDER_PREFIX) + sizeof(c->id) + sizeof(c->kind) >=
                        ZNODE_PATH_MAX ||
                strlen(config->id) >= sizeof(c->id) || strlen(config->kind) >= sizeof(c->kind))
                return -ENAMETOOLONG;
        *c = (Contend){.rule = config->rule,
                .slots = config->slots,
                .tags = config->tags,
                .retry_usec = USEC_INFINITY};
        c->tag = c->tags;
        strcpy(c->queue, config->queue);
        strcpy(c->id, config->id);
        strcpy(c->kind, config->kind);
        copy_data(c->data, config->data);
        parents_init(&c->parents);
        return parents_add(&c->parents, c->queue);
}

void contend_deinit(Contend *c)
{
        parents_deinit(&c->parents);
}
