/* SPDX-License-Identifier: ISC */
#include "sim/world/pool.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pool_block {
    struct pool_block *next;
    size_t used;
    size_t size;
    max_align_t bytes[];
};

#define BLOCK_SIZE ((size_t) 16 << 10)

static void give_up(void)
{
    fputs("nixie: out of memory\n", stderr);
    exit(4);
}

void *must_alloc(size_t size)
{
    void *block = malloc(size ? size : 1);

    if (!block)
        give_up();
    return block;
}

void *must_resize(void *block, size_t size)
{
    block = realloc(block, size ? size : 1);
    if (!block)
        give_up();
    return block;
}

void *must_zeroed(size_t size)
{
    return memset(must_alloc(size), 0, size);
}

char *must_copy(const void *bytes, size_t size)
{
    char *copy = must_alloc(size + 1);

    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}

/* `size` bytes, of any content. */
static void *take(struct pool *pool, size_t size)
{
    struct pool_block *block = pool->blocks;
    void *result;

    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = must_alloc(sizeof *block + room);
        block->size = room;
        block->used = 0;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    result = (char *) block->bytes + block->used;
    block->used += size;
    return result;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    return memset(take(pool, size), 0, size);
}

char *pool_copy(struct pool *pool, const void *bytes, size_t size)
{
    char *copy = take(pool, size + 1);

    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}

char *pool_text(struct pool *pool, const char *text)
{
    return pool_copy(pool, text, strlen(text));
}

char *pool_format(struct pool *pool, const char *format, ...)
{
    va_list arguments, again;
    int size;
    char *text;

    va_start(arguments, format);
    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, arguments);
    text = pool_alloc(pool, (size_t) size + 1);
    vsnprintf(text, (size_t) size + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

void pool_free(struct pool *pool)
{
    struct pool_block *block = pool->blocks;

    while (block) {
        struct pool_block *next = block->next;

        free(block);
        block = next;
    }
    pool->blocks = NULL;
}

#define ROOM_MIN 4 /* items */

/* An array of `count` has room for the next power of two of items. */
static bool is_full(size_t count)
{
    return count == 0 || (count >= ROOM_MIN && (count & (count - 1)) == 0);
}

/* How many items it gets room for when it is full. */
static size_t more_room(size_t count)
{
    return count ? 2 * count : ROOM_MIN;
}

void *list_grow(void *array, size_t count, size_t item_size)
{
    if (is_full(count))
        array = must_resize(array, more_room(count) * item_size);
    memset((char *) array + count * item_size, 0, item_size);
    return array;
}

void *pool_grow(struct pool *pool, void *array, size_t count, size_t item_size)
{
    if (is_full(count)) {
        void *larger = pool_alloc(pool, more_room(count) * item_size);

        if (count > 0)
            memcpy(larger, array, count * item_size);
        return larger;
    }
    return array;
}
