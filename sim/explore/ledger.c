/* SPDX-License-Identifier: ISC */
#include "sim/explore/ledger.h"

#include <string.h>

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
    size_t length = text ? strlen(text) : 0;
    mix(mixer, length);
    for (size_t i = 0; i < length; i++)
        mix(mixer, (unsigned char) text[i]);
}

static void mix_letters(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->letter_count; i++) {
        mix(mixer, world->letters[i].state);
        mix(mixer, (uint64_t) world->letters[i].code);
    }
}

static void mix_entries(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *entry = &world->entries[i];
        mix(mixer, entry->machine);
        mix(mixer, entry->number);
        mix(mixer, entry->letter);
        mix(mixer, entry->bounce);
        mix(mixer, entry->answer);
        mix(mixer, entry->discarded);
    }
}

static void mix_attempts(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        mix(mixer, attempt->machine);
        mix(mixer, attempt->number);
        mix_text(mixer, attempt->recipient);
        mix(mixer, (unsigned char) attempt->result);
    }
}

static void mix_runs(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->run_count; i++) {
        const struct program_run *run = &world->runs[i];
        mix_text(mixer, run->program);
        mix(mixer, run->ended);
        mix(mixer, run->input_size);
    }
}

uint64_t ledger_hash(const struct world *world)
{
    struct mixer mixer = {0xcbf29ce484222325u};
    mix_letters(&mixer, world);
    mix_entries(&mixer, world);
    mix_attempts(&mixer, world);
    mix_runs(&mixer, world);
    mix(&mixer, world->upset_count);
    return mixer.value;
}
