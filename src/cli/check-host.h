/* What zksup check says of this host and of the servers, besides the file and the session: clock, containment, four-letter
 * words. Each prints its lines on stdout and returns how many problems it has found. */
#pragma once

#include "client/hosts.h"
#include "config/config.h"

unsigned check_host_clock(void);
unsigned check_host_contain(const Config *config);
/* TICK_USEC: 0 if it cannot be learnt. */
unsigned check_host_servers(const Hosts *hosts, uint64_t timeout_usec, uint64_t *tick_usec);

/* "PROBLEM: ..." */
void check_host_problem(const char *fmt, ...) PRINTF_LIKE(1, 2);
