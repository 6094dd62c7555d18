/* SPDX-License-Identifier: ISC */
#include "sim/world/judge_forgotten.h"

#include <stdio.h>
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_lives.h"

/* A kill this long after a result was logged may come before it is written to the file. */
#define WRITE_NS (NANOSECONDS / 100)
/* That a program was killed is noticed so long later. */
#define MISSED_NS (NANOSECONDS / 100)

/* A slow call takes at most so much longer. */
#define SLOW_NS (60 * NANOSECONDS)

/* How long before the upset a report may be forgotten: a slow disk makes that longer, also by a
 * call that was under way already. */
int64_t reason_forget_ns(const struct world *world, const struct upset *upset, int64_t from)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_SLOW && world->upsets[i].machine == upset->machine &&
            world->upsets[i].time_ns + world->upsets[i].lasts_ns >= from &&
            world->upsets[i].time_ns <= upset->time_ns)
            return FORGET_NS + SLOW_NS;
    return FORGET_NS;
}

/* The upset came so soon; of the time before a power loss only that counts in which there was a
 * nixie-send. */
bool reason_is_within(const struct world *world, const struct upset *upset, int64_t from,
                      int64_t forget)
{
    return upset->time_ns <= from + forget ||
           (upset->kind == UPSET_POWER &&
            reason_lived_ns(world, upset->machine, from, upset->time_ns) <= forget);
}

/* A fault makes what waits for the next sync wait for so long: nixie-queue looks every five seconds
 * whether the journal is in doubt, and till then no sync counts. */
#define IN_DOUBT_NS (15 * NANOSECONDS)

/* Why send could not write something down at that time: the disk was full, or a fault. */
static bool could_not_write(const struct world *world, size_t index, int64_t time_ns)
{
    const struct machine *machine = &world->machines[index];

    if (machine->squeezed && time_ns >= machine->squeezed_from_ns &&
        time_ns <= machine->squeezed_to_ns)
        return true;
    return upset_excuses(world, index, time_ns - IN_DOUBT_NS, time_ns, HIT_SEND | HIT_QUEUE);
}

/* When send was told to end, and could not write down what was done of a message in S4: it says so.
 * -1: never. */
int64_t reason_given_up_ns(const struct world *world, const struct entry *entry,
                           const struct attempt *attempt)
{
    char text[100];

    snprintf(text, sizeof text, "warning: trouble with todo/%llu; message will be delivered twice!",
             (unsigned long long) entry->number);
    for (size_t i = 0; i < world->line_count; i++) {
        const struct log_line *line = &world->lines[i];

        if (line->machine == attempt->machine && line->time_ns >= attempt->end_ns &&
            strcmp(line->text, text) == 0 && could_not_write(world, line->machine, line->time_ns))
            return entry_stage_at(entry, line->time_ns - 1) == STAGE_S4 ? line->time_ns : -1;
    }
    return -1;
}

/* After a sync that nixie-send says has failed the next such line may come so much later: it rests
 * for ten seconds, and nixie-clean waits for six that nixie-queue empties its journal. */
#define SYNC_AGAIN_NS (FORGET_NS + 6 * NANOSECONDS)

/* A fault came before that, and the first syncfs that ended well behind it did so in that time. */
static bool was_synced_well(const struct world *world, size_t machine, int64_t from, int64_t to)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine && world->upsets[i].kind == UPSET_FAULT &&
            world->upsets[i].time_ns <= from && world->upsets[i].good_ns > from &&
            world->upsets[i].good_ns < to)
            return true;
    return false;
}

/* Till when, from `last` on and up to `to`, nixie-send says again and again that a sync has failed,
 * be it without a fault of its own: nixie-queue may have had it. */
static int64_t sync_fails_until(const struct world *world, size_t machine, int64_t last, int64_t to)
{
    static const char text[] = "warning: trouble syncing the queue; will try again later";

    for (size_t i = 0; i < world->line_count; i++) {
        const struct log_line *line = &world->lines[i];

        if (line->machine == machine && line->time_ns > last && line->time_ns <= to &&
            strcmp(line->text, text) == 0 &&
            reason_lived_ns(world, machine, last, line->time_ns) <= SYNC_AGAIN_NS &&
            !was_synced_well(world, machine, line->time_ns, to))
            last = line->time_ns;
    }
    return last;
}

/* Faults at send or nixie-clean, or failed syncs of queue's, from soon after the result on, never
 * far apart (but for times without a nixie-send), and no syncfs that ended well behind them, or
 * what send says of its syncs: nothing has made the result durable until then, or, of a message
 * that was delivered in S4, the journal still has it. */
static bool was_unsynced_at(const struct world *world, const struct entry *entry,
                            const struct attempt *attempt, int64_t time_ns)
{
    bool in_journal = entry_stage_at(entry, attempt->end_ns - 1) == STAGE_S4;
    unsigned hit = HIT_SEND | (in_journal ? HIT_QUEUE : 0U);
    int64_t last = attempt->end_ns, told;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != attempt->machine || upset->kind != UPSET_FAULT ||
            !(upset->hit & hit) || upset->time_ns < attempt->end_ns || upset->time_ns > time_ns ||
            reason_lived_ns(world, upset->machine, last, upset->time_ns) > FORGET_NS)
            continue;
        if (!(upset->hit & HIT_SEND) || upset->good_ns == 0 || upset->good_ns >= time_ns)
            last = upset->time_ns; /* what others sync does not empty the journal */
    }
    if (last > attempt->end_ns &&
        reason_lived_ns(world, attempt->machine, last, time_ns) <= FORGET_NS)
        return true;
    told = sync_fails_until(world, attempt->machine, last, time_ns);
    return told > last && reason_lived_ns(world, attempt->machine, told, time_ns) <= SYNC_AGAIN_NS;
}

/* A sync soon after the result failed, and never made it durable, or none was made until the power
 * was lost. */
static bool was_never_synced(const struct world *world, const struct entry *entry,
                             const struct attempt *attempt)
{
    bool failed = false;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != attempt->machine || upset->time_ns < attempt->start_ns)
            continue;
        if (upset->kind == UPSET_FAULT && (upset->hit & HIT_UNSYNCED) &&
            upset->time_ns - FORGET_NS <= attempt->end_ns)
            failed = true;
        else if (upset->kind == UPSET_POWER &&
                 (failed || was_unsynced_at(world, entry, attempt, upset->time_ns)))
            return true;
    }
    return false;
}

/* Till when the result was written nowhere, or might be: every 10 s send tries it again, without a
 * word, and each time a fault may meet it. */
static int64_t unwritten_until(const struct world *world, const struct log_line *line)
{
    int64_t until = line->time_ns + WRITTEN_AGAIN_NS;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == line->machine && upset->kind == UPSET_FAULT &&
            (upset->hit == 0 || (upset->hit & HIT_SEND)) && upset->time_ns >= until - NANOSECONDS &&
            upset->time_ns <= until + NANOSECONDS)
            until = upset->time_ns + WRITTEN_AGAIN_NS;
    }
    return until;
}

/* An end of send till then forgets it; so does a power loss before the sync that follows. */
static bool forgets_unwritten(const struct world *world, const struct log_line *line)
{
    int64_t until = unwritten_until(world, line);

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != line->machine || upset->time_ns < line->time_ns)
            continue;
        if (upset->kind == UPSET_POWER
                ? reason_is_within(world, upset, until, reason_forget_ns(world, upset, until))
                : upset->time_ns <= until && reason_ends_send(world, upset))
            return true;
    }
    return false;
}

/* send says that it could not write the result down. */
static bool was_written_late(const struct world *world, const struct entry *entry,
                             const struct attempt *attempt)
{
    char texts[2][100];
    static const char *const channels[] = {"local", "remote"};

    for (size_t i = 0; i < 2; i++)
        snprintf(texts[i], sizeof texts[i],
                 "warning: trouble writing to %s/%llu; will try again later", channels[i],
                 (unsigned long long) entry->number);
    for (size_t i = 0; i < world->line_count; i++) {
        const struct log_line *line = &world->lines[i];

        if (line->machine == attempt->machine && line->time_ns >= attempt->end_ns &&
            line->time_ns <= attempt->end_ns + NANOSECONDS &&
            (strcmp(line->text, texts[0]) == 0 || strcmp(line->text, texts[1]) == 0) &&
            forgets_unwritten(world, line))
            return true;
    }
    return false;
}

/* The upset came before the result could be safe from it. */
static bool is_too_soon(const struct world *world, const struct upset *upset,
                        const struct attempt *attempt, int64_t forget)
{
    return attempt->end_ns == INT64_MAX || reason_is_within(world, upset, attempt->end_ns, forget);
}

/* How long before the upset the result may be forgotten: a kill takes no more than what was not yet
 * written, which a success is as soon as it is logged. */
static int64_t upset_forget_ns(const struct world *world, const struct upset *upset,
                               const struct attempt *attempt)
{
    int64_t forget = reason_forget_ns(world, upset, attempt->start_ns);

    if (upset->kind == UPSET_KILL && attempt->result == 'K' && forget == FORGET_NS)
        return WRITE_NS + world->patience_ns;
    return forget;
}

/* When the message left S4: till then it was in memory alone who has got it.  INT64_MAX: never. */
static int64_t left_s4(const struct entry *entry, int64_t time_ns)
{
    for (size_t i = 0; i < entry->history_count; i++)
        if (entry->history[i].time_ns >= time_ns && entry->history[i].stage != STAGE_S4)
            return entry->history[i].time_ns;
    return INT64_MAX;
}

/* When send said last that it could not move the message out of S4, while the disk was full;
 * INT64_MIN: it did not from just before the result on. */
static int64_t no_room_until(const struct world *world, const struct entry *entry,
                             const struct attempt *attempt, int64_t to)
{
    const struct machine *machine = &world->machines[attempt->machine];
    int64_t until = INT64_MIN;
    char text[100];

    if (!machine->squeezed)
        return until;
    snprintf(text, sizeof text, "warning: unable to preprocess todo/%llu; will try again later",
             (unsigned long long) entry->number);
    for (size_t i = 0; i < world->line_count; i++) {
        const struct log_line *line = &world->lines[i];

        if (line->machine == attempt->machine && line->time_ns >= attempt->end_ns - FORGET_NS &&
            line->time_ns <= to && line->time_ns >= machine->squeezed_from_ns &&
            line->time_ns <= machine->squeezed_to_ns && strcmp(line->text, text) == 0)
            until = line->time_ns;
    }
    return until;
}

/* All had it in S4, and faults at send or nixie-clean, never far apart, or a full disk, kept it
 * from being removed: the power was lost before, or before the sync behind that. */
static bool was_removed_late(const struct world *world, const struct entry *entry,
                             const struct attempt *attempt)
{
    int64_t last = attempt->end_ns, left = left_s4(entry, attempt->end_ns), full;
    bool was_kept;

    if (last == INT64_MAX || entry_stage_at(entry, last - 1) != STAGE_S4)
        return false;
    full = no_room_until(world, entry, attempt, left);
    was_kept = full != INT64_MIN;
    if (full > last)
        last = full;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        int64_t until = left < last + FORGET_NS ? left : last;

        if (upset->machine != attempt->machine || upset->time_ns < attempt->end_ns)
            continue;
        if (upset->kind == UPSET_FAULT && (upset->hit & HIT_SEND) && upset->time_ns < left &&
            upset->time_ns - FORGET_NS <= last) {
            last = last > upset->time_ns ? last : upset->time_ns;
            was_kept = true;
        } else if (upset->kind == UPSET_POWER && was_kept &&
                   reason_is_within(world, upset, until, reason_forget_ns(world, upset, until))) {
            return true;
        }
    }
    return false;
}

/* A call of queue took long when the message was in S4 already: send found it, and all was done
 * when it came into the journal, which has it till the next sync. */
static bool was_recorded_late(const struct world *world, const struct entry *entry,
                              const struct attempt *attempt)
{
    int64_t until = 0;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != attempt->machine)
            continue;
        if (upset->kind == UPSET_SLOW && (upset->hit & HIT_QUEUE) &&
            upset->time_ns >= arrival_of(entry) && upset->time_ns <= attempt->end_ns &&
            upset->time_ns + upset->lasts_ns >= attempt->end_ns)
            until = upset->time_ns + upset->lasts_ns;
        else if (upset->kind == UPSET_POWER && until && upset->time_ns >= attempt->end_ns &&
                 upset->time_ns <= until + FORGET_NS)
            return true;
    }
    return false;
}

/* Who is killed just before the attempt begins is missed only when it has ended. */
static bool is_of_attempt(const struct world *world, const struct upset *upset,
                          const struct attempt *attempt)
{
    if (upset->time_ns >= attempt->start_ns)
        return true;
    return upset->kind == UPSET_KILL && upset->time_ns + MISSED_NS >= attempt->start_ns &&
           reason_last_start(world, attempt->machine, attempt->start_ns) < upset->time_ns;
}

bool reason_forgotten(const struct world *world, const struct entry *entry,
                      const struct attempt *attempt)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != attempt->machine || upset->kind > UPSET_FAULT ||
            !is_of_attempt(world, upset, attempt) || !reason_ends_send(world, upset))
            continue;
        if (is_too_soon(world, upset, attempt, upset_forget_ns(world, upset, attempt)) ||
            reason_in_memory(world, entry, upset))
            return true;
    }
    return reason_given_up_ns(world, entry, attempt) >= 0 ||
           was_never_synced(world, entry, attempt) || was_written_late(world, entry, attempt) ||
           was_removed_late(world, entry, attempt) || was_recorded_late(world, entry, attempt);
}

bool reason_forgets(const struct world *world, const struct entry *entry, const struct upset *upset,
                    const struct attempt *attempt)
{
    int64_t forget =
        upset->kind == UPSET_POWER ? reason_forget_ns(world, upset, attempt->start_ns) : WRITE_NS;

    return is_too_soon(world, upset, attempt, forget) || reason_in_memory(world, entry, upset) ||
           was_never_synced(world, entry, attempt);
}
