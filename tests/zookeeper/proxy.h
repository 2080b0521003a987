/* A TCP proxy on the test's own loop, to cut and to silence connections to a server. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

typedef struct Proxy Proxy;

Proxy *proxy_new(sd_event *event, uint16_t to_port);
Proxy *proxy_free(Proxy *proxy);
uint16_t proxy_port(const Proxy *proxy);
/* Closes all connections with a reset. */
void proxy_cut(Proxy *proxy);
/* Reads nothing and forwards nothing from now on; new connections are accepted by the kernel. */
void proxy_set_silent(Proxy *proxy, bool silent);
/* Throws away what the server answers from now on, so that requests are applied but not answered. */
void proxy_set_deaf(Proxy *proxy, bool deaf);
/* Connections accepted so far. */
unsigned proxy_accepted(const Proxy *proxy);
