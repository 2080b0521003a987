#include "cli/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "manager/timer.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/random.h"

enum Step {
        STEP_BASE, /* which of root and its parents is there */
        STEP_READ,
        STEP_LIST,
        STEP_CREATE, /* the scratch znode, in the base and then in each kind of znodes below the root */
        STEP_GET,
        STEP_SET,
        STEP_DELETE,
        STEP_KIND, /* the next of these */
};

/* What others than us may have made, with other rights. */
static const char *const kinds[] = {"record", "sequence", "lock", "election", "semaphore", "cron", "host"};

typedef struct Run {
        Probe *probe;
        const char *root;
        uint64_t timeout_usec;
        sd_event *event;
        Client *client;
        Timer timer;
        enum Step step;
        size_t kind; /* below: in one of kinds; ARRAY_SIZE: in the base */
        char place[1100], scratch[1200], id[RANDOM_ID_MAX];
        bool begun, closing;
} Run;

static void ask(Run *run);

/* --- the end ------------------------------------------------------------------------------------ */

static void close_session(Run *run)
{
        if (run->closing)
                return;
        run->closing = true;
        client_cancel(run->client, run);
        client_close(run->client);
}

static void PRINTF_LIKE(3, 4) fail(Run *run, int status, const char *fmt, ...)
{
        va_list ap;

        if (run->closing)
                return;
        run->probe->status = status;
        va_start(ap, fmt);
        vsnprintf(run->probe->failure, sizeof(run->probe->failure), fmt, ap);
        va_end(ap);
        close_session(run);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void on_reply(void *userdata, const Event *event);

static void submit(Run *run, const Request *request)
{
        if (client_submit(run->client, request, on_reply, run) < 0)
                fail(run, EXIT_STATUS_FAILURE, "out of memory");
}

static void enter(Run *run, enum Step step)
{
        run->step = step;
        ask(run);
}

static void set_place(Run *run, const char *place)
{
        snprintf(run->place, sizeof(run->place), "%s", place);
        snprintf(run->scratch, sizeof(run->scratch), "%s/check-%s", strcmp(place, "/") == 0 ? "" : place,
                run->id);
}

static void ask(Run *run)
{
        static const char data[] = "zksup check";

        switch (run->step) {
        case STEP_BASE:
        case STEP_READ:
                submit(run, &(Request){.kind = REQUEST_EXISTS, .path = run->probe->base});
                break;
        case STEP_LIST:
                submit(run, &(Request){.kind = REQUEST_CHILDREN, .path = run->place});
                break;
        case STEP_CREATE:
                submit(run,
                        &(Request){.kind = REQUEST_CREATE, .mode = CREATE_EPHEMERAL, .path = run->scratch});
                break;
        case STEP_GET:
                submit(run, &(Request){.kind = REQUEST_GET, .path = run->scratch});
                break;
        case STEP_SET:
                submit(run, &(Request){.kind = REQUEST_SET,
                                    .path = run->scratch,
                                    .data = data,
                                    .data_len = sizeof(data) - 1,
                                    .version = VERSION_ANY});
                break;
        case STEP_DELETE:
                submit(run, &(Request){.kind = REQUEST_DELETE, .path = run->scratch, .version = VERSION_ANY});
                break;
        case STEP_KIND:
                submit(run, &(Request){.kind = REQUEST_EXISTS, .path = run->place});
                break;
        }
}

/* --- replies ------------------------------------------------------------------------------------ */

static void next_kind(Run *run)
{
        char path[1100];

        run->kind = run->kind == ARRAY_SIZE(kinds) ? 0 : run->kind + 1;
        if (run->kind >= ARRAY_SIZE(kinds) || !run->probe->root_exists) {
                close_session(run);
                return;
        }
        snprintf(path, sizeof(path), "%s/%s", run->root, kinds[run->kind]);
        set_place(run, path);
        enter(run, STEP_KIND);
}

static void sample(uint64_t *samples, size_t *n, const Event *event)
{
        if (*n < PROBE_SAMPLES)
                samples[(*n)++] = usec_sub(event->now_usec, event->reply.sent_usec);
}

static void on_base(Run *run, enum Outcome outcome)
{
        Probe *probe = run->probe;
        char *slash = strrchr(probe->base, '/');

        if (outcome == OUTCOME_NO_NODE && strcmp(probe->base, "/") != 0) {
                slash[slash == probe->base] = '\0';
                ask(run);
                return;
        }
        probe->root_exists = strcmp(probe->base, run->root) == 0;
        set_place(run, probe->base);
        enter(run, STEP_READ);
}

/* What is not allowed. Returns whether it was something else than "not allowed". */
static bool take_refusal(Run *run, enum Outcome outcome)
{
        static const char *const what[] = {[STEP_BASE] = "look at",
                [STEP_READ] = "look at",
                [STEP_LIST] = "list what is in",
                [STEP_CREATE] = "create a znode in",
                [STEP_GET] = "read what it has made in",
                [STEP_SET] = "write what it has made in",
                [STEP_DELETE] = "delete a znode in",
                [STEP_KIND] = "look at"};
        static const char *const perms[] = {[STEP_LIST] = "r",
                [STEP_CREATE] = "c",
                [STEP_GET] = "r",
                [STEP_SET] = "w",
                [STEP_DELETE] = "d",
                [STEP_BASE] = "r",
                [STEP_READ] = "r",
                [STEP_KIND] = "r"};
        bool own = run->step == STEP_GET || run->step == STEP_SET;

        if (outcome != OUTCOME_DENIED)
                return false;
        run->probe->n_missing++;
        text_buffer_printf(&run->probe->missing, "must not %s %s: %s '%s'\n", what[run->step], run->place,
                own ? "let acl grant us the permission" : "have us granted the permission", perms[run->step]);
        return true;
}

static void go_on(Run *run, const Event *event)
{
        Probe *probe = run->probe;

        switch (run->step) {
        case STEP_BASE:
                on_base(run, event->reply.outcome);
                break;
        case STEP_READ:
                sample(probe->reads, &probe->n_reads, event);
                enter(run, probe->n_reads < PROBE_SAMPLES ? STEP_READ : STEP_LIST);
                break;
        case STEP_LIST:
                enter(run, STEP_CREATE);
                break;
        case STEP_CREATE:
                probe->n_tried++;
                if (event->reply.outcome != OUTCOME_OK)
                        next_kind(run);
                else
                        enter(run, run->kind == ARRAY_SIZE(kinds) ? STEP_GET : STEP_DELETE);
                break;
        case STEP_GET:
                enter(run, STEP_SET);
                break;
        case STEP_SET:
                if (event->reply.outcome == OUTCOME_OK)
                        sample(probe->writes, &probe->n_writes, event);
                enter(run, event->reply.outcome == OUTCOME_OK && probe->n_writes < PROBE_SAMPLES
                                   ? STEP_SET
                                   : STEP_DELETE);
                break;
        case STEP_DELETE:
                next_kind(run);
                break;
        case STEP_KIND:
                if (event->reply.outcome == OUTCOME_OK)
                        enter(run, STEP_LIST);
                else
                        next_kind(run);
                break;
        }
}

static void on_reply(void *userdata, const Event *event)
{
        Run *run = userdata;

        if (run->closing)
                return;
        switch (event->reply.outcome) {
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_DENIED:
                (void)take_refusal(run, event->reply.outcome);
                go_on(run, event);
                break;
        case OUTCOME_EXPIRED:
        case OUTCOME_UNKNOWN:
                fail(run, EXIT_STATUS_NO_ENSEMBLE, "the contact was lost during the check; try again");
                break;
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
        case OUTCOME_REFUSED:
                fail(run, EXIT_STATUS_FAILURE, "a request in %s failed: %s", run->place,
                        outcome_to_string(event->reply.outcome));
                break;
        }
}

/* --- the session -------------------------------------------------------------------------------- */

static void on_attached(Run *run, const Event *event)
{
        Probe *probe = run->probe;

        if (run->begun)
                return;
        run->begun = true;
        probe->attached = true;
        probe->granted_usec = event->session.timeout_usec;
        snprintf(probe->server, sizeof(probe->server), "%s", client_server(run->client));
        run->kind = ARRAY_SIZE(kinds);
        snprintf(probe->base, sizeof(probe->base), "%s", run->root);
        enter(run, STEP_BASE);
}

static void on_client(void *userdata, const ClientEvent *event)
{
        Run *run = userdata;

        switch (event->kind) {
        case CLIENT_SESSION:
                if (event->event->session.change == SESSION_ATTACHED && !run->closing)
                        on_attached(run, event->event);
                else if (event->event->session.change == SESSION_CLOSED)
                        sd_event_exit(run->event, 0);
                break;
        case CLIENT_NO_ENSEMBLE: /* our own timer says so */
                break;
        case CLIENT_DENIED:
                fail(run, EXIT_STATUS_REFUSED, "refused by the ensemble: %s", event->text);
                break;
        }
}

static void on_timeout(void *userdata)
{
        Run *run = userdata;
        CLEANUP_STRING failures = client_describe_failures(run->client);
        char after[DURATION_STRING_MAX];

        duration_to_string(run->timeout_usec, after);
        if (!run->probe->attached)
                fail(run, EXIT_STATUS_NO_ENSEMBLE, "no contact within %s%s%s", after,
                        failures && *failures ? ": " : "", failures ?: "");
        else
                fail(run, EXIT_STATUS_NO_ENSEMBLE, "no answers any more within %s", after);
        sd_event_exit(run->event, 0);
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static void run_deinit(Run *run)
{
        client_free(run->client);
        timer_deinit(&run->timer);
        sd_event_unref(run->event);
}
CLEANUP_DEFINE(Run, run_deinit);

int probe_run(Probe *probe, const ClientConfig *config, const char *root, uint64_t timeout_usec)
{
        CLEANUP(run_deinit) Run *run = &(Run){.probe = probe, .root = root, .timeout_usec = timeout_usec};
        int r;

        *probe = (Probe){0};
        random_uuid(run->id);
        r = sd_event_new(&run->event);
        if (r >= 0)
                r = timer_init(&run->timer, run->event, SD_EVENT_PRIORITY_NORMAL, on_timeout, run);
        if (r < 0) {
                snprintf(probe->failure, sizeof(probe->failure), "cannot set up the event loop: %s",
                        strerror(-r));
                return r;
        }
        timer_set(&run->timer, usec_add(clock_boottime_usec(), timeout_usec));
        r = client_new(
                &run->client, run->event, config, on_client, run, probe->failure, sizeof(probe->failure));
        if (r >= 0) {
                probe->failure[0] = '\0';
                r = sd_event_loop(run->event);
        }
        qsort(probe->reads, probe->n_reads, sizeof(uint64_t), compare);
        qsort(probe->writes, probe->n_writes, sizeof(uint64_t), compare);
        if (r >= 0 && probe->status == 0 && probe->n_missing)
                probe->status = EXIT_STATUS_REFUSED;
        return MIN(r, 0);
}

void probe_deinit(Probe *probe)
{
        text_buffer_deinit(&probe->missing);
}
