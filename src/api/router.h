/* From a request to what is answered, without a socket: the method, the target and the body go in, a status and a
 * body come out, and what is to be done is done through ApiOps. The target is taken as it was sent:
 * percent-encoding is decoded here, once, per component, so that no byte of a name is taken for a slash.
 *
 * Strict on purpose: a parameter or a member that is not known is an error (400), never passed over, so that a
 * mistyped word does not do something else than was meant. */
#pragma once

#include <stdbool.h>
#include "api/server.h"

#define ROUTER_BODY_MAX 65536 /* of a request; more is 413 */

enum RouterKind {
        ROUTER_ANSWERED, /* STATUS and BODY are the answer */
        ROUTER_CLUSTER,  /* ApiOps.cluster() answers later */
        ROUTER_EVENTS,   /* a listener to events from now on */
};

typedef struct RouterRequest {
        const char *method, *target; /* the target with its query */
        const char *accept;          /* header; NULL: none */
        const char *body;            /* LEN bytes */
        size_t len;
} RouterRequest;

typedef struct RouterReply {
        enum RouterKind kind;
        unsigned status;
        const char *type;  /* Content-Type */
        const char *allow; /* Allow; NULL: none */
        bool retry;        /* Retry-After: 1 */
        TextBuffer body;   /* to be released with text_buffer_deinit() */
} RouterReply;

/* The Unix socket, and the TCP listener. */
void router_control(const ApiOps *ops, void *userdata, const RouterRequest *request, RouterReply *reply);
void router_public(const ApiOps *ops, void *userdata, const RouterRequest *request, RouterReply *reply);

/* {"error": TEXT}; ERROR is a negative errno, or a status above 0. */
void router_refuse(RouterReply *reply, int error, const char *text);
