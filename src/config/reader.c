#include "config/reader.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "config/source.h"
#include "util/text.h"

/* An empty section in each section: it is made where that begins, and keeps the line. */
#define BEGIN "\x02"
/* A flag that libconfuse leaves alone. */
#define COLLECTED ((cfg_flag_t)1 << 24)

/* libconfuse's callbacks have no place for one of ours. Reading is never nested. */
static Reader *reading;

/* --- what libconfuse tells ---------------------------------------------------------------------- */

static bool is_unknown(const Reader *r, const char *name)
{
        for (size_t i = 0; i < r->n_unknown; i++)
                if (strcmp(r->unknown[i], name) == 0)
                        return true;
        return false;
}

/* '|' is the separator of a path of libconfuse. */
static bool add_unknown(Reader *r, const char *name)
{
        if (is_unknown(r, name) || r->n_unknown == READER_UNKNOWN_MAX || strchr(name, '|'))
                return false;
        r->unknown[r->n_unknown] = arena_strdup(r->arena, name);
        if (!r->unknown[r->n_unknown])
                return false;
        r->n_unknown++;
        return true;
}

static void tell_syntax(Reader *r, unsigned line, const char *text, const char *name)
{
        static const struct {
                const char *said, *remedy;
        } all[] = {{"missing equal sign", "write NAME = VALUE"},
                {"unexpected closing brace", "remove it, or add the section that it closes"},
                {"unexpected token",
                        "write NAME = VALUE or NAME = {VALUE, VALUE}, and a value with blanks in quotes"},
                {"no such option", "zksup.conf(5) lists all; what follows in this file is not looked at any more"},
                {"no sub-section", "there is no '|' in the name of a setting"},
                {"missing opening brace", "write unit \"NAME\" { ... } or defaults { ... }"},
                {"missing title", "write unit \"NAME\" { ... }"}, {"attempt to append", "write it once"},
                {"invalid octal number", "write '\\\\' for a backslash"},
                {"bad escape sequence", "write '\\\\' for a backslash"},
                {"premature end of file", "the last setting or section is not complete"}};

        if (name && is_unknown(r, name)) {
                problems_add(r->problems, r->file, line,
                        "there is no setting or section '%s' here; a value with blanks needs quotes, and "
                        "sections are unit \"NAME\" { ... } and defaults { ... }, neither inside another",
                        name);
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                if (text_has_prefix(text, all[i].said)) {
                        problems_add(r->problems, r->file, line, "%s; %s", text, all[i].remedy);
                        return;
                }
        problems_add(r->problems, r->file, line, "%s", text);
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
        Reader *r = reading;
        char text[400], *name, *end;
        CLEANUP_STRING quoted = NULL;

        vsnprintf(text, sizeof(text), fmt, ap);
        source_unmask(text);
        name = strchr(text, '\'');
        end = strrchr(text, '\'');
        quoted = name && end > name ? strndup(name + 1, (size_t)(end - name - 1)) : NULL;
        if (text_has_prefix(text, "no such option") && quoted && add_unknown(r, quoted))
                r->again = true;
        else if ((!text_has_prefix(text, "premature end") && !text_has_prefix(text, "unterminated string")) ||
                 r->problems->total == r->problems_before) /* else its beginning was told already */
                tell_syntax(r, (unsigned)cfg->line, text, quoted);
}

static RawSetting *setting_of(Reader *r, RawSection *section, cfg_t *cfg, cfg_opt_t *opt)
{
        RawSetting *last = section->n ? &section->settings[section->n - 1] : NULL, *settings;

        /* Told after each value of a list and once more at its end. */
        if (last && last->n > 0 && strcmp(last->name, opt->name) == 0 && opt->nvalues >= last->n &&
                source_is(last->values[0], cfg_opt_getnstr(opt, 0)))
                return last;
        settings = realloc(section->settings, (section->n + 1) * sizeof(*settings));
        if (!settings)
                return NULL;
        section->settings = settings;
        settings[section->n] = (RawSetting){
                .name = arena_strdup(r->arena, opt->name), .file = r->file, .line = (unsigned)cfg->line};
        return settings[section->n].name ? &settings[section->n++] : NULL;
}

static int on_setting(cfg_t *cfg, cfg_opt_t *opt)
{
        Reader *r = reading;
        RawSection *section = strcmp(cfg->name, "root") == 0 ? &r->global : &r->pending;
        RawSetting *setting = setting_of(r, section, cfg, opt);

        if (!setting)
                goto fail;
        for (unsigned i = (unsigned)setting->n; i < opt->nvalues; i++) {
                char **values = realloc(setting->values, (i + 2) * sizeof(*values));

                if (!values)
                        goto fail;
                setting->values = values;
                values[i] = arena_strdup(r->arena, cfg_opt_getnstr(opt, i));
                if (!values[i])
                        goto fail;
                source_unmask(values[i]);
                values[i + 1] = NULL;
                setting->n = i + 1;
        }
        return 0;

fail:
        r->failed = true;
        return -1;
}

/* An empty list is not told of. */
static int collect_empty(Reader *r, RawSection *section, cfg_t *cfg)
{
        for (cfg_opt_t *opt = cfg->opts; opt->name; opt++) {
                if (opt->validcb != on_setting || !(opt->flags & CFGF_MODIFIED) || opt->nvalues)
                        continue;
                if (on_setting(cfg, opt) < 0)
                        return -ENOMEM;
        }
        return 0;
}

void raw_section_deinit(RawSection *section)
{
        for (size_t i = 0; i < section->n; i++)
                free(section->settings[i].values);
        free(section->settings);
        *section = (RawSection){0};
}

/* With a title that was there before, libconfuse has put the new section in the place of the old one. */
static cfg_t *find_uncollected(cfg_opt_t *opt)
{
        for (unsigned i = opt->nvalues; i > 0; i--) {
                cfg_t *cfg = cfg_opt_getnsec(opt, i - 1);

                if (!(cfg->flags & COLLECTED))
                        return cfg;
        }
        return NULL;
}

static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
        Reader *r = reading;
        cfg_t *from = find_uncollected(opt);
        RawSection *sections;

        if (!from || collect_empty(r, &r->pending, from) < 0)
                goto fail;
        if (r->n_sections >= READER_SECTIONS_MAX) {
                problems_add(r->problems, r->file, (unsigned)cfg->line,
                        "there are more than %d units in one file; use several", READER_SECTIONS_MAX);
                return -1;
        }
        sections = realloc(r->sections, (r->n_sections + 1) * sizeof(*sections));
        if (!sections)
                goto fail;
        from->flags |= COLLECTED;
        r->sections = sections;
        r->pending.type = strcmp(opt->name, "unit") == 0 ? "unit" : "defaults";
        r->pending.file = r->file;
        r->pending.line = (unsigned)cfg_getsec(from, BEGIN)->line;
        if (cfg_title(from)) {
                char *title = arena_strdup(r->arena, cfg_title(from));

                if (!title)
                        goto fail;
                source_unmask(title);
                r->pending.title = title;
        }
        sections[r->n_sections++] = r->pending;
        r->pending = (RawSection){0};
        return 0;

fail:
        r->failed = true;
        return -1;
}

static int on_include(cfg_t *cfg, cfg_opt_t *opt)
{
        Reader *r = reading;
        ReaderInclude *includes = realloc(r->includes, (r->n_includes + 1) * sizeof(*includes));

        if (!includes)
                goto fail;
        r->includes = includes;
        includes[r->n_includes] = (ReaderInclude){.pattern = strdup(cfg_opt_getnstr(opt, 0)),
                .line = (unsigned)cfg->line,
                .before = r->n_sections};
        if (!includes[r->n_includes].pattern)
                goto fail;
        source_unmask(includes[r->n_includes++].pattern);
        return 0;

fail:
        r->failed = true;
        return -1;
}

/* --- one reading -------------------------------------------------------------------------------- */

static cfg_opt_t string_option(const char *name)
{
        cfg_opt_t opt = CFG_STR_LIST(NULL, NULL, CFGF_NODEFAULT);

        opt.name = name;
        opt.validcb = on_setting;
        return opt;
}

/* OPTS has room for the names, the unknown ones, two sections, include and the end. */
static size_t make_options(const Reader *r, cfg_opt_t *opts)
{
        static cfg_opt_t none[] = {CFG_END()};
        size_t n = 0;

        for (; r->names[n]; n++)
                opts[n] = string_option(r->names[n]);
        for (size_t i = 0; i < r->n_unknown; i++)
                opts[n++] = string_option(r->unknown[i]);
        opts[n++] = (cfg_opt_t)CFG_SEC(BEGIN, none, CFGF_NONE);
        opts[n] = (cfg_opt_t)CFG_END();
        return n;
}

static bool is_reserved(const char *name)
{
        return strcmp(name, "unit") == 0 || strcmp(name, "defaults") == 0 || strcmp(name, "include") == 0;
}

static size_t make_root_options(const Reader *r, cfg_opt_t *opts, cfg_opt_t *inner)
{
        size_t n = 0;

        for (; r->names[n]; n++)
                opts[n] = string_option(r->names[n]);
        for (size_t i = 0; i < r->n_unknown; i++)
                if (!is_reserved(r->unknown[i]))
                        opts[n++] = string_option(r->unknown[i]);
        opts[n++] = (cfg_opt_t)CFG_SEC("unit", inner, CFGF_MULTI | CFGF_TITLE);
        opts[n - 1].validcb = on_section;
        opts[n++] = (cfg_opt_t)CFG_SEC("defaults", inner, CFGF_MULTI);
        opts[n - 1].validcb = on_section;
        opts[n++] = (cfg_opt_t)CFG_STR("include", NULL, CFGF_NODEFAULT);
        opts[n - 1].validcb = on_include;
        opts[n] = (cfg_opt_t)CFG_END();
        return n;
}

static int read_once(Reader *r, const char *text)
{
        size_t n = 0;
        cfg_opt_t *opts, *inner;
        cfg_t *cfg;
        int result;

        while (r->names[n])
                n++;
        n += r->n_unknown + 4;
        inner = calloc(2 * n, sizeof(*inner));
        if (!inner)
                return -ENOMEM;
        opts = inner + n;
        make_options(r, inner);
        make_root_options(r, opts, inner);
        cfg = cfg_init(opts, CFGF_NONE);
        if (!cfg) {
                free(inner);
                return -ENOMEM;
        }
        r->again = false;
        reading = r;
        cfg_set_error_function(cfg, on_error);
        result = cfg_parse_buf(cfg, text);
        if (result != CFG_SUCCESS && !r->again && !r->failed && r->problems->total == r->problems_before)
                problems_add(r->problems, r->file, (unsigned)cfg->line,
                        "a string or a comment does not end; close it");
        if (result == CFG_SUCCESS && collect_empty(r, &r->global, cfg) < 0)
                r->failed = true;
        cfg_free(cfg); /* the lexer forgets where it was, too */
        reading = NULL;
        free(inner);
        if (r->failed)
                return -ENOMEM;
        return 0;
}

static void forget(Reader *r)
{
        for (size_t i = 0; i < r->n_sections; i++)
                raw_section_deinit(&r->sections[i]);
        r->n_sections = 0;
        for (size_t i = 0; i < r->n_includes; i++)
                free(r->includes[i].pattern);
        r->n_includes = 0;
        raw_section_deinit(&r->pending);
        raw_section_deinit(&r->global);
        r->global.type = "";
}

void reader_init(Reader *reader, Arena *arena, const char *file, const char *const *names, Problems *problems)
{
        *reader = (Reader){
                .arena = arena, .file = file, .names = names, .problems = problems, .global = {.type = ""}};
}

int reader_read(Reader *reader, char *text, size_t len)
{
        int result = 0;

        reader->problems_before = reader->problems->total;
        if (len == 0 || !source_prepare(text, len, reader->file, reader->problems))
                return 0;
        do {
                forget(reader);
                result = read_once(reader, text);
        } while (result == 0 && reader->again);
        return result;
}

void reader_deinit(Reader *reader)
{
        forget(reader);
        free(reader->sections);
        free(reader->includes);
        *reader = (Reader){0};
}
