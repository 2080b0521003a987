#include "config/environment-file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "config/value.h"
#include "util/file.h"

#define SIZE_MAX_BYTES (1u << 20)

/* Without blanks at both ends; NULL if there is nothing else, or a remark. */
static char *clean_line(char *line)
{
        size_t n;

        line += strspn(line, " \t");
        n = strlen(line);
        while (n && isspace((unsigned char)line[n - 1]))
                line[--n] = '\0';
        return *line == '\0' || *line == '#' || *line == ';' ? NULL : line;
}

static void unquote(char *line)
{
        char *value = strchr(line, '=') + 1;
        size_t n = strlen(value);

        if (n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0]) {
                memmove(value, value + 1, n - 2);
                value[n - 2] = '\0';
        }
}

static int take_line(char *line, Arena *arena, char **words, size_t *n, char *problem, size_t problem_size)
{
        char *clean = clean_line(line);

        if (!clean)
                return 0;
        if (!strchr(clean, '=') || !value_is_variable(clean, strcspn(clean, "="))) {
                snprintf(problem, problem_size, "has a line that is no NAME=VALUE: %.40s", clean);
                return -EINVAL;
        }
        if (*n == ENVIRONMENT_FILE_WORDS_MAX) {
                snprintf(problem, problem_size, "has too many lines: at most %d in all",
                        ENVIRONMENT_FILE_WORDS_MAX);
                return -EINVAL;
        }
        unquote(clean);
        words[*n] = arena_strdup(arena, clean);
        if (!words[*n]) {
                snprintf(problem, problem_size, "cannot be kept: out of memory");
                return -ENOMEM;
        }
        ++*n;
        return 0;
}

/* A pipe would keep us waiting. Returns 1 if it is missing and may be. */
static int read_text(const char *path, bool optional, char **data, char *problem, size_t problem_size)
{
        struct stat st;
        size_t len;
        int r;

        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
                snprintf(problem, problem_size, "is no regular file");
                return -EINVAL;
        }
        r = file_read(path, SIZE_MAX_BYTES, data, &len);
        if (r == -ENOENT && optional)
                return 1;
        if (r == 0 && !memchr(*data, '\0', len))
                return 0;
        snprintf(problem, problem_size, "cannot be read: %s%s", r < 0 ? strerror(-r) : "it has a NUL byte",
                r == -ENOENT ? "; write '-' before it if it may be missing" : "");
        return -EINVAL;
}

int environment_file_read(
        const char *path, Arena *arena, char **words, size_t *n, char *problem, size_t problem_size)
{
        bool optional = path[0] == '-';
        CLEANUP_STRING data = NULL;
        int r;

        path += optional;
        if (path[0] != '/') {
                snprintf(problem, problem_size,
                        "is no absolute path: begin it with /, or with -/ if it may be missing");
                return -EINVAL;
        }
        r = read_text(path, optional, &data, problem, problem_size);
        if (r != 0)
                return MIN(r, 0);
        for (char *next = data, *line; r == 0 && (line = strsep(&next, "\n"));)
                r = take_line(line, arena, words, n, problem, problem_size);
        return r;
}
