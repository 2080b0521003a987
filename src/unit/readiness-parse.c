/* The text of --ready, "ready =" and the like. */
#include "unit/readiness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/text.h"

/* What the guard can place a descriptor at (guard/child.h). */
#define FD_MIN 3
#define FD_MAX 191

typedef struct Problem {
        char *text;
        size_t size;
} Problem;

static int problem(const Problem *p, const char *what)
{
        snprintf(p->text, p->size, "%s", what);
        return -EINVAL;
}

static int set_host(ReadinessConfig *c, const char *host, size_t len, const Problem *p)
{
        struct in6_addr six;
        struct in_addr four;

        if (len == 0 || len >= sizeof(c->host))
                return problem(p, "needs a host between ':' and ':', as in tcp:127.0.0.1:8080");
        snprintf(c->host, sizeof(c->host), "%.*s", (int)len, host);
        if (strcmp(c->host, "localhost") == 0)
                snprintf(c->host, sizeof(c->host), "127.0.0.1");
        if (inet_pton(AF_INET, c->host, &four) != 1 && inet_pton(AF_INET6, c->host, &six) != 1)
                return problem(
                        p, "names a host: write localhost or a numeric address, names are not looked up");
        return 0;
}

static int set_port(ReadinessConfig *c, const char *text, size_t len, const Problem *p)
{
        char digits[8];
        uint64_t port;

        snprintf(digits, sizeof(digits), "%.*s", (int)MIN(len, sizeof(digits)), text);
        if (text_to_u64(digits, 1, UINT16_MAX, &port) < 0)
                return problem(p, "needs a port between 1 and 65535");
        c->port = (uint16_t)port;
        return 0;
}

/* HOST, HOST:PORT, [HOST6]:PORT or, if a port is needed, PORT alone. */
static int parse_authority(
        ReadinessConfig *c, const char *text, size_t len, bool needs_port, const Problem *p)
{
        const char *end = text + len, *host = text, *host_end, *colon;
        int r;

        if (len > 0 && text[0] == '[') {
                host_end = memchr(text, ']', len);
                if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
                        return problem(p, "has no ']' after its address, as in tcp:[::1]:8080");
                host++;
                colon = host_end + 1 < end ? host_end + 1 : NULL;
        } else {
                colon = memrchr(text, ':', len);
                host_end = colon ?: end;
        }
        if (!colon && needs_port) {
                snprintf(c->host, sizeof(c->host), "127.0.0.1");
                return set_port(c, text, len, p);
        }
        r = set_host(c, host, (size_t)(host_end - host), p);
        if (r == 0 && colon)
                r = set_port(c, colon + 1, (size_t)(end - colon - 1), p);
        return r;
}

static int parse_http(ReadinessConfig *c, const char *url, const Problem *p)
{
        const char *authority, *path;

        if (text_has_prefix(url, "https:"))
                return problem(p, "wants https, which is not spoken here: use http, or exec with a client");
        if (!text_has_prefix(url, "http://"))
                return problem(p, "needs a URL such as http://localhost:8080/health");
        authority = url + strlen("http://");
        path = authority + strcspn(authority, "/?#");
        for (const char *s = path; *s; s++)
                if (*s <= ' ' || *s == 0x7f)
                        return problem(p, "has a blank or a control character in its URL: write %20");
        c->port = 80;
        c->path = *path == '/' ? strndup(path, strcspn(path, "#")) : strdup("/");
        if (!c->path)
                return -ENOMEM;
        return parse_authority(c, authority, (size_t)(path - authority), false, p);
}

static int parse_exec(ReadinessConfig *c, const char *command, const Problem *p)
{
        char *save = NULL;
        size_t n = 0;

        c->words = strdup(command);
        if (!c->words)
                return -ENOMEM;
        for (char *w = strtok_r(c->words, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
                if (n == READINESS_ARGS_MAX)
                        return problem(p, "has too many words: put them into a script");
                c->argv[n++] = w;
        }
        if (n == 0)
                return problem(p, "needs a program, as in exec:/usr/bin/test -S /run/db.sock");
        return 0;
}

static int parse_fd(ReadinessConfig *c, const char *text, const Problem *p)
{
        uint64_t fd;

        if (text_to_u64(text, FD_MIN, FD_MAX, &fd) < 0)
                return problem(p, "must name a descriptor from fd:3 to fd:191");
        c->fd = (int)fd;
        return 0;
}

static int parse(const char *text, ReadinessConfig *c, const Problem *p)
{
        if (strcmp(text, "none") == 0) {
                c->kind = READINESS_NONE;
        } else if (strcmp(text, "notify") == 0) {
                c->kind = READINESS_NOTIFY;
        } else if (text_has_prefix(text, "fd:")) {
                c->kind = READINESS_FD;
                return parse_fd(c, text + strlen("fd:"), p);
        } else if (text_has_prefix(text, "tcp:")) {
                c->kind = READINESS_TCP;
                return parse_authority(c, text + strlen("tcp:"), strlen(text) - strlen("tcp:"), true, p);
        } else if (text_has_prefix(text, "http:") || text_has_prefix(text, "https:")) {
                c->kind = READINESS_HTTP;
                return parse_http(c, text_has_prefix(text, "http:http") ? text + strlen("http:") : text, p);
        } else if (text_has_prefix(text, "exec:")) {
                c->kind = READINESS_EXEC;
                return parse_exec(c, text + strlen("exec:"), p);
        } else {
                return problem(p,
                        "is no readiness: write none, notify, fd:N, tcp:PORT, http://HOST:PORT/PATH or "
                        "exec:PROGRAM");
        }
        return 0;
}

int readiness_parse(const char *text, ReadinessConfig *config, char *problem_text, size_t problem_size)
{
        ReadinessConfig c = {.interval_usec = config->interval_usec, .probe_usec = config->probe_usec};
        Problem p = {problem_text, problem_size};
        int r;

        if (problem_size)
                problem_text[0] = '\0';
        r = parse(text, &c, &p);
        if (r < 0) {
                if (r == -ENOMEM)
                        (void)problem(&p, "cannot be read: out of memory");
                readiness_config_deinit(&c);
                return r;
        }
        readiness_config_deinit(config);
        *config = c;
        return 0;
}

void readiness_config_deinit(ReadinessConfig *config)
{
        free(config->path);
        free(config->words);
        config->path = config->words = NULL;
        config->argv[0] = NULL;
        config->kind = READINESS_NONE;
}
