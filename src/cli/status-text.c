#include "cli/status-text.h"

#include <inttypes.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"

/* How long ago, from a member that says it in seconds. */
static const char *age(const json_t *object, const char *key, char buf[AGE_STRING_MAX])
{
        const uint64_t now = UINT64_MAX / 2;
        double seconds = json_number_value(json_object_get(object, key));

        if (!control_has(object, key) || seconds < 0)
                return strcpy(buf, "-");
        return age_to_string(now - (uint64_t)(seconds * (double)USEC_PER_SEC), now, buf);
}

/* "2026-11-21T14:03:05.123456Z" without the fraction, for people. */
static const char *time_to_string(const json_t *object, const char *key, char buf[64])
{
        const char *text = control_string(object, key), *t = strchr(text, 'T');

        if (!t || strlen(t) < 9)
                return strcpy(buf, "-");
        snprintf(buf, 64, "%.*s %.8s UTC", (int)MIN(t - text, 20), text, t + 1);
        return buf;
}

static const char *seconds_to_string(const json_t *object, const char *key, char buf[DURATION_STRING_MAX])
{
        double seconds = json_number_value(json_object_get(object, key));

        /* to a tenth: more is not read */
        return duration_to_string((uint64_t)(seconds * 10 + 0.5) * (USEC_PER_SEC / 10), buf);
}

const char *status_text_state(const json_t *unit, enum Colour *colour)
{
        static const struct {
                const char *state, *word;
                enum Colour colour;
        } words[] = {{"ready", "ready", COLOUR_GOOD}, {"gate", "waiting", COLOUR_BUSY},
                {"failed", "failed", COLOUR_BAD}, {"down", "down", COLOUR_DIM},
                {"finished", "finished", COLOUR_DIM}, {"backoff", "restarting", COLOUR_BAD}};
        const char *state = control_string(unit, "state");

        *colour = COLOUR_BUSY;
        if (control_is(unit, "wedged")) {
                *colour = COLOUR_BAD;
                return "WEDGED";
        }
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(state, words[i].state) == 0) {
                        *colour = words[i].colour;
                        return words[i].word;
                }
        return state;
}

bool status_text_is_well(const json_t *unit)
{
        return strcmp(control_string(unit, "want"), "up") != 0 || control_is(unit, "ready") ||
               strcmp(control_string(unit, "state"), "gate") == 0;
}

/* Of what its child has: "2 leader", "leader", "held". */
static void describe_holds(const json_t *unit, char *text, size_t size)
{
        const char *role = control_string(unit, "role");
        int n = 0;

        text[0] = '\0';
        if (control_has(unit, "sequence"))
                n = snprintf(text, size, "%" JSON_INTEGER_FORMAT,
                        json_integer_value(json_object_get(unit, "sequence")));
        if (*role)
                n += snprintf(text + n, size - (size_t)n, "%s%s", n ? " " : "", role);
        if (n == 0)
                snprintf(text, size, "%s", control_has(unit, "token") ? "held" : "-");
}

void status_text_header(const json_t *status, const Style *style, FILE *file)
{
        const json_t *supervisor = json_object_get(status, "supervisor"),
                     *session = json_object_get(status, "session");
        const char *state = control_string(session, "state"), *failures = control_string(session, "failures"),
                   *config = control_string(supervisor, "config");
        enum Colour colour = strcmp(state, "attached") == 0 ? COLOUR_GOOD : COLOUR_BAD;
        char since[AGE_STRING_MAX], changed[AGE_STRING_MAX], lease[DURATION_STRING_MAX];
        CLEANUP_STRING why = table_clean_text(failures);

        fprintf(file, "zksup %s on %s, process %" PRIu64 ", begun %s%s%s\n",
                control_string(supervisor, "version"), control_string(supervisor, "host"),
                control_number(supervisor, "pid"), age(supervisor, "started_seconds", since),
                *config ? ", " : "", config);
        fprintf(file, "session %s%s%s%s%s %s%s%s, %s%s%s\n", style_begin(style, colour), state,
                style_end(style, colour), control_has(session, "id") ? " " : "",
                control_string(session, "id"), colour == COLOUR_GOOD ? "at " : "to ",
                control_string(session, colour == COLOUR_GOOD ? "server" : "connect"),
                control_string(session, "chroot"), age(session, "since_seconds", changed),
                control_number(session, "timeout_seconds") ? ", lease " : "",
                control_number(session, "timeout_seconds")
                        ? seconds_to_string(session, "lease_seconds", lease)
                        : "");
        if (why && *why)
                fprintf(file, "%s\n", why);
}

void status_text_table(const json_t *units, const Style *style, FILE *file)
{
        static const char *const headers[] = {"UNIT", "STATE", "SINCE", "HOLDS", "PID", "RESTARTS", "TEXT"};
        CLEANUP(table_deinit)
        Table table = {.headers = headers, .n_columns = ARRAY_SIZE(headers), .flexible = 6};
        const json_t *unit;
        size_t i;

        json_array_foreach(units, i, unit)
        {
                enum Colour colour;
                const char *state = status_text_state(unit, &colour);
                char since[AGE_STRING_MAX], holds[64];
                uint64_t pid = control_number(unit, "pid");

                describe_holds(unit, holds, sizeof(holds));
                table_add(&table, COLOUR_NONE, "%s", control_string(unit, "name"));
                table_add(&table, colour, "%s", state);
                table_add(&table, COLOUR_NONE, "%s", age(unit, "since_seconds", since));
                table_add(&table, COLOUR_NONE, "%s", holds);
                if (pid)
                        table_add(&table, COLOUR_NONE, "%" PRIu64, pid);
                else
                        table_add(&table, COLOUR_NONE, "-");
                table_add(&table, COLOUR_NONE, "%" PRIu64, control_number(unit, "restarts"));
                table_add(&table, COLOUR_NONE, "%s", control_string(unit, "text"));
        }
        if (table.n_cells == 0)
                fprintf(file, "no units\n");
        else
                table_print(&table, style, file);
}

/* --- one unit ----------------------------------------------------------------------------------- */

static void add_line(Table *table, const char *what, const char *text)
{
        if (!*text)
                return;
        table_add(table, COLOUR_NONE, "%s:", what);
        table_add(table, COLOUR_NONE, "%s", text);
}

static void add_state(Table *table, const json_t *unit)
{
        enum Colour colour;
        const char *state = status_text_state(unit, &colour), *reason = control_string(unit, "reason");
        bool is_up = strcmp(control_string(unit, "want"), "up") == 0;
        bool has_reason = *reason && strcmp(reason, "none") != 0 && !control_is(unit, "ready") &&
                          (!is_up || strcmp(reason, "operator") != 0);
        char since[AGE_STRING_MAX], when[64];

        table_add(table, COLOUR_NONE, "State:");
        table_add(table, colour, "%s%s%s%s since %s; %s%s%s", state, has_reason ? " (" : "",
                has_reason ? reason : "", has_reason ? ")" : "", time_to_string(unit, "since", when),
                age(unit, "since_seconds", since), is_up ? "" : ", not wanted up",
                control_is(unit, "frozen")      ? ", frozen"
                : control_is(unit, "suspended") ? ", without contact"
                                                : "");
}

static void add_gates(Table *table, const json_t *unit)
{
        const json_t *gates = json_object_get(unit, "gates"), *gate;
        size_t i;

        json_array_foreach(gates, i, gate)
        {
                const char *state = control_string(gate, "state"), *text = control_string(gate, "text"),
                           *kind = control_string(gate, "kind");
                bool says_more = strncmp(text, kind, strlen(kind)) != 0 || text[strlen(kind)] == '\0' ||
                                 strncmp(text + strlen(kind), " '", 2) !=
                                         0; /* than "lock 'x'", which stands there already */

                if (!says_more)
                        text = "";
                table_add(table, COLOUR_NONE, "%s", i == 0 ? "Gates:" : "");
                table_add(table, strcmp(state, "open") == 0 ? COLOUR_GOOD : COLOUR_BUSY, "%s '%s' %s%s%s%s%s",
                        kind, control_string(gate, "name"), state, *text ? ": " : "", text,
                        control_has(gate, "token") ? ", token " : "", control_string(gate, "token"));
        }
}

static bool is_said_by_a_gate(const json_t *unit)
{
        const json_t *gates = json_object_get(unit, "gates"), *gate;
        bool is_said = false;
        size_t i;

        json_array_foreach(gates, i, gate) is_said |=
                strcmp(control_string(gate, "text"), control_string(unit, "text")) == 0;
        return is_said;
}

static void add_process(Table *table, const json_t *unit)
{
        char text[200], since[AGE_STRING_MAX];
        uint64_t pid = control_number(unit, "pid");

        if (pid) {
                snprintf(text, sizeof(text), "%" PRIu64 ", begun %s, guard %" PRIu64 ", contained by %.40s",
                        pid, age(unit, "started_seconds", since), control_number(unit, "guard_pid"),
                        control_string(unit, "contain"));
                add_line(table, "Process", text);
        } else if (control_has(unit, "status")) {
                snprintf(text, sizeof(text), "%" PRIu64, control_number(unit, "status"));
                add_line(table, "Last status", text);
        }
}

static void add_counters(Table *table, const json_t *unit)
{
        char text[200];

        snprintf(text, sizeof(text),
                "%" PRIu64 " starts, %" PRIu64 " restarts, %" PRIu64 " failures, %" PRIu64
                " holds lost, %" PRIu64 " handed over",
                control_number(unit, "starts"), control_number(unit, "restarts"),
                control_number(unit, "failures"), control_number(unit, "hold_losses"),
                control_number(unit, "hand_overs"));
        add_line(table, "Counted", text);
        if (control_number(unit, "lines_dropped")) {
                snprintf(text, sizeof(text), "%" PRIu64 " lines could not be written",
                        control_number(unit, "lines_dropped"));
                add_line(table, "Dropped", text);
        }
}

static void print_log(const json_t *log, FILE *file)
{
        const json_t *lines = json_object_get(log, "lines"), *line;
        size_t i;

        json_array_foreach(lines, i, line)
        {
                CLEANUP_STRING clean =
                        table_clean_text(json_string_value(line) ? json_string_value(line) : "");

                fprintf(file, "%s%s\n", i == 0 ? "\n" : "", clean ? clean : "");
        }
}

void status_text_page(const json_t *unit, const json_t *log, const Style *style, FILE *file)
{
        CLEANUP(table_deinit) Table table = {.n_columns = 2, .flexible = 1, .indent = "  "};
        const char *service = control_string(unit, "service"), *path = control_string(unit, "file");
        char text[600], lease[DURATION_STRING_MAX], holds[64];

        fprintf(file, "%s%s%s\n", style_begin(style, COLOUR_BOLD), control_string(unit, "name"),
                style_end(style, COLOUR_BOLD));
        add_state(&table, unit);
        add_line(&table, *service ? "Service" : "Command",
                *service ? service : control_string(unit, "command"));
        snprintf(text, sizeof(text), "%.500s:%" PRIu64, path, control_number(unit, "line"));
        add_line(&table, "Described in", *path ? text : "");
        describe_holds(unit, holds, sizeof(holds));
        add_line(&table, "Holds", strcmp(holds, "-") == 0 ? "" : holds);
        add_gates(&table, unit);
        if (control_has(unit, "lease_left_seconds")) {
                snprintf(text, sizeof(text), "%s left", seconds_to_string(unit, "lease_left_seconds", lease));
                add_line(&table, "Lease", text);
        }
        add_process(&table, unit);
        add_counters(&table, unit);
        if (!is_said_by_a_gate(unit))
                add_line(&table, "Says", control_string(unit, "text"));
        table_print(&table, &(Style){.colours = style->colours}, file); /* whole, however long */
        print_log(log, file);
}
