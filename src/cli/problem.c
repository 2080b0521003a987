#include <stdarg.h>
#include <stdio.h>
#include "cli/cli.h"

int cli_problem(const char *verb, const char *fmt, ...)
{
        va_list ap;

        fprintf(stderr, "zksup%s%s: ", verb ? " " : "", verb ? verb : "");
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        return EXIT_STATUS_FAILURE;
}
