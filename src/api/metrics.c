#include "api/metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "api/decimal.h"
#include "api/metric-text.h"
#include "util/clock.h"

enum FieldKind {
        FIELD_U64,
        FIELD_BOOL,
        FIELD_INT,
        FIELD_USEC,    /* written as seconds */
        FIELD_TIME,    /* the same; 0 is "not" */
        FIELD_SECONDS, /* a double */
};

#define ALWAYS SIZE_MAX

/* A metric that is a field of a struct. */
typedef struct Field {
        const char *name; /* without "_total" */
        enum MetricType type;
        const char *unit, *help;
        enum FieldKind kind;
        size_t at, has; /* offset of the bool that says whether there is a value */
} Field;

#define AT(member) offsetof(SnapshotUnit, member)
static const Field unit_fields[] = {
        {"zksup_unit_wedged", METRIC_GAUGE, NULL, "Whether its processes cannot be killed.", FIELD_BOOL,
                AT(wedged), ALWAYS},
        {"zksup_unit_ready", METRIC_GAUGE, NULL, "Whether it is ready.", FIELD_BOOL, AT(ready), ALWAYS},
        {"zksup_unit_suspended", METRIC_GAUGE, NULL, "Whether its holds are not confirmed at the moment.",
                FIELD_BOOL, AT(suspended), ALWAYS},
        {"zksup_unit_frozen", METRIC_GAUGE, NULL, "Whether its processes are frozen meanwhile.", FIELD_BOOL,
                AT(frozen), ALWAYS},
        {"zksup_unit_starts", METRIC_COUNTER, NULL, "How often its command was started.", FIELD_U64, AT(starts),
                ALWAYS},
        {"zksup_unit_restarts", METRIC_COUNTER, NULL, "How often it was started again after it had ended.",
                FIELD_U64, AT(restarts), ALWAYS},
        {"zksup_unit_failures", METRIC_COUNTER, NULL, "How often its command failed.", FIELD_U64, AT(failures),
                ALWAYS},
        {"zksup_unit_hold_losses", METRIC_COUNTER, NULL,
                "How often it lost what it held, and was stopped for that.", FIELD_U64, AT(hold_losses), ALWAYS},
        {"zksup_unit_hand_overs", METRIC_COUNTER, NULL, "How often it took over what another had held.", FIELD_U64,
                AT(hand_overs), ALWAYS},
        {"zksup_unit_log_lines_dropped", METRIC_COUNTER, NULL, "Lines of its output that could not be kept.",
                FIELD_U64, AT(lines_dropped), ALWAYS},
        {"zksup_unit_sequence", METRIC_GAUGE, NULL, "The sequence number that it holds.", FIELD_U64, AT(sequence),
                AT(has_sequence)},
        {"zksup_unit_exit_status", METRIC_GAUGE, NULL, "Exit status of its last run.", FIELD_INT, AT(status),
                AT(has_status)},
        {"zksup_unit_lease_remaining_seconds", METRIC_GAUGE, "seconds",
                "For how long what it holds is provably its own.", FIELD_USEC, AT(lease_left_usec), AT(has_lease)},
        {"zksup_unit_state_change_time_seconds", METRIC_GAUGE, "seconds",
                "Since when it is in its state, Unix time.", FIELD_TIME, AT(since_usec), ALWAYS},
        {"zksup_unit_start_time_seconds", METRIC_GAUGE, "seconds", "When its command was started, Unix time.",
                FIELD_TIME, AT(started_usec), ALWAYS},
};
#undef AT

#define AT(member) offsetof(SnapshotSession, member)
static const Field session_fields[] = {
        {"zksup_session_timeout_seconds", METRIC_GAUGE, "seconds", "Session timeout that the ensemble granted.",
                FIELD_TIME, AT(timeout_usec), ALWAYS},
        {"zksup_session_lease_seconds", METRIC_GAUGE, "seconds", "For how long a renewal proves what is held.",
                FIELD_TIME, AT(lease_usec), ALWAYS},
        {"zksup_session_attaches", METRIC_COUNTER, NULL, "How often the session was attached to a server.",
                FIELD_U64, AT(attaches), ALWAYS},
        {"zksup_session_cuts", METRIC_COUNTER, NULL, "How often it lost its connection.", FIELD_U64, AT(cuts),
                ALWAYS},
        {"zksup_session_expiries", METRIC_COUNTER, NULL, "How often a session ended against our will.", FIELD_U64,
                AT(expiries), ALWAYS},
        {"zksup_sessions", METRIC_COUNTER, NULL, "Sessions so far.", FIELD_U64, AT(sessions), ALWAYS},
        {"zksup_session_requests", METRIC_COUNTER, NULL, "Requests sent to the ensemble.", FIELD_U64, AT(requests),
                ALWAYS},
        {"zksup_session_replies", METRIC_COUNTER, NULL, "Replies that came.", FIELD_U64, AT(replies), ALWAYS},
        {"zksup_session_replies_lost", METRIC_COUNTER, NULL, "Requests whose reply was lost.", FIELD_U64,
                AT(unknown), ALWAYS},
        {"zksup_session_renew_latency_last_seconds", METRIC_GAUGE, "seconds", "How long the last renewal took.",
                FIELD_SECONDS, AT(renew_latency_seconds), AT(has_renew_latency)},
        {"zksup_session_renew_latency_max_seconds", METRIC_GAUGE, "seconds", "How long the slowest renewal took.",
                FIELD_SECONDS, AT(renew_latency_max_seconds), AT(has_renew_latency)},
};
#undef AT

#define AT(member) offsetof(MetricsProcess, member)
static const Field process_fields[] = {
        {"process_cpu_seconds", METRIC_COUNTER, "seconds", "CPU time of the supervisor.", FIELD_USEC, AT(cpu_usec),
                ALWAYS},
        {"process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory of the supervisor.", FIELD_U64,
                AT(resident_bytes), ALWAYS},
        {"process_virtual_memory_bytes", METRIC_GAUGE, "bytes", "Virtual memory of the supervisor.", FIELD_U64,
                AT(virtual_bytes), ALWAYS},
        {"process_open_fds", METRIC_GAUGE, NULL, "Open descriptors of the supervisor.", FIELD_U64,
                AT(open_descriptors), ALWAYS},
        {"process_max_fds", METRIC_GAUGE, NULL, "Most descriptors that it may have.", FIELD_U64,
                AT(most_descriptors), ALWAYS},
};
#undef AT

typedef struct State {
        const char *name, *label;
} State;

#define STATE(name)                                                                                               \
        {                                                                                                         \
                name, "state=\"" name "\""                                                                        \
        }
/* As in unit/unit-names.c, which this directory cannot see; a test compares them. */
static const State unit_states[] = {STATE("down"), STATE("guard"), STATE("gate"), STATE("starting"),
        STATE("running"), STATE("ready"), STATE("stopping"), STATE("killing"), STATE("backoff"), STATE("holding"),
        STATE("releasing"), STATE("failed"), STATE("finished")};
static const State session_states[] = {
        STATE("connecting"), STATE("attached"), STATE("suspended"), STATE("closing"), STATE("closed")};
#undef STATE

/* The labels of every unit, escaped once. */
typedef struct Labels {
        TextBuffer text;
        size_t *at; /* offsets of n_units strings */
} Labels;

typedef struct Page {
        MetricText text;
        const Snapshot *snapshot;
        Labels labels;
        char bounds[SNAPSHOT_WAIT_BUCKETS + 1][32]; /* le="..." */
} Page;

static const char *label(const Page *page, size_t i)
{
        return page->labels.text.data + page->labels.at[i];
}

static bool make_labels(Page *page)
{
        Labels *labels = &page->labels;
        size_t n = page->snapshot->n_units;

        labels->at = calloc(n ? n : 1, sizeof(*labels->at));
        if (!labels->at)
                return false;
        for (size_t i = 0; i < n; i++) {
                labels->at[i] = labels->text.len;
                metric_text_label(&labels->text, "unit", page->snapshot->units[i].name);
                text_buffer_append(&labels->text, "", 1); /* its NUL stays between */
        }
        return !labels->text.failed;
}

static const void *member(const void *object, size_t at)
{
        return (const char *)object + at;
}

static bool has_value(const Field *field, const void *object)
{
        if (field->has != ALWAYS && !*(const bool *)member(object, field->has))
                return false;
        return field->kind != FIELD_TIME || *(const uint64_t *)member(object, field->at) != 0;
}

static void put_value(MetricText *text, const Field *field, const void *object)
{
        const void *at = member(object, field->at);
        double seconds;

        switch (field->kind) {
        case FIELD_U64:
                metric_text_number(text, *(const uint64_t *)at);
                break;
        case FIELD_BOOL:
                metric_text_number(text, *(const bool *)at);
                break;
        case FIELD_INT:
                metric_text_number(text, (uint64_t)MAX(*(const int *)at, 0));
                break;
        case FIELD_USEC:
        case FIELD_TIME:
                metric_text_seconds(text, *(const uint64_t *)at);
                break;
        case FIELD_SECONDS:
                seconds = *(const double *)at;
                metric_text_seconds(text, seconds > 0 ? (uint64_t)(seconds * (double)USEC_PER_SEC + 0.5) : 0);
                break;
        }
}

static void put_fields(MetricText *text, const Field *fields, size_t n, const void *object)
{
        for (size_t i = 0; i < n; i++) {
                if (!has_value(&fields[i], object))
                        continue;
                metric_text_family(text, fields[i].name, fields[i].type, fields[i].unit, fields[i].help);
                metric_text_sample(text, "", NULL, NULL);
                put_value(text, &fields[i], object);
        }
}

/* --- units -------------------------------------------------------------------------------------- */

static void put_unit_field(Page *page, const Field *field)
{
        metric_text_family(&page->text, field->name, field->type, field->unit, field->help);
        for (size_t i = 0; i < page->snapshot->n_units; i++) {
                const SnapshotUnit *unit = &page->snapshot->units[i];

                if (!has_value(field, unit))
                        continue;
                metric_text_sample(&page->text, "", label(page, i), NULL);
                put_value(&page->text, field, unit);
        }
}

static void put_states(MetricText *text, const char *labels, const State *states, size_t n, const char *now)
{
        for (size_t i = 0; i < n; i++) {
                metric_text_sample(text, "", labels, states[i].label);
                metric_text_number(text, strcmp(states[i].name, now) == 0);
        }
}

static void put_unit_states(Page *page)
{
        metric_text_family(
                &page->text, "zksup_unit_state", METRIC_GAUGE, NULL, "1 for the state that the unit is in.");
        for (size_t i = 0; i < page->snapshot->n_units; i++)
                put_states(&page->text, label(page, i), unit_states, ARRAY_SIZE(unit_states),
                        page->snapshot->units[i].state);
}

static void put_unit_words(Page *page)
{
        metric_text_family(&page->text, "zksup_unit_wanted", METRIC_GAUGE, NULL, "Whether it is wanted up.");
        for (size_t i = 0; i < page->snapshot->n_units; i++) {
                metric_text_sample(&page->text, "", label(page, i), NULL);
                metric_text_number(&page->text, strcmp(page->snapshot->units[i].want, "up") == 0);
        }
        metric_text_family(&page->text, "zksup_unit_leader", METRIC_GAUGE, NULL,
                "Whether it leads, of units with a leadership.");
        for (size_t i = 0; i < page->snapshot->n_units; i++) {
                if (!page->snapshot->units[i].role)
                        continue;
                metric_text_sample(&page->text, "", label(page, i), NULL);
                metric_text_number(&page->text, strcmp(page->snapshot->units[i].role, "leader") == 0);
        }
}

static void put_gates(Page *page)
{
        metric_text_family(&page->text, "zksup_unit_gate_open", METRIC_GAUGE, NULL,
                "Whether what the unit waits for is held.");
        for (size_t i = 0; i < page->snapshot->n_units; i++)
                for (size_t g = 0; g < page->snapshot->units[i].n_gates; g++) {
                        const SnapshotGate *gate = &page->snapshot->units[i].gates[g];
                        __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer labels = {0};

                        text_buffer_puts(&labels, "gate=\""); /* two may be of one kind and name */
                        decimal_append(&labels, g + 1);
                        text_buffer_puts(&labels, "\",");
                        metric_text_label(&labels, "kind", gate->kind);
                        text_buffer_puts(&labels, ",");
                        metric_text_label(&labels, "name", gate->name);
                        metric_text_sample(&page->text, "", label(page, i), labels.data);
                        metric_text_number(&page->text, strcmp(gate->state, "open") == 0);
                }
}

static void make_bounds(Page *page)
{
        for (size_t b = 0; b < SNAPSHOT_WAIT_BUCKETS; b++) {
                double bound = snapshot_wait_bounds[b];

                snprintf(page->bounds[b], sizeof(page->bounds[b]), bound < 1 ? "le=\"%g\"" : "le=\"%.1f\"", bound);
        }
        strcpy(page->bounds[SNAPSHOT_WAIT_BUCKETS], "le=\"+Inf\"");
}

static void put_waits_of(Page *page, const SnapshotUnit *unit, const char *labels)
{
        MetricText *text = &page->text;
        uint64_t count = 0;

        for (size_t b = 0; b <= SNAPSHOT_WAIT_BUCKETS; b++) {
                count += unit->waits[b];
                metric_text_sample(text, "_bucket", labels, page->bounds[b]);
                metric_text_number(text, count);
        }
        metric_text_sample(text, "_count", labels, NULL);
        metric_text_number(text, count);
        metric_text_sample(text, "_sum", labels, NULL);
        metric_text_seconds(text, (uint64_t)(unit->waits_sum_seconds * (double)USEC_PER_SEC + 0.5));
}

static void put_waits(Page *page)
{
        make_bounds(page);
        metric_text_family(&page->text, "zksup_unit_gate_wait_seconds", METRIC_HISTOGRAM, "seconds",
                "How long it waited for each thing that it then held.");
        for (size_t i = 0; i < page->snapshot->n_units; i++)
                if (page->snapshot->units[i].n_gates)
                        put_waits_of(page, &page->snapshot->units[i], label(page, i));
}

static void put_units(Page *page)
{
        metric_text_family(&page->text, "zksup_units", METRIC_GAUGE, NULL, "Units of this supervisor.");
        metric_text_sample(&page->text, "", NULL, NULL);
        metric_text_number(&page->text, page->snapshot->n_units);
        if (page->snapshot->n_units == 0)
                return;
        put_unit_states(page);
        put_unit_words(page);
        for (size_t i = 0; i < ARRAY_SIZE(unit_fields); i++)
                put_unit_field(page, &unit_fields[i]);
        put_gates(page);
        put_waits(page);
}

/* --- the supervisor ----------------------------------------------------------------------------- */

static void put_supervisor(MetricText *text, const Snapshot *s)
{
        __attribute__((cleanup(text_buffer_deinit_cleanup))) TextBuffer version = {0};

        metric_text_label(&version, "version", s->version);
        metric_text_family(text, "zksup_build", METRIC_INFO, NULL, "Which zksup this is.");
        metric_text_sample(text, "_info", version.data, NULL);
        metric_text_number(text, 1);
        metric_text_family(text, "zksup_reloads", METRIC_COUNTER, NULL, "Configurations read again, by result.");
        metric_text_sample(text, "", "result=\"ok\"", NULL);
        metric_text_number(text, s->reloads);
        metric_text_sample(text, "", "result=\"failed\"", NULL);
        metric_text_number(text, s->failed_reloads);
        if (s->started_usec) {
                metric_text_family(text, "process_start_time_seconds", METRIC_GAUGE, "seconds",
                        "When the supervisor was started, Unix time.");
                metric_text_sample(text, "", NULL, NULL);
                metric_text_seconds(text, s->started_usec);
        }
}

static void put_session(MetricText *text, const SnapshotSession *s)
{
        metric_text_family(
                text, "zksup_session_state", METRIC_GAUGE, NULL, "1 for the state that the session is in.");
        put_states(text, NULL, session_states, ARRAY_SIZE(session_states), s->state);
        put_fields(text, session_fields, ARRAY_SIZE(session_fields), s);
        metric_text_family(text, "zksup_session_renew_latency_seconds", METRIC_SUMMARY, "seconds",
                "How long renewals took, from sending one to its reply.");
        metric_text_sample(text, "_count", NULL, NULL);
        metric_text_number(text, s->renewals);
        metric_text_sample(text, "_sum", NULL, NULL);
        metric_text_seconds(text, (uint64_t)(MAX(s->renew_latency_sum_seconds, 0.0) * (double)USEC_PER_SEC + 0.5));
}

void metrics_render(TextBuffer *out, const Snapshot *snapshot, const MetricsProcess *process, bool openmetrics)
{
        Page page = {.text = {.out = out, .openmetrics = openmetrics}, .snapshot = snapshot};

        if (make_labels(&page)) {
                put_supervisor(&page.text, snapshot);
                put_fields(&page.text, process_fields, ARRAY_SIZE(process_fields), process);
                put_session(&page.text, &snapshot->session);
                put_units(&page);
                metric_text_end(&page.text);
        } else {
                out->failed = true;
        }
        text_buffer_deinit(&page.labels.text);
        free(page.labels.at);
}

/* --- what is asked for -------------------------------------------------------------------------- */

/* "q" of a media range with its parameters, in thousandths; 1000 if there is none. */
static unsigned quality(const char *range)
{
        const char *q = strstr(range, "q=");
        double value;

        if (!q || (q > range && q[-1] != ';' && q[-1] != ' '))
                return 1000;
        value = strtod(q + 2, NULL);
        return value > 0 && value <= 1 ? (unsigned)(value * 1000) : 0;
}

bool metrics_wants_openmetrics(const char *accept)
{
        char copy[512], *save = NULL;
        unsigned openmetrics = 0, text = 0;

        if (!accept || strlen(accept) >= sizeof(copy))
                return false;
        strcpy(copy, accept);
        for (char *range = strtok_r(copy, ",", &save); range; range = strtok_r(NULL, ",", &save)) {
                range += strspn(range, " \t");
                if (strncmp(range, "application/openmetrics-text", 28) == 0 &&
                        (!strstr(range, "version=") || strstr(range, "version=1.") ||
                                strstr(range, "version=0.0.1")))
                        openmetrics = MAX(openmetrics, quality(range));
                else if (strncmp(range, "text/plain", 10) == 0)
                        text = MAX(text, quality(range));
        }
        return openmetrics > 0 && openmetrics >= text;
}
