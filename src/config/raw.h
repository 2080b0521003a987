/* A configuration as written: all its files read, their sections in the order in which they stand. */
#pragma once

#include "config/reader.h"

#define RAW_FILE_MAX (1u << 20)
#define RAW_INCLUDE_DEPTH 8
#define RAW_FILES_MAX 1000

typedef struct Raw {
        Arena *arena; /* of all strings */
        RawSection global;
        RawSection *sections; /* in the order of the files */
        size_t n;
        Problems problems;
        unsigned n_files;
} Raw;

/* Reads FILE and what it includes; NAMES, ending with NULL, are those of all settings. Returns 0, also with
 * problems; or -ENOMEM. raw_deinit() in each case. */
int raw_load(Raw *raw, const char *file, const char *const *names);
/* The same from memory; includes are refused. */
int raw_parse(Raw *raw, const char *text, size_t len, const char *name, const char *const *names);
void raw_deinit(Raw *raw);
CLEANUP_DEFINE(Raw, raw_deinit);

/* NULL if there is none. */
const RawSetting *raw_find(const RawSection *section, const char *name);
