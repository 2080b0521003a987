/* Things that are freed together: the strings and arrays that one unit's settings point into. */
#pragma once

#include <stddef.h>
#include "util/macros.h"

typedef struct Arena Arena;

Arena *arena_new(void);
/* NULL is taken; returns NULL. */
Arena *arena_free(Arena *arena);
CLEANUP_DEFINE(Arena, arena_free);

/* Takes over P, from malloc(), also when it fails: then P is freed and NULL returned. NULL is passed on. */
void *arena_keep(Arena *arena, void *p);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t n);
/* An array of N + 1 pointers, all NULL. */
char **arena_words(Arena *arena, size_t n);
