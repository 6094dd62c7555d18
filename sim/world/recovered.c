/* SPDX-License-Identifier: ISC */
/* The spool after a power loss: what is found, and that its recovery leaves every message in a
 * stage. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"

static void reread_directory(struct machine *machine, const char *directory)
{
    char path[100], file[200], **names;
    enum spool_bit bit;
    uint64_t number;

    snprintf(path, sizeof path, HOME_QUEUE "/%s", directory);
    if (host_list_directory(machine->host, path, &names) < 0)
        return;
    for (size_t i = 0; names[i]; i++) {
        snprintf(file, sizeof file, "%s/%s", directory, names[i]);
        if (spool_path_parse(file, &bit, &number))
            entry_get(machine->world, machine, number)->bits |= bit;
        free(names[i]);
    }
    free(names);
}

/* Power loss brought back names that were gone, and that may lead to any later file: those that
 * nixie-send removes at the end of a message, or all of it. */
static bool has_come_back(const struct entry *entry)
{
    const unsigned own = BIT_INFO | BIT_LOCAL | BIT_REMOTE | BIT_BOUNCE;

    return (entry->bits & ~entry->had & own) ||
           (entry->stage == STAGE_S1 && stage_of(entry->bits) > STAGE_S1);
}

void entries_reread(struct machine *machine)
{
    static const char *const directories[] = {"pid",  "mess",  "intd",   "todo",
                                              "info", "local", "remote", "bounce"};
    struct world *world = machine->world;

    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].machine == machine->index) {
            world->entries[i].had = world->entries[i].bits;
            world->entries[i].bits = 0;
        }
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        reread_directory(machine, directories[i]);
    machine->suspects = 0;
    machine->alive = 0;
    for (size_t i = 0; i < world->entry_count; i++) {
        struct entry *entry = &world->entries[i];
        enum stage stage = stage_of(entry->bits);

        if (entry->machine != machine->index)
            continue;
        machine->alive += entry->bits != 0;
        entry->dirty = false;
        entry->checked = entry->prepared = false;
        entry->maker = 0;
        entry->revived |= has_come_back(entry);
        entry->todo_back |= (entry->bits & ~entry->had & BIT_TODO) != 0;
        entry->suspect = stage == STAGE_ODD;
        machine->suspects += entry->suspect;
        entry->queue_pid = 0;
        if (stage != entry->stage)
            entry_change_stage(machine, entry, stage);
    }
}

/* Since when the nixie-send that runs may have recovered: when the one before it ended. */
static int64_t recovering_since(const struct world *world, size_t machine)
{
    int64_t since = 0;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine && world->upsets[i].kind == UPSET_POWER)
            since = world->upsets[i].time_ns;
    for (size_t i = 0; i < world->send_end_count; i++)
        if (world->send_ends[i].machine == machine && world->send_ends[i].time_ns > since)
            since = world->send_ends[i].time_ns;
    return since;
}

/* A call of its recovery may have failed: the next one looks again. */
static bool has_failed_to_recover(const struct world *world, size_t machine)
{
    int64_t since = recovering_since(world, machine);

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == machine && upset->kind == UPSET_FAULT && upset->time_ns >= since &&
            upset_touches(upset, HIT_SEND | HIT_QUEUE | HIT_TREE))
            return true;
    }
    return false;
}

void entries_check_recovered(struct machine *machine)
{
    struct world *world = machine->world;
    char name[ENTRY_NAME], bits[BITS_TEXT];

    if (machine->suspects > 0 && has_failed_to_recover(world, machine->index))
        return;
    for (size_t i = 0; machine->suspects > 0 && i < world->entry_count; i++) {
        struct entry *entry = &world->entries[i];

        if (entry->machine != machine->index || !entry->suspect)
            continue;
        entry->suspect = false;
        machine->suspects--;
        world_accuse(world, "STAGE", entry->letter, entry->bounce,
                     "%s (%llu) is in none of S1 to S5 (%s) at the first delivery after a crash",
                     entry_name(world, entry, name), (unsigned long long) entry->number,
                     bits_format(entry->bits, bits));
    }
}
