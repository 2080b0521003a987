#include "cli/await.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/macros.h"

typedef struct Awaited {
        const char *name;
        const json_t *before;
        bool settled;
} Awaited;

typedef struct Await {
        const Control *control;
        const AwaitConfig *config;
        Awaited *units;
        size_t n, n_settled;
        bool asked;
        int status; /* of what has failed */
} Await;

enum Verdict {
        VERDICT_NOT_YET,
        VERDICT_GOOD,
        VERDICT_BAD,
};

static bool is_in(const json_t *unit, const char *a, const char *b, const char *c)
{
        const char *state = control_string(unit, "state");

        return strcmp(state, a) == 0 || strcmp(state, b) == 0 || strcmp(state, c) == 0;
}

/* "ready, number 3, leader, process 123" */
static void describe_running(const json_t *unit, char *text, size_t size)
{
        const char *role = control_string(unit, "role");
        int n = snprintf(text, size, "%s", control_string(unit, "state"));

        if (control_has(unit, "sequence"))
                n += snprintf(text + n, size - (size_t)n, ", number %" JSON_INTEGER_FORMAT,
                        json_integer_value(json_object_get(unit, "sequence")));
        if (*role)
                n += snprintf(text + n, size - (size_t)n, ", %.20s", role);
        if (control_number(unit, "pid"))
                snprintf(text + n, size - (size_t)n, ", process %" PRIu64, control_number(unit, "pid"));
}

static enum Verdict judge_finished(const json_t *unit, char *text, size_t size)
{
        const char *why = control_string(unit, "text"), *reason = control_string(unit, "reason");
        bool failed = is_in(unit, "failed", "failed", "failed") || control_number(unit, "status") != 0;
        int n = snprintf(text, size, "%s", control_string(unit, "state"));

        if (*reason && strcmp(reason, "none") != 0)
                n += snprintf(text + n, size - (size_t)n, " (%.40s)", reason);
        if (control_has(unit, "status"))
                n += snprintf(
                        text + n, size - (size_t)n, ", status %" PRIu64, control_number(unit, "status"));
        if (*why)
                snprintf(text + n, size - (size_t)n, ": %.300s", why);
        return failed ? VERDICT_BAD : VERDICT_GOOD;
}

static enum Verdict judge_start(const json_t *unit, char *text, size_t size)
{
        const char *why = control_string(unit, "text");

        if (strcmp(control_string(unit, "want"), "up") != 0) {
                snprintf(text, size, "somebody else has stopped it meanwhile");
                return VERDICT_BAD;
        }
        if (control_is(unit, "ready")) {
                describe_running(unit, text, size);
                return VERDICT_GOOD;
        }
        if (is_in(unit, "failed", "finished", "finished"))
                return judge_finished(unit, text, size);
        if (is_in(unit, "backoff", "backoff", "backoff")) {
                snprintf(text, size, "has failed and is tried again%s%.300s", *why ? ": " : "", why);
                return VERDICT_BAD;
        }
        if (is_in(unit, "gate", "gate", "gate") && *why) {
                snprintf(text, size, "waits: %.300s", why);
                return VERDICT_GOOD; /* in line: more is not in its hands */
        }
        return VERDICT_NOT_YET;
}

static enum Verdict judge_stop(const json_t *unit, char *text, size_t size)
{
        if (control_is(unit, "wedged")) {
                snprintf(text, size, "its processes outlive SIGKILL; see 'zksup status %s'",
                        control_string(unit, "name"));
                return VERDICT_BAD;
        }
        if (strcmp(control_string(unit, "want"), "up") == 0) {
                snprintf(text, size, "somebody else has started it meanwhile");
                return VERDICT_BAD;
        }
        if (!is_in(unit, "down", "finished", "failed") || control_number(unit, "pid"))
                return VERDICT_NOT_YET;
        snprintf(text, size, "stopped");
        return VERDICT_GOOD;
}

static bool is_another_run(const json_t *unit, const Awaited *u)
{
        return !control_number(u->before, "pid") || /* nothing ran */
               strcmp(control_string(u->before, "started"), control_string(unit, "started")) != 0 ||
               control_number(u->before, "pid") != control_number(unit, "pid");
}

static enum Verdict judge_step_down(const json_t *unit, const Awaited *u, char *text, size_t size)
{
        const char *why = control_string(unit, "text");

        if (strcmp(control_string(unit, "token"), control_string(u->before, "token")) == 0)
                return VERDICT_NOT_YET;
        snprintf(text, size, "has given back what it held%s%.300s", *why ? "; now " : "", why);
        return VERDICT_GOOD;
}

static enum Verdict judge(const Await *a, const Awaited *u, const json_t *unit, char *text, size_t size)
{
        switch (a->config->kind) {
        case AWAIT_START:
                return judge_start(unit, text, size);
        case AWAIT_RESTART:
                return is_another_run(unit, u) ? judge_start(unit, text, size) : VERDICT_NOT_YET;
        case AWAIT_STOP:
                return judge_stop(unit, text, size);
        case AWAIT_STEP_DOWN:
                return judge_step_down(unit, u, text, size);
        }
        return VERDICT_NOT_YET;
}

static void settle(Await *a, Awaited *u, int status)
{
        u->settled = true;
        a->n_settled++;
        if (status && a->status == 0)
                a->status = status;
}

static void look_at(Await *a, Awaited *u, const json_t *unit)
{
        char text[500] = "";
        enum Verdict verdict;

        if (u->settled)
                return;
        verdict = judge(a, u, unit, text, sizeof(text));
        if (verdict == VERDICT_NOT_YET)
                return;
        if (verdict == VERDICT_BAD)
                (void)cli_problem(a->control->verb, "unit '%s': %s", u->name, text);
        else if (!a->control->quiet)
                printf("%s: %s\n", u->name, text);
        fflush(stdout);
        settle(a, u, verdict == VERDICT_BAD ? EXIT_STATUS_FAILURE : 0);
}

/* One unit is told. What it answers is its state right after that. */
static void tell(Await *a, Awaited *u)
{
        CLEANUP_STRING path = control_unit_path(u->name, a->config->what);
        json_t *answer = NULL;
        int status = path ? control_ask(a->control, "POST", path, NULL, &answer) : EXIT_STATUS_FAILURE;

        if (status || a->config->no_block)
                settle(a, u, status);
        else
                look_at(a, u, answer);
        json_decref(answer);
}

static bool tell_all(Await *a)
{
        a->asked = true;
        for (size_t i = 0; i < a->n; i++)
                tell(a, &a->units[i]);
        return a->n_settled < a->n;
}

static const json_t *find_unit(const json_t *units, const char *name)
{
        const json_t *unit;
        size_t i;

        json_array_foreach(units, i, unit) if (strcmp(control_string(unit, "name"), name) == 0) return unit;
        return NULL;
}

/* Events were lost, or the units may be others: looks at all of them. */
static bool look_again(Await *a)
{
        json_t *answer = NULL;
        int status = control_ask(a->control, "GET", "/v1/units", NULL, &answer);

        if (status)
                a->status = status;
        for (size_t i = 0; status == 0 && i < a->n; i++) {
                Awaited *u = &a->units[i];
                const json_t *unit = find_unit(json_object_get(answer, "units"), u->name);

                if (unit)
                        look_at(a, u, unit);
                else if (!u->settled)
                        settle(a, u,
                                cli_problem(a->control->verb,
                                        "unit '%s' is not in the configuration any more", u->name));
        }
        json_decref(answer);
        return status == 0 && a->n_settled < a->n;
}

static bool on_event(void *userdata, const char *event, const json_t *data)
{
        Await *a = userdata;

        if (!a->asked)
                return tell_all(a); /* the first one says that we are listening */
        if (strcmp(event, "overflow") == 0 || strcmp(event, "reload") == 0)
                return look_again(a);
        if (strcmp(event, "unit") != 0)
                return true;
        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->units[i].name, control_string(data, "name")) == 0)
                        look_at(a, &a->units[i], data);
        return a->n_settled < a->n;
}

static int wait_for_all(Await *a)
{
        uint64_t deadline = usec_add(clock_boottime_usec(), a->config->timeout_usec);
        char problem[600], limit[DURATION_STRING_MAX];
        int r;

        do {
                r = api_listen(a->control->socket, usec_sub(deadline, clock_boottime_usec()), on_event, a,
                        problem, sizeof(problem));
                if (r == -ECONNRESET && a->asked && !look_again(a)) /* after an overflow, or a new program */
                        return a->status;
        } while (r == -ECONNRESET && a->asked);
        if (r >= 0)
                return a->status;
        if (r == -ETIMEDOUT && a->asked) {
                for (size_t i = 0; i < a->n; i++)
                        if (!a->units[i].settled)
                                (void)cli_problem(a->control->verb,
                                        "unit '%s' is not there after %s; it goes on, see 'zksup status %s'",
                                        a->units[i].name, duration_to_string(a->config->timeout_usec, limit),
                                        a->units[i].name);
                return EXIT_STATUS_FAILURE;
        }
        (void)cli_problem(a->control->verb, "%s", problem);
        return r == -EACCES ? EXIT_STATUS_REFUSED : EXIT_STATUS_FAILURE;
}

int await_units(const Control *control, const AwaitConfig *config, const json_t *units)
{
        Await a = {.control = control, .config = config, .n = json_array_size(units)};
        const json_t *unit;
        size_t i;
        int status;

        a.units = calloc(a.n + 1, sizeof(*a.units));
        if (!a.units)
                return cli_problem(control->verb, "out of memory");
        json_array_foreach(units, i, unit) a.units[i] =
                (Awaited){.name = control_string(unit, "name"), .before = unit};
        if (a.n == 0)
                status = 0;
        else if (config->no_block)
                status = (tell_all(&a), a.status);
        else
                status = wait_for_all(&a);
        free(a.units);
        return status;
}
