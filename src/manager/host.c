#include "manager/host.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "manager/timer.h"
#include "recipe/node.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#define PAUSE_USEC (2 * USEC_PER_SEC)
/* Much to say is said more rarely: so many bytes a second. */
#define BYTES_PER_SECOND 20000
/* What a znode can take, with room to spare (jute.maxbuffer is 1 MB): units past it are only counted. */
#define DATA_MAX 800000
#define MINE_MAX 200

struct Host {
        Client *client;
        Node node;
        Timer timer;
        char id[300];
        char mine[MINE_MAX]; /* what the data of this very process begins with */
};

static void step(Host *host, const Event *event);

static void on_reply(void *userdata, const Event *event)
{
        step(userdata, event);
}

static void step_kind(Host *host, enum EventKind kind)
{
        Event event = {.kind = kind, .now_usec = clock_boottime_usec()};

        step(host, &event);
}

static void on_timer(void *userdata)
{
        step_kind(userdata, EVENT_TIME);
}

static void submit(Host *host, const Request *request)
{
        Event lost = {.kind = EVENT_REPLY, .reply = {.tag = request->tag, .outcome = OUTCOME_UNKNOWN}};

        if (client_submit(host->client, request, on_reply, host) == 0)
                return;
        lost.now_usec = clock_boottime_usec();
        step(host, &lost); /* asks again later */
}

static void perform(Host *host, const Effect *effect)
{
        switch (effect->kind) {
        case EFFECT_REQUEST:
                submit(host, &effect->request);
                break;
        case EFFECT_WAITING:
                log_notice("%s; until it goes 'zksup who' does not show this supervisor. If both are to run, "
                           "give one of them "
                           "another 'host' in its configuration",
                        effect->waiting.text);
                break;
        case EFFECT_FAILED:
                log_warning("cannot say in the ensemble what runs here: %s; 'zksup who' does not show this "
                            "supervisor",
                        effect->failed.text);
                break;
        case EFFECT_TRACE:
                log_debug("host: %s", effect->trace.text);
                break;
        case EFFECT_HELD:
        case EFFECT_EXTENDED:
        case EFFECT_LOST:
        case EFFECT_YIELD:
        case EFFECT_RELEASED:
                break;
        }
}

static void step(Host *host, const Event *event)
{
        Effects effects;

        effects.n = 0;
        node_step(&host->node, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                perform(host, &effects.items[i]);
        timer_set(&host->timer, node_deadline(&host->node));
}

/* --- the data ----------------------------------------------------------------------------------- */

static void set_string(json_t *object, const char *key, const char *text)
{
        if (text && *text)
                json_object_set_new(object, key, json_string(text)); /* what is no UTF-8 is left out */
}

static void set_time(json_t *object, const char *key, uint64_t usec)
{
        if (usec)
                json_object_set_new(object, key, json_integer((json_int_t)usec));
}

static json_t *gate_json(const SnapshotGate *gate)
{
        json_t *object = json_object();

        set_string(object, "kind", gate->kind);
        set_string(object, "name", gate->name);
        set_string(object, "state", gate->state);
        set_string(object, "text", gate->text);
        if (gate->token)
                json_object_set_new(object, "token", json_integer(gate->token));
        return object;
}

static json_t *unit_json(const SnapshotUnit *unit)
{
        json_t *object = json_object(), *gates;

        set_string(object, "unit", unit->name);
        set_string(object, "state", unit->state);
        set_string(object, "reason", unit->reason);
        set_string(object, "want", unit->want);
        json_object_set_new(object, "ready", json_boolean(unit->ready));
        if (unit->wedged)
                json_object_set_new(object, "wedged", json_true());
        set_time(object, "since", unit->since_usec);
        if (unit->pid)
                json_object_set_new(object, "pid", json_integer(unit->pid));
        if (unit->has_sequence)
                json_object_set_new(object, "number", json_integer((json_int_t)unit->sequence));
        set_string(object, "role", unit->role);
        if (unit->token)
                json_object_set_new(object, "token", json_integer(unit->token));
        set_string(object, "text", unit->text);
        if (unit->n_gates == 0)
                return object;
        gates = json_array();
        for (size_t i = 0; i < unit->n_gates; i++)
                json_array_append_new(gates, gate_json(&unit->gates[i]));
        json_object_set_new(object, "gates", gates);
        return object;
}

/* Boot id and pid: no other process has both. They come first, so that they can be compared without a parser.
 */
static void describe_mine(char mine[MINE_MAX], const Snapshot *s)
{
        snprintf(mine, MINE_MAX, "{\"boot_id\":\"%.40s\",\"pid\":%d,", s->boot_id ? s->boot_id : "", s->pid);
}

static bool is_mine(const void *userdata, const void *data, size_t len)
{
        const Host *host = userdata;
        size_t n = strlen(host->mine);

        return n && len >= n && memcmp(data, host->mine, n) == 0;
}

/* The units one by one, each in a few hundred bytes, until there is no more room. */
static int make_data(const Host *host, const Snapshot *s, TextBuffer *text)
{
        json_t *head = json_object();
        char *dump;

        set_string(head, "zksup", s->version);
        set_string(head, "host", s->host);
        set_time(head, "since", s->started_usec);
        set_string(head, "config", s->config);
        dump = json_dumps(head, JSON_COMPACT);
        json_decref(head);
        if (!dump)
                return -ENOMEM;
        text_buffer_puts(text, host->mine);
        text_buffer_append(text, dump + 1, strlen(dump) - 2);
        free(dump);
        text_buffer_puts(text, ",\"units\":[");
        for (size_t i = 0; i < s->n_units; i++) {
                json_t *unit = unit_json(&s->units[i]);

                dump = json_dumps(unit, JSON_COMPACT);
                json_decref(unit);
                if (!dump)
                        return -ENOMEM;
                if (text->len + strlen(dump) > DATA_MAX) {
                        free(dump);
                        text_buffer_printf(text, "],\"more\":%zu}", s->n_units - i);
                        return text->failed ? -ENOMEM : 0;
                }
                text_buffer_printf(text, "%s%s", i ? "," : "", dump);
                free(dump);
        }
        text_buffer_puts(text, "]}");
        return text->failed ? -ENOMEM : 0;
}

void host_set(Host *host, const Snapshot *snapshot)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};

        describe_mine(host->mine, snapshot);
        if (make_data(host, snapshot, &text) < 0 || node_set_data(&host->node, text.data, text.len) < 0)
                return; /* what is there stays; the next change tries again */
        node_set_pause(&host->node, MAX(PAUSE_USEC, text.len * USEC_PER_SEC / BYTES_PER_SECOND));
        step_kind(host, EVENT_TIME);
}

/* --- life --------------------------------------------------------------------------------------- */

static int make_id(Host *host, const HostConfig *config)
{
        const char *slash = config->config ? strrchr(config->config, '/') : NULL;
        const char *file = slash ? slash + 1 : config->config ? config->config : "zksup.conf";
        int length = (int)(strlen(file) - (text_has_suffix(file, ".conf") ? 5 : 0));
        char name[128] = "?";
        int n;

        if (config->host)
                n = snprintf(host->id, sizeof(host->id), "%s", config->host);
        else if (gethostname(name, sizeof(name) - 1) < 0)
                return -errno;
        else
                n = snprintf(host->id, sizeof(host->id), "%s", name);
        if (strcmp(file, "zksup.conf") != 0 && n > 0 && (size_t)n < sizeof(host->id))
                n += snprintf(host->id + n, sizeof(host->id) - (size_t)n, ":%.*s", length, file);
        return n < 0 || (size_t)n >= sizeof(host->id) ? -ENAMETOOLONG : 0;
}

int host_new(Host **out, sd_event *event, Client *client, const HostConfig *config)
{
        CLEANUP(host_free) Host *host = calloc(1, sizeof(*host));
        char path[ZNODE_PATH_MAX];
        int n, r;

        if (!host)
                return -ENOMEM;
        host->client = client;
        r = make_id(host, config);
        if (r < 0)
                return r;
        n = snprintf(path, sizeof(path), "%s/host/%s", strcmp(config->root, "/") == 0 ? "" : config->root,
                host->id);
        if (n < 0 || (size_t)n >= sizeof(path))
                return -ENAMETOOLONG;
        r = node_init(&host->node,
                &(NodeConfig){.path = path, .pause_usec = PAUSE_USEC, .is_ours = is_mine, .userdata = host});
        if (r < 0)
                return r;
        r = timer_init(&host->timer, event, SD_EVENT_PRIORITY_IDLE, on_timer, host);
        if (r < 0)
                return r;
        step_kind(host, EVENT_START);
        *out = TAKE(host);
        return 0;
}

Host *host_free(Host *host)
{
        if (!host)
                return NULL;
        client_cancel(host->client, host);
        timer_deinit(&host->timer);
        node_deinit(&host->node);
        free(host);
        return NULL;
}

void host_on_session(Host *host, const Event *event)
{
        step(host, event);
}
