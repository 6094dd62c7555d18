/* SPDX-License-Identifier: ISC */
/* How a run ended, in a line. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/runner.h"

#define LINE 300

/* --- the line --------------------------------------------------------------------------------*/

static const struct violation *lost_message(const struct world *world)
{
    for (size_t i = 0; i < world->violation_count; i++)
        if (strcmp(world->violations[i].promise, "LOST") == 0)
            return &world->violations[i];
    return NULL;
}

static size_t count_lost(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < world->violation_count; i++)
        count += strcmp(world->violations[i].promise, "LOST") == 0;
    return count;
}

static size_t count_letters(const struct world *world, enum letter_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < world->letter_count; i++)
        count += world->letters[i].state == state;
    return count;
}

static int64_t last_copy(const struct world *world, size_t letter)
{
    struct range copies = world_copies_of(world, letter);
    int64_t time = -1;

    for (size_t i = 0; i < copies.count; i++) {
        const struct copy *copy = &world->copies[copies.items[i]];

        if (copy->bounce == 0 && copy->time_ns > time)
            time = copy->time_ns;
    }
    return time;
}

static const struct entry *bounce_of(const struct world *world, size_t letter)
{
    struct range entries = world_entries_of(world, letter);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        if (entry->bounce == 1 && entry->answer == ANSWER_YES)
            return entry;
    }
    return NULL;
}

/* How many letters have a copy. */
static size_t count_copies(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < world->letter_count; i++)
        count += last_copy(world, i) >= 0;
    return count;
}

static size_t count_bounces(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < world->letter_count; i++)
        count += bounce_of(world, i) != NULL;
    return count;
}

/* The most tries of an entry that one recipient needed. */
static size_t tries_of_entry(const struct world *world, size_t entry)
{
    struct range attempts = world_attempts_of(world, entry);
    size_t most = 0;

    for (size_t i = 0; i < attempts.count; i++) {
        size_t tries = 0;

        for (size_t k = 0; k <= i; k++)
            tries += strcmp(world->attempts[attempts.items[k]].recipient,
                            world->attempts[attempts.items[i]].recipient) == 0;
        if (tries > most)
            most = tries;
    }
    return most;
}

static size_t tries_of(const struct world *world, size_t letter)
{
    struct range entries = world_entries_of(world, letter);
    size_t most = 0;

    for (size_t i = 0; i < entries.count; i++) {
        size_t tries = world->entries[entries.items[i]].bounce == 0
                           ? tries_of_entry(world, entries.items[i])
                           : 0;

        if (tries > most)
            most = tries;
    }
    return most;
}

static void summary_of_one(const struct world *world, char line[LINE])
{
    const struct letter *letter = &world->letters[0];
    const struct entry *bounce = bounce_of(world, 0);
    int64_t copy = last_copy(world, 0);
    char time[TIME_TEXT];
    size_t tries = tries_of(world, 0);

    if (bounce)
        snprintf(line, LINE, "bounced to %s at +%s",
                 bounce->recipient_count ? bounce->recipients[0] : "nobody",
                 time_format(time, bounce->answer_ns));
    else if (copy >= 0 && tries > 1)
        snprintf(line, LINE, "delivered, try %zu at +%s", tries, time_format(time, copy));
    else if (copy >= 0)
        snprintf(line, LINE, "delivered at +%s", time_format(time, copy));
    else if (letter->state == LETTER_REFUSED && letter->reply)
        snprintf(line, LINE, "refused: %.100s", letter->reply);
    else if (letter->state == LETTER_REFUSED)
        snprintf(line, LINE, "refused with %d", letter->code);
    else
        snprintf(line, LINE, "%s, not delivered",
                 letter->state == LETTER_ACCEPTED ? "accepted" : "not accepted");
}

static void summary_of_many(const struct world *world, char line[LINE])
{
    size_t refused = count_letters(world, LETTER_REFUSED), bounced = count_bounces(world);
    size_t used = (size_t) snprintf(line, LINE, "%zu accepted, %zu delivered",
                                    count_letters(world, LETTER_ACCEPTED), count_copies(world));

    if (bounced > 0)
        used += (size_t) snprintf(line + used, LINE - used, ", %zu bounced", bounced);
    if (refused > 0)
        snprintf(line + used, LINE - used, ", %zu refused", refused);
}

char *summary_of(const struct run *run)
{
    const struct world *world = run->world;
    const struct violation *lost = lost_message(world);
    char line[LINE] = "nothing was sent";

    if (lost && run->result->verdict == VERDICT_HELD)
        snprintf(line, LINE, "LOST %s, as it must%s%s%s",
                 lost->letter == NO_LETTER ? "a message" : world->letters[lost->letter].name,
                 lost->detail ? ": " : "", lost->detail ? lost->detail : "",
                 lost->detail ? " unsynced" : "");
    else if (run->result->crashes > 0)
        snprintf(line, LINE, "%zu cut%s, %zu accepted messages lost", run->result->crashes,
                 run->result->crashes == 1 ? "" : "s", count_lost(world));
    else if (world->letter_count == 1)
        summary_of_one(world, line);
    else if (world->letter_count > 1)
        summary_of_many(world, line);
    if (run->scenario->expectation_count == 0)
        snprintf(line + strlen(line), sizeof line - strlen(line), " (nothing is expected)");
    return must_copy(line, strlen(line));
}
