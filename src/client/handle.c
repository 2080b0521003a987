#include "client/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

/* After a call that fails the library's own idea of when to call again is not set. */
#define ERROR_DELAY_USEC (50 * USEC_PER_MSEC)
/* One message is processed per call; the rest waits for other event sources after so many. */
#define MESSAGES_MAX 64

struct Handle {
        zhandle_t *zh;
        sd_event *event;
        Inbox *inbox;
        sd_event_source *io, *timer;
        ino_t inode; /* of the socket that IO watches a duplicate of; 0: none */
        bool live;   /* an attempt or a connection is on; its end is news */
        unsigned losses;
        bool end_told;
        bool closing; /* callbacks from now on are the end of everything and no news */
        uint64_t pause_until_usec;
        char server[64];
        char reason[HANDLE_TEXT_MAX]; /* why the connection ends, "" if not known */
        char failed[64];              /* the server that REASON is about */
};

/* The log callback of the library has no context. There is one thread, so whoever calls the
 * library says here on whose behalf. */
static Handle *current;

static Handle *enter(Handle *handle)
{
        Handle *before = current;

        current = handle;
        return before;
}

/* "Socket 127.0.0.1:2181 zk retcode=-4, errno=111(Connection refused): server refused ..." is the
 * only trace of why an attempt failed: the socket's error is read and the socket gone by then.
 * Should the text ever change, the reason is "connection lost" and nothing else suffers. */
static void note_reason(Handle *handle, const char *line)
{
        const char *socket_at = strstr(line, "Socket "), *errno_at = strstr(line, "errno=");
        int code;

        if (!socket_at || !errno_at || sscanf(errno_at, "errno=%d", &code) != 1)
                return;
        if (handle->reason[0])
                return; /* a cut of our own knows better */
        sscanf(socket_at, "Socket %63s", handle->failed);
        if (strstr(errno_at, "failed while receiving"))
                snprintf(handle->reason, sizeof(handle->reason), "the server closed the connection");
        else
                snprintf(handle->reason, sizeof(handle->reason), "%s",
                        code ? strerror(code) : "connection lost");
}

static void on_log(const char *line)
{
        const char *text = strstr(line, ": ");

        if (current)
                note_reason(current, line);
        log_debug("zookeeper: %s", text ? text + 2 : line);
}

/* Returns whether it is in the inbox. */
static bool tell(Handle *handle, enum HandleNewsKind kind)
{
        HandleNews *news;

        if (handle->closing)
                return true;
        news = calloc(1, sizeof(*news));
        if (!news) {
                /* The watchdog cuts what stays unsaid; for the end of the session see update(). */
                log_error("out of memory: a change of the connection to ZooKeeper goes unnoticed");
                return false;
        }
        news->item.kind = INBOX_HANDLE;
        list_init(&news->item.link);
        news->kind = kind;
        news->losses = handle->losses;
        snprintf(news->address, sizeof(news->address), "%s", handle->server);
        if (kind == HANDLE_CONNECTED) {
                news->id = zoo_client_id(handle->zh)->client_id;
                news->timeout_usec = (uint64_t)zoo_recv_timeout(handle->zh) * USEC_PER_MSEC;
        } else if (kind == HANDLE_DISCONNECTED) {
                if (handle->failed[0])
                        snprintf(news->address, sizeof(news->address), "%s", handle->failed);
                snprintf(news->text, sizeof(news->text), "%s",
                        handle->reason[0] ? handle->reason : "connection lost");
        }
        inbox_put(handle->inbox, &news->item);
        return true;
}

static void tell_end(Handle *handle, int state)
{
        if (!handle->end_told)
                handle->end_told =
                        tell(handle, state == ZOO_AUTH_FAILED_STATE ? HANDLE_DENIED : HANDLE_EXPIRED);
}

static void set_server(Handle *handle)
{
        const char *server = zoo_get_current_server(handle->zh);

        snprintf(handle->server, sizeof(handle->server), "%s", server ? server : "");
}

static void begin(Handle *handle)
{
        handle->live = true;
        handle->reason[0] = handle->failed[0] = '\0';
        set_server(handle);
        tell(handle, HANDLE_ATTEMPT);
}

static void finish(Handle *handle)
{
        if (!handle->live)
                return;
        handle->live = false;
        handle->losses++;
        tell(handle, HANDLE_DISCONNECTED);
        handle->reason[0] = handle->failed[0] = handle->server[0] = '\0';
}

/* Runs inside the library: queues only. */
static void on_session(zhandle_t *zh, int type, int state, const char *path, void *context)
{
        Handle *handle = context;

        if (type != ZOO_SESSION_EVENT || handle->closing)
                return;
        handle->zh = zh; /* the first event may come before zookeeper_init2() has returned */
        if (state == ZOO_CONNECTED_STATE)
                tell(handle, HANDLE_CONNECTED);
        else if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE)
                tell_end(handle, state);
        else
                finish(handle);
}

static void on_auth(int rc, const void *data)
{
        /* A refusal comes as a session event as well; a lost connection means another try. */
        if (rc == ZAUTHFAILED)
                log_debug("zookeeper: authentication refused");
}

static void update(Handle *handle);

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Handle *handle = userdata, *before = enter(handle);
        int events = 0, n = 0, rc;

        /* A hang-up while connecting is only seen by a library that was told "writable". */
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
                events |= ZOOKEEPER_READ;
        if (revents & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                events |= ZOOKEEPER_WRITE;
        do {
                rc = zookeeper_process(handle->zh, events);
                events = ZOOKEEPER_READ;
        } while (rc == ZOK && ++n < MESSAGES_MAX);
        update(handle);
        current = before;
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Handle *handle = userdata, *before = enter(handle);

        update(handle);
        current = before;
        return 0;
}

/* Watches another socket, or none. Returns 0 or a negative errno. */
static int watch_socket(Handle *handle, int fd, ino_t inode)
{
        CLEANUP_FD copy = -1;
        int r;

        handle->io = sd_event_source_disable_unref(handle->io);
        handle->inode = 0;
        if (fd < 0)
                return 0;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return -errno;
        r = sd_event_add_io(handle->event, &handle->io, copy, 0, on_io, handle);
        if (r < 0)
                return r;
        (void)sd_event_source_set_io_fd_own(handle->io, true);
        copy = -1;
        (void)sd_event_source_set_priority(handle->io, INBOX_PRIORITY_IO);
        handle->inode = inode;
        return 0;
}

static void arm_timer(Handle *handle, uint64_t delay_usec)
{
        (void)sd_event_source_set_time_relative(handle->timer, delay_usec);
        (void)sd_event_source_set_enabled(handle->timer, SD_EVENT_ONESHOT);
}

/* The socket that the library has now, after FD and INTEREST came out of zookeeper_interest(). */
static int follow_socket(Handle *handle, int fd, int interest)
{
        struct stat st;
        ino_t inode = fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
        uint32_t events = 0;
        int r;

        if (inode != handle->inode) {
                finish(handle);
                r = watch_socket(handle, inode ? fd : -1, inode);
                if (r < 0)
                        return r;
                if (inode)
                        begin(handle);
        }
        if (!handle->io)
                return 0;
        events |= interest & ZOOKEEPER_READ ? EPOLLIN : 0;
        events |= interest & ZOOKEEPER_WRITE ? EPOLLOUT : 0;
        return sd_event_source_set_io_events(handle->io, events);
}

static uint64_t ask_interest(Handle *handle)
{
        struct timeval tv = {0};
        int fd = -1, interest = 0, rc, r;

        rc = zookeeper_interest(handle->zh, &fd, &interest, &tv);
        if (rc != ZOK) {
                /* The results are not set. A ping that could not be sent leaves the socket to be found
                 * dead by reading; an attempt that failed right inside is news, too. */
                if (zoo_state(handle->zh) == ZOO_CONNECTED_STATE)
                        return ERROR_DELAY_USEC;
                if (!handle->live && !is_unrecoverable(handle->zh)) {
                        handle->live = true;
                        tell(handle, HANDLE_ATTEMPT);
                }
                (void)follow_socket(handle, -1, 0);
                finish(handle);
                return ERROR_DELAY_USEC;
        }
        r = follow_socket(handle, fd, interest);
        if (r < 0) {
                log_error("cannot watch the connection to ZooKeeper: %s", strerror(-r));
                return ERROR_DELAY_USEC;
        }
        return (uint64_t)tv.tv_sec * USEC_PER_SEC + (uint64_t)tv.tv_usec;
}

/* A send that fails closes the socket and says nothing to anybody. All requests stay in the
 * library, which would send them once more on the next connection, possibly from the middle of
 * one, and then take the answers for those of others. An attempt that fails makes it complete
 * them as lost, so it gets one. */
static void disown_requests(Handle *handle)
{
        struct timeval tv;
        int fd = -1, interest;

        finish(handle);
        (void)watch_socket(handle, -1, 0);
        if (zookeeper_interest(handle->zh, &fd, &interest, &tv) == ZOK && fd >= 0) {
                (void)shutdown(fd, SHUT_RDWR);
                (void)zookeeper_process(handle->zh, ZOOKEEPER_READ | ZOOKEEPER_WRITE);
        }
        /* At the end of its list the library now wants to wait once; the failure was ours. */
        if (!is_unrecoverable(handle->zh))
                (void)zookeeper_interest(handle->zh, &fd, &interest, &tv);
}

static void update(Handle *handle)
{
        uint64_t now_usec;

        if (is_unrecoverable(handle->zh)) {
                (void)watch_socket(handle, -1, 0);
                tell_end(handle, zoo_state(handle->zh));
                if (handle->end_told)
                        (void)sd_event_source_set_enabled(handle->timer, SD_EVENT_OFF);
                else
                        arm_timer(handle, ERROR_DELAY_USEC);
                return;
        }
        if (handle->live && zoo_state(handle->zh) == ZOO_NOTCONNECTED_STATE)
                disown_requests(handle);
        now_usec = clock_boottime_usec();
        if (!handle->live && now_usec < handle->pause_until_usec) {
                (void)watch_socket(handle, -1, 0);
                arm_timer(handle, handle->pause_until_usec - now_usec);
                return;
        }
        arm_timer(handle, ask_interest(handle));
}

static int make(Handle *handle, const HandleConfig *config)
{
        Handle *before = enter(handle);
        clientid_t id = {0};
        int r = 0;

        if (config->session) {
                id.client_id = config->session->id;
                memcpy(id.passwd, config->session->password, sizeof(id.passwd));
        }
        zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
        zoo_deterministic_conn_order(1); /* the list comes shuffled */
        handle->zh = zookeeper_init2(config->servers, on_session, (int)(config->timeout_usec / USEC_PER_MSEC),
                config->session ? &id : NULL, handle, ZOO_NO_LOG_CLIENTENV, on_log);
        if (!handle->zh) {
                r = errno ? -errno : -EINVAL;
        } else {
                /* Else every zookeeper_interest() resolves the list anew (ZOOKEEPER-1998). */
                (void)zoo_set_servers_resolution_delay(handle->zh, -1);
                if (config->auth_scheme && zoo_add_auth(handle->zh, config->auth_scheme, config->auth_cert,
                                                   (int)strlen(config->auth_cert), on_auth, NULL) != ZOK)
                        r = -ENOMEM;
        }
        current = before;
        return r;
}

int handle_new(Handle **out, sd_event *event, Inbox *inbox, const HandleConfig *config)
{
        Handle *handle = calloc(1, sizeof(*handle));
        int r;

        if (!handle)
                return -ENOMEM;
        handle->event = sd_event_ref(event);
        handle->inbox = inbox;
        r = sd_event_add_time_relative(
                event, &handle->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer, handle);
        if (r >= 0)
                r = sd_event_source_set_priority(handle->timer, INBOX_PRIORITY_IO);
        if (r >= 0)
                r = make(handle, config);
        if (r < 0) {
                handle_free(handle);
                return r;
        }
        *out = handle;
        return 0;
}

/* Without a connection zookeeper_close() sends nothing and waits for nothing. The library takes a
 * shut-down socket for connected still, but then its send fails at once. */
static Handle *destroy(Handle *handle, bool farewell)
{
        Handle *before;

        if (!handle)
                return NULL;
        handle->closing = true;
        before = enter(NULL);
        if (!farewell && handle->io)
                (void)shutdown(sd_event_source_get_io_fd(handle->io), SHUT_RDWR);
        if (handle->zh)
                (void)zookeeper_close(handle->zh);
        current = before;
        sd_event_source_disable_unref(handle->io);
        sd_event_source_disable_unref(handle->timer);
        sd_event_unref(handle->event);
        free(handle);
        return NULL;
}

Handle *handle_free(Handle *handle)
{
        return destroy(handle, false);
}

Handle *handle_farewell(Handle *handle)
{
        return destroy(handle, true);
}

zhandle_t *handle_zookeeper(Handle *handle)
{
        current = handle; /* whoever asks for it is about to call */
        return handle->zh;
}

void handle_touch(Handle *handle)
{
        current = handle;
        update(handle);
        current = NULL;
}

void handle_cut(Handle *handle, const char *why)
{
        if (!handle->io)
                return;
        snprintf(handle->reason, sizeof(handle->reason), "%s", why);
        snprintf(handle->failed, sizeof(handle->failed), "%s", handle->server);
        (void)shutdown(sd_event_source_get_io_fd(handle->io), SHUT_RDWR);
}

void handle_pause(Handle *handle, uint64_t until_usec)
{
        handle->pause_until_usec = until_usec;
}

void handle_set_servers(Handle *handle, const char *servers)
{
        Handle *before = enter(handle);

        if (zoo_set_servers(handle->zh, servers) != ZOK)
                log_warning("the new list of ZooKeeper servers, %s, was not accepted", servers);
        (void)zoo_set_servers_resolution_delay(handle->zh, -1);
        current = before;
}

bool handle_is_on(const Handle *handle, const HandleNews *connected)
{
        return handle->losses == connected->losses;
}

bool handle_password(const Handle *handle, char password[static 16])
{
        const clientid_t *id = zoo_client_id(handle->zh);

        _Static_assert(sizeof(id->passwd) == 16, "the password of a session has 16 bytes");
        memcpy(password, id->passwd, sizeof(id->passwd));
        return id->client_id != 0;
}

const char *handle_server(const Handle *handle)
{
        return handle->server;
}
