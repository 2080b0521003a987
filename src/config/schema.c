#include "config/schema.h"

#include <signal.h>
#include <string.h>
#include "config/setting.h"
#include "util/clock.h"

#define AT(member) offsetof(SchemaDraft, member)
#define GLOBAL(name_, argument_, parse_, member_, default_, ...)                                             \
        {.name = name_,                                                                                      \
                .place = SCHEMA_GLOBAL,                                                                      \
                .argument = argument_,                                                                       \
                .parse = parse_,                                                                             \
                .offset = AT(global.member_),                                                                \
                .by_default = default_,                                                                      \
                .change = CONFIG_RESTART,                                                                    \
                __VA_ARGS__}
#define UNIT(name_, argument_, parse_, member_, ...)                                                         \
        {.name = name_,                                                                                      \
                .place = SCHEMA_UNIT,                                                                        \
                .argument = argument_,                                                                       \
                .parse = parse_,                                                                             \
                .offset = AT(member_),                                                                       \
                .change = CONFIG_RESTART,                                                                    \
                __VA_ARGS__}
#define ANY(name_, argument_, parse_, member_, default_, change_, ...)                                       \
        {.name = name_,                                                                                      \
                .place = SCHEMA_DEFAULTS,                                                                    \
                .argument = argument_,                                                                       \
                .parse = parse_,                                                                             \
                .offset = AT(member_),                                                                       \
                .by_default = default_,                                                                      \
                .change = change_,                                                                           \
                __VA_ARGS__}
#define LIVE CONFIG_LIVE
#define AFRESH CONFIG_RESTART

const SchemaSetting schema_settings[] = {
        GLOBAL("connect", "HOSTS[/CHROOT]", value_parse_string, connect, "127.0.0.1:2181", .expands = true,
                .help = "the ensemble, as host:port,..."),
        GLOBAL("session-timeout", "TIME", value_parse_duration, session_timeout_usec, "15s",
                .help = "ask for this session timeout; the servers may change it"),
        GLOBAL("connect-timeout", "TIME", value_parse_duration, connect_timeout_usec, "infinity",
                .help = "give up with 121 if there is no ensemble for so long at the start"),
        GLOBAL("grace", "TIME", value_parse_duration, grace_usec, NULL, .example = "2s",
                .help = "from the stop signal to SIGKILL; a quarter of the lease if not given"),
        GLOBAL("auth-file", "FILE", value_parse_string, auth_file, NULL, .expands = true,
                .example = "/etc/zksup/auth", .help = "authenticate by digest with user:password from FILE"),
        GLOBAL("acl", "ACL", value_parse_string, acl, NULL, .example = "open",
                .help = "of the znodes made: open, creator or scheme:id:perms,...; creator with auth-file, else open"),
        GLOBAL("root", "PATH", value_parse_root, root, "/zksup", .help = "parent of all znodes"),
        GLOBAL("control", "PATH", setting_parse_control, control, "/run/zksup/zksup.sock",
                .help = "the control socket, or none"),
        GLOBAL("control-group", "GROUP", value_parse_string, control_group, NULL, .example = "adm",
                .help = "a group that may use the control socket, besides root and the user of zksup"),
        GLOBAL("listen", "ADDRESS:PORT", setting_parse_listen, listen, NULL, .example = "127.0.0.1:9640",
                .help = "answer read-only requests over TCP here"),
        GLOBAL("host", "NAME", value_parse_component, host, NULL, .expands = true, .example = "db1.example.net",
                .help = "what this host is called in the cluster; the name of the host if not given"),
        GLOBAL("verbose", "yes|no", value_parse_flag, verbose, "no", .help = "show every transition"),
        GLOBAL("quiet", "yes|no", value_parse_flag, quiet, "no", .help = "warnings and errors only"),

        UNIT("command", "COMMAND", NULL, unit.command, .parse_list = setting_parse_command,
                .example = "{\"/usr/bin/sleep\", \"infinity\"}",
                .help = "the command, as a list or quoted as in a shell, but not given to one"),
        UNIT("systemd-unit", "NAME", setting_parse_systemd_unit, unit.systemd_unit, .example = "postgresql.service",
                .help = "instead of a command: this service of systemd is started and stopped"),
        ANY("start", "auto|manual", setting_parse_start, unit.manual, "auto", LIVE,
                .help = "manual: wait for zksup start"),

        UNIT("pool", "NAME", value_parse_component, unit.pool, .example = "default",
                .help = "hold a number of this pool"),
        ANY("first", "N", value_parse_number, unit.first, "1", AFRESH, .needs = "pool", .help = "the lowest number"),
        ANY("max", "N", value_parse_number, unit.max, NULL, AFRESH, .needs = "pool", .example = "1000",
                .help = "the highest number; no bound if not given"),
        ANY("prefer", "N", value_parse_number, unit.prefer, NULL, AFRESH, .needs = "pool", .example = "1",
                .help = "take N if it is free"),
        ANY("reuse", "skip|wait", value_parse_reuse, unit.reuse, "skip", AFRESH, .needs = "pool",
                .help = "a number whose holder died: pass over it for now, or wait for it"),

        UNIT("cron", "NAME", value_parse_component, unit.cron, .example = "nightly",
                .help = "run at the ticks of a schedule, once in the whole cluster, under this name"),
        UNIT("schedule", "SCHEDULE", value_parse_schedule, unit.schedule, .needs = "cron",
                .example = "\"0 3 * * *\"", .help = "five fields as in crontab(5), @daily and the like, or @every TIME"),
        ANY("timezone", "ZONE", value_parse_string, unit.timezone, NULL, AFRESH, .needs = "cron",
                .example = "UTC", .help = "of the schedule, as Europe/Berlin; the host's if not given"),
        ANY("overlap", "skip|queue|kill", value_parse_overlap, unit.overlap, "skip", AFRESH, .needs = "cron",
                .help = "a tick during a run: not run, run after it, or stop that run"),
        ANY("missed", "skip|run-once", value_parse_missed, unit.missed, "skip", AFRESH, .needs = "cron",
                .help = "ticks while nobody was there: not run, or the latest of them"),
        ANY("within", "TIME", value_parse_duration, unit.within_usec, NULL, AFRESH, .needs = "cron",
                .example = "1h", .help = "how late a tick may be for missed = run-once; no bound if not given"),
        ANY("jitter", "TIME", value_parse_duration, unit.jitter_usec, "0", AFRESH, .needs = "cron",
                .help = "each host tries up to this much later"),
        ANY("timeout", "TIME", value_parse_duration, unit.timeout_usec, "infinity", AFRESH, .needs = "cron",
                .help = "stop a run that takes longer"),

        UNIT("lead", "NAME", value_parse_component, unit.lead, .example = "db", .help = "hold this leadership"),
        ANY("priority", "N", value_parse_priority, priority, "0", AFRESH, .needs = "lead",
                .help = "among those that wait the highest leads first"),
        ANY("preempt", "yes|no", value_parse_flag, unit.preempt, "no", AFRESH, .needs = "lead",
                .help = "take the leadership from a leader of less priority"),
        ANY("give-up", "N", value_parse_give_up, give_up, "0", LIVE, .needs = "lead",
                .help = "after N failed runs in a row let another host lead; 0: never"),
        ANY("standby", "COMMAND", NULL, unit.standby, NULL, AFRESH, .parse_list = setting_parse_command,
                .needs = "lead", .of_process = true, .example = "\"/usr/bin/sleep infinity\"",
                .help = "runs while another host leads"),
        ANY("on-won", "COMMAND", NULL, unit.on_won, NULL, AFRESH, .parse_list = setting_parse_command,
                .needs = "lead", .example = "\"/usr/bin/true\"",
                .help = "runs to its end before the command starts"),
        ANY("on-lost", "COMMAND", NULL, unit.on_lost, NULL, AFRESH, .parse_list = setting_parse_command,
                .needs = "lead", .example = "\"/usr/bin/true\"", .help = "runs once the command is dead"),
        ANY("hook-timeout", "TIME", value_parse_duration, unit.hook_timeout_usec, "10s", AFRESH, .needs = "lead",
                .help = "limit of on-won and on-lost"),

        UNIT("lock", "NAME", value_parse_component, unit.lock, .example = "migrate", .help = "hold this lock"),
        ANY("shared", "yes|no", value_parse_flag, shared, "no", AFRESH, .needs = "lock",
                .help = "share it with other readers, not with a writer"),
        ANY("exclusive", "yes|no", value_parse_flag, exclusive, "no", AFRESH, .needs = "lock",
                .help = "alone, as the writer that Curator's read-write lock sees"),
        ANY("slots", "N", value_parse_slots, slots, NULL, AFRESH, .needs = "lock", .example = "3",
                .help = "as one of N at a time; all should say the same N"),
        ANY("hold-min", "TIME", value_parse_duration, unit.policy.hold_min_usec, "0", LIVE, .needs = "lock",
                .help = "keep the lock at least so long, even if the command ends earlier"),
        ANY("wait", "TIME", value_parse_duration, unit.wait_usec, "infinity", AFRESH,
                .help = "without its holds by then the unit has failed"),
        ANY("no-wait", "yes|no", value_parse_flag, no_wait, "no", AFRESH,
                .help = "has failed if somebody else holds it"),

        ANY("restart", "always|on-failure|never", value_parse_restart, unit.policy.restart, "always", LIVE,
                .help = "when it has ended"),
        ANY("restart-delay", "TIME", value_parse_duration, unit.policy.backoff.initial_usec, "100ms", LIVE,
                .help = "first delay after a failed run, doubling"),
        ANY("restart-delay-max", "TIME", value_parse_duration, unit.policy.backoff.cap_usec, "30s", LIVE,
                .help = "longest delay"),
        ANY("restart-reset", "TIME", value_parse_duration, unit.policy.backoff.healthy_usec, "10s", LIVE,
                .help = "a run this long is a success: no delay after it"),
        ANY("restart-limit", "N/TIME", value_parse_restart_limit, unit.policy.backoff, "10/1m", LIVE,
                .help = "more restarts: failed; none: no limit"),
        ANY("stop-signal", "NAME", value_parse_signal, unit.policy.stop_signal, "TERM", LIVE, .of_process = true,
                .help = "asks it to stop"),
        ANY("on-suspend", "keep|freeze|stop|signal:NAME", value_parse_on_suspend, unit.policy, "keep", LIVE,
                .help = "when there is no contact"),
        ANY("on-loss", "restart|stop", value_parse_on_loss, unit.policy, "restart", LIVE,
                .help = "when a hold was lost: ask for it again, or end; stop with restart = never"),
        ANY("on-unkillable", "hold|takeover", value_parse_on_unkillable, unit.policy, "hold", LIVE,
                .help = "when its processes do not die: nobody else may start, or others may"),
        ANY("ready", "HOW", value_parse_ready, unit.readiness, "none", AFRESH,
                .help = "notify, tcp:PORT, fd:N, http:URL, exec:COMMAND or none"),
        ANY("ready-timeout", "TIME", value_parse_duration, unit.policy.ready_timeout_usec, "infinity", LIVE,
                .help = "not ready by then: a failed run"),
        ANY("contain", "auto|cgroup|pidns|subreaper", value_parse_contain, unit.contain, "auto", AFRESH,
                .of_process = true, .help = "how its processes are kept together"),

        ANY("user", "NAME", value_parse_string, unit.child.user, NULL, AFRESH, .of_process = true,
                .example = "nobody", .help = "runs as this user, with its groups, HOME, USER, LOGNAME and SHELL"),
        ANY("group", "NAME", value_parse_string, unit.child.group, NULL, AFRESH, .of_process = true,
                .example = "nogroup", .help = "runs with this group; the user's if not given"),
        ANY("directory", "PATH", setting_parse_path, unit.child.directory, NULL, AFRESH, .of_process = true,
                .expands = true, .example = "/", .help = "where it runs"),
        ANY("environment", "NAME=VALUE...", NULL, environment, NULL, AFRESH,
                .parse_list = setting_parse_environment, .of_process = true, .expands = true,
                .example = "{\"LANG=C.UTF-8\", \"MODE=fast\"}", .help = "added to the environment"),
        ANY("environment-file", "FILE...", NULL, environment_files, NULL, AFRESH,
                .parse_list = setting_parse_environment_files, .of_process = true,
                .example = "{\"-/etc/default/zksup\"}",
                .help = "lines NAME=VALUE, added before environment; '-' before the path: it may be missing"),
        ANY("clear-environment", "yes|no", value_parse_flag, unit.child.clear_environment, "no", AFRESH,
                .of_process = true, .help = "of our environment only PATH, LANG and TZ"),
        ANY("limits", "NAME=SOFT[:HARD]...", NULL, unit.child, NULL, AFRESH, .parse_list = setting_parse_limits,
                .of_process = true, .example = "{\"nofile=65536\", \"core=0:infinity\"}",
                .help = "limits of resources, named as in limits.conf(5)"),
        ANY("umask", "MODE", setting_parse_umask, unit.child.umask, NULL, AFRESH, .of_process = true,
                .example = "022", .help = "octal; ours if not given"),
        ANY("nice", "N", setting_parse_nice, unit.child, NULL, AFRESH, .of_process = true, .example = "5",
                .help = "priority, -20 to 19; ours if not given"),
        ANY("oom-score-adjust", "N", setting_parse_oom, unit.child, NULL, AFRESH, .of_process = true,
                .example = "200", .help = "-1000 to 1000; ours if not given"),
        ANY("stdout", "WHERE", setting_parse_output, unit.out, "auto", AFRESH, .of_process = true,
                .help = "auto, inherit (ours, each line after the unit's name), journal, file:/PATH or null; "
                        "auto: journal if ours is"),
        ANY("stderr", "WHERE", setting_parse_output, unit.err, "auto", AFRESH, .of_process = true,
                .help = "the same for the standard error"),
        ANY("rotate-size", "SIZE", value_parse_size, rotate_bytes, "0", AFRESH, .of_process = true,
                .help = "of a file: rotated before it gets larger; 0: never"),
        ANY("rotate-keep", "N", setting_parse_keep, rotate_keep, "5", AFRESH, .of_process = true,
                .help = "how many old files are kept"),
};

const size_t schema_n_settings = ARRAY_SIZE(schema_settings);

const SchemaSetting *schema_find(const char *name)
{
        for (size_t i = 0; i < schema_n_settings; i++)
                if (strcmp(schema_settings[i].name, name) == 0)
                        return &schema_settings[i];
        return NULL;
}

const char *const *schema_names(void)
{
        static const char *names[ARRAY_SIZE(schema_settings) + 1];

        for (size_t i = 0; i < schema_n_settings; i++)
                names[i] = schema_settings[i].name;
        return names;
}

/* Levenshtein's distance; 99 when one is too long to be a misspelt name. */
static unsigned distance(const char *a, const char *b)
{
        unsigned row[40];
        size_t n = strlen(b);

        if (n >= ARRAY_SIZE(row) || strlen(a) >= ARRAY_SIZE(row))
                return 99;
        for (size_t j = 0; j <= n; j++)
                row[j] = (unsigned)j;
        for (size_t i = 1; *a; a++, i++) {
                unsigned corner = row[0];

                row[0] = (unsigned)i;
                for (size_t j = 1; j <= n; j++) {
                        unsigned above = row[j], changed = corner + (*a != b[j - 1]);

                        row[j] = MIN(MIN(above, row[j - 1]) + 1, changed);
                        corner = above;
                }
        }
        return row[n];
}

const char *schema_guess(const char *name)
{
        const char *best = NULL;
        unsigned least = strlen(name) < 5 ? 2 : 3;

        for (size_t i = 0; i < schema_n_settings; i++) {
                unsigned d = distance(name, schema_settings[i].name);

                if (d < least) {
                        least = d;
                        best = schema_settings[i].name;
                }
        }
        return best;
}

const char *schema_place_to_string(enum SchemaPlace place)
{
        switch (place) {
        case SCHEMA_GLOBAL:
                return "before the units, in no section";
        case SCHEMA_UNIT:
                return "in a unit";
        case SCHEMA_DEFAULTS:
                return "in a unit or in defaults";
        }
        return "elsewhere";
}

void schema_draft_init(SchemaDraft *draft)
{
        *draft = (SchemaDraft){.global = {.connect = "127.0.0.1:2181",
                                       .root = "/zksup",
                                       .session_timeout_usec = 15 * USEC_PER_SEC,
                                       .connect_timeout_usec = USEC_INFINITY,
                                       .control = "/run/zksup/zksup.sock"},
                .unit = {.references = 1,
                        .first = 1,
                        .max = UINT64_MAX - 1,
                        .prefer = CONFIG_NO_PREFER,
                        .within_usec = UINT64_MAX,
                        .timeout_usec = USEC_INFINITY,
                        .wait_usec = USEC_INFINITY,
                        .hook_timeout_usec = 10 * USEC_PER_SEC,
                        .policy = unit_policy_default(),
                        .contain = CONTAIN_AUTO,
                        .child = CHILD_CONFIG_DEFAULT,
                        .out = {.kind = setting_own_output()},
                        .err = {.kind = setting_own_output()}},
                .rotate_keep = 5};
        draft->unit.policy.stop_signal = SIGTERM; /* whatever zksup itself was asked to stop with */
        draft->unit.policy.ready_timeout_usec = USEC_INFINITY;
        draft->unit.policy.grace_usec = 0; /* that of the lease, once it is known */
}
