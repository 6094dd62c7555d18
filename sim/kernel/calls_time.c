/* SPDX-License-Identifier: ISC */
/* Calls about time and chance. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

static int64_t read_clock(clockid_t clock)
{
    const struct kernel *kernel = running->kernel;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return kernel_wall(kernel);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        return kernel->now_ns - running->host->booted_ns;
    default:
        return -1;
    }
}

int sim_clock_gettime(clockid_t clock, struct timespec *time)
{
    struct call call = CALL(clock, .argument = {clock});
    if (call_enter(&call)) {
        int64_t now = read_clock(clock);
        call.argument[1] = now;
        if (now < 0) {
            call.result = -EINVAL;
        } else {
            time->tv_sec = now / NANOSECONDS;
            time->tv_nsec = now % NANOSECONDS;
        }
    }
    return (int) call_leave(&call);
}

static ssize_t draw(void *to, size_t size)
{
    struct random *random = &running->kernel->getrandom_random;
    for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
        uint64_t bits = random_u64(random);
        size_t part = size - done < sizeof bits ? size - done : sizeof bits;
        for (size_t i = 0; i < part; i++) /* the same on every machine */
            ((unsigned char *) to)[done + i] = (unsigned char) (bits >> (8 * i));
    }
    return (ssize_t) size;
}

ssize_t sim_getrandom(void *to, size_t size, unsigned flags)
{
    struct call call = CALL(random);
    if (call_enter(&call)) {
        if (flags & ~(unsigned) (GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) {
            call.result = -EINVAL;
        } else {
            call.result = draw(to, size);
            call.data = to;
            call.size = size;
        }
    }
    return call_leave(&call);
}
