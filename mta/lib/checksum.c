/* SPDX-License-Identifier: ISC */
#include "mta/lib/checksum.h"

#include <stdlib.h>

#include "mta/lib/mem.h"

/* xxHash has functions that allocate a state.  None is called, but unoptimised they are there, and
 * the server's memory is mem_alloc's. */
#define malloc(size) mem_alloc(size)
#define free(block) mem_free(block)
/* xxHash declares what XXH_NO_XXH3 leaves out; gcc says so at the end of the file. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define XXH_INLINE_ALL
#define XXH_NO_XXH3
#include <xxhash.h>
#undef malloc
#undef free

_Static_assert(sizeof(XXH64_state_t) <= sizeof(struct checksum), "state too small");

void checksum_begin(struct checksum *checksum)
{
    XXH64_reset((XXH64_state_t *) checksum->state, 0);
}

void checksum_add(struct checksum *checksum, const void *bytes, size_t size)
{
    if (size)
        XXH64_update((XXH64_state_t *) checksum->state, bytes, size);
}

uint64_t checksum_value(const struct checksum *checksum)
{
    return XXH64_digest((const XXH64_state_t *) checksum->state);
}

uint64_t checksum_of(const void *bytes, size_t size)
{
    return XXH64(size ? bytes : "", size, 0);
}
