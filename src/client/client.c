/* The life of a client, and its loop.
 *
 * Everything but client_submit() and client_cancel() happens on the loop in on_items() (the inbox)
 * and on_clock() (the session's deadline), so what the session publishes and what the library
 * answers reach the handlers in one order. A handler may free the client: it is only marked then,
 * and freed when the last handler has returned. */
#include "client/client-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/log.h"

/* The other event sources get their turn after so many items. */
#define ITEMS_MAX 256

/* ---- to the handlers ---- */

void client_tell(Client *client, const ClientEvent *event)
{
        if (client->freed)
                return;
        client->depth++;
        client->handler(client->userdata, event);
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

/* ---- the loop ---- */

static void dispatch(Client *client, InboxItem *item)
{
        switch (item->kind) {
        case INBOX_REPLY:
                client_requests_on_reply(client, CONTAINER_OF(item, Pending, item));
                break;
        case INBOX_WATCH:
                tell_watch(client, CONTAINER_OF(item, Watch, item));
                watch_free(&client->watches, CONTAINER_OF(item, Watch, item));
                break;
        case INBOX_HANDLE:
                client_session_on_news(client, CONTAINER_OF(item, HandleNews, item));
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
                client_session_step_kind(client, SESSION_INPUT_CLOSE);
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
        client_session_step_kind(client,
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
                client_session_open(client);
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
        if (config->session) {
                client->adopted = *config->session;
                session_adopt(&client->session, client->adopted.id, client->adopted.timeout_usec);
                client->prepared = true;
                client->last_id = client->adopted.id;
        }
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
        client_requests_init(client);
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
        client_requests_deinit(client);
        sd_event_source_disable_unref(client->inbox.source);
        sd_event_source_disable_unref(client->clock);
        sd_event_unref(client->event);
        hosts_deinit(&client->hosts);
        acl_deinit(&client->acl);
        free(client->auth_scheme);
        if (client->auth_cert)
                explicit_bzero(client->auth_cert, strlen(client->auth_cert));
        free(client->auth_cert);
        explicit_bzero(&client->adopted, sizeof(client->adopted));
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

int client_submit(Client *client, const Request *request, ClientReplyHandler handler, void *userdata)
{
        const char *chroot = client->hosts.chroot;
        Pending *pending = pending_new(&client->inbox, &client->watches, request, chroot, handler, userdata);

        if (!pending)
                return -ENOMEM;
        if (pending_is_too_large(request, chroot, &client->acl) ||
                (request->watch && client->watches.bytes > WATCHES_BYTES_MAX)) {
                client_requests_answer_later(client, pending, OUTCOME_REFUSED);
                return 0;
        }
        switch (client->session.state) {
        case SESSION_STATE_ATTACHED:
                if (handle_is_on(client->handle, &client->connected))
                        client_requests_send(client, pending, request, chroot);
                else
                        client_requests_park(client, pending);
                break;
        case SESSION_STATE_IDLE:
        case SESSION_STATE_CONNECTING:
        case SESSION_STATE_SUSPENDED:
        case SESSION_STATE_EXPIRED:
                client_requests_park(client, pending);
                break;
        case SESSION_STATE_CLOSING:
        case SESSION_STATE_DENIED:
        case SESSION_STATE_CLOSED:
                client_requests_answer_later(client, pending, OUTCOME_EXPIRED);
                break;
        }
        return 0;
}

void client_cancel(Client *client, const void *userdata)
{
        client_requests_cancel(client, userdata);
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

/* ---- another program in our place ---- */

bool client_save(const Client *client, ClientSession *session)
{
        if (client->session.state != SESSION_STATE_ATTACHED || client->close_wanted || client->n_out ||
                !list_is_empty(&client->out) || !list_is_empty(&client->parked) ||
                !list_is_empty(&client->answering) || !list_is_empty(&client->abandoned) ||
                !list_is_empty(&client->inbox.items) || !handle_is_on(client->handle, &client->connected))
                return false;
        session->id = client->session.id;
        session->timeout_usec = client->session.created_timeout_usec;
        return handle_password(client->handle, session->password);
}

/* ---- questions ---- */

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

char *client_describe_failures(const Client *client)
{
        TextBuffer buffer = {0};

        servers_describe(client->servers, &buffer);
        return text_buffer_take(&buffer);
}

void client_statistics(const Client *client, ClientStatistics *statistics)
{
        *statistics = client->statistics;
        statistics->waiting = client->n_out;
}
