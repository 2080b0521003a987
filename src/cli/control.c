#include "cli/control.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"
#include "util/text.h"

#define REQUEST_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define NEAR_MAX 64 /* longer names are not compared */

Control control_default(const char *verb)
{
        const char *socket = getenv("ZKSUP_SOCKET");

        return (Control){.verb = verb,
                .socket = socket && *socket ? socket : API_SOCKET_DEFAULT,
                .timeout_usec = REQUEST_TIMEOUT_USEC};
}

/* --- requests ----------------------------------------------------------------------------------- */

int control_try(const Control *control, const char *method, const char *path, const json_t *body,
        unsigned *http, json_t **json)
{
        char problem[600];
        ApiReply reply;
        int r = api_request(
                control->socket, method, path, body, control->timeout_usec, &reply, problem, sizeof(problem));

        if (r < 0) {
                (void)cli_problem(control->verb, "%s", problem);
                return r == -EACCES || r == -EPERM ? EXIT_STATUS_REFUSED : EXIT_STATUS_FAILURE;
        }
        *http = reply.status;
        *json = reply.json;
        return 0;
}

int control_refused(const Control *control, unsigned http, const json_t *json)
{
        const char *error = control_string(json, "error");

        if (*error)
                (void)cli_problem(control->verb, "%s", error);
        else
                (void)cli_problem(control->verb, "the supervisor at '%s' answers with status %u",
                        control->socket, http);
        return http == 403 ? EXIT_STATUS_REFUSED : EXIT_STATUS_FAILURE;
}

int control_ask(
        const Control *control, const char *method, const char *path, const json_t *body, json_t **json)
{
        json_t *answer = NULL;
        unsigned http = 0;
        int status = control_try(control, method, path, body, &http, &answer);

        if (status == 0 && (http < 200 || http > 299 || !json_is_object(answer)))
                status = control_refused(control, http, answer);
        if (status == 0 && json)
                *json = json_incref(answer);
        json_decref(answer);
        return status;
}

char *control_unit_path(const char *name, const char *what)
{
        TextBuffer path = {0};

        text_buffer_puts(&path, "/v1/units/");
        for (const char *p = name; *p; p++)
                if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                        strchr("-_.~", *p))
                        text_buffer_append(&path, p, 1);
                else
                        text_buffer_printf(&path, "%%%02X", (unsigned char)*p);
        if (what)
                text_buffer_printf(&path, "/%s", what);
        return text_buffer_take(&path);
}

const char *control_string(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

uint64_t control_number(const json_t *object, const char *key)
{
        double value = json_number_value(json_object_get(object, key));

        return value > 0 ? (uint64_t)value : 0;
}

bool control_is(const json_t *object, const char *key)
{
        return json_is_true(json_object_get(object, key));
}

bool control_has(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        return value && !json_is_null(value);
}

/* --- which units are meant ---------------------------------------------------------------------- */

/* How many letters have to be changed, added, left out, or swapped with the next one. */
static size_t distance(const char *a, const char *b)
{
        size_t rows[3][NEAR_MAX + 1], n = strlen(b);

        for (size_t j = 0; j <= n; j++)
                rows[0][j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        row[j] = MIN(above[j - 1] + (a[i - 1] != b[j - 1]), MIN(above[j], row[j - 1]) + 1);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = MIN(row[j], before[j - 2] + 1);
                }
        }
        return rows[strlen(a) % 3][n];
}

static bool is_near(const char *asked, const char *name)
{
        size_t n = strlen(asked), m = strlen(name);

        if (n > NEAR_MAX || m > NEAR_MAX)
                return false;
        return strcasecmp(asked, name) == 0 || (n >= 3 && strstr(name, asked)) ||
               (m >= 3 && strstr(asked, name)) || distance(asked, name) <= (n < 5 ? 1U : 2U);
}

static int no_such_unit(const Control *control, const json_t *units, const char *asked)
{
        CLEANUP(text_buffer_deinit) TextBuffer near = {0};
        const json_t *unit;
        size_t i, n = 0;

        text_buffer_puts(&near, "");
        json_array_foreach(units, i, unit)
        {
                const char *name = control_string(unit, "name");

                if (n < 5 && is_near(asked, name))
                        text_buffer_printf(&near, "%s'%s'", n++ ? ", " : "", name);
        }
        if (strpbrk(asked, "*?["))
                return cli_problem(
                        control->verb, "no unit is called like '%s'; 'zksup status' lists them", asked);
        if (n && !near.failed)
                return cli_problem(control->verb, "there is no unit '%s'; there is %s", asked, near.data);
        return cli_problem(
                control->verb, "there is no unit '%s'; 'zksup status' lists those there are", asked);
}

static bool is_meant(const char *name, const char *asked)
{
        return strcmp(name, asked) == 0 || fnmatch(asked, name, 0) == 0;
}

int control_choose(const Control *control, const json_t *units, char *const *names, int n, json_t **chosen)
{
        json_t *unit;
        size_t i;

        for (int k = 0; k < n; k++) {
                bool found = false;

                json_array_foreach(units, i, unit) found |= is_meant(control_string(unit, "name"), names[k]);
                if (!found)
                        return no_such_unit(control, units, names[k]);
        }
        *chosen = json_array();
        json_array_foreach(units, i, unit)
        {
                bool meant = n == 0;

                for (int k = 0; k < n; k++)
                        meant |= is_meant(control_string(unit, "name"), names[k]);
                if (meant)
                        json_array_append(*chosen, unit);
        }
        return *chosen ? 0 : cli_problem(control->verb, "out of memory");
}
