#include "cli/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "config/rules.h"
#include "manager/identity.h"
#include "manager/journal.h"
#include "manager/notify.h"
#include "util/clock.h"

#define GRACE_DERIVED (UINT64_MAX - 1)

int supervise_parse_tty(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"auto", TTY_AUTO}, {"yes", TTY_YES}, {"no", TTY_NO}, {NULL}};

        return value_choose(choices, text, value, problem, problem_size);
}

/* --- the command line --------------------------------------------------------------------------- */

SuperviseOptions supervise_options_default(enum UnitRestart restart)
{
        SuperviseOptions o = {
                .common = common_options_default(), .policy = unit_policy_default(), .contain = CONTAIN_AUTO};

        o.common.grace_usec = GRACE_DERIVED;
        o.policy.grace_usec = 0; /* that of the lease, once it is known */
        o.policy.restart = restart;
        o.policy.reacquire = restart != UNIT_RESTART_NEVER;
        return o;
}

static enum OptionResult take_operand(const char *verb, const Operand *operand, const char *text)
{
        char problem[200];

        if (!operand->name) {
                (void)cli_problem(verb, "'%s' is no option; write '--' before the command", text);
                return OPTIONS_BAD;
        }
        if (operand->parse(text, operand->value, problem, sizeof(problem)) < 0) {
                (void)cli_problem(verb, "%s '%s' %s", operand->name, text, problem);
                return OPTIONS_BAD;
        }
        return OPTIONS_OK;
}

static enum OptionResult check_command(const char *verb, const Operand *missing, char **command, const char *usage)
{
        if (missing->name)
                (void)cli_problem(verb, "%s is missing; write: zksup %s", missing->name, usage);
        else if (!command[0])
                (void)cli_problem(verb, "there is no command; write it after '--': zksup %s", usage);
        else if (command[0][0] == '\0')
                (void)cli_problem(verb, "the command is empty");
        else
                return OPTIONS_OK;
        return OPTIONS_BAD;
}

/* getopt stops at the first operand: that is taken, and what follows is read as if it began there. */
enum OptionResult supervise_parse(int argc, char **argv, const OptionSpec *specs, void *target,
        const Operand *operands, char ***command, const char *usage)
{
        char *verb = argv[0];

        for (;;) {
                bool dashes;
                int rest;
                enum OptionResult r = options_parse(argc, argv, specs, target, &rest, &dashes, usage);

                if (r != OPTIONS_OK)
                        return r;
                argc -= rest;
                argv += rest;
                if (dashes || argc == 0) {
                        *command = argv;
                        return check_command(verb, operands, argv, usage);
                }
                r = take_operand(verb, operands, argv[0]);
                if (r != OPTIONS_OK)
                        return r;
                operands++;
                argv[0] = verb;
        }
}

static int check(const char *verb, const SuperviseOptions *o)
{
        RuleBroken broken;

        if ((o->common.grace_usec != GRACE_DERIVED && !rules_grace(RULES_DASHES, o->common.grace_usec, &broken)) ||
                !rules_session_timeout(RULES_DASHES, o->common.session_timeout_usec, &broken))
                return cli_problem(verb, "%s", broken.text);
        return 0;
}

/* --- the run ------------------------------------------------------------------------------------ */

void supervise_begin(Supervise *s, SuperviseOptions *options)
{
        s->options = options;
        manager_save_signals(&s->blocked, &s->ignored);
}

static bool wants_terminal(const SuperviseOptions *o)
{
        if (o->tty == TTY_NO || (o->tty == TTY_AUTO && o->policy.restart != UNIT_RESTART_NEVER))
                return false;
        return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void fill_unit(Supervise *s, const SuperviseOptions *o, char **command)
{
        const char *slash = strrchr(command[0], '/');

        s->unit = (UnitConfig){.name = o->name ? o->name : slash ? slash + 1 : command[0],
                .argv = command,
                .policy = o->policy,
                .contain = o->contain,
                .terminal = wants_terminal(o),
                .blocked = &s->blocked,
                .ignored = &s->ignored,
                .readiness = &o->readiness,
                .wait_usec = USEC_INFINITY,
                .signals_end_wait = o->policy.restart == UNIT_RESTART_NEVER};
        s->unit.policy.await_ready = o->readiness.kind != READINESS_NONE;
}

static int make_manager(Supervise *s, const CommonOptions *o)
{
        ManagerConfig config = {.grace_usec = o->grace_usec == GRACE_DERIVED ? 0 : o->grace_usec,
                .client = {.connect = o->connect,
                        .session_timeout_usec = o->session_timeout_usec,
                        .connect_timeout_usec = o->connect_timeout_usec == USEC_INFINITY ? 0 : o->connect_timeout_usec,
                        .acl = o->acl}};
        char problem[512];

        if (o->auth_file) {
                if (auth_read(&s->auth, o->auth_file, problem, sizeof(problem)) < 0)
                        return cli_problem(s->verb, "%s", problem);
                config.client.auth_scheme = s->auth.scheme;
                config.client.auth_cert = s->auth.cert;
        }
        if (manager_new(&s->manager, &config, problem, sizeof(problem)) < 0)
                return cli_problem(s->verb, "%s", problem);
        return 0;
}

int supervise_init(Supervise *s, const char *verb, char **command)
{
        const SuperviseOptions *options = s->options;
        int status = check(verb, options);

        if (status)
                return status;
        s->verb = verb;
        common_options_apply(&options->common);
        notify_init();
        fill_unit(s, options, command);
        (void)journal_init(s->unit.name);
        random_uuid(s->id);
        s->record = identity_record(s->unit.name);
        return make_manager(s, &options->common);
}

int supervise_run(Supervise *s)
{
        int r = manager_add(s->manager, &s->unit, NULL, true, NULL);

        if (r < 0)
                return cli_problem(s->verb, "cannot set up unit '%s': %s", s->unit.name, strerror(-r));
        return manager_run(s->manager);
}

void supervise_deinit(Supervise *s)
{
        s->manager = manager_free(s->manager);
        auth_deinit(&s->auth);
        readiness_config_deinit(&s->options->readiness);
}
