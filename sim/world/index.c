/* SPDX-License-Identifier: ISC */
/* The ledger by letter and by message, so that judging many messages takes time in proportion. */
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"

/* Items parted by key: those of key k are items[starts[k]] .. items[starts[k + 1] - 1]. */
struct parted {
    size_t *starts, *items;
    size_t keys;
};

struct ledger_index {
    struct parted entries, copies, attempts;
};

/* `keys`: of each of `count` items, below `key_count`; taken over. */
static struct parted part(size_t *keys, size_t count, size_t key_count)
{
    struct parted parted = {.keys = key_count};
    size_t *next = must_alloc((key_count + 1) * sizeof *next), sum = 0;

    parted.starts = must_alloc((key_count + 1) * sizeof *parted.starts);
    parted.items = must_alloc((count + 1) * sizeof *parted.items);
    memset(next, 0, (key_count + 1) * sizeof *next);
    for (size_t i = 0; i < count; i++)
        next[keys[i]]++;
    for (size_t k = 0; k < key_count; k++) {
        size_t size = next[k];

        parted.starts[k] = next[k] = sum;
        sum += size;
    }
    parted.starts[key_count] = sum;
    for (size_t i = 0; i < count; i++)
        parted.items[next[keys[i]]++] = i;
    free(next);
    free(keys);
    return parted;
}

static size_t *make_keys(size_t count)
{
    return must_alloc((count + 1) * sizeof(size_t));
}

/* Letters have their own number as key, what is no letter's the one behind. */
static size_t key_of(const struct world *world, size_t letter)
{
    return letter == NO_LETTER ? world->letter_count : letter;
}

static struct parted part_entries(const struct world *world)
{
    size_t *keys = make_keys(world->entry_count);

    for (size_t i = 0; i < world->entry_count; i++)
        keys[i] = key_of(world, world->entries[i].letter);
    return part(keys, world->entry_count, world->letter_count + 1);
}

static struct parted part_copies(const struct world *world)
{
    size_t *keys = make_keys(world->copy_count);

    for (size_t i = 0; i < world->copy_count; i++)
        keys[i] = key_of(world, world->copies[i].letter);
    return part(keys, world->copy_count, world->letter_count + 1);
}

static struct parted part_attempts(struct world *world)
{
    size_t *keys = make_keys(world->attempt_count);

    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct entry *entry =
            world_entry(world, world->attempts[i].machine, world->attempts[i].number);

        keys[i] = entry ? (size_t) (entry - world->entries) : world->entry_count;
    }
    return part(keys, world->attempt_count, world->entry_count + 1);
}

static void free_parted(struct parted *parted)
{
    free(parted->starts);
    free(parted->items);
}

void index_free(struct world *world)
{
    if (!world->index)
        return;
    free_parted(&world->index->entries);
    free_parted(&world->index->copies);
    free_parted(&world->index->attempts);
    free(world->index);
    world->index = NULL;
}

void world_index(struct world *world)
{
    index_free(world);
    world->index = must_alloc(sizeof *world->index);
    world->index->entries = part_entries(world);
    world->index->copies = part_copies(world);
    world->index->attempts = part_attempts(world);
}

static struct range range_of(const struct parted *parted, size_t key)
{
    struct range none = {NULL, 0};

    if (!parted || key >= parted->keys)
        return none;
    return (struct range){parted->items + parted->starts[key],
                          parted->starts[key + 1] - parted->starts[key]};
}

struct range world_entries_of(const struct world *world, size_t letter)
{
    return range_of(world->index ? &world->index->entries : NULL, key_of(world, letter));
}

struct range world_copies_of(const struct world *world, size_t letter)
{
    return range_of(world->index ? &world->index->copies : NULL, key_of(world, letter));
}

struct range world_attempts_of(const struct world *world, size_t entry)
{
    return range_of(world->index ? &world->index->attempts : NULL, entry);
}
