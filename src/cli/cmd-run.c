/* zksup run: one command, supervised while it holds a number. */
#include "cli/cli.h"
#include "cli/supervise.h"
#include "config/rules.h"
#include "util/clock.h"

#define NO_MAX (UINT64_MAX - 1)
#define USAGE "run [OPTION]... -- COMMAND [ARGUMENT]..."

typedef struct RunOptions {
        SuperviseOptions supervise;
        const char *pool;
        uint64_t first, max, prefer, wait_usec;
        enum SequenceReuse reuse;
} RunOptions;

#define AT(member) offsetof(RunOptions, member)
static const OptionSpec specs[] = {
        {"pool", 'p', "NAME", value_parse_component, AT(pool), "take the number from this pool (default)"},
        {"first", 0, "N", value_parse_number, AT(first), "the lowest number (1)"},
        {"max", 0, "N", value_parse_number, AT(max), "the highest number (no bound)"},
        {"prefer", 0, "N", value_parse_number, AT(prefer), "take N if it is free"},
        {"reuse", 0, "skip|wait", value_parse_reuse, AT(reuse),
                "a number whose holder died: pass over it for now, or wait for it (skip)"},
        {"wait", 'w', "TIME", value_parse_duration, AT(wait_usec), "give up with 124 without a number (never)"},
        SUPERVISE_OPTIONS(RunOptions, supervise, "always", "restart"),
        {NULL},
};

static int check(const RunOptions *o)
{
        RuleBroken broken;

        if (!rules_sequence(RULES_DASHES, o->first, o->max, o->prefer, &broken))
                return cli_problem("run", "%s", broken.text);
        return 0;
}

static int run(Supervise *s, const RunOptions *o, char **command)
{
        int status = check(o) ?: supervise_init(s, "run", command);

        if (status)
                return status;
        s->unit.wait_usec = o->wait_usec;
        s->unit.gate = (GateConfig){.kind = GATE_SEQUENCE,
                .sequence = {.root = o->supervise.common.root,
                        .pool = o->pool,
                        .id = s->id,
                        .first = o->first,
                        .max = o->max,
                        .prefer = o->prefer,
                        .reuse = o->reuse,
                        .text = s->record}};
        return supervise_run(s);
}

int cmd_run(int argc, char **argv)
{
        RunOptions o = {.supervise = supervise_options_default(UNIT_RESTART_ALWAYS),
                .pool = "default",
                .first = 1,
                .max = NO_MAX,
                .prefer = UINT64_MAX,
                .wait_usec = USEC_INFINITY};
        CLEANUP(supervise_deinit) Supervise *s = &(Supervise){0};
        char **command;

        supervise_begin(s, &o.supervise);
        switch (supervise_parse(argc, argv, specs, &o, &(Operand){0}, &command, USAGE)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        return run(s, &o, command);
}
