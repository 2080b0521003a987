/* Signals by the names that people use: "TERM", "SIGTERM", "15", "RTMIN+3". */
#pragma once

#define SIGNAL_NAME_MAX 16

/* Returns the number, or -EINVAL. */
int signal_from_string(const char *text);
/* "TERM", "RTMIN+3", or the number. Returns BUF. */
const char *signal_to_string(int signal, char buf[SIGNAL_NAME_MAX]);
