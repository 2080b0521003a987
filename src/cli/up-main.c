/* The program behind zksup up: reads the configuration, says all that is wrong with it, or runs its units. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "manager/daemon.h"
#include "manager/journal.h"
#include "manager/notify.h"
#include "manager/reexec.h"
#include "unit/descriptors.h"
#include "util/text.h"

#define VERB "up"
#define CONFIG_DEFAULT "/etc/zksup/zksup.conf"

typedef struct UpOptions {
        const char *config;
        DaemonOverrides overrides;
        bool quiet, verbose;
        uint64_t can_restore; /* descriptor of a state */
} UpOptions;

#define AT(member) offsetof(UpOptions, member)
static const OptionSpec specs[] = {
        {"config", 'c', "FILE", value_parse_string, AT(config), "the configuration (" CONFIG_DEFAULT ")"},
        {"connect", 0, "HOSTS[/CHROOT]", value_parse_string, AT(overrides.connect),
                "the ensemble, whatever the configuration says"},
        {"root", 0, "PATH", value_parse_root, AT(overrides.root), "parent of all znodes, whatever it says"},
        {"socket", 0, "PATH|none", value_parse_string, AT(overrides.control), "control socket, whatever it says"},
        {"quiet", 'q', NULL, NULL, AT(quiet), "warnings and errors only"},
        {"verbose", 'v', NULL, NULL, AT(verbose), "show every transition"},
        {REEXEC_CHECK_OPTION, 0, "FD", value_parse_number, AT(can_restore), NULL},
        {NULL},
};
#undef AT

/* For the program whose place we are to take (manager/reexec.h). */
static int say_whether_we_can(const UpOptions *o, Config *config)
{
        CLEANUP(saved_deinit) Saved saved = {0};
        char problem[600];
        int r = reexec_read(&saved, (int)o->can_restore, problem, sizeof(problem));

        if (r == 0)
                r = daemon_can_restore(&saved, config, problem, sizeof(problem));
        config_free(config);
        if (r < 0)
                return cli_problem(VERB, "%s", problem);
        puts(REEXEC_YES);
        return 0;
}

static int run(const UpOptions *o, Saved *saved, sigset_t *blocked, sigset_t *ignored)
{
        CLEANUP(text_buffer_deinit) TextBuffer problems = {0};
        CLEANUP(daemon_free) Daemon *daemon = NULL;
        DaemonConfig config = {.path = o->config, .overrides = o->overrides, .blocked = blocked, .ignored = ignored, .saved = saved};
        char problem[600];

        if (config_load(&config.config, o->config, &problems) < 0) {
                fputs(problems.data ?: "out of memory\n", stderr);
                return cli_problem(VERB, "%s cannot be used", o->config);
        }
        if (o->can_restore)
                return say_whether_we_can(o, config.config);
        common_options_apply(&(CommonOptions){.verbose = o->verbose || config.config->global.verbose,
                .quiet = o->quiet || config.config->global.quiet});
        if (daemon_new(&daemon, &config, problem, sizeof(problem)) < 0)
                return cli_problem(VERB, "%s", problem);
        return daemon_run(daemon);
}

int main(int argc, char **argv)
{
        UpOptions o = {.config = CONFIG_DEFAULT};
        CLEANUP(saved_deinit) Saved saved = {0};
        sigset_t blocked, ignored;
        char problem[300];
        bool dashes;
        int rest, found;

        manager_save_signals(&blocked, &ignored);
        if (argc > 1 && strcmp(argv[1], VERB) == 0) { /* "zksup up ..." */
                argc--;
                argv++;
        }
        switch (options_parse(argc, argv, specs, &o, &rest, &dashes, VERB " [OPTION]...")) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (rest < argc)
                return cli_problem(VERB, "'%s' is too many: it takes options only", argv[rest]);
        descriptors_raise();
        notify_init();
        (void)journal_init(NULL);
        found = reexec_read_environment(&saved, problem, sizeof(problem));
        if (found < 0)
                return cli_problem(VERB, "cannot go on in place of another program: %s", problem);
        if (found)
                reexec_restore_signals(&saved, &blocked, &ignored);
        return run(&o, found ? &saved : NULL, &blocked, &ignored);
}
