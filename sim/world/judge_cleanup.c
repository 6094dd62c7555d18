/* SPDX-License-Identifier: ISC */
/*
 * Left-overs go (judge.h): what a crash or a client that went away leaves of a message that nobody
 * was promised is removed within the time that the rules give, and when all is over no file of any
 * message is left in the spool.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_lives.h"
#include "sim/world/judge_reasons.h"
#include "sim/world/words.h"

/* A left-over is one when it is 36 hours old; every 76431 s they are looked for. */
#define LEFT_OVER_NS ((36 * 3600 + 76431 + 60) * NANOSECONDS)

/* nixie-send tries again to remove a mark after 123 s. */
#define MARKS_NS (150 * NANOSECONDS)

/* It may have left something, or have kept the server from removing it. */
static bool keeps_left_overs(const struct upset *upset)
{
    return (upset->kind != UPSET_ORDER || upset->order == ORDER_STOP) &&
           upset_touches(upset, HIT_SEND | HIT_QUEUE | HIT_TREE);
}

/* The last such upset of the machine at or before that time; 0: none. */
static int64_t last_upset(const struct world *world, size_t machine, int64_t time_ns)
{
    int64_t last = 0;

    for (size_t i = 0; i < world->upset_count && world->upsets[i].time_ns <= time_ns; i++)
        if (world->upsets[i].machine == machine && keeps_left_overs(&world->upsets[i]))
            last = world->upsets[i].time_ns;
    return last;
}

/* Files look younger by that. */
static int64_t set_back(const struct world *world, const struct entry *entry)
{
    int64_t back = 0;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_CLOCK && world->upsets[i].machine == entry->machine &&
            world->upsets[i].time_ns >= entry->history[0].time_ns)
            back += world->upsets[i].back_ns;
    return back;
}

/* For how long its files were there after the last thing that went wrong. */
static int64_t time_left(const struct world *world, const struct entry *entry)
{
    int64_t end = kernel_now(world->kernel), begin;

    if (entry->history_count == 0)
        return 0;
    begin = entry->history[0].time_ns;
    if (entry->bits == 0)
        end = entry->history[entry->history_count - 1].time_ns;
    if (last_upset(world, entry->machine, end) > begin)
        begin = last_upset(world, entry->machine, end);
    return end - begin - set_back(world, entry);
}

/* It was there as a whole since the last thing that went wrong: whoever gave it did not hear of it,
 * but it is mail like any other. */
static bool was_mail(const struct world *world, const struct entry *entry)
{
    const struct stage_change *last = &entry->history[entry->history_count - 1];
    int64_t since = last_upset(world, entry->machine, last->time_ns);

    for (size_t i = entry->history_count; i-- > 0;) {
        enum stage stage = entry->history[i].stage;

        if (stage == STAGE_S4 || stage == STAGE_S5)
            return true;
        if (entry->history[i].time_ns <= since)
            return false;
    }
    return false;
}

/* Only files of send's are left, which it failed to remove: its next start removes them. */
static bool wait_for_a_start(const struct world *world, const struct entry *entry)
{
    int64_t start = reason_last_start(world, entry->machine, INT64_MAX);

    if (entry->bits & ~(BIT_INFO | BIT_LOCAL | BIT_REMOTE | BIT_BOUNCE))
        return false;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_FAULT && world->upsets[i].machine == entry->machine &&
            world->upsets[i].time_ns >= start && upset_touches(&world->upsets[i], HIT_SEND))
            return true;
    return false;
}

static void judge_entry(struct world *world, const struct entry *entry)
{
    char name[ENTRY_NAME], bits[BITS_TEXT], time[TIME_TEXT];
    /* what is held for good or left alone is, too, though nobody was told that it is accepted */
    bool is_mail =
        (entry->stage == STAGE_S4 || entry->stage == STAGE_S5) &&
        (entry->answer == ANSWER_YES || reason_kept(world, entry) || is_left_alone(world, entry));

    if (entry->bits && !is_mail && !wait_for_a_start(world, entry))
        world_accuse(world, "CLEANUP", entry->letter, entry->bounce,
                     "%s (%llu) is over, but its files are left: %s",
                     entry_name(world, entry, name), (unsigned long long) entry->number,
                     bits_format(entry->bits, bits));
    else if (!is_mail && entry->answer != ANSWER_YES && time_left(world, entry) > LEFT_OVER_NS &&
             !was_mail(world, entry))
        world_accuse(world, "CLEANUP", entry->letter, entry->bounce,
                     "%s (%llu), which nobody was promised, was left for %s",
                     entry_name(world, entry, name), (unsigned long long) entry->number,
                     time_format(time, time_left(world, entry)));
}

/* Behind a call that went wrong, or is slow, the marks of a message that is gone may stay for a
 * while: without lspawn and rspawn send does not even start. */
static bool may_keep_marks(const struct world *world, const struct machine *machine,
                           const struct entry *entry)
{
    int64_t since =
        entry && entry->history_count ? entry->history[entry->history_count - 1].time_ns : 0;
    bool any = false;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != machine->index ||
            (upset->kind != UPSET_FAULT && upset->kind != UPSET_SLOW) ||
            !upset_touches(upset, HIT_SEND | HIT_SPAWN | HIT_ADMIN | HIT_TREE | HIT_QUEUE))
            continue;
        any = true;
        if (upset->time_ns + upset->lasts_ns > since)
            since = upset->time_ns + upset->lasts_ns;
    }
    return any && kernel_now(world->kernel) < since + MARKS_NS;
}

/* What the admin wished of messages: marks go with them. */
static void judge_marks(struct world *world, const struct machine *machine)
{
    char **names;

    if (host_list_directory(machine->host, HOME_QUEUE "/mark", &names) < 0)
        return;
    for (size_t i = 0; names[i]; i++) {
        struct entry *entry = world_entry(world, machine->index, strtoull(names[i], NULL, 10));

        if ((!entry || entry->bits == 0) && !may_keep_marks(world, machine, entry))
            world_accuse(world, "CLEANUP", entry ? entry->letter : NO_LETTER,
                         entry ? entry->bounce : 0, "mark/%.100s is left of a message that is gone",
                         names[i]);
        free(names[i]);
    }
    free(names);
}

void judge_cleanup(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->machines[world->entries[i].machine].tree)
            judge_entry(world, &world->entries[i]);
    for (size_t i = 0; i < world->host_count; i++)
        if (world->machines[i].tree)
            judge_marks(world, &world->machines[i]);
}
