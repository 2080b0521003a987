#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "util/clock.h"
#include "util/log.h"

#define OPTIONS_MAX 64
#define LONG_ONLY 256
#define HELP_COLUMN 36

/* Two columns; a long left one has a line of its own. */
static void print_help_line(const char *left, const char *help)
{
        if (strlen(left) < HELP_COLUMN)
                printf("  %-*s %s\n", HELP_COLUMN, left, help);
        else
                printf("  %s\n  %-*s %s\n", left, HELP_COLUMN, "", help);
}

static void print_help(const OptionSpec *specs, const char *usage)
{
        printf("Usage: zksup %s\n\nOptions:\n", usage);
        for (const OptionSpec *spec = specs; spec->name; spec++) {
                char left[64];

                if (!spec->help) /* not for people */
                        continue;
                snprintf(left, sizeof(left), "%s%c%s--%s%s%s", spec->letter ? "-" : " ", spec->letter ? spec->letter : ' ',
                        spec->letter ? ", " : "  ", spec->name, spec->argument ? " " : "",
                        spec->argument ? spec->argument : "");
                print_help_line(left, spec->help);
        }
        print_help_line("-h, --help", "show this");
}

/* The tables of getopt_long, made from ours. */
static void make_getopt_tables(const OptionSpec *specs, struct option *longs, char *shorts)
{
        size_t n = 0;

        *shorts++ = '+'; /* the command's own options are not ours: stop at the first argument */
        *shorts++ = ':';
        for (const OptionSpec *spec = specs; spec->name; spec++, n++) {
                longs[n] = (struct option){.name = spec->name,
                        .has_arg = spec->argument ? required_argument : no_argument,
                        .val = LONG_ONLY + (int)n};
                if (spec->letter) {
                        *shorts++ = spec->letter;
                        if (spec->argument)
                                *shorts++ = ':';
                }
        }
        longs[n++] = (struct option){.name = "help", .val = 'h'};
        longs[n] = (struct option){0};
        *shorts++ = 'h';
        *shorts = '\0';
}

static const OptionSpec *find_spec(const OptionSpec *specs, int c)
{
        if (c >= LONG_ONLY)
                return &specs[c - LONG_ONLY];
        for (const OptionSpec *spec = specs; spec->name; spec++)
                if (spec->letter == c)
                        return spec;
        return NULL;
}

static enum OptionResult take_option(const char *verb, const OptionSpec *spec, void *target)
{
        char problem[200];
        void *value = (char *)target + spec->offset;

        if (!spec->argument) {
                *(bool *)value = true;
                return OPTIONS_OK;
        }
        if (spec->parse(optarg, value, problem, sizeof(problem)) < 0) {
                (void)cli_problem(verb, "--%s '%s' %s", spec->name, optarg, problem);
                return OPTIONS_BAD;
        }
        return OPTIONS_OK;
}

enum OptionResult options_parse(int argc, char **argv, const OptionSpec *specs, void *target, int *rest,
        bool *dashes, const char *usage)
{
        struct option longs[OPTIONS_MAX + 2];
        char shorts[2 * OPTIONS_MAX + 4];
        int c;

        make_getopt_tables(specs, longs, shorts);
        optind = 0;
        opterr = 0;
        while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
                const OptionSpec *spec;

                if (c == 'h') {
                        print_help(specs, usage);
                        return OPTIONS_HELP;
                }
                if (c == '?' || c == ':') {
                        (void)cli_problem(argv[0],
                                c == ':' ? "option '%s' needs a value; see 'zksup %s --help'" :
                                           "there is no option '%s'; see 'zksup %s --help'",
                                argv[optind - 1], argv[0]);
                        return OPTIONS_BAD;
                }
                spec = find_spec(specs, c);
                if (!spec || take_option(argv[0], spec, target) != OPTIONS_OK)
                        return OPTIONS_BAD;
        }
        *rest = optind;
        *dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
        return OPTIONS_OK;
}

CommonOptions common_options_default(void)
{
        const char *connect = getenv("ZKSUP_CONNECT");

        return (CommonOptions){.connect = connect && *connect ? connect : "127.0.0.1:2181",
                .root = "/zksup",
                .session_timeout_usec = 15 * USEC_PER_SEC};
}

void common_options_apply(const CommonOptions *options)
{
        log_set_level(options->verbose ? LOG_LEVEL_DEBUG : options->quiet ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
}
