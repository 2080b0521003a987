#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find_file(Problems *problems, const char *file)
{
        char **files;

        for (size_t i = 0; i < problems->n_files; i++)
                if (strcmp(problems->files[i], file) == 0)
                        return (int)i;
        files = realloc(problems->files, (problems->n_files + 1) * sizeof(*files));
        if (!files)
                return -1;
        problems->files = files;
        files[problems->n_files] = strdup(file);
        return files[problems->n_files] ? (int)problems->n_files++ : -1;
}

void problems_add(Problems *problems, const char *file, unsigned line, const char *fmt, ...)
{
        Problem *items;
        va_list ap;
        char *text;
        int index;

        if (problems->total++ >= PROBLEMS_MAX)
                return;
        index = find_file(problems, file);
        items = realloc(problems->items, (problems->n + 1) * sizeof(*items));
        if (!items)
                return;
        problems->items = items;
        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        va_end(ap);
        if (text && index >= 0)
                items[problems->n++] = (Problem){.file = (unsigned)index, .line = line, .text = text};
        else
                free(text);
}

bool problems_has(const Problems *problems, const char *file, unsigned line)
{
        for (size_t i = 0; i < problems->n; i++)
                if (problems->items[i].line == line &&
                        strcmp(problems->files[problems->items[i].file], file) == 0)
                        return true;
        return false;
}

static int compare(const void *a, const void *b)
{
        const Problem *x = a, *y = b;

        if (x->file != y->file)
                return x->file < y->file ? -1 : 1;
        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        return strcmp(x->text, y->text);
}

/* Control characters of a file stay out of the terminal of whoever reads this. */
static void make_printable(char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        *text = '?';
}

void problems_to_text(Problems *problems, TextBuffer *text)
{
        if (problems->n)
                qsort(problems->items, problems->n, sizeof(*problems->items), compare);
        for (size_t i = 0; i < problems->n; i++) {
                const Problem *p = &problems->items[i];

                if (i > 0 && compare(p, p - 1) == 0)
                        continue;
                make_printable(p->text);
                if (p->line)
                        text_buffer_printf(text, "%s:%u: %s\n", problems->files[p->file], p->line, p->text);
                else
                        text_buffer_printf(text, "%s: %s\n", problems->files[p->file], p->text);
        }
        if (problems->total > problems->n)
                text_buffer_printf(text, "%zu problems more\n", problems->total - problems->n);
}

void problems_deinit(Problems *problems)
{
        for (size_t i = 0; i < problems->n; i++)
                free(problems->items[i].text);
        for (size_t i = 0; i < problems->n_files; i++)
                free(problems->files[i]);
        free(problems->items);
        free(problems->files);
        *problems = (Problems){0};
}
