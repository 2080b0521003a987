/* An intrusive, circular, doubly linked list. The head is a ListLink of its own; an element that
 * is in no list is linked to itself, so list_unlink() may be called twice. Owns nothing. */
#pragma once

#include <stdbool.h>
#include "util/macros.h"

typedef struct ListLink ListLink;
struct ListLink {
        ListLink *next, *prev;
};

static inline void list_init(ListLink *l)
{
        l->next = l->prev = l;
}

static inline bool list_is_empty(const ListLink *head)
{
        return head->next == head;
}

static inline void list_append(ListLink *head, ListLink *l)
{
        l->prev = head->prev;
        l->next = head;
        head->prev->next = l;
        head->prev = l;
}

static inline void list_unlink(ListLink *l)
{
        l->prev->next = l->next;
        l->next->prev = l->prev;
        list_init(l);
}

#define list_entry(link, type, member) CONTAINER_OF(link, type, member)
#define list_for_each(it, head) for (ListLink *it = (head)->next; it != (head); it = it->next)
/* The current element may be unlinked or freed in the body. */
#define list_for_each_safe(it, head)                                                                         \
        for (ListLink *it = (head)->next, *it##_next = it->next; it != (head);                               \
                it = it##_next, it##_next = it->next)
