#include "cli/who-text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli/status-text.h"
#include "util/clock.h"

typedef struct Page {
        const Style *style;
        FILE *file;
        uint64_t now_usec; /* when it was read */
        bool any;
} Page;

static const char *string_of(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *key)
{
        json_int_t value = json_integer_value(json_object_get(object, key));

        return value > 0 ? (uint64_t)value : 0;
}

static bool is_set(const json_t *object, const char *key)
{
        return json_is_true(json_object_get(object, key));
}

static void print_section(Page *page, const char *title, const Table *table)
{
        if (table->n_cells == 0)
                return;
        fprintf(page->file, "%s%s%s%s\n", page->any ? "\n" : "", style_begin(page->style, COLOUR_BOLD), title,
                style_end(page->style, COLOUR_BOLD));
        table_print(table, page->style, page->file);
        page->any = true;
}

/* --- who holds and who waits -------------------------------------------------------------------- */

static const char *const hold_headers[] = {"NAME", "PLACE", "HOST", "UNIT", "PID", "SINCE", "STATE"};

static void describe_foreign(const json_t *one, char *text, size_t size)
{
        const char *data = string_of(one, "data");

        snprintf(text, size, "foreign%s%.60s, session %s", *data ? " " : "", data, string_of(one, "session"));
}

static void describe_holder(const json_t *one, const char *held, char *text, size_t size)
{
        const char *state = string_of(one, "state");

        if (is_set(one, "foreign")) {
                char who[160];

                describe_foreign(one, who, sizeof(who));
                snprintf(text, size, "%s, %s", held, who);
        } else if (strcmp(state, "wedged") == 0) {
                snprintf(text, size, "WEDGED: its processes outlive SIGKILL, nobody takes over");
        } else if (strcmp(state, "left") == 0) {
                snprintf(text, size, "left behind: free once its lease has run out");
        } else {
                snprintf(text, size, "%s", held);
        }
}

static enum Colour colour_of_holder(const json_t *one)
{
        const char *state = string_of(one, "state");

        return strcmp(state, "wedged") == 0 ? COLOUR_BAD
               : strcmp(state, "left") == 0 ? COLOUR_BUSY
                                            : COLOUR_GOOD;
}

static void add_who(Table *table, const Page *page, const json_t *one)
{
        char age[AGE_STRING_MAX];
        uint64_t pid = number_of(one, "pid");
        const char *host = string_of(one, "host"), *unit = string_of(one, "unit");

        if (!*host && !is_set(one, "foreign")) /* a candidate has nothing but a name */
                host = string_of(one, "data");
        table_add(table, COLOUR_NONE, "%s", *host ? host : "-");
        table_add(table, COLOUR_NONE, "%s", *unit ? unit : "-");
        if (pid)
                table_add(table, COLOUR_NONE, "%" PRIu64, pid);
        else
                table_add(table, COLOUR_NONE, "-");
        table_add(table, COLOUR_NONE, "%s", age_to_string(number_of(one, "since"), page->now_usec, age));
}

static void add_holder(Table *table, const Page *page, const char *name, const char *place, const json_t *one,
        const char *held)
{
        char text[300];

        table_add(table, COLOUR_NONE, "%s", name);
        table_add(table, COLOUR_NONE, "%s", place);
        add_who(table, page, one);
        describe_holder(one, held, text, sizeof(text));
        table_add(table, colour_of_holder(one), "%s", text);
}

static void describe_waiter(const json_t *one, char *text, size_t size)
{
        int n = snprintf(
                text, size, "waits%s", strcmp(string_of(one, "mode"), "shared") == 0 ? " to share it" : "");
        uint64_t priority = number_of(one, "priority");

        if (priority)
                n += snprintf(text + n, size - (size_t)n, ", priority %" PRIu64 "%s", priority,
                        is_set(one, "preempt") ? ", preempts" : "");
        if (is_set(one, "foreign")) {
                n += snprintf(text + n, size - (size_t)n, ", ");
                describe_foreign(one, text + n, size - (size_t)n);
        }
}

static void add_waiters(Table *table, const Page *page, const char *name, const json_t *queue)
{
        char text[300];
        json_t *one;
        size_t i;

        json_array_foreach(queue, i, one)
        {
                table_add(table, COLOUR_NONE, "%s", name);
                table_add(table, COLOUR_NONE, "%" PRIu64 ".", number_of(one, "position"));
                add_who(table, page, one);
                describe_waiter(one, text, sizeof(text));
                table_add(table, COLOUR_BUSY, "%s", text);
        }
}

static void print_numbers(Page *page, const json_t *pools)
{
        CLEANUP(table_deinit)
        Table table = {.headers = hold_headers, .n_columns = ARRAY_SIZE(hold_headers), .flexible = 6};
        const json_t *pool, *one;
        size_t i, k;

        json_array_foreach(pools, i, pool)
        {
                const char *name = string_of(pool, "pool");
                uint64_t choosing = number_of(pool, "choosing");

                json_array_foreach(json_object_get(pool, "holders"), k, one)
                {
                        char number[32];

                        snprintf(number, sizeof(number), "%" PRIu64, number_of(one, "number"));
                        add_holder(&table, page, name, number, one, "held");
                }
                if (choosing) {
                        for (size_t n = 0; n < 5; n++)
                                table_add(&table, COLOUR_NONE, "%s", n == 0 ? name : "-");
                        table_add(&table, COLOUR_NONE, "-");
                        table_add(&table, COLOUR_BUSY, "%" PRIu64 " waiting for a number", choosing);
                }
        }
        print_section(page, "Numbers", &table);
}

static void print_queues(Page *page, const char *title, const json_t *things)
{
        CLEANUP(table_deinit)
        Table table = {.headers = hold_headers, .n_columns = ARRAY_SIZE(hold_headers), .flexible = 6};
        const json_t *thing, *one;
        size_t i, k;

        json_array_foreach(things, i, thing)
        {
                const char *name = string_of(thing, "name");
                const json_t *candidates = json_object_get(thing, "candidates");
                const char *held = candidates                                        ? "leads"
                                   : strcmp(string_of(thing, "mode"), "shared") == 0 ? "shared"
                                                                                     : "held";

                json_array_foreach(json_object_get(thing, "holders"), k, one)
                {
                        char place[32] = "holder";

                        if (candidates)
                                strcpy(place, "leader");
                        if (number_of(one, "slot"))
                                snprintf(place, sizeof(place), "slot %" PRIu64, number_of(one, "slot"));
                        add_holder(&table, page, name, place, one, held);
                }
                add_waiters(&table, page, name, candidates ? candidates : json_object_get(thing, "queue"));
        }
        print_section(page, title, &table);
}

/* --- hosts, jobs, services ---------------------------------------------------------------------- */

/* A row for each unit, as `zksup status` has them. */
static void add_unit(Table *table, const Page *page, const char *id, const json_t *unit)
{
        enum Colour colour;
        const char *state = status_text_state(unit, &colour), *role = string_of(unit, "role");
        char age[AGE_STRING_MAX], number[32] = "";
        uint64_t pid = number_of(unit, "pid");

        if (json_object_get(unit, "number"))
                snprintf(number, sizeof(number), "%" PRIu64, number_of(unit, "number"));
        table_add(table, COLOUR_NONE, "%s", id);
        table_add(table, COLOUR_NONE, "%s", string_of(unit, "unit"));
        table_add(table, colour, "%s", state);
        table_add(table, COLOUR_NONE, "%s", age_to_string(number_of(unit, "since"), page->now_usec, age));
        if (*number || *role)
                table_add(table, COLOUR_NONE, "%s%s%s", number, *number && *role ? " " : "", role);
        else
                table_add(table, COLOUR_NONE, "%s", number_of(unit, "token") ? "held" : "-");
        if (pid)
                table_add(table, COLOUR_NONE, "%" PRIu64, pid);
        else
                table_add(table, COLOUR_NONE, "-");
        table_add(table, COLOUR_NONE, "%s", string_of(unit, "text"));
}

static void add_bare_host(Table *table, const char *id, const char *text)
{
        table_add(table, COLOUR_NONE, "%s", id);
        for (size_t i = 0; i < 5; i++)
                table_add(table, COLOUR_NONE, "-");
        table_add(table, COLOUR_DIM, "%s", text);
}

static void print_hosts(Page *page, const json_t *hosts)
{
        static const char *const headers[] = {"HOST", "UNIT", "STATE", "SINCE", "HOLDS", "PID", "TEXT"};
        CLEANUP(table_deinit)
        Table table = {.headers = headers, .n_columns = ARRAY_SIZE(headers), .flexible = 6};
        const json_t *host, *unit;
        size_t i, k;

        json_array_foreach(hosts, i, host)
        {
                const json_t *units = json_object_get(host, "units");
                char more[80];

                json_array_foreach(units, k, unit) add_unit(&table, page, string_of(host, "id"), unit);
                snprintf(more, sizeof(more), "and %" PRIu64 " units more", number_of(host, "more"));
                if (number_of(host, "more"))
                        add_bare_host(&table, string_of(host, "id"), more);
                else if (json_array_size(units) == 0)
                        add_bare_host(&table, string_of(host, "id"), "no units");
        }
        print_section(page, "Hosts", &table);
}

/* In our own zone: "14:03:05" of today, else with the date. */
static const char *when(uint64_t usec, uint64_t now_usec, char text[40])
{
        time_t at = (time_t)(usec / USEC_PER_SEC), now = (time_t)(now_usec / USEC_PER_SEC);
        struct tm tm, today;

        if (usec == 0)
                return "-";
        localtime_r(&at, &tm);
        localtime_r(&now, &today);
        strftime(text, 40,
                tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S",
                &tm);
        return text;
}

static void describe_job(const json_t *job, uint64_t now_usec, char *text, size_t size, enum Colour *colour)
{
        const json_t *run = json_object_get(job, "run"), *outcome = json_object_get(job, "outcome"),
                     *status = json_object_get(outcome, "status");
        const char *mark = string_of(outcome, "mark");
        char age[AGE_STRING_MAX];

        *colour = COLOUR_NONE;
        if (run) {
                *colour = strcmp(string_of(run, "state"), "wedged") == 0 ? COLOUR_BAD : COLOUR_GOOD;
                snprintf(text, size, "runs on %.80s, begun %s%s%s", string_of(run, "host"),
                        age_to_string(number_of(run, "start"), now_usec, age),
                        *colour == COLOUR_BAD ? ", WEDGED: its processes outlive SIGKILL" : "",
                        json_object_get(job, "queued") ? ", another tick is queued" : "");
        } else if (!outcome) {
                snprintf(text, size, "%s",
                        *string_of(job, "problem") ? string_of(job, "problem") : "no tick yet");
        } else if (number_of(outcome, "count") > 1) {
                *colour = COLOUR_BUSY;
                snprintf(text, size, "%s, %" PRIu64 " times", mark, number_of(outcome, "count"));
        } else {
                bool good = strcmp(mark, "done") == 0 && json_integer_value(status) == 0;

                *colour = good ? COLOUR_NONE : COLOUR_BAD;
                snprintf(text, size, "%s%s%s", mark, *string_of(outcome, "host") ? " on " : "",
                        string_of(outcome, "host"));
                if (json_integer_value(status) != 0)
                        snprintf(text + strlen(text), size - strlen(text), ", status %" JSON_INTEGER_FORMAT,
                                json_integer_value(status));
        }
}

static void print_jobs(Page *page, const json_t *jobs)
{
        static const char *const headers[] = {"JOB", "SCHEDULE", "LAST", "NEXT", "OUTCOME"};
        CLEANUP(table_deinit)
        Table table = {.headers = headers, .n_columns = ARRAY_SIZE(headers), .flexible = 4};
        const json_t *job;
        size_t i;

        json_array_foreach(jobs, i, job)
        {
                char text[400], last[40], next[40];
                enum Colour colour;

                describe_job(job, page->now_usec, text, sizeof(text), &colour);
                table_add(&table, COLOUR_NONE, "%s", string_of(job, "name"));
                table_add(&table, COLOUR_NONE, "%s", string_of(job, "schedule"));
                table_add(&table, COLOUR_NONE, "%s", when(number_of(job, "last"), page->now_usec, last));
                table_add(&table, COLOUR_NONE, "%s", when(number_of(job, "next"), page->now_usec, next));
                table_add(&table, colour, "%s", text);
        }
        print_section(page, "Cron", &table);
}

static void print_services(Page *page, const json_t *services)
{
        static const char *const headers[] = {"SERVICE", "ADDRESS", "PORT", "SINCE", "ID"};
        CLEANUP(table_deinit)
        Table table = {.headers = headers, .n_columns = ARRAY_SIZE(headers), .flexible = 4};
        const json_t *service, *one;
        size_t i, k;

        json_array_foreach(services, i, service)
        {
                json_array_foreach(json_object_get(service, "instances"), k, one)
                {
                        uint64_t port = number_of(one, "port"), since = number_of(one, "registrationTimeUTC");
                        char age[AGE_STRING_MAX];

                        table_add(&table, COLOUR_NONE, "%s", string_of(service, "name"));
                        table_add(&table, COLOUR_NONE, "%s",
                                *string_of(one, "address") ? string_of(one, "address") : "-");
                        table_add(&table, COLOUR_NONE, "%" PRIu64, port ? port : number_of(one, "sslPort"));
                        table_add(&table, COLOUR_NONE, "%s",
                                age_to_string(since < UINT64_MAX / USEC_PER_MSEC ? since * USEC_PER_MSEC : 0,
                                        page->now_usec, age));
                        table_add(&table, COLOUR_NONE, "%s", string_of(one, "id"));
                }
        }
        print_section(page, "Services", &table);
}

bool who_text_print(const json_t *cluster, const Style *style, FILE *file)
{
        Page page = {.style = style, .file = file, .now_usec = number_of(cluster, "read_at")};

        print_hosts(&page, json_object_get(cluster, "hosts"));
        print_numbers(&page, json_object_get(cluster, "numbers"));
        print_queues(&page, "Leaders", json_object_get(cluster, "elections"));
        print_queues(&page, "Locks", json_object_get(cluster, "locks"));
        print_queues(&page, "Slots", json_object_get(cluster, "slots"));
        print_jobs(&page, json_object_get(cluster, "cron"));
        print_services(&page, json_object_get(cluster, "services"));
        return page.any;
}
