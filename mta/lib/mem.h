/* SPDX-License-Identifier: ISC */
/*
 * The server's one allocator.  Opaque on purpose (its own object, no attributes), so that no
 * compiler drops or reorders a call: the simulator counts them to make the n-th one fail.
 */
#ifndef MTA_LIB_MEM_H
#define MTA_LIB_MEM_H

#include <stddef.h>

/* `size` bytes, uninitialised; NULL with ENOMEM if there are none.  `size` 0 counts as 1. */
void *mem_alloc(size_t size);

/* Makes `block` (or NULL) `size` bytes long; NULL with ENOMEM, `block` then stays as it was. */
void *mem_resize(void *block, size_t size);

/* Gives back a block of mem_alloc or mem_resize; NULL is allowed. */
void mem_free(void *block);

#endif
