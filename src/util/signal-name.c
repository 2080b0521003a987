#include "util/signal-name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "util/text.h"

int signal_from_string(const char *text)
{
        uint64_t number;

        if (text_to_u64(text, 1, (uint64_t)SIGRTMAX, &number) == 0)
                return (int)number;
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        if (strcasecmp(text, "RTMIN") == 0)
                return SIGRTMIN;
        if (strcasecmp(text, "RTMAX") == 0)
                return SIGRTMAX;
        if (strncasecmp(text, "RTMIN+", 6) == 0 &&
                text_to_u64(text + 6, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &number) == 0)
                return SIGRTMIN + (int)number;
        if (strncasecmp(text, "RTMAX-", 6) == 0 &&
                text_to_u64(text + 6, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &number) == 0)
                return SIGRTMAX - (int)number;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *name = sigabbrev_np(i);

                if (name && strcasecmp(name, text) == 0)
                        return i;
        }
        return -EINVAL;
}

const char *signal_to_string(int signal, char buf[SIGNAL_NAME_MAX])
{
        const char *name = signal > 0 && signal < SIGRTMIN ? sigabbrev_np(signal) : NULL;

        if (name)
                snprintf(buf, SIGNAL_NAME_MAX, "%s", name);
        else if (signal >= SIGRTMIN && signal <= SIGRTMAX)
                snprintf(buf, SIGNAL_NAME_MAX, "RTMIN+%d", signal - SIGRTMIN);
        else
                snprintf(buf, SIGNAL_NAME_MAX, "%d", signal);
        return buf;
}
