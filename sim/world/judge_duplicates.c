/* SPDX-License-Identifier: ISC */
/*
 * Nothing comes twice without a reason (judge.h).  A reason is an attempt that left a copy and is
 * not remembered as having done so: it did not end in K, or a crash may have made it forgotten.
 * An attempt that left nothing explains nothing, however it ended: what remotes took, and when the
 * transaction of that began, is known from them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_forgotten.h"
#include "sim/world/judge_reasons.h"

/* A delivery whose attempt never came back may go on for so long after what ended the attempt. */
#define ORPHAN_NS (60 * NANOSECONDS)

/* What was sent to another host before the connection was closed is sent again for so long, if the
 * network lets nothing through. */
#define CLOSED_NS (103 * NANOSECONDS)

/* When copies of one thing came into being: each in the attempt that was under way then. */
struct sightings {
    int64_t *times;
    size_t count;
    bool are_arrivals; /* in the spool of another host, which may be after the end of the attempt */
};

/* --- attempts that explain one more ----------------------------------------------------------*/

/* How long slow calls have held up deliveries, and the queue that they hand something on to, since
 * it began. */
static int64_t held_up_ns(const struct world *world, const struct attempt *attempt)
{
    int64_t sum = 0;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == attempt->machine && upset->kind == UPSET_SLOW &&
            upset->time_ns >= attempt->start_ns && upset_touches(upset, HIT_DELIVERY | HIT_QUEUE))
            sum += upset->lasts_ns;
    }
    return sum;
}

/* Until when the attempt could leave a copy.  Who did not hear of a program's end takes it for
 * dead; who did not hear the answer of another host does not know how far that one is.
 */
static int64_t last_moment(const struct world *world, const struct attempt *attempt,
                           bool are_arrivals)
{
    int64_t orphan_ns = ORPHAN_NS + held_up_ns(world, attempt) +
                        (are_arrivals && world->network_changed ? CLOSED_NS : 0);
    bool unheard = attempt->text && (strstr(attempt->text, "crashed") ||
                                     (are_arrivals && strstr(attempt->text, "Possible_duplicate")));

    if (attempt->result == 'Z' && unheard)
        return attempt->end_ns + orphan_ns;
    if (attempt->result)
        return attempt->end_ns;
    return attempt->gone_ns < INT64_MAX ? attempt->gone_ns + orphan_ns : INT64_MAX;
}

static bool left_something(const struct world *world, const struct attempt *attempt,
                           const struct sightings *sightings)
{
    int64_t last = last_moment(world, attempt, sightings->are_arrivals);

    for (size_t i = 0; i < sightings->count; i++)
        if (sightings->times[i] >= attempt->start_ns && sightings->times[i] <= last)
            return true;
    return false;
}

/* All homes of the host are their users' to write to. */
static bool has_open_homes(const struct home_spec *spec)
{
    for (size_t i = 0; i < spec->user_count; i++)
        if ((spec->users[i].home_mode & 0700) != 0700)
            return false;
    return true;
}

/* The try has ended by itself, and nothing went wrong meanwhile: what was done is noted in the
 * home.
 */
static bool leaves_notes(const struct world *world, const struct attempt *attempt)
{
    const struct machine *machine = &world->machines[attempt->machine];

    if (attempt->remote || attempt->result != 'Z' || machine->squeezed ||
        machine->spec->capacity_bytes > 0 || !has_open_homes(machine->spec))
        return false;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == attempt->machine &&
            world->upsets[i].time_ns + world->upsets[i].lasts_ns >=
                attempt->start_ns - NANOSECONDS &&
            world->upsets[i].time_ns <= attempt->end_ns)
            return false;
    return true;
}

/* What its first instructions left is noted, and not done again: no later try has removed the notes
 * since all was done, or may have, and is forgotten. */
static bool is_noted(const struct world *world, const struct entry *entry,
                     const struct attempt *attempt)
{
    struct range attempts = world_attempts_of(world, (size_t) (entry - world->entries));

    if (!leaves_notes(world, attempt))
        return false;
    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *other = &world->attempts[attempts.items[i]];
        bool is_over = other->result == 'K' || other->result == 'D';

        if (other > attempt && strcmp(other->recipient, attempt->recipient) == 0 &&
            !leaves_notes(world, other) && !(is_over && !reason_forgotten(world, entry, other)))
            return false;
    }
    return true;
}

/* True if the attempt may have left a copy without being remembered as done. */
static bool attempt_explains(const struct world *world, const struct entry *entry,
                             const struct attempt *attempt, const struct sightings *sightings)
{
    if (!left_something(world, attempt, sightings) || is_noted(world, entry, attempt))
        return false;
    return attempt->result != 'K' || reason_forgotten(world, entry, attempt);
}

/* What was left while no try is known to have been under way, since nobody could read of it:
 * that one may not have come to a success. */
static size_t left_untold(const struct world *world, size_t entry, const struct route *route,
                          const struct sightings *sightings)
{
    struct range attempts = world_attempts_of(world, entry);
    size_t count = 0;

    for (size_t i = 0; i < sightings->count; i++) {
        const struct sightings one = {&sightings->times[i], 1, sightings->are_arrivals};
        bool untold = reason_log_gaps(world, world->entries[entry].machine, sightings->times[i]);

        for (size_t k = 0; untold && k < attempts.count; k++) {
            const struct attempt *attempt = &world->attempts[attempts.items[k]];

            untold = !attempt_is_at(attempt, route) || !left_something(world, attempt, &one);
        }
        count += untold;
    }
    return count;
}

static size_t attempts_that_explain(const struct world *world, size_t entry,
                                    const struct route *route, const struct sightings *sightings)
{
    struct range attempts = world_attempts_of(world, entry);
    size_t count = left_untold(world, entry, route, sightings);

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *attempt = &world->attempts[attempts.items[i]];

        count += attempt_is_at(attempt, route) &&
                 attempt_explains(world, &world->entries[entry], attempt, sightings);
    }
    return count;
}

/* --- copies ----------------------------------------------------------------------------------*/

/* What goes to a domain may go to any of its servers. */
static bool same_delivery(const struct world *world, const struct copy *a, const struct copy *b)
{
    return a->bounce == b->bounce && a->kind == b->kind && strcmp(a->chain, b->chain) == 0 &&
           copy_source(world, a) == copy_source(world, b) &&
           (a->kind == COPY_REMOTE ||
            (a->machine == b->machine && strcmp(a->place, b->place) == 0));
}

static int64_t copy_begun(const struct world *world, const struct copy *copy)
{
    return copy->kind == COPY_REMOTE ? taking_begun(world, copy->taking) : copy->time_ns;
}

/* How many copies with this chain may be there: recipients of that name in all entries that could
 * have made it, and attempts that may have left one more. */
static size_t copies_allowed(const struct world *world, const struct copy *copy,
                             const struct sightings *sightings)
{
    struct range entries = world_entries_of(world, copy->letter);
    size_t allowed = 0, source = copy_source(world, copy);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];
        const struct route *explained = NULL;

        if (entry->bounce != copy->bounce || (source != SIZE_MAX && source != entry->machine))
            continue;
        for (size_t k = 0; k < entry->route_count; k++)
            if (chain_is(copy->chain, entry->routes[k].address, entry_chain(entry))) {
                explained = &entry->routes[k];
                allowed++;
            }
        if (explained)
            allowed += attempts_that_explain(world, entries.items[i], explained, sightings);
    }
    return allowed;
}

/* The copies that are the same delivery as this one; false: one of them came before it in the
 * ledger, and was judged with all. */
static bool find_sightings(const struct world *world, size_t index, struct sightings *sightings)
{
    const struct copy *copy = &world->copies[index];
    struct range copies = world_copies_of(world, copy->letter);

    for (size_t i = 0; i < copies.count && copy->letter != NO_LETTER; i++) {
        const struct copy *other = &world->copies[copies.items[i]];

        if (!same_delivery(world, copy, other))
            continue;
        if (copies.items[i] < index)
            return false;
        *LIST_ADD(sightings->times, sightings->count) = copy_begun(world, other);
    }
    return true;
}

static void judge_copy(struct world *world, size_t index)
{
    const struct copy *copy = &world->copies[index];
    struct sightings sightings = {NULL, 0, false};
    bool first = find_sightings(world, index, &sightings);
    size_t allowed = first && sightings.count > 1 ? copies_allowed(world, copy, &sightings) : 0;
    struct violation *violation;
    char place[PLACE_TEXT];

    free(sightings.times);
    if (allowed == 0 || sightings.count <= allowed)
        return;
    violation = world_accuse(world, "DUPLICATE", copy->letter, copy->bounce,
                             "%s%s is in %s %zu times, and nothing explains more than %zu",
                             world->letters[copy->letter].name, copy->bounce ? ".bounce" : "",
                             place_of_copy(world, copy, place), sightings.count, allowed);
    violation->time_ns = copy->time_ns;
    violation->recipient = must_copy(copy->chain, strcspn(copy->chain, "\n"));
}

/* --- from one host of ours to another --------------------------------------------------------*/

static bool is_passed_on(const struct entry *entry)
{
    return entry->relayed && entry->origin == ORIGIN_NETWORK && entry->answer == ANSWER_YES &&
           entry->letter != NO_LETTER;
}

/* The entries of the same message on that host that came from another and are for `recipient`;
 * false: one of them came before this one in the ledger, and was judged with all. */
static bool find_arrivals(const struct world *world, size_t index, const char *recipient,
                          struct sightings *sightings)
{
    const struct entry *entry = &world->entries[index];
    struct range entries = world_entries_of(world, entry->letter);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *other = &world->entries[entries.items[i]];

        if (!same_message(other, entry->letter, entry->bounce) || !is_passed_on(other) ||
            other->machine != entry->machine ||
            strcmp(entry_chain(other), entry_chain(entry)) != 0 ||
            !entry_has_recipient(other, recipient))
            continue;
        if (entries.items[i] < index)
            return false;
        *LIST_ADD(sightings->times, sightings->count) = arrival_of(other);
    }
    return true;
}

/* How many times hosts of ours may have sent it there. */
static size_t arrivals_allowed(const struct world *world, const struct entry *entry,
                               const char *recipient, const struct sightings *sightings)
{
    struct range entries = world_entries_of(world, entry->letter);
    size_t allowed = 0;

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *other = &world->entries[entries.items[i]];
        const struct route *route = route_to(other, recipient);

        if (route && same_message(other, entry->letter, entry->bounce) &&
            other->machine != entry->machine && strcmp(entry_chain(other), entry_chain(entry)) == 0)
            allowed += 1 + attempts_that_explain(world, entries.items[i], route, sightings);
    }
    return allowed;
}

static void judge_arrival(struct world *world, size_t index, const char *recipient)
{
    const struct entry *entry = &world->entries[index];
    struct sightings sightings = {NULL, 0, true};
    bool first = find_arrivals(world, index, recipient, &sightings);
    size_t allowed =
        first && sightings.count > 1 ? arrivals_allowed(world, entry, recipient, &sightings) : 0;
    char name[ENTRY_NAME];

    free(sightings.times);
    if (allowed == 0 || sightings.count <= allowed)
        return;
    world_accuse(world, "DUPLICATE", entry->letter, entry->bounce,
                 "%s for %s came to %s %zu times, and nothing explains more than %zu",
                 entry_name(world, entry, name), recipient, world->machines[entry->machine].name,
                 sightings.count, allowed)
        ->time_ns = entry->answer_ns;
}

void judge_duplicates(struct world *world)
{
    for (size_t i = 0; i < world->copy_count; i++)
        judge_copy(world, i);
    for (size_t i = 0; i < world->entry_count && world->host_count > 1; i++)
        for (size_t k = 0;
             is_passed_on(&world->entries[i]) && k < world->entries[i].recipient_count; k++)
            judge_arrival(world, i, world->entries[i].recipients[k]);
}
