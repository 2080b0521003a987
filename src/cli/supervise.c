#include "cli/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "manager/identity.h"
#include "manager/journal.h"
#include "manager/notify.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/text.h"

#define GRACE_DERIVED (UINT64_MAX - 1)

/* --- parsers ------------------------------------------------------------------------------------ */

int supervise_parse_restart(const char *text, void *value, char *problem, size_t problem_size)
{
        static const OptionChoice choices[] = {{"always", UNIT_RESTART_ALWAYS},
                {"on-failure", UNIT_RESTART_ON_FAILURE},
                {"never", UNIT_RESTART_NEVER},
                {NULL}};

        return option_choose(choices, text, value, problem, problem_size);
}

int supervise_parse_contain(const char *text, void *value, char *problem, size_t problem_size)
{
        static const OptionChoice choices[] = {{"auto", CONTAIN_AUTO},
                {"cgroup", CONTAIN_CGROUP},
                {"pidns", CONTAIN_PIDNS},
                {"subreaper", CONTAIN_SUBREAPER},
                {NULL}};

        return option_choose(choices, text, value, problem, problem_size);
}

int supervise_parse_tty(const char *text, void *value, char *problem, size_t problem_size)
{
        static const OptionChoice choices[] = {{"auto", TTY_AUTO}, {"yes", TTY_YES}, {"no", TTY_NO}, {NULL}};

        return option_choose(choices, text, value, problem, problem_size);
}

int supervise_parse_on_loss(const char *text, void *value, char *problem, size_t problem_size)
{
        static const OptionChoice choices[] = {{"restart", true}, {"stop", false}, {NULL}};
        UnitPolicy *policy = value;
        int reacquire, r = option_choose(choices, text, &reacquire, problem, problem_size);

        if (r == 0)
                policy->reacquire = reacquire;
        return r;
}

int supervise_parse_on_unkillable(const char *text, void *value, char *problem, size_t problem_size)
{
        static const OptionChoice choices[] = {
                {"hold", UNIT_ON_UNKILLABLE_HOLD}, {"takeover", UNIT_ON_UNKILLABLE_TAKEOVER}, {NULL}};
        UnitPolicy *policy = value;
        int what, r = option_choose(choices, text, &what, problem, problem_size);

        if (r == 0)
                policy->on_unkillable = (enum UnitOnUnkillable)what;
        return r;
}

int supervise_parse_on_suspend(const char *text, void *value, char *problem, size_t problem_size)
{
        static const OptionChoice choices[] = {{"keep", UNIT_ON_SUSPEND_KEEP},
                {"freeze", UNIT_ON_SUSPEND_FREEZE},
                {"stop", UNIT_ON_SUSPEND_STOP},
                {"signal:NAME", UNIT_ON_SUSPEND_SIGNAL},
                {NULL}};
        UnitPolicy *policy = value;
        int what, r;

        if (text_has_prefix(text, "signal:")) {
                r = option_parse_signal(text + 7, &policy->suspend_signal, problem, problem_size);
                what = UNIT_ON_SUSPEND_SIGNAL;
        } else {
                r = option_choose(choices, text, &what, problem, problem_size);
        }
        if (r == 0)
                policy->on_suspend = (enum UnitOnSuspend)what;
        return r;
}

/* "N/TIME" or "none". */
int supervise_parse_restart_limit(const char *text, void *value, char *problem, size_t problem_size)
{
        BackoffPolicy *backoff = value;
        CLEANUP_STRING number = NULL;
        const char *slash = strchr(text, '/');
        uint64_t limit, window;

        if (strcmp(text, "none") == 0) {
                backoff->limit = 0;
                return 0;
        }
        number = slash ? strndup(text, (size_t)(slash - text)) : NULL;
        if (!number || text_to_u64(number, 1, 1000000, &limit) < 0 || duration_parse(slash + 1, &window) < 0 ||
                window == 0) {
                snprintf(problem, problem_size, "is no limit: write 10/1m (ten starts a minute) or none");
                return -EINVAL;
        }
        backoff->limit = (uint32_t)limit;
        backoff->window_usec = window;
        return 0;
}

int supervise_parse_ready(const char *text, void *value, char *problem, size_t problem_size)
{
        return readiness_parse(text, value, problem, problem_size);
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
        uint64_t grace = o->common.grace_usec, session = o->common.session_timeout_usec;

        if (grace != GRACE_DERIVED && (grace < USEC_PER_MSEC || grace > 3600 * USEC_PER_SEC))
                return cli_problem(verb, "--grace must be from 1ms to 1h");
        if (session < 500 * USEC_PER_MSEC || session > 3600 * USEC_PER_SEC)
                return cli_problem(verb, "--session-timeout must be from 500ms to 1h");
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
