#include "cli/operands.h"

/* getopt stops at the first operand: that is taken, and what follows is read as if it began there. */
enum OptionResult operands_parse(
        int argc, char **argv, const OptionSpec *specs, void *target, const char *usage, int *n)
{
        char *verb = argv[0], **at = argv;

        *n = 0;
        for (;;) {
                bool dashes;
                int rest;
                enum OptionResult r = options_parse(argc, at, specs, target, &rest, &dashes, usage);

                if (r != OPTIONS_OK)
                        return r;
                argc -= rest;
                at += rest;
                while (dashes && argc > 0) {
                        argv[(*n)++] = *at++;
                        argc--;
                }
                if (argc == 0)
                        return OPTIONS_OK;
                argv[(*n)++] = at[0]; /* never further than AT, whose first place is the verb's */
                at[0] = verb;
        }
}
