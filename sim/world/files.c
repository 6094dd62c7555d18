/* SPDX-License-Identifier: ISC */
/*
 * PLACE: what a message's files say is what was written of this message and of no other, when it
 * comes into S5, at its first delivery since the server came up, and when its bounce is sent.
 * The files are read here without the server's code: a line, then records that end with NUL.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/route.h"

static int read_file(const struct machine *machine, const struct entry *entry,
                     const char *directory, char **data, size_t *size)
{
    char path[100];

    snprintf(path, sizeof path, HOME_QUEUE "/%s/%llu", directory,
             (unsigned long long) entry->number);
    return host_read_file(machine->host, path, data, size);
}

static uint64_t hash_of(const char *data, size_t size)
{
    uint64_t hash = size * 0x9e3779b97f4a7c15u, word;

    for (; size >= sizeof word; data += sizeof word, size -= sizeof word) {
        memcpy(&word, data, sizeof word);
        hash = (hash ^ word) * 0xd1b54a32d192ed03u;
        hash ^= hash >> 29;
    }
    for (; size > 0; data++, size--)
        hash = (hash ^ (unsigned char) *data) * 0x100000001b3u;
    return hash | 1;
}

static void accuse(struct machine *machine, const struct entry *entry, const char *directory,
                   const char *what, const char *found)
{
    char name[ENTRY_NAME];

    world_accuse(machine->world, "PLACE", entry->letter, entry->bounce, "%s/%llu of %s %s%.200s",
                 directory, (unsigned long long) entry->number,
                 entry_name(machine->world, entry, name), what, found);
}

/* --- its text --------------------------------------------------------------------------------*/

void files_note_accepted(struct machine *machine, struct entry *entry)
{
    char *data;
    size_t size;

    if (read_file(machine, entry, "mess", &data, &size) < 0)
        return;
    entry->mess_hash = hash_of(data, size);
    free(data);
}

static void check_mess(struct machine *machine, const struct entry *entry)
{
    char *data;
    size_t size;

    if (!entry->mess_hash || read_file(machine, entry, "mess", &data, &size) < 0)
        return;
    if (hash_of(data, size) != entry->mess_hash)
        accuse(machine, entry, "mess", "has another text than when it was queued", "");
    free(data);
}

/* --- its envelope ----------------------------------------------------------------------------*/

static bool has_recipient(const struct entry *entry, const char *address)
{
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (strcmp(entry->recipients[i], address) == 0)
            return true;
    return false;
}

static bool is_recipient(const struct entry *entry, const char *address, bool local)
{
    const struct route *route = route_to(entry, address);

    return route && route->local == local;
}

/* A record of a file of that kind is of the message. */
static bool belongs(const struct entry *entry, const char *directory, const char *record)
{
    switch (*record) {
    case 'F':
        return !entry->sender || strcmp(record + 1, entry->sender) == 0;
    case 'T':
    case 'D':
        if (strcmp(directory, "todo") == 0)
            return has_recipient(entry, record + 1);
        return is_recipient(entry, record + 1, strcmp(directory, "local") == 0);
    case 'r':
        return is_recipient(entry, record + 1, true) || is_recipient(entry, record + 1, false);
    default:
        return true;
    }
}

/* "nixie1 KIND NUMBER LENGTH CHECKSUM\n": all fields have fixed places. */
#define HEADER_SIZE 63
#define NUMBER_AT 14
#define LENGTH_AT 35

/* The power went while the bounce was written, and left the front of one of its recipients. */
static bool is_torn(const struct machine *machine, const struct entry *entry, const char *directory,
                    const char *record)
{
    const struct world *world = machine->world;
    bool power = false, front = false;

    for (size_t i = 0; i < world->upset_count; i++)
        power |= world->upsets[i].machine == machine->index && world->upsets[i].kind == UPSET_POWER;
    for (size_t i = 0; i < entry->route_count; i++)
        front |= strncmp(entry->routes[i].address, record + 1, strlen(record + 1)) == 0;
    return power && front && *record == 'r' && strcmp(directory, "bounce") == 0;
}

/* Returns how many recipients are in the records of a body. */
static size_t check_body(struct machine *machine, const struct entry *entry, const char *directory,
                         const char *at, const char *end)
{
    size_t count = 0;

    for (; at < end; at += strnlen(at, (size_t) (end - at)) + 1) {
        count += *at == 'T' || *at == 'D';
        if (!belongs(entry, directory, at) && !is_torn(machine, entry, directory, at))
            accuse(machine, entry, directory, "has what is of another: ", at);
    }
    return count;
}

/* Of a file of one or more headers with bodies: how many recipients it has. */
static size_t check_file(struct machine *machine, const struct entry *entry, const char *directory)
{
    char *data, *at, *end;
    size_t size, count = 0;

    if (read_file(machine, entry, directory, &data, &size) < 0)
        return 0;
    end = data + size;
    for (at = data; end - at >= HEADER_SIZE && memcmp(at, "nixie1 ", 7) == 0;) {
        uint64_t length = strtoull(at + LENGTH_AT, NULL, 10);
        size_t left = (size_t) (end - at) - HEADER_SIZE;

        if (strtoull(at + NUMBER_AT, NULL, 10) != entry->number)
            accuse(machine, entry, directory, "is of another: ", at);
        if (length > left)
            length = left;
        at += HEADER_SIZE;
        count += check_body(machine, entry, directory, at, at + length);
        at += length;
    }
    free(data);
    return count;
}

void files_check(struct machine *machine, struct entry *entry, enum files_moment moment)
{
    size_t count;
    char found[60];

    if (entry->recipient_count == 0)
        return;
    if (moment == FILES_PREPARED && entry->revived && !entry->prepared)
        return; /* names that came back may name any later file; what is there is read with care */
    routes_make_for(machine->world, entry);
    /* Of a message that was never accepted a crash may leave less, until it is looked at. */
    if (moment == FILES_DELIVERED || entry->answer == ANSWER_YES)
        check_mess(machine, entry);
    if (entry->bits & BIT_TODO)
        check_file(machine, entry, "todo");
    check_file(machine, entry, "info");
    count = check_file(machine, entry, "local") + check_file(machine, entry, "remote");
    if ((entry->bits & BIT_BOUNCE) && !entry->revived)
        check_file(machine, entry, "bounce");
    if (moment != FILES_PREPARED || !entry->prepared || count == entry->recipient_count)
        return;
    snprintf(found, sizeof found, "%zu of %zu recipients", count, entry->recipient_count);
    accuse(machine, entry, "info", "has beside it ", found);
}
