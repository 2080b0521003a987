/* What differs between two settings of the same unit. Each setting is kept as a text that is the same whenever it
 * means the same: 60s and 1m do, and so do a setting left out and one that says the default. */
#pragma once

#include "config/raw.h"
#include "config/schema.h"

/* One text for each of schema_settings, in DRAFT after it was read from SECTION and DEFAULTS (may be NULL). A new
 * array of strings of ARENA, to be freed; NULL if out of memory. */
char **difference_texts(const RawSection *section, const RawSection *defaults, const SchemaDraft *draft, Arena *arena);
/* The names are appended to WHICH. */
enum ConfigChange difference_find(char *const *before, char *const *after, TextBuffer *which);
