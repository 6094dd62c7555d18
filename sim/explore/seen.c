/* SPDX-License-Identifier: ISC */
/* Open addressing; 0 marks an empty slot. */
#include "sim/explore/seen.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

static void place(struct seen *seen, uint64_t value)
{
    size_t at = value % seen->capacity; /* never 0 here: NOLINT(clang-analyzer-core.DivideZero) */
    while (seen->slots[at])
        at = (at + 1) % seen->capacity;
    seen->slots[at] = value;
}

static void grow(struct seen *seen)
{
    struct seen larger = {.capacity = seen->capacity ? 2 * seen->capacity : 1024};
    larger.slots = must_alloc(larger.capacity * sizeof *larger.slots);
    memset(larger.slots, 0, larger.capacity * sizeof *larger.slots);
    for (size_t i = 0; i < seen->capacity; i++)
        if (seen->slots[i])
            place(&larger, seen->slots[i]);
    larger.used = seen->used;
    free(seen->slots);
    *seen = larger;
}

bool seen_add(struct seen *seen, uint64_t value)
{
    value += value == 0;
    if (seen->capacity)
        for (size_t at = value % seen->capacity; seen->slots[at]; at = (at + 1) % seen->capacity)
            if (seen->slots[at] == value)
                return false;
    if (2 * (seen->used + 1) > seen->capacity)
        grow(seen);
    place(seen, value);
    seen->used++;
    return true;
}

void seen_free(struct seen *seen)
{
    free(seen->slots);
    memset(seen, 0, sizeof *seen);
}
