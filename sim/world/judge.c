/* SPDX-License-Identifier: ISC */
/*
 * The oracles at the end of a run.  They know what was promised (the answers to submitters and the
 * answers of queue to whoever gave it a message) and what came out, and judge
 *
 *   LOST       an accepted message has no copy, no bounce, no onward message for a recipient
 *   INVENTED   a copy that is nobody's message, or for someone it was not for
 *   CHANGED    a copy whose end is not what was submitted
 *   DUPLICATE  more copies than recipients without an attempt that explains it
 *   REFUSED    the submitter was told no, but the message came out, and nothing went wrong
 *   STUCK      a message that is still in the spool though time enough has passed; a submitter
 *              that never ended
 *
 * The others (STAGE, OWNER, LOG) are found while the run goes on.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"

/* A report this long before a crash may be forgotten by it: marks are made durable within 10 s,
 * and a sync takes its time. */
#define FORGET_NS (11 * NANOSECONDS)

/* --- attempts and what excuses them ----------------------------------------------------------*/

static bool upset_excuses(const struct world *world, size_t machine, int64_t from, int64_t to)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine && world->upsets[i].time_ns >= from &&
            world->upsets[i].time_ns <= to)
            return true;
    return false;
}

/* True if the attempt may have left a copy without being remembered as done. */
static bool attempt_explains(const struct world *world, const struct attempt *attempt)
{
    if (attempt->result != 'K')
        return true;
    return upset_excuses(world, attempt->machine, attempt->start_ns, attempt->end_ns + FORGET_NS);
}

static bool attempt_is_for(const struct attempt *attempt, const struct entry *entry,
                           const char *recipient, size_t size)
{
    return attempt->machine == entry->machine && attempt->number == entry->number &&
           (address_names(attempt->recipient, strlen(attempt->recipient), recipient) ||
            (strlen(attempt->recipient) == size &&
             strncasecmp(attempt->recipient, recipient, size) == 0));
}

static size_t attempts_that_explain(const struct world *world, const struct entry *entry,
                                    const char *recipient)
{
    size_t count = 0, size = strlen(recipient);

    for (size_t i = 0; i < world->attempt_count; i++)
        if (attempt_is_for(&world->attempts[i], entry, recipient, size) &&
            attempt_explains(world, &world->attempts[i]))
            count++;
    return count;
}

/* Its .qmail told to throw it away: that, and not a program's or a mailbox's "yes". */
static bool was_discarded(const struct world *world, const struct entry *entry,
                          const char *recipient)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];

        if (attempt->result == 'K' && strstr(attempt->text, "did_0+0+0") &&
            attempt_is_for(attempt, entry, recipient, strlen(recipient)))
            return true;
    }
    return false;
}

/* --- nothing lost ----------------------------------------------------------------------------*/

static bool same_message(const struct entry *entry, size_t letter, unsigned bounce)
{
    return entry->letter == letter && entry->bounce == bounce;
}

static bool has_copy(const struct world *world, const struct entry *entry, const char *recipient)
{
    for (size_t i = 0; i < world->copy_count; i++) {
        const struct copy *copy = &world->copies[i];

        if (copy->letter == entry->letter && copy->bounce == entry->bounce &&
            chain_is(copy->chain, recipient, entry->chain ? entry->chain : ""))
            return true;
    }
    return false;
}

/* Whether a bounce has a paragraph for the recipient.  That the copy of the message below mentions
 * them, as its header may, tells nothing. */
static bool tells_of(const struct entry *bounce, const char *recipient)
{
    static const char copy[] = "\n--- Below this line is ";
    size_t length = strlen(recipient);

    if (!bounce->text)
        return false;
    const char *end = memmem(bounce->text, bounce->text_size, copy, sizeof copy - 1);
    if (!end)
        end = bounce->text + bounce->text_size;
    for (const char *at = bounce->text; at < end; at++) {
        at = memmem(at, (size_t) (end - at), "\n<", 2);
        if (!at)
            return false;
        if ((size_t) (end - at) > length + 2 && strncasecmp(at + 2, recipient, length) == 0)
            return true;
    }
    return false;
}

/* An accepted message that carries it onward, or a bounce that tells of it. */
static bool goes_on(const struct world *world, const struct entry *entry, const char *recipient)
{
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *other = &world->entries[i];

        if (other == entry || other->answer != ANSWER_YES)
            continue;
        if (same_message(other, entry->letter, entry->bounce) && other->chain &&
            chain_is(other->chain, recipient, entry->chain ? entry->chain : ""))
            return true;
        if (same_message(other, entry->letter, entry->bounce + 1) && tells_of(other, recipient))
            return true;
    }
    return entry->discarded;
}

static bool in_spool(const struct entry *entry)
{
    return entry->stage == STAGE_S4 || entry->stage == STAGE_S5;
}

/* What of this entry the crash took away: "todo/1", or NULL. */
static char *what_was_lost(const struct world *world, const struct entry *entry)
{
    static const char *const names[] = {"todo", "mess", "info", "local", "remote"};
    char mark[40];

    for (size_t u = world->upset_count; u-- > 0;) {
        const struct upset *upset = &world->upsets[u];

        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            snprintf(mark, sizeof mark, "/%s/%llu:", names[n], (unsigned long long) entry->number);
            for (size_t i = 0; i < upset->lost_count; i++)
                if (upset->machine == entry->machine && strstr(upset->lost[i], mark)) {
                    mark[strlen(mark) - 1] = 0;
                    return must_copy(mark + 1, strlen(mark + 1));
                }
        }
    }
    return NULL;
}

/* When it went: the last time that it was in S4 or S5. */
static int64_t time_of_loss(const struct entry *entry)
{
    int64_t time = entry->answer_ns;

    for (size_t i = 0; i < entry->history_count; i++)
        time = entry->history[i].time_ns;
    return time;
}

static void accuse_lost(struct world *world, const struct entry *entry, const char *recipient)
{
    char name[ENTRY_NAME], *detail = what_was_lost(world, entry);
    struct violation *violation;

    violation = world_accuse(world, "LOST", entry->letter, entry->bounce,
                             "%s was accepted for %s and is gone%s%s%s",
                             entry_name(world, entry, name), recipient, detail ? ": " : "",
                             detail ? detail : "", detail ? " unsynced" : "");
    violation->time_ns = time_of_loss(entry);
    violation->recipient = must_copy(recipient, strlen(recipient));
    violation->detail = detail;
}

static void accuse_stuck(struct world *world, const struct entry *entry, const char *recipient)
{
    char name[ENTRY_NAME];
    struct violation *violation =
        world_accuse(world, "STUCK", entry->letter, entry->bounce, "%s for %s is still in %s%s",
                     entry_name(world, entry, name), recipient, stage_name(entry->stage),
                     host_is_up(world->machines[entry->machine].host) ? "" : "; the host is down");

    violation->recipient = must_copy(recipient, strlen(recipient));
}

static void judge_entry(struct world *world, const struct entry *entry, bool undelivered_is_fine)
{
    for (size_t i = 0; i < entry->recipient_count; i++) {
        const char *recipient = entry->recipients[i];

        if (has_copy(world, entry, recipient) || goes_on(world, entry, recipient) ||
            was_discarded(world, entry, recipient))
            continue;
        if (!in_spool(entry))
            accuse_lost(world, entry, recipient);
        else if (!undelivered_is_fine)
            accuse_stuck(world, entry, recipient);
    }
    if (!undelivered_is_fine && in_spool(entry) && entry->recipient_count == 0)
        accuse_stuck(world, entry, "nobody");
}

/* A letter whose submitter was told yes, though no entry of it was ever accepted. */
static void judge_letter(struct world *world, size_t index)
{
    const struct letter *letter = &world->letters[index];

    if (letter->state == LETTER_RUNNING)
        world_accuse(world, "STUCK", index, 0, "the submitter of %s never ended", letter->name);
    if (letter->state != LETTER_ACCEPTED)
        return;
    for (size_t i = 0; i < world->entry_count; i++)
        if (same_message(&world->entries[i], index, 0) && world->entries[i].answer == ANSWER_YES)
            return;
    world_accuse(world, "LOST", index, 0,
                 "%s: its submitter ended with 0, but queue accepted nothing", letter->name);
}

/* --- nothing invented ------------------------------------------------------------------------*/

static const struct entry *entry_of_copy(const struct world *world, const struct copy *copy)
{
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *entry = &world->entries[i];

        if (!same_message(entry, copy->letter, copy->bounce))
            continue;
        for (size_t k = 0; k < entry->recipient_count; k++)
            if (chain_is(copy->chain, entry->recipients[k], entry->chain ? entry->chain : ""))
                return entry;
    }
    return NULL;
}

static void judge_copy(struct world *world, const struct copy *copy)
{
    const char *name;
    int chain = (int) strcspn(copy->chain, "\n");

    if (copy->letter == NO_LETTER) {
        world_accuse(world, "INVENTED", NO_LETTER, 0, "%s is no message that was submitted",
                     copy->path);
        return;
    }
    name = world->letters[copy->letter].name;
    if (!copy->unchanged)
        world_accuse(world, "CHANGED", copy->letter, copy->bounce,
                     "%s in %s is not what was submitted", name, copy->path);
    if (!entry_of_copy(world, copy))
        world_accuse(world, "INVENTED", copy->letter, copy->bounce,
                     "%s%s in %s is delivered to %.*s, whom it was not for", name,
                     copy->bounce ? ".bounce" : "", copy->path, chain, copy->chain);
    if (copy->bounce == 0 && world->letters[copy->letter].state == LETTER_REFUSED &&
        !upset_excuses(world, copy->machine, 0, INT64_MAX))
        world_accuse(world, "REFUSED", copy->letter, 0,
                     "the submitter of %s was told no (%d), but it came out in %s", name,
                     world->letters[copy->letter].code, copy->path);
}

/* --- no duplicate without a reason -----------------------------------------------------------*/

static bool same_delivery(const struct copy *a, const struct copy *b)
{
    return a->letter == b->letter && a->bounce == b->bounce && a->machine == b->machine &&
           a->kind == b->kind && strcmp(a->place, b->place) == 0 && strcmp(a->chain, b->chain) == 0;
}

/* How many copies with this chain may be there: recipients of that name in all entries that could
 * have made it, and attempts that may have left one more. */
static size_t copies_allowed(const struct world *world, const struct copy *copy)
{
    size_t allowed = 0;

    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *entry = &world->entries[i];
        const char *explained = NULL;

        if (!same_message(entry, copy->letter, copy->bounce))
            continue;
        for (size_t k = 0; k < entry->recipient_count; k++)
            if (chain_is(copy->chain, entry->recipients[k], entry->chain ? entry->chain : "")) {
                explained = entry->recipients[k];
                allowed++;
            }
        if (explained)
            allowed += attempts_that_explain(world, entry, explained);
    }
    return allowed;
}

static void judge_duplicates(struct world *world, size_t index)
{
    const struct copy *copy = &world->copies[index];
    size_t count = 0, allowed;
    struct violation *violation;

    for (size_t i = 0; i < world->copy_count; i++)
        if (same_delivery(copy, &world->copies[i])) {
            if (i < index)
                return; /* judged with the first of them */
            count++;
        }
    if (count < 2)
        return;
    allowed = copies_allowed(world, copy);
    if (count <= allowed || allowed == 0)
        return;
    violation = world_accuse(world, "DUPLICATE", copy->letter, copy->bounce,
                             "%s%s is in %s %zu times, and nothing explains more than %zu",
                             world->letters[copy->letter].name, copy->bounce ? ".bounce" : "",
                             copy->place, count, allowed);
    violation->time_ns = copy->time_ns;
    violation->recipient = must_copy(copy->chain, strcspn(copy->chain, "\n"));
}

/* How many messages that could have made this bounce were queued (recipients are read then). */
static size_t count_parents(const struct world *world, const struct entry *bounce)
{
    size_t count = 0;

    for (size_t i = 0; i < world->entry_count; i++)
        count += same_message(&world->entries[i], bounce->letter, bounce->bounce - 1) &&
                 world->entries[i].recipient_count > 0;
    return count;
}

/* Bounces that were injected twice. */
static void judge_repeated_entry(struct world *world, size_t index)
{
    const struct entry *entry = &world->entries[index];
    size_t count = 0;

    if (entry->answer != ANSWER_YES || entry->letter == NO_LETTER || !entry->chain)
        return;
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *other = &world->entries[i];

        if (!same_message(other, entry->letter, entry->bounce) || other->answer != ANSWER_YES ||
            !other->chain || strcmp(other->chain, entry->chain) != 0)
            continue;
        if (i < index)
            return;
        count++;
    }
    if (count > 1 && entry->bounce > 0 && count > count_parents(world, entry) &&
        !upset_excuses(world, entry->machine, entry->answer_ns, INT64_MAX))
        world_accuse(world, "DUPLICATE", entry->letter, entry->bounce,
                     "%zu bounces of %s were sent, and nothing explains more than one", count,
                     world->letters[entry->letter].name);
}

void world_judge(struct world *world, bool undelivered_is_fine)
{
    for (size_t i = 0; i < world->letter_count; i++)
        judge_letter(world, i);
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].answer == ANSWER_YES)
            judge_entry(world, &world->entries[i], undelivered_is_fine);
    for (size_t i = 0; i < world->copy_count; i++) {
        judge_copy(world, &world->copies[i]);
        judge_duplicates(world, i);
    }
    for (size_t i = 0; i < world->entry_count; i++)
        judge_repeated_entry(world, i);
}
