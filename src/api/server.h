/* The control interface: HTTP/1.1 with JSON on a Unix socket, and a read-only listener on TCP if one is asked for.
 * libmicrohttpd runs in its external-epoll mode as one source of our loop, at a lower priority than
 * the session and the heart; it is used in this directory only.
 *
 *   GET  /v1/units[?full=1]  /v1/units/NAME  /v1/session  /v1/cluster  /v1/units/NAME/log?lines=N
 *   POST /v1/units/NAME/{start,stop,restart,signal,step-down}   body: none, {} or {"signal": "HUP"}
 *   POST /v1/reload /v1/reexec /v1/stop
 *   GET  /v1/events          server-sent events: one "unit", "session" or "reload" event a change
 * and on TCP, only GET: /sequence (of the only unit with a number, or ?unit=NAME), /healthz, /readyz[?unit=NAME],
 * /metrics. zksup-api(5) is the specification.
 *
 * Errors are {"error": "what; remedy"} with 400, 403, 404, 405, 409, 413, 500, 503.
 *
 * Invariants: memory is bounded (connections, request size, event backlog); no handler waits; a peer on the Unix socket
 * whose user is neither ours nor root's nor of the control group is refused (SO_PEERCRED) before its request is read.
 *
 * This directory knows nothing of the manager: what it shows and does comes from ApiOps. */
#pragma once

#include <systemd/sd-event.h>
#include "api/snapshot.h"
#include "util/macros.h"
#include "util/text.h"

typedef struct Api Api;
typedef struct ApiAnswer ApiAnswer; /* of a request that is answered later */

enum ApiCommand {
        API_START,
        API_STOP,
        API_RESTART,
        API_SIGNAL,
        API_STEP_DOWN,
        API_COMMAND_COUNT,
};

/* Besides the lines of GET .../log: "total" and "journal" of its answer. */
typedef struct ApiLogSource {
        uint64_t total; /* lines printed so far: what is new since the last answer is the difference */
        bool journal;   /* they are to be looked for in the journal, under the unit's name */
} ApiLogSource;

/* Those that return int return 0, or a negative errno with a sentence (what, and the remedy) in PROBLEM: -ENOENT (no such
 * unit), -EBUSY, -EINVAL, -EOPNOTSUPP (it has nothing to step down from), ... */
typedef struct ApiOps {
        const Snapshot *(*snapshot)(void *userdata);
        int (*command)(void *userdata, const char *unit, enum ApiCommand command, int signal, char *problem,
                size_t problem_size);
        /* SUMMARY: a line per unit that is added, removed, changed; PROBLEMS: those of the file. */
        int (*reload)(void *userdata, TextBuffer *summary, TextBuffer *problems);
        int (*reexec)(void *userdata, char *problem, size_t problem_size);
        int (*stop)(void *userdata, char *problem, size_t problem_size); /* the supervisor itself */
        int (*log)(void *userdata, const char *unit, size_t lines, TextBuffer *text, char *problem,
                size_t problem_size);
        /* May be NULL; after a log() that went well. */
        void (*log_source)(void *userdata, const char *unit, ApiLogSource *source);
        /* Reads the cluster from the znodes; api_answer_json() or api_answer_problem() follows, once, later. */
        void (*cluster)(void *userdata, ApiAnswer *answer);
} ApiOps;

typedef struct ApiConfig {
        const char *socket;    /* path of the Unix socket; NULL: none */
        int socket_fd;         /* it is listening already (socket activation, reexec); -1 */
        bool socket_is_ours;   /* SOCKET_FD is from api_keep(): the file is removed at the end, as if we had made it */
        const char *group;     /* may use it besides us and root: mode 0660; NULL: mode 0600 */
        const char *listen;    /* ADDRESS:PORT, numeric, read-only; NULL: none */
        int listen_fd;         /* -1 */
} ApiConfig;

/* OPS must stay. A socket left by a dead supervisor is taken over, that of a living one is not (-EADDRINUSE).
 * Returns 0 or a negative errno with a sentence in PROBLEM. */
int api_new(Api **out, sd_event *event, const ApiConfig *config, const ApiOps *ops, void *userdata, char *problem,
        size_t problem_size);
/* Removes the socket's file unless api_keep() was called. */
Api *api_free(Api *api);
CLEANUP_DEFINE(Api, api_free);
/* For a new program in our place: the listening descriptors, without CLOEXEC from now on; -1: none. */
void api_keep(Api *api, int *socket_fd, int *listen_fd);
/* Those descriptors, -1: none; and back to life, if there was no new program after all. */
void api_listening(const Api *api, int *socket_fd, int *listen_fd);
void api_unkeep(Api *api);
/* The port that the TCP listener got; 0: none. */
unsigned api_port(const Api *api);

/* JSON is taken as it is. ANSWER is gone after either; also when its peer has hung up meanwhile. */
void api_answer_json(ApiAnswer *answer, const char *json);
void api_answer_problem(ApiAnswer *answer, int error, const char *problem);

/* To everybody who listens on /v1/events. UNIT: it has changed. */
void api_tell_unit(Api *api, const SnapshotUnit *unit);
void api_tell_session(Api *api, const SnapshotSession *session);
void api_tell_reload(Api *api, bool ok, const char *summary);
/* No program takes our place after all: event "reexec", {"ok": false, "summary": WHY}. */
void api_tell_reexec_failed(Api *api, const char *why);
