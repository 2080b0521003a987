/* zksup logs: the last lines that units have printed, from the memory of the supervisor, or from the journal
 * where they print there. To follow, the supervisor is asked again and again for how many lines there were
 * ever, and for what is new: events would have to be as many as there are lines. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include "cli/control.h"
#include "util/clock.h"
#include "util/text.h"

#define VERB "logs"
#define LINES_DEFAULT 50
#define LINES_MAX 10000
#define ASK_AGAIN_USEC (200 * USEC_PER_MSEC)
#define ASK_TIMES 5

typedef struct LogsOptions {
        Control control;
        uint64_t lines;
        bool follow;
} LogsOptions;

static int parse_lines(const char *text, void *value, char *problem, size_t size)
{
        if (text_to_u64(text, 1, LINES_MAX, value) == 0)
                return 0;
        snprintf(problem, size, "is no number of lines: write 1 to %d", LINES_MAX);
        return -EINVAL;
}

#define AT(member) offsetof(LogsOptions, member)
static const OptionSpec specs[] = {
        CONTROL_OPTIONS(LogsOptions, control),
        {"lines", 'n', "N", parse_lines, AT(lines), "the last N lines of each unit (50)"},
        {"follow", 'f', NULL, NULL, AT(follow), "go on with what they print from now on"},
        {NULL},
};
#undef AT

/* One unit whose lines the supervisor has. */
typedef struct Source {
        const char *name;
        char *path;     /* of its log */
        uint64_t total; /* lines that were printed when we last looked */
        bool journal;
} Source;

typedef struct Logs {
        const LogsOptions *options;
        json_t *chosen; /* owns the names */
        Source *sources;
        size_t n;
        bool names;          /* before each line, as there are several units */
        sd_journal *journal; /* NULL: nobody prints there */
} Logs;

static void print_line(const Logs *logs, const char *name, const char *line, size_t len)
{
        if (logs->names)
                printf("%s: ", name);
        fwrite(line, 1, len, stdout);
        putchar('\n');
}

/* --- from the supervisor ------------------------------------------------------------------------ */

/* A supervisor that another one takes the place of leaves a request without an answer. */
static int request(const Logs *logs, const char *path, ApiReply *reply, char *problem, size_t size)
{
        const struct timespec pause = {.tv_nsec = ASK_AGAIN_USEC * 1000};
        const Control *control = &logs->options->control;
        int r = 0;

        for (unsigned i = 0; i < ASK_TIMES; i++) {
                r = api_request(control->socket, "GET", path, NULL, control->timeout_usec, reply, problem, size);
                if (r != -EPROTO && r != -ECONNRESET)
                        break;
                (void)nanosleep(&pause, NULL);
        }
        return r;
}

static int ask(const Logs *logs, const Source *source, uint64_t lines, json_t **answer)
{
        char path[1000], problem[600];
        ApiReply reply;
        int r, status = 0;

        snprintf(path, sizeof(path), "%s?lines=%llu", source->path,
                (unsigned long long)MIN(MAX(lines, 1), LINES_MAX));
        r = request(logs, path, &reply, problem, sizeof(problem));
        if (r < 0) {
                (void)cli_problem(VERB, "%s", problem);
                return r == -EACCES || r == -EPERM ? EXIT_STATUS_REFUSED : EXIT_STATUS_FAILURE;
        }
        if (reply.status != 200)
                status = control_refused(&logs->options->control, reply.status, reply.json);
        else
                *answer = json_incref(reply.json);
        api_reply_deinit(&reply);
        return status;
}

static void print_last(const Logs *logs, const Source *source, const json_t *answer, uint64_t n)
{
        const json_t *lines = json_object_get(answer, "lines");
        size_t count = json_array_size(lines);

        if (n > count && source->total) /* we have followed, but not fast enough */
                fprintf(stderr, "zksup " VERB ": %llu lines of %s were forgotten before they could be read\n",
                        (unsigned long long)(n - count), source->name);
        for (size_t i = n < count ? count - n : 0; i < count; i++) {
                const json_t *line = json_array_get(lines, i);

                if (json_is_string(line))
                        print_line(logs, source->name, json_string_value(line), json_string_length(line));
        }
}

static int print_first(const Logs *logs, Source *source)
{
        json_t *answer = NULL;
        int status = ask(logs, source, logs->options->lines, &answer);

        if (status)
                return status;
        source->journal = control_is(answer, "journal");
        print_last(logs, source, answer, logs->options->lines);
        source->total = control_number(answer, "total");
        json_decref(answer);
        return 0;
}

/* How many are new is known only with an answer, and then there may be more. */
static int print_new(const Logs *logs, Source *source)
{
        json_t *answer = NULL;
        uint64_t total;
        int status = ask(logs, source, 1, &answer);

        if (status)
                return status;
        total = control_number(answer, "total");
        if (total < source->total)
                source->total = 0; /* another supervisor in its place */
        if (total - source->total > 1) {
                json_decref(TAKE(answer));
                status = ask(logs, source, total - source->total + 100, &answer);
                if (status)
                        return status;
                total = control_number(answer, "total");
        }
        if (total > source->total)
                print_last(logs, source, answer, total - source->total);
        source->total = total;
        json_decref(answer);
        return 0;
}

/* --- from the journal --------------------------------------------------------------------------- */

static int journal_failed(int error)
{
        return cli_problem(VERB, "cannot read the journal: %s%s", strerror(-error),
                error == -EACCES || error == -EPERM ? "; members of the group systemd-journal can" : "");
}

/* What a unit prints has its name as the identifier; what zksup says about it has it in ZKSUP_UNIT. */
static int add_matches(const Logs *logs)
{
        int r = 0;

        for (size_t i = 0; i < logs->n && r >= 0; i++) {
                char match[400];

                if (!logs->sources[i].journal)
                        continue;
                snprintf(match, sizeof(match), "SYSLOG_IDENTIFIER=%s", logs->sources[i].name);
                r = sd_journal_add_match(logs->journal, match, 0);
                if (r >= 0)
                        r = sd_journal_add_disjunction(logs->journal);
                snprintf(match, sizeof(match), "ZKSUP_UNIT=%s", logs->sources[i].name);
                if (r >= 0)
                        r = sd_journal_add_match(logs->journal, match, 0);
                if (r >= 0)
                        r = sd_journal_add_disjunction(logs->journal);
        }
        return r;
}

/* The value of a field of the current entry, not ended by NUL. */
static bool get_field(const Logs *logs, const char *name, const char **value, size_t *len)
{
        const void *data;
        size_t skip = strlen(name) + 1;

        if (sd_journal_get_data(logs->journal, name, &data, len) < 0 || *len < skip)
                return false;
        *value = (const char *)data + skip;
        *len -= skip;
        return true;
}

static void print_entry(const Logs *logs)
{
        const char *text, *name;
        size_t len;

        /* Those of zksup itself begin with the name already. */
        if (logs->names && get_field(logs, "SYSLOG_IDENTIFIER", &name, &len) &&
                (len != strlen("zksup") || memcmp(name, "zksup", len) != 0))
                printf("%.*s: ", (int)len, name);
        if (get_field(logs, "MESSAGE", &text, &len))
                fwrite(text, 1, len, stdout);
        putchar('\n');
}

static int print_new_entries(const Logs *logs)
{
        int r;

        while ((r = sd_journal_next(logs->journal)) > 0)
                print_entry(logs);
        return r < 0 ? journal_failed(r) : 0;
}

static int open_journal(Logs *logs)
{
        int r = sd_journal_open(&logs->journal, SD_JOURNAL_LOCAL_ONLY);

        if (r >= 0)
                r = add_matches(logs);
        if (r >= 0)
                r = sd_journal_seek_tail(logs->journal);
        if (r >= 0)
                r = sd_journal_previous_skip(logs->journal, logs->options->lines);
        if (r < 0)
                return journal_failed(r);
        if (r > 0) /* the oldest of them is the current one */
                print_entry(logs);
        return print_new_entries(logs);
}

/* --- all of them -------------------------------------------------------------------------------- */

static int find_sources(Logs *logs, char *const *names, int n)
{
        const Control *control = &logs->options->control;
        json_t *answer = NULL, *unit;
        int status = control_ask(control, "GET", "/v1/units", NULL, &answer);
        size_t i;

        if (status == 0)
                status = control_choose(control, json_object_get(answer, "units"), names, n, &logs->chosen);
        json_decref(answer);
        if (status)
                return status;
        logs->sources = calloc(json_array_size(logs->chosen) + 1, sizeof(*logs->sources));
        json_array_foreach(logs->chosen, i, unit) {
                Source *source = logs->sources ? &logs->sources[logs->n++] : NULL;

                if (source) {
                        source->name = control_string(unit, "name");
                        source->path = control_unit_path(source->name, "log");
                }
                if (!source || !source->path)
                        return cli_problem(VERB, "out of memory");
        }
        logs->names = logs->n > 1;
        return 0;
}

static int print_what_is_there(Logs *logs)
{
        int status = 0;

        for (size_t i = 0; i < logs->n && status == 0; i++)
                status = print_first(logs, &logs->sources[i]);
        for (size_t i = 0; i < logs->n && status == 0 && !logs->journal; i++)
                if (logs->sources[i].journal)
                        status = open_journal(logs);
        fflush(stdout);
        return status;
}

/* Or until something comes into the journal. */
static void wait_for_more(const Logs *logs, uint64_t usec)
{
        const struct timespec pause = {
                .tv_sec = (time_t)(usec / USEC_PER_SEC), .tv_nsec = (long)(usec % USEC_PER_SEC) * 1000};

        if (!logs->journal || sd_journal_wait(logs->journal, usec) < 0)
                (void)nanosleep(&pause, NULL);
}

static int print_all_new(Logs *logs)
{
        int status = 0;

        for (size_t i = 0; i < logs->n && status == 0; i++)
                status = print_new(logs, &logs->sources[i]);
        return status;
}

/* A round over a thousand units takes its time, and that of the supervisor: a fifth of it at most. */
static int follow(Logs *logs)
{
        uint64_t next_usec = 0, now = clock_boottime_usec();
        int status = 0;

        while (status == 0 && !ferror(stdout)) {
                if (now >= next_usec) {
                        status = print_all_new(logs);
                        next_usec = clock_boottime_usec();
                        next_usec += MAX(ASK_AGAIN_USEC, 4 * (next_usec - now));
                }
                if (status == 0 && logs->journal)
                        status = print_new_entries(logs);
                fflush(stdout);
                if (status == 0)
                        wait_for_more(logs, usec_sub(next_usec, clock_boottime_usec()));
                now = clock_boottime_usec();
        }
        return status;
}

static void deinit(Logs *logs)
{
        for (size_t i = 0; i < logs->n; i++)
                free(logs->sources[i].path);
        free(logs->sources);
        json_decref(logs->chosen);
        sd_journal_close(logs->journal);
}

int cmd_logs(int argc, char **argv)
{
        LogsOptions o = {.control = control_default(VERB), .lines = LINES_DEFAULT};
        Logs logs = {.options = &o};
        int n, status;

        switch (operands_parse(argc, argv, specs, &o, VERB " [OPTION]... [UNIT]...", &n)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        status = find_sources(&logs, argv, n);
        if (status == 0)
                status = print_what_is_there(&logs);
        if (status == 0 && o.follow)
                status = follow(&logs);
        deinit(&logs);
        return status;
}
