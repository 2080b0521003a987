/* The Gregorian calendar as arithmetic: days since 1970-01-01 to year, month, day and back. No time zone,
 * no locale, no C library state. The method is the usual one of counting years from March, so that the
 * leap day is the last day of a year. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SECONDS_PER_DAY 86400

typedef struct CivilDate {
        int64_t year;
        int month; /* 1 to 12 */
        int day;   /* 1 to 31 */
} CivilDate;

/* Division that rounds down, for times before 1970 too. */
static inline int64_t civil_floor(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

static inline bool civil_is_leap(int64_t year)
{
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int civil_days_of_month(int64_t year, int month)
{
        return month == 2 ? 28 + civil_is_leap(year) : 30 + ((month + (month > 7)) & 1);
}

static inline int64_t civil_to_days(int64_t year, int month, int day)
{
        int64_t y = year - (month <= 2), era = civil_floor(y, 400), year_of_era = y - era * 400;
        int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static inline CivilDate civil_from_days(int64_t days)
{
        int64_t z = days + 719468, era = civil_floor(z, 146097), d = z - era * 146097;
        int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365, day = d - (365 * y + y / 4 - y / 100);
        int64_t m = (5 * day + 2) / 153;
        int month = (int)(m < 10 ? m + 3 : m - 9);

        return (CivilDate){.year = y + era * 400 + (month <= 2),
                .month = month,
                .day = (int)(day - (153 * m + 2) / 5) + 1};
}

/* 0: Sunday. */
static inline int civil_weekday(int64_t days)
{
        return (int)(days + 4 - civil_floor(days + 4, 7) * 7);
}
