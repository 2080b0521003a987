/* The client half of the control interface: one request over the Unix socket, answered before it returns. For the verbs;
 * not for the loop. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_SOCKET_DEFAULT "/run/zksup/zksup.sock"

typedef struct ApiReply {
        unsigned status; /* HTTP */
        json_t *json;    /* owned; NULL if the body was none */
} ApiReply;

void api_reply_deinit(ApiReply *reply);

/* SOCKET: path. BODY may be NULL. Returns 0 (look at the status), or a negative errno with a sentence in PROBLEM that names the
 * socket and the remedy (-ENOENT, -ECONNREFUSED: no supervisor there; -EACCES; -ETIMEDOUT; -EPROTO). */
int api_request(const char *socket, const char *method, const char *path, const json_t *body, uint64_t timeout_usec,
        ApiReply *reply, char *problem, size_t problem_size);

/* Listens to /v1/events: HANDLER gets each event's name and data until it returns false, or TIMEOUT_USEC
 * are over (-ETIMEDOUT; USEC_INFINITY: never). */
typedef bool (*ApiEventHandler)(void *userdata, const char *event, const json_t *data);
int api_listen(const char *socket, uint64_t timeout_usec, ApiEventHandler handler, void *userdata, char *problem,
        size_t problem_size);
