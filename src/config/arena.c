#include "config/arena.h"

#include <stdlib.h>
#include <string.h>

struct Arena {
        void **items;
        size_t n, room;
};

Arena *arena_new(void)
{
        return calloc(1, sizeof(Arena));
}

Arena *arena_free(Arena *arena)
{
        if (!arena)
                return NULL;
        for (size_t i = arena->n; i > 0; i--)
                free(arena->items[i - 1]);
        free(arena->items);
        free(arena);
        return NULL;
}

void *arena_keep(Arena *arena, void *p)
{
        if (!p)
                return NULL;
        if (arena->n == arena->room) {
                size_t room = arena->room ? 2 * arena->room : 16;
                void **items = realloc(arena->items, room * sizeof(*items));

                if (!items) {
                        free(p);
                        return NULL;
                }
                arena->items = items;
                arena->room = room;
        }
        arena->items[arena->n++] = p;
        return p;
}

char *arena_strdup(Arena *arena, const char *text)
{
        return arena_keep(arena, strdup(text));
}

char *arena_strndup(Arena *arena, const char *text, size_t n)
{
        return arena_keep(arena, strndup(text, n));
}

char **arena_words(Arena *arena, size_t n)
{
        return arena_keep(arena, calloc(n + 1, sizeof(char *)));
}
