/* The requests on their way through the client:
 *
 *   client_submit --attached--> out --reply--> (answered, freed)
 *        |                       |--contact lost--> answering --> abandoned --library lets go--> (freed)
 *        +--no contact--> parked --attempt over---> answering --> (freed)
 *
 * A request is in one of the four lists from client_submit() until it is freed, and it is told to
 * its handler once, whoever answers it. */
#include "client/client-private.h"

#include <errno.h>
#include "util/clock.h"

void client_requests_init(Client *client)
{
        list_init(&client->out);
        list_init(&client->parked);
        list_init(&client->answering);
        list_init(&client->abandoned);
}

static void tell_reply(Client *client, Pending *pending)
{
        Event event = {.kind = EVENT_REPLY, .now_usec = clock_boottime_usec(), .reply = pending->reply};

        if (pending->answered)
                return;
        pending->answered = true;
        client->statistics.replies++;
        client->statistics.unknown += pending->reply.outcome == OUTCOME_UNKNOWN;
        if (!pending->handler || client->freed)
                return;
        client->depth++;
        pending->handler(pending->userdata, &event);
        client->depth--;
}

/* ---- answers that are ours to give ---- */

static void move_all(ListLink *from, ListLink *to)
{
        while (!list_is_empty(from)) {
                ListLink *link = from->next;

                list_unlink(link);
                list_append(to, link);
        }
}

void client_requests_take_out(Client *client)
{
        list_for_each(it, &client->out)
                list_entry(it, Pending, link)->counted = false;
        move_all(&client->out, &client->answering);
        client->n_out = 0;
}

void client_requests_take_parked(Client *client)
{
        move_all(&client->parked, &client->answering);
}

void client_requests_answer_taken(Client *client, enum Outcome outcome)
{
        while (!list_is_empty(&client->answering)) {
                Pending *pending = list_entry(client->answering.next, Pending, link);

                list_unlink(&pending->link);
                list_append(&client->abandoned, &pending->link);
                pending->watch = watch_free(&client->watches, pending->watch);
                pending_set_outcome(pending, outcome);
                tell_reply(client, pending);
                if (!pending->in_library)
                        pending_free(pending);
        }
}

void client_requests_answer_parked(Client *client, enum Outcome outcome)
{
        client_requests_take_parked(client);
        client_requests_answer_taken(client, outcome);
}

void client_requests_answer_later(Client *client, Pending *pending, enum Outcome outcome)
{
        pending->watch = watch_free(&client->watches, pending->watch);
        pending_set_outcome(pending, outcome);
        list_append(&client->out, &pending->link);
        inbox_put(&client->inbox, &pending->item);
}

void client_requests_park(Client *client, Pending *pending)
{
        pending->reply.sent_usec = clock_boottime_usec();
        list_append(&client->parked, &pending->link);
}

/* ---- those that the library answers ---- */

void client_requests_send(Client *client, Pending *pending, const Request *request, const char *chroot)
{
        list_append(&client->out, &pending->link);
        pending_send(pending, client->handle, request, chroot, &client->acl);
        pending->counted = pending->in_library;
        if (!pending->counted)
                return;
        client->n_out++;
        client->statistics.requests++;
        client_session_step_kind(client, SESSION_INPUT_ASKED);
}

int client_requests_send_own(Client *client, const Request *request, ClientReplyHandler handler)
{
        Pending *pending =
                pending_new(&client->inbox, &client->watches, request, PENDING_NO_CHROOT, handler, client);

        if (!pending)
                return -ENOMEM;
        client_requests_send(client, pending, request, PENDING_NO_CHROOT);
        return 0;
}

void client_requests_on_reply(Client *client, Pending *pending)
{
        SessionInput input = {.kind = SESSION_INPUT_ANSWERED, .now_usec = clock_boottime_usec()};
        bool counted;

        if (pending->in_library)
                return; /* answered by us meanwhile, and sent again by the library */
        counted = pending->counted;
        client->n_out -= counted;
        list_unlink(&pending->link);
        list_append(&client->abandoned, &pending->link);
        tell_reply(client, pending);
        pending_free(pending);
        input.waiting = client->n_out;
        if (counted && !client->freed)
                client_session_step(client, &input);
}

/* ---- their end ---- */

static void cancel_in(Client *client, ListLink *list, const void *userdata)
{
        list_for_each(it, list) {
                Pending *pending = list_entry(it, Pending, link);

                if (pending->userdata != userdata)
                        continue;
                pending->handler = NULL;
                if (pending->watch && pending->in_library)
                        watch_mute(pending->watch);
                else
                        pending->watch = watch_free(&client->watches, pending->watch);
        }
}

void client_requests_cancel(Client *client, const void *userdata)
{
        cancel_in(client, &client->out, userdata);
        cancel_in(client, &client->parked, userdata);
        cancel_in(client, &client->answering, userdata);
}

static void free_pendings(ListLink *list)
{
        list_for_each_safe(it, list) {
                Pending *pending = list_entry(it, Pending, link);

                pending->in_library = false; /* its handle is gone */
                pending_free(pending);
        }
}

void client_requests_deinit(Client *client)
{
        free_pendings(&client->out);
        free_pendings(&client->parked);
        free_pendings(&client->answering);
        free_pendings(&client->abandoned);
}
