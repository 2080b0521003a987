/* The text of a configuration file made fit for libconfuse, and what that would pass over or not tell: strings,
 * comments and braces without an end, characters that it drops without a word, zero bytes.
 *
 * Three things are changed. Comments are blanked, because libconfuse counts the line of each twice. Each '$', and
 * outside of quotes the braces of ${NAME}, are replaced by control characters until the values have come out,
 * because libconfuse replaces ${NAME} by the environment in every string. And include("PATH") is made a setting,
 * because libconfuse loses memory over a call that is not complete. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "config/problems.h"

/* TEXT of LEN bytes, with a NUL after them. Returns whether it may be parsed; what was found is added to PROBLEMS. */
bool source_prepare(char *text, size_t len, const char *file, Problems *problems);
/* The characters as they were. */
void source_unmask(char *value);
/* Whether VALUE is what MASKED stands for. */
bool source_is(const char *value, const char *masked);
