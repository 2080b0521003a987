#include "client/watch.h"

#include <string.h>
#include <zookeeper/zookeeper.h>

void watches_init(Watches *watches, Inbox *inbox)
{
        list_init(&watches->list);
        list_init(&watches->cancelled);
        watches->bytes = 0;
        watches->inbox = inbox;
}

Watch *watch_new(Watches *watches, const char *path, enum RequestKind request, uint32_t tag,
        ClientReplyHandler handler, const void *userdata)
{
        size_t len = strlen(path);
        Watch *watch = calloc(1, sizeof(Watch) + len + 1);

        if (!watch)
                return NULL;
        watch->item.kind = INBOX_WATCH;
        list_init(&watch->item.link);
        watch->request = request;
        watch->tag = tag;
        watch->handler = handler;
        watch->userdata = userdata;
        watch->len = len;
        memcpy(watch->path, path, len);
        list_init(&watch->link);
        list_append(&watches->list, &watch->link);
        watches->bytes += len + 4;
        return watch;
}

static void leave(Watches *watches, Watch *watch)
{
        if (!list_is_empty(&watch->link))
                watches->bytes -= watch->len + 4;
        list_unlink(&watch->link);
}

Watch *watch_free(Watches *watches, Watch *watch)
{
        if (!watch)
                return NULL;
        leave(watches, watch);
        list_unlink(&watch->item.link);
        free(watch);
        return NULL;
}

void watches_clear(Watches *watches)
{
        list_for_each_safe(it, &watches->list)
                if (list_entry(it, Watch, link)->armed)
                        watch_free(watches, list_entry(it, Watch, link));
        list_for_each_safe(it, &watches->cancelled)
                watch_free(watches, list_entry(it, Watch, link));
}

static void move_to_cancelled(Watches *watches, Watch *watch)
{
        watch_mute(watch);
        list_unlink(&watch->link);
        list_append(&watches->cancelled, &watch->link);
}

void watches_arm(Watches *watches, Watch *watch)
{
        /* The library has one entry for both. */
        list_for_each_safe(it, &watches->cancelled) {
                Watch *old = list_entry(it, Watch, link);

                if (old->request == watch->request && old->len == watch->len &&
                        !strcmp(old->path, watch->path))
                        watch_free(watches, old);
        }
        watch->armed = true;
        if (!watch->handler)
                move_to_cancelled(watches, watch);
}

void watch_mute(Watch *watch)
{
        watch->handler = NULL;
        watch->userdata = NULL;
}

void watches_cancel(Watches *watches, const void *userdata)
{
        list_for_each_safe(it, &watches->list) {
                Watch *watch = list_entry(it, Watch, link);

                if (watch->armed && watch->userdata == userdata)
                        move_to_cancelled(watches, watch);
        }
}

static bool concerns(const Watch *watch, enum WatchKind kind)
{
        switch (kind) {
        case WATCH_CREATED:
                return watch->request == REQUEST_EXISTS;
        case WATCH_DELETED:
                return true;
        case WATCH_CHANGED:
                return watch->request != REQUEST_CHILDREN;
        case WATCH_CHILDREN:
                return watch->request == REQUEST_CHILDREN;
        }
        return false;
}

/* Returns false for a type that is no watch: a session event, a watch that was removed. */
static bool kind_from_type(int type, enum WatchKind *kind)
{
        if (type == ZOO_CREATED_EVENT)
                *kind = WATCH_CREATED;
        else if (type == ZOO_DELETED_EVENT)
                *kind = WATCH_DELETED;
        else if (type == ZOO_CHANGED_EVENT)
                *kind = WATCH_CHANGED;
        else if (type == ZOO_CHILD_EVENT)
                *kind = WATCH_CHILDREN;
        else
                return false;
        return true;
}

void watches_fire(Watches *watches, int type, const char *path)
{
        enum WatchKind kind;

        if (!kind_from_type(type, &kind))
                return;
        list_for_each_safe(it, &watches->list) {
                Watch *watch = list_entry(it, Watch, link);

                if (!watch->armed || !concerns(watch, kind) || strcmp(watch->path, path))
                        continue;
                leave(watches, watch);
                watch->kind = kind;
                inbox_put(watches->inbox, &watch->item);
        }
        list_for_each_safe(it, &watches->cancelled) {
                Watch *watch = list_entry(it, Watch, link);

                if (concerns(watch, kind) && !strcmp(watch->path, path))
                        watch_free(watches, watch);
        }
}
