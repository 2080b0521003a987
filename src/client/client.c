/* The requests on their way through the client:
 *
 *   client_submit --attached--> out --reply--> (answered, freed)
 *        |                       |--contact lost--> answering --> abandoned --library lets go--> (freed)
 *        +--no contact--> parked --attempt over---> answering --> (freed)
 *
 * Everything but client_submit() and client_cancel() happens on the loop in on_items() (the inbox)
 * and on_clock() (the session's deadline), so what the session publishes and what the library
 * answers reach the handlers in one order. A handler may free the client: it is only marked then,
 * and freed when the last handler has returned. */
#include "client/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "client/acl.h"
#include "client/handle.h"
#include "client/hosts.h"
#include "client/pending.h"
#include "client/servers.h"
#include "client/watch.h"
#include "recipe/session.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"

/* The other event sources get their turn after so many items. */
#define ITEMS_MAX 256

struct Client {
        sd_event *event;
        sd_event_source *clock; /* session_deadline() */
        Random random;
        Hosts hosts;
        Acl acl;
        char *auth_scheme, *auth_cert;
        uint64_t timeout_usec;
        ClientHandler handler;
        void *userdata;

        Session session;
        Servers *servers;
        Handle *handle;   /* NULL: none, or the servers are not known yet */
        bool want_handle; /* to be made as soon as the servers are known */
        bool new_servers; /* to be told to the handle when it is not connected */
        Inbox inbox;
        Watches watches;
        ListLink out;       /* Pending: in the library, to be answered by it */
        ListLink parked;    /* Pending: made without contact, never sent */
        ListLink answering; /* Pending: being answered by us, all with the same outcome */
        ListLink abandoned; /* Pending: answered by us, but still in the library */
        size_t n_out;

        bool prepared;        /* the chroot is there */
        size_t prepare_len;   /* so much of the chroot is being created; 0: looking whether it is there */
        HandleNews connected; /* what is to be told once it is prepared */

        bool close_wanted; /* when what is in the inbox has been handed on */
        int depth;         /* handlers running */
        bool freed;        /* by a handler: free when the last of them has returned */
        ClientStatistics statistics;
        int64_t last_id; /* of the session that was last attached to */
};

static void step(Client *client, const SessionInput *input);

static void step_kind(Client *client, enum SessionInputKind kind)
{
        step(client, &(SessionInput){.kind = kind, .now_usec = clock_boottime_usec()});
}

/* ---- to the handlers ---- */

static void tell(Client *client, const ClientEvent *event)
{
        if (client->freed)
                return;
        client->depth++;
        client->handler(client->userdata, event);
        client->depth--;
}

static void tell_session(Client *client, enum SessionChange change, int64_t id, uint64_t timeout_usec)
{
        Event event = {.kind = EVENT_SESSION, .now_usec = clock_boottime_usec()};

        event.session.change = change;
        event.session.id = id;
        event.session.timeout_usec = timeout_usec;
        tell(client, &(ClientEvent){.kind = CLIENT_SESSION, .event = &event});
}

static void tell_reply(Client *client, Pending *pending)
{
        Event event = {.kind = EVENT_REPLY, .now_usec = clock_boottime_usec(), .reply = pending->reply};

        if (pending->answered)
                return;
        pending->answered = true;
        client->statistics.replies++;
        client->statistics.unknown += pending->reply.outcome == OUTCOME_UNKNOWN;
        if (!pending->handler || client->freed)
                return;
        client->depth++;
        pending->handler(pending->userdata, &event);
        client->depth--;
}

static void tell_watch(Client *client, Watch *watch)
{
        Event event = {.kind = EVENT_WATCH, .now_usec = clock_boottime_usec()};
        size_t strip = strlen(client->hosts.chroot);

        client->statistics.watches++;
        event.watch.tag = watch->tag;
        event.watch.kind = watch->kind;
        event.watch.path = watch->len > strip ? watch->path + strip : "/";
        if (!watch->handler || client->freed)
                return;
        client->depth++;
        watch->handler((void *)watch->userdata, &event);
        client->depth--;
}

/* ---- answers that are ours to give ---- */

static void move_all(ListLink *from, ListLink *to)
{
        while (!list_is_empty(from)) {
                ListLink *link = from->next;

                list_unlink(link);
                list_append(to, link);
        }
}

static void answer_all(Client *client, enum Outcome outcome)
{
        while (!list_is_empty(&client->answering)) {
                Pending *pending = list_entry(client->answering.next, Pending, link);

                list_unlink(&pending->link);
                list_append(&client->abandoned, &pending->link);
                pending->watch = watch_free(&client->watches, pending->watch);
                pending_set_outcome(pending, outcome);
                tell_reply(client, pending);
                if (!pending->in_library)
                        pending_free(pending);
        }
}

static void answer_parked(Client *client, enum Outcome outcome)
{
        move_all(&client->parked, &client->answering);
        answer_all(client, outcome);
}

static void answer_out(Client *client)
{
        list_for_each(it, &client->out)
                list_entry(it, Pending, link)->counted = false;
        move_all(&client->out, &client->answering);
        client->n_out = 0;
}

/* ---- the chroot: made on the first attach if it is not there ---- */

static void send_now(Client *client, Pending *pending, const Request *request, const char *chroot)
{
        list_append(&client->out, &pending->link);
        pending_send(pending, client->handle, request, chroot, &client->acl);
        pending->counted = pending->in_library;
        if (!pending->counted)
                return;
        client->n_out++;
        client->statistics.requests++;
        step_kind(client, SESSION_INPUT_ASKED);
}

static int submit_own(Client *client, const Request *request, ClientReplyHandler handler)
{
        Pending *pending =
                pending_new(&client->inbox, &client->watches, request, PENDING_NO_CHROOT, handler, client);

        if (!pending)
                return -ENOMEM;
        send_now(client, pending, request, PENDING_NO_CHROOT);
        return 0;
}

static void on_prepared(Client *client)
{
        SessionInput input = {.kind = SESSION_INPUT_CONNECTED, .now_usec = clock_boottime_usec()};

        input.connected.id = client->connected.id;
        input.connected.timeout_usec = client->connected.timeout_usec;
        client->prepared = true;
        client->statistics.attaches++;
        answer_parked(client, OUTCOME_UNKNOWN);
        step(client, &input);
}

static void on_prepare_reply(void *userdata, const Event *event);

static void prepare(Client *client)
{
        CLEANUP_STRING path = strndup(client->hosts.chroot, client->prepare_len);
        Request request = {.kind = REQUEST_EXISTS, .path = client->hosts.chroot};

        if (!handle_is_on(client->handle, &client->connected))
                return; /* the next connection begins again */
        if (client->prepare_len)
                request = (Request){.kind = REQUEST_CREATE, .mode = CREATE_PERSISTENT, .path = path};
        if (!path || submit_own(client, &request, on_prepare_reply) < 0)
                handle_cut(client->handle, "out of memory"); /* and try again */
}

static void on_prepare_denied(Client *client, enum Outcome outcome)
{
        CLEANUP_STRING path = strndup(client->hosts.chroot,
                client->prepare_len ? client->prepare_len : strlen(client->hosts.chroot));
        char text[512];

        snprintf(text, sizeof(text),
                "%s: cannot create this znode of the connect string: %s; have it created, or %s",
                path ? path : client->hosts.chroot, outcome_to_string(outcome),
                client->auth_cert ? "use credentials that may" : "give --auth-file");
        tell(client, &(ClientEvent){.kind = CLIENT_DENIED, .text = text, .path = path});
        step_kind(client, SESSION_INPUT_DENIED);
}

/* From the top down: "/a", "/a/b". */
static void prepare_next(Client *client)
{
        const char *chroot = client->hosts.chroot;

        if (client->prepare_len && !chroot[client->prepare_len]) {
                on_prepared(client);
                return;
        }
        client->prepare_len += 1 + strcspn(chroot + client->prepare_len + 1, "/");
        prepare(client);
}

static void on_prepare_reply(void *userdata, const Event *event)
{
        Client *client = userdata;

        switch (event->reply.outcome) {
        case OUTCOME_OK:
                if (!client->prepare_len)
                        on_prepared(client);
                else
                        prepare_next(client);
                break;
        case OUTCOME_NODE_EXISTS:
                prepare_next(client);
                break;
        case OUTCOME_NO_NODE:
                client->prepare_len = 0; /* a parent may have gone again */
                prepare_next(client);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                break; /* the next connection begins again */
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
                on_prepare_denied(client, event->reply.outcome);
                break;
        }
}

/* ---- effects of the session ---- */

static void on_probed(void *userdata, const Event *event)
{
        /* The answer itself has told the session. */
}

/* Those of a handle that is gone must not be taken for those of the next one. */
static void purge_news(Client *client)
{
        list_for_each_safe(it, &client->inbox.items) {
                InboxItem *item = list_entry(it, InboxItem, link);

                if (item->kind != INBOX_HANDLE)
                        continue;
                list_unlink(&item->link);
                free(CONTAINER_OF(item, HandleNews, item));
        }
}

static void drop_handle(Client *client, bool farewell)
{
        client->want_handle = false;
        if (farewell)
                client->handle = handle_farewell(client->handle);
        else
                client->handle = handle_free(client->handle);
        watches_clear(&client->watches);
        purge_news(client);
        client->prepare_len = 0;
}

static void open_handle(Client *client)
{
        HandleConfig config = {
                .timeout_usec = client->timeout_usec,
                .auth_scheme = client->auth_scheme,
                .auth_cert = client->auth_cert,
        };
        int r;

        client->want_handle = !servers_list(client->servers);
        if (client->want_handle)
                return;
        config.servers = servers_list(client->servers);
        session_set_servers(&client->session, servers_count(client->servers));
        client->new_servers = false;
        r = handle_new(&client->handle, client->event, &client->inbox, &config);
        if (r >= 0)
                return;
        log_error("cannot make a ZooKeeper handle: %s", strerror(-r));
        servers_note(client->servers, servers_list(client->servers), strerror(-r));
        step_kind(client, SESSION_INPUT_FAILED);
}

static void cut(Client *client)
{
        char why[HANDLE_TEXT_MAX], bound[DURATION_STRING_MAX];
        bool attached = client->session.state == SESSION_STATE_ATTACHED;

        if (!client->handle)
                return;
        client->statistics.cuts++;
        if (attached)
                snprintf(why, sizeof(why), "the server stopped answering");
        else
                snprintf(why, sizeof(why), "no answer within %s",
                        duration_to_string(session_attempt_bound_usec(&client->session), bound));
        log_write(attached ? LOG_LEVEL_NOTICE : LOG_LEVEL_DEBUG,
                "ZooKeeper server %s: %s; going on to the next one", handle_server(client->handle), why);
        handle_cut(client->handle, why);
}

static void probe(Client *client)
{
        Request request = {.kind = REQUEST_EXISTS, .path = "/"};

        if (!handle_is_on(client->handle, &client->connected))
                return; /* its end is in the inbox, and that of the session with it */
        if (submit_own(client, &request, on_probed) < 0)
                log_debug("out of memory: the session ends without a proof that the server answers");
}

char *client_describe_failures(const Client *client)
{
        TextBuffer buffer = {0};

        servers_describe(client->servers, &buffer);
        return text_buffer_take(&buffer);
}

static void tell_no_ensemble(Client *client)
{
        CLEANUP_STRING text = client_describe_failures(client);

        tell(client, &(ClientEvent){.kind = CLIENT_NO_ENSEMBLE, .text = text ? text : "out of memory"});
}

/* What was asked for is answered after the change of the session was told, and not mixed up with
 * what handlers ask for when they hear of it. */
static void perform_publish(Client *client, const SessionEffect *effect)
{
        enum SessionChange change = effect->publish.change;

        if (change != SESSION_ATTACHED)
                answer_out(client);
        else if (effect->publish.id != client->last_id)
                client->statistics.sessions++;
        if (change == SESSION_ATTACHED)
                client->last_id = effect->publish.id;
        if (change != SESSION_ATTACHED)
                move_all(&client->parked, &client->answering);
        tell_session(client, change, effect->publish.id, effect->publish.timeout_usec);
        answer_all(client, change == SESSION_SUSPENDED ? OUTCOME_UNKNOWN : OUTCOME_EXPIRED);
}

static void perform(Client *client, const SessionEffect *effect)
{
        switch (effect->kind) {
        case SESSION_EFFECT_OPEN:
                open_handle(client);
                break;
        case SESSION_EFFECT_DROP:
                drop_handle(client, false);
                break;
        case SESSION_EFFECT_CUT:
                cut(client);
                break;
        case SESSION_EFFECT_PAUSE:
                servers_refresh(client->servers); /* all servers failed: perhaps they moved */
                if (client->handle)
                        handle_pause(client->handle, effect->until_usec);
                break;
        case SESSION_EFFECT_PROBE:
                probe(client);
                break;
        case SESSION_EFFECT_FAREWELL:
                drop_handle(client, true);
                break;
        case SESSION_EFFECT_PUBLISH:
                perform_publish(client, effect);
                break;
        case SESSION_EFFECT_NO_ENSEMBLE:
                tell_no_ensemble(client);
                break;
        case SESSION_EFFECT_TRACE:
                log_debug("session %#llx: %s", (unsigned long long)client->session.id, effect->trace);
                break;
        }
}

static void arm_clock(Client *client)
{
        uint64_t at = session_deadline(&client->session);

        if (at == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(client->clock, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(client->clock, at);
        (void)sd_event_source_set_enabled(client->clock, SD_EVENT_ONESHOT);
}

static void step(Client *client, const SessionInput *input)
{
        SessionEffects effects = {0};

        session_step(&client->session, input, &effects);
        for (size_t i = 0; i < effects.n && !client->freed; i++)
                perform(client, &effects.items[i]);
        if (!client->freed)
                arm_clock(client);
}

/* ---- the inbox ---- */

static void on_connected(Client *client, const HandleNews *news)
{
        client->connected = *news;
        client->prepare_len = 0;
        if (client->prepared || !*client->hosts.chroot)
                on_prepared(client);
        else
                prepare(client);
}

static void on_disconnected(Client *client, const HandleNews *news)
{
        servers_note(client->servers, news->address, news->text);
        log_debug("ZooKeeper server %s: %s", news->address, news->text);
        if (client->new_servers && client->handle) {
                client->new_servers = false;
                handle_set_servers(client->handle, servers_list(client->servers));
                session_set_servers(&client->session, servers_count(client->servers));
        }
        if (client->session.state != SESSION_STATE_ATTACHED) {
                answer_out(client); /* of the preparation */
                move_all(&client->parked, &client->answering);
                answer_all(client, OUTCOME_UNKNOWN);
        }
        if (!client->freed)
                step_kind(client, SESSION_INPUT_DISCONNECTED);
}

static void on_denied(Client *client)
{
        char text[256];

        snprintf(text, sizeof(text),
                "the ensemble refused to authenticate by scheme '%s'; correct --auth-file",
                client->auth_scheme ? client->auth_scheme : "none");
        tell(client, &(ClientEvent){.kind = CLIENT_DENIED, .text = text});
        if (!client->freed)
                step_kind(client, SESSION_INPUT_DENIED);
}

static void on_news(Client *client, const HandleNews *news)
{
        if (!client->handle)
                return; /* the last words of one that is gone */
        switch (news->kind) {
        case HANDLE_ATTEMPT:
                step_kind(client, SESSION_INPUT_ATTEMPT);
                break;
        case HANDLE_CONNECTED:
                on_connected(client, news);
                break;
        case HANDLE_DISCONNECTED:
                on_disconnected(client, news);
                break;
        case HANDLE_EXPIRED:
                step_kind(client, SESSION_INPUT_EXPIRED);
                break;
        case HANDLE_DENIED:
                on_denied(client);
                break;
        }
}

static void on_reply(Client *client, Pending *pending)
{
        SessionInput input = {.kind = SESSION_INPUT_ANSWERED, .now_usec = clock_boottime_usec()};
        bool counted;

        if (pending->in_library)
                return; /* answered by us meanwhile, and sent again by the library */
        counted = pending->counted;
        client->n_out -= counted;
        list_unlink(&pending->link);
        list_append(&client->abandoned, &pending->link);
        tell_reply(client, pending);
        pending_free(pending);
        input.waiting = client->n_out;
        if (counted && !client->freed)
                step(client, &input);
}

static void dispatch(Client *client, InboxItem *item)
{
        switch (item->kind) {
        case INBOX_REPLY:
                on_reply(client, CONTAINER_OF(item, Pending, item));
                break;
        case INBOX_WATCH:
                tell_watch(client, CONTAINER_OF(item, Watch, item));
                watch_free(&client->watches, CONTAINER_OF(item, Watch, item));
                break;
        case INBOX_HANDLE:
                on_news(client, CONTAINER_OF(item, HandleNews, item));
                free(CONTAINER_OF(item, HandleNews, item));
                break;
        }
}

static void destroy(Client *client);

static void leave(Client *client)
{
        client->depth--;
        if (client->freed && client->depth == 0)
                destroy(client);
}

static int on_items(sd_event_source *source, void *userdata)
{
        Client *client = userdata;
        InboxItem *item;
        int n = 0;

        client->depth++;
        while (!client->freed && n++ < ITEMS_MAX && (item = inbox_take(&client->inbox)))
                dispatch(client, item);
        if (!client->freed && client->close_wanted && list_is_empty(&client->inbox.items)) {
                client->close_wanted = false;
                step_kind(client, SESSION_INPUT_CLOSE);
        }
        if (!client->freed && !list_is_empty(&client->inbox.items))
                (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        leave(client);
        return 0;
}

static int on_clock(sd_event_source *source, uint64_t usec, void *userdata)
{
        Client *client = userdata;

        client->depth++;
        step_kind(client,
                client->session.state == SESSION_STATE_IDLE ? SESSION_INPUT_OPEN : SESSION_INPUT_TIME);
        leave(client);
        return 0;
}

static void on_servers(void *userdata)
{
        Client *client = userdata;

        log_debug("ZooKeeper servers: %s", servers_list(client->servers));
        client->new_servers = true;
        client->depth++;
        if (client->want_handle)
                open_handle(client);
        leave(client);
}

/* ---- new, free ---- */

static int copy_config(Client *client, const ClientConfig *config, char *problem, size_t problem_size)
{
        int r;

        client->timeout_usec =
                config->session_timeout_usec ? config->session_timeout_usec : CLIENT_SESSION_TIMEOUT_USEC;
        if (client->timeout_usec < USEC_PER_MSEC ||
                client->timeout_usec > (uint64_t)INT32_MAX / 4 * USEC_PER_MSEC) {
                snprintf(problem, problem_size, "session timeout: must be from 1ms to 6 days");
                return -EINVAL;
        }
        r = hosts_parse(&client->hosts, config->connect ? config->connect : "", problem, problem_size);
        if (r < 0)
                return r;
        r = acl_parse(&client->acl, config->acl, config->auth_cert != NULL, problem, problem_size);
        if (r < 0)
                return r;
        if (config->auth_cert) {
                client->auth_scheme = strdup(config->auth_scheme ? config->auth_scheme : "digest");
                client->auth_cert = strdup(config->auth_cert);
                if (!client->auth_scheme || !client->auth_cert)
                        return -ENOMEM;
        }
        random_init(&client->random, config->seed ? config->seed : random_seed_from_kernel());
        session_init(&client->session, client->timeout_usec, config->connect_timeout_usec, &client->random);
        return 0;
}

static int add_sources(Client *client)
{
        int r = sd_event_add_defer(client->event, &client->inbox.source, on_items, client);

        if (r >= 0)
                r = sd_event_source_set_enabled(client->inbox.source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(client->inbox.source, INBOX_PRIORITY_ITEMS);
        if (r >= 0) /* due at once: opens the session */
                r = sd_event_add_time(
                        client->event, &client->clock, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_clock, client);
        if (r >= 0)
                r = sd_event_source_set_priority(client->clock, INBOX_PRIORITY_CLOCK);
        if (r >= 0)
                r = servers_new(
                        &client->servers, client->event, &client->hosts, &client->random, on_servers, client);
        return r;
}

int client_new(Client **out, sd_event *event, const ClientConfig *config, ClientHandler handler,
        void *userdata, char *problem, size_t problem_size)
{
        CLEANUP(client_free) Client *client = calloc(1, sizeof(*client));
        int r;

        snprintf(problem, problem_size, "out of memory");
        if (!client)
                return -ENOMEM;
        client->event = sd_event_ref(event);
        client->handler = handler;
        client->userdata = userdata;
        list_init(&client->inbox.items);
        list_init(&client->out);
        list_init(&client->parked);
        list_init(&client->answering);
        list_init(&client->abandoned);
        watches_init(&client->watches, &client->inbox);
        r = copy_config(client, config, problem, problem_size);
        if (r < 0)
                return r;
        r = add_sources(client);
        if (r < 0) {
                snprintf(problem, problem_size, "cannot set up the ZooKeeper client: %s", strerror(-r));
                return r;
        }
        *out = TAKE(client);
        return 0;
}

static void free_pendings(ListLink *list)
{
        list_for_each_safe(it, list) {
                Pending *pending = list_entry(it, Pending, link);

                pending->in_library = false; /* its handle is gone */
                pending_free(pending);
        }
}

static void free_items(Inbox *inbox)
{
        InboxItem *item;

        while ((item = inbox_take(inbox))) {
                switch (item->kind) {
                case INBOX_REPLY:
                        break; /* in one of the lists as well */
                case INBOX_WATCH:
                        free(CONTAINER_OF(item, Watch, item));
                        break;
                case INBOX_HANDLE:
                        free(CONTAINER_OF(item, HandleNews, item));
                        break;
                }
        }
}

static void destroy(Client *client)
{
        handle_free(client->handle);
        servers_free(client->servers);
        free_items(&client->inbox);
        watches_clear(&client->watches);
        free_pendings(&client->out);
        free_pendings(&client->parked);
        free_pendings(&client->answering);
        free_pendings(&client->abandoned);
        sd_event_source_disable_unref(client->inbox.source);
        sd_event_source_disable_unref(client->clock);
        sd_event_unref(client->event);
        hosts_deinit(&client->hosts);
        acl_deinit(&client->acl);
        free(client->auth_scheme);
        if (client->auth_cert)
                explicit_bzero(client->auth_cert, strlen(client->auth_cert));
        free(client->auth_cert);
        free(client);
}

Client *client_free(Client *client)
{
        if (!client)
                return NULL;
        client->freed = true;
        if (client->depth == 0)
                destroy(client);
        return NULL;
}

/* ---- requests ---- */

/* Not sent, answered from the loop. */
static void answer_later(Client *client, Pending *pending, enum Outcome outcome)
{
        pending->watch = watch_free(&client->watches, pending->watch);
        pending_set_outcome(pending, outcome);
        list_append(&client->out, &pending->link);
        inbox_put(&client->inbox, &pending->item);
}

static void park(Client *client, Pending *pending)
{
        pending->reply.sent_usec = clock_boottime_usec();
        list_append(&client->parked, &pending->link);
}

int client_submit(Client *client, const Request *request, ClientReplyHandler handler, void *userdata)
{
        const char *chroot = client->hosts.chroot;
        Pending *pending = pending_new(&client->inbox, &client->watches, request, chroot, handler, userdata);

        if (!pending)
                return -ENOMEM;
        if (pending_is_too_large(request, chroot, &client->acl) ||
                (request->watch && client->watches.bytes > WATCHES_BYTES_MAX)) {
                answer_later(client, pending, OUTCOME_REFUSED);
                return 0;
        }
        switch (client->session.state) {
        case SESSION_STATE_ATTACHED:
                if (handle_is_on(client->handle, &client->connected))
                        send_now(client, pending, request, chroot);
                else
                        park(client, pending);
                break;
        case SESSION_STATE_IDLE:
        case SESSION_STATE_CONNECTING:
        case SESSION_STATE_SUSPENDED:
        case SESSION_STATE_EXPIRED:
                park(client, pending);
                break;
        case SESSION_STATE_CLOSING:
        case SESSION_STATE_DENIED:
        case SESSION_STATE_CLOSED:
                answer_later(client, pending, OUTCOME_EXPIRED);
                break;
        }
        return 0;
}

static void cancel_in(Client *client, ListLink *list, const void *userdata)
{
        list_for_each(it, list) {
                Pending *pending = list_entry(it, Pending, link);

                if (pending->userdata != userdata)
                        continue;
                pending->handler = NULL;
                pending->watch = watch_free(&client->watches, pending->watch);
        }
}

void client_cancel(Client *client, const void *userdata)
{
        cancel_in(client, &client->out, userdata);
        cancel_in(client, &client->parked, userdata);
        cancel_in(client, &client->answering, userdata);
        watches_cancel(&client->watches, userdata);
        list_for_each(it, &client->inbox.items) {
                InboxItem *item = list_entry(it, InboxItem, link);

                if (item->kind == INBOX_WATCH && CONTAINER_OF(item, Watch, item)->userdata == userdata)
                        CONTAINER_OF(item, Watch, item)->handler = NULL;
        }
}

void client_close(Client *client)
{
        client->close_wanted = true;
        (void)sd_event_source_set_enabled(client->inbox.source, SD_EVENT_ONESHOT);
}

/* ---- questions ---- */

int64_t client_session_id(const Client *client)
{
        return client->session.id;
}

bool client_is_attached(const Client *client)
{
        return client->session.state == SESSION_STATE_ATTACHED;
}

uint64_t client_timeout_usec(const Client *client)
{
        return client->session.timeout_usec;
}

const char *client_server(const Client *client)
{
        return client->handle ? handle_server(client->handle) : "";
}

const char *client_chroot(const Client *client)
{
        return client->hosts.chroot;
}

void client_statistics(const Client *client, ClientStatistics *statistics)
{
        *statistics = client->statistics;
        statistics->waiting = client->n_out;
}
