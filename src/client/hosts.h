/* A connect string as people write it: "db1:2181,db2,[::1]:2181/app". Names and numeric addresses
 * with a port each, and one chroot for all of them. Parses only; see servers.h for addresses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTS_PORT_DEFAULT 2181
#define HOSTS_MAX 64

typedef struct Host {
        char *name; /* without brackets */
        uint16_t port;
        bool numeric; /* an IPv4 or IPv6 address: never asked of the resolver */
} Host;

typedef struct Hosts {
        Host *items;
        size_t n;
        char *chroot; /* "/a/b" without a slash at the end; "" if none */
} Hosts;

/* Returns 0, -EINVAL with a sentence in PROBLEM that names the place and the remedy, or -ENOMEM. On
 * failure HOSTS is empty. */
int hosts_parse(Hosts *hosts, const char *text, char *problem, size_t problem_size);
void hosts_deinit(Hosts *hosts);
static inline void hosts_deinit_cleanup(Hosts *hosts)
{
        hosts_deinit(hosts);
}
