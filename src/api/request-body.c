#include "api/request-body.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "util/macros.h"
#include "util/signal-name.h"

#define BAD_REQUEST 400
#define REFUSE(...) (snprintf(problem, problem_size, __VA_ARGS__), BAD_REQUEST)

static inline void json_decref_cleanup(json_t **json)
{
        json_decref(*json);
}
#define CLEANUP_JSON __attribute__((cleanup(json_decref_cleanup))) json_t *

/* An object whose only member may be NAME (NULL: none). LEN 0 is taken for {}. */
static int load(const char *body, size_t len, const char *name, json_t **out, char *problem, size_t problem_size)
{
        CLEANUP_JSON json = NULL;
        json_error_t error;
        const char *key;
        json_t *value;

        json = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &error) : json_object();
        if (!json && len)
                return REFUSE("the body is no JSON: line %d, column %d: %s", error.line, error.column, error.text);
        if (!json_is_object(json))
                return REFUSE("the body is no JSON object; write {} or leave it away");
        json_object_foreach(json, key, value) if (!name || strcmp(key, name) != 0) return REFUSE(
                "the body has a member '%.100s' that is not known here; known: %s", key, name ? name : "none");
        *out = TAKE(json);
        return 0;
}

int request_body_check_empty(const char *body, size_t len, char *problem, size_t problem_size)
{
        CLEANUP_JSON json = NULL;

        return load(body, len, NULL, &json, problem, problem_size);
}

int request_body_read_signal(const char *body, size_t len, int *out, char *problem, size_t problem_size)
{
        CLEANUP_JSON json = NULL;
        const json_t *value;
        int status = load(body, len, "signal", &json, problem, problem_size), number = -1;

        if (status)
                return status;
        value = json_object_get(json, "signal");
        if (!value)
                return REFUSE("the body names no signal; write {\"signal\": \"HUP\"}");
        if (json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) <= SIGRTMAX)
                number = (int)json_integer_value(value);
        else if (json_is_string(value))
                number = signal_from_string(json_string_value(value));
        if (number <= 0)
                return REFUSE("the member 'signal' is no signal; write a name, as in {\"signal\": \"HUP\"}");
        *out = number;
        return 0;
}
