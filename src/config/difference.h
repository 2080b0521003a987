/* What differs between two settings of the same unit. Each setting is made a text that is the same whenever it means the
 * same: 60s and 1m do, and so do a setting left out and one that says the default. Of the text a hash is kept, as
 * there may be a thousand units. */
#pragma once

#include "config/raw.h"
#include "config/schema.h"

/* One hash for each of schema_settings, in DRAFT after it was read from SECTION and DEFAULTS (may be NULL). A new array,
 * to be freed; NULL if out of memory. */
uint64_t *difference_hashes(const RawSection *section, const RawSection *defaults, const SchemaDraft *draft);
/* The names are appended to WHICH. */
enum ConfigChange difference_find(const uint64_t *before, const uint64_t *after, TextBuffer *which);
