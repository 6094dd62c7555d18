/* SPDX-License-Identifier: ISC */
/*
 * Memory of the simulator's upper half: pools that are freed whole, and growing arrays.  None of
 * these functions fails: without memory the simulator ends with status 4.
 */
#ifndef SIM_WORLD_POOL_H
#define SIM_WORLD_POOL_H

#include <stddef.h>

struct pool {
    struct pool_block *blocks; /* zeroed: an empty pool */
};

/* `size` zeroed bytes, aligned for anything; they live until pool_free. */
void *pool_alloc(struct pool *pool, size_t size);
/* A copy of `size` bytes with a NUL behind it. */
char *pool_copy(struct pool *pool, const void *bytes, size_t size);
char *pool_text(struct pool *pool, const char *text);
char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pool_free(struct pool *pool);

/* malloc, realloc and friends that never return NULL. */
void *must_alloc(size_t size);
void *must_zeroed(size_t size);
void *must_resize(void *block, size_t size);
char *must_copy(const void *bytes, size_t size); /* with a NUL behind it */

/* Growing arrays that remember only their count: they are as large as the next power of two. */
void *list_grow(void *array, size_t count, size_t item_size);
void *pool_grow(struct pool *pool, void *array, size_t count, size_t item_size);

/* Adds a zeroed item to a malloc'd array; the value is a pointer to it. */
#define LIST_ADD(array, count)                                                                     \
    ((array) = list_grow((array), (count), sizeof *(array)), &(array)[(count)++])
/* The same for an array in a pool. */
#define POOL_ADD(pool, array, count)                                                               \
    ((array) = pool_grow((pool), (array), (count), sizeof *(array)), &(array)[(count)++])

#endif
