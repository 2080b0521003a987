/* zksup start, stop, restart, step-down: tell units what to do, and wait for what comes of it. */
#include <stdio.h>
#include <string.h>
#include "cli/await.h"
#include "util/clock.h"

typedef struct StartOptions {
        Control control;
        uint64_t timeout_usec;
        bool all, no_block;
} StartOptions;

#define AT(member) offsetof(StartOptions, member)
static const OptionSpec specs[] = {
        CONTROL_OPTIONS(StartOptions, control),
        {"all", 'a', NULL, NULL, AT(all), "all units"},
        {"no-block", 0, NULL, NULL, AT(no_block), "do not wait for what comes of it"},
        {"timeout", 0, "TIME", value_parse_duration, AT(timeout_usec), "wait no longer than that (for ever)"},
        {NULL},
};
#undef AT

typedef struct Deed {
        const char *verb, *usage;
        AwaitConfig config;
        int (*filter)(const StartOptions *o, json_t *units); /* NULL: none */
} Deed;

static int run(const Deed *deed, const StartOptions *o, char *const *names, int n)
{
        AwaitConfig config = deed->config;
        json_t *answer = NULL, *chosen = NULL;
        int status = control_ask(&o->control, "GET", "/v1/units", NULL, &answer);

        config.timeout_usec = o->timeout_usec;
        config.no_block = o->no_block;
        if (status == 0)
                status = control_choose(&o->control, json_object_get(answer, "units"), names, n, &chosen);
        if (status == 0 && deed->filter)
                status = deed->filter(o, chosen);
        if (status == 0)
                status = await_units(&o->control, &config, chosen);
        json_decref(answer);
        json_decref(chosen);
        return status;
}

static int parse_and_run(int argc, char **argv, const Deed *deed)
{
        StartOptions o = {.control = control_default(deed->verb), .timeout_usec = USEC_INFINITY};
        int n;

        switch (operands_parse(argc, argv, specs, &o, deed->usage, &n)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (n == 0 && !o.all)
                return cli_problem(
                        deed->verb, "which units? Name them ('zksup status' lists them), or write --all");
        if (n && o.all)
                return cli_problem(deed->verb, "'%s' and --all: name units, or take all of them", argv[0]);
        return run(deed, &o, argv, n);
}

int cmd_start(int argc, char **argv)
{
        const Deed deed = {.verb = "start",
                .usage = "start [OPTION]... UNIT...",
                .config = {.kind = AWAIT_START, .what = "start"}};

        return parse_and_run(argc, argv, &deed);
}

int cmd_stop(int argc, char **argv)
{
        const Deed deed = {.verb = "stop",
                .usage = "stop [OPTION]... UNIT...",
                .config = {.kind = AWAIT_STOP, .what = "stop"}};

        return parse_and_run(argc, argv, &deed);
}

int cmd_restart(int argc, char **argv)
{
        const Deed deed = {.verb = "restart",
                .usage = "restart [OPTION]... UNIT...",
                .config = {.kind = AWAIT_RESTART, .what = "restart"}};

        return parse_and_run(argc, argv, &deed);
}

/* Those that hold nothing are told, and are as they are asked to be. */
static int keep_holders(const StartOptions *o, json_t *units)
{
        for (size_t i = json_array_size(units); i-- > 0;) {
                const json_t *unit = json_array_get(units, i);

                if (control_has(unit, "token"))
                        continue;
                if (!o->control.quiet)
                        printf("%s: holds nothing, so there is nothing to give back\n",
                                control_string(unit, "name"));
                json_array_remove(units, i);
        }
        return 0;
}

int cmd_step_down(int argc, char **argv)
{
        const Deed deed = {.verb = "step-down",
                .usage = "step-down [OPTION]... UNIT...",
                .config = {.kind = AWAIT_STEP_DOWN, .what = "step-down"},
                .filter = keep_holders};

        return parse_and_run(argc, argv, &deed);
}
