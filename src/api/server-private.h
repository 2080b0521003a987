/* The parts of the server: a door for each listening socket, its connections, the requests on them, and the
 * listeners to events. Owned from top to bottom; libmicrohttpd calls us only from within door_run() and
 * door_deinit(). */
#pragma once

#include <microhttpd.h>
#include <systemd/sd-event.h>
#include "api/event-log.h"
#include "api/router.h"
#include "api/server.h"
#include "util/list.h"

/* Of all answers that are being sent together; what would go beyond is a 503, unless it is the only one. */
#define SERVER_ANSWERS_BYTES_MAX (16U << 20)
#define SERVER_LISTENERS_MAX 32
#define SERVER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 50)

/* The same large answer for all who ask within one turn of the loop; so a turn costs one of them. */
typedef struct AnswerCache {
        struct MHD_Response *response;
        char *target;
        unsigned status;
        bool openmetrics;
} AnswerCache;

typedef struct Door {
        Api *api;
        bool is_control; /* the Unix socket */
        int fd;          /* listening */
        struct MHD_Daemon *daemon;
        sd_event_source *accept, *pause, *epoll, *timer, *again;
        ListLink connections; /* the one longest without a request first */
        ListLink answers;     /* that are to come later */
        unsigned n_connections, limit;
        uint64_t turns; /* of the library */
        AnswerCache cache;
} Door;

struct Api {
        sd_event *event;
        const ApiOps *ops;
        void *userdata;
        gid_t gid;  /* may use the Unix socket; LISTENER_NO_GROUP */
        char *path; /* of the Unix socket if its file is ours to remove, with its device and inode */
        uint64_t device, inode;
        bool kept;
        Door control, public;
        size_t answers_bytes; /* of all answers being sent */
        EventLog log;
        ListLink listeners;
        unsigned n_listeners;
        sd_event_source *heartbeat;
};

enum ConnectionUse {
        CONNECTION_IDLE,    /* no whole request yet: may be closed for a newcomer */
        CONNECTION_SENDING, /* is sent an answer: only if there is no idle one */
        CONNECTION_WAITING, /* waits for an answer or for events: is left alone */
};

typedef struct Connection {
        ListLink link;
        int fd; /* the library's */
        enum ConnectionUse use;
        uint64_t since; /* Door.turns when it came */
} Connection;

/* door.c */
int door_init(Door *door, Api *api, int fd, bool is_control);
/* A connection of it was resumed: the library is to have a turn. Every MHD_resume_connection() is followed by it.
 */
void door_wake(Door *door);
/* Closes all connections, and the listening socket. */
void door_deinit(Door *door);

/* request.c: callbacks of the library */
void *request_on_target(void *door, const char *target, struct MHD_Connection *connection);
enum MHD_Result request_on_data(void *door, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *upload, size_t *upload_size, void **request);
void request_on_completed(
        void *door, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode code);
void request_forget_cache(Door *door);
/* Lets those that wait for a later answer end without one. */
void request_resume_all(Door *door);

/* events.c */
typedef struct Listener Listener;
/* The response of a new listener; NULL: there are too many, or no memory. LISTENER is valid until it ends. */
struct MHD_Response *events_listen(Api *api, struct MHD_Connection *connection);
/* Lets all listeners end. */
void events_deinit(Api *api);
