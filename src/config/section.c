#include "config/section.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "config/rules.h"
#include "config/setting.h"
#include "util/clock.h"

#define PROBLEM_MAX 400
#define SETTINGS_MAX 1000 /* more are there only by mistake, and were told already */

/* --- reading ------------------------------------------------------------------------------------ */

static char **expand_all(const RawSetting *s, bool expands, Arena *arena, char *problem, size_t size)
{
        char **values = arena_words(arena, s->n);

        for (size_t i = 0; values && i < s->n; i++) {
                values[i] = expands ? setting_expand(arena, s->values[i], problem, size)
                                    : arena_strdup(arena, s->values[i]);
                if (!values[i])
                        return NULL;
        }
        return values;
}

static int read_values(
        const SchemaSetting *setting, const RawSetting *s, Arena *arena, void *target, char *problem)
{
        char **values;

        if (setting->parse && s->n != 1) {
                snprintf(problem, PROBLEM_MAX, "takes one value, not %s; write %s = %s",
                        s->n ? "a list" : "an empty list", s->name, setting->argument);
                return -EINVAL;
        }
        snprintf(problem, PROBLEM_MAX, "cannot be kept: out of memory");
        values = expand_all(s, setting->expands, arena, problem, PROBLEM_MAX);
        if (!values)
                return -EINVAL;
        return setting->parse ? setting->parse(values[0], target, problem, PROBLEM_MAX)
                              : setting->parse_list(arena, values, s->n, target, problem, PROBLEM_MAX);
}

static void tell_value(Raw *raw, const RawSetting *s, const char *problem)
{
        if (s->n == 1)
                problems_add(
                        &raw->problems, s->file, s->line, "%s '%.100s' %s", s->name, s->values[0], problem);
        else
                problems_add(&raw->problems, s->file, s->line, "%s %s", s->name, problem);
}

static void tell_unknown(Raw *raw, const RawSetting *s)
{
        const char *guess = schema_guess(s->name);

        if (strcmp(s->name, "name") == 0)
                problems_add(&raw->problems, s->file, s->line,
                        "a unit's name is the title of its section: unit \"NAME\" { ... }");
        else if (strcmp(s->name, "tty") == 0 || strcmp(s->name, "tick-now") == 0)
                problems_add(&raw->problems, s->file, s->line,
                        "%s is for the command line; units of a file have no such setting", s->name);
        else if (guess)
                problems_add(&raw->problems, s->file, s->line, "there is no setting '%s'; did you mean %s?",
                        s->name, guess);
        else
                problems_add(&raw->problems, s->file, s->line,
                        "there is no setting '%s'; zksup.conf(5) lists them", s->name);
}

static bool may_stand(const SchemaSetting *setting, enum SchemaPlace place)
{
        if (place == SCHEMA_GLOBAL || setting->place == SCHEMA_GLOBAL)
                return setting->place == place;
        return place == SCHEMA_UNIT || setting->place == place;
}

static void check_twice(const RawSection *section, size_t i, Raw *raw)
{
        const RawSetting *s = &section->settings[i];

        for (size_t j = 0; j < i; j++) {
                const RawSetting *before = &section->settings[j];

                if (strcmp(before->name, s->name) == 0) {
                        problems_add(&raw->problems, s->file, s->line,
                                "%s is set twice, before in %s:%u; remove one", s->name, before->file,
                                before->line);
                        return;
                }
        }
}

void section_apply(const RawSection *section, enum SchemaPlace place, Arena *arena, SchemaDraft *draft,
        Raw *raw, bool tell)
{
        for (size_t i = 0; i < section->n && i < SETTINGS_MAX; i++) {
                const RawSetting *s = &section->settings[i];
                const SchemaSetting *setting = schema_find(s->name);
                char problem[PROBLEM_MAX];

                if (!setting || !may_stand(setting, place)) {
                        if (tell && !setting)
                                tell_unknown(raw, s);
                        else if (tell)
                                problems_add(&raw->problems, s->file, s->line,
                                        "%s does not belong here; write it %s", s->name,
                                        schema_place_to_string(setting->place));
                        continue;
                }
                if (tell)
                        check_twice(section, i, raw);
                if (read_values(setting, s, arena, (char *)draft + setting->offset, problem) < 0 && tell)
                        tell_value(raw, s, problem);
        }
}

/* --- what must fit together --------------------------------------------------------------------- */

/* Where a setting of the unit comes from. NULL: it is not set. */
static const RawSetting *origin(const RawSection *section, const RawSection *defaults, const char *name)
{
        const RawSetting *s = raw_find(section, name);

        return s || !defaults ? s : raw_find(defaults, name);
}

static void check_gates(const RawSection *section, const SchemaDraft *d, Raw *raw)
{
        const ConfigUnit *u = &d->unit;

        for (size_t i = 0; i < section->n; i++) {
                const RawSetting *s = &section->settings[i];
                const SchemaSetting *setting = schema_find(s->name);

                if (!setting)
                        continue;
                if (setting->needs && !raw_find(section, setting->needs))
                        problems_add(&raw->problems, s->file, s->line,
                                "unit '%s': %s has no effect without %s; set %s or remove it", u->name,
                                s->name, setting->needs, setting->needs);
                if (setting->of_process && u->systemd_unit)
                        problems_add(&raw->problems, s->file, s->line,
                                "unit '%s': %s has no effect on a service of systemd; set it in %s or remove "
                                "it",
                                u->name, s->name, u->systemd_unit);
        }
        for (size_t i = 0; i < 2; i++) {
                const RawSetting *s = raw_find(section, i ? "no-wait" : "wait");

                if (s && !u->pool && !u->lead && !u->lock)
                        problems_add(&raw->problems, s->file, s->line,
                                "unit '%s': %s has no effect without pool, lead or lock; set one or remove "
                                "it",
                                u->name, s->name);
        }
        if (u->cron && !raw_find(section, "schedule"))
                problems_add(&raw->problems, section->file, raw_find(section, "cron")->line,
                        "unit '%s': cron has no schedule; write schedule = \"0 3 * * *\", say", u->name);
        if (u->cron && raw_find(section, "restart"))
                problems_add(&raw->problems, section->file, raw_find(section, "restart")->line,
                        "unit '%s': restart has no effect with cron; remove it", u->name);
}

typedef struct Check {
        const RawSection *section, *defaults;
        const ConfigUnit *unit;
        Raw *raw;
} Check;

/* What follows from a mistake that was told is none of its own. */
static void tell_once(Raw *raw, const char *file, unsigned line, const char *text)
{
        if (!problems_has(&raw->problems, file, line))
                problems_add(&raw->problems, file, line, "%s", text);
}

static void PRINTF_LIKE(3, 4) tell(const Check *c, const char *name, const char *fmt, ...)
{
        const RawSetting *s = origin(c->section, c->defaults, name);
        char text[PROBLEM_MAX];
        int n = snprintf(text, sizeof(text), "unit '%.100s': ", c->unit->name);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
        va_end(ap);
        tell_once(c->raw, s ? s->file : c->section->file, s ? s->line : c->section->line, text);
}

static void demand(const Check *c, bool kept, const RuleBroken *broken)
{
        if (!kept)
                tell(c, broken->setting, "%s", broken->text);
}

static void check_numbers(const Check *c, const SchemaDraft *d)
{
        const ConfigUnit *u = &d->unit;
        RuleBroken broken;

        if (u->pool)
                demand(c, rules_sequence(RULES_PLAIN, u->first, u->max, u->prefer, &broken), &broken);
        if (u->lead)
                demand(c, rules_hook_timeout(RULES_PLAIN, u->hook_timeout_usec, &broken), &broken);
        if (u->lock)
                demand(c, rules_lock_kind(RULES_PLAIN, d->shared, d->exclusive, d->slots, &broken), &broken);
        demand(c, rules_wait(RULES_PLAIN, u->wait_usec, d->no_wait, &broken), &broken);
        demand(c, rules_hold_min(RULES_PLAIN, u->policy.hold_min_usec, &broken), &broken);
}

static void check_cron(const Check *c)
{
        const ConfigUnit *u = c->unit;
        CLEANUP(zone_free) Zone *zone = NULL;
        RuleBroken broken;
        char problem[300];

        if (!u->cron)
                return;
        demand(c, rules_jitter(RULES_PLAIN, &u->schedule, u->jitter_usec, &broken), &broken);
        demand(c, rules_timeout(RULES_PLAIN, u->timeout_usec, &broken), &broken);
        if (u->timezone && zone_new(&zone, u->timezone, problem, sizeof(problem)) < 0)
                tell(c, "timezone", "%s", problem);
        if (u->within_usec != UINT64_MAX && u->missed == CONFIG_MISSED_SKIP)
                tell(c, "within",
                        "within says how late a tick may be for missed = run-once; set that or remove it");
}

static void check_command(const Check *c)
{
        bool command = raw_find(c->section, "command"), service = raw_find(c->section, "systemd-unit");

        if (command && service)
                tell(c, "systemd-unit", "only one of command and systemd-unit");
        else if (!command && !service)
                problems_add(&c->raw->problems, c->section->file, c->section->line,
                        "unit '%s': has no command; write command = \"PROGRAM ARGUMENTS\", or systemd-unit",
                        c->unit->name);
}

/* --- what follows ------------------------------------------------------------------------------- */

static int join_environment(SchemaDraft *d, Arena *arena)
{
        size_t n = 0;
        char **all;

        for (char *const *e = d->environment_files; e && *e; e++)
                n++;
        for (char *const *e = d->environment; e && *e; e++)
                n++;
        if (n == 0)
                return 0;
        all = arena_words(arena, n);
        if (!all)
                return -ENOMEM;
        d->unit.child.environment = all;
        for (char *const *e = d->environment_files; e && *e; e++)
                *all++ = *e;
        for (char *const *e = d->environment; e && *e; e++)
                *all++ = *e;
        return 0;
}

/* What says how a process runs is said in the service's own unit file. Such settings in the defaults are for
 * the other units, and not for the program that starts and stops the service. */
static void forget_process(SchemaDraft *d)
{
        ConfigUnit *u = &d->unit;

        u->child = CHILD_CONFIG_DEFAULT;
        d->environment = d->environment_files = NULL;
        u->out = u->err = (OutputConfig){.kind = setting_own_output()};
        u->contain = CONTAIN_AUTO;
        u->standby = NULL;
        u->policy.stop_signal = SIGTERM;
}

static void conclude(const Check *c, SchemaDraft *d)
{
        ConfigUnit *u = &d->unit;

        u->lock_kind = d->slots       ? CONFIG_LOCK_SLOTS
                       : d->shared    ? CONFIG_LOCK_SHARED
                       : d->exclusive ? CONFIG_LOCK_WRITE
                                      : CONFIG_LOCK_EXCLUSIVE;
        u->slots = (unsigned)d->slots;
        u->priority = (unsigned)d->priority;
        u->policy.give_up = u->lead ? (unsigned)d->give_up : 0;
        if (!u->lock)
                u->policy.hold_min_usec = 0;
        if (d->no_wait)
                u->wait_usec = 0;
        if (u->systemd_unit)
                forget_process(d);
        if (u->systemd_unit && !origin(c->section, c->defaults, "ready"))
                u->readiness.kind = READINESS_NOTIFY; /* what starts the service says so when it is active */
        u->policy.await_ready = u->readiness.kind != READINESS_NONE;
        if (!origin(c->section, c->defaults, "on-loss"))
                u->policy.reacquire = u->policy.restart != UNIT_RESTART_NEVER;
        if (u->cron) {
                u->policy.restart = UNIT_RESTART_ALWAYS;
                u->policy.release_after_run = true;
                u->policy.reacquire = true;
        }
        u->out.rotate_bytes = u->err.rotate_bytes = d->rotate_bytes;
        u->out.rotate_keep = u->err.rotate_keep = (unsigned)d->rotate_keep;
}

int section_check_unit(const RawSection *section, const RawSection *defaults, SchemaDraft *draft, Raw *raw)
{
        Check c = {.section = section, .defaults = defaults, .unit = &draft->unit, .raw = raw};
        Arena *arena = draft->unit.owned;

        check_command(&c);
        check_gates(section, draft, raw);
        check_numbers(&c, draft);
        check_cron(&c);
        conclude(&c, draft);
        return join_environment(draft, arena);
}

void section_check_global(const RawSection *section, const SchemaDraft *draft, Raw *raw)
{
        const ConfigGlobal *g = &draft->global;
        RuleBroken broken;
        const RawSetting *s;

        s = raw_find(section, "grace");
        if (s && !rules_grace(RULES_PLAIN, g->grace_usec, &broken))
                tell_once(raw, s->file, s->line, broken.text);
        s = raw_find(section, "session-timeout");
        if (s && !rules_session_timeout(RULES_PLAIN, g->session_timeout_usec, &broken))
                tell_once(raw, s->file, s->line, broken.text);
}
