/* The watches that are set, by path. The library calls one function with one context for all of
 * them and keeps one entry per path; who is to be told is looked up here. So a machine that goes
 * away takes its watches with it, and the library never holds a pointer that can dangle.
 *
 * Invariants
 * - Only an armed watch fires, and it is armed when the reply that sets it is read. What the library
 *   reports before belongs to an older watch on the same path, and the reply will show it anyway.
 * - What the library will re-send is counted, in .bytes: a watch that is cancelled stays here,
 *   though nobody hears of it, until it fires, is set anew by somebody else or the session ends. */
#pragma once

#include <stdbool.h>
#include "client/client.h"
#include "client/inbox.h"

/* The library re-sends all its watches in one packet when it reconnects, and the server drops the
 * connection if that is larger than 1 MB, for ever (ZOOKEEPER-706). */
#define WATCHES_BYTES_MAX 900000

typedef struct Watch {
        InboxItem item; /* once it fired */
        ListLink link;
        enum RequestKind request; /* GET, EXISTS or CHILDREN */
        enum WatchKind kind;      /* once it fired */
        uint32_t tag;
        bool armed;
        ClientReplyHandler handler;
        const void *userdata;
        size_t len;
        char path[]; /* as the server knows it */
} Watch;

typedef struct Watches {
        ListLink list;
        ListLink cancelled; /* armed, and heard by nobody */
        size_t bytes;       /* of both, in the packet that sets them anew */
        Inbox *inbox;
} Watches;

void watches_init(Watches *watches, Inbox *inbox);
/* Frees all that are armed; those that are not belong to their requests. */
void watches_clear(Watches *watches);
/* Returns NULL for want of memory. */
Watch *watch_new(Watches *watches, const char *path, enum RequestKind request, uint32_t tag,
        ClientReplyHandler handler, const void *userdata);
Watch *watch_free(Watches *watches, Watch *watch);
/* The library has set it: it belongs to WATCHES from now on. */
void watches_arm(Watches *watches, Watch *watch);
/* Nobody is to hear of it, but the library may be about to set it. */
void watch_mute(Watch *watch);
/* Nobody hears of the armed ones of USERDATA; what fired already is the caller's matter. */
void watches_cancel(Watches *watches, const void *userdata);
/* What the library reported: TYPE is one of ZOO_*_EVENT. The watches concerned go to the inbox,
 * and belong to whoever takes them out. */
void watches_fire(Watches *watches, int type, const char *path);
