#include "config/setting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "config/environment-file.h"
#include "config/value.h"
#include "unit/child-config.h"
#include "unit/output.h"
#include "unit/service-name.h"
#include "util/text.h"
#include "util/words.h"

#define KEEP_MAX 1000

int setting_parse_path(const char *text, void *value, char *problem, size_t problem_size)
{
        if (text[0] != '/') {
                snprintf(problem, problem_size, "is no absolute path: begin it with /");
                return -EINVAL;
        }
        *(const char **)value = text;
        return 0;
}

int setting_parse_control(const char *text, void *value, char *problem, size_t problem_size)
{
        if (strcmp(text, "none") != 0 && setting_parse_path(text, value, problem, problem_size) < 0) {
                snprintf(problem, problem_size, "is no absolute path: begin it with /, or write none");
                return -EINVAL;
        }
        if (strlen(text) > 100) { /* sun_path, and the name of a temporary file beside it */
                snprintf(problem, problem_size, "is too long for a socket: at most 100 characters");
                return -EINVAL;
        }
        *(const char **)value = text;
        return 0;
}

/* In numbers: a name would have to be looked up, while units run. */
int setting_parse_listen(const char *text, void *value, char *problem, size_t problem_size)
{
        const char *colon = strrchr(text, ':');
        bool v6 = text[0] == '[';
        unsigned char address[16];
        char host[64];
        uint64_t port;
        int n = colon ? (int)(colon - text) : 0;

        snprintf(host, sizeof(host), "%.*s", MAX(n - 2 * v6, 0), text + v6);
        if (!colon || n >= (int)sizeof(host) || (v6 && colon[-1] != ']') ||
                text_to_u64(colon + 1, 0, 65535, &port) < 0 ||
                inet_pton(v6 ? AF_INET6 : AF_INET, host, address) != 1) {
                snprintf(problem, problem_size,
                        "is no ADDRESS:PORT in numbers: write 127.0.0.1:9640, 0.0.0.0:9640 or [::1]:9640");
                return -EINVAL;
        }
        *(const char **)value = text;
        return 0;
}

int setting_parse_systemd_unit(const char *text, void *value, char *problem, size_t problem_size)
{
        const char *why = service_name_problem(text);

        if (why) {
                snprintf(problem, problem_size, "%s", why);
                return -EINVAL;
        }
        *(const char **)value = text;
        return 0;
}

int setting_parse_start(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"auto", 0}, {"manual", 1}, {NULL}};
        int manual, r = value_choose(choices, text, &manual, problem, problem_size);

        if (r == 0)
                *(bool *)value = manual;
        return r;
}

int setting_parse_umask(const char *text, void *value, char *problem, size_t problem_size)
{
        size_t n = strlen(text);

        if (n == 0 || n > 4 || strspn(text, "01234567") != n || strtol(text, NULL, 8) > 0777) {
                snprintf(problem, problem_size, "is no mask: write three octal digits, as 022");
                return -EINVAL;
        }
        *(int *)value = (int)strtol(text, NULL, 8);
        return 0;
}

static int parse_int(const char *text, int min, int max, int *value, char *problem, size_t problem_size)
{
        bool negative = text[0] == '-';
        uint64_t n;

        if (text_to_u64(text + negative, 0, (uint64_t)(negative ? -min : max), &n) < 0) {
                snprintf(problem, problem_size, "is no whole number from %d to %d", min, max);
                return -EINVAL;
        }
        *value = negative ? -(int)n : (int)n;
        return 0;
}

int setting_parse_nice(const char *text, void *value, char *problem, size_t problem_size)
{
        ChildConfig *child = value;
        int r = parse_int(text, -20, 19, &child->nice, problem, problem_size);

        child->has_nice |= r == 0;
        return r;
}

int setting_parse_oom(const char *text, void *value, char *problem, size_t problem_size)
{
        ChildConfig *child = value;
        int r = parse_int(text, -1000, 1000, &child->oom_score_adjust, problem, problem_size);

        child->has_oom_score_adjust |= r == 0;
        return r;
}

enum OutputKind setting_own_output(void)
{
        const char *stream = getenv("JOURNAL_STREAM"); /* systemd.exec(5): device and inode */
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
                               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode
                       ? OUTPUT_JOURNAL
                       : OUTPUT_INHERIT;
}

int setting_parse_output(const char *text, void *value, char *problem, size_t problem_size)
{
        const ValueChoice choices[] = {{"auto", (int)setting_own_output()}, {"inherit", OUTPUT_INHERIT},
                {"journal", OUTPUT_JOURNAL}, {"file:/PATH", OUTPUT_FILE}, {"null", OUTPUT_NULL}, {NULL}};
        OutputConfig *output = value;
        int kind, r;

        if (text_has_prefix(text, "file:")) {
                if (text[5] != '/' || text_has_suffix(text, "/")) {
                        snprintf(problem, problem_size, "names no file: write file:/PATH, absolute");
                        return -EINVAL;
                }
                output->kind = OUTPUT_FILE;
                output->path = text + 5;
                return 0;
        }
        r = value_choose(choices, text, &kind, problem, problem_size);
        if (r == 0) {
                output->kind = (enum OutputKind)kind;
                output->path = NULL;
        }
        return r;
}

int setting_parse_keep(const char *text, void *value, char *problem, size_t problem_size)
{
        if (text_to_u64(text, 0, KEEP_MAX, value) < 0) {
                snprintf(problem, problem_size, "is no number of files: write 0 to %d", KEEP_MAX);
                return -EINVAL;
        }
        return 0;
}

/* --- lists -------------------------------------------------------------------------------------- */

static int no_memory(char *problem, size_t problem_size)
{
        snprintf(problem, problem_size, "cannot be kept: out of memory");
        return -ENOMEM;
}

int setting_parse_command(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size)
{
        char **words = NULL;

        if (n == 1) {
                int r = words_split(values[0], &words, problem, problem_size);

                if (r == -EINVAL)
                        return r;
                if (r < 0 || !arena_keep(arena, words))
                        return no_memory(problem, problem_size);
        } else {
                words = arena_words(arena, n);
                if (!words)
                        return no_memory(problem, problem_size);
                for (size_t i = 0; i < n; i++)
                        words[i] = values[i];
        }
        if (!words[0] || words[0][0] == '\0') {
                snprintf(problem, problem_size, "is no command: write a program and its arguments");
                return -EINVAL;
        }
        *(char ***)value = words;
        return 0;
}

int setting_parse_environment(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size)
{
        char **words = arena_words(arena, n);

        if (!words)
                return no_memory(problem, problem_size);
        for (size_t i = 0; i < n; i++) {
                if (!strchr(values[i], '=') || !value_is_variable(values[i], strcspn(values[i], "="))) {
                        snprintf(problem, problem_size, "has '%.60s', which is no NAME=VALUE", values[i]);
                        return -EINVAL;
                }
                words[i] = values[i];
        }
        *(char ***)value = words;
        return 0;
}

int setting_parse_environment_files(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size)
{
        char *words[ENVIRONMENT_FILE_WORDS_MAX], **kept;
        size_t n_words = 0;

        for (size_t i = 0; i < n; i++) {
                int r = environment_file_read(values[i], arena, words, &n_words, problem, problem_size);

                if (r < 0)
                        return r;
        }
        kept = arena_words(arena, n_words);
        if (!kept)
                return no_memory(problem, problem_size);
        memcpy(kept, words, n_words * sizeof(*words));
        *(char ***)value = kept;
        return 0;
}

static const ValueChoice resources[] = {{"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU},
        {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE}, {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK},
        {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE}, {"nofile", RLIMIT_NOFILE},
        {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO}, {"rttime", RLIMIT_RTTIME},
        {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}, {NULL}};

/* Sizes have units, as K M G; so may the numbers. */
static int parse_bound(const char *text, rlim_t *bound, char *problem, size_t problem_size)
{
        uint64_t n;

        if (strcmp(text, "infinity") == 0) {
                *bound = RLIM_INFINITY;
                return 0;
        }
        if (value_parse_size(text, &n, problem, problem_size) < 0) {
                snprintf(problem, problem_size,
                        "is no limit: write NAME=SOFT or NAME=SOFT:HARD, each a number or infinity");
                return -EINVAL;
        }
        *bound = n;
        return 0;
}

static int parse_limit(Arena *arena, const char *text, ChildLimit *limit, char *problem, size_t problem_size)
{
        const char *equal = strchr(text, '=');
        char *name = arena_strndup(arena, text, equal ? (size_t)(equal - text) : strlen(text));
        char *soft = arena_strdup(arena, equal ? equal + 1 : ""), *hard = soft ? strchr(soft, ':') : NULL;
        int r;

        if (!name || !soft)
                return no_memory(problem, problem_size);
        r = value_choose(resources, name, &limit->resource, problem, problem_size);
        if (r < 0)
                return r;
        if (hard)
                *hard++ = '\0';
        r = parse_bound(soft, &limit->soft, problem, problem_size);
        if (r == 0)
                r = parse_bound(hard ?: soft, &limit->hard, problem, problem_size);
        if (r == 0 && limit->soft > limit->hard) {
                snprintf(problem, problem_size, "has a soft limit above the hard one");
                r = -EINVAL;
        }
        return r;
}

int setting_parse_limits(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size)
{
        ChildConfig *child = value;
        ChildLimit limits[CHILD_LIMITS_MAX];

        if (n > CHILD_LIMITS_MAX) {
                snprintf(problem, problem_size, "has more than %d limits", CHILD_LIMITS_MAX);
                return -EINVAL;
        }
        for (size_t i = 0; i < n; i++) {
                int r = parse_limit(arena, values[i], &limits[i], problem, problem_size);

                if (r < 0)
                        return r;
                for (size_t j = 0; j < i; j++)
                        if (limits[j].resource == limits[i].resource) {
                                snprintf(problem, problem_size, "limits the same resource twice");
                                return -EINVAL;
                        }
        }
        memcpy(child->limits, limits, n * sizeof(*limits));
        child->n_limits = n;
        return 0;
}

/* --- the environment ---------------------------------------------------------------------------- */

char *setting_expand(Arena *arena, const char *text, char *problem, size_t problem_size)
{
        CLEANUP(text_buffer_deinit) TextBuffer out = {0};

        while (*text) {
                size_t n = strcspn(text, "$"), len;
                CLEANUP_STRING name = NULL;
                const char *value;

                text_buffer_append(&out, text, n);
                text += n;
                if (text_has_prefix(text, "$${")) {
                        text_buffer_puts(&out, "${");
                        text += 3;
                        continue;
                }
                if (!text_has_prefix(text, "${")) {
                        text_buffer_append(&out, text, *text != '\0');
                        text += *text != '\0';
                        continue;
                }
                len = strcspn(text + 2, "}");
                if (text[2 + len] == '\0' || !value_is_variable(text + 2, len)) {
                        snprintf(problem, problem_size,
                                "has a '${' that is no ${NAME}; write $${ for the characters ${");
                        return NULL;
                }
                name = strndup(text + 2, len);
                value = name ? getenv(name) : NULL;
                if (!value) {
                        snprintf(problem, problem_size,
                                "names the variable %.*s, which is not set in our environment; set it there",
                                (int)len, text + 2);
                        return NULL;
                }
                text_buffer_puts(&out, value);
                text += len + 3;
        }
        text_buffer_puts(&out, "");
        if (!out.data)
                return arena_strdup(arena, "");
        return arena_keep(arena, text_buffer_take(&out));
}
