/* One session with the ensemble on an sd-event loop: performs the requests of the recipe machines
 * and brings replies, watches and changes of the session back. The rest of the program sees no
 * other part of the ZooKeeper client.
 *
 * What a user of it can rely on
 * - Nothing is delivered from inside a call of this header: handlers run from an event source of
 *   their own, one at a time, and may call anything here, client_free() included.
 * - Everything is delivered in the order in which it became known. The answers to requests come in
 *   the order of the requests, and a watch comes before any answer that shows what it announced.
 * - Every request is answered exactly once, unless cancelled. At SESSION_SUSPENDED all outstanding
 *   ones are answered UNKNOWN, so when SESSION_ATTACHED is delivered no answer is outstanding. What
 *   of them the ensemble still applies it applies before anything that is asked for from then on.
 * - A request made without contact is not sent, then or later. It is answered UNKNOWN when the
 *   next attempt has failed or succeeded, not at once: who repeats it does not spin.
 * - A request is of the session that the handlers know. One made after the session is gone but
 *   before SESSION_EXPIRED was delivered is answered EXPIRED; it never runs in the next session.
 * - Watches survive SUSPENDED and end with the session, silently. Their paths may be 900 kB in sum
 *   (WATCHES_BYTES_MAX), cancelled ones that have not fired included; a request for one more is REFUSED.
 * - Paths are those of the user: a chroot in the connect string is added and taken off here. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>
#include "recipe/effect.h"
#include "util/macros.h"

#define CLIENT_SESSION_TIMEOUT_USEC (15ULL * 1000000)
/* A request larger than this is REFUSED here: the server would drop the connection instead of
 * answering (jute.maxbuffer, 0xfffff by default), and everybody's requests with it. */
#define CLIENT_REQUEST_MAX 1000000

typedef struct Client Client;

/* What it takes to go on with a session in another process, or in another program in this one. */
typedef struct ClientSession {
        int64_t id;
        char password[16];
        uint64_t timeout_usec; /* T as granted when it was made */
} ClientSession;

typedef struct ClientConfig {
        const char *connect;           /* "host[:port],...[/chroot]" */
        uint64_t session_timeout_usec; /* 0: CLIENT_SESSION_TIMEOUT_USEC */
        uint64_t connect_timeout_usec; /* 0: no CLIENT_NO_ENSEMBLE ever */
        const char *auth_scheme;       /* "digest"; NULL: none */
        const char *auth_cert;         /* "user:password" */
        const char *acl; /* of the znodes created, see acl.h; NULL: creator with auth, else open */
        uint64_t seed;   /* order of servers, jitter; 0: from the kernel */
        /* To begin with this session; NULL: with a new one. At the first ATTACHED all is seen that was seen before. If it is
         * lost already, that is SESSION_EXPIRED, and on with a new one. Never two processes at once. */
        const ClientSession *session;
} ClientConfig;

enum ClientEventKind {
        CLIENT_SESSION,     /* .event, an EVENT_SESSION: hand it to every machine */
        CLIENT_NO_ENSEMBLE, /* .text; once: not attached within the connect timeout. Trying goes on */
        CLIENT_DENIED,      /* .text, .path or NULL; followed by SESSION_CLOSED */
};

typedef struct ClientEvent {
        enum ClientEventKind kind;
        const Event *event;
        const char *text; /* for people: which servers were tried and why each failed; what was denied */
        const char *path;
} ClientEvent;

typedef void (*ClientHandler)(void *userdata, const ClientEvent *event);
/* EVENT is an EVENT_REPLY or an EVENT_WATCH; what it points to lives until the handler returns. */
typedef void (*ClientReplyHandler)(void *userdata, const Event *event);

/* Starts to connect; the rest happens on the loop. CONFIG is copied, the password with it. Returns
 * 0, or a negative errno with a sentence in PROBLEM (-EINVAL: CONFIG). */
int client_new(Client **out, sd_event *event, const ClientConfig *config, ClientHandler handler,
        void *userdata, char *problem, size_t problem_size);
/* Frees at once and delivers nothing more. A session that was not closed lives on until its
 * timeout, as after a crash. Takes NULL, returns NULL. */
Client *client_free(Client *client);
CLEANUP_DEFINE(Client, client_free);

/* Performs REQUEST; the strings and data are copied as far as needed. HANDLER gets the EVENT_REPLY
 * and, if a watch was asked for and set, one EVENT_WATCH later. Returns 0, or -ENOMEM with nothing
 * done. */
int client_submit(Client *client, const Request *request, ClientReplyHandler handler, void *userdata);
/* Nothing more is delivered to handlers with USERDATA; requests already sent may still be applied. */
void client_cancel(Client *client, const void *userdata);

/* Ends the session, so that its ephemerals go at once; SESSION_CLOSED follows in every case. While
 * attached the server is first shown to answer, within a bound; without contact the session is left
 * to its timeout. The last step blocks the loop for the few milliseconds of one reply. */
void client_close(Client *client);

/* When the machine of the session next wants to be stepped, on CLOCK_BOOTTIME; USEC_INFINITY: never. One that
 * lies long behind means that nothing steps it any more. */
uint64_t client_deadline_usec(const Client *client);
/* What another program needs to go on with the session, once this one has ended without a word. Returns false unless there
 * is contact and nothing is outstanding: wait. */
bool client_save(const Client *client, ClientSession *session);

/* 0 before the first attach. */
int64_t client_session_id(const Client *client);
bool client_is_attached(const Client *client);
/* As granted; 0 before the first attach. */
uint64_t client_timeout_usec(const Client *client);
/* The address of the server in use or being tried, "" if none. Valid until the next call. */
const char *client_server(const Client *client);
/* The chroot, "" if none. */
const char *client_chroot(const Client *client);

/* Which servers were tried last and why each failed, for people: a new string, NULL if out of memory. */
char *client_describe_failures(const Client *client);

typedef struct ClientStatistics {
        uint64_t requests, replies, unknown,
                watches;                   /* handed to the library; answered; of those UNKNOWN; fired */
        uint64_t attaches, sessions, cuts; /* connections; sessions made; cut by the watchdog */
        size_t waiting;                    /* outstanding now */
} ClientStatistics;

void client_statistics(const Client *client, ClientStatistics *statistics);
