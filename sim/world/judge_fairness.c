/* SPDX-License-Identifier: ISC */
/*
 * Nobody waits without need (judge.h).  nixie-send takes the recipients that are due in the order
 * in which they became due, and starts as many as there are places: so the first try of an accepted
 * message begins within seconds while a place of its channel is free, however slow other
 * destinations are; and while none is, no message that was accepted later comes first.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_lives.h"
#include "sim/world/judge_reasons.h"
#include "sim/world/words.h"

/* From its acceptance to its first try: queue tells of it at once, and send works in whole
 * seconds; one with many recipients waits for a sync. */
#define FIRST_NS (5 * NANOSECONDS)

/* With a slow disk, several bounces that are handed to the queue before it. */
#define SYNCS 20

static int64_t first_ns(const struct world *world)
{
    return FIRST_NS + SYNCS * world->sync_max_ns;
}

/* A message that had a first try in a channel. */
struct turn {
    const struct entry *entry;
    const struct attempt *attempt;
    int64_t due_ns;
};

/* nixie-send rests for ten seconds when a call has failed. */
#define REST_NS (12 * NANOSECONDS)

bool was_full(const struct world *world, size_t index, int64_t from, int64_t to)
{
    const struct machine *machine = &world->machines[index];
    int64_t since = machine->squeezed_from_ns, until = machine->squeezed_to_ns;

    return machine->squeezed && since <= to && until >= from &&
           had_trouble(world, index, since, to);
}

static bool is_upset(const struct world *world, size_t machine, int64_t from, int64_t to)
{
    if (was_full(world, machine, from, to))
        return true;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];
        bool lasts = upset->kind == UPSET_FAULT || upset->kind == UPSET_SLOW;
        int64_t lasts_ns = lasts ? REST_NS + upset->lasts_ns : 0;

        if (upset->machine == machine && upset->time_ns >= from - lasts_ns &&
            upset->time_ns <= to &&
            upset_touches(upset, HIT_SEND | HIT_SPAWN | HIT_QUEUE | HIT_TREE))
            return true;
    }
    return false;
}

/* The first one at that recipient; NULL: of the whole channel. */
static const struct attempt *first_attempt(const struct world *world, size_t index, bool remote,
                                           const struct route *route)
{
    struct range attempts = world_attempts_of(world, index);

    for (size_t i = 0; i < attempts.count; i++)
        if (world->attempts[attempts.items[i]].remote == remote &&
            (!route || attempt_is_at(&world->attempts[attempts.items[i]], route)))
            return &world->attempts[attempts.items[i]];
    return NULL;
}

/* So long after the last thing that went wrong all goes on; after a lost wake-up nixie-send looks
 * into todo by itself. */
#define WELL_NS (300 * NANOSECONDS)
#define LOOK_NS (1560 * NANOSECONDS)

/* Whatever went wrong, that was over long before its first try. */
static void judge_recovered(struct world *world, const struct entry *entry,
                            const struct attempt *attempt)
{
    const struct machine *machine = &world->machines[entry->machine];
    int64_t start = reason_last_ready(world, entry->machine, attempt->start_ns);
    int64_t well = reason_disturbed_until(world, entry->machine, attempt->start_ns);
    int64_t waited_ns = well > start ? LOOK_NS : WELL_NS;
    char name[ENTRY_NAME], time[TIME_TEXT];

    if (well < start)
        well = start;
    if (well < entry->answer_ns)
        well = entry->answer_ns;
    if (well < attempt->saturated_ns)
        well = attempt->saturated_ns;
    if (machine->spec->capacity_bytes > 0 || attempt->start_ns - waited_ns <= well ||
        reason_untold(world, entry->machine, attempt->start_ns))
        return;
    world_accuse(world, "FAIRNESS", entry->letter, entry->bounce,
                 "%s for %s waited for its first try until %s after all was well again",
                 entry_name(world, entry, name), attempt->recipient,
                 time_format(time, attempt->start_ns - well))
        ->time_ns = attempt->start_ns;
}

/* Turns that something else explains are left out: an upset since a little before it was accepted,
 * a nixie-send that has just started, trouble that the log tells of. */
static bool find_turn(const struct world *world, size_t index, bool remote,
                      const struct route *route, struct turn *turn)
{
    const struct entry *entry = &world->entries[index];
    const struct attempt *attempt = first_attempt(world, index, remote, route);
    const struct attempt *other = first_attempt(world, index, !remote, NULL);

    if (entry->answer != ANSWER_YES || entry->answer_ns == 0 || !attempt ||
        attempt->start_ns < entry->answer_ns)
        return false;
    /* In S4 it waits for a place of either channel. */
    if (other && other->saturated_ns >= entry->answer_ns)
        return false;
    *turn = (struct turn){entry, attempt, entry->answer_ns};
    return !is_upset(world, entry->machine, turn->due_ns - FORGET_NS, attempt->start_ns) &&
           reason_last_ready(world, entry->machine, attempt->start_ns) < turn->due_ns &&
           !had_trouble(world, entry->machine, turn->due_ns, attempt->start_ns);
}

static void accuse(struct world *world, const struct turn *turn, const char *why)
{
    char name[ENTRY_NAME], time[TIME_TEXT];

    world_accuse(world, "FAIRNESS", turn->entry->letter, turn->entry->bounce,
                 "%s for %s waited %s for its first try, %s", entry_name(world, turn->entry, name),
                 turn->attempt->recipient,
                 time_format(time, turn->attempt->start_ns - turn->due_ns), why)
        ->time_ns = turn->attempt->start_ns;
}

static int compare_turns(const void *left, const void *right)
{
    const struct turn *a = left, *b = right;

    if (a->attempt->start_ns != b->attempt->start_ns)
        return a->attempt->start_ns < b->attempt->start_ns ? -1 : 1;
    return a->entry->number < b->entry->number ? -1 : a->entry->number > b->entry->number;
}

/* Longer than a place was free. */
static bool has_waited(const struct world *world, const struct turn *turn)
{
    int64_t full = turn->attempt->saturated_ns;

    return turn->attempt->start_ns > (full > turn->due_ns ? full : turn->due_ns) + first_ns(world);
}

static void judge_turns(struct world *world, struct turn *turns, size_t count)
{
    int64_t latest = INT64_MIN;

    if (count > 0)
        qsort(turns, count, sizeof *turns, compare_turns);
    for (size_t i = 0; i < count; i++) {
        const struct turn *turn = &turns[i];

        if (has_waited(world, turn))
            accuse(world, turn, "though a place was free");
        else if (latest > turn->due_ns + first_ns(world))
            accuse(world, turn, "and one that was accepted later came first");
        if (turn->due_ns > latest)
            latest = turn->due_ns;
    }
}

/* A message with more recipients is looked at as a whole. */
#define RECIPIENTS_MAX 200

/* Each recipient has his turn in the first pass. */
static void judge_others(struct world *world, size_t index)
{
    const struct entry *entry = &world->entries[index];
    struct turn turn;

    for (size_t i = 0; i < entry->route_count && entry->route_count <= RECIPIENTS_MAX; i++) {
        const struct route *route = &entry->routes[i];

        if (!find_turn(world, index, !route->local, route, &turn) || !has_waited(world, &turn) ||
            turn.attempt == first_attempt(world, index, !route->local, NULL))
            continue;
        accuse(world, &turn, "though a place was free and others of his message had theirs");
        return;
    }
}

static void judge_first(struct world *world, size_t index)
{
    for (unsigned remote = 0; remote < 2; remote++) {
        const struct attempt *attempt = first_attempt(world, index, remote, NULL);
        const struct attempt *other = first_attempt(world, index, !remote, NULL);

        if (attempt && world->entries[index].answer == ANSWER_YES &&
            world->entries[index].answer_ns > 0 &&
            (!other || other->saturated_ns < world->entries[index].answer_ns))
            judge_recovered(world, &world->entries[index], attempt);
    }
}

void judge_fairness(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++) {
        judge_first(world, i);
        judge_others(world, i);
    }
    for (unsigned k = 0; k < 2 * world->host_count; k++) {
        struct turn *turns = NULL, turn;
        size_t count = 0;

        for (size_t i = 0; i < world->entry_count; i++)
            if (world->entries[i].machine == k / 2 && find_turn(world, i, k % 2, NULL, &turn))
                *LIST_ADD(turns, count) = turn;
        judge_turns(world, turns, count);
        free(turns);
    }
}
