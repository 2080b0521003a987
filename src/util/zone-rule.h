/* The rule of a time zone in the form of the environment variable TZ (POSIX.1-2017, 8.3, with the
 * extensions of RFC 8536, 3.3.1): "CET-1CEST,M3.5.0,M10.5.0/3". Says when the clocks change in any year,
 * for all the years that a zone file does not list. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum ZoneDayKind {
        ZONE_DAY_JULIAN,  /* Jn: 1 to 365, 29 February never counted */
        ZONE_DAY_OF_YEAR, /* n: 0 to 365 */
        ZONE_DAY_MONTH,   /* Mm.w.d */
};

typedef struct ZoneDay {
        enum ZoneDayKind kind;
        int month, week, day;
        int32_t seconds; /* local time of the change, may lie on another day */
} ZoneDay;

typedef struct ZoneRule {
        int32_t standard, saving; /* seconds east of Greenwich */
        bool has_saving;
        ZoneDay begin, end; /* of the time that is saved */
} ZoneRule;

/* Returns 0 or -EINVAL. */
int zone_rule_parse(ZoneRule *rule, const char *text);
/* The two changes of YEAR, in seconds since the epoch. Only where there is saving. */
void zone_rule_changes(const ZoneRule *rule, int64_t year, int64_t *begin, int64_t *end);
