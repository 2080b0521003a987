/* Durations as people write them: "500ms", "6s", "1m30s", "2h", "0". A bare number is seconds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DURATION_STRING_MAX 48

/* Parses TEXT into microseconds; units us, ms, s, m (or min), h, d, each number may have a decimal
 * fraction. "infinity" gives USEC_INFINITY. Returns 0, -EINVAL for text that is no duration,
 * -ERANGE for one that does not fit 64 bits. *usec is written only on success. */
int duration_parse(const char *text, uint64_t *usec);

/* Writes USEC for people ("1.5s", "250ms", "2m30s") into BUF; returns BUF. */
const char *duration_to_string(uint64_t usec, char buf[DURATION_STRING_MAX]);
