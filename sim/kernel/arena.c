/* SPDX-License-Identifier: ISC */
#include "sim/kernel/arena.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/must.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SEPARATE 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ARENA_SEPARATE 1
#endif
#ifndef ARENA_SEPARATE
#define ARENA_SEPARATE 0
#endif

#define CHUNK_SIZE ((size_t) 64 << 10)
#define SMALL_MAX ((size_t) 32 << 10)
#define CLASS_LARGE 0xff
#define POOL_LIMIT 1024

struct arena_chunk {
    struct arena_chunk *next;
    size_t unused;
};

/* Stands before each block; 32 bytes, so that the block is 16-aligned. */
struct arena_block {
    struct arena_block *next; /* free list, or list of large blocks */
    struct arena_block *previous;
    size_t size; /* as asked for */
    uint8_t class;
    bool hidden;
    bool live;
};

static struct arena_chunk *pool;
static unsigned pool_count;

static struct arena_chunk *chunk_take(void)
{
    struct arena_chunk *chunk = pool;
    if (!chunk)
        return must(malloc(CHUNK_SIZE));
    pool = chunk->next;
    pool_count--;
    return chunk;
}

static void chunk_give(struct arena_chunk *chunk)
{
    if (pool_count >= POOL_LIMIT) {
        free(chunk);
        return;
    }
    chunk->next = pool;
    pool = chunk;
    pool_count++;
}

void arena_trim(void)
{
    while (pool) {
        struct arena_chunk *chunk = pool;
        pool = chunk->next;
        free(chunk);
    }
    pool_count = 0;
}

/* Classes: 16, 32, 48, 64, then four to each power of two up to SMALL_MAX. */
static unsigned class_of(size_t size)
{
    if (size <= 64)
        return size == 0 ? 0 : (unsigned) ((size - 1) / 16);
    unsigned power = 63 - (unsigned) __builtin_clzl(size - 1); /* 2^power < size <= 2^(power+1) */
    unsigned quarter = (unsigned) ((size - 1) >> (power - 2)) & 3;
    return 4 + (power - 6) * 4 + quarter;
}

static size_t class_size(unsigned class)
{
    if (class < 4)
        return (class + 1) * (size_t) 16;
    unsigned power = 6 + (class - 4) / 4;
    return ((size_t) 1 << power) + ((size_t) (class % 4) + 1) * ((size_t) 1 << (power - 2));
}

static void *block_data(struct arena_block *block)
{
    return block + 1;
}

static struct arena_block *data_block(void *data)
{
    return (struct arena_block *) data - 1;
}

static size_t block_room(const struct arena_block *block)
{
    return block->class == CLASS_LARGE ? block->size : class_size(block->class);
}

void arena_start(struct arena *arena, size_t offset, uint8_t fill)
{
    memset(arena, 0, sizeof *arena);
    /* Beyond half a chunk a shift would leave no room for the largest class. */
    arena->offset = offset % (CHUNK_SIZE / 4) / 16 * 16;
    arena->fill = fill;
}

void arena_end(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        chunk_give(chunk);
    }
    while (arena->large) {
        struct arena_block *block = arena->large;
        arena->large = block->next;
        free(block);
    }
    memset(arena, 0, sizeof *arena);
}

static struct arena_block *cut_small(struct arena *arena, unsigned class)
{
    struct arena_block *block = arena->free[class];
    if (block) {
        arena->free[class] = block->next;
        return block;
    }
    size_t need = sizeof *block + class_size(class);
    if (!arena->chunks || arena->chunk_used + need > CHUNK_SIZE) {
        struct arena_chunk *chunk = chunk_take();
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->chunk_used = sizeof *chunk + arena->offset;
    }
    block = (struct arena_block *) (void *) ((char *) arena->chunks + arena->chunk_used);
    arena->chunk_used += need;
    block->class = (uint8_t) class;
    return block;
}

static struct arena_block *cut_large(struct arena *arena, size_t size)
{
    struct arena_block *block = must(malloc(sizeof *block + size));
    block->class = CLASS_LARGE;
    block->previous = NULL;
    block->next = arena->large;
    if (arena->large)
        arena->large->previous = block;
    arena->large = block;
    return block;
}

static void *allocate(struct arena *arena, size_t size, bool hidden)
{
    struct arena_block *block = ARENA_SEPARATE || size > SMALL_MAX
                                    ? cut_large(arena, size)
                                    : cut_small(arena, class_of(size));
    block->size = size;
    block->hidden = hidden;
    block->live = true;
    if (!hidden) {
        arena->live_bytes += size;
        arena->live_blocks++;
    }
    memset(block_data(block), arena->fill, size);
    return block_data(block);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return allocate(arena, size, false);
}

void *arena_alloc_hidden(struct arena *arena, size_t size)
{
    return allocate(arena, size, true);
}

void arena_free(struct arena *arena, void *data)
{
    if (!data)
        return;
    struct arena_block *block = data_block(data);
    assert(block->live && "double free in a simulated process");
    block->live = false;
    if (!block->hidden) {
        arena->live_bytes -= block->size;
        arena->live_blocks--;
    }
    if (block->class == CLASS_LARGE) {
        if (block->previous)
            block->previous->next = block->next;
        else
            arena->large = block->next;
        if (block->next)
            block->next->previous = block->previous;
        free(block);
        return;
    }
    if (arena->fill)
        memset(data, arena->fill, block->size);
    block->next = arena->free[block->class];
    arena->free[block->class] = block;
}

void *arena_realloc(struct arena *arena, void *data, size_t size)
{
    if (!data)
        return arena_alloc(arena, size);
    struct arena_block *block = data_block(data);
    size_t old = block->size;
    if (block->class != CLASS_LARGE && size <= block_room(block)) {
        if (!block->hidden)
            arena->live_bytes = arena->live_bytes - old + size;
        block->size = size;
        if (size > old)
            memset((char *) data + old, arena->fill, size - old);
        return data;
    }
    void *fresh = allocate(arena, size, block->hidden);
    memcpy(fresh, data, old < size ? old : size);
    arena_free(arena, data);
    return fresh;
}
