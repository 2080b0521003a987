#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 64

typedef struct Pair {
        Proxy *proxy;
        sd_event_source *near, *far; /* own their descriptors */
} Pair;

struct Proxy {
        sd_event *event;
        sd_event_source *listener;
        uint16_t port, to_port;
        bool silent, deaf;
        unsigned accepted;
        Pair pairs[PAIRS_MAX];
};

static struct sockaddr_in loopback(uint16_t port)
{
        return (struct sockaddr_in){
                .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void end(Pair *pair)
{
        struct linger reset = {.l_onoff = 1};

        if (!pair->near)
                return;
        setsockopt(sd_event_source_get_io_fd(pair->near), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        pair->near = sd_event_source_disable_unref(pair->near);
        pair->far = sd_event_source_disable_unref(pair->far);
}

static int on_data(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Pair *pair = userdata;
        char buf[65536];
        sd_event_source *to = source == pair->near ? pair->far : pair->near;
        ssize_t n;

        if (pair->proxy->silent) {
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
                return 0;
        }
        n = recv(fd, buf, sizeof(buf), 0);
        if (n <= 0) {
                end(pair);
                return 0;
        }
        if (source == pair->far && pair->proxy->deaf)
                return 0;
        if (send(sd_event_source_get_io_fd(to), buf, (size_t)n, MSG_NOSIGNAL) != n)
                end(pair);
        return 0;
}

static sd_event_source *watch(Pair *pair, int fd)
{
        sd_event_source *source;

        if (sd_event_add_io(pair->proxy->event, &source, fd, EPOLLIN, on_data, pair) < 0)
                abort();
        sd_event_source_set_io_fd_own(source, true);
        return source;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Proxy *proxy = userdata;
        struct sockaddr_in to = loopback(proxy->to_port);
        int near = accept4(fd, NULL, NULL, SOCK_CLOEXEC),
            far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (near < 0 || far < 0 || connect(far, (struct sockaddr *)&to, sizeof(to)) < 0) {
                if (near >= 0)
                        close(near);
                if (far >= 0)
                        close(far);
                return 0;
        }
        proxy->accepted++;
        for (Pair *pair = proxy->pairs; pair < proxy->pairs + PAIRS_MAX; pair++) {
                if (pair->near)
                        continue;
                pair->proxy = proxy;
                pair->near = watch(pair, near);
                pair->far = watch(pair, far);
                return 0;
        }
        abort();
}

Proxy *proxy_new(sd_event *event, uint16_t to_port)
{
        Proxy *proxy = calloc(1, sizeof(*proxy));
        struct sockaddr_in address = loopback(0);
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (!proxy || fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 64) < 0 ||
                getsockname(fd, (struct sockaddr *)&address, &len) < 0)
                abort();
        proxy->event = sd_event_ref(event);
        proxy->to_port = to_port;
        proxy->port = ntohs(address.sin_port);
        if (sd_event_add_io(event, &proxy->listener, fd, EPOLLIN, on_connection, proxy) < 0)
                abort();
        sd_event_source_set_io_fd_own(proxy->listener, true);
        return proxy;
}

Proxy *proxy_free(Proxy *proxy)
{
        proxy_cut(proxy);
        sd_event_source_disable_unref(proxy->listener);
        sd_event_unref(proxy->event);
        free(proxy);
        return NULL;
}

uint16_t proxy_port(const Proxy *proxy)
{
        return proxy->port;
}

void proxy_cut(Proxy *proxy)
{
        for (size_t i = 0; i < PAIRS_MAX; i++)
                end(&proxy->pairs[i]);
}

void proxy_set_silent(Proxy *proxy, bool silent)
{
        proxy->silent = silent;
        sd_event_source_set_enabled(proxy->listener, silent ? SD_EVENT_OFF : SD_EVENT_ON);
        for (size_t i = 0; i < PAIRS_MAX && !silent; i++)
                if (proxy->pairs[i].near) {
                        sd_event_source_set_enabled(proxy->pairs[i].near, SD_EVENT_ON);
                        sd_event_source_set_enabled(proxy->pairs[i].far, SD_EVENT_ON);
                }
}

void proxy_set_deaf(Proxy *proxy, bool deaf)
{
        proxy->deaf = deaf;
}

unsigned proxy_accepted(const Proxy *proxy)
{
        return proxy->accepted;
}
