/* Server-sent events (HTML, "Server-sent events"): who listens, what they are sent, and when they are awake. A
 * listener that has had everything is a suspended connection; the library asks for more only after it is resumed.
 */
#include <errno.h>
#include <string.h>
#include "api/listener.h"
#include "api/render.h"
#include "api/server-private.h"
#include "util/clock.h"
#include "util/log.h"

#define HEARTBEAT_USEC (15 * USEC_PER_SEC)
#define BLOCK_SIZE 4096

struct Listener {
        ListLink link;
        Api *api;
        struct MHD_Connection *connection;
        uint64_t next;  /* number of the event that comes next */
        Event *current; /* is being sent, from OFFSET on */
        size_t offset;
        bool suspended, comment_due, ending;
};

static void resume(Listener *listener)
{
        if (!listener->suspended)
                return;
        listener->suspended = false;
        MHD_resume_connection(listener->connection);
        door_wake(&listener->api->control);
}

static void trim(Api *api)
{
        uint64_t least = api->log.next;

        list_for_each(it, &api->listeners)
                least = MIN(least, list_entry(it, Listener, link)->next);
        event_log_trim(&api->log, least);
}

/* What to send next, or NULL: nothing, for now or (if ENDING) for good. */
static Event *next_event(Listener *listener)
{
        EventLog *log = &listener->api->log;

        if (listener->ending)
                return NULL;
        if (listener->next < log->first) {
                listener->ending = true;
                return event_new("overflow",
                        "{\"error\":\"events were lost: this listener was too slow; ask for the state anew\"}");
        }
        if (listener->next < log->next)
                return event_log_get(log, listener->next++);
        if (listener->comment_due) {
                listener->comment_due = false;
                return event_new_comment();
        }
        return NULL;
}

static ssize_t on_read(void *userdata, uint64_t position, char *buf, size_t max)
{
        Listener *listener = userdata;
        size_t n;

        if (!listener->current) {
                listener->current = next_event(listener);
                listener->offset = 0;
        }
        if (!listener->current) {
                if (listener->ending)
                        return MHD_CONTENT_READER_END_OF_STREAM;
                listener->suspended = true;
                MHD_suspend_connection(listener->connection);
                return 0;
        }
        n = MIN(max, listener->current->len - listener->offset);
        memcpy(buf, listener->current->text + listener->offset, n);
        listener->offset += n;
        if (listener->offset == listener->current->len) {
                listener->current = event_unref(listener->current);
                trim(listener->api);
        }
        return (ssize_t)n;
}

static void on_end(void *userdata)
{
        Listener *listener = userdata;
        Api *api = listener->api;

        list_unlink(&listener->link);
        event_unref(listener->current);
        free(listener);
        api->n_listeners--;
        trim(api);
        if (api->n_listeners == 0)
                api->heartbeat = sd_event_source_disable_unref(api->heartbeat);
}

static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata)
{
        Api *api = userdata;

        list_for_each(it, &api->listeners) {
                Listener *listener = list_entry(it, Listener, link);

                listener->comment_due = listener->suspended; /* one that is being sent something needs none */
                resume(listener);
        }
        (void)sd_event_source_set_time_relative(source, HEARTBEAT_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int start_heartbeat(Api *api)
{
        int r;

        if (api->heartbeat)
                return 0;
        r = sd_event_add_time_relative(
                api->event, &api->heartbeat, CLOCK_MONOTONIC, HEARTBEAT_USEC, USEC_PER_SEC, on_heartbeat, api);
        return r < 0 ? r : sd_event_source_set_priority(api->heartbeat, SERVER_PRIORITY);
}

/* The state to start from is another request; this says as of when the events go on. */
static Event *make_hello(Api *api)
{
        __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer data = {0};

        render_session(&data, api->ops->snapshot(api->userdata));
        return data.failed || !data.data ? NULL : event_new("hello", data.data);
}

struct MHD_Response *events_listen(Api *api, struct MHD_Connection *connection)
{
        struct MHD_Response *response;
        Listener *listener;

        if (api->n_listeners == SERVER_LISTENERS_MAX || start_heartbeat(api) < 0)
                return NULL;
        listener = calloc(1, sizeof(*listener));
        if (!listener)
                return NULL;
        list_init(&listener->link);
        listener->api = api;
        listener->connection = connection;
        listener->next = api->log.next;
        listener->current = make_hello(api);
        list_append(&api->listeners, &listener->link);
        api->n_listeners++;
        response = listener->current ? MHD_create_response_from_callback(
                                               MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, listener, on_end)
                                     : NULL;
        if (!response)
                on_end(listener);
        return response;
}

void events_deinit(Api *api)
{
        list_for_each(it, &api->listeners) {
                Listener *listener = list_entry(it, Listener, link);

                listener->ending = true;
                resume(listener);
        }
}

/* DATA is released. */
static void tell(Api *api, const char *name, TextBuffer *data)
{
        Event *event = data->failed || !data->data ? NULL : event_new(name, data->data);

        text_buffer_deinit(data);
        if (event && event_log_append(&api->log, event)) {
                list_for_each(it, &api->listeners)
                        resume(list_entry(it, Listener, link));
                return;
        }
        log_warning("an event '%s' is not told to those who listen: there is no memory", name);
}

void api_tell_unit(Api *api, const SnapshotUnit *unit)
{
        TextBuffer data = {0};

        if (!api || api->n_listeners == 0)
                return;
        render_unit(&data, unit, clock_realtime_usec(), RENDER_SHORT);
        tell(api, "unit", &data);
}

void api_tell_session(Api *api, const SnapshotSession *session)
{
        TextBuffer data = {0};

        if (!api || api->n_listeners == 0)
                return;
        render_session_object(&data, session, clock_realtime_usec());
        tell(api, "session", &data);
}

void api_tell_reexec_failed(Api *api, const char *why)
{
        TextBuffer data = {0};

        if (!api || api->n_listeners == 0)
                return;
        render_reload(&data, false, why);
        tell(api, "reexec", &data);
}

void api_tell_reload(Api *api, bool ok, const char *summary)
{
        TextBuffer data = {0};

        if (!api || api->n_listeners == 0)
                return;
        render_reload(&data, ok, summary);
        tell(api, "reload", &data);
}
