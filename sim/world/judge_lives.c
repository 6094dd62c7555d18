/* SPDX-License-Identifier: ISC */
#include "sim/world/judge_lives.h"

#include "sim/world/internal.h"

int64_t reason_last_start(const struct world *world, size_t machine, int64_t time_ns)
{
    for (size_t i = world->send_start_count; i-- > 0;)
        if (world->send_starts[i].machine == machine && world->send_starts[i].time_ns <= time_ns)
            return world->send_starts[i].time_ns;
    return -1;
}

int64_t reason_last_ready(const struct world *world, size_t machine, int64_t time_ns)
{
    for (size_t i = world->send_start_count; i-- > 0;) {
        const struct send_start *start = &world->send_starts[i];

        if (start->machine == machine && start->time_ns <= time_ns)
            return start->ready_ns ? start->ready_ns : start->time_ns;
    }
    return -1;
}

/* A fault that ended send was there at most so long before the next one began. */
#define DIES_NS (60 * NANOSECONDS)

/* Something else than a fault ended it in that time. */
static bool was_ended(const struct world *world, size_t machine, int64_t from, int64_t to)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine && world->upsets[i].kind == UPSET_POWER &&
            world->upsets[i].time_ns >= from && world->upsets[i].time_ns <= to)
            return true;
    return false;
}

/* nixie-send began anew behind it, or exited and could not begin again for longer. */
bool reason_ends_send(const struct world *world, const struct upset *upset)
{
    bool ends = upset->kind <= UPSET_KILL;

    for (size_t i = 0; i < world->send_end_count && upset->kind == UPSET_FAULT && !ends; i++)
        ends = world->send_ends[i].machine == upset->machine && !world->send_ends[i].killed &&
               world->send_ends[i].time_ns >= upset->time_ns &&
               world->send_ends[i].time_ns <= upset->time_ns + DIES_NS;
    for (size_t i = 0; i < world->send_start_count && upset->kind == UPSET_FAULT && !ends; i++)
        ends = world->send_starts[i].machine == upset->machine &&
               world->send_starts[i].time_ns >= upset->time_ns &&
               world->send_starts[i].time_ns <= upset->time_ns + DIES_NS &&
               !was_ended(world, upset->machine, upset->time_ns, world->send_starts[i].time_ns);
    return ends;
}

bool reason_in_memory(const struct world *world, const struct entry *entry,
                      const struct upset *upset)
{
    return reason_ends_send(world, upset) && entry_stage_at(entry, upset->time_ns - 1) == STAGE_S4;
}

/* The first start at or after that; INT64_MAX: there is none. */
int64_t reason_start_after(const struct world *world, size_t machine, int64_t time_ns)
{
    for (size_t i = 0; i < world->send_start_count; i++)
        if (world->send_starts[i].machine == machine && world->send_starts[i].time_ns >= time_ns)
            return world->send_starts[i].time_ns;
    return INT64_MAX;
}

/* When the first one that started at or after that had learned the queue: what is due at once is
 * tried then. */
int64_t reason_ready_after(const struct world *world, size_t machine, int64_t time_ns)
{
    for (size_t i = 0; i < world->send_start_count; i++)
        if (world->send_starts[i].machine == machine && world->send_starts[i].time_ns >= time_ns &&
            world->send_starts[i].ready_ns > 0)
            return world->send_starts[i].ready_ns;
    return reason_start_after(world, machine, time_ns);
}

int64_t reason_lived_ns(const struct world *world, size_t machine, int64_t from, int64_t to)
{
    int64_t lived = to - from, until = from;

    for (size_t i = 0; i < world->send_end_count && world->send_ends[i].time_ns < to; i++) {
        const struct send_start *end = &world->send_ends[i];
        int64_t next;

        if (end->machine != machine || end->time_ns < until)
            continue;
        next = reason_start_after(world, machine, end->time_ns);
        until = next < to ? next : to;
        lived -= until - end->time_ns;
    }
    return lived;
}
