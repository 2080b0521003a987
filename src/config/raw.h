/* A configuration file as written: sections, the settings in them as lists of strings, and the place of each.
 * libconfuse reads the syntax; what a setting means and whether there is one of that name is not known here.
 *
 * Every setting is a list of strings to libconfuse, so that a wrong type does not end the reading. A name that
 * it does not know ends it, so it is told the name and reads the file once more: all mistakes come out in one
 * go. Only a mistake of syntax is the last one of its file.
 *
 * libconfuse replaces ${NAME} by the environment in every string. Here the '$' is masked while it reads, so
 * that values come out as written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "config/arena.h"
#include "util/text.h"

#define RAW_FILE_MAX (4u << 20)
#define RAW_INCLUDE_DEPTH 8

typedef struct RawSetting {
        const char *name, *file;
        unsigned line;
        char **values; /* NULL at the end */
        size_t n;
} RawSetting;

typedef struct RawSection {
        const char *type;  /* "unit", "defaults"; "" for what is in none */
        const char *title; /* NULL: none */
        const char *file;
        unsigned line;
        RawSetting *settings; /* in the order of the file; a name may come twice */
        size_t n;
} RawSection;

typedef struct Raw {
        Arena *arena; /* of all strings */
        RawSection global;
        RawSection *sections; /* in the order of the files */
        size_t n;
        TextBuffer *problems; /* NULL: counted only */
        unsigned n_problems;
} Raw;

/* Reads FILE and what it includes; NAMES, ending with NULL, are those of all settings. Problems are appended
 * to PROBLEMS and counted. Returns 0, also with problems; or -ENOMEM. */
int raw_load(Raw *raw, const char *file, const char *const *names, TextBuffer *problems);
/* The same from memory; includes are refused. */
int raw_parse(Raw *raw, const char *text, size_t len, const char *name, const char *const *names, TextBuffer *problems);
void raw_deinit(Raw *raw);
CLEANUP_DEFINE(Raw, raw_deinit);

/* Appends "FILE:LINE: ..." to the problems; LINE 0: without it. */
void raw_problem(Raw *raw, const char *file, unsigned line, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* NULL if there is none. */
const RawSetting *raw_find(const RawSection *section, const char *name);
