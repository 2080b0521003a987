#include "config/config.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/difference.h"
#include "config/raw.h"
#include "config/schema.h"
#include "config/section.h"
#include "util/file.h"

/* What a unit owns: its strings, and what its settings are compared by. */
typedef struct Owned {
        Arena *arena;
        uint64_t *hashes; /* see difference.h */
} Owned;

/* --- units -------------------------------------------------------------------------------------- */

ConfigUnit *config_unit_ref(ConfigUnit *unit)
{
        unit->references++;
        return unit;
}

ConfigUnit *config_unit_unref(ConfigUnit *unit)
{
        Owned *owned;

        if (!unit || --unit->references > 0)
                return NULL;
        owned = unit->owned;
        readiness_config_deinit(&unit->readiness);
        if (owned) {
                arena_free(owned->arena);
                free(owned->hashes);
                free(owned);
        }
        free(unit);
        return NULL;
}

static Owned *owned_new(void)
{
        Owned *owned = calloc(1, sizeof(*owned));

        if (!owned)
                return NULL;
        owned->arena = arena_new();
        if (!owned->arena)
                free(TAKE(owned));
        return owned;
}

static int read_unit(
        SchemaDraft *draft, const RawSection *section, const RawSection *defaults, Owned *owned, Raw *raw)
{
        const char *why = text_component_problem(section->title);

        schema_draft_init(draft);
        if (why)
                problems_add(&raw->problems, section->file, section->line,
                        "unit '%.100s' cannot have this name: it %s", section->title, why);
        draft->unit.owned = owned->arena;
        draft->unit.name = arena_strdup(owned->arena, section->title);
        draft->unit.file = arena_strdup(owned->arena, section->file);
        draft->unit.line = section->line;
        if (!draft->unit.name || !draft->unit.file)
                return -ENOMEM;
        if (defaults)
                section_apply(defaults, SCHEMA_DEFAULTS, owned->arena, draft, raw, false);
        section_apply(section, SCHEMA_UNIT, owned->arena, draft, raw, true);
        return section_check_unit(section, defaults, draft, raw);
}

static int unit_new(ConfigUnit **out, const RawSection *section, const RawSection *defaults, Raw *raw)
{
        CLEANUP(config_unit_unref) ConfigUnit *unit = calloc(1, sizeof(*unit));
        Owned *owned = owned_new();
        SchemaDraft draft;
        int r;

        if (!unit || !owned) {
                free(TAKE(unit));
                free(owned);
                return -ENOMEM;
        }
        r = read_unit(&draft, section, defaults, owned, raw);
        if (r == 0) {
                owned->hashes = difference_hashes(section, defaults, &draft);
                r = owned->hashes ? 0 : -ENOMEM;
        }
        *unit = draft.unit;
        unit->owned = owned;
        if (r == 0)
                *out = TAKE(unit);
        return r;
}

/* --- a file ------------------------------------------------------------------------------------- */

static const RawSection *find_defaults(Raw *raw)
{
        const RawSection *defaults = NULL;

        for (size_t i = 0; i < raw->n; i++) {
                const RawSection *section = &raw->sections[i];

                if (strcmp(section->type, "defaults") != 0)
                        continue;
                if (defaults)
                        problems_add(&raw->problems, section->file, section->line,
                                "there are defaults in %s:%u already; put both into one section",
                                defaults->file, defaults->line);
                else
                        defaults = section;
        }
        return defaults;
}

/* What is wrong in it is told once, not for each unit. */
static int check_defaults(const RawSection *defaults, Raw *raw)
{
        CLEANUP(arena_free) Arena *arena = arena_new();
        SchemaDraft draft;

        if (!arena)
                return -ENOMEM;
        schema_draft_init(&draft);
        section_apply(defaults, SCHEMA_DEFAULTS, arena, &draft, raw, true);
        readiness_config_deinit(&draft.unit.readiness);
        return 0;
}

typedef struct Name {
        const char *text;
        const RawSection *section;
} Name;

static int compare_names(const void *a, const void *b)
{
        const Name *x = a, *y = b;
        int order = strcmp(x->text, y->text);

        return order ?: x->section < y->section ? -1 : x->section > y->section;
}

static void tell_same(Name *names, size_t n, const char *what, const char *remedy, Raw *raw)
{
        qsort(names, n, sizeof(*names), compare_names);
        for (size_t i = 1; i < n; i++) {
                const RawSection *section = names[i].section, *before = names[i - 1].section;

                if (strcmp(names[i].text, names[i - 1].text) == 0)
                        problems_add(&raw->problems, section->file, section->line,
                                "%s '%.100s' is described twice, before in %s:%u; %s", what, names[i].text,
                                before->file, before->line, remedy);
        }
}

static int check_names(Raw *raw)
{
        Name *titles = calloc(2 * raw->n + 1, sizeof(*titles)), *services = titles + raw->n;
        size_t n_titles = 0, n_services = 0;

        if (!titles)
                return -ENOMEM;
        for (size_t i = 0; i < raw->n; i++) {
                const RawSection *section = &raw->sections[i];
                const RawSetting *service = raw_find(section, "systemd-unit");

                if (section->title)
                        titles[n_titles++] = (Name){section->title, section};
                if (service && service->n == 1)
                        services[n_services++] = (Name){service->values[0], section};
        }
        tell_same(titles, n_titles, "unit", "give one another name", raw);
        tell_same(services, n_services, "systemd-unit", "a service can be the child of one unit only", raw);
        free(titles);
        return 0;
}

static int make_units(Config *config, const RawSection *defaults, Raw *raw)
{
        config->units = calloc(raw->n + 1, sizeof(*config->units));
        if (!config->units)
                return -ENOMEM;
        for (size_t i = 0; i < raw->n; i++) {
                int r;

                if (strcmp(raw->sections[i].type, "unit") != 0)
                        continue;
                r = unit_new(&config->units[config->n_units], &raw->sections[i], defaults, raw);
                if (r < 0)
                        return r;
                config->n_units++;
        }
        return 0;
}

typedef struct Log {
        const char *path;
        const ConfigUnit *unit;
} Log;

static int compare_logs(const void *a, const void *b)
{
        const Log *x = a, *y = b;
        int order = strcmp(x->path, y->path);

        return order ?: x->unit->line < y->unit->line ? -1 : x->unit->line > y->unit->line;
}

/* Whoever rotates a file takes it away from the others. */
static int check_logs(const Config *config, Raw *raw)
{
        Log *logs = calloc(2 * config->n_units + 1, sizeof(*logs));
        size_t n = 0;

        if (!logs)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_units; i++) {
                const ConfigUnit *unit = config->units[i];

                if (unit->out.kind == OUTPUT_FILE && unit->out.path)
                        logs[n++] = (Log){unit->out.path, unit};
                if (unit->err.kind == OUTPUT_FILE && unit->err.path)
                        logs[n++] = (Log){unit->err.path, unit};
        }
        qsort(logs, n, sizeof(*logs), compare_logs);
        for (size_t i = 1; i < n; i++) {
                const ConfigUnit *before = logs[i - 1].unit, *unit = logs[i].unit;

                if (unit != before && strcmp(logs[i].path, logs[i - 1].path) == 0 &&
                        (unit->out.rotate_bytes || before->out.rotate_bytes))
                        problems_add(&raw->problems, unit->file, unit->line,
                                "unit '%s': unit '%s' writes to %s too, which cannot be rotated then; give "
                                "each a "
                                "file of its own",
                                unit->name, before->name, logs[i].path);
        }
        free(logs);
        return 0;
}

static int make_global(Config *config, Raw *raw)
{
        SchemaDraft draft;

        config->owned = arena_new();
        if (!config->owned)
                return -ENOMEM;
        schema_draft_init(&draft);
        section_apply(&raw->global, SCHEMA_GLOBAL, config->owned, &draft, raw, true);
        section_check_global(&raw->global, &draft, raw);
        config->global = draft.global;
        return 0;
}

static int make(Config **out, Raw *raw, const char *file)
{
        CLEANUP(config_free) Config *config = calloc(1, sizeof(*config));
        const RawSection *defaults = find_defaults(raw);
        int r;

        if (!config)
                return -ENOMEM;
        r = make_global(config, raw) ?: defaults ? check_defaults(defaults, raw) : 0;
        r = r ?: check_names(raw) ?: make_units(config, defaults, raw) ?: check_logs(config, raw);
        if (r < 0)
                return r;
        if (raw->problems.total == 0 && config->n_units == 0)
                problems_add(
                        &raw->problems, file, 0, "describes no unit; write unit \"NAME\" { command = ... }");
        if (raw->problems.total > 0)
                return -EINVAL;
        *out = TAKE(config);
        return 0;
}

static int finish(Config **out, Raw *raw, const char *file, int result, TextBuffer *problems)
{
        result = result ?: make(out, raw, file);
        if (result == -ENOMEM)
                text_buffer_printf(problems, "%s: cannot be read: out of memory\n", file);
        else
                problems_to_text(&raw->problems, problems);
        return result;
}

static int load(Config **out, const char *file, TextBuffer *problems)
{
        CLEANUP(raw_deinit) Raw *raw = &(Raw){0};

        return finish(out, raw, file, raw_load(raw, file, schema_names()), problems);
}

int config_load(Config **out, const char *file, TextBuffer *problems)
{
        int r = load(out, file, problems);

        (void)malloc_trim(0); /* libconfuse takes 12 kB a unit while it reads */
        return r;
}

int config_parse(Config **out, const char *text, const char *name, TextBuffer *problems)
{
        CLEANUP(raw_deinit) Raw *raw = &(Raw){0};

        return finish(out, raw, name, raw_parse(raw, text, strlen(text), name, schema_names()), problems);
}

Config *config_free(Config *config)
{
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_units; i++)
                config_unit_unref(config->units[i]);
        free(config->units);
        arena_free(config->owned);
        free(config);
        return NULL;
}

void config_swap_global(Config *a, Config *b)
{
        ConfigGlobal global = a->global;
        void *owned = a->owned; /* its strings; units have their own */

        a->global = b->global;
        a->owned = b->owned;
        b->global = global;
        b->owned = owned;
}

ConfigUnit *config_find(const Config *config, const char *name)
{
        for (size_t i = 0; i < config->n_units; i++)
                if (strcmp(config->units[i]->name, name) == 0)
                        return config->units[i];
        return NULL;
}

void config_describe(TextBuffer *text)
{
        for (size_t i = 0; i < schema_n_settings; i++) {
                const SchemaSetting *s = &schema_settings[i];

                text_buffer_printf(text, "%s = %s\n        %s\n        %s%s%s%s%s\n", s->name, s->argument,
                        s->help, schema_place_to_string(s->place), s->needs ? ", with " : "", s->needs ?: "",
                        s->by_default ? "; default: " : "", s->by_default ?: "");
        }
}

/* --- what differs ------------------------------------------------------------------------------- */

enum ConfigChange config_unit_compare(const ConfigUnit *before, const ConfigUnit *after, TextBuffer *which)
{
        const Owned *a = before->owned, *b = after->owned;

        return difference_find(a->hashes, b->hashes, which);
}

static bool differs(const char *a, const char *b)
{
        return strcmp(a ?: "", b ?: "") != 0;
}

bool config_global_needs_restart(const ConfigGlobal *a, const ConfigGlobal *b, TextBuffer *which)
{
        const struct {
                const char *name;
                bool differs;
        } all[] = {{"connect", differs(a->connect, b->connect)},
                {"auth-file", differs(a->auth_file, b->auth_file)}, {"acl", differs(a->acl, b->acl)},
                {"root", differs(a->root, b->root)},
                {"session-timeout", a->session_timeout_usec != b->session_timeout_usec},
                {"grace", a->grace_usec != b->grace_usec}, {"control", differs(a->control, b->control)},
                {"control-group", differs(a->control_group, b->control_group)},
                {"listen", differs(a->listen, b->listen)}, {"host", differs(a->host, b->host)}};
        bool any = false;

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                if (!all[i].differs)
                        continue;
                text_buffer_printf(which, "%s%s", any ? ", " : "", all[i].name);
                any = true;
        }
        return any;
}
