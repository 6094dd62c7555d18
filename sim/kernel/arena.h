/* SPDX-License-Identifier: ISC */
/*
 * The memory of one simulated process: blocks in size classes, cut from chunks that are pooled
 * among all processes.  Everything goes with the process.
 *
 * Under AddressSanitizer each block is a malloc of its own, so that overflows and uses after free
 * are seen.
 */
#ifndef SIM_KERNEL_ARENA_H
#define SIM_KERNEL_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_CLASSES 44

struct arena_chunk;
struct arena_block;

struct arena {
    struct arena_chunk *chunks; /* small blocks are cut from the first one */
    size_t chunk_used;
    struct arena_block *large; /* blocks with memory of their own */
    struct arena_block *free[ARENA_CLASSES];
    size_t live_bytes;  /* of counted blocks, as asked for */
    size_t live_blocks; /* counted ones */
    size_t offset;      /* shifts the first block of each chunk; a multiple of 16 */
    uint8_t fill;       /* fresh and, if not 0, freed memory is filled with it */
};

void arena_start(struct arena *arena, size_t offset, uint8_t fill);

/* Frees everything.  The arena may be started again. */
void arena_end(struct arena *arena);

/* At least `size` bytes, 16-aligned, filled with the fill byte.  Never NULL; ends the program if
 * the machine has no memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same for the kernel's own purposes (arguments, environment): not counted as live. */
void *arena_alloc_hidden(struct arena *arena, size_t size);

/* Like realloc and free; `block` may be NULL and must be of this arena. */
void *arena_realloc(struct arena *arena, void *data, size_t size);
void arena_free(struct arena *arena, void *data);

/* Frees the pool. */
void arena_trim(void);

#endif
