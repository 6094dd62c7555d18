/* SPDX-License-Identifier: ISC */
#include "mta/send/steady.h"

#include "mta/lib/clock.h"

static int64_t wall_ms(void)
{
    int64_t seconds;
    uint32_t nanoseconds;
    clock_wall_precise(&seconds, &nanoseconds);
    return seconds * 1000 + nanoseconds / 1000000;
}

void steady_start(struct steady *steady)
{
    int64_t wall = wall_ms();
    int64_t monotonic = clock_monotonic_ms();
    steady->offset_ms = wall - monotonic - 1; /* both are cut to milliseconds: stay behind */
    steady_refresh(steady);
}

void steady_refresh(struct steady *steady)
{
    int64_t wall = wall_ms();
    steady->now_ms = clock_monotonic_ms() + steady->offset_ms;
    steady->now = steady->now_ms / 1000;
    int64_t drift_ms = wall - steady->now_ms;
    steady->drift = (drift_ms >= 0 ? drift_ms + 500 : drift_ms - 500) / 1000;
}

int64_t steady_from_wall(const struct steady *steady, int64_t seconds)
{
    return seconds - steady->drift;
}

int64_t steady_from_birth(struct steady *steady, int64_t seconds)
{
    int64_t birth = steady_from_wall(steady, seconds);
    if (birth > steady->now + 1) { /* a call may have stood still for long since the last look */
        steady_refresh(steady);
        birth = steady_from_wall(steady, seconds);
    }
    return birth > steady->now + 1 ? steady->now : birth;
}

int64_t steady_to_wall(const struct steady *steady, int64_t seconds)
{
    return seconds + steady->drift;
}
