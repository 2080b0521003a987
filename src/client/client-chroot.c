/* The chroot of the connect string: made, from the top down, on the first attach if it is not
 * there. Until then nobody hears that the connection is up. A connection that is lost in between
 * leaves everything to the next one, which begins again. */
#include "client/client-private.h"

#include <stdio.h>
#include <string.h>

static void on_reply(void *userdata, const Event *event);

static void ask(Client *client)
{
        CLEANUP_STRING path = strndup(client->hosts.chroot, client->prepare_len);
        Request request = {.kind = REQUEST_EXISTS, .path = client->hosts.chroot};

        if (!handle_is_on(client->handle, &client->connected))
                return; /* the next connection begins again */
        if (client->prepare_len)
                request = (Request){.kind = REQUEST_CREATE, .mode = CREATE_PERSISTENT, .path = path};
        if (!path || client_requests_send_own(client, &request, on_reply) < 0)
                handle_cut(client->handle, "out of memory"); /* and try again */
}

static void on_denied(Client *client, enum Outcome outcome)
{
        CLEANUP_STRING path = strndup(client->hosts.chroot,
                client->prepare_len ? client->prepare_len : strlen(client->hosts.chroot));
        char text[512];

        snprintf(text, sizeof(text),
                "%s: cannot create this znode of the connect string: %s; have it created, or %s",
                path ? path : client->hosts.chroot, outcome_to_string(outcome),
                client->auth_cert ? "use credentials that may" : "give --auth-file");
        client_tell(client, &(ClientEvent){.kind = CLIENT_DENIED, .text = text, .path = path});
        client_session_step_kind(client, SESSION_INPUT_DENIED);
}

/* From the top down: "/a", "/a/b". */
static void create_next(Client *client)
{
        const char *chroot = client->hosts.chroot;

        if (client->prepare_len && !chroot[client->prepare_len]) {
                client_session_attach(client);
                return;
        }
        client->prepare_len += 1 + strcspn(chroot + client->prepare_len + 1, "/");
        ask(client);
}

static void on_reply(void *userdata, const Event *event)
{
        Client *client = userdata;

        switch (event->reply.outcome) {
        case OUTCOME_OK:
                if (!client->prepare_len)
                        client_session_attach(client);
                else
                        create_next(client);
                break;
        case OUTCOME_NODE_EXISTS:
                create_next(client);
                break;
        case OUTCOME_NO_NODE:
                client->prepare_len = 0; /* a parent may have gone again */
                create_next(client);
                break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                break; /* the next connection begins again */
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
                on_denied(client, event->reply.outcome);
                break;
        }
}

void client_chroot_prepare(Client *client)
{
        client->prepare_len = 0;
        ask(client);
}

const char *client_chroot(const Client *client)
{
        return client->hosts.chroot;
}
