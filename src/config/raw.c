#include "config/raw.h"

#include <confuse.h>
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "util/file.h"

#define MASK '\x01' /* stands for '$' while libconfuse reads; not allowed in a file */
#define UNKNOWN_MAX 64
#define FILES_MAX 1000
#define BEGIN "\x01" /* an empty section in each section: it is made where that begins, and keeps the line */
#define COLLECTED ((cfg_flag_t)1 << 24) /* libconfuse leaves this flag of a section alone */

typedef struct Include {
        char *pattern;
        unsigned line;
        size_t before; /* the section that follows it */
} Include;

/* The reading of one file. */
typedef struct Reader {
        Raw *raw;
        const char *const *names;
        const char *file;
        bool from_memory;
        unsigned depth, *n_files;
        const struct Reader *parent;
        dev_t device;
        ino_t inode;

        char *unknown[UNKNOWN_MAX];
        size_t n_unknown;
        bool again, failed; /* read once more; out of memory */
        Include *includes;
        size_t n_includes;
        RawSection pending, global;
        RawSection *sections;
        size_t n_sections;
} Reader;

/* libconfuse's callbacks have no place for one of ours. Reading is never nested. */
static Reader *reading;

/* --- problems ----------------------------------------------------------------------------------- */

static void problem_v(Raw *raw, const char *file, unsigned line, const char *fmt, va_list ap)
{
        char text[1024];

        raw->n_problems++;
        if (!raw->problems)
                return;
        vsnprintf(text, sizeof(text), fmt, ap);
        if (line)
                text_buffer_printf(raw->problems, "%s:%u: %s\n", file, line, text);
        else
                text_buffer_printf(raw->problems, "%s: %s\n", file, text);
}

void raw_problem(Raw *raw, const char *file, unsigned line, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        problem_v(raw, file, line, fmt, ap);
        va_end(ap);
}

const RawSetting *raw_find(const RawSection *section, const char *name)
{
        for (size_t i = 0; i < section->n; i++)
                if (strcmp(section->settings[i].name, name) == 0)
                        return &section->settings[i];
        return NULL;
}

/* --- what libconfuse tells ---------------------------------------------------------------------- */

static bool add_unknown(Reader *r, const char *name)
{
        for (size_t i = 0; i < r->n_unknown; i++)
                if (strcmp(r->unknown[i], name) == 0)
                        return false;
        if (r->n_unknown == UNKNOWN_MAX || strchr(name, '|'))
                return false;
        r->unknown[r->n_unknown] = arena_strdup(r->raw->arena, name);
        if (!r->unknown[r->n_unknown])
                return false;
        r->n_unknown++;
        return true;
}

static void unmask(char *text)
{
        for (char *p = text; (p = strchr(p, MASK)) != NULL;)
                *p = '$';
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
        Reader *r = reading;
        char text[400];

        vsnprintf(text, sizeof(text), fmt, ap);
        unmask(text);
        if (text_has_prefix(fmt, "no such option")) {
                char *name = strchr(text, '\''), *end = strrchr(text, '\'');

                if (name && end > name) {
                        *end = '\0';
                        if (add_unknown(r, name + 1)) {
                                r->again = true;
                                return;
                        }
                        *end = '\'';
                }
        }
        raw_problem(r->raw, r->file, (unsigned)cfg->line, "%s", text);
}

static bool is_value(const char *value, const char *masked)
{
        for (; *value && (*value == *masked || (*value == '$' && *masked == MASK)); value++)
                masked++;
        return *value == *masked;
}

static RawSetting *setting_of(Reader *r, RawSection *section, cfg_t *cfg, cfg_opt_t *opt)
{
        RawSetting *last = section->n ? &section->settings[section->n - 1] : NULL, *settings;

        /* Told after each value of a list and once more at its end. */
        if (last && last->n > 0 && strcmp(last->name, opt->name) == 0 && opt->nvalues >= last->n &&
                is_value(last->values[0], cfg_opt_getnstr(opt, 0)))
                return last;
        settings = realloc(section->settings, (section->n + 1) * sizeof(*settings));
        if (!settings)
                return NULL;
        section->settings = settings;
        settings[section->n] = (RawSetting){.name = arena_strdup(r->raw->arena, opt->name),
                .file = r->file,
                .line = (unsigned)cfg->line};
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
                values[i] = arena_strdup(r->raw->arena, cfg_opt_getnstr(opt, i));
                if (!values[i])
                        goto fail;
                unmask(values[i]);
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
                if (opt->type != CFGT_STR || !(opt->flags & CFGF_MODIFIED) || opt->nvalues)
                        continue;
                if (on_setting(cfg, opt) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void section_deinit(RawSection *section)
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
        sections = realloc(r->sections, (r->n_sections + 1) * sizeof(*sections));
        if (!sections)
                goto fail;
        from->flags |= COLLECTED;
        r->sections = sections;
        r->pending.type = strcmp(opt->name, "unit") == 0 ? "unit" : "defaults";
        r->pending.file = r->file;
        r->pending.line = (unsigned)cfg_getsec(from, BEGIN)->line;
        if (cfg_title(from)) {
                char *title = arena_strdup(r->raw->arena, cfg_title(from));

                if (!title)
                        goto fail;
                unmask(title);
                r->pending.title = title;
        }
        sections[r->n_sections++] = r->pending;
        r->pending = (RawSection){0};
        return 0;

fail:
        r->failed = true;
        return -1;
}

static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
        Reader *r = reading;
        Include *includes;

        if (argc != 1 || argv[0][0] == '\0') {
                raw_problem(r->raw, r->file, (unsigned)cfg->line,
                        "include takes one path; write include(\"/etc/zksup/conf.d/*.conf\")");
                return 0;
        }
        includes = realloc(r->includes, (r->n_includes + 1) * sizeof(*includes));
        if (!includes)
                goto fail;
        r->includes = includes;
        includes[r->n_includes] = (Include){
                .pattern = strdup(argv[0]), .line = (unsigned)cfg->line, .before = r->n_sections};
        if (!includes[r->n_includes].pattern)
                goto fail;
        unmask(includes[r->n_includes++].pattern);
        return 0;

fail:
        r->failed = true;
        return -1;
}

/* --- one file ----------------------------------------------------------------------------------- */

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
        opts[n++] = (cfg_opt_t)CFG_FUNC("include", on_include);
        opts[n] = (cfg_opt_t)CFG_END();
        return n;
}

static void forget(Reader *r)
{
        for (size_t i = 0; i < r->n_sections; i++)
                section_deinit(&r->sections[i]);
        r->n_sections = 0;
        for (size_t i = 0; i < r->n_includes; i++)
                free(r->includes[i].pattern);
        r->n_includes = 0;
        section_deinit(&r->pending);
        section_deinit(&r->global);
}

static void reader_deinit(Reader *r)
{
        forget(r);
        free(r->sections);
        free(r->includes);
}

CLEANUP_DEFINE(Reader, reader_deinit);

static int read_once(Reader *r, const char *text)
{
        size_t n = 0;
        unsigned before = r->raw->n_problems;
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
        if (result != CFG_SUCCESS && !r->again && !r->failed && r->raw->n_problems == before)
                raw_problem(r->raw, r->file, (unsigned)cfg->line, "a string or a comment does not end; close it");
        if (result == CFG_SUCCESS && collect_empty(r, &r->global, cfg) < 0)
                r->failed = true;
        cfg_free(cfg); /* the lexer forgets where it was, too */
        reading = NULL;
        free(inner);
        if (r->failed)
                return -ENOMEM;
        return 0;
}

static unsigned line_of(const char *text, const char *at)
{
        unsigned line = 1;

        for (const char *p = text; p < at; p++)
                line += *p == '\n';
        return line;
}

/* What libconfuse would trip over or pass over. Masks the '$'. */
static bool prepare(Reader *r, char *text, size_t len)
{
        const char *nul = memchr(text, '\0', len), *mask;

        if (nul) {
                raw_problem(r->raw, r->file, line_of(text, nul), "has a NUL byte; this is no text file");
                return false;
        }
        mask = strchr(text, MASK);
        if (mask) {
                raw_problem(r->raw, r->file, line_of(text, mask), "has the control character 1; take it out");
                return false;
        }
        for (char *p = text; (p = strchr(p, '$')) != NULL;)
                *p = MASK;
        return true;
}

static int append_sections(Raw *raw, RawSection *from, size_t n)
{
        RawSection *sections = realloc(raw->sections, (raw->n + n + 1) * sizeof(*sections));

        if (!sections)
                return -ENOMEM;
        raw->sections = sections;
        if (n)
                memcpy(sections + raw->n, from, n * sizeof(*from));
        raw->n += n;
        for (size_t i = 0; i < n; i++)
                from[i] = (RawSection){0};
        return 0;
}

static int append_global(Raw *raw, RawSection *from)
{
        RawSetting *settings = realloc(raw->global.settings, (raw->global.n + from->n + 1) * sizeof(*settings));

        if (!settings)
                return -ENOMEM;
        raw->global.settings = settings;
        if (from->n)
                memcpy(settings + raw->global.n, from->settings, from->n * sizeof(*settings));
        raw->global.n += from->n;
        from->n = 0;
        return 0;
}

static int read_file(Raw *raw, const char *file, const Reader *parent, unsigned line, const char *const *names,
        unsigned *n_files);

static int read_include(Reader *r, const Include *include)
{
        glob_t found = {0};
        CLEANUP_STRING pattern = NULL;
        const char *slash = strrchr(r->file, '/');
        int result = 0, g;

        if (r->from_memory) {
                raw_problem(r->raw, r->file, include->line, "include is for files; there is none here");
                return 0;
        }
        if (include->pattern[0] != '/' && slash) {
                if (asprintf(&pattern, "%.*s/%s", (int)(slash - r->file), r->file, include->pattern) < 0)
                        pattern = NULL;
        } else {
                pattern = strdup(include->pattern);
        }
        if (!pattern)
                return -ENOMEM;
        g = glob(pattern, GLOB_NOMAGIC, NULL, &found);
        if (g == GLOB_NOSPACE)
                result = -ENOMEM;
        else if (g == GLOB_ABORTED)
                raw_problem(r->raw, r->file, include->line, "include: cannot look for '%s': %s", pattern, strerror(errno));
        else if (g == 0)
                for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
                        result = read_file(r->raw, found.gl_pathv[i], r, include->line, r->names, r->n_files);
        globfree(&found);
        return result;
}

/* The sections of the file, and those of what it includes in their places. */
static int hand_over(Reader *r)
{
        size_t done = 0;
        int result = append_global(r->raw, &r->global);

        for (size_t i = 0; i < r->n_includes && result == 0; i++) {
                const Include *include = &r->includes[i];

                result = append_sections(r->raw, r->sections + done, include->before - done);
                done = include->before;
                if (result == 0)
                        result = read_include(r, include);
        }
        return result ?: append_sections(r->raw, r->sections + done, r->n_sections - done);
}

static int read_text(Reader *r, char *text, size_t len)
{
        int result = 0;

        if (!prepare(r, text, len) || len == 0)
                return 0;
        do {
                forget(r);
                result = read_once(r, text);
        } while (result == 0 && r->again);
        return result ?: hand_over(r);
}

/* --- files -------------------------------------------------------------------------------------- */

static const char *file_problem(int error)
{
        switch (error) {
        case ENOENT:
                return "there is no such file; name the right one";
        case EACCES:
        case EPERM:
                return "cannot be read: permission denied; let the user that runs zksup read it";
        case EFBIG:
                return "is larger than 4 MiB; this is no configuration file";
        case EISDIR:
                return "is a directory; name a file, or include(\"DIRECTORY/*.conf\")";
        default:
                return NULL;
        }
}

/* Against a pipe or a device: opening one waits, reading one never ends. */
static int check_kind(const char *file, Reader *r)
{
        struct stat st;

        if (stat(file, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        r->device = st.st_dev;
        r->inode = st.st_ino;
        return 0;
}

static const Reader *find_cycle(const Reader *r)
{
        for (const Reader *p = r->parent; p; p = p->parent)
                if (p->device == r->device && p->inode == r->inode)
                        return p;
        return NULL;
}

static void tell_file(Raw *raw, const char *file, const Reader *parent, unsigned line, int error)
{
        const char *why = file_problem(error);

        if (parent)
                raw_problem(raw, parent->file, line, "include: %s: %s", file, why ?: strerror(error));
        else
                raw_problem(raw, file, 0, "%s", why ?: strerror(error));
}

static int read_file(Raw *raw, const char *file, const Reader *parent, unsigned line, const char *const *names,
        unsigned *n_files)
{
        CLEANUP(reader_deinit) Reader *r = &(Reader){.raw = raw,
                .names = names,
                .file = arena_strdup(raw->arena, file),
                .parent = parent,
                .depth = parent ? parent->depth + 1 : 0,
                .n_files = n_files};
        CLEANUP_STRING text = NULL;
        size_t len;
        int error;

        if (!r->file)
                return -ENOMEM;
        error = check_kind(file, r);
        if (error == 0 && find_cycle(r)) {
                raw_problem(raw, parent->file, line, "include: %s is being read already; take the circle out", file);
                return 0;
        }
        if (r->depth > RAW_INCLUDE_DEPTH || ++*n_files > FILES_MAX) {
                raw_problem(raw, parent ? parent->file : file, line, "include: %s: too deep or too many files (%d, %d)",
                        file, RAW_INCLUDE_DEPTH, FILES_MAX);
                return 0;
        }
        if (error == 0)
                error = file_read(file, RAW_FILE_MAX, &text, &len);
        if (error == -ENOMEM)
                return error;
        if (error < 0) {
                tell_file(raw, file, parent, line, -error);
                return 0;
        }
        return read_text(r, text, len);
}

static int raw_init(Raw *raw, TextBuffer *problems)
{
        *raw = (Raw){.arena = arena_new(), .problems = problems, .global = {.type = ""}};
        return raw->arena ? 0 : -ENOMEM;
}

int raw_load(Raw *raw, const char *file, const char *const *names, TextBuffer *problems)
{
        unsigned n_files = 0;

        return raw_init(raw, problems) ?: read_file(raw, file, NULL, 0, names, &n_files);
}

int raw_parse(Raw *raw, const char *text, size_t len, const char *name, const char *const *names, TextBuffer *problems)
{
        unsigned n_files = 0;
        int result = raw_init(raw, problems);
        CLEANUP(reader_deinit) Reader *r =
                &(Reader){.raw = raw, .names = names, .from_memory = true, .n_files = &n_files};
        CLEANUP_STRING copy = malloc(len + 1);

        if (result < 0 || !copy)
                return -ENOMEM;
        memcpy(copy, text, len);
        copy[len] = '\0';
        r->file = arena_strdup(raw->arena, name);
        return r->file ? read_text(r, copy, len) : -ENOMEM;
}

void raw_deinit(Raw *raw)
{
        for (size_t i = 0; i < raw->n; i++)
                section_deinit(&raw->sections[i]);
        free(raw->sections);
        section_deinit(&raw->global);
        raw->arena = arena_free(raw->arena);
        *raw = (Raw){0};
}
