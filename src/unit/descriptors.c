#include "unit/descriptors.h"

#include <errno.h>

static struct rlimit before;
static bool raised;

int descriptors_raise(void)
{
        struct rlimit now;

        if (raised)
                return 0;
        if (getrlimit(RLIMIT_NOFILE, &now) < 0)
                return -errno;
        if (now.rlim_cur == now.rlim_max)
                return 0;
        before = now;
        now.rlim_cur = now.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &now) < 0)
                return -errno;
        raised = true;
        return 0;
}

void descriptors_restore(void)
{
        if (raised && setrlimit(RLIMIT_NOFILE, &before) == 0)
                raised = false;
}

bool descriptors_original(struct rlimit *original)
{
        if (raised)
                *original = before;
        return raised;
}
