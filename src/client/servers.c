#include "client/servers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "client/inbox.h"
#include "client/resolve.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define ADDRESS_MAX 64
#define ADDRESSES_MAX 64 /* in all */
#define REFRESH_MIN_USEC (5 * USEC_PER_SEC)
#define REFRESH_USEC (300 * USEC_PER_SEC)
/* So long the quick answers wait for the slow ones before the list is made without them. */
#define GATHER_USEC (200 * USEC_PER_MSEC)

typedef struct Name {
        Servers *servers;
        const Host *host;
        Resolve *resolve; /* the question that is out */
        char addresses[RESOLVE_MAX][ADDRESS_MAX];
        size_t n;
        char problem[128]; /* "" once an answer came */
} Name;

typedef struct Note {
        char address[ADDRESS_MAX], text[160];
} Note;

struct Servers {
        sd_event *event;
        sd_event_source *timer; /* names only: makes the list, asks again */
        Random *random;
        void (*changed)(void *userdata);
        void *userdata;
        Name *names;
        size_t n_names;
        uint64_t asked_usec;
        bool gathered; /* the answers to the last questions have been made into the list */
        char *list;
        char *sorted; /* the list before it was shuffled: to tell whether it changed */
        size_t count;
        Note notes[ADDRESSES_MAX];
        size_t n_notes;
};

static void shuffle(Servers *servers, const char **items, size_t n)
{
        for (size_t i = n; i > 1; i--) {
                size_t j = (size_t)random_below(servers->random, i);
                const char *item = items[i - 1];

                items[i - 1] = items[j];
                items[j] = item;
        }
}

static bool contains(const char **items, size_t n, const char *item)
{
        for (size_t i = 0; i < n; i++)
                if (!strcmp(items[i], item))
                        return true;
        return false;
}

static char *join(const char **items, size_t n)
{
        TextBuffer text = {0};

        for (size_t i = 0; i < n; i++)
                text_buffer_printf(&text, "%s%s", i ? "," : "", items[i]);
        return text_buffer_take(&text);
}

/* All addresses known, once each. Texts belong to STORE. */
static size_t collect(const Servers *servers, char (*store)[ADDRESS_MAX + 8], const char **items)
{
        size_t n = 0;

        for (size_t i = 0; i < servers->n_names; i++) {
                const Name *name = &servers->names[i];

                for (size_t j = 0; j < name->n && n < ADDRESSES_MAX; j++) {
                        snprintf(store[n], sizeof(store[n]), "%s:%u", name->addresses[j], name->host->port);
                        items[n] = store[n];
                        if (!contains(items, n, store[n]))
                                n++;
                }
        }
        return n;
}

/* Returns whether there is a list and it differs from the one before. */
static bool make_list(Servers *servers)
{
        char store[ADDRESSES_MAX][ADDRESS_MAX + 8];
        const char *items[ADDRESSES_MAX + 1];
        size_t n = collect(servers, store, items);
        CLEANUP_STRING sorted = n ? join(items, n) : NULL;
        CLEANUP_STRING list = NULL;

        servers->gathered = true;
        if (!sorted || (servers->sorted && !strcmp(sorted, servers->sorted)))
                return false; /* rather old addresses than none */
        shuffle(servers, items, n);
        if (n % 2 == 0)
                items[n++] = items[0];
        list = join(items, n);
        if (!list)
                return false;
        free(servers->list);
        free(servers->sorted);
        servers->list = TAKE(list);
        servers->sorted = TAKE(sorted);
        servers->count = n;
        return true;
}

static void publish(Servers *servers)
{
        if (make_list(servers))
                servers->changed(servers->userdata);
}

static bool is_waiting(const Servers *servers)
{
        for (size_t i = 0; i < servers->n_names; i++)
                if (servers->names[i].resolve)
                        return true;
        return false;
}

static bool has_address(const Servers *servers)
{
        for (size_t i = 0; i < servers->n_names; i++)
                if (servers->names[i].n)
                        return true;
        return false;
}

static void arm(Servers *servers, uint64_t delay_usec)
{
        (void)sd_event_source_set_time_relative(servers->timer, delay_usec);
        (void)sd_event_source_set_enabled(servers->timer, SD_EVENT_ONESHOT);
}

static void arm_next(Servers *servers)
{
        if (is_waiting(servers) && !servers->gathered && has_address(servers))
                arm(servers, GATHER_USEC);
        else
                arm(servers, has_address(servers) ? REFRESH_USEC : REFRESH_MIN_USEC / 5);
}

static void on_resolved(void *userdata, const char *const *addresses, size_t n, const char *problem)
{
        Name *name = userdata;
        Servers *servers = name->servers;

        name->resolve = resolve_free(name->resolve);
        if (!n) {
                snprintf(name->problem, sizeof(name->problem), "%s", problem);
                log_debug("%s: %s", name->host->name, problem);
        } else {
                name->problem[0] = '\0';
                name->n = 0;
        }
        for (size_t i = 0; i < n && i < RESOLVE_MAX; i++)
                snprintf(name->addresses[name->n++], ADDRESS_MAX, "%s", addresses[i]);
        if (!is_waiting(servers) || servers->gathered)
                publish(servers); /* a late answer counts at once */
        arm_next(servers);
}

static void ask_all(Servers *servers)
{
        servers->asked_usec = clock_boottime_usec();
        servers->gathered = false;
        for (size_t i = 0; i < servers->n_names; i++) {
                Name *name = &servers->names[i];
                int r;

                if (name->host->numeric || name->resolve)
                        continue;
                if (!name->n)
                        snprintf(name->problem, sizeof(name->problem),
                                "the name servers have not answered yet");
                r = resolve_new(&name->resolve, servers->event, name->host->name, on_resolved, name);
                if (r < 0)
                        snprintf(
                                name->problem, sizeof(name->problem), "cannot be resolved: %s", strerror(-r));
        }
        arm_next(servers);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Servers *servers = userdata;

        if (is_waiting(servers) && !servers->gathered) {
                publish(servers);
                arm_next(servers);
                return 0;
        }
        ask_all(servers);
        return 0;
}

void servers_refresh(Servers *servers)
{
        if (servers->timer && clock_boottime_usec() - servers->asked_usec >= REFRESH_MIN_USEC)
                ask_all(servers);
}

static int start(Servers *servers, const Hosts *hosts)
{
        bool names = false;
        int r;

        servers->names = calloc(hosts->n, sizeof(Name));
        if (!servers->names)
                return -ENOMEM;
        servers->n_names = hosts->n;
        for (size_t i = 0; i < hosts->n; i++) {
                Name *name = &servers->names[i];

                name->servers = servers;
                name->host = &hosts->items[i];
                if (name->host->numeric)
                        snprintf(name->addresses[name->n++], ADDRESS_MAX, "%s", name->host->name);
                else
                        names = true;
        }
        if (!names)
                return make_list(servers) ? 0 : -ENOMEM;
        r = sd_event_add_time_relative(servers->event, &servers->timer, CLOCK_MONOTONIC, GATHER_USEC,
                USEC_PER_MSEC, on_timer, servers);
        if (r < 0)
                return r;
        (void)sd_event_source_set_priority(servers->timer, INBOX_PRIORITY_CLOCK);
        ask_all(servers);
        return 0;
}

int servers_new(Servers **out, sd_event *event, const Hosts *hosts, Random *random,
        void (*changed)(void *userdata), void *userdata)
{
        Servers *servers = calloc(1, sizeof(*servers));
        int r;

        if (!servers)
                return -ENOMEM;
        servers->event = sd_event_ref(event);
        servers->random = random;
        servers->changed = changed;
        servers->userdata = userdata;
        r = start(servers, hosts);
        if (r < 0) {
                servers_free(servers);
                return r;
        }
        *out = servers;
        return 0;
}

Servers *servers_free(Servers *servers)
{
        if (!servers)
                return NULL;
        for (size_t i = 0; i < servers->n_names; i++)
                resolve_free(servers->names[i].resolve);
        sd_event_source_disable_unref(servers->timer);
        sd_event_unref(servers->event);
        free(servers->names);
        free(servers->list);
        free(servers->sorted);
        free(servers);
        return NULL;
}

const char *servers_list(const Servers *servers)
{
        return servers->list;
}

size_t servers_count(const Servers *servers)
{
        return servers->count;
}

void servers_note(Servers *servers, const char *address, const char *text)
{
        Note *note = servers->notes;

        while (note < servers->notes + servers->n_notes && strcmp(note->address, address))
                note++;
        if (note == servers->notes + servers->n_notes) {
                if (servers->n_notes == ADDRESSES_MAX)
                        return;
                servers->n_notes++;
        }
        snprintf(note->address, sizeof(note->address), "%s", address);
        snprintf(note->text, sizeof(note->text), "%s", text);
}

void servers_describe(const Servers *servers, TextBuffer *text)
{
        const char *separator = "";

        for (size_t i = 0; i < servers->n_notes; i++) {
                text_buffer_printf(
                        text, "%s%s: %s", separator, servers->notes[i].address, servers->notes[i].text);
                separator = "; ";
        }
        for (size_t i = 0; i < servers->n_names; i++) {
                const Name *name = &servers->names[i];

                if (!name->problem[0])
                        continue;
                text_buffer_printf(text, "%s%s: %s", separator, name->host->name, name->problem);
                separator = "; ";
        }
        if (!*separator)
                text_buffer_puts(text, "no attempt has been answered yet");
}
