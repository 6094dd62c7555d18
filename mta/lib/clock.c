/* SPDX-License-Identifier: ISC */
#include "mta/lib/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mta/lib/num.h"

void clock_wall_precise(int64_t *seconds, uint32_t *nanoseconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *seconds = now.tv_sec;
    *nanoseconds = (uint32_t) now.tv_nsec;
}

int64_t clock_wall(void)
{
    int64_t seconds;
    uint32_t nanoseconds;
    clock_wall_precise(&seconds, &nanoseconds);
    return seconds;
}

int64_t clock_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The proleptic Gregorian date of a day counted from 1970-01-01. */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t shifted = days + 719468; /* from 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned day_of_era = (unsigned) (shifted - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = (int64_t) year_of_era + era * 400 + (*month <= 2);
}

void clock_split(struct clock_date *date, int64_t seconds)
{
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    civil_from_days(days, &date->year, &date->month, &date->day);
    date->hour = (unsigned) (rest / 3600);
    date->minute = (unsigned) (rest / 60 % 60);
    date->second = (unsigned) (rest % 60);
}

size_t clock_format_date(char to[CLOCK_DATE_SIZE], int64_t seconds)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct clock_date date;
    clock_split(&date, seconds);
    int length = snprintf(to, CLOCK_DATE_SIZE, "%u %.3s %lld %02u:%02u:%02u -0000", date.day,
                          names + (date.month - 1) * 3, (long long) date.year, date.hour,
                          date.minute, date.second);
    return (size_t) length;
}

void clock_format_tai64n(char to[CLOCK_TAI64N_SIZE], int64_t seconds, uint32_t nanoseconds)
{
    char digits[16];
    to[0] = '@';
    num_format_hex(to + 1, ((uint64_t) 1 << 62) + 10 + (uint64_t) seconds);
    num_format_hex(digits, nanoseconds);
    memcpy(to + 17, digits + 8, 8);
    to[25] = 0;
}
