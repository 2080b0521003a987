/* zksup reload, reexec, signal: what is done when the answer is there, or nearly so. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/control.h"
#include "util/clock.h"
#include "util/signal-name.h"

#define ASK_AGAIN_USEC (50 * USEC_PER_MSEC)

typedef struct ReloadOptions {
        Control control;
} ReloadOptions;

#define AT(member) offsetof(ReloadOptions, member)
static const OptionSpec specs[] = {
        CONTROL_OPTIONS(ReloadOptions, control),
        {"timeout", 0, "TIME", value_parse_duration, AT(control.timeout_usec),
                "give up when it is not done by then (30s)"},
        {NULL},
};
#undef AT

/* Returns whether to go on; else *STATUS is the exit status. */
static bool parse(int argc, char **argv, ReloadOptions *o, const char *usage, int *n, int *status)
{
        switch (operands_parse(argc, argv, specs, o, usage, n)) {
        case OPTIONS_HELP:
                *status = 0;
                return false;
        case OPTIONS_BAD:
                *status = EXIT_STATUS_FAILURE;
                return false;
        case OPTIONS_OK:
                break;
        }
        return true;
}

/* --- reload ------------------------------------------------------------------------------------- */

int cmd_reload(int argc, char **argv)
{
        ReloadOptions o = {.control = control_default("reload")};
        json_t *answer = NULL;
        unsigned http = 0;
        const char *summary;
        int n, status;

        if (!parse(argc, argv, &o, "reload [OPTION]...", &n, &status))
                return status;
        if (n)
                return cli_problem("reload",
                        "'%s' is too many: the configuration is read as a whole; 'zksup restart %s' restarts "
                        "one unit",
                        argv[0], argv[0]);
        status = control_try(&o.control, "POST", "/v1/reload", NULL, &http, &answer);
        if (status)
                return status;
        fputs(control_string(answer, "problems"), stderr); /* "FILE:LINE: what; remedy", a line each */
        summary = control_string(answer, "summary");
        if (http != 200)
                status = control_refused(&o.control, http, answer);
        else if (!o.control.quiet)
                fputs(*summary ? summary : "nothing has changed\n", stdout);
        json_decref(answer);
        return status;
}

/* --- reexec ------------------------------------------------------------------------------------- */

typedef struct Reexec {
        const Control *control;
        bool asked;
        int status;
} Reexec;

/* We listen before we ask: the end of the events is the end of the old program. */
static bool on_event(void *userdata, const char *event, const json_t *data)
{
        Reexec *r = userdata;

        if (r->asked && strcmp(event, "reexec") == 0) {
                r->status = cli_problem(
                        r->control->verb, "the old program goes on: %s", control_string(data, "summary"));
                return false;
        }
        if (r->asked)
                return true;
        r->asked = true;
        r->status = control_ask(r->control, "POST", "/v1/reexec", NULL, NULL);
        return r->status == 0;
}

/* The old program may still take our connection right before its end: a question without an answer is asked
 * again. */
static int ask_new_program(const Control *control, json_t **after)
{
        uint64_t deadline = usec_add(clock_boottime_usec(), control->timeout_usec);
        char problem[600];

        for (;;) {
                ApiReply reply;
                int r = api_request(control->socket, "GET", "/v1/session", NULL, control->timeout_usec,
                        &reply, problem, sizeof(problem));

                if (r == 0) {
                        *after = reply.json;
                        return reply.status == 200 ? 0 : control_refused(control, reply.status, reply.json);
                }
                if ((r != -EPROTO && r != -ECONNRESET && r != -ECONNREFUSED) ||
                        clock_boottime_usec() >= deadline)
                        return cli_problem(control->verb, "%s", problem);
                usleep(ASK_AGAIN_USEC);
        }
}

static int say_what_runs(const Control *control, const json_t *before)
{
        const json_t *was = json_object_get(before, "session");
        json_t *after = NULL;
        int status = ask_new_program(control, &after);
        bool same = strcmp(control_string(was, "id"),
                            control_string(json_object_get(after, "session"), "id")) == 0;

        if (status == 0 && !control->quiet)
                printf("zksup %s runs in place of %s, %s\n",
                        control_string(json_object_get(after, "supervisor"), "version"),
                        control_string(json_object_get(before, "supervisor"), "version"),
                        same ? "in the same session" : "in a new session");
        json_decref(after);
        return status;
}

static int reexec(const Control *control)
{
        Reexec r = {.control = control};
        json_t *before = NULL;
        char problem[600];
        int status = control_ask(control, "GET", "/v1/session", NULL, &before), e;

        if (status)
                return status;
        e = api_listen(control->socket, control->timeout_usec, on_event, &r, problem, sizeof(problem));
        if (r.status)
                status = r.status;
        else if (r.asked && e == -ECONNRESET)
                status = say_what_runs(control, before);
        else if (r.asked && e == -ETIMEDOUT)
                status = cli_problem(control->verb, "the old program still runs; its log says why");
        else
                status = cli_problem(control->verb, "%s", problem);
        json_decref(before);
        return status;
}

int cmd_reexec(int argc, char **argv)
{
        ReloadOptions o = {.control = control_default("reexec")};
        int n, status;

        if (!parse(argc, argv, &o, "reexec [OPTION]...", &n, &status))
                return status;
        if (n)
                return cli_problem(
                        "reexec", "'%s' is too many: the supervisor as a whole is replaced", argv[0]);
        return reexec(&o.control);
}

/* --- signal ------------------------------------------------------------------------------------- */

static int send_signal(const Control *control, char *const *names, int n, const char *signal)
{
        json_t *answer = NULL, *chosen = NULL, *unit, *body = json_pack("{s:s}", "signal", signal);
        int status = control_ask(control, "GET", "/v1/units", NULL, &answer);
        size_t i;

        if (status == 0)
                status = control_choose(control, json_object_get(answer, "units"), names, n, &chosen);
        json_array_foreach(chosen, i, unit)
        {
                char *path = control_unit_path(control_string(unit, "name"), "signal");
                int r = path ? control_ask(control, "POST", path, body, NULL) : EXIT_STATUS_FAILURE;

                status = status ? status : r;
                free(path);
        }
        json_decref(answer);
        json_decref(chosen);
        json_decref(body);
        return status;
}

int cmd_signal(int argc, char **argv)
{
        ReloadOptions o = {.control = control_default("signal")};
        char name[SIGNAL_NAME_MAX];
        int n, status, signal;

        if (!parse(argc, argv, &o, "signal [OPTION]... UNIT... SIGNAL", &n, &status))
                return status;
        if (n < 2)
                return cli_problem("signal", "%s; write: zksup signal UNIT SIGNAL",
                        n ? "the signal is missing" : "which unit, and which signal?");
        signal = signal_from_string(argv[n - 1]);
        if (signal < 0)
                return cli_problem("signal",
                        "'%s' is no signal; write a name such as HUP or USR1 after the unit", argv[n - 1]);
        return send_signal(&o.control, argv, n - 1, signal_to_string(signal, name));
}
