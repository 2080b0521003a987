/* What the files client*.c share: the struct behind the Client of client.h, and what each of them
 * does for the others. Nobody else includes this.
 *
 *   client.c           the public face: life, the loop, handing on to the handlers
 *   client-session.c   performs what the session machine wants and tells it what the handle reports
 *   client-requests.c  the requests on their way, each answered once
 *   client-chroot.c    makes the chroot before the first attach
 *
 * Wherever a handler may have run, the client may have been freed by it: it is only marked then,
 * and stays until the handler's event source is done with it, but nothing may be begun any more. */
#pragma once

#include "client/acl.h"
#include "client/client.h"
#include "client/handle.h"
#include "client/hosts.h"
#include "client/pending.h"
#include "client/servers.h"
#include "client/watch.h"
#include "recipe/session.h"

struct Client {
        sd_event *event;
        sd_event_source *clock; /* session_deadline() */
        Random random;
        Hosts hosts;
        Acl acl;
        char *auth_scheme, *auth_cert;
        uint64_t timeout_usec;
        ClientHandler handler;
        void *userdata;

        Session session;
        Servers *servers;
        Handle *handle;   /* NULL: none, or the servers are not known yet */
        bool want_handle; /* to be made as soon as the servers are known */
        bool new_servers; /* to be told to the handle when it is not connected */
        Inbox inbox;
        Watches watches;
        ListLink out;       /* Pending: in the library, to be answered by it */
        ListLink parked;    /* Pending: made without contact, never sent */
        ListLink answering; /* Pending: being answered by us, all with the same outcome */
        ListLink abandoned; /* Pending: answered by us, but still in the library */
        size_t n_out;

        bool prepared;        /* the chroot is there */
        size_t prepare_len;   /* so much of the chroot is being created; 0: looking whether it is there */
        HandleNews connected; /* what is to be told once it is prepared */

        ClientSession adopted; /* .id 0: the session was made by us */
        bool synced;           /* what the program before us has seen, we see */

        bool close_wanted; /* when what is in the inbox has been handed on */
        int depth;         /* handlers running */
        bool freed;        /* by a handler: free when the last of them has returned */
        ClientStatistics statistics;
        int64_t last_id; /* of the session that was last attached to */
};

/* Calls the client's handler, which may free the client. */
void client_tell(Client *client, const ClientEvent *event);

/* The session takes INPUT, and what it wants is performed. Handlers may run. */
void client_session_step(Client *client, const SessionInput *input);
/* The same with an input that has nothing but its kind. */
void client_session_step_kind(Client *client, enum SessionInputKind kind);
/* Makes a handle, or wants one until the servers are known. */
void client_session_open(Client *client);
/* The connection that client->connected tells of is fit for use: everybody hears of it. */
void client_session_attach(Client *client);
void client_session_on_news(Client *client, const HandleNews *news);

void client_requests_init(Client *client);
/* After the handle is gone and the inbox is empty. */
void client_requests_deinit(Client *client);
/* Gives a request to the library, under CHROOT. */
void client_requests_send(Client *client, Pending *pending, const Request *request, const char *chroot);
/* The client's own request, not under the chroot. HANDLER gets the client. Returns 0 or -ENOMEM. */
int client_requests_send_own(Client *client, const Request *request, ClientReplyHandler handler);
/* Not sent, answered once the next attempt is over. */
void client_requests_park(Client *client, Pending *pending);
/* Not sent, answered with OUTCOME from the loop. */
void client_requests_answer_later(Client *client, Pending *pending, enum Outcome outcome);
/* From now on it is ours to answer what the library has, or what is parked. */
void client_requests_take_out(Client *client);
void client_requests_take_parked(Client *client);
/* Answers everything that was taken. */
void client_requests_answer_taken(Client *client, enum Outcome outcome);
void client_requests_answer_parked(Client *client, enum Outcome outcome);
/* The library has answered. */
void client_requests_on_reply(Client *client, Pending *pending);
/* Their handlers with USERDATA hear nothing more, of their watches neither. */
void client_requests_cancel(Client *client, const void *userdata);

/* Looks on the new connection whether the chroot is there and makes it if not, before
 * client_session_attach(); what cannot be made ends in CLIENT_DENIED. */
void client_chroot_prepare(Client *client);
