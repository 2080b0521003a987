#include "util/duration.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        {"us", 1},
        {"ms", USEC_PER_MSEC},
        {"min", 60 * USEC_PER_SEC},
        {"s", USEC_PER_SEC},
        {"m", 60 * USEC_PER_SEC},
        {"h", 3600 * USEC_PER_SEC},
        {"d", 86400 * USEC_PER_SEC},
};

/* The unit at *p, moved past; a number without a unit is seconds, but only at the end. */
static uint64_t unit_take(const char **p)
{
        if (**p == '\0')
                return USEC_PER_SEC;
        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                size_t n = strlen(units[i].name);

                if (strncmp(*p, units[i].name, n) == 0 && !isalpha((unsigned char)(*p)[n])) {
                        *p += n;
                        return units[i].usec;
                }
        }
        return 0;
}

static int term_parse(const char **p, uint64_t *total)
{
        uint64_t whole = 0, unit, sum;
        uint64_t fraction = 0, scale = 1;

        if (!isdigit((unsigned char)**p))
                return -EINVAL;
        for (; isdigit((unsigned char)**p); (*p)++)
                if (__builtin_mul_overflow(whole, 10, &whole) ||
                        __builtin_add_overflow(whole, (uint64_t)(**p - '0'), &whole))
                        return -ERANGE;
        if (**p == '.') {
                (*p)++;
                if (!isdigit((unsigned char)**p))
                        return -EINVAL;
                for (; isdigit((unsigned char)**p); (*p)++)
                        if (scale < 1000000) { /* digits past a millionth of the unit are dropped */
                                fraction = fraction * 10 + (uint64_t)(**p - '0');
                                scale *= 10;
                        }
        }
        unit = unit_take(p);
        if (unit == 0)
                return -EINVAL;
        if (__builtin_mul_overflow(whole, unit, &sum) || __builtin_add_overflow(sum, fraction * unit / scale, &sum) ||
                __builtin_add_overflow(*total, sum, total))
                return -ERANGE;
        return 0;
}

int duration_parse(const char *text, uint64_t *usec)
{
        uint64_t total = 0;
        const char *p = text;
        int r;

        if (strcmp(text, "infinity") == 0) {
                *usec = USEC_INFINITY;
                return 0;
        }
        do {
                r = term_parse(&p, &total);
                if (r < 0)
                        return r;
        } while (*p);
        if (total == USEC_INFINITY)
                return -ERANGE;
        *usec = total;
        return 0;
}

const char *duration_to_string(uint64_t usec, char buf[DURATION_STRING_MAX])
{
        uint64_t sec = usec / USEC_PER_SEC;

        if (usec == USEC_INFINITY)
                snprintf(buf, DURATION_STRING_MAX, "infinity");
        else if (usec < USEC_PER_MSEC)
                snprintf(buf, DURATION_STRING_MAX, usec ? "%" PRIu64 "us" : "%" PRIu64 "s", usec);
        else if (usec < USEC_PER_SEC)
                snprintf(buf, DURATION_STRING_MAX, "%.4gms", (double)usec / USEC_PER_MSEC);
        else if (sec < 60)
                snprintf(buf, DURATION_STRING_MAX, "%.4gs", (double)usec / USEC_PER_SEC);
        else if (sec < 3600)
                snprintf(buf, DURATION_STRING_MAX, "%" PRIu64 "m%" PRIu64 "s", sec / 60, sec % 60);
        else
                snprintf(buf, DURATION_STRING_MAX, "%" PRIu64 "h%" PRIu64 "m", sec / 3600, sec % 3600 / 60);
        return buf;
}
