/* zksup lead: one command while this host leads, perhaps another while it does not, and what is to be
 * done at each change. */
#include <errno.h>
#include <stdio.h>
#include "cli/cli.h"
#include "cli/supervise.h"
#include "config/rules.h"
#include "manager/lead.h"
#include "util/clock.h"
#include "util/words.h"

#define USAGE "lead NAME [OPTION]... -- COMMAND [ARGUMENT]..."

typedef struct LeadOptions {
        SuperviseOptions supervise;
        uint64_t priority, give_up;
        bool preempt;
        LeadConfig lead; /* owns the commands */
} LeadOptions;

static void options_deinit(LeadOptions *o)
{
        free((void *)o->lead.standby);
        free((void *)o->lead.on_won);
        free((void *)o->lead.on_lost);
}

CLEANUP_DEFINE(LeadOptions, options_deinit);

static int parse_command(const char *text, void *value, char *problem, size_t problem_size)
{
        char ***command = value, **words;
        int n = words_split(text, &words, problem, problem_size);

        if (n == -ENOMEM)
                snprintf(problem, problem_size, "cannot be kept: out of memory");
        if (n < 0)
                return n;
        if (n == 0 || words[0][0] == '\0') {
                snprintf(problem, problem_size, "is no command: write a program and its arguments");
                free(words);
                return -EINVAL;
        }
        free(*command);
        *command = words;
        return 0;
}

#define AT(member) offsetof(LeadOptions, member)
static const OptionSpec specs[] = {
        {"priority", 'p', "N", value_parse_priority, AT(priority), "among those that wait the highest leads first (0)"},
        {"preempt", 0, NULL, NULL, AT(preempt), "take the leadership from a leader of less priority"},
        {"give-up", 0, "N", value_parse_give_up, AT(give_up),
                "after N failed runs in a row let another host lead (0: never)"},
        {"standby", 0, "COMMAND", parse_command, AT(lead.standby),
                "runs while another host leads; quoted as in a shell, but not given to one"},
        {"on-won", 0, "COMMAND", parse_command, AT(lead.on_won), "runs to its end before the command starts"},
        {"on-lost", 0, "COMMAND", parse_command, AT(lead.on_lost), "runs once the command is dead"},
        {"hook-timeout", 0, "TIME", value_parse_duration, AT(lead.hook_timeout_usec),
                "limit of --on-won and --on-lost (10s)"},
        SUPERVISE_OPTIONS(LeadOptions, supervise, "always", "restart"),
        {NULL},
};

static int check(const LeadOptions *o)
{
        RuleBroken broken;

        if (!rules_hook_timeout(RULES_DASHES, o->lead.hook_timeout_usec, &broken))
                return cli_problem("lead", "%s", broken.text);
        return 0;
}

static int run(Supervise *s, const LeadOptions *o, char **command)
{
        int status = check(o) ?: supervise_init(s, "lead", command);

        if (status)
                return status;
        s->unit.policy.give_up = (unsigned)o->give_up;
        s->unit.lead = &o->lead;
        s->unit.gate = (GateConfig){.kind = GATE_ELECTION,
                .election = {.root = o->supervise.common.root,
                        .name = o->lead.lock,
                        .id = s->id,
                        .priority = (unsigned)o->priority,
                        .preempt = o->preempt,
                        .text = s->record}};
        return supervise_run(s);
}

int cmd_lead(int argc, char **argv)
{
        LeadOptions o = {.supervise = supervise_options_default(UNIT_RESTART_ALWAYS),
                .lead = {.hook_timeout_usec = 10 * USEC_PER_SEC}};
        CLEANUP(options_deinit) LeadOptions *owned = &o;
        CLEANUP(supervise_deinit) Supervise *s = &(Supervise){0};
        const Operand operands[] = {{"NAME", value_parse_component, &o.lead.lock}, {NULL}};
        char **command;

        (void)owned;
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
