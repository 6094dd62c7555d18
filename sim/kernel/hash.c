/* SPDX-License-Identifier: ISC */
/* The hash of a run: every call's decoded fields, in the order the calls ended.  Bytes that a call
 * failed to write are not among them: what came of them is. */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/kernel/internal.h"

static uint64_t hash_text(const char *text)
{
    return text ? XXH3_64bits(text, strlen(text)) : 0;
}

void hash_call(struct kernel *kernel, const struct call *call)
{
    const struct process *process = call->process;
    uint64_t fields[13] = {
        kernel->hash,
        (uint64_t) call->id,
        (uint64_t) process->host->number << 32 | (uint32_t) process->pid,
        (uint64_t) call->time_ns,
        (uint64_t) (int64_t) call->fd,
        (uint64_t) call->argument[0],
        (uint64_t) call->argument[1],
        (uint64_t) call->argument[2],
        (uint64_t) call->result,
        call->size,
        hash_text(call->path),
        hash_text(call->path2),
        call->result >= 0 && call->data && call->size ? XXH3_64bits(call->data, call->size) : 0,
    };
    if (call->address)
        fields[0] ^= XXH3_64bits(call->address, call->address_size);
    kernel->hash = XXH3_64bits(fields, sizeof fields);
}
