/* What the verbs share that talk to a supervisor on this host: its socket, one request, what its answers
 * mean, and which units are meant by names and patterns. */
#pragma once

#include <jansson.h>
#include "api/client.h"
#include "cli/cli.h"
#include "cli/operands.h"

typedef struct Control {
        const char *verb;
        const char *socket;    /* --socket, $ZKSUP_SOCKET, the default path */
        uint64_t timeout_usec; /* of one request */
        bool quiet;
} Control;

#define CONTROL_OPTIONS(type, member)                                                                        \
        {"socket", 's', "PATH", value_parse_string, offsetof(type, member.socket),                           \
                "of the supervisor (ZKSUP_SOCKET; " API_SOCKET_DEFAULT ")"},                                 \
        {"quiet", 'q', NULL, NULL, offsetof(type, member.quiet), "errors only"}

Control control_default(const char *verb);

/* One request. Returns 0 with an answer of 2xx in *JSON (owned by the caller), or the exit status after
 * telling why not. JSON may be NULL. */
int control_ask(
        const Control *control, const char *method, const char *path, const json_t *body, json_t **json);
/* The same, but what the supervisor says against it is left in *JSON too, untold, and its status in *HTTP. */
int control_try(const Control *control, const char *method, const char *path, const json_t *body,
        unsigned *http, json_t **json);
/* Tells the "error" of an answer. Returns the exit status for HTTP. */
int control_refused(const Control *control, unsigned http, const json_t *json);
/* "/v1/units/NAME" or "/v1/units/NAME/WHAT" in a new string, NULL when out of memory. WHAT may be NULL. */
char *control_unit_path(const char *name, const char *what);

/* The names of those of UNITS (the array of /v1/units) that are meant by N names or patterns of fnmatch(3),
 * or of all; in the order of UNITS, each once, as an array of the units themselves. Returns 0, or the exit
 * status after telling which name means nothing, and what is called nearly so. */
int control_choose(const Control *control, const json_t *units, char *const *names, int n, json_t **chosen);

/* Members of an answer: "" and 0 where there is none. */
const char *control_string(const json_t *object, const char *key);
uint64_t control_number(const json_t *object, const char *key);
bool control_is(const json_t *object, const char *key);
/* Whether KEY is there and not null. */
bool control_has(const json_t *object, const char *key);
