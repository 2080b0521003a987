#include "client/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "util/macros.h"
#include "util/text.h"

#define NAME_MAX_BYTES 253 /* RFC 1035, "Size limits", in text form */

typedef struct Problem {
        char *text;
        size_t size;
} Problem;

static int complain(const Problem *problem, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int complain(const Problem *problem, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(problem->text, problem->size, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

static bool is_numeric(const char *name)
{
        unsigned char address[16];

        return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static const char *name_problem(const char *name)
{
        if (!*name)
                return "the host name is missing";
        if (strlen(name) > NAME_MAX_BYTES)
                return "the host name is too long";
        for (const char *p = name; *p; p++)
                if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                            *p == '.' || *p == '-' || *p == '_'))
                        return "a host name has letters, digits, '.', '-' and '_' only";
        return NULL;
}

/* Splits ITEM, "[v6]:port", "[v6]", "name:port" or "name", in place; PORT is NULL if none. */
static const char *split(char *item, char **name, char **port)
{
        char *colon;

        *name = item;
        *port = NULL;
        if (*item == '[') {
                char *end = strchr(item, ']');

                if (!end)
                        return "the ']' after the IPv6 address is missing";
                *name = item + 1;
                *end = '\0';
                if (end[1] == ':')
                        *port = end + 2;
                else if (end[1])
                        return "after ']' only ':PORT' can follow";
                return is_numeric(*name) ? NULL : "what is in brackets is no IPv6 address";
        }
        colon = strchr(item, ':');
        if (colon && strchr(colon + 1, ':'))
                return "an IPv6 address needs brackets, as in [::1]:2181";
        if (colon) {
                *colon = '\0';
                *port = colon + 1;
        }
        return is_numeric(*name) ? NULL : name_problem(*name);
}

static int parse_host(Host *host, const char *text, size_t len, size_t nth, const Problem *problem)
{
        CLEANUP_STRING item = strndup(text, len);
        char *name, *port;
        const char *wrong;
        uint64_t number = HOSTS_PORT_DEFAULT;

        if (!item)
                return -ENOMEM;
        if (!len)
                return complain(problem, "connect string: server %zu is empty; remove the extra comma", nth);
        wrong = split(item, &name, &port);
        if (wrong)
                return complain(problem, "connect string: server %zu '%.*s': %s", nth, (int)len, text, wrong);
        if (port && text_to_u64(port, 1, 65535, &number) < 0)
                return complain(problem,
                        "connect string: server %zu '%.*s': the port must be a number from 1 to 65535", nth,
                        (int)len, text);
        host->name = strdup(name);
        host->port = (uint16_t)number;
        host->numeric = is_numeric(name);
        return host->name ? 0 : -ENOMEM;
}

/* TEXT begins with the slash; "/" alone is no chroot. */
static int parse_chroot(Hosts *hosts, const char *text, const Problem *problem)
{
        CLEANUP_STRING copy = strdup(text);
        char *rest = copy, *component;

        if (!copy)
                return -ENOMEM;
        rest++;
        while (text[1] && (component = strsep(&rest, "/"))) {
                const char *wrong = text_component_problem(component);

                if (wrong)
                        return complain(problem, "connect string: path '%s': component '%s': %s", text,
                                component, wrong);
        }
        hosts->chroot = strdup(text[1] ? text : "");
        return hosts->chroot ? 0 : -ENOMEM;
}

static int parse(Hosts *hosts, const char *text, const Problem *problem)
{
        size_t servers_len = strcspn(text, "/"), at = 0;
        int r;

        if (!servers_len)
                return complain(problem, "connect string: no server is named; write HOST[:PORT],...[/PATH]");
        hosts->items = calloc(HOSTS_MAX, sizeof(Host));
        if (!hosts->items)
                return -ENOMEM;
        while (at <= servers_len) {
                size_t len = strcspn(text + at, ",/");

                if (hosts->n == HOSTS_MAX)
                        return complain(
                                problem, "connect string: more than %d servers; name fewer", HOSTS_MAX);
                r = parse_host(&hosts->items[hosts->n], text + at, len, hosts->n + 1, problem);
                if (r < 0)
                        return r;
                hosts->n++;
                at += len + 1;
        }
        return parse_chroot(hosts, text[servers_len] ? text + servers_len : "/", problem);
}

int hosts_parse(Hosts *hosts, const char *text, char *problem, size_t problem_size)
{
        int r;

        *hosts = (Hosts){0};
        r = parse(hosts, text, &(Problem){problem, problem_size});
        if (r == -ENOMEM)
                snprintf(problem, problem_size, "connect string: out of memory");
        if (r < 0)
                hosts_deinit(hosts);
        return r;
}

void hosts_deinit(Hosts *hosts)
{
        for (size_t i = 0; i < hosts->n; i++)
                free(hosts->items[i].name);
        free(hosts->items);
        free(hosts->chroot);
        *hosts = (Hosts){0};
}
