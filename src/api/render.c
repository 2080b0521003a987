#include "api/render.h"

#include <inttypes.h>
#include <stdio.h>
#include "api/json-text.h"
#include "util/clock.h"

/* KEY: when, and how many seconds ago beside it. */
static void since(JsonText *j, const char *key, const char *seconds_key, uint64_t usec, uint64_t now_usec)
{
        json_text_time(j, key, usec);
        if (usec)
                json_text_seconds(j, seconds_key, usec_sub(now_usec, usec));
        else
                json_text_null(j, seconds_key);
}

static void number_unless_0(JsonText *j, const char *key, int value)
{
        if (value)
                json_text_number(j, key, (uint64_t)value);
        else
                json_text_null(j, key);
}

static void token(JsonText *j, int64_t value)
{
        if (value)
                json_text_decimal(j, "token", value);
        else
                json_text_null(j, "token");
}

static void double_seconds(JsonText *j, const char *key, double seconds)
{
        json_text_seconds(j, key, seconds > 0 ? (uint64_t)(seconds * (double)USEC_PER_SEC + 0.5) : 0);
}

static void gates(JsonText *j, const SnapshotUnit *unit)
{
        json_text_begin(j, "gates", '[');
        for (size_t i = 0; i < unit->n_gates; i++) {
                const SnapshotGate *gate = &unit->gates[i];

                json_text_begin(j, NULL, '{');
                json_text_string(j, "kind", gate->kind);
                json_text_string(j, "name", gate->name);
                json_text_string(j, "state", gate->state);
                json_text_string(j, "text", gate->text);
                token(j, gate->token);
                json_text_end(j, '}');
        }
        json_text_end(j, ']');
}

static void waits(JsonText *j, const SnapshotUnit *unit)
{
        uint64_t count = 0;

        json_text_begin(j, "gate_waits", '{');
        json_text_begin(j, "buckets", '[');
        for (size_t i = 0; i <= SNAPSHOT_WAIT_BUCKETS; i++) {
                json_text_begin(j, NULL, '{');
                if (i < SNAPSHOT_WAIT_BUCKETS)
                        double_seconds(j, "up_to_seconds", snapshot_wait_bounds[i]);
                else
                        json_text_null(j, "up_to_seconds");
                json_text_number(j, "count", unit->waits[i]);
                json_text_end(j, '}');
                count += unit->waits[i];
        }
        json_text_end(j, ']');
        json_text_number(j, "count", count);
        double_seconds(j, "sum_seconds", unit->waits_sum_seconds);
        json_text_end(j, '}');
}

static void unit_full(JsonText *j, const SnapshotUnit *unit)
{
        number_unless_0(j, "guard_pid", unit->guard_pid);
        json_text_string(j, "contain", unit->contain);
        json_text_string(j, "command", unit->command);
        json_text_string(j, "service", unit->service);
        json_text_string(j, "file", unit->file);
        number_unless_0(j, "line", (int)unit->line);
        json_text_number(j, "starts", unit->starts);
        json_text_number(j, "failures", unit->failures);
        json_text_number(j, "hold_losses", unit->hold_losses);
        json_text_number(j, "hand_overs", unit->hand_overs);
        json_text_number(j, "lines_dropped", unit->lines_dropped);
        gates(j, unit);
        waits(j, unit);
}

static void unit_object(JsonText *j, const SnapshotUnit *unit, uint64_t now_usec, enum RenderDepth depth)
{
        json_text_begin(j, NULL, '{');
        json_text_string(j, "name", unit->name);
        json_text_string(j, "state", unit->state);
        json_text_string(j, "reason", unit->reason);
        json_text_string(j, "want", unit->want);
        json_text_bool(j, "ready", unit->ready);
        json_text_bool(j, "wedged", unit->wedged);
        json_text_bool(j, "suspended", unit->suspended);
        json_text_bool(j, "frozen", unit->frozen);
        json_text_string(j, "text", unit->text);
        json_text_string(j, "role", unit->role);
        if (unit->has_sequence)
                json_text_number(j, "sequence", unit->sequence);
        else
                json_text_null(j, "sequence");
        token(j, unit->token);
        if (unit->has_lease)
                json_text_seconds(j, "lease_left_seconds", unit->lease_left_usec);
        else
                json_text_null(j, "lease_left_seconds");
        number_unless_0(j, "pid", unit->pid);
        if (unit->has_status)
                json_text_number(j, "status", (uint64_t)unit->status);
        else
                json_text_null(j, "status");
        json_text_number(j, "restarts", unit->restarts);
        since(j, "since", "since_seconds", unit->since_usec, now_usec);
        since(j, "started", "started_seconds", unit->started_usec, now_usec);
        if (depth == RENDER_FULL)
                unit_full(j, unit);
        json_text_end(j, '}');
}

static void session_timing(JsonText *j, const SnapshotSession *s)
{
        json_text_seconds(j, "timeout_seconds", s->timeout_usec);
        json_text_seconds(j, "lease_seconds", s->lease_usec);
        json_text_seconds(j, "renew_seconds", s->renew_usec);
        json_text_seconds(j, "grace_seconds", s->grace_usec);
        json_text_seconds(j, "kill_budget_seconds", s->kill_budget_usec);
}

static void session_object(JsonText *j, const char *key, const SnapshotSession *s, uint64_t now_usec)
{
        char id[24];

        snprintf(id, sizeof(id), "0x%" PRIx64, (uint64_t)s->id);
        json_text_begin(j, key, '{');
        json_text_string(j, "state", s->state);
        since(j, "since", "since_seconds", s->since_usec, now_usec);
        json_text_string(j, "id", s->id ? id : NULL);
        json_text_string(j, "server", s->server);
        json_text_string(j, "connect", s->connect);
        json_text_string(j, "chroot", s->chroot);
        json_text_string(j, "root", s->root);
        json_text_string(j, "failures", s->failures);
        session_timing(j, s);
        json_text_number(j, "renewals", s->renewals);
        json_text_number(j, "attaches", s->attaches);
        json_text_number(j, "sessions", s->sessions);
        json_text_number(j, "cuts", s->cuts);
        json_text_number(j, "expiries", s->expiries);
        json_text_number(j, "requests", s->requests);
        json_text_number(j, "replies", s->replies);
        json_text_number(j, "unknown", s->unknown);
        if (s->has_renew_latency)
                double_seconds(j, "renew_latency_seconds", s->renew_latency_seconds);
        else
                json_text_null(j, "renew_latency_seconds");
        double_seconds(j, "renew_latency_max_seconds", s->renew_latency_max_seconds);
        double_seconds(j, "renew_latency_sum_seconds", s->renew_latency_sum_seconds);
        json_text_end(j, '}');
}

static void supervisor_object(JsonText *j, const Snapshot *s)
{
        json_text_begin(j, "supervisor", '{');
        json_text_string(j, "version", s->version);
        json_text_string(j, "host", s->host);
        json_text_string(j, "boot_id", s->boot_id);
        json_text_number(j, "pid", (uint64_t)s->pid);
        json_text_string(j, "config", s->config);
        json_text_time(j, "now", s->now_usec);
        since(j, "started", "started_seconds", s->started_usec, s->now_usec);
        json_text_number(j, "reloads", s->reloads);
        json_text_number(j, "failed_reloads", s->failed_reloads);
        since(j, "reloaded", "reloaded_seconds", s->reloaded_usec, s->now_usec);
        json_text_end(j, '}');
}

void render_units(TextBuffer *out, const Snapshot *snapshot, enum RenderDepth depth)
{
        JsonText j = {.out = out};

        json_text_begin(&j, NULL, '{');
        supervisor_object(&j, snapshot);
        session_object(&j, "session", &snapshot->session, snapshot->now_usec);
        json_text_begin(&j, "units", '[');
        for (size_t i = 0; i < snapshot->n_units; i++)
                unit_object(&j, &snapshot->units[i], snapshot->now_usec, depth);
        json_text_end(&j, ']');
        json_text_end(&j, '}');
}

void render_unit(TextBuffer *out, const SnapshotUnit *unit, uint64_t now_usec, enum RenderDepth depth)
{
        JsonText j = {.out = out};

        unit_object(&j, unit, now_usec, depth);
}

void render_session(TextBuffer *out, const Snapshot *snapshot)
{
        JsonText j = {.out = out};

        json_text_begin(&j, NULL, '{');
        supervisor_object(&j, snapshot);
        session_object(&j, "session", &snapshot->session, snapshot->now_usec);
        json_text_end(&j, '}');
}

void render_session_object(TextBuffer *out, const SnapshotSession *session, uint64_t now_usec)
{
        JsonText j = {.out = out};

        session_object(&j, NULL, session, now_usec);
}

void render_error(TextBuffer *out, const char *text)
{
        JsonText j = {.out = out};

        json_text_begin(&j, NULL, '{');
        json_text_string(&j, "error", text);
        json_text_end(&j, '}');
}

void render_reload(TextBuffer *out, bool ok, const char *summary)
{
        JsonText j = {.out = out};

        json_text_begin(&j, NULL, '{');
        json_text_bool(&j, "ok", ok);
        json_text_string(&j, "summary", summary);
        json_text_end(&j, '}');
}
