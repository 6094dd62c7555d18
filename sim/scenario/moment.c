/* SPDX-License-Identifier: ISC */
/* Times that count from an event, and which entries and copies a selector means. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/expect.h"
#include "sim/world/internal.h"

/* --- selectors -------------------------------------------------------------------------------*/

bool entry_is_selected(const struct run *run, const struct selector *selector,
                       const struct entry *entry)
{
    const struct entry *original;

    if (entry->letter == NO_LETTER || entry->bounce != selector->bounce ||
        !selector_matches(run->scenario, selector, entry->letter))
        return false;
    if (selector->entry == 0)
        return true;
    original = world_original(run->world, entry);
    return original && original->ordinal == selector->entry;
}

bool data_is_selected(const struct run *run, const struct selector *selector, size_t letter,
                      unsigned bounce, const char *data, size_t size)
{
    uint64_t number;

    if (letter == NO_LETTER || bounce != selector->bounce ||
        !selector_matches(run->scenario, selector, letter))
        return false;
    if (selector->entry == 0)
        return true;
    number = number_in_message(data, size);
    for (size_t i = 0; i < run->world->host_count; i++) {
        const struct entry *entry = world_entry(run->world, i, number);

        if (entry && entry->letter == letter && entry_is_selected(run, selector, entry))
            return true;
    }
    return false;
}

bool address_is(const char *pattern, const char *address, size_t size)
{
    return pattern_matches_bytes(pattern, address, size, true) ||
           address_names(address, size, pattern);
}

/* --- events ----------------------------------------------------------------------------------*/

static void earlier(int64_t *time, int64_t other)
{
    if (other >= 0 && (*time < 0 || other < *time))
        *time = other;
}

static int64_t time_of_stage(const struct entry *entry, enum stage stage)
{
    for (size_t i = 0; i < entry->history_count; i++)
        if (entry->history[i].stage == stage)
            return entry->history[i].time_ns;
    return -1;
}

static int64_t time_of_try(const struct run *run, const struct trigger *event, size_t entry)
{
    struct range attempts = world_attempts_of(run->world, entry);
    const char *recipient = event->message.recipient;
    int64_t time = -1;

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *attempt = &run->world->attempts[attempts.items[i]];

        if (attempt->result &&
            (!recipient || address_is(recipient, attempt->recipient, strlen(attempt->recipient))))
            earlier(&time, attempt->end_ns);
    }
    return time;
}

/* When an event of an entry happened. */
static int64_t time_of_entry(const struct run *run, const struct trigger *event, size_t index)
{
    const struct entry *entry = &run->world->entries[index];
    struct selector selector = event->message;

    if (event->kind == TRIGGER_BOUNCED)
        selector.bounce++;
    if (!entry_is_selected(run, &selector, entry))
        return -1;
    switch (event->kind) {
    case TRIGGER_ENTERS:
        return time_of_stage(entry, event->stage);
    case TRIGGER_DURABLE:
        return entry->durable ? entry->durable_ns : -1;
    case TRIGGER_TRIED:
        return time_of_try(run, event, index);
    case TRIGGER_BOUNCED:
        return entry->answer == ANSWER_YES ? entry->answer_ns : -1;
    default:
        return -1;
    }
}

static int64_t time_of_copy(const struct run *run, const struct trigger *event, size_t index)
{
    const struct copy *copy = &run->world->copies[index];
    const char *recipient = event->message.recipient;

    if (event->kind != TRIGGER_DELIVERED && event->kind != TRIGGER_TAKES)
        return -1;
    if (event->kind == TRIGGER_TAKES &&
        (copy->kind != COPY_REMOTE || copy->machine != machine_of_actor(run, event->actor)))
        return -1;
    if (recipient && !address_is(recipient, copy->chain, strcspn(copy->chain, "\n")))
        return -1;
    return data_is_selected(run, &event->message, copy->letter, copy->bounce, copy->data,
                            copy->size)
               ? copy->time_ns
               : -1;
}

static int64_t time_of_letter(const struct run *run, const struct trigger *event, size_t letter)
{
    const struct letter *about = &run->world->letters[letter];
    struct range range;
    int64_t time = -1;

    if (event->kind == TRIGGER_ACCEPTED)
        return about->state == LETTER_ACCEPTED ? about->ended_ns : -1;
    range = world_entries_of(run->world, letter);
    for (size_t i = 0; i < range.count; i++)
        earlier(&time, time_of_entry(run, event, range.items[i]));
    range = world_copies_of(run->world, letter);
    for (size_t i = 0; i < range.count; i++)
        earlier(&time, time_of_copy(run, event, range.items[i]));
    return time;
}

static int64_t time_of_crash(const struct world *world)
{
    int64_t time = -1;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_POWER || world->upsets[i].kind == UPSET_KILL)
            earlier(&time, world->upsets[i].time_ns);
    return time;
}

static int64_t time_of_connection(const struct run *run, const struct trigger *event)
{
    int64_t time = -1;

    for (size_t i = 0; i < run->world->connection_count; i++)
        if (run->world->connections[i].machine == machine_of_actor(run, event->actor))
            earlier(&time, run->world->connections[i].start_ns);
    return time;
}

int64_t moment_of(const struct run *run, const struct trigger *event, size_t letter)
{
    int64_t time = -1;

    if (event->kind == TRIGGER_TIME)
        return event->delay_ns;
    if (event->kind == TRIGGER_CRASH)
        return time_of_crash(run->world);
    if (event->kind == TRIGGER_CONNECTED)
        return time_of_connection(run, event);
    if (letter != NO_LETTER && selector_matches(run->scenario, &event->message, letter))
        return time_of_letter(run, event, letter);
    for (size_t i = 0; i < run->world->letter_count; i++)
        if (selector_matches(run->scenario, &event->message, i))
            earlier(&time, time_of_letter(run, event, i));
    return time;
}

/* --- when ------------------------------------------------------------------------------------*/

/* What the times of `when` count from; -1: from what never happened.  A whole second is one from
 * the start of the run, whatever part of a second the event happened at. */
static int64_t base_of(const struct run *run, const struct when *when, size_t letter)
{
    int64_t base = when->event ? moment_of(run, when->event, letter) : 0;

    if (when->kind == WHEN_AT && when->to_ns - when->from_ns < NANOSECONDS)
        return base;
    return base < 0 ? base : base / NANOSECONDS * NANOSECONDS;
}

int64_t when_start(const struct run *run, const struct when *when, size_t letter)
{
    int64_t base = base_of(run, when, letter);

    return base < 0 ? INT64_MAX : base + when->from_ns;
}

int64_t when_end(const struct run *run, const struct when *when, size_t letter)
{
    int64_t base = base_of(run, when, letter);

    return base < 0 ? INT64_MIN : base + when->to_ns;
}

int64_t when_slack(const struct run *run)
{
    return run->options->backend ? REAL_SLACK_NS : 0;
}

bool when_holds(const struct run *run, const struct when *when, size_t letter, int64_t time_ns)
{
    int64_t slack = when_slack(run), start, end;

    if (when->kind == WHEN_ANY)
        return true;
    start = when_start(run, when, letter);
    end = when_end(run, when, letter);
    return start < INT64_MAX && end > INT64_MIN && time_ns >= start - slack &&
           time_ns < end + slack;
}

const char *when_text(const struct run *run, const struct when *when, size_t letter,
                      char to[WHEN_TEXT])
{
    char from[TIME_TEXT], until[TIME_TEXT];
    int64_t base = base_of(run, when, letter);

    to[0] = 0;
    if (when->kind != WHEN_ANY && base < 0)
        return strcpy(to, " (what that counts from never happened)");
    time_format(from, base + when->from_ns);
    time_format(until, base + when->to_ns - 1);
    if (when->kind == WHEN_AT)
        snprintf(to, WHEN_TEXT, " at +%s", from);
    else if (when->kind == WHEN_BY)
        snprintf(to, WHEN_TEXT, " by +%s", until);
    else if (when->kind == WHEN_IN)
        snprintf(to, WHEN_TEXT, " in %s..%s", from, until);
    return to;
}

struct position when_position(const struct expectation *expectation)
{
    return expectation->when.kind == WHEN_ANY ? expectation->what_at : expectation->when.at;
}
