/* SPDX-License-Identifier: ISC */
#include "sim/explore/ledger.h"

#include <string.h>

#include "sim/world/judge.h"

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

static void mix_answers(struct mixer *mixer, const struct letter *letter)
{
    mix(mixer, letter->tries);
    mix(mixer, letter->uncertain);
    for (size_t i = 0; letter->answers && i < letter->recipient_count; i++) {
        mix(mixer, letter->answers[i].code);
        mix(mixer, letter->answers[i].accepted_count);
    }
}

/* What remotes hold.  Their rules may count connections. */
static void mix_takings(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->taking_count; i++) {
        const struct taking *taking = &world->takings[i];
        mix(mixer, taking->machine);
        mix(mixer, taking->letter);
        mix(mixer, taking->bounce);
        mix(mixer, taking->unchanged);
        mix_text(mixer, taking->sender);
        for (size_t k = 0; k < taking->recipient_count; k++)
            mix_text(mixer, taking->recipients[k]);
    }
    mix(mixer, world->connection_count);
    for (size_t i = world->host_count; i < world->machine_count; i++)
        mix(mixer, world->machines[i].owed);
}

static void mix_letters(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->letter_count; i++) {
        mix(mixer, world->letters[i].state);
        mix(mixer, (uint64_t) world->letters[i].code);
        mix_answers(mixer, &world->letters[i]);
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
        if (attempt->result == 'K') /* behind that no power loss may take it (judge.h) */
            mix(mixer, kernel_now(world->kernel) > attempt->end_ns + FORGET_NS);
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

/* What the story did that no disk shows, and what it has done by now: the rest of it differs. */
static void mix_story(struct mixer *mixer, const struct world *world)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];
        if (upset->kind != UPSET_CLOCK && upset->kind != UPSET_ORDER)
            continue;
        mix(mixer, upset->machine);
        mix(mixer, upset->kind);
        mix(mixer, upset->order);
        mix(mixer, upset->number);
        mix(mixer, upset->asked);
        mix(mixer, upset->answered);
    }
    for (size_t i = 0; i < world->host_count; i++)
        mix(mixer, world->machines[i].squeezed +
                       (kernel_now(world->kernel) <= world->machines[i].squeezed_to_ns));
}

uint64_t ledger_hash(const struct world *world)
{
    struct mixer mixer = {0xcbf29ce484222325u};
    mix_letters(&mixer, world);
    mix_entries(&mixer, world);
    mix_attempts(&mixer, world);
    mix_runs(&mixer, world);
    mix_takings(&mixer, world);
    mix_story(&mixer, world);
    return mixer.value;
}

/* The last letter may be the runner's own, sent when something had gone wrong for a while. */
static bool is_probe(const struct world *world, size_t letter)
{
    return letter < world->letter_count && world->letters[letter].id &&
           strcmp(world->letters[letter].id, "<probe@scenario.nixie>") == 0;
}

/* The order of copies is one of time. */
static uint64_t copies_hash(const struct world *world)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < world->copy_count; i++) {
        const struct copy *copy = &world->copies[i];
        struct mixer mixer = {copy->kind};
        if (is_probe(world, copy->letter))
            continue;
        mix(&mixer, copy->machine);
        mix_text(&mixer, copy->place);
        mix_text(&mixer, copy->chain);
        mix(&mixer, copy->letter);
        mix(&mixer, copy->bounce);
        mix(&mixer, copy->unchanged);
        sum += mixer.value;
    }
    return sum;
}

uint64_t ledger_outcome(const struct world *world)
{
    struct mixer mixer = {0xcbf29ce484222325u};
    for (size_t i = 0; i < world->letter_count; i++) {
        if (is_probe(world, i))
            continue;
        mix(&mixer, world->letters[i].state);
        mix(&mixer, (uint64_t) world->letters[i].code);
    }
    mix(&mixer, copies_hash(world));
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].stage > STAGE_S1 && !is_probe(world, world->entries[i].letter))
            mix(&mixer, world->entries[i].stage);
    return mixer.value;
}
