/* Options and operands in any order, as people write them: "status web --json". */
#pragma once

#include "cli/options.h"

/* As options_parse(). The operands are left at the front of ARGV, *N of them; after "--" everything is one.
 */
enum OptionResult operands_parse(
        int argc, char **argv, const OptionSpec *specs, void *target, const char *usage, int *n);
