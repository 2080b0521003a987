#include "recipe/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"
#include "util/text.h"

#define RETRY_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * USEC_PER_SEC)
#define GONE_PAUSE_USEC (2 * USEC_PER_SEC)

const char *node_state_to_string(enum NodeState state)
{
        static const char *const names[] = {"out", "making the parents", "creating", "looking whose it is",
                "deleting one of a former session", "taken by somebody else", "there", "watching", "writing",
                "leaving", "released", "failed"};

        return state < ARRAY_SIZE(names) ? names[state] : "?";
}

int node_init(Node *n, const NodeConfig *config)
{
        char parent[ZNODE_PATH_MAX];
        const char *slash = strrchr(config->path, '/');

        *n = (Node){.pause_usec = config->pause_usec,
                .is_ours = config->is_ours,
                .userdata = config->userdata,
                .retry_usec = USEC_INFINITY};
        if (strlen(config->path) >= sizeof(n->path) || !slash)
                return -ENAMETOOLONG;
        strcpy(n->path, config->path);
        parents_init(&n->parents);
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - config->path), config->path);
        return slash == config->path ? 0 : parents_add(&n->parents, parent);
}

void node_deinit(Node *n)
{
        free(n->data);
        parents_deinit(&n->parents);
        *n = (Node){0};
}

void node_set_pause(Node *n, uint64_t pause_usec)
{
        n->pause_usec = pause_usec;
}

int node_set_data(Node *n, const void *data, size_t len)
{
        char *copy;

        if (n->data && n->len == len && memcmp(n->data, data, len) == 0)
                return 0;
        copy = malloc(len + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, data, len);
        free(n->data);
        n->data = copy;
        n->len = len;
        n->dirty = true;
        return 0;
}

/* --- requests ----------------------------------------------------------------------------------- */

static void enter(Node *n, enum NodeState state, Effects *effects, const char *cause)
{
        n->retry_usec = USEC_INFINITY;
        if (state == n->state)
                return;
        assert(n->state != NODE_FAILED);
        snprintf(effects_append(effects, EFFECT_TRACE)->trace.text, sizeof((Effect){0}.trace.text),
                "%.60s: %s -> %s (%s)", n->path, node_state_to_string(n->state), node_state_to_string(state),
                cause);
        n->state = state;
}

static Request *ask(Node *n, enum NodeState state, enum RequestKind kind, Effects *effects, const char *cause)
{
        assert(!n->under_way && n->attached);
        enter(n, state, effects, cause);
        n->under_way = true;
        return effects_request(effects, kind, ++n->tag, n->path);
}

static void put_data(Node *n, Request *request)
{
        request->data = n->data;
        request->data_len = n->len;
        n->dirty = false; /* until there is newer data, or the reply says otherwise */
}

static void ask_create(Node *n, Effects *effects)
{
        Request *request = ask(n, NODE_CREATE, REQUEST_CREATE, effects, "it has something to say");

        request->mode = CREATE_EPHEMERAL;
        n->maybe_made = true;
        put_data(n, request);
}

static void ask_look(Node *n, Effects *effects, const char *cause)
{
        ask(n, NODE_LOOK, REQUEST_GET, effects, cause)->watch = true;
}

static void ask_drop(Node *n, enum NodeState state, int32_t version, Effects *effects, const char *cause)
{
        ask(n, state, REQUEST_DELETE, effects, cause)->version = version;
}

static void ask_parents(Node *n, Effects *effects)
{
        Request *request = ask(n, NODE_PARENTS, REQUEST_CREATE, effects, "its parent is missing");
        uint32_t tag = request->tag;

        parents_request(&n->parents, request);
        request->tag = tag;
}

/* After this step, when it is time. */
static void later(Node *n, uint64_t now_usec, Effects *effects, const char *cause)
{
        enter(n, NODE_OUT, effects, cause);
        n->retry_usec = usec_add(now_usec, MIN(RETRY_USEC << MIN(n->failures, 10U), RETRY_MAX_USEC));
        n->failures++;
}

static void fail(Node *n, enum Outcome outcome, Effects *effects)
{
        Effect *effect = effects_append(effects, EFFECT_FAILED);

        effect->failed.outcome = outcome;
        snprintf(effect->failed.text, sizeof(effect->failed.text), "%.190s: %s", n->path,
                outcome_to_string(outcome));
        enter(n, NODE_FAILED, effects, outcome_to_string(outcome));
}

static void released(Node *n, Effects *effects)
{
        enter(n, NODE_RELEASED, effects, "nothing of it is left");
        effects_append(effects, EFFECT_RELEASED);
}

/* What is to be done now; nothing while there is no contact or a reply is awaited. */
static void next(Node *n, uint64_t now_usec, Effects *effects)
{
        if (!n->attached || n->under_way || n->state == NODE_FAILED || n->state == NODE_RELEASED)
                return;
        if (!n->want) {
                if (n->state == NODE_THERE)
                        ask_drop(n, NODE_LEAVE, VERSION_ANY, effects, "no longer wanted");
                else if (n->maybe_made && n->state != NODE_TAKEN)
                        ask_look(n, effects, "no longer wanted");
                else
                        released(n, effects);
                return;
        }
        if (!n->data || (n->retry_usec != USEC_INFINITY && now_usec < n->retry_usec))
                return;
        if (n->state == NODE_OUT)
                ask_create(n, effects);
        else if (n->state == NODE_TAKEN && !n->watching)
                ask_look(n, effects, "it has changed");
        else if (n->state == NODE_THERE && n->dirty && now_usec >= n->next_usec)
                put_data(n, ask(n, NODE_SET, REQUEST_SET, effects, "it has something else to say"));
        else if (n->state == NODE_THERE && !n->watching)
                ask(n, NODE_WATCH, REQUEST_EXISTS, effects, "to notice when it goes")->watch = true;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void written(Node *n, uint64_t now_usec, Effects *effects)
{
        enter(n, NODE_THERE, effects, "written");
        parents_settled(&n->parents);
        n->failures = 0;
        n->next_usec = usec_add(now_usec, n->pause_usec);
}

static void on_created(Node *n, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        switch (outcome) {
        case OUTCOME_OK:
                n->watching = false;
                written(n, event->now_usec, effects);
                break;
        case OUTCOME_NODE_EXISTS:
                n->dirty = true;
                ask_look(n, effects, "there is one already");
                break;
        case OUTCOME_NO_NODE:
                n->dirty = true;
                n->maybe_made = false;
                parents_begin(&n->parents);
                ask_parents(n, effects);
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_NO_CHILDREN:
                n->maybe_made = false;
                fail(n, outcome, effects);
                break;
        case OUTCOME_EXPIRED:
        case OUTCOME_UNKNOWN:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_ROLLED_BACK:
                n->dirty = true;
                later(n, event->now_usec, effects, outcome_to_string(outcome));
                break;
        }
}

static void on_parents(Node *n, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        if (outcome == OUTCOME_DENIED || outcome == OUTCOME_REFUSED)
                fail(n, outcome, effects);
        else if (outcome == OUTCOME_UNKNOWN || outcome == OUTCOME_EXPIRED)
                later(n, event->now_usec, effects, outcome_to_string(outcome));
        else if (parents_on_reply(&n->parents, outcome))
                ask_parents(n, effects);
        else
                enter(n, NODE_OUT, effects, "its parent is there");
}

/* Somebody is there: we ourselves, a former session of ours, or somebody else. */
static void on_found(Node *n, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        Effect *effect;

        n->watching = true;
        if (reply->stat.ephemeral_owner == n->session_id) {
                n->dirty = reply->data_len != n->len ||
                           memcmp(reply->data ? reply->data : "", n->data, n->len) != 0;
                n->maybe_made = true;
                n->failures = 0;
                enter(n, NODE_THERE, effects, "it is ours");
                return;
        }
        n->maybe_made = false;
        if (reply->stat.ephemeral_owner && n->is_ours &&
                n->is_ours(n->userdata, reply->data, reply->data_len)) {
                ask_drop(n, NODE_DROP, reply->stat.version, effects, "a former session of ours made it");
                return;
        }
        if (n->taken_by != reply->stat.ephemeral_owner) {
                n->taken_by = reply->stat.ephemeral_owner;
                effect = effects_append(effects, EFFECT_WAITING);
                snprintf(effect->waiting.text, sizeof(effect->waiting.text),
                        "%.80s is somebody else's (session 0x%" PRIx64 ")", n->path,
                        (uint64_t)reply->stat.ephemeral_owner);
        }
        enter(n, NODE_TAKEN, effects, "it is another's");
}

static void on_looked(Node *n, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        switch (outcome) {
        case OUTCOME_OK:
                on_found(n, event, effects);
                break;
        case OUTCOME_NO_NODE:
                n->maybe_made = false;
                enter(n, NODE_OUT, effects, "it is gone");
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
                fail(n, outcome, effects);
                break;
        case OUTCOME_EXPIRED:
        case OUTCOME_UNKNOWN:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
                later(n, event->now_usec, effects, outcome_to_string(outcome));
                break;
        }
}

static void on_dropped(Node *n, const Event *event, Effects *effects)
{
        enum Outcome outcome = event->reply.outcome;

        if (outcome == OUTCOME_OK || outcome == OUTCOME_NO_NODE) {
                n->maybe_made = false;
                n->watching = false;
                enter(n, NODE_OUT, effects, "deleted");
        } else if (outcome == OUTCOME_DENIED || outcome == OUTCOME_REFUSED) {
                n->maybe_made = false;
                fail(n, outcome, effects);
        } else {
                later(n, event->now_usec, effects,
                        outcome_to_string(outcome)); /* and looks again whose it is */
        }
}

static void on_there(Node *n, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        bool was_set = n->state == NODE_SET;

        switch (reply->outcome) {
        case OUTCOME_OK:
                if (was_set) {
                        written(n, event->now_usec, effects);
                } else if (reply->stat.ephemeral_owner == n->session_id) {
                        n->watching = true;
                        enter(n, NODE_THERE, effects, "it is ours");
                } else {
                        n->dirty = true;
                        enter(n, NODE_OUT, effects,
                                "it has changed hands"); /* the creation will tell whose it is */
                }
                break;
        case OUTCOME_NO_NODE: /* by hand: not at once, or whoever deletes the tree never comes to an end */
                n->dirty = true;
                n->maybe_made = false;
                enter(n, NODE_OUT, effects, "somebody has deleted it");
                n->retry_usec = usec_add(event->now_usec, MAX(n->pause_usec, GONE_PAUSE_USEC));
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
                fail(n, reply->outcome, effects);
                break;
        case OUTCOME_EXPIRED:
        case OUTCOME_UNKNOWN:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
                n->dirty = true;
                later(n, event->now_usec, effects, outcome_to_string(reply->outcome));
                break;
        }
}

static void on_reply(Node *n, const Event *event, Effects *effects)
{
        if (!n->under_way || event->reply.tag != n->tag)
                return;
        n->under_way = false;
        switch (n->state) {
        case NODE_CREATE:
                on_created(n, event, effects);
                break;
        case NODE_PARENTS:
                on_parents(n, event, effects);
                break;
        case NODE_LOOK:
                on_looked(n, event, effects);
                break;
        case NODE_DROP:
        case NODE_LEAVE:
                on_dropped(n, event, effects);
                break;
        case NODE_WATCH:
        case NODE_SET:
                on_there(n, event, effects);
                break;
        case NODE_OUT: /* the session has gone meanwhile */
        case NODE_TAKEN:
        case NODE_THERE:
        case NODE_RELEASED:
        case NODE_FAILED:
                break;
        }
}

static void on_session(Node *n, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                n->attached = true;
                if (n->session_id != event->session.id && n->state != NODE_FAILED &&
                        n->state != NODE_RELEASED) {
                        n->watching = n->maybe_made = n->under_way = false;
                        n->dirty = true;
                        enter(n, NODE_OUT, effects, "a new session");
                }
                n->session_id = event->session.id;
                n->retry_usec = USEC_INFINITY;
                break;
        case SESSION_SUSPENDED:
                n->attached = false;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                n->attached = n->watching = n->maybe_made = n->under_way = false;
                if (n->state != NODE_FAILED && n->state != NODE_RELEASED)
                        enter(n, NODE_OUT, effects, "the session is over");
                break;
        }
}

void node_step(Node *n, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_START:
                n->want = true;
                if (n->state == NODE_RELEASED)
                        enter(n, NODE_OUT, effects, "wanted");
                break;
        case EVENT_RELEASE:
                n->want = false;
                if (!n->attached && !n->maybe_made && n->state != NODE_FAILED && n->state != NODE_RELEASED)
                        released(n, effects);
                break;
        case EVENT_REPLY:
                on_reply(n, event, effects);
                break;
        case EVENT_WATCH:
                n->watching = false;
                break;
        case EVENT_SESSION:
                on_session(n, event, effects);
                break;
        case EVENT_TIME:
        case EVENT_DEAD:
                break;
        }
        next(n, event->now_usec, effects);
}

uint64_t node_deadline(const Node *n)
{
        if (!n->attached || n->under_way || !n->want)
                return USEC_INFINITY;
        if (n->state == NODE_THERE && n->dirty)
                return n->next_usec;
        return n->state == NODE_OUT && n->data ? n->retry_usec : USEC_INFINITY;
}
