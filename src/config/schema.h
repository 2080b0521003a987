/* The table of all settings: what each is called, where it may stand, how it is read, what it is by default and
 * whether a new value needs a new start. Reading, checking, comparing and the example file go by it. */
#pragma once

#include "config/arena.h"
#include "config/config.h"
#include "config/value.h"

/* What is filled while a section is read; the rest of ConfigUnit follows from it, see section.c. */
typedef struct SchemaDraft {
        ConfigGlobal global;
        ConfigUnit unit;
        bool shared, exclusive, no_wait;
        uint64_t slots, priority, give_up, rotate_bytes, rotate_keep;
        char *const *environment, *const *environment_files;
} SchemaDraft;

/* Several values: a list, which may be empty. What is made belongs to ARENA. */
typedef int (*SchemaListParser)(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size);

enum SchemaPlace {
        SCHEMA_GLOBAL,   /* in no section */
        SCHEMA_UNIT,     /* in a unit alone */
        SCHEMA_DEFAULTS, /* in a unit and in defaults */
};

typedef struct SchemaSetting {
        const char *name;
        enum SchemaPlace place;
        const char *argument; /* what it is called for people */
        ValueParser parse;    /* one value; NULL: parse_list */
        SchemaListParser parse_list;
        size_t offset;            /* in SchemaDraft */
        const char *by_default;   /* as in a file; NULL: there is none */
        enum ConfigChange change; /* LIVE or RESTART */
        const char *needs;        /* the gate without which it means nothing; NULL: none */
        bool expands;             /* ${NAME} */
        bool of_process;          /* means nothing with systemd-unit */
        const char *example;      /* a value that is good, for a setting without default */
        const char *help;
} SchemaSetting;

extern const SchemaSetting schema_settings[];
extern const size_t schema_n_settings;

/* NULL if there is none. */
const SchemaSetting *schema_find(const char *name);
/* The name nearest to NAME, if one is near; else NULL. */
const char *schema_guess(const char *name);
/* "in a unit": where a setting may be written. */
const char *schema_place_to_string(enum SchemaPlace place);
/* All names, ending with NULL. Owned here. */
const char *const *schema_names(void);
/* Everything as it is when nothing is set. */
void schema_draft_init(SchemaDraft *draft);
