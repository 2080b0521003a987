/* A time zone: what to add to a time since the epoch for the local time, and when that changes. Reads the
 * files of the zone database itself (RFC 8536): the C library knows one zone at a time, named by an
 * environment variable that every thread and child shares, and silently takes UTC for a name that it
 * does not know. Here a zone is a value, and an unknown one is an error. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "util/macros.h"

typedef struct Zone Zone;

/* From FROM on and before TO local time is universal time plus OFFSET seconds. TO is INT64_MAX for ever. */
typedef struct ZoneSpan {
        int64_t from, to;
        int32_t offset;
} ZoneSpan;

/* NAME is that of a file below $TZDIR, else /usr/share/zoneinfo ("Europe/Berlin"), or "UTC"; NULL is the
 * host's own zone: $TZ, else /etc/localtime, else UTC. Returns 0, or a negative errno with a sentence in
 * PROBLEM. */
int zone_new(Zone **out, const char *name, char *problem, size_t problem_size);
Zone *zone_free(Zone *zone);
CLEANUP_DEFINE(Zone, zone_free);

/* As it was asked for, or what the host's own is called; "UTC" if it has no name. */
const char *zone_name(const Zone *zone);
/* The span that T lies in. TO is always above T. */
ZoneSpan zone_span(const Zone *zone, int64_t t);
