/* SPDX-License-Identifier: ISC */
/* Open addressing; 0 marks an empty slot. */
#include "sim/explore/seen.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

/* Where the value is, or would be. */
static size_t slot_of(const struct seen *seen, uint64_t value)
{
    size_t at = value % seen->capacity; /* never 0 here: NOLINT(clang-analyzer-core.DivideZero) */
    while (seen->slots[at] && seen->slots[at] != value)
        at = (at + 1) % seen->capacity;
    return at;
}

static void grow(struct seen *seen)
{
    struct seen larger = {.capacity = seen->capacity ? 2 * seen->capacity : 64, .used = seen->used};
    larger.slots = must_zeroed(larger.capacity * sizeof *larger.slots);
    if (seen->notes)
        larger.notes = must_zeroed(larger.capacity * sizeof *larger.notes);
    for (size_t i = 0; i < seen->capacity; i++) {
        if (!seen->slots[i])
            continue;
        size_t at = slot_of(&larger, seen->slots[i]);
        larger.slots[at] = seen->slots[i];
        if (seen->notes)
            larger.notes[at] = seen->notes[i];
    }
    seen_free(seen);
    *seen = larger;
}

/* The slot of the value; *is_new: it was not there. */
static size_t place(struct seen *seen, uint64_t value, bool *is_new)
{
    value += value == 0;
    if (2 * (seen->used + 1) > seen->capacity)
        grow(seen);
    size_t at = slot_of(seen, value);
    *is_new = seen->slots[at] == 0;
    seen->slots[at] = value;
    seen->used += *is_new;
    return at;
}

bool seen_add(struct seen *seen, uint64_t value)
{
    bool is_new;
    place(seen, value, &is_new);
    return is_new;
}

bool seen_note(struct seen *seen, uint64_t value, uint32_t *note)
{
    bool is_new;
    size_t at = place(seen, value, &is_new);
    if (!seen->notes)
        seen->notes = must_zeroed(seen->capacity * sizeof *seen->notes);
    if (is_new)
        seen->notes[at] = *note;
    else
        *note = seen->notes[at];
    return is_new;
}

bool seen_has(const struct seen *seen, uint64_t value)
{
    value += value == 0;
    return seen->capacity && seen->slots[slot_of(seen, value)] == value;
}

void seen_free(struct seen *seen)
{
    free(seen->slots);
    free(seen->notes);
    memset(seen, 0, sizeof *seen);
}
