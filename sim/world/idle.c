/* SPDX-License-Identifier: ISC */
/*
 * LEAK, over a long run: whenever a message comes after the server was idle for a while, each of
 * its processes is looked at.  One that has more descriptors, or more memory, each time in a row,
 * grows for ever: a cache is full at some time, and memory that is taken in doubled pieces grows
 * seldom.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"

#define IDLE_NS (2 * NANOSECONDS)
#define TIMES 8 /* in a row */

struct idle_process {
    pid_t pid;
    size_t machine, bytes, first_bytes;
    unsigned descriptors, first_descriptors;
    unsigned bytes_grew, descriptors_grew; /* times in a row */
    bool told;
};

struct idle_ledger {
    struct idle_process *processes;
    size_t process_count;
};

void idle_free(struct world *world)
{
    if (world->idle)
        free(world->idle->processes);
    free(world->idle);
}

static size_t machine_of(const struct world *world, const struct process *process)
{
    for (size_t i = 0; i < world->host_count; i++)
        if (world->machines[i].host == process_host(process))
            return i;
    return SIZE_MAX;
}

static struct idle_process *find(struct idle_ledger *ledger, size_t machine, pid_t pid)
{
    for (size_t i = 0; i < ledger->process_count; i++)
        if (ledger->processes[i].machine == machine && ledger->processes[i].pid == pid)
            return &ledger->processes[i];
    return NULL;
}

static void accuse(struct world *world, const struct process *process, const char *what,
                   size_t from, size_t to)
{
    world_accuse(world, "LEAK", NO_LETTER, 0,
                 "%s has more %s each time that it is idle: %zu, then %zu after %d times",
                 process_name(process), what, from, to, TIMES);
}

static void look_at(void *context, const struct process *process, size_t bytes,
                    unsigned descriptors)
{
    struct world *world = context;
    size_t machine = machine_of(world, process);
    struct idle_process *idle;

    if (machine == SIZE_MAX)
        return;
    idle = find(world->idle, machine, process_pid(process));
    if (!idle) {
        idle = LIST_ADD(world->idle->processes, world->idle->process_count);
        *idle = (struct idle_process){.pid = process_pid(process), .machine = machine};
        idle->bytes = SIZE_MAX;
        idle->descriptors = UINT32_MAX;
    }
    idle->bytes_grew = bytes > idle->bytes ? idle->bytes_grew + 1 : 0;
    idle->descriptors_grew = descriptors > idle->descriptors ? idle->descriptors_grew + 1 : 0;
    if (idle->bytes_grew == 0)
        idle->first_bytes = bytes;
    if (idle->descriptors_grew == 0)
        idle->first_descriptors = descriptors;
    idle->bytes = bytes;
    idle->descriptors = descriptors;
    if (idle->told || (idle->bytes_grew < TIMES && idle->descriptors_grew < TIMES))
        return;
    idle->told = true;
    if (idle->descriptors_grew >= TIMES)
        accuse(world, process, "descriptors", idle->first_descriptors, descriptors);
    else
        accuse(world, process, "memory", idle->first_bytes, bytes);
}

void idle_note(struct world *world)
{
    if (!world_is_quiet(world) || kernel_now(world->kernel) < world->changed_ns + IDLE_NS)
        return;
    world->changed_ns = kernel_now(world->kernel); /* several messages at once: one time */
    if (!world->idle)
        world->idle = must_zeroed(sizeof *world->idle);
    kernel_tell_processes(world->kernel, look_at, world);
}
