/* SPDX-License-Identifier: ISC */
#include "sim/kernel/timer.h"

#include <stdbool.h>
#include <stdlib.h>

#include "sim/kernel/must.h"

static bool before(const struct timer *a, const struct timer *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

static void put(struct timer_heap *heap, size_t slot, struct timer *timer)
{
    heap->timers[slot] = timer;
    timer->slot = slot;
}

static void rise(struct timer_heap *heap, size_t slot, struct timer *timer)
{
    while (slot > 1 && before(timer, heap->timers[slot / 2])) {
        put(heap, slot, heap->timers[slot / 2]);
        slot /= 2;
    }
    put(heap, slot, timer);
}

static void sink(struct timer_heap *heap, size_t slot, struct timer *timer)
{
    for (;;) {
        size_t child = slot * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && before(heap->timers[child + 1], heap->timers[child]))
            child++;
        if (!before(heap->timers[child], timer))
            break;
        put(heap, slot, heap->timers[child]);
        slot = child;
    }
    put(heap, slot, timer);
}

void timer_set(struct timer_heap *heap, struct timer *timer, int64_t time_ns)
{
    timer_cancel(heap, timer);
    if (heap->count + 2 > heap->room) {
        heap->room = heap->room ? heap->room * 2 : 64;
        heap->timers = must(realloc(heap->timers, heap->room * sizeof(struct timer *)));
    }
    timer->time_ns = time_ns;
    timer->order = heap->order++;
    rise(heap, ++heap->count, timer);
}

void timer_cancel(struct timer_heap *heap, struct timer *timer)
{
    size_t slot = timer->slot;
    if (!slot)
        return;
    timer->slot = 0;
    struct timer *last = heap->timers[heap->count--];
    if (last == timer)
        return;
    if (slot > 1 && before(last, heap->timers[slot / 2]))
        rise(heap, slot, last);
    else
        sink(heap, slot, last);
}

struct timer *timer_first(const struct timer_heap *heap)
{
    return heap->count ? heap->timers[1] : NULL;
}

void timer_heap_end(struct timer_heap *heap)
{
    free(heap->timers);
    heap->timers = NULL;
    heap->count = heap->room = 0;
}
