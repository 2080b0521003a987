/* One handle of the ZooKeeper library on the loop: sockets that change under our feet, timers,
 * log lines. It knows nothing of requests and sessions; what it learns goes to the inbox.
 *
 * Invariants
 * - The loop never watches the library's own descriptor but a CLOEXEC duplicate of it, which lives
 *   exactly as long as the socket behind it (told by the inode). The library closes and opens its
 *   socket inside its calls, usually with the same number, and epoll forgets a closed one silently.
 * - zookeeper_process() comes before zookeeper_interest(): after a freeze the answer that waits in
 *   the socket must be read before the library looks at its clock.
 * - Nothing blocks but handle_farewell(): servers are numeric addresses, never resolved again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>
#include "client/client.h"
#include "client/inbox.h"

#define HANDLE_TEXT_MAX 160

typedef struct Handle Handle;

enum HandleNewsKind {
        HANDLE_ATTEMPT,      /* began to connect to .address */
        HANDLE_CONNECTED,    /* .id, .timeout_usec; may be a new connection even without a loss before */
        HANDLE_DISCONNECTED, /* the connection or attempt is over: .address, .text why */
        HANDLE_EXPIRED,
        HANDLE_DENIED, /* authentication failed */
};

typedef struct HandleNews {
        InboxItem item;
        enum HandleNewsKind kind;
        int64_t id;
        uint64_t timeout_usec;
        unsigned losses; /* of connections and attempts before */
        char address[64];
        char text[HANDLE_TEXT_MAX];
} HandleNews;

typedef struct HandleConfig {
        const char *servers; /* "address:port,..." numeric, odd in number */
        uint64_t timeout_usec;
        const char *auth_scheme, *auth_cert; /* NULL: none */
        const ClientSession *session;        /* to go on with; NULL: a new one */
} HandleConfig;

/* Returns 0 or a negative errno. News go to INBOX, to be freed with free(). */
int handle_new(Handle **out, sd_event *event, Inbox *inbox, const HandleConfig *config);
/* Frees it without a word to the server, at once. Requests still out complete inside. */
Handle *handle_free(Handle *handle);
/* Closes the session and frees the handle. Blocks for one round trip, and if the server hangs just
 * now for 1.5 s (3 s with a full socket): make sure before that it answers. */
Handle *handle_farewell(Handle *handle);

/* For zoo_a* calls; after each of them comes handle_touch(). */
zhandle_t *handle_zookeeper(Handle *handle);
void handle_touch(Handle *handle);
/* Shuts the connection down, so that the library goes on to the next server; WHY is for people. */
void handle_cut(Handle *handle, const char *why);
/* Begins no attempt before UNTIL_USEC (CLOCK_BOOTTIME). */
void handle_pause(Handle *handle, uint64_t until_usec);
/* Other servers from the next attempt on. */
void handle_set_servers(Handle *handle, const char *servers);
/* Whether the connection that CONNECTED told of is still the one in use. If not, the news of its
 * end are in the inbox, and the library would send what it is given on the next connection. */
bool handle_is_on(const Handle *handle, const HandleNews *connected);
/* Of the session. Returns false before there is one. */
bool handle_password(const Handle *handle, char password[static 16]);
/* "" if none is in use or being tried. */
const char *handle_server(const Handle *handle);
