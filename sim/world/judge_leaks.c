/* SPDX-License-Identifier: ISC */
/* At rest no process keeps what is over; idle.c looks at what grows (judge.h). */
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"

#define SETTLE_NS (10 * NANOSECONDS)

/* The host it runs on; SIZE_MAX: it is no program of the server. */
static size_t machine_of(const struct world *world, const struct process *process)
{
    for (size_t i = 0; i < world->host_count; i++)
        if (world->machines[i].host == process_host(process))
            return i;
    return SIZE_MAX;
}

/* Who is left of a tree that runs on without it, as a delivery whose nixie-lspawn was killed, has
 * what it had until it ends. */
static bool is_orphaned(const struct machine *machine, const struct process *process)
{
    return machine->tree && process_root(process) != machine->tree;
}

/* A slow call has not ended, or just has: what it stands in looks after nothing else, and others
 * may wait for that, as nixie-smtpd for nixie-queue. */
static bool is_slow(const struct world *world, size_t machine)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == machine && upset->kind == UPSET_SLOW && upset->lasts_ns > 0 &&
            kernel_now(world->kernel) - upset->time_ns <= upset->lasts_ns + SETTLE_NS)
            return true;
    }
    return false;
}

static void judge_process(void *context, const struct process *process, size_t live_bytes,
                          unsigned descriptors)
{
    struct world *world = context;
    const char *what = NULL;
    size_t machine = machine_of(world, process);
    unsigned count;

    (void) live_bytes;
    if (machine == SIZE_MAX || is_orphaned(&world->machines[machine], process) ||
        is_slow(world, machine))
        return;
    /* A program that is started again and again in vain may just have ended. */
    count = process_zombie_count(process, kernel_now(world->kernel) - SETTLE_NS);
    if (count > 0)
        world_accuse(world, "LEAK", NO_LETTER, 0,
                     "%s has not waited for %u children that have ended", process_name(process),
                     count)
            ->time_ns = kernel_now(world->kernel);
    count = process_stale_count(process, &what);
    if (count > 0)
        world_accuse(world, "LEAK", NO_LETTER, 0,
                     "%s holds %u of its %u descriptors for nothing: %s", process_name(process),
                     count, descriptors, what)
            ->time_ns = kernel_now(world->kernel);
}

void judge_leaks(struct world *world)
{
    if (!world_is_quiet(world))
        return;
    idle_note(world);
    kernel_tell_processes(world->kernel, judge_process, world);
}
