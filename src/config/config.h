/* A configuration file, read and checked as a whole: every mistake in it is collected, with its place and the remedy,
 * and nothing half-read comes out. The only users of libconfuse are the files beside this one; plain structs come
 * out. What a setting is called, what it may be and what it is by default is in one table, schema.h.
 *
 * Each unit is a thing of its own with a count of references and owns all its strings, so that a unit that a
 * reload leaves alone keeps its settings while the file that they came from is gone. */
#pragma once

#include "recipe/cron-plan.h"
#include "recipe/lock.h"
#include "recipe/sequence.h"
#include "unit/child-config.h"
#include "unit/output.h"
#include "unit/readiness.h"
#include "unit/spawn.h"
#include "unit/unit-machine.h"
#include "util/text.h"

/* Not from 0, so that "not given" can be told from it. */
#define CONFIG_NO_PREFER UINT64_MAX

enum ConfigLockKind {
        CONFIG_LOCK_EXCLUSIVE,
        CONFIG_LOCK_SHARED,
        CONFIG_LOCK_WRITE,
        CONFIG_LOCK_SLOTS,
};

enum ConfigMissed {
        CONFIG_MISSED_SKIP,
        CONFIG_MISSED_RUN_ONCE,
};

typedef struct ConfigUnit {
        unsigned references;
        const char *name; /* the title of its section */
        const char *file; /* where it is described */
        unsigned line;

        char *const *command;     /* NULL with systemd_unit */
        const char *systemd_unit; /* an existing service is the child; NULL: command */
        bool manual;              /* start = manual: waits for `zksup start` */

        /* Its gates, opened in this order. A name that is NULL: none of that kind. */
        const char *pool; /* a number */
        uint64_t first, max, prefer;
        enum SequenceReuse reuse;
        const char *cron; /* a schedule, under this name */
        CronSchedule schedule;
        const char *timezone; /* NULL: the host's */
        enum CronOverlap overlap;
        enum ConfigMissed missed;
        uint64_t within_usec; /* UINT64_MAX: not given */
        uint64_t jitter_usec, timeout_usec;
        const char *lead; /* a leadership */
        unsigned priority;
        bool preempt;
        char *const *standby, *const *on_won, *const *on_lost; /* NULL: none */
        uint64_t hook_timeout_usec;
        const char *lock; /* a lock */
        enum ConfigLockKind lock_kind;
        unsigned slots;
        uint64_t wait_usec; /* for all of them together; USEC_INFINITY */

        UnitPolicy policy; /* give_up and hold_min with it */
        enum ContainMode contain;
        ReadinessConfig readiness;
        ChildConfig child;
        OutputConfig out, err;

        void *owned; /* what the pointers above point into; of config/ alone */
} ConfigUnit;

ConfigUnit *config_unit_ref(ConfigUnit *unit);
/* Returns NULL. */
ConfigUnit *config_unit_unref(ConfigUnit *unit);
CLEANUP_DEFINE(ConfigUnit, config_unit_unref);

/* What is not of one unit. NULL or 0: not given. */
typedef struct ConfigGlobal {
        const char *connect; /* 127.0.0.1:2181 */
        const char *auth_file, *acl;
        const char *root; /* /zksup */
        uint64_t session_timeout_usec, connect_timeout_usec, grace_usec; /* grace: 0: derived */
        const char *control;       /* path of the control socket; "none": none */
        const char *control_group; /* may use it as well; NULL: only our own user and root */
        const char *listen;        /* ADDRESS:PORT of the read-only listener; NULL: none */
        const char *host;          /* this supervisor in host/ID; NULL: the host's name */
        bool verbose, quiet;
} ConfigGlobal;

typedef struct Config {
        ConfigGlobal global;
        ConfigUnit **units; /* in the order of the file */
        size_t n_units;
        void *owned;
} Config;

/* Reads FILE and all it includes. Returns 0; or a negative errno, and then PROBLEMS has one line
 * "FILE:LINE: what; remedy" for every mistake, and nothing is in *OUT. */
int config_load(Config **out, const char *file, TextBuffer *problems);
/* The same from memory; NAME stands for the file in messages, includes are refused. */
int config_parse(Config **out, const char *text, const char *name, TextBuffer *problems);
Config *config_free(Config *config);
CLEANUP_DEFINE(Config, config_free);
/* Exchanges what the two say of the supervisor itself; the units stay. */
void config_swap_global(Config *a, Config *b);

/* All settings that there are, for people: a paragraph each. */
void config_describe(TextBuffer *text);

/* NULL if there is none. */
ConfigUnit *config_find(const Config *config, const char *name);

enum ConfigChange {
        CONFIG_SAME,
        CONFIG_LIVE,    /* what differs can be changed while the command runs: restart policy, limits of restarts, ... */
        CONFIG_RESTART, /* the command or a gate is another one */
};

/* WHICH: the names of the settings that differ, for people. */
enum ConfigChange config_unit_compare(const ConfigUnit *before, const ConfigUnit *after, TextBuffer *which);
/* Whether the settings that are not of one unit differ in what only a new start can change (ensemble, session,
 * root, ...). */
bool config_global_needs_restart(const ConfigGlobal *before, const ConfigGlobal *after, TextBuffer *which);
