#include "util/zone-rule.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "util/civil.h"

#define HOURS_MAX 167 /* RFC 8536 allows a change as late as a week away */

static bool take_number(const char **p, int max, int *out)
{
        int n = 0;

        if (!isdigit((unsigned char)**p))
                return false;
        for (; isdigit((unsigned char)**p); (*p)++) {
                n = n * 10 + (**p - '0');
                if (n > max)
                        return false;
        }
        *out = n;
        return true;
}

static bool take_char(const char **p, char c)
{
        if (**p != c)
                return false;
        (*p)++;
        return true;
}

static bool take_name(const char **p)
{
        const char *start = *p;

        if (take_char(p, '<')) {
                for (start = *p; isalnum((unsigned char)**p) || **p == '+' || **p == '-';)
                        (*p)++;
                return *p > start && take_char(p, '>');
        }
        while (isalpha((unsigned char)**p))
                (*p)++;
        return *p - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **p, int hours_max, int32_t *seconds)
{
        int sign = take_char(p, '-') ? -1 : 1, h, m = 0, s = 0;

        if (sign == 1)
                (void)take_char(p, '+');
        if (!take_number(p, hours_max, &h))
                return false;
        if (take_char(p, ':') && !take_number(p, 59, &m))
                return false;
        if (take_char(p, ':') && !take_number(p, 59, &s))
                return false;
        *seconds = sign * (h * 3600 + m * 60 + s);
        return true;
}

static bool take_day(const char **p, ZoneDay *day)
{
        *day = (ZoneDay){.kind = ZONE_DAY_OF_YEAR, .seconds = 2 * 3600};
        if (take_char(p, 'M')) {
                day->kind = ZONE_DAY_MONTH;
                if (!take_number(p, 12, &day->month) || day->month < 1 || !take_char(p, '.') ||
                        !take_number(p, 5, &day->week) || day->week < 1 || !take_char(p, '.') ||
                        !take_number(p, 6, &day->day))
                        return false;
        } else {
                if (take_char(p, 'J'))
                        day->kind = ZONE_DAY_JULIAN;
                if (!take_number(p, 365, &day->day) || (day->kind == ZONE_DAY_JULIAN && day->day < 1))
                        return false;
        }
        return !take_char(p, '/') || take_time(p, HOURS_MAX, &day->seconds);
}

int zone_rule_parse(ZoneRule *rule, const char *text)
{
        const char *p = text;
        int32_t west;

        *rule = (ZoneRule){0};
        if (!take_name(&p) || !take_time(&p, 24, &west))
                return -EINVAL;
        rule->standard = -west;
        if (*p == '\0')
                return 0;
        if (!take_name(&p))
                return -EINVAL;
        rule->has_saving = true;
        rule->saving = rule->standard + 3600;
        if (*p != ',' && *p != '\0') {
                if (!take_time(&p, 24, &west))
                        return -EINVAL;
                rule->saving = -west;
        }
        if (*p == '\0') /* what POSIX leaves open, the C library takes from the United States */
                p = ",M3.2.0,M11.1.0";
        if (!take_char(&p, ',') || !take_day(&p, &rule->begin) || !take_char(&p, ',') || !take_day(&p, &rule->end))
                return -EINVAL;
        return *p == '\0' ? 0 : -EINVAL;
}

static int64_t day_in(const ZoneDay *day, int64_t year)
{
        int64_t first = civil_to_days(year, 1, 1), of_month;
        int d;

        switch (day->kind) {
        case ZONE_DAY_JULIAN:
                return first + day->day - 1 + (day->day > 59 && civil_is_leap(year));
        case ZONE_DAY_OF_YEAR:
                return first + day->day;
        case ZONE_DAY_MONTH:
                of_month = civil_to_days(year, day->month, 1);
                d = (day->day - civil_weekday(of_month) + 7) % 7 + (day->week - 1) * 7;
                while (d >= civil_days_of_month(year, day->month)) /* week 5: the last one */
                        d -= 7;
                return of_month + d;
        }
        return first;
}

void zone_rule_changes(const ZoneRule *rule, int64_t year, int64_t *begin, int64_t *end)
{
        *begin = day_in(&rule->begin, year) * SECONDS_PER_DAY + rule->begin.seconds - rule->standard;
        *end = day_in(&rule->end, year) * SECONDS_PER_DAY + rule->end.seconds - rule->saving;
}
