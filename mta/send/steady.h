/* SPDX-License-Identifier: ISC */
/*
 * The scheduler's time: Unix seconds that never jump.  It starts as the wall clock and then goes
 * on with the monotonic one, so that a stepped wall clock moves no try and expires no message.
 * Never ahead of an undisturbed wall clock, and behind it by less than 4 ms.
 */
#ifndef MTA_SEND_STEADY_H
#define MTA_SEND_STEADY_H

#include <stdint.h>

struct steady {
    int64_t offset_ms; /* steady - monotonic */
    int64_t drift;     /* seconds, wall - steady, at the last steady_refresh */
    int64_t now_ms;    /* at the last steady_refresh */
    int64_t now;       /* the same in whole seconds */
};

void steady_start(struct steady *steady);
/* Takes the present time.  Everything else here goes by the time taken last. */
void steady_refresh(struct steady *steady);

/* Unix seconds of the wall clock as it goes now, to steady seconds and back. */
int64_t steady_from_wall(const struct steady *steady, int64_t seconds);
/* The same for when a message was born: never in the future, but for the second that the wall clock
 * may have been ahead. */
int64_t steady_from_birth(struct steady *steady, int64_t seconds);
int64_t steady_to_wall(const struct steady *steady, int64_t seconds);

#endif
