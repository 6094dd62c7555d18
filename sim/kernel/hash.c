/* SPDX-License-Identifier: ISC */
/* The hash of a run: every call's decoded fields, in the order the calls ended.  Bytes that a call
 * failed to write are not among them: what came of them is. */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/kernel/internal.h"

/* Both halves of a product. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t) a * b;
    return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static uint64_t mix(uint64_t hash, uint64_t a, uint64_t b)
{
    return fold(hash ^ a ^ 0x9e3779b97f4a7c15u, hash + b + 0xd1b54a32d192ed03u);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    size_t length = strlen(text);
    return mix(hash, XXH3_64bits(text, length), length);
}

void hash_call(struct kernel *kernel, const struct call *call)
{
    const struct process *process = call->process;
    bool has_data = call->result >= 0 && call->data && call->size;
    uint64_t has = (uint64_t) (call->path != NULL) << 8 | (uint64_t) (call->path2 != NULL) << 9 |
                   (uint64_t) has_data << 10 | (uint64_t) (call->address != NULL) << 11;
    uint64_t hash = kernel->hash;
    hash = mix(hash, (uint64_t) (uint32_t) call->fd << 32 | has | (uint64_t) call->id,
               (uint64_t) process->host->number << 32 | (uint32_t) process->pid);
    hash = mix(hash, (uint64_t) call->time_ns, (uint64_t) call->result);
    hash = mix(hash, (uint64_t) call->argument[0], (uint64_t) call->argument[1]);
    hash = mix(hash, (uint64_t) call->argument[2], call->size);
    if (call->path)
        hash = mix_text(hash, call->path);
    if (call->path2)
        hash = mix_text(hash, call->path2);
    if (has_data)
        hash = mix(hash, XXH3_64bits(call->data, call->size), call->size);
    if (call->address)
        hash = mix(hash, XXH3_64bits(call->address, call->address_size), call->address_size);
    kernel->hash = hash;
}
