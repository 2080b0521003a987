/* One request: from the library's callbacks to the router and back. The library calls request_on_data() when the
 * head is there, for every piece of the body, and when all of it is there; a suspended one again when it is
 * resumed. */
#include <errno.h>
#include <string.h>
#include "api/metrics.h"
#include "api/server-private.h"
#include "util/log.h"

/* A body that is too long is read on for a while, so that its sender sees the answer instead of a broken pipe. */
#define SWALLOW_MAX (1U << 20)
#define CACHE_BYTES_MIN 16384

typedef struct Request {
        Door *door;
        char *target;
        TextBuffer body;
        bool begun;
        size_t received;
        ApiAnswer *answer; /* to come */
        RouterReply later; /* came while it was suspended */
        bool has_later;
} Request;

struct ApiAnswer {
        Request *request; /* NULL: its peer has gone */
        struct MHD_Connection *connection;
        bool suspended;
        ListLink link; /* Door.answers */
};

/* The bytes of an answer while it is sent. */
typedef struct AnswerBody {
        Api *api;
        size_t len;
        char *data;
} AnswerBody;

static Connection *connection_of(struct MHD_Connection *connection)
{
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void set_use(struct MHD_Connection *connection, enum ConnectionUse use)
{
        Connection *c = connection_of(connection);

        if (c) /* there was memory for it */
                c->use = use;
}

void *request_on_target(void *userdata, const char *target, struct MHD_Connection *connection)
{
        Request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->door = userdata;
        request->target = strdup(target);
        if (!request->target) {
                free(request);
                return NULL;
        }
        return request;
}

void request_on_completed(
        void *userdata, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
        Request *request = *context;
        Door *door = userdata;
        Connection *c = connection_of(connection);

        *context = NULL;
        if (c) {
                c->use = CONNECTION_IDLE;
                list_unlink(&c->link);
                list_append(&door->connections, &c->link);
        }
        if (!request)
                return;
        if (request->answer) {
                request->answer->request = NULL;
                list_unlink(&request->answer->link);
        }
        text_buffer_deinit(&request->later.body);
        text_buffer_deinit(&request->body);
        free(request->target);
        free(request);
}

static void on_body_sent(void *userdata)
{
        AnswerBody *body = userdata;

        body->api->answers_bytes -= body->len;
        free(body->data);
        free(body);
}

/* Takes the text of REPLY over. NULL: no memory. */
static struct MHD_Response *make_response(Api *api, RouterReply *reply)
{
        AnswerBody *body = calloc(1, sizeof(*body));
        struct MHD_Response *response;

        if (!body)
                return NULL;
        body->api = api;
        body->len = reply->body.len;
        body->data = text_buffer_take(&reply->body);
        api->answers_bytes += body->len;
        response = body->data ? MHD_create_response_from_buffer_with_free_callback_cls(
                                        body->len, body->data, on_body_sent, body)
                              : NULL;
        if (!response) {
                on_body_sent(body);
                return NULL;
        }
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        if (reply->allow)
                (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
        if (reply->retry)
                (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
        return response;
}

static enum MHD_Result send_response(
        struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
        set_use(connection, CONNECTION_SENDING);
        return MHD_queue_response(connection, status, response);
}

static enum MHD_Result send_reply(Request *request, struct MHD_Connection *connection, RouterReply *reply)
{
        Api *api = request->door->api;
        struct MHD_Response *response;
        enum MHD_Result result;

        if (api->answers_bytes > 0 && api->answers_bytes + reply->body.len > SERVER_ANSWERS_BYTES_MAX) {
                router_refuse(reply, 503, "too many large answers are being sent; read those, or ask again later");
                reply->retry = true;
        }
        response = make_response(api, reply);
        if (!response)
                return MHD_NO;
        result = send_response(connection, reply->status, response);
        MHD_destroy_response(response); /* our reference; the connection has its own */
        return result;
}

void request_forget_cache(Door *door)
{
        if (door->cache.response)
                MHD_destroy_response(door->cache.response);
        free(door->cache.target);
        door->cache = (AnswerCache){0};
}

static bool is_cached(const Door *door, const RouterRequest *r)
{
        return door->cache.response && strcmp(r->method, "GET") == 0 &&
               strcmp(r->target, door->cache.target) == 0 &&
               metrics_wants_openmetrics(r->accept) == door->cache.openmetrics;
}

/* Sends a large answer, and remembers it for the rest of this turn. */
static enum MHD_Result send_cached(
        Request *request, struct MHD_Connection *connection, const RouterRequest *r, RouterReply *reply)
{
        AnswerCache *cache = &request->door->cache;
        char *target = strdup(r->target);
        struct MHD_Response *response = target ? make_response(request->door->api, reply) : NULL;

        if (!response) {
                free(target);
                return MHD_NO;
        }
        request_forget_cache(request->door);
        *cache = (AnswerCache){.response = response,
                .target = target,
                .status = reply->status,
                .openmetrics = metrics_wants_openmetrics(r->accept)};
        return send_response(connection, cache->status, cache->response);
}

static enum MHD_Result listen_to_events(Request *request, struct MHD_Connection *connection, RouterReply *reply)
{
        struct MHD_Response *response = events_listen(request->door->api, connection);
        enum MHD_Result result;

        if (!response) {
                router_refuse(reply, 503, "too many listen to events already; end one, or ask again later");
                return send_reply(request, connection, reply);
        }
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        result = send_response(connection, 200, response);
        MHD_destroy_response(response);
        set_use(connection, CONNECTION_WAITING);
        return result;
}

static enum MHD_Result ask_cluster(Request *request, struct MHD_Connection *connection, RouterReply *reply)
{
        Api *api = request->door->api;
        ApiAnswer *answer = calloc(1, sizeof(*answer));

        if (!answer)
                return MHD_NO;
        answer->request = request;
        answer->connection = connection;
        list_init(&answer->link);
        request->answer = answer;
        api->ops->cluster(api->userdata, answer);
        if (request->has_later)
                return send_reply(request, connection, &request->later);
        list_append(&request->door->answers, &answer->link);
        answer->suspended = true;
        set_use(connection, CONNECTION_WAITING);
        MHD_suspend_connection(connection);
        return MHD_YES;
}

static enum MHD_Result respond(Request *request, struct MHD_Connection *connection, const char *method)
{
        Door *door = request->door;
        RouterRequest r = {.method = method,
                .target = request->target,
                .accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
                .body = request->body.data,
                .len = request->body.len};
        RouterReply reply = {0};
        enum MHD_Result result = MHD_NO;

        if (is_cached(door, &r))
                return send_response(connection, door->cache.status, door->cache.response);
        if (strcmp(method, "POST") == 0)
                request_forget_cache(door);
        (door->is_control ? router_control : router_public)(door->api->ops, door->api->userdata, &r, &reply);
        switch (reply.kind) {
        case ROUTER_ANSWERED:
                if (reply.body.len >= CACHE_BYTES_MIN && strcmp(method, "GET") == 0 &&
                        door->api->answers_bytes + reply.body.len <= SERVER_ANSWERS_BYTES_MAX)
                        result = send_cached(request, connection, &r, &reply);
                else
                        result = send_reply(request, connection, &reply);
                break;
        case ROUTER_CLUSTER:
                result = ask_cluster(request, connection, &reply);
                break;
        case ROUTER_EVENTS:
                result = listen_to_events(request, connection, &reply);
                break;
        }
        text_buffer_deinit(&reply.body);
        return result;
}

static enum MHD_Result refuse_length(Request *request, struct MHD_Connection *connection)
{
        RouterReply reply = {0};
        enum MHD_Result result;

        router_refuse(&reply, 413, "the body is longer than 65536 bytes");
        result = send_reply(request, connection, &reply);
        text_buffer_deinit(&reply.body);
        return result;
}

/* The head is there. What announces too long a body is refused before it is sent. */
static enum MHD_Result begin(Request *request, struct MHD_Connection *connection)
{
        const char *length =
                MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
        uint64_t n;

        request->begun = true;
        if (length && text_to_u64(length, 0, ROUTER_BODY_MAX, &n) == -ERANGE)
                return refuse_length(request, connection);
        return MHD_YES;
}

enum MHD_Result request_on_data(void *userdata, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *upload, size_t *upload_size, void **context)
{
        Request *request = *context;

        if (!request)
                return MHD_NO;
        if (!request->begun)
                return begin(request, connection);
        if (*upload_size > 0) {
                request->received += *upload_size;
                if (request->received <= ROUTER_BODY_MAX)
                        text_buffer_append(&request->body, upload, *upload_size);
                *upload_size = 0;
                return request->received <= SWALLOW_MAX && !request->body.failed ? MHD_YES : MHD_NO;
        }
        if (request->received > ROUTER_BODY_MAX)
                return refuse_length(request, connection);
        if (request->has_later)
                return send_reply(request, connection, &request->later);
        if (request->answer) /* resumed since the server ends */
                return MHD_NO;
        return respond(request, connection, method);
}

void request_resume_all(Door *door)
{
        list_for_each_safe(it, &door->answers) {
                ApiAnswer *answer = list_entry(it, ApiAnswer, link);

                list_unlink(&answer->link);
                answer->suspended = false;
                MHD_resume_connection(answer->connection);
        }
}

/* The request that ANSWER is for goes on, if it is still there; ANSWER is gone. */
static void finish(ApiAnswer *answer)
{
        Request *request = answer->request;

        if (request) {
                request->has_later = true;
                request->answer = NULL;
                list_unlink(&answer->link);
                if (answer->suspended) {
                        MHD_resume_connection(answer->connection);
                        door_wake(request->door);
                }
        }
        free(answer);
}

void api_answer_json(ApiAnswer *answer, const char *json)
{
        if (answer->request) {
                answer->request->later = (RouterReply){.status = 200, .type = "application/json"};
                text_buffer_puts(&answer->request->later.body, json);
        }
        finish(answer);
}

void api_answer_problem(ApiAnswer *answer, int error, const char *problem)
{
        if (answer->request) {
                answer->request->later = (RouterReply){0};
                router_refuse(&answer->request->later, error, problem);
        }
        finish(answer);
}
