/* SPDX-License-Identifier: ISC */
/* The two clocks, and the forms in which mail writes times.  No time zones: mail is in UTC. */
#ifndef MTA_LIB_CLOCK_H
#define MTA_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Wall-clock time: Unix seconds; and with nanoseconds. */
int64_t clock_wall(void);
void clock_wall_precise(int64_t *seconds, uint32_t *nanoseconds);

/* Monotonic time in milliseconds, for timeouts and schedules. */
int64_t clock_monotonic_ms(void);

/* A moment as the calendar has it, in UTC. */
struct clock_date {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
    unsigned hour;
    unsigned minute;
    unsigned second;
};
/* The date at `seconds` (Unix time). */
void clock_split(struct clock_date *date, int64_t seconds);

#define CLOCK_DATE_SIZE 40
/* "23 Nov 2026 17:05:09 -0000" as in Received lines (RFC 5322 3.3); returns its length. */
size_t clock_format_date(char to[CLOCK_DATE_SIZE], int64_t seconds);

#define CLOCK_TAI64N_SIZE 26
/* "@400000004a32392b2aa21dac" and a NUL: TAI64N with the 10 s that multilog uses. */
void clock_format_tai64n(char to[CLOCK_TAI64N_SIZE], int64_t seconds, uint32_t nanoseconds);

#endif
