/* The session of a client: carries out what the session machine (recipe/session.h) wants, and tells
 * it what became of the handle and its connections. It decides nothing itself but the order in
 * which the handlers hear of a change: first the change, then the answers it makes. */
#include "client/client-private.h"

#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/test-clock.h"

static void tell_session(Client *client, enum SessionChange change, int64_t id, uint64_t timeout_usec)
{
        Event event = {.kind = EVENT_SESSION, .now_usec = clock_boottime_usec()};

        event.session.change = change;
        event.session.id = id;
        event.session.timeout_usec = timeout_usec;
        client_tell(client, &(ClientEvent){.kind = CLIENT_SESSION, .event = &event});
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

void client_session_open(Client *client)
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
        if (client->adopted.id && client->session.id == client->adopted.id)
                config.session = &client->adopted;
        session_set_servers(&client->session, servers_count(client->servers));
        client->new_servers = false;
        r = handle_new(&client->handle, client->event, &client->inbox, &config);
        if (r >= 0)
                return;
        log_error("cannot make a ZooKeeper handle: %s", strerror(-r));
        servers_note(client->servers, servers_list(client->servers), strerror(-r));
        client_session_step_kind(client, SESSION_INPUT_FAILED);
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

static void on_probed(void *userdata, const Event *event)
{
        /* The answer itself has told the session. */
}

static void probe(Client *client)
{
        Request request = {.kind = REQUEST_EXISTS, .path = "/"};

        if (!handle_is_on(client->handle, &client->connected))
                return; /* its end is in the inbox, and that of the session with it */
        if (client_requests_send_own(client, &request, on_probed) < 0)
                log_debug("out of memory: the session ends without a proof that the server answers");
}

static void tell_no_ensemble(Client *client)
{
        CLEANUP_STRING text = client_describe_failures(client);

        client_tell(
                client, &(ClientEvent){.kind = CLIENT_NO_ENSEMBLE, .text = text ? text : "out of memory"});
}

/* What was asked for is answered after the change of the session was told, and not mixed up with
 * what handlers ask for when they hear of it. */
static void perform_publish(Client *client, const SessionEffect *effect)
{
        enum SessionChange change = effect->publish.change;

        if (change != SESSION_ATTACHED)
                client_requests_take_out(client);
        else if (effect->publish.id != client->last_id)
                client->statistics.sessions++;
        if (change == SESSION_ATTACHED)
                client->last_id = effect->publish.id;
        if (change != SESSION_ATTACHED)
                client_requests_take_parked(client);
        tell_session(client, change, effect->publish.id, effect->publish.timeout_usec);
        client_requests_answer_taken(client, change == SESSION_SUSPENDED ? OUTCOME_UNKNOWN : OUTCOME_EXPIRED);
}

static void perform(Client *client, const SessionEffect *effect)
{
        switch (effect->kind) {
        case SESSION_EFFECT_OPEN:
                client_session_open(client);
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
        (void)sd_event_source_set_time(client->clock, test_clock_timer(at));
        (void)sd_event_source_set_enabled(client->clock, SD_EVENT_ONESHOT);
}

void client_session_step(Client *client, const SessionInput *input)
{
        SessionEffects effects = {0};

        session_step(&client->session, input, &effects);
        for (size_t i = 0; i < effects.n && !client->freed; i++)
                perform(client, &effects.items[i]);
        if (!client->freed)
                arm_clock(client);
}

void client_session_step_kind(Client *client, enum SessionInputKind kind)
{
        client_session_step(client, &(SessionInput){.kind = kind, .now_usec = clock_boottime_usec()});
}

/* ---- what the handle reports ---- */

void client_session_attach(Client *client)
{
        SessionInput input = {.kind = SESSION_INPUT_CONNECTED, .now_usec = clock_boottime_usec()};

        input.connected.id = client->connected.id;
        input.connected.timeout_usec = client->connected.timeout_usec;
        client->prepared = true;
        client->statistics.attaches++;
        client_requests_answer_parked(client, OUTCOME_UNKNOWN);
        client_session_step(client, &input);
}

static void on_synced(void *userdata, const Event *event)
{
        Client *client = userdata;

        if (event->reply.outcome == OUTCOME_UNKNOWN || event->reply.outcome == OUTCOME_EXPIRED)
                return; /* the next connection begins again */
        client->synced = true;
        client_session_attach(client);
}

/* A library that is new does not know what the one before it has seen, and takes a server for good that lags behind. */
static void sync_first(Client *client)
{
        const Request request = {.kind = REQUEST_SYNC, .path = "/"};

        if (client_requests_send_own(client, &request, on_synced) < 0)
                handle_cut(client->handle, "out of memory"); /* and try again */
}

static void on_connected(Client *client, const HandleNews *news)
{
        client->connected = *news;
        if (client->adopted.id && news->id == client->adopted.id && !client->synced)
                sync_first(client);
        else if (client->prepared || !*client->hosts.chroot)
                client_session_attach(client);
        else
                client_chroot_prepare(client);
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
                client_requests_take_out(client); /* of the preparation */
                client_requests_take_parked(client);
                client_requests_answer_taken(client, OUTCOME_UNKNOWN);
        }
        if (!client->freed)
                client_session_step_kind(client, SESSION_INPUT_DISCONNECTED);
}

static void on_denied(Client *client)
{
        char text[256];

        snprintf(text, sizeof(text),
                "the ensemble refused to authenticate by scheme '%s'; correct --auth-file",
                client->auth_scheme ? client->auth_scheme : "none");
        client_tell(client, &(ClientEvent){.kind = CLIENT_DENIED, .text = text});
        if (!client->freed)
                client_session_step_kind(client, SESSION_INPUT_DENIED);
}

void client_session_on_news(Client *client, const HandleNews *news)
{
        if (!client->handle)
                return; /* the last words of one that is gone */
        switch (news->kind) {
        case HANDLE_ATTEMPT:
                client_session_step_kind(client, SESSION_INPUT_ATTEMPT);
                break;
        case HANDLE_CONNECTED:
                on_connected(client, news);
                break;
        case HANDLE_DISCONNECTED:
                on_disconnected(client, news);
                break;
        case HANDLE_EXPIRED:
                client_session_step_kind(client, SESSION_INPUT_EXPIRED);
                break;
        case HANDLE_DENIED:
                on_denied(client);
                break;
        }
}

uint64_t client_deadline_usec(const Client *client)
{
        return session_deadline(&client->session);
}

int64_t client_session_id(const Client *client)
{
        return client->session.id;
}
