/* zksup up: the daemon is a program of its own (up-main.c), in our place from here on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "util/macros.h"

#define PROGRAM "zksup-up"

static char *beside_us(void)
{
        char dir[4096], *slash, *path;
        ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

        if (n < 0)
                return NULL;
        dir[n] = '\0';
        slash = strrchr(dir, '/');
        if (!slash || asprintf(&path, "%.*s/" PROGRAM, (int)(slash - dir), dir) < 0)
                return NULL;
        return path;
}

int cmd_up(int argc, char **argv)
{
        CLEANUP_STRING beside = beside_us(); /* in the build tree */
        const char *env = getenv("ZKSUP_UP");
        const char *path = env && *env                         ? env :
                           beside && access(beside, X_OK) == 0 ? beside :
                                                                 ZKSUP_LIBEXECDIR "/" PROGRAM;

        (void)execv(path, argv - 1); /* "zksup up ...", as it was typed */
        return cli_problem("up", "cannot execute '%s': %s; is zksup installed as a whole?", path, strerror(errno));
}
