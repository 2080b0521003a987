/* Somebody who waits for room where lines are written to. */
#pragma once

#include "util/list.h"

typedef struct Waiter Waiter;
struct Waiter {
        ListLink link;
        void (*resume)(Waiter *waiter);
};

/* Each is taken from the list before it is called, and may wait again. */
static inline void waiter_resume_all(ListLink *waiters)
{
        ListLink now;

        if (list_is_empty(waiters))
                return;
        now = *waiters; /* the same elements under another head */
        now.next->prev = now.prev->next = &now;
        list_init(waiters);
        while (!list_is_empty(&now)) {
                Waiter *waiter = list_entry(now.next, Waiter, link);

                list_unlink(&waiter->link);
                waiter->resume(waiter);
        }
}
