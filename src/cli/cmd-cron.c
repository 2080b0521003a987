/* zksup cron: at most one run for each tick of a schedule, however many hosts there are. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/supervise.h"
#include "config/rules.h"
#include "manager/cron-gate.h"
#include "util/clock.h"

#define USAGE "cron NAME SCHEDULE [OPTION]... -- COMMAND [ARGUMENT]..."
#define WITHIN_UNSET (UINT64_MAX - 2)
#define TICK_NOW_WITHIN_USEC (60 * USEC_PER_SEC)

typedef struct CronOptions {
        SuperviseOptions supervise;
        const char *name, *timezone;
        CronSchedule schedule;
        enum CronOverlap overlap;
        enum ConfigMissed missed;
        uint64_t within_usec, jitter_usec, timeout_usec;
        bool tick_now;
} CronOptions;

#define AT(member) offsetof(CronOptions, member)
static const OptionSpec specs[] = {
        {"timezone", 0, "ZONE", value_parse_string, AT(timezone), "of the schedule, as Europe/Berlin (the host's)"},
        {"overlap", 0, "skip|queue|kill", value_parse_overlap, AT(overlap),
                "a tick during a run: not run, run after it, or stop that run (skip)"},
        {"missed", 0, "skip|run-once", value_parse_missed, AT(missed),
                "ticks while nobody was there: not run, or the latest of them (skip)"},
        {"within", 0, "TIME", value_parse_duration, AT(within_usec),
                "how late a tick may be for run-once (no bound) and --tick-now (1m)"},
        {"jitter", 0, "TIME", value_parse_duration, AT(jitter_usec), "each host tries up to this much later (0)"},
        {"timeout", 0, "TIME", value_parse_duration, AT(timeout_usec), "stop a run that takes longer (never)"},
        {"tick-now", 0, NULL, NULL, AT(tick_now),
                "run the tick that has just passed, unless another host does; then end"},
        COMMON_OPTIONS(CronOptions, supervise.common),
        {"name", 'n', "UNIT", value_parse_component, AT(supervise.name), "name of the unit (NAME)"},
        {"stop-signal", 0, "NAME", value_parse_signal, AT(supervise.policy.stop_signal),
                "asks a run to stop (TERM)"},
        {"on-suspend", 0, "keep|freeze|stop|signal:NAME", value_parse_on_suspend, AT(supervise.policy),
                "when there is no contact (keep)"},
        {"on-unkillable", 0, "hold|takeover", value_parse_on_unkillable, AT(supervise.policy),
                "when the processes of a run do not die: no further run may start, or it may (hold)"},
        {"contain", 0, "auto|cgroup|pidns|subreaper", value_parse_contain, AT(supervise.contain),
                "how its processes are kept together (auto)"},
        {NULL},
};

static int check(const CronOptions *o)
{
        RuleBroken broken;

        if (!rules_jitter(RULES_DASHES, &o->schedule, o->jitter_usec, &broken) ||
                !rules_timeout(RULES_DASHES, o->timeout_usec, &broken))
                return cli_problem("cron", "%s", broken.text);
        if (o->within_usec != WITHIN_UNSET && !o->tick_now && o->missed == CONFIG_MISSED_SKIP)
                return cli_problem(
                        "cron", "--within says how late a tick may be for --missed run-once or --tick-now");
        if (o->tick_now && o->missed == CONFIG_MISSED_RUN_ONCE)
                return cli_problem(
                        "cron", "--tick-now runs one tick, no missed ones; say --within how late it may be");
        return 0;
}

static uint64_t late_usec(const CronOptions *o)
{
        if (o->within_usec != WITHIN_UNSET)
                return o->within_usec;
        return o->tick_now ? TICK_NOW_WITHIN_USEC : o->missed == CONFIG_MISSED_RUN_ONCE ? USEC_INFINITY : CRON_LATE_DEFAULT;
}

static int run(Supervise *s, CronOptions *o, char **command)
{
        CLEANUP(zone_free) Zone *zone = NULL;
        char problem[512];
        CronGateConfig gate;
        int status = check(o);

        if (status)
                return status;
        if (zone_new(&zone, o->timezone, problem, sizeof(problem)) < 0)
                return cli_problem("cron", "%s", problem);
        if (!o->tick_now)
                o->supervise.tty = TTY_NO;
        if (!o->supervise.name)
                o->supervise.name = o->name;
        status = supervise_init(s, "cron", command);
        if (status)
                return status;
        gate.cron = (CronConfig){.root = o->supervise.common.root,
                .name = o->name,
                .id = s->id,
                .rules = {.schedule = &o->schedule,
                        .zone = zone,
                        .overlap = o->overlap,
                        .late_usec = late_usec(o),
                        .jitter_usec = o->jitter_usec,
                        .seed = random_seed_from_kernel()},
                .timeout_usec = o->timeout_usec,
                .tick_now = o->tick_now,
                .text = s->record};
        if (!o->tick_now) {
                s->unit.policy.restart = UNIT_RESTART_ALWAYS;
                s->unit.policy.release_after_run = true;
                s->unit.policy.reacquire = true;
        }
        s->unit.gate = (GateConfig){.kind = GATE_CRON, .cron = &gate};
        status = supervise_run(s);
        s->manager = manager_free(s->manager); /* before the zone */
        return status;
}

int cmd_cron(int argc, char **argv)
{
        CronOptions o = {.supervise = supervise_options_default(UNIT_RESTART_NEVER),
                .within_usec = WITHIN_UNSET,
                .timeout_usec = USEC_INFINITY};
        const Operand operands[] = {
                {"NAME", value_parse_component, &o.name}, {"SCHEDULE", value_parse_schedule, &o.schedule}, {NULL}};
        CLEANUP(supervise_deinit) Supervise *s = &(Supervise){0};
        char **command;

        supervise_begin(s, &o.supervise);
        switch (supervise_parse(argc, argv, specs, &o, operands, &command, USAGE)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        return run(s, &o, command);
}
