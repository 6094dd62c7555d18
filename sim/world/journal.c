/* SPDX-License-Identifier: ISC */
/* lock/journal (docs/architecture.md, "The journal"), read with none of the server's code: which
 * messages the disk holds there though the spool's files are not durable yet. */
#include <stdlib.h>
#include <string.h>

/* xxHash declares what XXH_NO_XXH3 leaves out; gcc says so at the end of the file. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define XXH_INLINE_ALL
#define XXH_NO_XXH3
#include <xxhash.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"

#define PATH HOME_QUEUE "/lock/journal"
#define SLOT_GAP 512
#define SLOT_SIZE 109
#define SLOT_CHECK_AT 92
#define SLOT_WORDS "nixie1 journl %*16s %20llu %16llx %20llu %1u"
#define FIRST_RECORD 4096
#define LINE_SIZE 112
#define LINE_WORDS "nixie1 accept %16llx %20llu %20llu %8llu %8llu"

/* Whether the line's last word is the XXH64 of what is before it: it may be torn. */
static bool is_whole(const char line[SLOT_SIZE + 1])
{
    char check[17];

    snprintf(check, sizeof check, "%016llx", (unsigned long long) XXH64(line, SLOT_CHECK_AT, 0));
    return memcmp(check, line + SLOT_CHECK_AT, 16) == 0;
}

struct slot {
    unsigned long long generation, covered;
    unsigned tainted;
};

/* The slot that counts. */
static bool read_slot(const struct machine *machine, struct slot *slot)
{
    unsigned long long newest = 0;

    for (unsigned i = 0; i < 2; i++) {
        char line[SLOT_SIZE + 1];
        unsigned long long serial;
        struct slot found;

        if (host_read_part(machine->host, PATH, i * SLOT_GAP, line, SLOT_SIZE) != SLOT_SIZE ||
            !is_whole(line))
            continue;
        line[SLOT_SIZE] = 0;
        if (sscanf(line, SLOT_WORDS, &serial, &found.generation, &found.covered, &found.tainted) !=
                4 ||
            serial <= newest)
            continue;
        newest = serial;
        *slot = found;
    }
    return newest > 0;
}

/* The next record, if it is there. */
static bool read_record(struct machine *machine)
{
    struct journal_state *journal = &machine->journal;
    char line[LINE_SIZE + 1];
    unsigned long long generation, sequence, number, todo_size, mess_size;
    struct entry *entry;

    if (host_read_part(machine->host, PATH, journal->end, line, LINE_SIZE) != LINE_SIZE)
        return false;
    line[LINE_SIZE] = 0;
    if (sscanf(line, LINE_WORDS, &generation, &sequence, &number, &todo_size, &mess_size) != 5 ||
        generation != journal->generation || sequence != journal->last + 1)
        return false;
    journal->last = sequence;
    journal->end += LINE_SIZE + todo_size + mess_size;
    entry = world_entry(machine->world, machine->index, number);
    if (entry) {
        entry->journal_generation = generation;
        entry->journal_sequence = sequence;
    }
    return true;
}

/* Of the records: nixie-clean may be about to write a slot while nixie-queue waits for them. */
static bool records_are_durable(const struct machine *machine)
{
    return host_part_is_durable(machine->host, PATH, FIRST_RECORD) == 1;
}

void journal_note_durable(struct machine *machine)
{
    struct journal_state *journal = &machine->journal;
    struct slot slot;

    if (!records_are_durable(machine) || !read_slot(machine, &slot))
        return;
    if (slot.generation != journal->generation || journal->end == 0)
        *journal = (struct journal_state){.generation = slot.generation, .end = FIRST_RECORD};
    journal->covered = slot.covered;
    while (read_record(machine))
        ;
    if (journal->covered >= journal->last)
        journal->waits = false;
}

void journal_reread(struct machine *machine)
{
    memset(&machine->journal, 0, sizeof machine->journal);
    for (size_t i = 0; i < machine->world->entry_count; i++)
        if (machine->world->entries[i].machine == machine->index)
            machine->world->entries[i].journal_sequence = 0;
    journal_note_durable(machine);
    machine->journal.waits = machine->journal.last > machine->journal.covered;
}

bool journal_holds(const struct machine *machine, const struct entry *entry)
{
    return entry->journal_sequence > machine->journal.covered &&
           entry->journal_generation == machine->journal.generation;
}

bool journal_is_in_doubt(const struct machine *machine)
{
    struct slot slot;

    return read_slot(machine, &slot) && slot.tainted;
}
