/* zksup still-mine: in a supervised command, whether the hold is provably ours for some time more. It reads the
 * lease page and the clock, and asks nobody. Whatever it cannot prove is a no. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "unit/lease-page.h"
#include "unit/lease-view.h"
#include "util/clock.h"
#include "util/duration.h"

#define VERB "still-mine"
#define STATUS_NOT_OURS 1

typedef struct StillMineOptions {
        uint64_t for_usec;
        bool quiet, verbose;
} StillMineOptions;

#define AT(member) offsetof(StillMineOptions, member)
static const OptionSpec specs[] = {
        {"for", 0, "TIME", value_parse_duration, AT(for_usec), "for at least so long more (0)"},
        {"quiet", 'q', NULL, NULL, AT(quiet), "do not say why not"},
        {"verbose", 'v', NULL, NULL, AT(verbose), "say for how long"},
        {NULL},
};
#undef AT

static int no(const StillMineOptions *o, const char *why)
{
        if (!o->quiet)
                (void)cli_problem(VERB, "no: %s", why);
        return STATUS_NOT_OURS;
}

static int yes(const StillMineOptions *o, uint64_t left_usec)
{
        const char *fence = getenv("ZK_FENCE");
        char left[DURATION_STRING_MAX];

        if (!o->verbose)
                return 0;
        if (left_usec == USEC_INFINITY)
                printf("needs no lease\n");
        else
                printf("ours for another %s%s%s\n", duration_to_string(left_usec, left), fence ? ", fencing token " : "",
                        fence ? fence : "");
        return 0;
}

/* NOW_USEC was read after the deadline, so that what is left is rather too little. */
static int judge(const StillMineOptions *o, uint64_t deadline_usec, uint64_t now_usec)
{
        char left[DURATION_STRING_MAX], wanted[DURATION_STRING_MAX], why[200];
        uint64_t left_usec = usec_sub(deadline_usec, now_usec);

        if (deadline_usec == LEASE_DEADLINE_NONE)
                return yes(o, USEC_INFINITY);
        if (deadline_usec == 0)
                return no(o, "the hold was lost or given back");
        if (left_usec == 0) {
                snprintf(why, sizeof(why), "the lease ended %s ago", duration_to_string(now_usec - deadline_usec, left));
                return no(o, why);
        }
        if (left_usec <= o->for_usec) {
                snprintf(why, sizeof(why), "the lease ends in %s, --for asks for %s", duration_to_string(left_usec, left),
                        duration_to_string(o->for_usec, wanted));
                return no(o, why);
        }
        return yes(o, left_usec);
}

static int look(const StillMineOptions *o)
{
        const char *text = getenv(LEASE_PAGE_ENV), *role = getenv("ZK_ROLE");
        uint64_t deadline_usec;
        char problem[300];
        LeaseView view;

        if (!text)
                return cli_problem(VERB, "not inside a command that zksup runs: %s is not set", LEASE_PAGE_ENV);
        if (lease_view_parse(&view, text) < 0)
                return cli_problem(VERB, "%s='%s' is not what zksup gives to its command", LEASE_PAGE_ENV, text);
        if (role && strcmp(role, "standby") == 0)
                return no(o, "this is the standby command, which holds nothing");
        if (lease_view_read(&view, &deadline_usec, problem, sizeof(problem)) < 0)
                return no(o, problem);
        return judge(o, deadline_usec, clock_boottime_usec());
}

int cmd_still_mine(int argc, char **argv)
{
        StillMineOptions o = {0};
        bool dashes;
        int rest;

        switch (options_parse(argc, argv, specs, &o, &rest, &dashes, VERB " [OPTION]...")) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (rest < argc)
                return cli_problem(VERB, "'%s' is too many: it takes options only, and runs no command", argv[rest]);
        return look(&o);
}
