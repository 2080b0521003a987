/* What the verbs that supervise a command share: options and their defaults, the operands before "--",
 * the configuration of manager, unit and record that follows from them, and the run itself. A verb
 * adds its own options and its gate:
 *
 *         XOptions o = {.supervise = supervise_options_default(...), ...};
 *         CLEANUP(supervise_deinit) Supervise *s = &(Supervise){0};
 *
 *         supervise_begin(s, &o.supervise);
 *         supervise_parse(...)             options, operands, "--", command
 *         supervise_init(s, ...)           manager and unit configuration, the latter without gate
 *         s->unit.gate = (GateConfig){...root, name, s->id, s->record...}
 *         return supervise_run(s);
 */
#pragma once

#include <signal.h>
#include "cli/options.h"
#include "client/auth.h"
#include "manager/manager.h"
#include "util/macros.h"
#include "util/random.h"

enum Tty {
        TTY_AUTO, /* with --restart never */
        TTY_YES,
        TTY_NO,
};

typedef struct SuperviseOptions {
        CommonOptions common;
        const char *name;
        UnitPolicy policy;
        enum ContainMode contain;
        enum Tty tty;
        ReadinessConfig readiness;
} SuperviseOptions;

/* RESTART and ON_LOSS are the verb's defaults, as strings, for the help. */
#define SUPERVISE_OPTIONS(type, member, restart_text, on_loss_text)                                          \
        COMMON_OPTIONS(type, member.common),                                                                 \
        {"name", 'n', "UNIT", value_parse_component, offsetof(type, member.name),                           \
                "name of the unit (the command's)"},                                                         \
        {"restart", 0, "always|on-failure|never", value_parse_restart,                                   \
                offsetof(type, member.policy.restart), "when it has ended (" restart_text ")"},              \
        {"restart-delay", 0, "TIME", value_parse_duration,                                                  \
                offsetof(type, member.policy.backoff.initial_usec),                                          \
                "first delay after a failed run, doubling (100ms)"},                                         \
        {"restart-delay-max", 0, "TIME", value_parse_duration,                                              \
                offsetof(type, member.policy.backoff.cap_usec), "longest delay (30s)"},                      \
        {"restart-reset", 0, "TIME", value_parse_duration,                                                  \
                offsetof(type, member.policy.backoff.healthy_usec),                                          \
                "a run this long is a success: no delay after it (10s)"},                                    \
        {"restart-limit", 0, "N/TIME", value_parse_restart_limit, offsetof(type, member.policy.backoff), \
                "more restarts: failed (10/1m)"},                                                            \
        {"stop-signal", 0, "NAME", value_parse_signal, offsetof(type, member.policy.stop_signal),           \
                "asks it to stop (TERM)"},                                                                   \
        {"on-suspend", 0, "keep|freeze|stop|signal:NAME", value_parse_on_suspend,                        \
                offsetof(type, member.policy), "when there is no contact (keep)"},                           \
        {"on-loss", 0, "restart|stop", value_parse_on_loss, offsetof(type, member.policy),               \
                "when the hold was lost: ask for it again, or end with 120 (" on_loss_text ")"},             \
        {"on-unkillable", 0, "hold|takeover", value_parse_on_unkillable, offsetof(type, member.policy),  \
                "when its processes do not die: nobody else may start, or others may (hold)"},               \
        {"ready", 0, "HOW", value_parse_ready, offsetof(type, member.readiness),                         \
                "notify, tcp:PORT, fd:N, http:URL, exec:COMMAND or none (none)"},                            \
        {"ready-timeout", 0, "TIME", value_parse_duration, offsetof(type, member.policy.ready_timeout_usec),\
                "not ready by then: a failed run (never)"},                                                  \
        {"contain", 0, "auto|cgroup|pidns|subreaper", value_parse_contain, offsetof(type, member.contain),\
                "how its processes are kept together (auto)"},                                               \
        {"tty", 0, "auto|yes|no", supervise_parse_tty, offsetof(type, member.tty),                           \
                "give it the terminal (with --restart never)"}

/* Parser of the table. */
int supervise_parse_tty(const char *text, void *value, char *problem, size_t problem_size);

/* With UNIT_RESTART_NEVER: one run, the terminal, and 120 when the hold is lost; otherwise a lost hold
 * is asked for again. */
SuperviseOptions supervise_options_default(enum UnitRestart restart);

/* A word between the verb and "--". */
typedef struct Operand {
        const char *name;   /* in messages: "NAME" */
        ValueParser parse; /* as for an option */
        void *value;
} Operand;

typedef struct Supervise {
        const char *verb;
        SuperviseOptions *options;
        sigset_t blocked, ignored; /* as zksup was started */
        char id[RANDOM_ID_MAX];
        Record record;   /* what the verb's gate is to put into its record */
        UnitConfig unit; /* without gate and wait_usec (for ever) */
        Auth auth;
        Manager *manager;
} Supervise;

/* Keeps what is known of the signals and blocks them: before all else. OPTIONS must stay; what they own
 * is freed by supervise_deinit(). */
void supervise_begin(Supervise *s, SuperviseOptions *options);
/* Options and operands in any order, then "--" and the command, which must be there. The operands
 * end with a NULL name; all of them must be given. A mistake is told. */
enum OptionResult supervise_parse(int argc, char **argv, const OptionSpec *specs, void *target,
        const Operand *operands, char ***command, const char *usage);
/* Checks the options, makes the manager and fills in the rest. COMMAND must stay. Returns 0, or the exit
 * status after telling what is wrong. */
int supervise_init(Supervise *s, const char *verb, char **command);
/* Adds the unit and runs until it has finished. Returns the exit status. */
int supervise_run(Supervise *s);
void supervise_deinit(Supervise *s);
CLEANUP_DEFINE(Supervise, supervise_deinit);
