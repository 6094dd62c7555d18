/* SPDX-License-Identifier: ISC */
/*
 * When a message is tried again: at growing distances from its birth (qmail's quadratic
 * schedule).  With failures that take no time, tries are at birth + k^2 skip^2: for local
 * recipients 0, 100, 400, 900 s ..., for remote ones 0, 400, 1600, 3600 s ...
 * All times are in seconds of one clock.
 */
#ifndef MTA_LIB_SCHEDULE_H
#define MTA_LIB_SCHEDULE_H

#include <stdint.h>

#define SCHEDULE_SKIP_LOCAL 10
#define SCHEDULE_SKIP_REMOTE 20

/* The time of the try after one that began at `now`, for a message born at `birth`:
 * birth + (floor(sqrt(now - birth)) + skip)^2.  A birth in the future counts as `now`, but for one
 * a second ahead: two clocks may differ by that.  Always later than `now`. */
int64_t schedule_next(int64_t birth, int64_t now, unsigned skip);

/* The largest distance from a try to the next one that the schedule can give to a message that
 * is at most `lifetime` seconds old. */
int64_t schedule_largest_step(int64_t lifetime, unsigned skip);

#endif
