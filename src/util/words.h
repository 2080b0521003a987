/* A command in one string, split into words the way a shell would, without a shell: blanks separate;
 * '...' is taken as it stands; in "..." a backslash protects " and \; outside of both it protects any
 * character. Nothing is expanded: $, *, ~, ;, | and > are characters like others. */
#pragma once

#include <stddef.h>

/* Splits TEXT into a new array that ends with NULL, one allocation, to be freed by the caller. Returns the
 * number of words, 0 for none, or -EINVAL with a sentence in PROBLEM that says where (positions count
 * from 1), or -ENOMEM. */
int words_split(const char *text, char ***words, char *problem, size_t problem_size);
