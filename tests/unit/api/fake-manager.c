#include "fake-manager.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "api/render.h"

#define START_USEC 1767225600000000ULL /* 2026-01-01 */

static const Snapshot *on_snapshot(void *userdata)
{
        FakeManager *m = userdata;

        m->snapshots++;
        m->snapshot.now_usec++;
        return &m->snapshot;
}

static SnapshotUnit *find(FakeManager *m, const char *name)
{
        for (size_t i = 0; i < m->snapshot.n_units; i++)
                if (strcmp(m->units[i].name, name) == 0)
                        return &m->units[i];
        return NULL;
}

static int on_command(
        void *userdata, const char *unit, enum ApiCommand command, int signal, char *problem, size_t problem_size)
{
        static const char *const names[] = {"start", "stop", "restart", "signal", "step-down"};
        FakeManager *m = userdata;
        SnapshotUnit *u = find(m, unit);

        if (!u) {
                snprintf(problem, problem_size, "there is no unit '%s'; 'zksup status' lists them", unit);
                return -ENOENT;
        }
        if (command == API_STEP_DOWN && !u->role) {
                snprintf(problem, problem_size,
                        "unit '%s' leads nothing; step-down is for units with a leadership", unit);
                return -EOPNOTSUPP;
        }
        snprintf(m->last, sizeof(m->last), "%s %s %d", names[command], unit, signal);
        u->state = command == API_STOP ? "down" : "running";
        u->want = command == API_STOP ? "down" : "up";
        api_tell_unit(m->api, u);
        return 0;
}

static int on_reload(void *userdata, TextBuffer *summary, TextBuffer *problems)
{
        FakeManager *m = userdata;

        if (m->bad_file) {
                text_buffer_puts(problems, "zksup.conf:3: unit 'web': no such option 'comand'\n");
                return -EINVAL;
        }
        text_buffer_puts(summary, "unit-1: restarted\n");
        return 0;
}

static int on_reexec(void *userdata, char *problem, size_t problem_size)
{
        snprintf(problem, problem_size, "there is another reexec under way; wait for it");
        return -EBUSY;
}

static int on_stop(void *userdata, char *problem, size_t problem_size)
{
        ((FakeManager *)userdata)->stopped = true;
        return 0;
}

static int on_log(
        void *userdata, const char *unit, size_t lines, TextBuffer *text, char *problem, size_t problem_size)
{
        if (!find(userdata, unit)) {
                snprintf(problem, problem_size, "there is no unit '%s'", unit);
                return -ENOENT;
        }
        for (size_t i = 0; i < lines; i++)
                text_buffer_printf(text, "line %zu \"\xff\"\n", i);
        return 0;
}

static void on_cluster(void *userdata, ApiAnswer *answer)
{
        FakeManager *m = userdata;

        if (!m->keep_cluster)
                api_answer_json(answer, "{\"hosts\":[]}");
        else if (m->answer)
                api_answer_problem(answer, -EBUSY, "one is being asked for already; try again");
        else
                m->answer = answer;
}

const ApiOps fake_manager_ops = {
        .snapshot = on_snapshot,
        .command = on_command,
        .reload = on_reload,
        .reexec = on_reexec,
        .stop = on_stop,
        .log = on_log,
        .cluster = on_cluster,
};

static void init_unit(SnapshotUnit *u, size_t i, const char *name)
{
        bool waits = i % 3 == 2;

        *u = (SnapshotUnit){.name = name,
                .state = waits ? "gate" : "ready",
                .reason = "none",
                .want = "up",
                .text = waits ? "waits for number in pool 'web' behind 3 others" : NULL,
                .command = "/usr/sbin/nginx -g 'daemon off;' -c /etc/nginx/nginx.conf",
                .contain = "cgroup",
                .file = "/etc/zksup/zksup.conf",
                .line = (unsigned)i + 10,
                .ready = !waits,
                .pid = waits ? 0 : 4000 + (int)i,
                .guard_pid = 2000 + (int)i,
                .has_lease = !waits,
                .lease_left_usec = 9500000,
                .since_usec = START_USEC,
                .started_usec = waits ? 0 : START_USEC,
                .starts = 2,
                .restarts = 1,
                .waits = {[2] = 2},
                .waits_sum_seconds = 1.5,
                .gates = {{.kind = "number",
                        .name = "web",
                        .state = waits ? "waiting" : "open",
                        .text = "number 7",
                        .token = waits ? 0 : INT64_C(4611686018427387905)}},
                .n_gates = 1,
                .has_sequence = !waits,
                .sequence = i + 7,
                .token = waits ? 0 : INT64_C(4611686018427387905)};
}

void fake_manager_init(FakeManager *m, size_t n)
{
        *m = (FakeManager){.units = calloc(n ? n : 1, sizeof(SnapshotUnit)), .names = calloc(n ? n : 1, 32)};
        for (size_t i = 0; i < n; i++) {
                snprintf(m->names[i], sizeof(m->names[i]), "unit-%zu", i);
                init_unit(&m->units[i], i, m->names[i]);
        }
        m->snapshot = (Snapshot){.version = "0.1.0",
                .host = "host1",
                .boot_id = "0d2c5a26-93b5-4f3c-a2ab-9b1d2f6c8a10",
                .config = "/etc/zksup/zksup.conf",
                .pid = 1234,
                .started_usec = START_USEC,
                .now_usec = START_USEC + 1500000,
                .units = m->units,
                .n_units = n};
        m->snapshot.session = (SnapshotSession){.state = "attached",
                .server = "127.0.0.1:2181",
                .connect = "127.0.0.1:2181",
                .chroot = "",
                .root = "/zksup",
                .id = INT64_C(0x1000000abcd0001),
                .timeout_usec = 15000000,
                .lease_usec = 12000000,
                .renew_usec = 2000000,
                .since_usec = START_USEC,
                .renewals = 17,
                .attaches = 1,
                .sessions = 1,
                .has_renew_latency = true,
                .renew_latency_seconds = 0.0021,
                .renew_latency_sum_seconds = 0.04,
                .renew_latency_max_seconds = 0.011};
}

void fake_manager_deinit(FakeManager *m)
{
        free(m->units);
        free(m->names);
}
