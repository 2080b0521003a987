/* zksup who: the whole cluster, read from the znodes. It needs no supervisor on this host, only the ensemble:
 * a session of its own, the reader of manager/cluster.h, and a bound on the time that all of it may take.
 * Where no ensemble is named and a supervisor runs here, that one is asked: it knows its ensemble, and may
 * have to authenticate there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/who-text.h"
#include "client/auth.h"
#include "manager/cluster.h"
#include "manager/timer.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/text.h"

#define VERB "who"

typedef struct WhoOptions {
        const char *connect, *auth_file, *root; /* NULL: not given */
        const char *socket;
        uint64_t timeout_usec;
        bool json, verbose;
} WhoOptions;

#define AT(member) offsetof(WhoOptions, member)
static const OptionSpec specs[] = {
        {"connect", 'c', "HOSTS[/CHROOT]", value_parse_string, AT(connect),
                "the ensemble, as host:port,... (ZKSUP_CONNECT; that of the supervisor; 127.0.0.1:2181)"},
        {"socket", 's', "PATH", value_parse_string, AT(socket),
                "ask the supervisor there (ZKSUP_SOCKET; " API_SOCKET_DEFAULT ")"},
        {"auth-file", 0, "FILE", value_parse_string, AT(auth_file),
                "authenticate by digest with user:password from FILE"},
        {"root", 0, "PATH", value_parse_root, AT(root), "parent of all znodes (/zksup)"},
        {"timeout", 0, "TIME", value_parse_duration, AT(timeout_usec),
                "give up with 121 after so long (10s)"},
        {"json", 'j', NULL, NULL, AT(json), "print JSON"},
        {"verbose", 'v', NULL, NULL, AT(verbose), "show how the session goes"},
        {NULL},
};
#undef AT

typedef struct Who {
        const WhoOptions *options;
        ClusterConfig config;
        sd_event *event;
        Client *client;
        Cluster *cluster;
        Timer timer;
        json_t *result;
        int status; /* once it is known that there will be no result */
        bool closing;
} Who;

/* What may be asked for, in all the words for it. */
static const struct {
        const char *word;
        enum ClusterPart part;
} words[] = {
        {"host", CLUSTER_HOSTS},
        {"number", CLUSTER_NUMBERS},
        {"leader", CLUSTER_ELECTIONS},
        {"lock", CLUSTER_LOCKS},
        {"slot", CLUSTER_SLOTS},
        {"cron", CLUSTER_CRON},
        {"service", CLUSTER_SERVICES},
        {"sequence", CLUSTER_NUMBERS},
        {"pool", CLUSTER_NUMBERS},
        {"election", CLUSTER_ELECTIONS},
        {"semaphore", CLUSTER_SLOTS},
        {"job", CLUSTER_CRON},
};

static int parse_filter(const char *text, ClusterConfig *config)
{
        size_t n = strcspn(text, "/");
        const char *problem;

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                size_t length = strlen(words[i].word);

                if (strncmp(text, words[i].word, length) == 0 &&
                        (n == length || (n == length + 1 && text[length] == 's')))
                        config->parts = 1U << words[i].part;
        }
        if (!config->parts)
                return cli_problem(VERB,
                        "there is nothing called '%.*s'; write hosts, numbers, leaders, locks, slots, cron "
                        "or services",
                        (int)n, text);
        if (text[n] == '\0')
                return 0;
        config->name = text + n + 1;
        problem = text_component_problem(config->name);
        return problem ? cli_problem(VERB, "the name after '%.*s/' %s", (int)n, text, problem) : 0;
}

/* --- the session -------------------------------------------------------------------------------- */

static void close_session(Who *w)
{
        if (w->closing)
                return;
        w->closing = true;
        w->cluster = cluster_free(w->cluster);
        client_close(w->client);
}

static void give_up(Who *w, int status)
{
        if (!w->result && w->status == 0)
                w->status = status;
        close_session(w);
}

static void on_cluster(void *userdata, json_t *result, int error, const char *problem)
{
        Who *w = userdata;

        w->cluster = cluster_free(w->cluster);
        if (result) {
                w->result = result;
                close_session(w);
        } else if (error == -ENOTCONN) {
                log_debug("%s", problem); /* from the beginning, with the next contact */
        } else {
                give_up(w, cli_problem(VERB, "%s", problem));
        }
}

static void on_session(Who *w, const Event *event)
{
        int r;

        switch (event->session.change) {
        case SESSION_ATTACHED:
                log_debug("connected to %s", client_server(w->client));
                if (w->closing || w->cluster)
                        break;
                r = cluster_new(&w->cluster, w->client, &w->config, on_cluster, w);
                if (r < 0)
                        give_up(w, cli_problem(VERB, "cannot read the cluster: %s", strerror(-r)));
                break;
        case SESSION_SUSPENDED:
        case SESSION_EXPIRED:
                break; /* the reader is told by its answers */
        case SESSION_CLOSED:
                sd_event_exit(w->event, 0);
                break;
        }
}

static void on_client(void *userdata, const ClientEvent *event)
{
        Who *w = userdata;

        switch (event->kind) {
        case CLIENT_SESSION:
                on_session(w, event->event);
                break;
        case CLIENT_NO_ENSEMBLE: /* our own timer says so */
                break;
        case CLIENT_DENIED:
                (void)cli_problem(VERB, "refused by the ensemble: %s", event->text);
                give_up(w, EXIT_STATUS_REFUSED);
                break;
        }
}

static void on_timeout(void *userdata)
{
        Who *w = userdata;
        CLEANUP_STRING failures = client_describe_failures(w->client);
        char after[DURATION_STRING_MAX];

        if (!w->result)
                (void)cli_problem(VERB, "no answer from the ensemble at %s within %s%s%s",
                        w->options->connect, duration_to_string(w->options->timeout_usec, after),
                        failures && *failures ? ": " : "", failures ? failures : "");
        give_up(w, EXIT_STATUS_NO_ENSEMBLE);
        sd_event_exit(w->event, 0);
}

static int begin(Who *w)
{
        const WhoOptions *o = w->options;
        ClientConfig config = {.connect = o->connect};
        CLEANUP(auth_deinit) Auth auth = {0};
        char problem[512];

        if (o->auth_file) {
                if (auth_read(&auth, o->auth_file, problem, sizeof(problem)) < 0)
                        return cli_problem(VERB, "%s", problem);
                config.auth_scheme = auth.scheme;
                config.auth_cert = auth.cert;
        }
        if (sd_event_new(&w->event) < 0 ||
                timer_init(&w->timer, w->event, SD_EVENT_PRIORITY_NORMAL, on_timeout, w) < 0)
                return cli_problem(VERB, "cannot set up the event loop");
        timer_set(&w->timer, usec_add(clock_boottime_usec(), o->timeout_usec));
        if (client_new(&w->client, w->event, &config, on_client, w, problem, sizeof(problem)) < 0)
                return cli_problem(VERB, "%s", problem);
        return 0;
}

static void who_deinit(Who *w)
{
        cluster_free(w->cluster);
        client_free(w->client);
        timer_deinit(&w->timer);
        sd_event_unref(w->event);
        json_decref(w->result);
}
CLEANUP_DEFINE(Who, who_deinit);

/* --- what is printed ---------------------------------------------------------------------------- */

static void say_what_is_missing(const Who *w)
{
        const json_t *denied = json_object_get(w->result, "denied");

        if (json_is_true(json_object_get(w->result, "truncated")))
                (void)cli_problem(VERB,
                        "there is more than %d requests can read: the rest is missing; ask for one kind or "
                        "name",
                        CLUSTER_REQUESTS_MAX);
        if (json_array_size(denied))
                (void)cli_problem(VERB, "not allowed to read %s%s; authenticate with --auth-file",
                        json_string_value(json_array_get(denied, 0)),
                        json_array_size(denied) > 1 ? " and others" : "");
}

/* Of what the supervisor has read, all of it, what was asked for. */
static void filter(json_t *cluster, const ClusterConfig *config)
{
        for (enum ClusterPart part = 0; part < CLUSTER_PARTS; part++) {
                json_t *things = json_object_get(cluster, cluster_part_to_string(part));
                bool meant = !config->parts || config->parts & 1U << part;

                for (size_t i = json_array_size(things); i-- > 0;) {
                        const json_t *thing = json_array_get(things, i);
                        const char *name = control_string(thing, part == CLUSTER_HOSTS     ? "id"
                                                                 : part == CLUSTER_NUMBERS ? "pool"
                                                                                           : "name");

                        if (!meant || (config->name && strcmp(config->name, name) != 0))
                                json_array_remove(things, i);
                }
        }
}

static int print(const Who *w)
{
        Style style = style_of_stdout();
        bool any = true;

        if (w->options->json) {
                json_dumpf(w->result, stdout, JSON_INDENT(2));
                putchar('\n');
        } else {
                any = who_text_print(w->result, &style, stdout);
        }
        if (!any && !json_array_size(json_object_get(w->result, "denied")))
                printf("nothing%s%s below %s: nobody runs, holds or waits for anything there\n",
                        w->config.name ? " called " : "", w->config.name ? w->config.name : "",
                        control_string(w->result, "root"));
        if (fflush(stdout) == EOF || ferror(stdout))
                return cli_problem(VERB, "cannot write the answer");
        say_what_is_missing(w);
        return json_array_size(json_object_get(w->result, "denied")) ? EXIT_STATUS_REFUSED : 0;
}

/* Returns whether the supervisor of this host was the one to ask; then *STATUS is the exit status. */
static bool ask_supervisor(const WhoOptions *o, const ClusterConfig *config, int *status)
{
        Control control = control_default(VERB);
        Who w = {.options = o, .config = *config};
        char problem[600];
        ApiReply reply;
        int r;

        control.socket = o->socket ? o->socket : control.socket;
        r = api_request(control.socket, "GET", "/v1/cluster", NULL, o->timeout_usec, &reply, problem,
                sizeof(problem));
        if (r < 0 && !o->socket && r != -ETIMEDOUT) {
                log_debug("%s", problem);
                return false;
        }
        w.result = reply.json;
        if (r < 0)
                *status = cli_problem(VERB, "%s", problem);
        else if (reply.status != 200)
                *status = control_refused(&control, reply.status, reply.json);
        else
                *status = (filter(w.result, config), print(&w));
        if (r == 0 && reply.status == 503)
                *status = EXIT_STATUS_NO_ENSEMBLE;
        json_decref(w.result);
        return true;
}

static int who(const WhoOptions *o, const ClusterConfig *config)
{
        CLEANUP(who_deinit) Who *w = &(Who){.options = o, .config = *config};
        int status = begin(w);

        if (status)
                return status;
        if (sd_event_loop(w->event) < 0)
                return cli_problem(VERB, "the event loop failed");
        if (w->result)
                return print(w);
        return w->status ? w->status : EXIT_STATUS_FAILURE;
}

int cmd_who(int argc, char **argv)
{
        const char *connect = getenv("ZKSUP_CONNECT");
        WhoOptions o = {.timeout_usec = 10 * USEC_PER_SEC};
        ClusterConfig config = {0};
        int n, status;

        switch (operands_parse(argc, argv, specs, &o, VERB " [OPTION]... [KIND[/NAME]]", &n)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (n > 1)
                return cli_problem(VERB, "'%s' is too many: one kind, or one KIND/NAME, at a time", argv[1]);
        status = n ? parse_filter(argv[0], &config) : 0;
        if (status)
                return status;
        if (o.socket && (o.connect || o.root || o.auth_file))
                return cli_problem(VERB, "--socket asks a supervisor, which knows its ensemble: leave "
                                         "--connect, --root and --auth-file out");
        log_set_level(o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING);
        connect = connect && *connect && !o.socket ? connect : NULL;
        if (!o.connect && !connect && !o.root && !o.auth_file && ask_supervisor(&o, &config, &status))
                return status;
        if (!o.connect)
                o.connect = connect ? connect : "127.0.0.1:2181";
        config.root = o.root ? o.root : "/zksup";
        return who(&o, &config);
}
