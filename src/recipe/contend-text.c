/* The queue engine in words: its states, and whom one waits for. */
#include <stdio.h>
#include "recipe/contend.h"
#include "util/civil.h"

const char *contend_state_to_string(enum ContendState state)
{
        switch (state) {
        case CONTEND_OUT:
                return "out";
        case CONTEND_PARENTS:
                return "making the parents";
        case CONTEND_CREATE:
                return "joining";
        case CONTEND_LIST:
                return "reading the list";
        case CONTEND_OWNER:
                return "looking whose node it is";
        case CONTEND_DROP:
                return "deleting a second node";
        case CONTEND_LOOK:
                return "looking who is ahead";
        case CONTEND_BEHIND:
                return "behind";
        case CONTEND_FRONT:
                return "at the front";
        case CONTEND_REST:
                return "resting";
        case CONTEND_LEAVE:
                return "leaving";
        case CONTEND_FAILED:
                return "failed";
        }
        return "?";
}

/* "host pid unit" as ours write it; anything else as it is. */
static void describe_data(const char *data, char *text, size_t size)
{
        char host[128], unit[128];
        unsigned long long pid;

        if (sscanf(data, "%127s %llu %127[^\n]", host, &pid, unit) == 3)
                snprintf(text, size, "unit '%.30s' on %.30s (process %llu)", unit, host, pid);
        else
                snprintf(text, size, "'%.60s'", data);
}

/* " since 2026-11-21 14:03:05 UTC", or nothing. */
static void describe_since(int64_t msec, char *text, size_t size)
{
        int64_t seconds = civil_floor(msec, 1000), days = civil_floor(seconds, 86400),
                day_second = seconds - days * 86400;
        CivilDate date = civil_from_days(days);

        text[0] = '\0';
        if (msec > 0)
                snprintf(text, size, " since %04d-%02d-%02d %02d:%02d:%02d UTC", (int)date.year,
                        (int)date.month, (int)date.day, (int)(day_second / 3600), (int)(day_second / 60 % 60),
                        (int)(day_second % 60));
}

void contend_describe(const Contend *c, char *text, size_t size)
{
        char who[160], since[64];

        if (c->rule == CONTEND_SLOTS) {
                snprintf(text, size, "%zu more than there are slots stand in line", c->n_ahead);
                return;
        }
        if (c->ahead.foreign)
                snprintf(who, sizeof(who), "a foreign client%s%.60s", c->ahead.text[0] ? " " : "",
                        c->ahead.text);
        else
                describe_data(c->ahead.text, who, sizeof(who));
        describe_since(c->ahead.since_msec, since, sizeof(since));
        snprintf(text, size, "position %zu in line, %s %s%s", c->position,
                c->ahead.grant[0] ? "held by" : "behind", who, since);
}
