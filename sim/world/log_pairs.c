/* SPDX-License-Identifier: ISC */
/*
 * LOG: what the lines of the log say fits together.  Deliveries have numbers that go up by one,
 * each starts and ends once; a status line tells how many run (recipients that were started
 * together count as one); a message is told of with its sender and size, ends once, and not while a
 * delivery of it runs.  What a fault may have kept from being written is not missed.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_reasons.h"

struct open_delivery {
    uint64_t delivery, number;
    uint64_t group; /* of those that were started together */
    bool remote;
};

struct log_pairs {
    struct open_delivery *open;
    size_t open_count;
    uint64_t last_delivery; /* 0: none since this nixie-send began */
    uint64_t groups;
    uint64_t *ended; /* numbers of messages that it told the end of */
    size_t ended_count;
};

void pairs_free(struct machine *machine)
{
    if (machine->log.pairs) {
        free(machine->log.pairs->open);
        free(machine->log.pairs->ended);
    }
    free(machine->log.pairs);
    machine->log.pairs = NULL;
}

static void accuse(struct machine *machine, const char *what, uint64_t number)
{
    if (!reason_line_lost(machine->world, machine->index, INT64_MAX))
        world_accuse(machine->world, "LOG", NO_LETTER, 0, "the log of %s: %s %llu", machine->name,
                     what, (unsigned long long) number);
}

static void note_start(struct machine *machine, uint64_t delivery, const char *rest)
{
    struct log_pairs *pairs = machine->log.pairs;
    struct open_delivery *open;

    if (pairs->last_delivery > 0 && delivery != pairs->last_delivery + 1)
        accuse(machine, "a number was left out or used again: delivery", delivery);
    pairs->last_delivery = delivery;
    open = LIST_ADD(pairs->open, pairs->open_count);
    open->delivery = delivery;
    open->number = strtoull(rest + strlen(": msg "), NULL, 10);
    open->remote = strstr(rest, " to remote ") != NULL;
    open->group = pairs->groups;
    if (!world_entry(machine->world, machine->index, open->number))
        accuse(machine, "a delivery of what is no message:", open->number);
}

static void note_end(struct machine *machine, uint64_t delivery)
{
    struct log_pairs *pairs = machine->log.pairs;

    for (size_t i = 0; i < pairs->open_count; i++)
        if (pairs->open[i].delivery == delivery) {
            memmove(&pairs->open[i], &pairs->open[i + 1],
                    (--pairs->open_count - i) * sizeof *pairs->open);
            return;
        }
    accuse(machine, "the end of what has not started, or has ended: delivery", delivery);
}

/* How many groups of that channel have an open delivery: the list is in the order of starts. */
static size_t count_running(const struct log_pairs *pairs, bool remote)
{
    uint64_t last = UINT64_MAX;
    size_t count = 0;

    for (size_t i = 0; i < pairs->open_count; i++)
        if (pairs->open[i].remote == remote && pairs->open[i].group != last) {
            last = pairs->open[i].group;
            count++;
        }
    return count;
}

/* "1/10 remote 0/20" */
static void note_status(struct machine *machine, const char *rest)
{
    struct log_pairs *pairs = machine->log.pairs;
    const char *remote = strstr(rest, " remote ");

    pairs->groups++;
    if (strtoull(rest, NULL, 10) != count_running(pairs, false))
        accuse(machine,
               "the status has a wrong count of local deliveries:", strtoull(rest, NULL, 10));
    if (remote && strtoull(remote + 8, NULL, 10) != count_running(pairs, true))
        accuse(machine, "the status has a wrong count of remote deliveries:",
               strtoull(remote + 8, NULL, 10));
}

/* "info msg N: bytes B from <SENDER> qp N uid U": behind N. */
static void note_info(struct machine *machine, uint64_t number, const char *rest)
{
    struct entry *entry = world_entry(machine->world, machine->index, number);
    const char *from = strstr(rest, " from <"), *qp = from ? strstr(from, "> qp ") : NULL;
    char path[100], *data, *sender;
    size_t size;

    if (!entry || !entry->sender || !qp)
        return;
    sender = must_copy(from + 7, (size_t) (qp - from) - 7);
    if (!logged_is(sender, entry->sender))
        accuse(machine, "another sender than the message has: info msg", number);
    free(sender);
    if (strtoull(qp + 5, NULL, 10) != number)
        accuse(machine, "another number of the queue than the message has: info msg", number);
    snprintf(path, sizeof path, HOME_QUEUE "/mess/%llu", (unsigned long long) number);
    if (host_read_file(machine->host, path, &data, &size) < 0)
        return;
    free(data);
    if (strtoull(rest + strlen(": bytes "), NULL, 10) != size)
        accuse(machine, "another size than the message has: info msg", number);
}

static void note_message_end(struct machine *machine, uint64_t number)
{
    struct log_pairs *pairs = machine->log.pairs;

    for (size_t i = 0; i < pairs->open_count; i++)
        if (pairs->open[i].number == number)
            accuse(machine, "it ends while a delivery of it runs: msg", number);
    for (size_t i = 0; i < pairs->ended_count; i++)
        if (pairs->ended[i] == number)
            accuse(machine, "it ends twice: msg", number);
    *LIST_ADD(pairs->ended, pairs->ended_count) = number;
}

void pairs_note_line(struct machine *machine, const char *text)
{
    const char *rest;
    uint64_t number;

    if (!machine->log.pairs)
        machine->log.pairs = must_zeroed(sizeof *machine->log.pairs);
    if (line_number(text, "starting delivery ", &number, &rest))
        note_start(machine, number, rest);
    else if (line_number(text, "delivery ", &number, &rest))
        note_end(machine, number);
    else if (strncmp(text, "status: local ", 14) == 0)
        note_status(machine, text + 14);
    else if (line_number(text, "info msg ", &number, &rest))
        note_info(machine, number, rest);
    else if (line_number(text, "end msg ", &number, &rest))
        note_message_end(machine, number);
}

/* What the log has told of a message. */
enum { TOLD_NEW = 1, TOLD_INFO = 2, TOLD_END = 4 };

static void note_told(struct machine *machine, unsigned char *told, const struct log_line *line)
{
    static const struct {
        const char *words;
        unsigned char bit;
    } kinds[] = {{"new msg ", TOLD_NEW}, {"info msg ", TOLD_INFO}, {"end msg ", TOLD_END}};
    const struct entry *entry;
    const char *rest;
    uint64_t number;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!line_number(line->text, kinds[i].words, &number, &rest))
            continue;
        entry = world_entry(machine->world, machine->index, number);
        if (entry)
            told[entry - machine->world->entries] |= kinds[i].bit;
    }
}

static bool was_tried(const struct world *world, const struct entry *entry)
{
    return world_attempts_of(world, (size_t) (entry - world->entries)).count > 0;
}

static void judge_message(struct machine *machine, const struct entry *entry, unsigned char told)
{
    if (entry->machine != machine->index || entry->answer != ANSWER_YES || entry->bits)
        return;
    if (!(told & TOLD_NEW) && entry->discarded && !was_tried(machine->world, entry))
        return; /* the admin deleted it before nixie-send saw it */
    if (!(told & TOLD_NEW))
        accuse(machine, "it does not tell that it came: msg", entry->number);
    else if (!(told & TOLD_INFO))
        accuse(machine, "it does not tell from whom it came: msg", entry->number);
    else if (!(told & TOLD_END) && !entry->discarded)
        accuse(machine, "it does not tell that it ended: msg", entry->number);
}

/* Each message that was there is told of, from its beginning to its end.  A program that was killed
 * may not have said so. */
static void judge_messages(struct machine *machine)
{
    struct world *world = machine->world;
    unsigned char *told;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine->index && world->upsets[i].kind <= UPSET_FAULT)
            return;
    if (world->line_count == 0 || machine->log.gap_ns > 0 || machine->squeezed)
        return;
    told = must_zeroed(world->entry_count + 1);
    for (size_t i = 0; i < world->line_count; i++)
        if (world->lines[i].machine == machine->index)
            note_told(machine, told, &world->lines[i]);
    for (size_t i = 0; i < world->entry_count; i++)
        judge_message(machine, &world->entries[i], told[i]);
    free(told);
}

void pairs_judge(struct machine *machine)
{
    const struct log_pairs *pairs = machine->log.pairs;

    judge_messages(machine);
    if (pairs && pairs->open_count > 0)
        accuse(machine, "all is over, and it has not ended: delivery", pairs->open[0].delivery);
}
