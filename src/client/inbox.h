/* The one queue between the library's callbacks and everything else. A callback only puts an item
 * in; an event source of its own takes them out in the same order, outside the library. So nobody's
 * handler ever runs inside a library call, where the handle may not be closed nor be called with
 * care, and a change of the session keeps its place between the replies. */
#pragma once

#include <systemd/sd-event.h>
#include "util/list.h"

/* Of the event sources: reading the socket comes before handing on what was read, and both before
 * the watchdog judges the silence of a server, as before everybody else's work. */
#define INBOX_PRIORITY_IO (-100)
#define INBOX_PRIORITY_ITEMS (-90)
#define INBOX_PRIORITY_CLOCK (-80)

enum InboxKind {
        INBOX_REPLY,  /* Pending */
        INBOX_WATCH,  /* Watch */
        INBOX_HANDLE, /* HandleNews */
};

typedef struct InboxItem {
        ListLink link;
        enum InboxKind kind;
} InboxItem;

typedef struct Inbox {
        ListLink items;
        sd_event_source *source; /* owned by whoever made the inbox */
} Inbox;

static inline void inbox_put(Inbox *inbox, InboxItem *item)
{
        list_unlink(&item->link);
        list_append(&inbox->items, &item->link);
        if (inbox->source)
                sd_event_source_set_enabled(inbox->source, SD_EVENT_ONESHOT);
}

/* NULL if it is empty. */
static inline InboxItem *inbox_take(Inbox *inbox)
{
        InboxItem *item;

        if (list_is_empty(&inbox->items))
                return NULL;
        item = list_entry(inbox->items.next, InboxItem, link);
        list_unlink(&item->link);
        return item;
}
