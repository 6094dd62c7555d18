/* SPDX-License-Identifier: ISC */
/* Timers of the simulated kernel: a heap ordered by virtual time, then by when they were set. */
#ifndef SIM_KERNEL_TIMER_H
#define SIM_KERNEL_TIMER_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t time_ns;
    uint64_t order;
    size_t slot; /* place in the heap, from 1; 0 when not set */
    void (*fire)(struct timer *timer);
};

struct timer_heap {
    struct timer **timers; /* timers[0] is not used */
    size_t count, room;
    uint64_t order;
};

void timer_set(struct timer_heap *heap, struct timer *timer, int64_t time_ns);
/* Harmless if it is not set. */
void timer_cancel(struct timer_heap *heap, struct timer *timer);
/* The earliest, still set; NULL if there is none. */
struct timer *timer_first(const struct timer_heap *heap);
void timer_heap_end(struct timer_heap *heap);

#endif
