/* One request from the moment it is handed over until its answer is delivered: the copy of what
 * must live, the call of the library, the reply.
 *
 * Invariant: the library may hold a pointer to a pending that was sent until it completes it, or
 * its handle is gone, even after the client has answered it UNKNOWN. It is freed when it has been
 * answered and is no longer in the library. */
#pragma once

#include "client/acl.h"
#include "client/handle.h"
#include "client/watch.h"

typedef struct Pending {
        InboxItem item;
        ListLink link; /* in a list of the client */
        Inbox *inbox;
        Watches *watches;
        Watch *watch; /* until it is armed, or never */
        ClientReplyHandler handler;
        void *userdata;
        bool in_library; /* it has yet to complete there */
        bool counted;    /* among the outstanding ones of the session */
        bool answered;   /* the handler had its answer, or wants none */
        enum RequestKind kind;
        size_t strip; /* bytes of chroot in front of every path that comes back */
        Reply reply;
        void *data;   /* what REPLY points to: one block */
        size_t n_ops; /* of a multi */
        struct PendingOps *ops;
} Pending;

/* Of the requests that the client makes for itself; everybody's else are under its chroot. */
#define PENDING_NO_CHROOT ""

/* Returns NULL for want of memory. */
Pending *pending_new(Inbox *inbox, Watches *watches, const Request *request, const char *chroot,
        ClientReplyHandler handler, void *userdata);
/* Only when it is not in the library. */
Pending *pending_free(Pending *pending);

/* Hands REQUEST, from which PENDING was made, to the library. What the library does not take is
 * answered: the pending is in the inbox in every case but an OUTCOME_OK that is to come. */
void pending_send(
        Pending *pending, Handle *handle, const Request *request, const char *chroot, const Acl *acl);
/* Whether REQUEST is so large that the server would hang up on it. */
bool pending_is_too_large(const Request *request, const char *chroot, const Acl *acl);
/* Sets the answer of one that the library did not answer. */
void pending_set_outcome(Pending *pending, enum Outcome outcome);
