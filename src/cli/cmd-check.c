/* zksup check: reads a configuration as zksup up does and says all that is wrong with it. With --connect it
 * also looks at the host and asks the ensemble whether what the file wants is to be had. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include "cli/check-host.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/probe.h"
#include "client/acl.h"
#include "client/auth.h"
#include "config/config.h"
#include "manager/heart.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"

#define VERB "check"
#define CONFIG_DEFAULT "/etc/zksup/zksup.conf"
#define FOUR_LETTER_USEC (2 * USEC_PER_SEC)

typedef struct CheckOptions {
        const char *config;
        uint64_t timeout_usec;
        bool connect, settings, verbose;
} CheckOptions;

#define AT(member) offsetof(CheckOptions, member)
static const OptionSpec specs[] = {
        {"config", 'c', "FILE", value_parse_string, AT(config), "the configuration (" CONFIG_DEFAULT ")"},
        {"connect", 0, NULL, NULL, AT(connect),
                "look at this host and ask the ensemble that the file names, too"},
        {"timeout", 0, "TIME", value_parse_duration, AT(timeout_usec),
                "with --connect: give up with 121 after so long (10s)"},
        {"settings", 0, NULL, NULL, AT(settings), "list all settings that a file can have, and end"},
        {"verbose", 'v', NULL, NULL, AT(verbose), "show how the session goes"},
        {NULL},
};
#undef AT

/* --- the file ----------------------------------------------------------------------------------- */

/* What can be known without asking anybody, but not by whoever reads the file while units run. */
static unsigned check_user(const ConfigUnit *unit)
{
        const char *user = unit->child.user, *group = unit->child.group;
        unsigned n = 0;

        if (user && user[strspn(user, "0123456789")] != '\0' && !getpwnam(user)) {
                fprintf(stderr,
                        "%s:%u: unit '%s': there is no user '%s' on this host; make it, or name another\n",
                        unit->file, unit->line, unit->name, user);
                n++;
        }
        if (group && group[strspn(group, "0123456789")] != '\0' && !getgrnam(group)) {
                fprintf(stderr,
                        "%s:%u: unit '%s': there is no group '%s' on this host; make it, or name another\n",
                        unit->file, unit->line, unit->name, group);
                n++;
        }
        return n;
}

static unsigned check_config(const char *file, const Config *config, Hosts *hosts, Auth *auth)
{
        const ConfigGlobal *g = &config->global;
        CLEANUP(acl_deinit) Acl acl = {0};
        char problem[512];
        unsigned n = 0;

        if (hosts_parse(hosts, g->connect, problem, sizeof(problem)) < 0)
                n += fprintf(stderr, "%s: connect: %s\n", file, problem) > 0;
        if (g->auth_file && auth_read(auth, g->auth_file, problem, sizeof(problem)) < 0)
                n += fprintf(stderr, "%s: auth-file: %s\n", file, problem) > 0;
        if (acl_parse(&acl, g->acl, g->auth_file != NULL, problem, sizeof(problem)) < 0)
                n += fprintf(stderr, "%s: acl: %s\n", file, problem) > 0;
        if (g->control_group && g->control_group[strspn(g->control_group, "0123456789")] != '\0' &&
                !getgrnam(g->control_group))
                n += fprintf(stderr,
                             "%s: control-group: there is no group '%s' on this host; make it, or name "
                             "another\n",
                             file, g->control_group) > 0;
        for (size_t i = 0; i < config->n_units; i++)
                n += check_user(config->units[i]);
        return n;
}

/* --- the ensemble ------------------------------------------------------------------------------- */

static unsigned report_session(const ConfigGlobal *g, const Probe *probe, uint64_t tick_usec)
{
        char asked[DURATION_STRING_MAX], granted[DURATION_STRING_MAX], texts[5][DURATION_STRING_MAX],
                problem[300];
        Timing timing;

        duration_to_string(g->session_timeout_usec, asked);
        duration_to_string(probe->granted_usec, granted);
        if (probe->granted_usec == g->session_timeout_usec)
                printf("session: a timeout of %s, as asked for\n", granted);
        else
                printf("session: a timeout of %s; asked for was %s, which the servers do not grant (%s)\n",
                        granted, asked,
                        probe->granted_usec > g->session_timeout_usec
                                ? "minSessionTimeout, two ticks unless set"
                                : "maxSessionTimeout, twenty ticks unless set");
        if (tick_usec)
                printf("tick: %s\n", duration_to_string(tick_usec, texts[0]));
        else
                printf("tick: the servers do not tell (conf is not in their 4lw.commands.whitelist)\n");
        if (timing_init(&timing, probe->granted_usec, g->grace_usec, problem, sizeof(problem)) < 0) {
                check_host_problem("grace: %s", problem);
                return 1;
        }
        printf("lease: %s, renewed every %s; with no renewal the stop signal comes %s before its end: %s of "
               "grace, then SIGKILL "
               "with %s to die\n",
                duration_to_string(timing.lease_usec, texts[0]),
                duration_to_string(timing.renew_usec, texts[1]),
                duration_to_string(timing.grace_usec + timing.kill_usec, texts[2]),
                duration_to_string(timing.grace_usec, texts[3]),
                duration_to_string(timing.kill_usec, texts[4]));
        return 0;
}

static void print_samples(const char *what, const uint64_t *samples, size_t n)
{
        if (n)
                printf("%s: %.1f ms (from %.1f to %.1f, of %zu)\n", what, (double)samples[n / 2] / 1000,
                        (double)samples[0] / 1000, (double)samples[n - 1] / 1000, n);
}

/* A renewal should be answered before the next one is due. Single slow ones are what the lease has room for. */
static unsigned report_latency(const Probe *probe)
{
        Timing timing;

        print_samples("a read takes", probe->reads, probe->n_reads);
        print_samples("a write takes", probe->writes, probe->n_writes);
        if (probe->n_writes == 0 || timing_init(&timing, probe->granted_usec, 0, NULL, 0) < 0 ||
                probe->writes[probe->n_writes / 2] < timing.renew_usec)
                return 0;
        check_host_problem("writes take longer than the time between two renewals; relieve the servers' "
                           "disks, or ask for a longer session-timeout");
        return 1;
}

static unsigned report_rights(const ConfigGlobal *g, const Probe *probe)
{
        const char *line = probe->missing.data;

        if (!probe->root_exists && probe->base[0] && !probe->failure[0])
                printf("root: %s is not there yet, and will be made in %s\n", g->root, probe->base);
        for (size_t i = 0; i < probe->n_missing && line; i++) {
                check_host_problem("%.*s", (int)strcspn(line, "\n"), line);
                line += strcspn(line, "\n") + 1;
        }
        if (!probe->n_missing && !probe->failure[0])
                printf("rights: to list, create, read, write and delete in %s%s\n", probe->base,
                        probe->n_tried > 1 ? " and in what is there of ours" : "");
        return (unsigned)probe->n_missing;
}

static int check_ensemble(const CheckOptions *o, const Config *config, const Hosts *hosts, const Auth *auth)
{
        const ConfigGlobal *g = &config->global;
        ClientConfig client = {.connect = g->connect,
                .session_timeout_usec = g->session_timeout_usec,
                .acl = g->acl,
                .auth_scheme = auth->scheme,
                .auth_cert = auth->cert};
        CLEANUP(probe_deinit) Probe *probe = &(Probe){0};
        uint64_t tick_usec;
        unsigned n = check_host_clock() + check_host_contain(config);
        int status;

        n += check_host_servers(hosts, MIN(o->timeout_usec, FOUR_LETTER_USEC), &tick_usec);
        fflush(stdout);
        status =
                probe_run(probe, &client, g->root, o->timeout_usec) < 0 ? EXIT_STATUS_FAILURE : probe->status;
        if (probe->attached) {
                n += report_session(g, probe, tick_usec);
                n += report_latency(probe);
                n += report_rights(g, probe);
        }
        if (probe->failure[0]) {
                check_host_problem("%s", probe->failure);
                n++;
        }
        printf("%u problem%s\n", n, n == 1 ? "" : "s");
        return status ? status : n ? EXIT_STATUS_FAILURE : 0;
}

/* --- the verb ----------------------------------------------------------------------------------- */

static int list_settings(void)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};

        config_describe(&text);
        if (text.failed)
                return cli_problem(VERB, "out of memory");
        fputs(text.data, stdout);
        return 0;
}

static int check(const CheckOptions *o)
{
        CLEANUP(text_buffer_deinit) TextBuffer problems = {0};
        CLEANUP(config_free) Config *config = NULL;
        CLEANUP(hosts_deinit) Hosts hosts = {0};
        CLEANUP(auth_deinit) Auth auth = {0};
        int r = config_load(&config, o->config, &problems);

        if (r < 0) {
                fputs(problems.data ?: "out of memory\n", stderr);
                return EXIT_STATUS_FAILURE;
        }
        if (check_config(o->config, config, &hosts, &auth))
                return EXIT_STATUS_FAILURE;
        printf("%s: %zu unit%s\n", o->config, config->n_units, config->n_units == 1 ? "" : "s");
        return o->connect ? check_ensemble(o, config, &hosts, &auth) : 0;
}

int cmd_check(int argc, char **argv)
{
        CheckOptions o = {.config = CONFIG_DEFAULT, .timeout_usec = 10 * USEC_PER_SEC};
        bool dashes;
        int rest, status;

        switch (options_parse(argc, argv, specs, &o, &rest, &dashes, VERB " [OPTION]...")) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (rest < argc)
                return cli_problem(VERB, "'%s' is too many; name the file with --config", argv[rest]);
        log_set_level(o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING);
        status = o.settings ? list_settings() : check(&o);
        if (fflush(stdout) == EOF || ferror(stdout))
                return cli_problem(VERB, "cannot write the answer");
        return status;
}
