/* SPDX-License-Identifier: ISC */
#include "sim/explore/coverage.h"

#include <errno.h>
#include <string.h>

#include "sim/explore/points.h"

struct mixer {
    uint64_t value;
};

static void mix(struct mixer *mixer, uint64_t number)
{
    mixer->value ^= number;
    mixer->value *= 0x9e3779b97f4a7c15u;
    mixer->value ^= mixer->value >> 29;
}

static void mix_text(struct mixer *mixer, const char *text)
{
    for (; *text; text++)
        mix(mixer, (unsigned char) *text);
}

static uint32_t mixed(const struct mixer *mixer)
{
    uint32_t key = (uint32_t) (mixer->value >> 32);
    return key ? key : 1;
}

/* In which stages there is a message. */
static unsigned stages(const struct world *world, size_t host)
{
    unsigned set = 0;
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].machine == host || host >= world->host_count)
            set |= 1u << world->entries[i].stage;
    return set & ~(1u << STAGE_NONE);
}

static bool keeps_nothing(const struct planned *planned)
{
    for (size_t i = 0; i < planned->answer_count; i++)
        if (planned->answers[i])
            return false;
    return planned->chance == 0;
}

uint32_t coverage_of_upset(const struct world *world, const struct planned *planned,
                           const struct call *call, size_t host)
{
    struct mixer mixer = {planned->kind};
    mix_text(&mixer, process_name(call->process));
    mix(&mixer, call->id);
    mix(&mixer, stages(world, host));
    if (planned->kind == UPSET_POWER)
        mix(&mixer, keeps_nothing(planned));
    if (planned->kind == UPSET_KILL)
        mix_text(&mixer, planned->program);
    if (planned->kind == UPSET_FAULT) {
        mix(&mixer, planned->fault.kind);
        mix(&mixer, (uint64_t) planned->fault.error);
        mix(&mixer, planned->fault.amount < 0);
        mix(&mixer, planned->fault.any);
    }
    return mixed(&mixer);
}

uint32_t coverage_of_failure(const struct world *world, const struct call *call)
{
    struct mixer mixer = {0x4641494cu};
    size_t host = host_of_call(world, call);
    if (call->result >= 0 || call->result == -EAGAIN || call->result == -ENOENT ||
        call->result == -ECHILD || call->result == -ENXIO || host == world->host_count)
        return 0;
    mix_text(&mixer, process_name(call->process));
    mix(&mixer, call->id);
    mix(&mixer, (uint64_t) -call->result);
    return mixed(&mixer);
}
