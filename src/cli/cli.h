/* What the verbs share: their table, the exit statuses, and how a mistake in the usage is told:
 * one line that names the thing and the remedy, never the usage page. */
#pragma once

#include "util/macros.h"

/* One table for all verbs, in the tradition of env, timeout and nice. Below 120 and above 127 the
 * status is the child's: its own code, or 128 + the signal that killed it. */
enum ExitStatus {
        EXIT_STATUS_HOLD_LOST = 120,   /* the child was stopped */
        EXIT_STATUS_NO_ENSEMBLE = 121, /* within --connect-timeout */
        EXIT_STATUS_REFUSED = 123,     /* ACL, authentication */
        EXIT_STATUS_NOT_ACQUIRED = 124, /* within --wait */
        EXIT_STATUS_FAILURE = 125,     /* any other failure of zksup, usage included */
        EXIT_STATUS_CANNOT_EXECUTE = 126,
        EXIT_STATUS_NOT_FOUND = 127,
};

typedef struct Verb {
        const char *name;
        const char *summary; /* NULL: not for people, and in no list */
        int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
} Verb;

extern const Verb cli_verbs[]; /* ends with a NULL name */
const Verb *cli_find_verb(const char *name);

/* "zksup VERB: text" on stderr; returns EXIT_STATUS_FAILURE. */
int cli_problem(const char *verb, const char *fmt, ...) PRINTF_LIKE(2, 3);

int cmd_run(int argc, char **argv);
int cmd_cron(int argc, char **argv);
int cmd_lead(int argc, char **argv);
int cmd_lock(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_restart(int argc, char **argv);
int cmd_step_down(int argc, char **argv);
int cmd_signal(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_reexec(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_who(int argc, char **argv);
int cmd_still_mine(int argc, char **argv);
int cmd_systemd_clean(int argc, char **argv);
int cmd_systemd_unit(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_ensemble(int argc, char **argv);
int cmd_up(int argc, char **argv);
