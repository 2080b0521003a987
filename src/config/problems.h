/* What is wrong with a configuration, collected while it is read and told in the order of its files and lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "util/macros.h"
#include "util/text.h"

/* No more are kept; they are counted. */
#define PROBLEMS_MAX 500

typedef struct Problem {
        unsigned file; /* index: files in the order in which something was first found in them */
        unsigned line; /* 0: the file as a whole */
        char *text;
} Problem;

typedef struct Problems {
        Problem *items;
        size_t n, total;
        char **files;
        size_t n_files;
} Problems;

/* Out of memory it is only counted. */
void problems_add(Problems *problems, const char *file, unsigned line, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Whether something is wrong there already. */
bool problems_has(const Problems *problems, const char *file, unsigned line);
/* Sorts, and appends a line "FILE:LINE: TEXT" for each to TEXT; the same is told once. */
void problems_to_text(Problems *problems, TextBuffer *text);
void problems_deinit(Problems *problems);
CLEANUP_DEFINE(Problems, problems_deinit);
