#include "config/source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8
/* Not allowed in a file. */
#define MASK_DOLLAR '\x01'
#define MASK_OPEN '\x02'
#define MASK_CLOSE '\x03'
#define INCLUDE "include"
#define MASKS "\x01\x02\x03"

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

/* "\0" would end the string early, the others stand for something else. */
static void check_escape(Scan *s)
{
        const char *p = s->at + 1;
        unsigned base = *p == 'x' ? 16 : 8, value = 0, n = 0;

        p += *p == 'x';
        for (; n < (base == 8 ? 3 : 2) && (base == 8 ? *p >= '0' && *p <= '7' : isxdigit((unsigned char)*p));
                p++, n++)
                value = value * base +
                        (unsigned)(isdigit((unsigned char)*p) ? *p - '0' : tolower(*p) - 'a' + 10);
        if (n > 0 && value <= MASK_CLOSE) {
                problems_add(s->problems, s->file, s->line,
                        "a string cannot contain the character %u; take it out", value);
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
                problems_add(s->problems, s->file, line, "the string that begins here has no end; write %c",
                        quote);
                s->complete = false;
                return;
        }
        advance(s);
}

static bool is_bare(char c)
{
        return c && !strchr(" #\"'\t\n\r={}()+,*", c);
}

/* ${NAME} outside of quotes stays one word. */
static void mask_variable(char *text)
{
        size_t n = strspn(text + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

        if (text[n + 2] == '}') {
                text[1] = MASK_OPEN;
                text[n + 2] = MASK_CLOSE;
        }
}

static char *after_blanks(char *p)
{
        return p + strspn(p, " \t\r\n");
}

/* Behind a string or a word; NULL if there is none. */
static char *after_value(char *p)
{
        char quote = *p, *end;

        if (quote != '"' && quote != '\'') {
                for (end = p; is_bare(*end);)
                        end++;
                return end > p ? end : NULL;
        }
        for (p++; *p && *p != quote; p++)
                if (*p == '\\' && p[1])
                        p++;
        return *p ? p + 1 : NULL;
}

/* include("PATH") becomes include="PATH", as libconfuse loses memory over a call that is not complete. WORD
 * is where it begins. */
static void rewrite_include(Scan *s, char *word)
{
        char *open = after_blanks(s->at), *end;

        if (*open != '(')
                return;
        end = after_value(after_blanks(open + 1));
        end = end ? after_blanks(end) : NULL;
        if (end && *end == ')' && s->depth == 0) {
                *open = '=';
                *end = ' ';
                return;
        }
        problems_add(s->problems, s->file, s->line,
                s->depth ? "include does not belong into a section; write it before or after"
                         : "include takes one path; write include(\"/etc/zksup/conf.d/*.conf\")");
        memset(word, ' ', (size_t)(s->at - word));
        while (*s->at && *s->at != ')' && *s->at != '\n')
                blank(s);
        if (*s->at == ')')
                blank(s);
}

static void skip_bare(Scan *s)
{
        char *word = s->at;

        while (is_bare(*s->at)) {
                if (s->at[0] == '$' && s->at[1] == '{')
                        mask_variable(s->at);
                advance(s);
        }
        if (s->at == word + strlen(INCLUDE) && strncmp(word, INCLUDE, strlen(INCLUDE)) == 0)
                rewrite_include(s, word);
}

static void tell_stray(Scan *s)
{
        if (s->stray_line == s->line)
                return;
        s->stray_line = s->line;
        problems_add(s->problems, s->file, s->line,
                "there is a '%c' outside of quotes; put the value into quotes", *s->at);
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
                        skip_bare(s);
                else {
                        if (*s->at == '*' || (*s->at == '+' && s->at[1] != '='))
                                tell_stray(s);
                        advance(s);
                }
        }
        if (s->complete && s->depth > 0 && s->depth <= DEPTH_MAX)
                problems_add(s->problems, s->file, s->open[s->depth - 1],
                        "the brace that is opened here is not closed; write }");
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
        const char *nul = memchr(text, '\0', len), *mask = strpbrk(text, MASKS), *bad = nul ?: mask;

        if (bad) {
                problems_add(problems, file, line_of(text, bad),
                        "there is a control character (%d); this is no text file", *bad);
                return false;
        }
        scan(&s);
        for (char *p = text; (p = strchr(p, '$')) != NULL;)
                *p = MASK_DOLLAR;
        return s.good;
}

static char unmasked(char c)
{
        return c == MASK_DOLLAR ? '$' : c == MASK_OPEN ? '{' : c == MASK_CLOSE ? '}' : c;
}

void source_unmask(char *value)
{
        for (; *value; value++)
                *value = unmasked(*value);
}

bool source_is(const char *value, const char *masked)
{
        for (; *value && *value == unmasked(*masked); value++)
                masked++;
        return *value == *masked;
}
