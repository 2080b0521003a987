/* The addresses of one host name, asked for beside the loop: getaddrinfo() can block for as long as
 * the name servers are silent, and no lease would be renewed meanwhile.
 *
 * It runs in a detached thread for this one question. A process would have to be reaped, and is in
 * the way of whoever reaps all children; getaddrinfo_a() makes threads as well and tells by signal
 * or by yet another thread. The thread touches its question only, blocks all signals, and owns half
 * of the question: whoever lets go last frees it, so resolve_free() waits for nobody. */
#pragma once

#include <netdb.h>
#include <systemd/sd-event.h>

#define RESOLVE_MAX 16

typedef struct Resolve Resolve;

/* ADDRESSES are numeric, N of them; on failure N is 0 and PROBLEM says why. */
typedef void (*ResolveHandler)(void *userdata, const char *const *addresses, size_t n, const char *problem);

/* HANDLER is called once, from the loop. Returns 0 or a negative errno. */
int resolve_new(Resolve **out, sd_event *event, const char *name, ResolveHandler handler, void *userdata);
Resolve *resolve_free(Resolve *resolve);
