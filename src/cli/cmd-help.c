/* zksup help [VERB]: the manual page of the verb, or its --help where there is no page. */
#include <stdio.h>
#include <unistd.h>
#include "cli/cli.h"

static void print_verbs(void)
{
        puts("Usage: zksup VERB [OPTION]... [-- COMMAND [ARGUMENT]...]\n");
        puts("A process supervisor for programs on more than one host, coordinated by Apache ZooKeeper.\n");
        puts("Verbs:");
        for (const Verb *verb = cli_verbs; verb->name; verb++)
                if (verb->summary)
                        printf("  %-12s %s\n", verb->name, verb->summary);
        puts("\n'zksup help VERB' or 'man zksup-VERB' explains one; 'zksup --version' shows the version.");
}

int cmd_help(int argc, char **argv)
{
        const Verb *verb;
        char page[64];

        if (argc < 2 || argv[1][0] == '-') {
                print_verbs();
                return 0;
        }
        if (argc > 2)
                return cli_problem("help", "one verb at a time; there is '%s' too many", argv[2]);
        verb = cli_find_verb(argv[1]);
        if (!verb)
                return cli_problem("help", "there is no verb '%s'; 'zksup help' lists them", argv[1]);
        if (verb->run == cmd_help) {
                print_verbs();
                return 0;
        }
        if (isatty(STDOUT_FILENO)) {
                snprintf(page, sizeof(page), "zksup-%s", verb->name);
                execlp("man", "man", page, (char *)NULL);
        }
        return verb->run(2, (char *[]){argv[1], (char[]){"--help"}, NULL});
}
