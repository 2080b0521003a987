/* zksup status: what the supervisor on this host runs: a table, a page for one unit, or the answer as it is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cli/control.h"
#include "cli/status-text.h"
#include "util/clock.h"

#define VERB "status"
#define STATUS_NOT_READY 3 /* as that of init scripts and systemctl: "not running" */

typedef struct StatusOptions {
        Control control;
        uint64_t lines;
        bool json, names;
} StatusOptions;

#define AT(member) offsetof(StatusOptions, member)
static const OptionSpec specs[] = {
        CONTROL_OPTIONS(StatusOptions, control),
        {"timeout", 0, "TIME", value_parse_duration, AT(control.timeout_usec),
                "give up when there is no answer by then (30s)"},
        {"lines", 'n', "N", value_parse_number, AT(lines), "of the log of a single unit (10)"},
        {"json", 'j', NULL, NULL, AT(json), "print JSON"},
        {"names", 0, NULL, NULL, AT(names), "print the names only"},
        {NULL},
};
#undef AT

static int judge(const json_t *units)
{
        const json_t *unit;
        size_t i;

        json_array_foreach(units, i, unit) if (!status_text_is_well(unit)) return STATUS_NOT_READY;
        return 0;
}

/* Named ones are to run, whether they are wanted or not. */
static int judge_named(const json_t *units)
{
        const json_t *unit;
        size_t i;

        json_array_foreach(units, i, unit) if (!control_is(unit, "ready")) return STATUS_NOT_READY;
        return 0;
}

static void print_names(const json_t *units)
{
        const json_t *unit;
        size_t i;

        json_array_foreach(units, i, unit) puts(control_string(unit, "name"));
}

static int show_page(const StatusOptions *o, const json_t *unit, const Style *style)
{
        CLEANUP_STRING path = control_unit_path(control_string(unit, "name"), NULL);
        CLEANUP_STRING log_path = control_unit_path(control_string(unit, "name"), "log");
        json_t *full = NULL, *log = NULL;
        char query[600];
        unsigned http = 0;
        int status;

        if (!path || !log_path)
                return cli_problem(VERB, "out of memory");
        status = control_ask(&o->control, "GET", path, NULL, &full);
        snprintf(query, sizeof(query), "%s?lines=%" PRIu64, log_path, o->lines);
        if (status == 0 && o->lines && !o->json)
                status = control_try(&o->control, "GET", query, NULL, &http, &log);
        if (status == 0 && o->json) {
                json_dumpf(full, stdout, JSON_INDENT(2));
                putchar('\n');
        } else if (status == 0) {
                status_text_page(full, http == 200 ? log : NULL, style, stdout);
        }
        json_decref(full);
        json_decref(log);
        return status;
}

static int show(const StatusOptions *o, json_t *answer, const json_t *chosen, int n)
{
        Style style = style_of_stdout();
        int status = 0;

        if (o->names) {
                print_names(chosen);
                return 0;
        }
        if (n == 1 && json_array_size(chosen) == 1) {
                status = show_page(o, json_array_get(chosen, 0), &style);
        } else if (o->json) {
                json_object_set(answer, "units", (json_t *)chosen);
                json_dumpf(answer, stdout, JSON_INDENT(2));
                putchar('\n');
        } else if (!o->control.quiet) {
                status_text_header(answer, &style, stdout);
                putchar('\n');
                status_text_table(chosen, &style, stdout);
        }
        if (status == 0 && (fflush(stdout) == EOF || ferror(stdout)))
                status = cli_problem(VERB, "cannot write the answer");
        return status ? status : n ? judge_named(chosen) : judge(chosen);
}

int cmd_status(int argc, char **argv)
{
        StatusOptions o = {.control = control_default(VERB), .lines = 10};
        json_t *answer = NULL, *chosen = NULL;
        int n, status;

        switch (operands_parse(argc, argv, specs, &o, VERB " [OPTION]... [UNIT]...", &n)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        if (o.lines > 10000)
                return cli_problem(VERB, "--lines %" PRIu64 ": at most 10000 are kept", o.lines);
        status = control_ask(
                &o.control, "GET", o.json && n != 1 ? "/v1/units?full=1" : "/v1/units", NULL, &answer);
        if (status == 0)
                status = control_choose(&o.control, json_object_get(answer, "units"), argv, n, &chosen);
        if (status == 0)
                status = show(&o, answer, chosen, n);
        json_decref(answer);
        json_decref(chosen);
        return status;
}
