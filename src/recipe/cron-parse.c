/* The text of a schedule. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "recipe/cron-schedule.h"
#include "util/civil.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/text.h"

#define FIELDS 5

typedef struct Field {
        const char *noun;
        unsigned min, max;
        const char *const *names; /* of min, min + 1, ... */
        const char *hint;
} Field;

static const char *const month_names[] = {
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const Field fields[FIELDS] = {
        {"minute", 0, 59, NULL, ""},
        {"hour", 0, 23, NULL, ""},
        {"day of month", 1, 31, NULL, ""},
        {"month", 1, 12, month_names, " or jan to dec"},
        {"day of week", 0, 7, weekday_names, " or sun to sat"},
};

static const struct {
        const char *name, *fields;
} nicknames[] = {
        {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
        {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},
        {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
};

/* One field being read, for the messages. */
typedef struct Reader {
        const Field *field;
        unsigned number; /* from 1 */
        char *problem;
        size_t problem_size;
} Reader;

static int complain(const Reader *r, const char *text, const char *why)
{
        snprintf(r->problem, r->problem_size, "field %u (%s): '%.60s' %s", r->number, r->field->noun, text, why);
        return -EINVAL;
}

static int out_of_range(const Reader *r, const char *text)
{
        char why[80];

        snprintf(why, sizeof(why), "is not from %u to %u%s", r->field->min, r->field->max, r->field->hint);
        return complain(r, text, why);
}

static int parse_value(const Reader *r, const char *text, unsigned *value)
{
        uint64_t number;

        for (size_t i = 0; r->field->names && r->field->names[i]; i++)
                if (strcasecmp(r->field->names[i], text) == 0) {
                        *value = r->field->min + (unsigned)i;
                        return 0;
                }
        if (text_to_u64(text, r->field->min, r->field->max, &number) < 0)
                return out_of_range(r, text);
        *value = (unsigned)number;
        return 0;
}

static int parse_step(const Reader *r, const char *whole, const char *text, unsigned *step)
{
        char why[80];
        uint64_t number;

        if (text_to_u64(text, 1, r->field->max, &number) < 0) {
                snprintf(why, sizeof(why), "has no step from 1 to %u after the '/'", r->field->max);
                return complain(r, whole, why);
        }
        *step = (unsigned)number;
        return 0;
}

/* '*', 'a', 'a-b', each but 'a' with '/n'. */
static int parse_element(const Reader *r, char *text, uint64_t *bits)
{
        char whole[80], *slash, *dash;
        unsigned from = r->field->min, to = r->field->max, step = 1;

        snprintf(whole, sizeof(whole), "%s", text);
        slash = strchr(text, '/');
        if (slash)
                *slash = '\0';
        dash = strchr(text, '-');
        if (dash)
                *dash = '\0';
        if (strcmp(text, "*") == 0 && !dash) {
                if (r->number == FIELDS)
                        to = 6; /* 7 is 0 */
        } else {
                if (parse_value(r, text, &from) < 0)
                        return -EINVAL;
                to = from;
                if (dash && parse_value(r, dash + 1, &to) < 0)
                        return -EINVAL;
                if (r->number == FIELDS && dash && to == 0 && from > 0)
                        to = 7; /* fri-sun */
                if (!dash && slash)
                        return complain(r, whole, "has a step without a range: write '*/n' or 'a-b/n'");
                if (from > to)
                        return complain(r, whole,
                                "is a range that ends before it begins: write it as two, with a comma");
        }
        if (slash && parse_step(r, whole, slash + 1, &step) < 0)
                return -EINVAL;
        for (unsigned i = from; i <= to; i += step)
                *bits |= 1ULL << i;
        return 0;
}

static int parse_field(const Reader *r, const char *text, uint64_t *bits)
{
        CLEANUP_STRING copy = strdup(text);
        char *rest = copy, *element;

        if (!copy) {
                snprintf(r->problem, r->problem_size, "out of memory");
                return -ENOMEM;
        }
        *bits = 0;
        while ((element = strsep(&rest, ","))) {
                if (*element == '\0')
                        return complain(r, text, "has an empty place in its list");
                if (parse_element(r, element, bits) < 0)
                        return -EINVAL;
        }
        if (r->number == FIELDS && (*bits & 1U << 7))
                *bits = (*bits | 1) & ~(1ULL << 7);
        return 0;
}

static bool ever_comes(const CronSchedule *s)
{
        if (s->either_day)
                return true;
        for (int month = 1; month <= 12; month++)
                if (s->months & 1ULL << month &&
                        s->days & ((1ULL << (civil_days_of_month(2000, month) + 1)) - 1))
                        return true;
        return false;
}

static int parse_every(CronSchedule *s, const char *text, char *problem, size_t problem_size)
{
        uint64_t usec;

        if (duration_parse(text, &usec) < 0 || usec == USEC_INFINITY || usec < USEC_PER_SEC || usec % USEC_PER_SEC ||
                usec / USEC_PER_SEC > 366ULL * SECONDS_PER_DAY) {
                snprintf(problem, problem_size, "@every '%.60s' is no duration in whole seconds from 1s to 366d",
                        text);
                return -EINVAL;
        }
        s->every = (int64_t)(usec / USEC_PER_SEC);
        return 0;
}

static int parse_fields(CronSchedule *s, char *words[FIELDS], char *problem, size_t problem_size)
{
        uint64_t *bits[FIELDS] = {&s->minutes, &s->hours, &s->days, &s->months, &s->weekdays};

        for (unsigned i = 0; i < FIELDS; i++) {
                Reader r = {.field = &fields[i], .number = i + 1, .problem = problem, .problem_size = problem_size};

                if (parse_field(&r, words[i], bits[i]) < 0)
                        return -EINVAL;
        }
        s->either_day = words[2][0] != '*' && words[4][0] != '*';
        s->follows_clock = words[0][0] == '*' || words[1][0] == '*';
        if (!ever_comes(s)) {
                snprintf(problem, problem_size, "'%s' never comes: no such month has such a day", s->text);
                return -EINVAL;
        }
        return 0;
}

/* @NAME, or @every DURATION. Returns the fields it stands for in FIELDS_OF, NULL if there are none. */
static int parse_nickname(
        CronSchedule *s, char **words, size_t n, const char **fields_of, char *problem, size_t problem_size)
{
        *fields_of = NULL;
        if (strcasecmp(words[0], "@every") == 0 && n == 2)
                return parse_every(s, words[1], problem, problem_size);
        for (size_t i = 0; i < ARRAY_SIZE(nicknames) && n == 1; i++)
                if (strcasecmp(words[0], nicknames[i].name) == 0) {
                        *fields_of = nicknames[i].fields;
                        return 0;
                }
        snprintf(problem, problem_size,
                "'%.60s' is none of @yearly @annually @monthly @weekly @daily @midnight @hourly, "
                "nor '@every DURATION'",
                s->text);
        return -EINVAL;
}

/* Puts one space between the words into s->text, and splits BUF. Returns how many, at most FIELDS + 1. */
static size_t split(CronSchedule *s, char *buf, char *words[FIELDS + 1])
{
        size_t n = 0;

        for (char *save = NULL, *word = strtok_r(buf, " \t", &save); word && n <= FIELDS;
                word = strtok_r(NULL, " \t", &save)) {
                size_t used = strlen(s->text);

                snprintf(s->text + used, sizeof(s->text) - used, "%s%s", n ? " " : "", word);
                words[n++] = word;
        }
        return n;
}

int cron_schedule_parse(CronSchedule *s, const char *text, char *problem, size_t problem_size)
{
        char buf[CRON_SCHEDULE_TEXT_MAX], *words[FIELDS + 1];
        const char *fields_of;
        size_t n;
        int r;

        *s = (CronSchedule){0};
        for (const char *p = text; *p; p++)
                if (iscntrl((unsigned char)*p) && *p != '\t') {
                        snprintf(problem, problem_size, "a schedule is one line without control characters");
                        return -EINVAL;
                }
        if (strlen(text) >= sizeof(buf)) {
                snprintf(problem, problem_size, "a schedule has at most %zu characters", sizeof(buf) - 1);
                return -EINVAL;
        }
        strcpy(buf, text);
        n = split(s, buf, words);
        if (n > 0 && words[0][0] == '@') {
                r = parse_nickname(s, words, n, &fields_of, problem, problem_size);
                if (r < 0 || !fields_of)
                        return r;
                strcpy(buf, fields_of);
                n = split(&(CronSchedule){0}, buf, words);
        }
        if (n != FIELDS) {
                snprintf(problem, problem_size,
                        "a schedule has five fields (minute, hour, day of month, month, day of week) or is "
                        "@daily and the like; '%.60s' has %s%zu",
                        text, n > FIELDS ? "more than " : "", n > FIELDS ? (size_t)FIELDS : n);
                return -EINVAL;
        }
        return parse_fields(s, words, problem, problem_size);
}
