#include "recipe/semaphore-slots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "recipe/contender.h"
#include "util/macros.h"
#include "util/text.h"

#define SLOT_MAX 24

void semaphore_slots_kind(char kind[SEMAPHORE_KIND_MAX], unsigned slot)
{
        snprintf(kind, SEMAPHORE_KIND_MAX, "s%u-lease-", slot);
}

static bool parse_slot(const char *name, char slot[SLOT_MAX])
{
        const char *end = strstr(name, "-lease-"), *begin;
        Contender contender;

        if (!end || !contender_parse(name, &contender) || contender.foreign)
                return false;
        for (begin = end; begin > name && begin[-1] >= '0' && begin[-1] <= '9';)
                begin--;
        if (begin == end || begin < name + 2 || begin[-1] != 's' || begin[-2] != '-' || end - begin >= SLOT_MAX)
                return false;
        snprintf(slot, SLOT_MAX, "%.*s", (int)(end - begin), begin);
        return true;
}

int semaphore_slots_living(Numbers *slots, const char *const *names, size_t n)
{
        char(*texts)[SLOT_MAX] = calloc(n + 1, sizeof(*texts));
        const char **pointers = calloc(n + 1, sizeof(*pointers));
        size_t found = 0;
        int r = -ENOMEM;

        for (size_t i = 0; texts && pointers && i < n; i++)
                if (parse_slot(names[i], texts[found])) {
                        pointers[found] = texts[found];
                        found++;
                }
        if (texts && pointers)
                r = numbers_from_names(slots, pointers, found);
        free(pointers);
        free(texts);
        return r;
}
