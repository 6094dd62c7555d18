/* SPDX-License-Identifier: ISC */
/* Memory of simulated programs.  Compilers drop and reorder these calls, so they cost no virtual
 * time, are not hashed and no watcher sees them. */
#include <errno.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

#define ALLOCATION_MAX ((size_t) 1 << 30) /* beyond it ENOMEM, as on a small machine */

/* True if this allocation is the one that shall fail. */
static bool shall_fail(struct process *process, size_t size)
{
    struct kernel *kernel = process->kernel;
    if (process->counted) {
        kernel->allocations++;
        if (kernel->allocation_fails &&
            kernel->allocation_fails(kernel->allocation_context, process, kernel->allocations))
            return true;
    }
    if (size > ALLOCATION_MAX)
        return true;
    if (kernel->fail_countdown == 0 || strcmp(kernel->fail_program, process->name) != 0)
        return false;
    return --kernel->fail_countdown == 0;
}

static void *fail(void)
{
    inside_call = false;
    errno = ENOMEM;
    return NULL;
}

void *sim_malloc(size_t size)
{
    inside_call = true;
    if (shall_fail(running, size))
        return fail();
    void *block = arena_alloc(&running->arena, size);
    inside_call = false;
    return block;
}

void *sim_realloc(void *block, size_t size)
{
    inside_call = true;
    if (shall_fail(running, size))
        return fail();
    void *moved = arena_realloc(&running->arena, block, size);
    inside_call = false;
    return moved;
}

void sim_free(void *block)
{
    inside_call = true;
    arena_free(&running->arena, block);
    inside_call = false;
}
