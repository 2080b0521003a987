#include "config/raw.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "util/file.h"

/* A file that is being read, and those that include it. */
typedef struct Source {
        Raw *raw;
        const char *const *names;
        const struct Source *parent;
        const char *file;
        unsigned line; /* of the include in the parent */
        unsigned depth;
        bool from_memory;
        dev_t device;
        ino_t inode;
} Source;

const RawSetting *raw_find(const RawSection *section, const char *name)
{
        for (size_t i = 0; i < section->n; i++)
                if (strcmp(section->settings[i].name, name) == 0)
                        return &section->settings[i];
        return NULL;
}

/* --- joining ------------------------------------------------------------------------------------ */

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
        RawSetting *settings =
                realloc(raw->global.settings, (raw->global.n + from->n + 1) * sizeof(*settings));

        if (!settings)
                return -ENOMEM;
        raw->global.settings = settings;
        if (from->n)
                memcpy(settings + raw->global.n, from->settings, from->n * sizeof(*settings));
        raw->global.n += from->n;
        from->n = 0;
        return 0;
}

static int read_file(Source *s);

static char *resolve(const Source *s, const char *pattern)
{
        const char *slash = strrchr(s->file, '/');
        char *path;

        if (pattern[0] == '/' || !slash)
                return strdup(pattern);
        return asprintf(&path, "%.*s/%s", (int)(slash - s->file), s->file, pattern) < 0 ? NULL : path;
}

static int read_include(const Source *s, const ReaderInclude *include)
{
        Raw *raw = s->raw;
        CLEANUP_STRING pattern = resolve(s, include->pattern);
        glob_t found = {0};
        int result = 0, g;

        if (!pattern)
                return -ENOMEM;
        if (include->pattern[0] == '\0') {
                problems_add(
                        &raw->problems, s->file, include->line, "include has an empty path; name a file");
                return 0;
        }
        if (s->from_memory) {
                problems_add(
                        &raw->problems, s->file, include->line, "include is for files; there is none here");
                return 0;
        }
        g = glob(pattern, GLOB_NOMAGIC | GLOB_ERR, NULL, &found);
        if (g == GLOB_NOSPACE)
                result = -ENOMEM;
        else if (g == GLOB_ABORTED && errno != ENOENT)
                problems_add(&raw->problems, s->file, include->line,
                        "include: '%s' cannot be looked for: %s; let the user that runs zksup read the "
                        "directory",
                        pattern, strerror(errno));
        for (size_t i = 0; i < found.gl_pathc && result == 0; i++) {
                Source *child = &(Source){.raw = raw,
                        .names = s->names,
                        .parent = s,
                        .file = found.gl_pathv[i],
                        .line = include->line,
                        .depth = s->depth + 1};

                result = read_file(child);
        }
        globfree(&found);
        return result;
}

/* The sections of the file, and those of what it includes in their places. */
static int hand_over(const Source *s, Reader *r)
{
        size_t done = 0;
        int result = append_global(s->raw, &r->global);

        for (size_t i = 0; i < r->n_includes && result == 0; i++) {
                const ReaderInclude *include = &r->includes[i];

                result = append_sections(s->raw, r->sections + done, include->before - done);
                done = include->before;
                if (result == 0)
                        result = read_include(s, include);
        }
        return result ?: append_sections(s->raw, r->sections + done, r->n_sections - done);
}

static int read_text(Source *s, char *text, size_t len)
{
        CLEANUP(reader_deinit) Reader *r = &(Reader){0};

        s->file = arena_strdup(s->raw->arena, s->file);
        if (!s->file)
                return -ENOMEM;
        reader_init(r, s->raw->arena, s->file, s->names, &s->raw->problems);
        return reader_read(r, text, len) ?: hand_over(s, r);
}

/* --- files -------------------------------------------------------------------------------------- */

static const char *remedy_for(int error)
{
        switch (error) {
        case ENOENT:
                return "there is no such file; name the right one";
        case EACCES:
        case EPERM:
                return "cannot be read: permission denied; let the user that runs zksup read it";
        case EFBIG:
                return "is larger than 1 MiB; this is no configuration file";
        case EISDIR:
                return "is a directory; name a file, or write include(\"DIRECTORY/*.conf\")";
        case EINVAL:
                return "is no regular file; copy what it says into one";
        default:
                return NULL;
        }
}

static void tell_file(const Source *s, int error)
{
        const char *why = remedy_for(error) ?: strerror(error);

        if (s->parent)
                problems_add(&s->raw->problems, s->parent->file, s->line, "include: %s: %s", s->file, why);
        else
                problems_add(&s->raw->problems, s->file, 0, "%s", why);
}

/* Reading a pipe would wait, and a device never end. */
static int check_kind(Source *s)
{
        struct stat st;

        if (stat(s->file, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        s->device = st.st_dev;
        s->inode = st.st_ino;
        return 0;
}

static bool is_circle(const Source *s)
{
        for (const Source *p = s->parent; p; p = p->parent)
                if (p->device == s->device && p->inode == s->inode)
                        return true;
        return false;
}

static int read_file(Source *s)
{
        CLEANUP_STRING text = NULL;
        Problems *problems = &s->raw->problems;
        size_t len;
        int error = check_kind(s);

        if (error == 0 && is_circle(s)) {
                problems_add(problems, s->parent->file, s->line,
                        "include: %s is being read already; take the circle out", s->file);
                return 0;
        }
        if (s->depth > RAW_INCLUDE_DEPTH || ++s->raw->n_files > RAW_FILES_MAX) {
                problems_add(problems, s->parent->file, s->line,
                        "include: %s: at most %d files, each in another, and %d in all; put some together",
                        s->file, RAW_INCLUDE_DEPTH, RAW_FILES_MAX);
                return 0;
        }
        if (error == 0)
                error = file_read(s->file, RAW_FILE_MAX, &text, &len);
        if (error == -ENOMEM)
                return error;
        if (error < 0) {
                tell_file(s, -error);
                return 0;
        }
        return read_text(s, text, len);
}

static int raw_init(Raw *raw)
{
        *raw = (Raw){.arena = arena_new(), .global = {.type = ""}};
        return raw->arena ? 0 : -ENOMEM;
}

int raw_load(Raw *raw, const char *file, const char *const *names)
{
        return raw_init(raw) ?: read_file(&(Source){.raw = raw, .names = names, .file = file});
}

int raw_parse(Raw *raw, const char *text, size_t len, const char *name, const char *const *names)
{
        CLEANUP_STRING copy = malloc(len + 1);

        if (raw_init(raw) < 0 || !copy)
                return -ENOMEM;
        memcpy(copy, text, len);
        copy[len] = '\0';
        return read_text(&(Source){.raw = raw, .names = names, .file = name, .from_memory = true}, copy, len);
}

void raw_deinit(Raw *raw)
{
        for (size_t i = 0; i < raw->n; i++)
                raw_section_deinit(&raw->sections[i]);
        free(raw->sections);
        raw_section_deinit(&raw->global);
        problems_deinit(&raw->problems);
        raw->arena = arena_free(raw->arena);
        *raw = (Raw){0};
}
