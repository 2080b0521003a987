#include "api/router.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "api/json-text.h"
#include "api/render.h"
#include "api/request-body.h"
#include "api/router-private.h"
#include "util/signal-name.h"

#define LOG_LINES_DEFAULT 100
#define LOG_LINES_MAX 10000

static const char *const command_names[API_COMMAND_COUNT] = {
        [API_START] = "start",
        [API_STOP] = "stop",
        [API_RESTART] = "restart",
        [API_SIGNAL] = "signal",
        [API_STEP_DOWN] = "step-down",
};

static unsigned status_of(int error)
{
        switch (-error) {
        case EINVAL:
                return 400;
        case EPERM:
        case EACCES:
                return 403;
        case ENOENT:
                return 404;
        case EBUSY:
        case EALREADY:
        case EEXIST:
        case EOPNOTSUPP:
                return 409;
        case EFBIG:
        case E2BIG:
                return 413;
        case EAGAIN:
        case ENOMEM:
        case ENOTCONN:
        case ESHUTDOWN:
        case ETIMEDOUT:
                return 503;
        default:
                return 500;
        }
}

void router_refuse(RouterReply *reply, int error, const char *text)
{
        text_buffer_deinit(&reply->body);
        reply->kind = ROUTER_ANSWERED;
        reply->status = error > 0 ? (unsigned)error : status_of(error);
        reply->type = ROUTER_JSON;
        render_error(&reply->body, text && *text ? text : "failed for a reason that was not given");
}

bool router_is_get(Router *r)
{
        if (strcmp(r->request->method, "GET") == 0 || strcmp(r->request->method, "HEAD") == 0)
                return true;
        r->reply->allow = "GET, HEAD";
        router_refuse(r->reply, 405, "this path is only read: GET or HEAD");
        return false;
}

static bool is_post(Router *r)
{
        if (strcmp(r->request->method, "POST") == 0)
                return true;
        r->reply->allow = "POST";
        router_refuse(r->reply, 405, "this path is a command: POST");
        return false;
}

bool router_parameters_are(Router *r, const char *name)
{
        char problem[ROUTER_PROBLEM_MAX];

        for (size_t i = 0; i < r->target.n_parameters; i++) {
                const char *given = r->target.parameters[i].name;

                if (name && strcmp(given, name) == 0)
                        continue;
                snprintf(problem, sizeof(problem), "the parameter '%.100s' is not known here; known: %s", given,
                        name ? name : "none");
                router_refuse(r->reply, 400, problem);
                return false;
        }
        return true;
}

const char *router_parameter(const Router *r, const char *name)
{
        for (size_t i = 0; i < r->target.n_parameters; i++)
                if (strcmp(r->target.parameters[i].name, name) == 0)
                        return r->target.parameters[i].value;
        return NULL;
}

void router_no_such_path(Router *r)
{
        char problem[ROUTER_PROBLEM_MAX];

        snprintf(problem, sizeof(problem), "there is nothing at '%.200s'; zksup-api(5) lists what there is",
                r->request->target);
        router_refuse(r->reply, 404, problem);
}

const SnapshotUnit *router_find_unit(const Snapshot *snapshot, const char *name)
{
        for (size_t i = 0; i < snapshot->n_units; i++)
                if (strcmp(snapshot->units[i].name, name) == 0)
                        return &snapshot->units[i];
        return NULL;
}

void router_no_such_unit(Router *r, const char *name)
{
        char problem[ROUTER_PROBLEM_MAX];

        snprintf(
                problem, sizeof(problem), "there is no unit '%.200s'; 'zksup status' lists those there are", name);
        router_refuse(r->reply, 404, problem);
}

/* Without a body, or with {}. */
static bool body_is_empty(Router *r)
{
        char problem[ROUTER_PROBLEM_MAX];
        int status = request_body_check_empty(r->request->body, r->request->len, problem, sizeof(problem));

        if (status)
                router_refuse(r->reply, status, problem);
        return status == 0;
}

static void get_units(Router *r)
{
        const char *full;

        if (!router_is_get(r) || !router_parameters_are(r, "full"))
                return;
        full = router_parameter(r, "full");
        if (full && strcmp(full, "0") != 0 && strcmp(full, "1") != 0)
                router_refuse(r->reply, 400, "the parameter 'full' is 0 or 1");
        else
                render_units(&r->reply->body, r->ops->snapshot(r->userdata),
                        full && *full == '1' ? RENDER_FULL : RENDER_SHORT);
}

static void show_unit(Router *r, const char *name)
{
        const Snapshot *snapshot = r->ops->snapshot(r->userdata);
        const SnapshotUnit *unit = router_find_unit(snapshot, name);

        if (unit)
                render_unit(&r->reply->body, unit, snapshot->now_usec, RENDER_FULL);
        else
                router_no_such_unit(r, name);
}

static void get_unit(Router *r, const char *name)
{
        if (router_is_get(r) && router_parameters_are(r, NULL))
                show_unit(r, name);
}

static void get_session(Router *r)
{
        if (router_is_get(r) && router_parameters_are(r, NULL))
                render_session(&r->reply->body, r->ops->snapshot(r->userdata));
}

static void render_log(Router *r, const char *name, const TextBuffer *text)
{
        JsonText j = {.out = &r->reply->body};
        const char *p = text->data, *end = p ? p + text->len : p;

        json_text_begin(&j, NULL, '{');
        json_text_string(&j, "unit", name);
        if (r->ops->log_source) {
                ApiLogSource source = {0};

                r->ops->log_source(r->userdata, name, &source);
                json_text_number(&j, "total", source.total);
                json_text_bool(&j, "journal", source.journal);
        }
        json_text_begin(&j, "lines", '[');
        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;

                json_text_bytes(&j, NULL, p, (size_t)(stop - p));
                p = stop + 1;
        }
        json_text_end(&j, ']');
        json_text_end(&j, '}');
}

static void get_log(Router *r, const char *name)
{
        __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer text = {0};
        char problem[ROUTER_PROBLEM_MAX] = "";
        uint64_t lines = LOG_LINES_DEFAULT;
        const char *given;
        int error;

        if (!router_is_get(r) || !router_parameters_are(r, "lines"))
                return;
        given = router_parameter(r, "lines");
        if (given && text_to_u64(given, 1, LOG_LINES_MAX, &lines) < 0) {
                router_refuse(r->reply, 400, "the parameter 'lines' is a number from 1 to 10000");
                return;
        }
        error = r->ops->log(r->userdata, name, lines, &text, problem, sizeof(problem));
        if (error < 0)
                router_refuse(r->reply, error, problem);
        else
                render_log(r, name, &text);
}

static void command(Router *r, const char *name, enum ApiCommand command)
{
        char problem[ROUTER_PROBLEM_MAX] = "";
        int signal = 0, error;

        if (!is_post(r) || !router_parameters_are(r, NULL))
                return;
        if (command == API_SIGNAL) {
                int status = request_body_read_signal(
                        r->request->body, r->request->len, &signal, problem, sizeof(problem));

                if (status) {
                        router_refuse(r->reply, status, problem);
                        return;
                }
        } else if (!body_is_empty(r)) {
                return;
        }
        error = r->ops->command(r->userdata, name, command, signal, problem, sizeof(problem));
        if (error < 0)
                router_refuse(r->reply, error, problem);
        else
                show_unit(r, name);
}

/* A file with problems is a conflict between what is asked for and what is there, not a bad request. */
static void refuse_reload(Router *r, int error, const TextBuffer *problems)
{
        const char *text = problems->data ? problems->data : "";
        char sentence[ROUTER_PROBLEM_MAX];
        JsonText j = {.out = &r->reply->body};

        snprintf(sentence, sizeof(sentence), "not reloaded, everything stays as it was: %.*s",
                (int)MIN(strcspn(text, "\n"), 300U), text);
        r->reply->status = error == -ESHUTDOWN || error == -ENOMEM ? 503 : 409;
        json_text_begin(&j, NULL, '{');
        json_text_string(&j, "error", sentence);
        json_text_string(&j, "problems", text);
        json_text_end(&j, '}');
}

static void post_reload(Router *r)
{
        __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer summary = {0};
        __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer problems = {0};
        JsonText j = {.out = &r->reply->body};
        int error;

        if (!is_post(r) || !router_parameters_are(r, NULL) || !body_is_empty(r))
                return;
        error = r->ops->reload(r->userdata, &summary, &problems);
        if (error < 0) {
                refuse_reload(r, error, &problems);
                return;
        }
        json_text_begin(&j, NULL, '{');
        json_text_string(&j, "summary", summary.data ? summary.data : "");
        json_text_end(&j, '}');
}

/* Of the supervisor as a whole: it has begun when this is answered. */
static void post_whole(Router *r, int (*operation)(void *userdata, char *problem, size_t problem_size))
{
        char problem[ROUTER_PROBLEM_MAX] = "";
        int error;

        if (!is_post(r) || !router_parameters_are(r, NULL) || !body_is_empty(r))
                return;
        error = operation(r->userdata, problem, sizeof(problem));
        if (error < 0) {
                router_refuse(r->reply, error, problem);
                return;
        }
        r->reply->status = 202;
        text_buffer_puts(&r->reply->body, "{}");
}

static void special(Router *r, enum RouterKind kind)
{
        if (router_is_get(r) && router_parameters_are(r, NULL))
                r->reply->kind = kind;
}

static void route_unit(Router *r)
{
        const char *name = r->target.parts[2];

        if (r->target.n_parts == 3) {
                get_unit(r, name);
                return;
        }
        if (strcmp(r->target.parts[3], "log") == 0) {
                get_log(r, name);
                return;
        }
        for (int i = 0; i < API_COMMAND_COUNT; i++)
                if (strcmp(r->target.parts[3], command_names[i]) == 0) {
                        command(r, name, (enum ApiCommand)i);
                        return;
                }
        router_no_such_path(r);
}

static void route_whole(Router *r)
{
        const char *what = r->target.parts[1];

        if (strcmp(what, "units") == 0)
                get_units(r);
        else if (strcmp(what, "session") == 0)
                get_session(r);
        else if (strcmp(what, "cluster") == 0)
                special(r, ROUTER_CLUSTER);
        else if (strcmp(what, "events") == 0)
                special(r, ROUTER_EVENTS);
        else if (strcmp(what, "reload") == 0)
                post_reload(r);
        else if (strcmp(what, "reexec") == 0)
                post_whole(r, r->ops->reexec);
        else if (strcmp(what, "stop") == 0)
                post_whole(r, r->ops->stop);
        else
                router_no_such_path(r);
}

bool router_begin(Router *r, const ApiOps *ops, void *userdata, const RouterRequest *request, RouterReply *reply)
{
        const char *problem;

        r->ops = ops;
        r->userdata = userdata;
        r->request = request;
        r->reply = reply;
        *reply = (RouterReply){.status = 200, .type = ROUTER_JSON};
        problem = target_parse(&r->target, request->target);
        if (problem)
                router_refuse(reply, 400, problem);
        return !problem;
}

void router_end(Router *r)
{
        if (r->reply->kind == ROUTER_ANSWERED && r->reply->body.failed)
                router_refuse(r->reply, -ENOMEM, "there is not enough memory for the answer; try again later");
}

void router_control(const ApiOps *ops, void *userdata, const RouterRequest *request, RouterReply *reply)
{
        Router r;

        if (!router_begin(&r, ops, userdata, request, reply))
                return;
        if (r.target.n_parts < 2 || strcmp(r.target.parts[0], "v1") != 0)
                router_no_such_path(&r);
        else if (r.target.n_parts == 2)
                route_whole(&r);
        else if (strcmp(r.target.parts[1], "units") == 0 && r.target.n_parts <= 4)
                route_unit(&r);
        else
                router_no_such_path(&r);
        router_end(&r);
}
