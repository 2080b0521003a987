/* What was read of the cluster as JSON: who of those that stand in a queue holds, who waits, in what order. A
 * grant belongs to the node that carries its id and is not younger than it: our name comes back with a new
 * node after a lost session. */
#include "manager/cluster-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "recipe/contender.h"
#include "recipe/cron-book.h"
#include "util/clock.h"
#include "util/text.h"
#include "util/zone.h"

/* Text from the ensemble: what is no UTF-8 is shown with '?' for each byte that is not ASCII. */
static json_t *json_text(const char *text, size_t len)
{
        json_t *json = json_stringn(text, len);
        char *ascii;

        if (json)
                return json;
        ascii = malloc(len + 1);
        if (!ascii)
                return NULL;
        for (size_t i = 0; i < len; i++)
                ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
        json = json_stringn(ascii, len);
        free(ascii);
        return json;
}

static void set_text(json_t *object, const char *key, const char *text)
{
        if (*text)
                json_object_set_new(object, key, json_text(text, strlen(text)));
}

static void set_integer(json_t *object, const char *key, int64_t value)
{
        json_object_set_new(object, key, json_integer(value));
}

static void set_msec(json_t *object, const char *key, int64_t msec)
{
        if (msec > 0)
                set_integer(object, key, msec * (int64_t)USEC_PER_MSEC);
}

static void set_session(json_t *object, const ZnodeStat *stat)
{
        char text[24];

        snprintf(text, sizeof(text), "0x%" PRIx64, (uint64_t)stat->ephemeral_owner);
        if (stat->ephemeral_owner)
                json_object_set_new(object, "session", json_string(text));
}

/* "host pid unit" in the first line, as ours write it; anything else is data. */
static void set_who(json_t *object, const ClusterNode *node)
{
        const char *text = node->data ? node->data : "";
        int length = (int)strcspn(text, "\n"), host = 0, pid = 0;
        unsigned long long number;
        char line[400];

        snprintf(line, sizeof(line), "%.*s", length, text);
        if (sscanf(line, "%*s%n %llu%n", &host, &number, &pid) == 1 && line[pid] == ' ' && line[pid + 1]) {
                line[host] = '\0';
                set_text(object, "host", line);
                set_integer(object, "pid", (int64_t)number);
                set_text(object, "unit", line + pid + 1);
        } else {
                set_text(object, "data", line);
        }
}

static void set_grant(json_t *object, const ClusterGrant *grant)
{
        set_text(object, "host", grant->text.host);
        set_text(object, "unit", grant->text.unit);
        if (grant->text.pid)
                set_integer(object, "pid", (int64_t)grant->text.pid);
        set_text(object, "boot_id", grant->text.boot_id);
        if (grant->understood)
                set_integer(object, "lease", (int64_t)grant->text.lease_usec);
        if (grant->stat.czxid)
                set_integer(object, "token", grant->stat.czxid);
        set_msec(object, "since", grant->stat.ctime_msec);
        set_msec(object, "renewed", grant->stat.mtime_msec);
}

/* One that holds: GRANT, its NODE, or both. */
static json_t *holder(const ClusterGrant *grant, const ClusterNode *node)
{
        json_t *object = json_object();

        if (!grant) {
                json_object_set_new(object, "state", json_string("held"));
                json_object_set_new(object, "foreign", json_true());
                set_who(object, node);
                set_msec(object, "since", node->stat.ctime_msec);
        } else {
                json_object_set_new(object, "state",
                        json_string(grant->text.state == RECORD_WEDGED ? "wedged"
                                    : node                             ? "held"
                                                                       : "left"));
                set_grant(object, grant);
        }
        if (node)
                set_session(object, &node->stat);
        return object;
}

/* Whether NODE is that of GRANT. Grants are called "<id>-<attempt>". */
static bool is_of(const ClusterNode *node, const ClusterGrant *grant)
{
        const char *dash = strrchr(grant->name, '-');
        char id[128];

        if (!node->there || !dash || (size_t)(dash - grant->name) >= sizeof(id) ||
                node->stat.czxid > grant->stat.czxid)
                return false;
        snprintf(id, sizeof(id), "%.*s", (int)(dash - grant->name), grant->name);
        return contender_is(node->name, id);
}

static const ClusterNode *find_node(const ClusterThing *thing, const ClusterGrant *grant)
{
        for (size_t i = 0; i < thing->n_nodes; i++)
                if (is_of(&thing->nodes[i], grant))
                        return &thing->nodes[i];
        return NULL;
}

static bool is_held(const ClusterThing *thing, const ClusterNode *node)
{
        for (size_t i = 0; i < thing->n_grants; i++)
                if (thing->grants[i].there && is_of(node, &thing->grants[i]))
                        return true;
        return false;
}

/* --- queues ------------------------------------------------------------------------------------- */

static int by_order(const void *pa, const void *pb)
{
        const ClusterNode *a = pa, *b = pb;
        Contender x = {0}, y = {0};

        (void)contender_parse(a->name, &x);
        (void)contender_parse(b->name, &y);
        return x.order < y.order ? -1 : x.order > y.order;
}

static int by_priority(const void *pa, const void *pb)
{
        const ClusterNode *a = pa, *b = pb;
        Contender x = {0}, y = {0};

        (void)contender_parse(a->name, &x);
        (void)contender_parse(b->name, &y);
        return x.priority != y.priority ? (x.priority < y.priority ? 1 : -1) : by_order(pa, pb);
}

static bool is_foreign(const ClusterNode *node)
{
        Contender x;

        return contender_parse(node->name, &x) && x.foreign;
}

static bool is_shared(const ClusterNode *node)
{
        Contender x;

        return contender_parse(node->name, &x) && x.shared;
}

/* In an election ours are sorted by priority between two foreign ones, and nobody passes those. */
static void sort_candidates(ClusterThing *thing)
{
        size_t begin = 0;

        for (size_t i = 0; i <= thing->n_nodes; i++)
                if (i == thing->n_nodes || is_foreign(&thing->nodes[i])) {
                        if (i > begin)
                                qsort(thing->nodes + begin, i - begin, sizeof(*thing->nodes), by_priority);
                        begin = i + 1;
                }
}

/* Those that have gone while we read are taken out. */
static void drop_the_gone(ClusterThing *thing)
{
        size_t kept = 0;

        for (size_t i = 0; i < thing->n_nodes; i++) {
                ClusterNode node = thing->nodes[i];

                if (node.there) {
                        thing->nodes[i] = thing->nodes[kept];
                        thing->nodes[kept++] = node;
                }
        }
        for (size_t i = kept; i < thing->n_nodes; i++) {
                free(thing->nodes[i].name);
                free(thing->nodes[i].data);
        }
        thing->n_nodes = kept;
}

/* A foreign client holds by its place alone: first in line, or with none but readers before it if it is one.
 */
static bool foreign_holds(const ClusterThing *thing, size_t index)
{
        const ClusterNode *node = &thing->nodes[index];

        if (!is_foreign(node) || node->in_line)
                return false;
        if (thing->part == CLUSTER_SLOTS)
                return true;
        for (size_t i = 0; i < index; i++)
                if (thing->part != CLUSTER_LOCKS || !is_shared(node) || !is_shared(&thing->nodes[i]))
                        return false;
        return true;
}

static json_t *waiter(const ClusterThing *thing, const ClusterNode *node, size_t position)
{
        json_t *object = json_object();
        Contender x = {0};

        (void)contender_parse(node->name, &x);
        set_integer(object, "position", (int64_t)position);
        if (thing->part == CLUSTER_LOCKS)
                json_object_set_new(object, "mode", json_string(x.shared ? "shared" : "exclusive"));
        if (x.priority)
                set_integer(object, "priority", x.priority);
        if (x.preempts)
                json_object_set_new(object, "preempt", json_true());
        if (x.foreign)
                json_object_set_new(object, "foreign", json_true());
        set_who(object, node);
        set_msec(object, "since", node->stat.ctime_msec);
        set_session(object, &node->stat);
        return object;
}

static json_t *slot_of(const char *name)
{
        const char *end = strstr(name, "-lease-"), *begin;
        uint64_t slot;
        char text[24];

        if (!end)
                return NULL;
        for (begin = end; begin > name && begin[-1] >= '0' && begin[-1] <= '9';)
                begin--;
        snprintf(text, sizeof(text), "%.*s", (int)(end - begin), begin);
        return text_to_u64(text, 1, INT64_MAX, &slot) == 0 ? json_integer((int64_t)slot) : NULL;
}

static json_t *queue_json(ClusterThing *thing)
{
        json_t *object = json_object(), *holders = json_array(), *queue = json_array();
        bool shared = thing->shared;
        size_t position = 0;

        set_text(object, "name", thing->name);
        drop_the_gone(thing);
        if (thing->n_nodes)
                qsort(thing->nodes, thing->n_nodes, sizeof(*thing->nodes), by_order);
        if (thing->part == CLUSTER_ELECTIONS)
                sort_candidates(thing);
        for (size_t i = 0; i < thing->n_grants; i++) {
                const ClusterGrant *grant = &thing->grants[i];
                json_t *one;
                uint64_t slot;

                if (!grant->there)
                        continue;
                one = holder(grant, find_node(thing, grant));
                if (thing->part == CLUSTER_SLOTS && text_to_u64(grant->record, 1, INT64_MAX, &slot) == 0)
                        set_integer(one, "slot", (int64_t)slot);
                json_array_append_new(holders, one);
        }
        for (size_t i = 0; i < thing->n_nodes; i++) {
                const ClusterNode *node = &thing->nodes[i];

                if (foreign_holds(thing, i)) {
                        json_array_append_new(holders, holder(NULL, node));
                        shared |= is_shared(node);
                } else if (!is_held(thing, node) &&
                           (thing->part != CLUSTER_SLOTS || node->in_line || !slot_of(node->name))) {
                        json_array_append_new(queue, waiter(thing, node, ++position));
                }
        }
        if (thing->part == CLUSTER_LOCKS)
                json_object_set_new(object, "mode", json_string(shared ? "shared" : "exclusive"));
        json_object_set_new(object, "holders", holders);
        json_object_set_new(object, thing->part == CLUSTER_ELECTIONS ? "candidates" : "queue", queue);
        return object;
}

/* --- numbers ------------------------------------------------------------------------------------ */

typedef struct Number {
        uint64_t number;
        const ClusterNode *node;
        const ClusterGrant *grant;
} Number;

static int by_number(const void *pa, const void *pb)
{
        const Number *a = pa, *b = pb;

        if (a->number != b->number)
                return a->number < b->number ? -1 : 1;
        return (a->grant == NULL) - (b->grant == NULL);
}

/* A number with a record comes before the znode of the same number. */
static size_t collect_numbers(const ClusterThing *thing, Number *numbers)
{
        size_t n = 0;

        for (size_t i = 0; i < thing->n_grants; i++)
                if (thing->grants[i].there &&
                        text_to_u64(thing->grants[i].record, 0, UINT64_MAX, &numbers[n].number) == 0)
                        numbers[n++].grant = &thing->grants[i];
        for (size_t i = 0; i < thing->n_nodes; i++)
                if (text_to_u64(thing->nodes[i].name, 0, UINT64_MAX, &numbers[n].number) == 0)
                        numbers[n++].node = &thing->nodes[i];
        if (n)
                qsort(numbers, n, sizeof(*numbers), by_number);
        return n;
}

static json_t *numbers_json(ClusterThing *thing)
{
        json_t *object = json_object(), *holders = json_array();
        Number *numbers = calloc(thing->n_nodes + thing->n_grants + 1, sizeof(*numbers));
        size_t n;

        drop_the_gone(thing);
        n = numbers ? collect_numbers(thing, numbers) : 0;
        set_text(object, "pool", thing->name);
        set_integer(object, "choosing", (int64_t)thing->choosing);
        for (size_t i = 0; i < n; i++) {
                Number x = numbers[i];
                json_t *one;

                /* the znode is made in the same transaction as the grant, or it is another's */
                if (i + 1 < n && numbers[i + 1].number == x.number && x.grant && numbers[i + 1].node)
                        x.node = numbers[++i].node;
                if (x.grant && x.node && x.node->stat.czxid > x.grant->stat.czxid)
                        x.node = NULL;
                one = holder(x.grant, x.node);
                set_integer(one, "number", (int64_t)x.number);
                json_array_append_new(holders, one);
        }
        free(numbers);
        json_object_set_new(object, "holders", holders);
        return object;
}

/* --- cron --------------------------------------------------------------------------------------- */

static void set_time(json_t *object, const char *key, int64_t seconds)
{
        if (seconds != CRON_NONE)
                set_integer(object, key, seconds * (int64_t)USEC_PER_SEC);
}

static void set_next(json_t *object, const CronBook *book, int64_t now_usec)
{
        CLEANUP(zone_free) Zone *zone = NULL;
        CronSchedule schedule;
        char problem[300];
        int64_t next;

        if (cron_schedule_parse(&schedule, book->schedule, problem, sizeof(problem)) < 0 ||
                zone_new(&zone, book->zone, problem, sizeof(problem)) < 0)
                return;
        next = cron_schedule_next(&schedule, zone, now_usec / (int64_t)USEC_PER_SEC);
        if (next != CRON_SCHEDULE_NEVER)
                set_time(object, "next", next);
}

static json_t *entry_json(const CronEntry *entry)
{
        json_t *object = json_object();

        json_object_set_new(object, "mark", json_string(cron_mark_to_string(entry->mark)));
        set_time(object, "tick", entry->tick);
        if (entry->count > 1) {
                set_time(object, "until", entry->until);
                set_integer(object, "count", (int64_t)entry->count);
        }
        set_time(object, "start", entry->start);
        set_time(object, "end", entry->end);
        if (entry->status != CRON_NONE)
                set_integer(object, "status", entry->status);
        set_text(object, "host", entry->host);
        return object;
}

static json_t *totals_json(const CronBook *book)
{
        json_t *totals = json_object();

        for (enum CronMark mark = 0; mark < CRON_MARKS; mark++)
                if (mark != CRON_RUNNING)
                        set_integer(totals, cron_mark_to_string(mark), (int64_t)book->totals[mark]);
        return totals;
}

static void set_book(json_t *object, const CronBook *book, int64_t now_usec)
{
        set_text(object, "schedule", book->schedule);
        set_text(object, "zone", book->zone);
        if (book->last > book->since)
                set_time(object, "last", book->last);
        set_next(object, book, now_usec);
        set_time(object, "queued", book->queued);
        for (size_t i = book->n; i-- > 0;)
                if (book->entries[i].mark != CRON_RUNNING) {
                        json_object_set_new(object, "outcome", entry_json(&book->entries[i]));
                        break;
                }
        json_object_set_new(object, "totals", totals_json(book));
}

static json_t *cron_json(ClusterThing *thing, int64_t now_usec)
{
        json_t *object = json_object(), *run = NULL;
        const CronEntry *running;
        char problem[200];
        CronBook book;

        set_text(object, "name", thing->name);
        if (cron_book_parse(&book, thing->self.data, thing->self.len, problem, sizeof(problem)) < 0) {
                set_text(object, "problem", problem);
                return object;
        }
        set_book(object, &book, now_usec);
        running = cron_book_running(&book);
        if (!running)
                return object;
        for (size_t i = 0; i < thing->n_grants; i++)
                if (thing->grants[i].there && strcmp(thing->grants[i].name, running->id) == 0)
                        run = holder(&thing->grants[i],
                                thing->n_nodes && thing->nodes[0].there ? &thing->nodes[0] : NULL);
        if (!run)
                run = json_object();
        json_object_update_missing_new(run, entry_json(running));
        json_object_set_new(object, "run", run);
        return object;
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* The data is JSON of somebody: OBJECT, with what we know for certain. */
static json_t *with_data(const char *id, const ClusterNode *node)
{
        json_t *object = json_loadb(node->data, node->len, JSON_REJECT_DUPLICATES, NULL);

        if (!json_is_object(object)) {
                json_decref(object);
                object = json_object();
        }
        json_object_set_new(object, "id", json_text(id, strlen(id)));
        set_session(object, &node->stat);
        return object;
}

static json_t *service_json(ClusterThing *thing)
{
        json_t *object = json_object(), *instances = json_array();

        set_text(object, "name", thing->name);
        for (size_t i = 0; i < thing->n_nodes; i++)
                if (thing->nodes[i].there)
                        json_array_append_new(instances, with_data(thing->nodes[i].name, &thing->nodes[i]));
        json_object_set_new(object, "instances", instances);
        return object;
}

/* Containers stay for a while when the last one has left. */
static bool is_empty(const ClusterThing *thing)
{
        if (thing->part == CLUSTER_HOSTS || thing->part == CLUSTER_CRON)
                return !thing->self.there;
        for (size_t i = 0; i < thing->n_nodes; i++)
                if (thing->nodes[i].there)
                        return false;
        for (size_t i = 0; i < thing->n_grants; i++)
                if (thing->grants[i].there)
                        return false;
        return thing->choosing == 0;
}

static json_t *thing_json(const ClusterPicture *picture, ClusterThing *thing)
{
        switch (thing->part) {
        case CLUSTER_HOSTS:
                return with_data(thing->name, &thing->self);
        case CLUSTER_NUMBERS:
                return numbers_json(thing);
        case CLUSTER_ELECTIONS:
        case CLUSTER_LOCKS:
        case CLUSTER_SLOTS:
                return queue_json(thing);
        case CLUSTER_CRON:
                return cron_json(thing, picture->now_usec);
        case CLUSTER_SERVICES:
                return service_json(thing);
        case CLUSTER_PARTS:
                break;
        }
        return NULL;
}

static int by_name(const void *pa, const void *pb)
{
        const ClusterThing *a = pa, *b = pb;

        return a->part != b->part ? (a->part < b->part ? -1 : 1) : strcmp(a->name, b->name);
}

json_t *cluster_json(ClusterPicture *picture)
{
        json_t *result = json_object();

        set_text(result, "root", *picture->root ? picture->root : "/");
        set_integer(result, "read_at", picture->now_usec);
        json_object_set_new(result, "truncated", json_boolean(picture->truncated));
        json_object_set(result, "denied", picture->denied);
        for (enum ClusterPart part = 0; part < CLUSTER_PARTS; part++)
                json_object_set_new(result, cluster_part_to_string(part), json_array());
        if (picture->n_things)
                qsort(picture->things, picture->n_things, sizeof(*picture->things), by_name);
        for (size_t i = 0; i < picture->n_things; i++) {
                ClusterThing *thing = &picture->things[i];

                if (!is_empty(thing))
                        json_array_append_new(json_object_get(result, cluster_part_to_string(thing->part)),
                                thing_json(picture, thing));
        }
        return result;
}
