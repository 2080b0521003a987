#include "recipe/cron-book.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "util/text.h"

#define FIRST_LINE "zksup-cron 1"
#define WORDS_MAX 8

static const char *const mark_names[CRON_MARKS] = {
        "running", "done", "killed", "timeout", "unknown", "skipped", "missed"};

const char *cron_mark_to_string(enum CronMark mark)
{
        return mark < CRON_MARKS ? mark_names[mark] : "?";
}

static bool mark_from_string(const char *text, enum CronMark *mark)
{
        for (enum CronMark m = 0; m < CRON_MARKS; m++)
                if (strcmp(mark_names[m], text) == 0) {
                        *mark = m;
                        return true;
                }
        return false;
}

static bool has_run(enum CronMark mark)
{
        return mark != CRON_SKIPPED && mark != CRON_MISSED;
}

/* One word in a line of words. */
static void copy_word(char *to, size_t room, const char *from)
{
        size_t i;

        for (i = 0; from[i] && i + 1 < room; i++)
                to[i] = (unsigned char)from[i] <= ' ' ? '?' : from[i];
        if (i == 0)
                to[i++] = '?';
        to[i] = '\0';
}

void cron_book_init(CronBook *b, int64_t since)
{
        *b = (CronBook){.since = since, .last = since, .queued = CRON_NONE};
}

/* --- text --------------------------------------------------------------------------------------- */

static bool parse_time(const char *word, int64_t *out)
{
        uint64_t n;

        if (strcmp(word, "-") == 0) {
                *out = CRON_NONE;
                return true;
        }
        if (text_to_u64(word, 0, INT64_MAX / 4, &n) < 0)
                return false;
        *out = (int64_t)n;
        return true;
}

static bool parse_run(CronEntry *e, char **words, size_t n)
{
        int64_t status;

        if (n != 7 || !parse_time(words[1], &e->tick) || e->tick < 0 || !parse_time(words[2], &e->start) ||
                !parse_time(words[3], &e->end) || !parse_time(words[4], &status) || status > 255 ||
                strlen(words[5]) >= sizeof(e->id))
                return false;
        e->until = e->tick;
        e->count = 1;
        e->status = (int)status;
        strcpy(e->id, words[5]);
        copy_word(e->host, sizeof(e->host), words[6]);
        return true;
}

static bool parse_gap(CronEntry *e, char **words, size_t n)
{
        e->start = e->end = CRON_NONE;
        e->status = CRON_NONE;
        return n == 4 && parse_time(words[1], &e->tick) && parse_time(words[2], &e->until) && e->tick >= 0 &&
                e->until >= e->tick && text_to_u64(words[3], 1, UINT64_MAX / 4, &e->count) == 0;
}

static bool parse_entry(CronBook *b, enum CronMark mark, char **words, size_t n)
{
        CronEntry e = {.mark = mark};

        if (!(has_run(mark) ? parse_run(&e, words, n) : parse_gap(&e, words, n)))
                return false;
        if (b->n == CRON_BOOK_ENTRIES || (mark == CRON_RUNNING && cron_book_running(b)))
                return false;
        b->entries[b->n++] = e;
        return true;
}

static bool parse_words(CronBook *b, char **words, size_t n)
{
        enum CronMark mark;

        if (n == 2 && strcmp(words[0], "since") == 0)
                return parse_time(words[1], &b->since);
        if (n == 2 && strcmp(words[0], "last") == 0)
                return parse_time(words[1], &b->last);
        if (n == 2 && strcmp(words[0], "queued") == 0)
                return parse_time(words[1], &b->queued);
        if (n == 2 && strcmp(words[0], "stop") == 0 && strlen(words[1]) < sizeof(b->stop)) {
                strcpy(b->stop, words[1]);
                return true;
        }
        if (n == 3 && strcmp(words[0], "total") == 0)
                return !mark_from_string(words[1], &mark) ||
                        text_to_u64(words[2], 0, UINT64_MAX / 4, &b->totals[mark]) == 0;
        if (n && mark_from_string(words[0], &mark))
                return parse_entry(b, mark, words, n);
        return n > 0; /* a key of another version */
}

static bool parse_line(CronBook *b, char *line)
{
        char *words[WORDS_MAX], *word;
        size_t n = 0;

        if (text_has_prefix(line, "schedule ")) {
                snprintf(b->schedule, sizeof(b->schedule), "%s", line + strlen("schedule "));
                return true;
        }
        if (text_has_prefix(line, "zone ")) {
                snprintf(b->zone, sizeof(b->zone), "%s", line + strlen("zone "));
                return true;
        }
        while (n < WORDS_MAX && (word = strsep(&line, " ")))
                words[n++] = word;
        return parse_words(b, words, n);
}

int cron_book_parse(CronBook *b, const void *data, size_t len, char *problem, size_t problem_size)
{
        char text[CRON_BOOK_TEXT_MAX], copy[80], *rest = text, *line;

        cron_book_init(b, CRON_NONE);
        if (len >= sizeof(text) || memchr(data, '\0', len)) {
                snprintf(problem, problem_size, "is no text of a job");
                return -EBADMSG;
        }
        memcpy(text, data, len);
        text[len] = '\0';
        line = strsep(&rest, "\n");
        if (strcmp(line, FIRST_LINE) != 0) {
                snprintf(problem, problem_size, "begins with '%.40s', not with '" FIRST_LINE "'", line);
                return -EBADMSG;
        }
        while (rest && *rest) {
                line = strsep(&rest, "\n");
                snprintf(copy, sizeof(copy), "%s", line);
                if (!parse_line(b, line)) {
                        snprintf(problem, problem_size, "has a line that cannot be read: '%s'", copy);
                        return -EBADMSG;
                }
        }
        if (b->last < 0 || b->since < 0 || b->since > b->last) {
                snprintf(problem, problem_size, "lacks 'since' or 'last'");
                return -EBADMSG;
        }
        return 0;
}

typedef struct Writer {
        char *buf;
        size_t used;
} Writer;

static void put(Writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(Writer *w, const char *fmt, ...)
{
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(w->buf + w->used, CRON_BOOK_TEXT_MAX - w->used, fmt, ap);
        va_end(ap);
        w->used += (size_t)n;
        assert(w->used < CRON_BOOK_TEXT_MAX); /* the fields are bounded */
}

static void put_time(Writer *w, int64_t t)
{
        if (t < 0)
                put(w, " -");
        else
                put(w, " %" PRId64, t);
}

static void put_entry(Writer *w, const CronEntry *e)
{
        put(w, "%s %" PRId64, mark_names[e->mark], e->tick);
        if (has_run(e->mark)) {
                put_time(w, e->start);
                put_time(w, e->end);
                put_time(w, e->status);
                put(w, " %s %s\n", e->id, e->host);
        } else {
                put(w, " %" PRId64 " %" PRIu64 "\n", e->until, e->count);
        }
}

size_t cron_book_to_string(const CronBook *b, char buf[CRON_BOOK_TEXT_MAX])
{
        Writer w = {.buf = buf};

        put(&w, FIRST_LINE "\nschedule %s\nzone %s\nsince %" PRId64 "\nlast %" PRId64 "\n", b->schedule, b->zone,
                b->since, b->last);
        if (b->queued >= 0)
                put(&w, "queued %" PRId64 "\n", b->queued);
        if (b->stop[0])
                put(&w, "stop %s\n", b->stop);
        for (enum CronMark m = CRON_RUNNING + 1; m < CRON_MARKS; m++)
                put(&w, "total %s %" PRIu64 "\n", mark_names[m], b->totals[m]);
        for (size_t i = 0; i < b->n; i++)
                put_entry(&w, &b->entries[i]);
        return w.used;
}

/* --- entries ------------------------------------------------------------------------------------ */

static CronEntry *find_running(CronBook *b, const char *id)
{
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].mark == CRON_RUNNING && (!id || strcmp(b->entries[i].id, id) == 0))
                        return &b->entries[i];
        return NULL;
}

const CronEntry *cron_book_running(const CronBook *b)
{
        return find_running((CronBook *)b, NULL);
}

const CronEntry *cron_book_find(const CronBook *b, int64_t tick)
{
        for (size_t i = b->n; i-- > 0;)
                if (b->entries[i].tick <= tick && tick <= b->entries[i].until)
                        return &b->entries[i];
        return NULL;
}

static void drop(CronBook *b, size_t i)
{
        memmove(&b->entries[i], &b->entries[i + 1], (--b->n - i) * sizeof(*b->entries));
}

static CronEntry *append(CronBook *b)
{
        if (b->n == CRON_BOOK_ENTRIES) /* the oldest goes; a run under way stays */
                drop(b, b->entries[0].mark == CRON_RUNNING);
        return &b->entries[b->n++];
}

void cron_book_note(CronBook *b, enum CronMark mark, int64_t first, int64_t until, uint64_t count)
{
        CronEntry *newest = b->n ? &b->entries[b->n - 1] : NULL;

        assert(!has_run(mark));
        if (count == 0)
                return;
        b->totals[mark] += count;
        if (newest && newest->mark == mark) {
                newest->until = until;
                newest->count += count;
                return;
        }
        *append(b) = (CronEntry){.mark = mark,
                .tick = first,
                .until = until,
                .count = count,
                .start = CRON_NONE,
                .end = CRON_NONE,
                .status = CRON_NONE};
}

void cron_book_begin(CronBook *b, int64_t tick, int64_t start, const char *id, const char *host)
{
        CronEntry *e;

        assert(!cron_book_running(b));
        e = append(b);
        *e = (CronEntry){.mark = CRON_RUNNING,
                .tick = tick,
                .until = tick,
                .count = 1,
                .start = start,
                .end = CRON_NONE,
                .status = CRON_NONE};
        copy_word(e->id, sizeof(e->id), id);
        copy_word(e->host, sizeof(e->host), host);
        b->stop[0] = '\0';
}

bool cron_book_end(CronBook *b, const char *id, enum CronMark mark, int64_t end, int status)
{
        CronEntry *e = find_running(b, id);

        assert(has_run(mark) && mark != CRON_RUNNING);
        if (!e)
                return false;
        e->mark = mark;
        e->end = end;
        e->status = status;
        b->totals[mark]++;
        b->stop[0] = '\0';
        return true;
}

bool cron_book_undo(CronBook *b, const char *id)
{
        CronEntry *e = find_running(b, id);

        if (!e)
                return false;
        if (b->queued >= 0) /* somebody has queued a later one meanwhile */
                cron_book_note(b, CRON_SKIPPED, b->queued, b->queued, 1);
        b->queued = e->tick;
        b->stop[0] = '\0';
        e = find_running(b, id);
        drop(b, (size_t)(e - b->entries));
        return true;
}
