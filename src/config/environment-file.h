/* A file with an environment: a line NAME=VALUE each. Lines that are empty or begin with # or ; are passed over,
 * quotes around a whole value are taken away, and nothing is replaced. */
#pragma once

#include <stddef.h>
#include "config/arena.h"

/* Of all files of a unit together. */
#define ENVIRONMENT_FILE_WORDS_MAX 1000

/* Appends to WORDS, which has room for the maximum and *N in it, what is in PATH; '-' before that: it may be missing. The
 * strings belong to ARENA. Returns 0, or a negative errno with a sentence in PROBLEM. */
int environment_file_read(const char *path, Arena *arena, char **words, size_t *n, char *problem, size_t problem_size);
