#include "config/source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8

typedef struct Scan {
        char *at;
        unsigned line;
        const char *file;
        Problems *problems;
        unsigned open[DEPTH_MAX]; /* the lines of the braces that are open */
        size_t depth;
        unsigned stray_line; /* of the last character that was out of place */
        bool good, complete; /* to be parsed; all strings and comments have an end */
} Scan;

static void advance(Scan *s)
{
        s->line += *s->at++ == '\n';
}

static void blank(Scan *s)
{
        if (*s->at != '\n')
                *s->at = ' ';
        advance(s);
}

static void blank_line(Scan *s)
{
        while (*s->at && *s->at != '\n')
                blank(s);
}

static void blank_comment(Scan *s)
{
        unsigned line = s->line;

        while (*s->at && strncmp(s->at, "*/", 2) != 0)
                blank(s);
        if (!*s->at) {
                problems_add(s->problems, s->file, line, "the comment that begins here has no end; write */");
                s->complete = false;
                return;
        }
        blank(s);
        blank(s);
}

/* "\0" and the like would end the string early. */
static void check_escape(Scan *s)
{
        char *end = s->at + 1;
        bool zero = false;

        if (*end == 'x' && isxdigit((unsigned char)end[1])) {
                zero = end[1] == '0' && (!isxdigit((unsigned char)end[2]) || end[2] == '0');
        } else if (*end >= '0' && *end <= '7') {
                while (end < s->at + 3 && *end == '0' && end[1] >= '0' && end[1] <= '7')
                        end++;
                zero = *end == '0';
        }
        if (zero) {
                problems_add(s->problems, s->file, s->line, "a string cannot contain the character 0; take it out");
                s->good = false;
        }
}

static void skip_string(Scan *s)
{
        char quote = *s->at;
        unsigned line = s->line;

        advance(s);
        while (*s->at && *s->at != quote) {
                if (*s->at == '\\' && s->at[1]) {
                        if (quote == '"')
                                check_escape(s);
                        advance(s);
                }
                advance(s);
        }
        if (!*s->at) {
                problems_add(s->problems, s->file, line, "the string that begins here has no end; write %c", quote);
                s->complete = false;
                return;
        }
        advance(s);
}

static bool is_bare(char c)
{
        return c && !strchr(" #\"'\t\n\r={}()+,*", c);
}

static void tell_stray(Scan *s)
{
        if (s->stray_line == s->line)
                return;
        s->stray_line = s->line;
        problems_add(s->problems, s->file, s->line, "there is a '%c' outside of quotes; put the value into quotes", *s->at);
}

static void brace(Scan *s)
{
        if (*s->at == '{') {
                if (s->depth < DEPTH_MAX)
                        s->open[s->depth] = s->line;
                s->depth++;
        } else if (s->depth > 0) {
                s->depth--;
        }
        advance(s);
}

static void scan(Scan *s)
{
        while (*s->at) {
                if (*s->at == '"' || *s->at == '\'')
                        skip_string(s);
                else if (*s->at == '#' || strncmp(s->at, "//", 2) == 0)
                        blank_line(s);
                else if (strncmp(s->at, "/*", 2) == 0)
                        blank_comment(s);
                else if (*s->at == '{' || *s->at == '}')
                        brace(s);
                else if (is_bare(*s->at))
                        while (is_bare(*s->at))
                                advance(s);
                else {
                        if (*s->at == '*' || (*s->at == '+' && s->at[1] != '='))
                                tell_stray(s);
                        advance(s);
                }
        }
        if (s->complete && s->depth > 0 && s->depth <= DEPTH_MAX)
                problems_add(s->problems, s->file, s->open[s->depth - 1], "the brace that is opened here is not closed; write }");
}

static unsigned line_of(const char *text, const char *at)
{
        unsigned line = 1;

        for (const char *p = text; p < at; p++)
                line += *p == '\n';
        return line;
}

bool source_prepare(char *text, size_t len, const char *file, Problems *problems)
{
        Scan s = {.at = text, .line = 1, .file = file, .problems = problems, .good = true, .complete = true};
        const char *nul = memchr(text, '\0', len), *mask = strchr(text, SOURCE_MASK);

        if (nul || mask) {
                problems_add(problems, file, line_of(text, nul ?: mask), "there is a control character (%d); this is no text file",
                        nul ? 0 : SOURCE_MASK);
                return false;
        }
        scan(&s);
        for (char *p = text; (p = strchr(p, '$')) != NULL;)
                *p = SOURCE_MASK;
        return s.good;
}

void source_unmask(char *value)
{
        for (char *p = value; (p = strchr(p, SOURCE_MASK)) != NULL;)
                *p = '$';
}
