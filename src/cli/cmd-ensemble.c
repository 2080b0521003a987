/* zksup ensemble up|status: a local ensemble to try things with, and the health of any. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "client/hosts.h"
#include "ensemble/health.h"
#include "ensemble/local.h"
#include "util/clock.h"
#include "util/log.h"

#define UP "ensemble up"
#define STATUS "ensemble status"
#define TICK_MS_DEFAULT 2000
#define TICK_MS_MIN 50
#define TICK_MS_MAX 60000

typedef struct UpOptions {
        LocalConfig local;
        uint64_t timeout_usec;
        bool foreground, quiet;
} UpOptions;

typedef struct StatusOptions {
        const char *connect;
        uint64_t timeout_usec;
        bool json;
} StatusOptions;

#define AT(member) offsetof(UpOptions, member)
static const OptionSpec up_specs[] = {
        {"nodes", 'n', "1|3", value_parse_number, AT(local.nodes), "one server, or three that elect a leader (1)"},
        {"port", 'p', "N", value_parse_number, AT(local.port),
                "of the first server, the others follow; 0: free ones (0)"},
        {"dir", 'd', "DIR", value_parse_string, AT(local.dir),
                "keep data and logs here (default: a scratch directory, removed at the end)"},
        {"tick", 't', "MS", value_parse_number, AT(local.tick_ms),
                "tickTime; the shortest session timeout is two ticks (2000)"},
        {"timeout", 0, "TIME", value_parse_duration, AT(timeout_usec), "give up if it does not serve by then (60s)"},
        {"java", 0, "PATH", value_parse_string, AT(local.java), "the Java program (java, from PATH)"},
        {"classpath", 0, "JARS", value_parse_string, AT(local.classpath), "where ZooKeeper is (Debian's jars)"},
        {"foreground", 'f', NULL, NULL, AT(foreground), "stay until INT or TERM (always so)"},
        {"quiet", 'q', NULL, NULL, AT(quiet), "print the connect string only"},
        {NULL},
};
#undef AT

#define AT(member) offsetof(StatusOptions, member)
static const OptionSpec status_specs[] = {
        {"connect", 'c', "HOSTS", value_parse_string, AT(connect),
                "the servers, as host:port,... (ZKSUP_CONNECT; 127.0.0.1:2181)"},
        {"timeout", 0, "TIME", value_parse_duration, AT(timeout_usec), "wait so long for answers (2s)"},
        {"json", 'j', NULL, NULL, AT(json), "print JSON"},
        {NULL},
};
#undef AT

static int check_up(const UpOptions *o)
{
        if (o->local.nodes != 1 && o->local.nodes != 3)
                return cli_problem(UP, "--nodes %" PRIu64 ": an ensemble has 1 or 3 servers here", o->local.nodes);
        if (o->local.port > 65535 - ENSEMBLE_NODES_MAX)
                return cli_problem(UP, "--port %" PRIu64 " is no port; write a number from 0 to %d", o->local.port,
                        65535 - ENSEMBLE_NODES_MAX);
        if (o->local.tick_ms < TICK_MS_MIN || o->local.tick_ms > TICK_MS_MAX)
                return cli_problem(UP, "--tick %" PRIu64 " is out of range; write milliseconds from %d to %d",
                        o->local.tick_ms, TICK_MS_MIN, TICK_MS_MAX);
        return 0;
}

static int up(const UpOptions *o)
{
        char problem[LOCAL_PROBLEM_MAX];
        CLEANUP(local_free) Local *local = NULL;
        CLEANUP_STRING connect = NULL;
        enum LocalEvent event;

        signal(SIGPIPE, SIG_IGN); /* the reader of our output may leave; the servers stay */
        if (local_new(&local, &o->local, problem) < 0)
                return cli_problem(UP, "%s", problem);
        event = local_wait_serving(local, o->timeout_usec, problem);
        if (event == LOCAL_SERVING) {
                connect = local_connect_string(local);
                if (!connect)
                        return cli_problem(UP, "out of memory");
                puts(connect);
                fflush(stdout);
                log_info("%" PRIu64 " ZooKeeper server%s with tick %" PRIu64 " ms and directory %s; INT or TERM stops",
                        o->local.nodes, o->local.nodes == 1 ? "" : "s", o->local.tick_ms, local_dir(local));
                event = local_wait(local, problem);
        }
        return event == LOCAL_FAILED ? cli_problem(UP, "%s", problem) : 0;
}

static int run_up(int argc, char **argv)
{
        UpOptions o = {.local = {.nodes = 1, .tick_ms = TICK_MS_DEFAULT}, .timeout_usec = 60 * USEC_PER_SEC};
        bool dashes;
        int rest, status;

        switch (options_parse(argc, argv, up_specs, &o, &rest, &dashes, UP " [OPTION]...")) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (rest < argc)
                return cli_problem(UP, "'%s' is too many: it takes options only", argv[rest]);
        status = check_up(&o);
        if (status)
                return status;
        log_set_level(o.quiet ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
        return up(&o);
}

static int show_status(const StatusOptions *o)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};
        CLEANUP(hosts_deinit) Hosts hosts = {0};
        CLEANUP(health_deinit) Health health = {0};
        char problem[512];

        if (hosts_parse(&hosts, o->connect, problem, sizeof(problem)) < 0)
                return cli_problem(STATUS, "%s", problem);
        if (health_ask(&health, &hosts, o->timeout_usec) < 0)
                return cli_problem(STATUS, "out of memory");
        (o->json ? health_to_json : health_to_text)(&health, &text);
        if (text.failed || fputs(text.data, stdout) == EOF || fflush(stdout) == EOF)
                return cli_problem(STATUS, "cannot write the report");
        return health_has_quorum(&health) ? 0 : EXIT_STATUS_NO_ENSEMBLE;
}

static int run_status(int argc, char **argv)
{
        const char *connect = getenv("ZKSUP_CONNECT");
        StatusOptions o = {.connect = connect && *connect ? connect : "127.0.0.1:2181", .timeout_usec = 2 * USEC_PER_SEC};
        bool dashes;
        int rest;

        switch (options_parse(argc, argv, status_specs, &o, &rest, &dashes, STATUS " [OPTION]...")) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (rest < argc)
                return cli_problem(STATUS, "'%s' is too many; name servers with --connect", argv[rest]);
        return show_status(&o);
}

static void print_help(void)
{
        puts("Usage: zksup ensemble up [OPTION]...\n"
             "       zksup ensemble status [OPTION]...\n\n"
             "  up       start a local ensemble, print its connect string, stay until INT or TERM\n"
             "  status   ask every server of an ensemble how it is\n\n"
             "'zksup ensemble up --help' and 'zksup ensemble status --help' show the options.");
}

int cmd_ensemble(int argc, char **argv)
{
        static const struct {
                const char *name, *full; /* the full name is what messages call it */
                int (*run)(int argc, char **argv);
        } verbs[] = {{"up", UP, run_up}, {"status", STATUS, run_status}};

        if (argc < 2)
                return cli_problem("ensemble", "say what: 'zksup ensemble up' or 'zksup ensemble status'");
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
                print_help();
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
                if (strcmp(argv[1], verbs[i].name) != 0)
                        continue;
                argv[1] = (char *)verbs[i].full;
                return verbs[i].run(argc - 1, argv + 1);
        }
        return cli_problem("ensemble", "there is no '%s'; write 'up' or 'status'", argv[1]);
}
