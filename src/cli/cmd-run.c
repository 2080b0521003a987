/* zksup run: one command, supervised while it holds a number. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "client/auth.h"
#include "manager/journal.h"
#include "manager/manager.h"
#include "manager/notify.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/file.h"
#include "util/log.h"
#include "util/random.h"
#include "util/signal-name.h"
#include "util/text.h"

#define NO_MAX (UINT64_MAX - 1)
#define GRACE_DERIVED (UINT64_MAX - 1)
#define USAGE "run [OPTION]... -- COMMAND [ARGUMENT]..."

enum Tty {
        TTY_AUTO,
        TTY_YES,
        TTY_NO,
};

typedef struct RunOptions {
        CommonOptions common;
        const char *pool, *name;
        uint64_t first, max, prefer, wait_usec;
        enum SequenceReuse reuse;
        UnitPolicy policy;
        enum ContainMode contain;
        enum Tty tty;
        ReadinessConfig readiness;
} RunOptions;

typedef struct Choice {
        const char *name;
        int value;
} Choice;

static int choose(const Choice *choices, const char *text, int *value, char *problem, size_t problem_size)
{
        size_t used = (size_t)snprintf(problem, problem_size, "is none of");

        for (const Choice *c = choices; c->name; c++) {
                if (strcmp(c->name, text) == 0) {
                        *value = c->value;
                        return 0;
                }
                used += (size_t)snprintf(problem + used, problem_size - used, " %s", c->name);
        }
        return -EINVAL;
}

static int parse_reuse(const char *text, void *value, char *problem, size_t problem_size)
{
        static const Choice choices[] = {{"skip", SEQUENCE_REUSE_SKIP}, {"wait", SEQUENCE_REUSE_WAIT}, {NULL}};

        return choose(choices, text, value, problem, problem_size);
}

static int parse_restart(const char *text, void *value, char *problem, size_t problem_size)
{
        static const Choice choices[] = {{"always", UNIT_RESTART_ALWAYS},
                {"on-failure", UNIT_RESTART_ON_FAILURE},
                {"never", UNIT_RESTART_NEVER},
                {NULL}};

        return choose(choices, text, value, problem, problem_size);
}

static int parse_contain(const char *text, void *value, char *problem, size_t problem_size)
{
        static const Choice choices[] = {{"auto", CONTAIN_AUTO},
                {"cgroup", CONTAIN_CGROUP},
                {"pidns", CONTAIN_PIDNS},
                {"subreaper", CONTAIN_SUBREAPER},
                {NULL}};

        return choose(choices, text, value, problem, problem_size);
}

static int parse_tty(const char *text, void *value, char *problem, size_t problem_size)
{
        static const Choice choices[] = {{"auto", TTY_AUTO}, {"yes", TTY_YES}, {"no", TTY_NO}, {NULL}};

        return choose(choices, text, value, problem, problem_size);
}

static int parse_on_loss(const char *text, void *value, char *problem, size_t problem_size)
{
        static const Choice choices[] = {{"restart", true}, {"stop", false}, {NULL}};
        UnitPolicy *policy = value;
        int reacquire, r = choose(choices, text, &reacquire, problem, problem_size);

        if (r == 0)
                policy->reacquire = reacquire;
        return r;
}

static int parse_on_suspend(const char *text, void *value, char *problem, size_t problem_size)
{
        static const Choice choices[] = {{"keep", UNIT_ON_SUSPEND_KEEP},
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
                r = choose(choices, text, &what, problem, problem_size);
        }
        if (r == 0)
                policy->on_suspend = (enum UnitOnSuspend)what;
        return r;
}

/* "N/TIME" or "none". */
static int parse_restart_limit(const char *text, void *value, char *problem, size_t problem_size)
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

static int parse_ready(const char *text, void *value, char *problem, size_t problem_size)
{
        return readiness_parse(text, value, problem, problem_size);
}

#define AT(member) offsetof(RunOptions, member)
static const OptionSpec specs[] = {
        COMMON_OPTIONS(RunOptions, common),
        {"pool", 'p', "NAME", option_parse_component, AT(pool), "take the number from this pool (default)"},
        {"first", 0, "N", option_parse_number, AT(first), "the lowest number (1)"},
        {"max", 0, "N", option_parse_number, AT(max), "the highest number (no bound)"},
        {"prefer", 0, "N", option_parse_number, AT(prefer), "take N if it is free"},
        {"reuse", 0, "skip|wait", parse_reuse, AT(reuse),
                "a number whose holder died: pass over it for now, or wait for it (skip)"},
        {"wait", 'w', "TIME", option_parse_duration, AT(wait_usec), "give up with 124 without a number (never)"},
        {"name", 'n', "UNIT", option_parse_component, AT(name), "name of the unit (the command's)"},
        {"restart", 0, "always|on-failure|never", parse_restart, AT(policy.restart), "when it has ended (always)"},
        {"restart-delay", 0, "TIME", option_parse_duration, AT(policy.backoff.initial_usec),
                "first delay after a failed run, doubling (100ms)"},
        {"restart-delay-max", 0, "TIME", option_parse_duration, AT(policy.backoff.cap_usec), "longest delay (30s)"},
        {"restart-reset", 0, "TIME", option_parse_duration, AT(policy.backoff.healthy_usec),
                "a run this long is a success: no delay after it (10s)"},
        {"restart-limit", 0, "N/TIME", parse_restart_limit, AT(policy.backoff), "more restarts: failed (10/1m)"},
        {"stop-signal", 0, "NAME", option_parse_signal, AT(policy.stop_signal), "asks it to stop (TERM)"},
        {"on-suspend", 0, "keep|freeze|stop|signal:NAME", parse_on_suspend, AT(policy),
                "when there is no contact (keep)"},
        {"on-loss", 0, "restart|stop", parse_on_loss, AT(policy),
                "when the number was lost: with a new one, or end with 120 (restart)"},
        {"ready", 0, "HOW", parse_ready, AT(readiness),
                "notify, tcp:PORT, fd:N, http:URL, exec:COMMAND or none (none)"},
        {"ready-timeout", 0, "TIME", option_parse_duration, AT(policy.ready_timeout_usec),
                "not ready by then: a failed run (never)"},
        {"contain", 0, "auto|cgroup|pidns|subreaper", parse_contain, AT(contain), "how its processes are kept together (auto)"},
        {"tty", 0, "auto|yes|no", parse_tty, AT(tty), "give it the terminal (with --restart never)"},
        {NULL},
};

static RunOptions options_default(void)
{
        RunOptions o = {.common = common_options_default(),
                .pool = "default",
                .first = 1,
                .max = NO_MAX,
                .prefer = UINT64_MAX,
                .wait_usec = USEC_INFINITY,
                .policy = unit_policy_default(),
                .contain = CONTAIN_AUTO};

        o.common.grace_usec = GRACE_DERIVED;
        o.policy.grace_usec = 0; /* that of the lease, once it is known */
        o.policy.reacquire = true;
        return o;
}

static int check(const RunOptions *o, int argc, int rest, bool dashes, char **argv)
{
        if (rest >= argc)
                return cli_problem("run", "there is no command; write it after '--': zksup run -- COMMAND");
        if (!dashes)
                return cli_problem("run", "'%s' is no option; write '--' before the command", argv[rest]);
        if (argv[rest][0] == '\0')
                return cli_problem("run", "the command is empty");
        if (o->max < o->first)
                return cli_problem("run", "--max %" PRIu64 " is below --first %" PRIu64, o->max, o->first);
        if (o->prefer != UINT64_MAX && (o->prefer < o->first || o->prefer > o->max))
                return cli_problem("run", "--prefer %" PRIu64 " is not between --first and --max", o->prefer);
        if (o->common.grace_usec != GRACE_DERIVED &&
                (o->common.grace_usec < USEC_PER_MSEC || o->common.grace_usec > 3600 * USEC_PER_SEC))
                return cli_problem("run", "--grace must be from 1ms to 1h");
        if (o->common.session_timeout_usec < 500 * USEC_PER_MSEC || o->common.session_timeout_usec > 3600 * USEC_PER_SEC)
                return cli_problem("run", "--session-timeout must be from 500ms to 1h");
        return 0;
}

static void fill_record(Record *record, const char *name)
{
        CLEANUP_STRING boot = NULL;

        *record = (Record){.state = RECORD_HELD, .pid = (uint64_t)getpid()};
        if (gethostname(record->host, sizeof(record->host) - 1) < 0)
                strcpy(record->host, "?");
        if (file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL) == 0)
                snprintf(record->boot_id, sizeof(record->boot_id), "%.36s", boot);
        snprintf(record->unit, sizeof(record->unit), "%s", name);
}

static int run(const RunOptions *o, char **command, const sigset_t *blocked, const sigset_t *ignored)
{
        const char *slash = strrchr(command[0], '/');
        char id[RANDOM_ID_MAX], problem[512];
        CLEANUP(auth_deinit) Auth auth = {0};
        CLEANUP(manager_free) Manager *manager = NULL;
        UnitConfig unit = {.name = o->name ? o->name : slash ? slash + 1 : command[0],
                .argv = command,
                .policy = o->policy,
                .contain = o->contain,
                .terminal = (o->tty == TTY_YES || (o->tty == TTY_AUTO && o->policy.restart == UNIT_RESTART_NEVER)) &&
                        isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp(),
                .blocked = blocked,
                .ignored = ignored,
                .readiness = &o->readiness,
                .wait_usec = o->wait_usec,
                .gate = {.kind = GATE_SEQUENCE,
                        .sequence = {.root = o->common.root,
                                .pool = o->pool,
                                .id = id,
                                .first = o->first,
                                .max = o->max,
                                .prefer = o->prefer,
                                .reuse = o->reuse}}};
        ManagerConfig config = {.grace_usec = o->common.grace_usec == GRACE_DERIVED ? 0 : o->common.grace_usec,
                .client = {.connect = o->common.connect,
                        .session_timeout_usec = o->common.session_timeout_usec,
                        .connect_timeout_usec =
                                o->common.connect_timeout_usec == USEC_INFINITY ? 0 : o->common.connect_timeout_usec,
                        .acl = o->common.acl}};
        int r;

        (void)journal_init(unit.name);
        unit.policy.await_ready = o->readiness.kind != READINESS_NONE;
        random_uuid(id);
        fill_record(&unit.gate.sequence.text, unit.name);
        if (o->common.auth_file) {
                r = auth_read(&auth, o->common.auth_file, problem, sizeof(problem));
                if (r < 0)
                        return cli_problem("run", "%s", problem);
                config.client.auth_scheme = auth.scheme;
                config.client.auth_cert = auth.cert;
        }
        r = manager_new(&manager, &config, problem, sizeof(problem));
        if (r < 0)
                return cli_problem("run", "%s", problem);
        r = manager_add(manager, &unit);
        if (r < 0)
                return cli_problem("run", "cannot set up unit '%s': %s", unit.name, strerror(-r));
        return manager_run(manager);
}

int cmd_run(int argc, char **argv)
{
        sigset_t blocked, ignored;
        RunOptions o = options_default();
        bool dashes;
        int rest, status;

        manager_save_signals(&blocked, &ignored);
        switch (options_parse(argc, argv, specs, &o, &rest, &dashes, USAGE)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        status = check(&o, argc, rest, dashes, argv);
        if (status)
                return status;
        common_options_apply(&o.common);
        notify_init();
        status = run(&o, argv + rest, &blocked, &ignored);
        readiness_config_deinit(&o.readiness);
        return status;
}
