/* SPDX-License-Identifier: ISC */
/*
 * What submitters were told is so (judge.h): what was refused does not come out, no more is queued
 * than was accepted, and nobody sends mail through us who may not.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_lives.h"

/* Between what queue answers and what its client hears of it. */
#define HEAR_NS NANOSECONDS
/* Queue tries again after 5 seconds what it could not make durable. */
#define AGAIN_NS (6 * NANOSECONDS)

/* --- refused ---------------------------------------------------------------------------------*/

/* The letter's recipient that this copy came from, as far as its chain tells; SIZE_MAX: none. */
static size_t first_recipient(const struct letter *letter, const struct copy *copy)
{
    const char *last = copy->chain;

    for (const char *next; (next = strchr(last, '\n')) && next[1];)
        last = next + 1;
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (address_names(last, strcspn(last, "\n"), letter->recipients[i]))
            return i;
    return SIZE_MAX;
}

/* Whether the letter's submitter was told, for certain, that it is not accepted for whom this copy
 * is. */
static bool was_refused(const struct letter *letter, const struct copy *copy)
{
    size_t recipient;

    if (letter->state != LETTER_REFUSED || letter->path != LETTER_BY_SMTP)
        return letter->state == LETTER_REFUSED;
    recipient = first_recipient(letter, copy);
    return letter->uncertain == 0 && recipient != SIZE_MAX && letter->answers &&
           !letter->answers[recipient].accepted;
}

/* What could not be made durable is taken back before anybody hears no, unless nixie-send had found
 * it in todo by itself, and another sync was for it. */
static bool is_failed_sync(const struct upset *upset)
{
    return upset->kind == UPSET_FAULT && (upset->hit & HIT_SYNC);
}

static bool was_found(const struct entry *entry, int64_t time_ns)
{
    for (size_t i = 0; i < entry->history_count && entry->history[i].time_ns <= time_ns; i++)
        if (entry->history[i].stage == STAGE_S5)
            return true;
    return false;
}

/* Queue has tried that again and failed, after so long: how long it may be until it does so once
 * more.  One that has begun anew, since it was ended, does so at its start, and ends if that fails:
 * with pauses that double. */
static int64_t next_try(int64_t pause, int64_t gap, bool anew)
{
    if (!anew)
        return AGAIN_NS;
    if (gap < NANOSECONDS)
        return pause; /* it was the same try */
    return 2 * gap + NANOSECONDS > AGAIN_NS ? 2 * gap + NANOSECONDS : AGAIN_NS;
}

/* Queue makes it durable that the entry is gone before anybody hears no.  If that failed as well,
 * by `to`, and each time that it was tried again, a power loss may bring the entry back; also
 * while such a try takes long, or waits for who has the journal, or no server runs. */
static bool may_have_come_back(const struct world *world, const struct entry *entry, int64_t to)
{
    int64_t last = 0, pause = AGAIN_NS;
    bool anew = false;

    if (entry->answer != ANSWER_NO)
        return false;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != entry->machine || upset->time_ns <= entry->answer_ns)
            continue;
        if (last ? reason_lived_ns(world, entry->machine, last, upset->time_ns) > pause
                 : upset->time_ns > to)
            return false;
        if (upset->kind == UPSET_POWER)
            return last > 0;
        anew |= upset->kind == UPSET_KILL;
        if (upset->kind == UPSET_FAULT && (upset->hit & HIT_QUEUE)) {
            anew |= !(upset->hit & HIT_SYNC);
            pause = next_try(pause, last ? upset->time_ns - last : 0, anew);
            last = upset->time_ns > last ? upset->time_ns : last;
        } else if (upset->kind == UPSET_SLOW && (upset->hit & (HIT_QUEUE | HIT_SEND)) && last > 0 &&
                   upset->time_ns + upset->lasts_ns > last) {
            last = upset->time_ns + upset->lasts_ns; /* nixie-clean writes to the journal, too */
        }
    }
    return false;
}

/* Something went wrong while the entry was made, or its answer was on its way: then it may be there
 * whatever its submitter heard. */
static bool has_excuse(const struct world *world, const struct letter *letter,
                       const struct entry *entry)
{
    int64_t from = entry->history_count ? entry->history[0].time_ns : letter->sent_ns;
    int64_t to = letter->ended_ns;

    if (entry->answer == ANSWER_YES && entry->answer_ns < to)
        to = entry->answer_ns;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind <= UPSET_FAULT && upset->machine == entry->machine &&
            upset->time_ns >= from - HEAR_NS && upset->time_ns <= to + HEAR_NS &&
            upset_touches(upset, HIT_CLIENT | HIT_QUEUE | HIT_TREE) &&
            (!is_failed_sync(upset) || was_found(entry, to + HEAR_NS)))
            return true;
    }
    return may_have_come_back(world, entry, to + HEAR_NS);
}

/* What of the letter was queued on its host may have come out. */
static bool may_have_come(const struct world *world, size_t index)
{
    struct range entries = world_entries_of(world, index);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        if (entry->bounce == 0 && entry->machine == world->letters[index].machine &&
            has_excuse(world, &world->letters[index], entry))
            return true;
    }
    return false;
}

/* A message that was whole when something went wrong may live on, whatever its submitter heard. */
static void judge_refused(struct world *world, const struct copy *copy)
{
    const struct letter *letter;
    char place[PLACE_TEXT];

    if (copy->letter == NO_LETTER || copy->bounce > 0)
        return;
    letter = &world->letters[copy->letter];
    if (was_refused(letter, copy) && !may_have_come(world, copy->letter))
        world_accuse(world, "REFUSED", copy->letter, 0,
                     "the submitter of %s was told no (%d), but it came out in %s", letter->name,
                     letter->code, place_of_copy(world, copy, place))
            ->time_ns = copy->time_ns;
}

/* How often its client was told yes, at least. */
static size_t times_accepted(const struct letter *letter)
{
    size_t count = letter->told_yes;

    for (size_t i = 0; letter->answers && i < letter->recipient_count; i++)
        if (letter->answers[i].accepted_count > count)
            count = letter->answers[i].accepted_count;
    return count;
}

static bool is_first_of(const struct letter *letter, const struct entry *entry)
{
    return entry->bounce == 0 && entry->answer == ANSWER_YES && entry->machine == letter->machine &&
           entry->origin == ORIGIN_NETWORK && !*entry_chain(entry);
}

/* Tries that may have been accepted: those in which the client heard yes, those whose answer it
 * did not live to hear, and those near which something went wrong. */
static void judge_acceptances(struct world *world, size_t index)
{
    const struct letter *letter = &world->letters[index];
    struct range entries = world_entries_of(world, index);
    size_t count = 0, allowed = times_accepted(letter) + letter->uncertain;

    if (letter->path != LETTER_BY_SMTP)
        return;
    allowed += letter->state == LETTER_CUT || letter->state == LETTER_RUNNING;
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        count += is_first_of(letter, entry);
        allowed += is_first_of(letter, entry) &&
                   upset_excuses(world, entry->machine, arrival_of(entry) - HEAR_NS,
                                 entry->answer_ns + HEAR_NS, HIT_CLIENT | HIT_QUEUE | HIT_TREE);
    }
    if (count > letter->tries)
        world_accuse(world, "DUPLICATE", index, 0, "%s is in the spool %zu times after %u tries",
                     letter->name, count, letter->tries);
    else if (count > allowed)
        world_accuse(world, "REFUSED", index, 0,
                     "%s is in the spool %zu times, though its client was told yes only %zu times",
                     letter->name, count, times_accepted(letter));
}

/* --- put off -----------------------------------------------------------------------------------*/

/* For so long a client may be told so after something went wrong. */
#define SERVICE_NS (600 * NANOSECONDS)

/* A reply that tells of trouble of the server's own, not of a limit or of what the client does. */
static bool is_trouble(const char *reply)
{
    return strncmp(reply, "451 ", 4) == 0 || strncmp(reply, "452 4.3", 7) == 0 ||
           (strncmp(reply, "421 4.3", 7) == 0 && !strstr(reply, "shutting down"));
}

static void judge_reply(struct world *world, const struct spoken *spoken)
{
    const struct letter *letter = &world->letters[spoken->letter];
    const struct machine *machine = &world->machines[letter->machine];

    if (!is_trouble(spoken->text) || machine->squeezed || machine->spec->capacity_bytes > 0)
        return;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == letter->machine &&
            world->upsets[i].time_ns <= spoken->time_ns &&
            world->upsets[i].time_ns + world->upsets[i].lasts_ns + SERVICE_NS > letter->sent_ns)
            return;
    world_accuse(world, "SERVICE", spoken->letter, 0,
                 "the client of %s was told to try later, and nothing was wrong: %.200s",
                 letter->name, spoken->text)
        ->time_ns = spoken->time_ns;
}

/* --- size ------------------------------------------------------------------------------------*/

/* What the client sent has at least its content's size: each line end has two bytes there. */
static void judge_size(struct world *world, size_t index)
{
    const struct letter *letter = &world->letters[index];
    const struct machine *machine = &world->machines[letter->machine];
    uint64_t limit = control_value(machine, "databytes", 0);

    if (letter->path == LETTER_BY_SMTP && letter->told_yes > 0 && limit > 0 &&
        letter->content.size > limit)
        world_accuse(world, "LIMIT", index, 0, "%s has %zu bytes; databytes is %llu", letter->name,
                     letter->content.size, (unsigned long long) limit);
}

/* --- relaying --------------------------------------------------------------------------------*/

/* "192.0.2.0/24" or an address, as bytes of a family; false: it is none. */
static bool parse_range(const char *text, size_t size, unsigned char bytes[16], int *family,
                        unsigned *bits)
{
    char copy[100], *slash;

    if (size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    slash = strchr(copy, '/');
    if (slash)
        *slash = 0;
    *family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    *bits = *family == AF_INET ? 32 : 128;
    if (slash)
        *bits = (unsigned) strtoul(slash + 1, NULL, 10);
    return inet_pton(*family, copy, bytes) == 1;
}

static bool is_in_range(const char *address, const char *range, size_t size)
{
    unsigned char one[16], other[16];
    int family, range_family;
    unsigned bits, whole;

    if (!parse_range(address, strlen(address), one, &family, &whole) ||
        !parse_range(range, size, other, &range_family, &bits) || family != range_family ||
        bits > whole)
        return false;
    for (unsigned i = 0; i < bits; i++)
        if ((one[i / 8] ^ other[i / 8]) & (0x80u >> i % 8))
            return false;
    return true;
}

static bool address_may_relay(const struct machine *host, const char *address)
{
    const struct text *list = control_text(host, "relayclients");
    const char *at = list ? list->data : NULL, *end = at ? at + list->size : NULL;

    while (at < end) {
        size_t length = strcspn(at, "\n"), size = strcspn(at, " \t\n");

        if (size > 0 && *at != '#' && is_in_range(address, at, size))
            return true;
        at += length + (at + length < end);
    }
    return false;
}

static bool may_relay(const struct machine *host, const struct machine *from)
{
    const char *const *addresses = from->spec     ? from->spec->addresses
                                   : from->remote ? from->remote->addresses
                                   : from->client ? from->client->addresses
                                                  : NULL;
    size_t count = from->spec     ? from->spec->address_count
                   : from->remote ? from->remote->address_count
                   : from->client ? from->client->address_count
                                  : 0;

    for (size_t i = 0; i < count; i++)
        if (address_may_relay(host, addresses[i]))
            return true;
    return false;
}

/* Whether one of those that can have sent it to the host may relay: its client, or, of a message
 * that another machine passed on or bounced, any machine of that kind. */
static bool sender_may_relay(const struct world *world, const struct entry *entry)
{
    const struct machine *host = &world->machines[entry->machine];
    const struct letter *letter = &world->letters[entry->letter];

    if (entry->bounce == 0 && !entry->relayed && letter->path == LETTER_BY_SMTP)
        return may_relay(host, &world->machines[letter->client]);
    for (size_t i = 0; i < world->machine_count; i++)
        if (i != entry->machine && world->machines[i].kind != MACHINE_CLIENT &&
            may_relay(host, &world->machines[i]))
            return true;
    return false;
}

/* The domain, or a suffix of it that begins with a dot, stands in the list. */
static bool lists_domain(const struct text *list, const char *domain)
{
    if (control_list_has(list, domain, strlen(domain), 0, NULL))
        return true;
    for (const char *dot = *domain ? strchr(domain + 1, '.') : NULL; dot;
         dot = strchr(dot + 1, '.'))
        if (control_list_has(list, dot, strlen(dot), 0, NULL))
            return true;
    return false;
}

/* Whether the host takes mail for that recipient from anybody. */
static bool takes_for_all(const struct machine *host, const char *recipient)
{
    const struct text *list = control_text(host, "rcpthosts");
    const char *at = strrchr(recipient, '@');

    if (!at)
        return true;
    if (lists_domain(list, at + 1) || lists_domain(control_text(host, "morercpthosts"), at + 1))
        return true;
    if (list)
        return false;
    list = control_text(host, "locals"); /* which the home has as rcpthosts then */
    return list ? lists_domain(list, at + 1) : strcasecmp(at + 1, host->spec->domain) == 0;
}

static void judge_relaying(struct world *world, size_t index)
{
    const struct entry *entry = &world->entries[index];
    const struct machine *host = &world->machines[entry->machine];
    char name[ENTRY_NAME];

    if (entry->origin != ORIGIN_NETWORK || entry->answer != ANSWER_YES ||
        entry->letter == NO_LETTER || *entry_chain(entry))
        return;
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (!takes_for_all(host, entry->recipients[i]) && !sender_may_relay(world, entry))
            world_accuse(world, "RELAY", entry->letter, entry->bounce,
                         "%s for %s was accepted on %s from one who may not send through it",
                         entry_name(world, entry, name), entry->recipients[i], host->name)
                ->time_ns = entry->answer_ns;
}

void judge_clients(struct world *world)
{
    for (size_t i = 0; i < world->copy_count; i++)
        judge_refused(world, &world->copies[i]);
    for (size_t i = 0; i < world->letter_count; i++) {
        judge_acceptances(world, i);
        judge_size(world, i);
    }
    for (size_t i = 0; i < world->spoken_count; i++)
        if (world->spoken[i].letter != NO_LETTER && !world->spoken[i].by_client)
            judge_reply(world, &world->spoken[i]);
    for (size_t i = 0; i < world->entry_count; i++)
        judge_relaying(world, i);
}
