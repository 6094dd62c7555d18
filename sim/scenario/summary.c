/* SPDX-License-Identifier: ISC */
/* How a run ended, in a line; and what became of a message, in several. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/runner.h"

#define LINE 300
#define TRIES_SHOWN 12

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

/* How many letters have a copy (bounce 0), or a bounce. */
static size_t count_copies(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < world->letter_count; i++)
        for (size_t k = 0; k < world->copy_count; k++)
            if (world->copies[k].letter == i && world->copies[k].bounce == 0) {
                count++;
                break;
            }
    return count;
}

static const struct entry *bounce_of(const struct world *world, size_t letter)
{
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].letter == letter && world->entries[i].bounce == 1 &&
            world->entries[i].answer == ANSWER_YES)
            return &world->entries[i];
    return NULL;
}

static size_t count_bounces(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < world->letter_count; i++)
        count += bounce_of(world, i) != NULL;
    return count;
}

/* The most attempts that one recipient needed. */
static size_t tries_of(const struct world *world, size_t letter)
{
    size_t most = 0;

    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        const struct entry *entry =
            world_entry((struct world *) (uintptr_t) world, attempt->machine, attempt->number);
        size_t tries = 0;

        if (!entry || entry->letter != letter || entry->bounce > 0)
            continue;
        for (size_t k = 0; k <= i; k++)
            tries += world->attempts[k].machine == attempt->machine &&
                     world->attempts[k].number == attempt->number &&
                     strcmp(world->attempts[k].recipient, attempt->recipient) == 0;
        if (tries > most)
            most = tries;
    }
    return most;
}

static int64_t last_copy(const struct world *world, size_t letter)
{
    int64_t time = -1;

    for (size_t i = 0; i < world->copy_count; i++)
        if (world->copies[i].letter == letter && world->copies[i].bounce == 0 &&
            world->copies[i].time_ns > time)
            time = world->copies[i].time_ns;
    return time;
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

/* --- the story of a message ------------------------------------------------------------------*/

static void tell_entry(const struct run *run, const struct entry *entry, FILE *to)
{
    const struct world *world = run->world;
    char name[ENTRY_NAME], time[TIME_TEXT];
    size_t tries = 0;

    fprintf(to, "%s", entry_name(world, entry, name));
    for (size_t i = 0; i < entry->recipient_count && i < 5; i++)
        fprintf(to, "%s %s", i ? "," : " to", entry->recipients[i]);
    fprintf(to, "%s: %s\n", entry->recipient_count > 5 ? ", ..." : "",
            entry->stage <= STAGE_S1 ? "no longer in the spool" : stage_name(entry->stage));
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];

        if (attempt->machine != entry->machine || attempt->number != entry->number)
            continue;
        if (tries++ == TRIES_SHOWN) {
            fprintf(to, "  ...\n");
            break;
        }
        time_format(time, attempt->start_ns);
        fprintf(to, "  +%-9s try %zu   %s\n", time, tries,
                attempt->text ? attempt->text : "never came back");
    }
}

/* Of a message that is still in the spool: the last alert of its server, which may be why. */
static void tell_alert(const struct world *world, const struct entry *entry, FILE *to)
{
    char time[TIME_TEXT];

    if (entry->stage <= STAGE_S1)
        return;
    for (size_t i = world->line_count; i > 0; i--) {
        const struct log_line *line = &world->lines[i - 1];

        if (line->machine == entry->machine && strncmp(line->text, "alert: ", 7) == 0) {
            fprintf(to, "  +%-9s its server said: %s\n", time_format(time, line->time_ns),
                    line->text);
            return;
        }
    }
}

char *story_of(const struct run *run, size_t letter, unsigned bounce)
{
    const struct world *world = run->world;
    char *text = NULL, time[TIME_TEXT];
    size_t size = 0;
    FILE *to;

    if (letter == NO_LETTER)
        return NULL;
    to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind != UPSET_FAULT)
            fprintf(to, "  +%-9s %s\n", time_format(time, world->upsets[i].time_ns),
                    world->upsets[i].kind == UPSET_POWER ? "power cut" : "programs killed");
    if (world->letters[letter].complaint)
        fprintf(to, "  its submitter said: %.*s\n",
                (int) strcspn(world->letters[letter].complaint, "\n"),
                world->letters[letter].complaint);
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].letter == letter && world->entries[i].bounce == bounce) {
            tell_entry(run, &world->entries[i], to);
            tell_alert(world, &world->entries[i], to);
        }
    fclose(to);
    return text;
}
