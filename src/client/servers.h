/* The servers of a connect string as the library is to have them: numeric addresses, shuffled, and
 * what became of the attempts to reach them. Names are resolved beside the loop (resolve.h), at the
 * start, when all servers have failed, and from time to time.
 *
 * The list has an odd number of entries, the first one twice if need be: the library moves on two
 * places when a connection is lost, and never comes to every second one of an even list
 * (ZOOKEEPER-2466). */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>
#include "client/hosts.h"
#include "util/random.h"
#include "util/text.h"

typedef struct Servers Servers;

/* CHANGED is called from the loop when there is a list that differs from the one before. HOSTS and
 * RANDOM are borrowed. Returns 0 or a negative errno. With numeric addresses only the list is there
 * at once, and CHANGED is never called. */
int servers_new(Servers **out, sd_event *event, const Hosts *hosts, Random *random,
        void (*changed)(void *userdata), void *userdata);
Servers *servers_free(Servers *servers);

/* "127.0.0.1:2181,::1:2181", the library's own syntax; NULL while no address is known. Valid until
 * CHANGED is called. */
const char *servers_list(const Servers *servers);
/* Entries of it. */
size_t servers_count(const Servers *servers);
/* Asks for the names again, unless that was done within the last five seconds. */
void servers_refresh(Servers *servers);
/* What became of the last attempt to reach ADDRESS. */
void servers_note(Servers *servers, const char *address, const char *text);
/* "127.0.0.1:2181: Connection refused; db1: Name or service not known" */
void servers_describe(const Servers *servers, TextBuffer *text);
