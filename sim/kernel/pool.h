/* SPDX-License-Identifier: ISC */
/*
 * A pool of objects of one size, so that making one costs no malloc.  The first bytes of an object
 * in the pool are the pool's.  Under AddressSanitizer each is a malloc of its own, so that uses
 * after free are seen.
 */
#ifndef SIM_KERNEL_POOL_H
#define SIM_KERNEL_POOL_H

#include <stdlib.h>

#include "sim/kernel/must.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOLED 0
#endif
#endif
#ifndef POOLED
#define POOLED 1
#endif

struct pool {
    void *free;
};

/* At least `size` bytes, always the same for a pool; what is in them is not defined. */
static inline void *pool_take(struct pool *pool, size_t size)
{
    void **object = pool->free;
    if (!object)
        return must(malloc(size));
    pool->free = *object;
    return object;
}

static inline void pool_give(struct pool *pool, void *object)
{
    if (!POOLED) {
        free(object);
        return;
    }
    *(void **) object = pool->free;
    pool->free = object;
}

static inline void pool_end(struct pool *pool)
{
    while (pool->free) {
        void **object = pool->free;
        pool->free = *object;
        free(object);
    }
}

#endif
