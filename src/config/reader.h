/* One text of settings read by libconfuse: out come sections, settings as lists of strings, the place of each, and
 * what is to be included. What a setting means is not known here.
 *
 * Every setting is a list of strings to libconfuse, so that a wrong type does not end the reading. A name that it
 * does not know ends it: then it is told the name, and reads once more, so that all mistakes come out in one go.
 * Only a mistake of syntax is the last one of its text. Sections with the same title replace each other in
 * libconfuse; so what is in one is taken out as soon as it ends. */
#pragma once

#include <stdbool.h>
#include "config/arena.h"
#include "config/problems.h"

typedef struct RawSetting {
        const char *name, *file;
        unsigned line;
        char **values; /* NULL at the end, or NULL */
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

typedef struct ReaderInclude {
        char *pattern;
        unsigned line;
        size_t before; /* the section that follows it */
} ReaderInclude;

#define READER_UNKNOWN_MAX 32
#define READER_SECTIONS_MAX 10000

typedef struct Reader {
        Arena *arena;     /* of the strings; not ours */
        const char *file; /* for messages; not ours */
        const char *const *names;
        Problems *problems;

        RawSection global;
        RawSection *sections;
        size_t n_sections;
        ReaderInclude *includes;
        size_t n_includes;

        /* While reading. */
        char *unknown[READER_UNKNOWN_MAX];
        size_t n_unknown, problems_before;
        bool again, failed; /* read once more; out of memory */
        RawSection pending;
} Reader;

/* NAMES, ending with NULL, are those of all settings; what is given must stay. */
void reader_init(Reader *reader, Arena *arena, const char *file, const char *const *names, Problems *problems);
/* Reads TEXT of LEN bytes with a NUL after them, which is changed. Returns 0, also with problems; or -ENOMEM. */
int reader_read(Reader *reader, char *text, size_t len);
void reader_deinit(Reader *reader);
CLEANUP_DEFINE(Reader, reader_deinit);

void raw_section_deinit(RawSection *section);
