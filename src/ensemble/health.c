#include "ensemble/health.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include "ensemble/four-letter.h"

static const char *explain(int result)
{
        switch (-result) {
        case ECONNREFUSED:
                return "connection refused: nothing listens there; is the server started?";
        case ETIMEDOUT:
                return "no answer in time: the server is stopped or overloaded, or a firewall is between";
        case ENODATA:
                return "closed the connection without a word: too many connections (maxClientCnxns), or a TLS port";
        default:
                return strerror(-result);
        }
}

static void take_answer(HealthServer *server, const FourLetter *asked)
{
        if (asked->result < 0) {
                snprintf(server->problem, sizeof(server->problem), "%s", explain(asked->result));
                return;
        }
        srvr_parse(&server->srvr, asked->answer.data);
        switch (server->srvr.mode) {
        case SRVR_NOT_SERVING:
                snprintf(server->problem, sizeof(server->problem),
                        "runs but does not serve: it has no quorum, start more of its peers");
                break;
        case SRVR_NOT_ALLOWED:
                snprintf(server->problem, sizeof(server->problem),
                        "does not tell: add srvr to its 4lw.commands.whitelist");
                break;
        case SRVR_NOT_ZOOKEEPER:
                snprintf(server->problem, sizeof(server->problem), "answers, but not as a ZooKeeper server does");
                break;
        case SRVR_STANDALONE:
        case SRVR_LEADER:
        case SRVR_FOLLOWER:
        case SRVR_OBSERVER:
        case SRVR_READ_ONLY:
                break;
        }
}

static struct addrinfo *resolve(HealthServer *server, const Host *host)
{
        const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        struct addrinfo *found = NULL;
        char port[8];
        int r;

        snprintf(server->name, sizeof(server->name), strchr(host->name, ':') ? "[%s]:%u" : "%s:%u", host->name,
                host->port);
        snprintf(port, sizeof(port), "%u", host->port);
        r = getaddrinfo(host->name, port, &hints, &found);
        if (r == 0)
                return found;
        snprintf(server->problem, sizeof(server->problem), "cannot resolve the name: %s", gai_strerror(r));
        return NULL;
}

int health_ask(Health *health, const Hosts *hosts, uint64_t timeout_usec)
{
        struct addrinfo *addresses[HOSTS_MAX];
        FourLetter asked[HOSTS_MAX];
        int r;

        *health = (Health){.servers = calloc(hosts->n ? hosts->n : 1, sizeof(HealthServer)), .n = hosts->n};
        if (!health->servers)
                return -ENOMEM;
        for (size_t i = 0; i < hosts->n; i++) {
                addresses[i] = resolve(&health->servers[i], &hosts->items[i]);
                asked[i] = (FourLetter){.address = addresses[i]};
        }
        r = four_letter_ask(asked, hosts->n, "srvr", timeout_usec);
        for (size_t i = 0; i < hosts->n; i++) {
                if (r == 0 && addresses[i])
                        take_answer(&health->servers[i], &asked[i]);
                health->serving += health->servers[i].problem[0] == '\0' &&
                        srvr_mode_serves(health->servers[i].srvr.mode);
                if (r == 0)
                        four_letter_deinit(&asked[i]);
                if (addresses[i])
                        freeaddrinfo(addresses[i]);
        }
        return r;
}

void health_deinit(Health *health)
{
        free(health->servers);
        *health = (Health){0};
}

bool health_has_quorum(const Health *health)
{
        return health->serving * 2 > health->n;
}
