#include "util/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Splitter {
        const char *text, *in;
        char *out;
        const char *problem; /* with .opened */
        const char *opened;  /* where what is not closed began */
} Splitter;

static void take_single(Splitter *s)
{
        const char *end = strchr(s->in + 1, '\'');

        s->opened = s->in;
        if (!end) {
                s->problem = "has a ' that is not closed";
                return;
        }
        memcpy(s->out, s->in + 1, (size_t)(end - s->in - 1));
        s->out += end - s->in - 1;
        s->in = end + 1;
}

static void take_double(Splitter *s)
{
        s->opened = s->in++;
        for (; *s->in && *s->in != '"'; s->in++) {
                if (*s->in == '\\' && (s->in[1] == '"' || s->in[1] == '\\'))
                        s->in++;
                *s->out++ = *s->in;
        }
        if (*s->in)
                s->in++;
        else
                s->problem = "has a \" that is not closed";
}

static void take_backslash(Splitter *s)
{
        s->opened = s->in++;
        if (*s->in)
                *s->out++ = *s->in++;
        else
                s->problem = "ends with a backslash";
}

static void take_word(Splitter *s)
{
        while (*s->in && !strchr(" \t\n", *s->in) && !s->problem) {
                if (*s->in == '\'')
                        take_single(s);
                else if (*s->in == '"')
                        take_double(s);
                else if (*s->in == '\\')
                        take_backslash(s);
                else
                        *s->out++ = *s->in++;
        }
        *s->out++ = '\0';
}

/* No word is longer than its text, and there are at most half as many words as characters, and one. */
int words_split(const char *text, char ***words, char *problem, size_t problem_size)
{
        size_t len = strlen(text), room = len / 2 + 2;
        char **list = malloc(room * sizeof(*list) + len + 1);
        Splitter s = {.text = text, .in = text};
        int n = 0;

        if (!list)
                return -ENOMEM;
        s.out = (char *)(list + room);
        for (;;) {
                s.in += strspn(s.in, " \t\n");
                if (!*s.in)
                        break;
                list[n++] = s.out;
                take_word(&s);
                if (s.problem) {
                        snprintf(problem, problem_size, "%s, at position %zu", s.problem,
                                (size_t)(s.opened - text) + 1);
                        free(list);
                        return -EINVAL;
                }
        }
        list[n] = NULL;
        *words = list;
        return n;
}
