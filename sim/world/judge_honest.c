/* SPDX-License-Identifier: ISC */
/*
 * What the log says of a try at a remote is what happened (judge.h).  The administrator has to be
 * told when a message may have been taken though its recipient is tried again or bounced, and must
 * not be told so where nothing was handed over; and a success is one that the remote has spoken of.
 */
#include <string.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"

/* What the dialogue has of a try. */
struct evidence {
    bool spoken;     /* some transaction had the recipient */
    bool asked_data; /* in one of them the message was called for */
    bool promised;   /* and a 2xx said to it */
    size_t taking;   /* the message was taken in it; SIZE_MAX: no */
};

static bool took_recipient(const struct taking *taking, const char *recipient)
{
    for (size_t i = 0; i < taking->recipient_count; i++)
        if (logged_is(recipient, taking->recipients[i]))
            return true;
    return false;
}

static struct evidence find_evidence(const struct world *world, const struct entry *entry,
                                     const struct attempt *attempt)
{
    const struct dialogue *dialogue = world->dialogue;
    struct evidence evidence = {.taking = SIZE_MAX};

    for (size_t i = dialogue_from(dialogue, attempt->start_ns);
         i < dialogue->transaction_count && dialogue->transactions[i].begin_ns <= attempt->end_ns;
         i++) {
        const struct transaction *transaction = &dialogue->transactions[i];
        size_t taking;

        if (transaction->host != attempt->machine ||
            !transaction_for(transaction, attempt->recipient))
            continue;
        evidence.spoken = true;
        evidence.asked_data |= reply_class(transaction->data_reply) == 3;
        evidence.promised |=
            reply_class(transaction->end_reply) == 2 &&
            reply_class(transaction_for(transaction, attempt->recipient)->reply) == 2;
        taking = transaction_taking(world, i);
        if (taking != SIZE_MAX && taking_is_of(world, taking, entry) &&
            took_recipient(&world->takings[taking], attempt->recipient))
            evidence.taking = taking;
    }
    return evidence;
}

static bool says(const struct attempt *attempt, const char *words)
{
    return attempt->text && strstr(attempt->text, words);
}

/* The program was killed: what it knew is lost, and the worst is told. */
static bool says_crashed(const struct attempt *attempt)
{
    return says(attempt, "nixie-remote_crashed");
}

/* Some host of ours had the message from another: remotes know only a part of the story. */
static bool goes_by_another_host(const struct world *world, const struct entry *entry)
{
    struct range entries = world_entries_of(world, entry->letter);

    for (size_t i = 0; i < entries.count; i++)
        if (world->entries[entries.items[i]].machine != entry->machine)
            return true;
    return false;
}

/* A second message that is the same to the remote (a forward that was repeated after a kill) was
 * handed over at that time: what was taken was that one. */
static bool is_anothers(struct world *world, const struct entry *entry,
                        const struct attempt *attempt, const struct taking *taking)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *other = &world->attempts[i];
        const struct entry *theirs = world_entry(world, other->machine, other->number);

        if (other->remote && theirs && theirs != entry &&
            same_message(theirs, entry->letter, entry->bounce) &&
            strcmp(entry_chain(theirs), entry_chain(entry)) == 0 &&
            logged_is(other->recipient, attempt->recipient) && other->start_ns <= taking->time_ns &&
            taking->time_ns <= other->end_ns &&
            (other->result == 'K' || says(other, "Possible_duplicate")))
            return true;
    }
    return false;
}

static void accuse(struct world *world, const struct entry *entry, const struct attempt *attempt,
                   const char *what)
{
    char name[ENTRY_NAME];
    struct violation *violation =
        world_accuse(world, "HONESTY", entry->letter, entry->bounce, "%s for %s: %s: %.300s",
                     entry_name(world, entry, name), attempt->recipient, what, attempt->text);

    violation->time_ns = attempt->end_ns;
    violation->recipient = must_copy(attempt->recipient, strlen(attempt->recipient));
}

static void judge_attempt(struct world *world, const struct entry *entry,
                          const struct attempt *attempt)
{
    struct evidence evidence = find_evidence(world, entry, attempt);
    bool doubtful = says(attempt, "Possible_duplicate");

    if (attempt->result != 'K' && evidence.taking != SIZE_MAX && !doubtful &&
        !is_anothers(world, entry, attempt, &world->takings[evidence.taking]))
        accuse(world, entry, attempt, "a remote took it, but the log does not say so");
    else if (attempt->result != 'K' && doubtful && evidence.spoken && !evidence.asked_data &&
             !says_crashed(attempt))
        accuse(world, entry, attempt, "nothing was handed over that could be a duplicate");
    else if (attempt->result == 'K' && evidence.spoken && !evidence.promised)
        accuse(world, entry, attempt, "no remote has said that it took it");
}

void judge_honesty(struct world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        const struct entry *entry;

        if (!attempt->remote || !attempt->result)
            continue;
        entry = world_entry(world, attempt->machine, attempt->number);
        if (entry && entry->letter != NO_LETTER && !goes_by_another_host(world, entry))
            judge_attempt(world, entry, attempt);
    }
}
