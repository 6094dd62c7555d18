/* SPDX-License-Identifier: ISC */
/* Whose message is this?  Told by the mark that each letter carries in its header, and for a
 * bounce by the mark of the message that it quotes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"

/* The line at `at`, without its end; *next is the one behind it. */
static size_t line_length(const char *at, const char *end, const char **next)
{
    const char *newline = memchr(at, '\n', (size_t) (end - at));

    *next = newline ? newline + 1 : end;
    return (size_t) ((newline ? newline : end) - at);
}

/* What ends a header; lines may end with CR LF. */
static bool is_empty_line(const char *at, size_t length)
{
    return length == 0 || (length == 1 && *at == '\r');
}

size_t body_offset(const char *data, size_t size)
{
    const char *at = data, *end = data + size, *next;

    while (at < end) {
        size_t length = line_length(at, end, &next);

        if (is_empty_line(at, length))
            return (size_t) (next - data);
        at = next;
    }
    return size;
}

static bool field_is(const char *line, size_t length, const char *name)
{
    size_t size = strlen(name);

    return length > size && line[size] == ':' && strncasecmp(line, name, size) == 0;
}

/* The value behind the colon, without blanks around it. */
static const char *field_value(const char *line, size_t length, size_t *size)
{
    const char *value = memchr(line, ':', length), *end = line + length;

    value = value ? value + 1 : end;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (value < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    *size = (size_t) (end - value);
    return value;
}

bool header_value(const char *data, size_t size, const char *name, char *to, size_t to_size)
{
    const char *at = data, *end = data + size, *next, *value;
    size_t length, value_size;

    for (; at < end; at = next) {
        length = line_length(at, end, &next);
        if (is_empty_line(at, length))
            return false;
        if (!field_is(at, length, name))
            continue;
        value = field_value(at, length, &value_size);
        if (value_size >= to_size)
            value_size = to_size - 1;
        memcpy(to, value, value_size);
        to[value_size] = 0;
        return true;
    }
    return false;
}

/* --- letters by their marks ------------------------------------------------------------------*/

/* Open addressing: letter + 1, 0 is empty.  Slots of names and of Message-IDs are apart. */
struct mark_table {
    size_t *slots[2];
    size_t capacity;
    size_t letters; /* how many are in it */
};

/* The mark of a letter by which it may be found, or NULL. */
static const char *mark_of(const struct letter *letter, bool by_name)
{
    if (by_name)
        return letter->name;
    if (strncmp(letter->header, "Nixie-Message", 13) == 0)
        return NULL; /* another has that Message-ID too */
    return letter->id;
}

static size_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char) bytes[i]) * 0x100000001b3u;
    return (size_t) (hash ^ hash >> 32);
}

/* The slot of that mark, or the empty one where it would be. */
static size_t *find_slot(const struct world *world, bool by_name, const char *mark, size_t size)
{
    const struct mark_table *table = world->marks;
    size_t at = hash_bytes(mark, size) & (table->capacity - 1);

    for (;; at = (at + 1) & (table->capacity - 1)) {
        size_t letter = table->slots[by_name][at];
        const char *own = letter ? mark_of(&world->letters[letter - 1], by_name) : NULL;

        if (!letter || (strlen(own) == size && memcmp(own, mark, size) == 0))
            return &table->slots[by_name][at];
    }
}

static void fill_table(const struct world *world)
{
    struct mark_table *table = world->marks;

    table->letters = world->letter_count;
    table->capacity = 16;
    while (table->capacity < 2 * table->letters)
        table->capacity *= 2;
    for (int by_name = 0; by_name < 2; by_name++) {
        free(table->slots[by_name]);
        table->slots[by_name] = must_zeroed(table->capacity * sizeof *table->slots[by_name]);
        for (size_t i = 0; i < world->letter_count; i++) {
            const char *mark = mark_of(&world->letters[i], by_name);
            size_t *slot = mark ? find_slot(world, by_name, mark, strlen(mark)) : NULL;

            if (slot && !*slot)
                *slot = i + 1;
        }
    }
}

static size_t letter_with(const struct world *world, bool by_name, const char *mark, size_t size)
{
    size_t *slot;

    if (world->marks->letters != world->letter_count || world->marks->capacity == 0)
        fill_table(world);
    slot = find_slot(world, by_name, mark, size);
    return *slot ? *slot - 1 : NO_LETTER;
}

void marks_free(struct world *world)
{
    free(world->marks->slots[0]);
    free(world->marks->slots[1]);
    free(world->marks);
}

void marks_make(struct world *world)
{
    world->marks = must_zeroed(sizeof *world->marks);
}

/* --- finding them in messages ----------------------------------------------------------------*/

/* The letter whose mark stands in a field of the lines from `at` to `end`; `header`: stops at the
 * first empty line. */
static size_t find_mark(const struct world *world, const char *at, const char *end, bool header)
{
    size_t by_id = NO_LETTER, size, length, letter;
    const char *next, *value;

    for (; at < end; at = next) {
        length = line_length(at, end, &next);
        if (is_empty_line(at, length) && (header || by_id != NO_LETTER))
            break;
        if (field_is(at, length, "Nixie-Message")) {
            value = field_value(at, length, &size);
            letter = letter_with(world, true, value, size);
            if (letter != NO_LETTER)
                return letter;
        } else if (by_id == NO_LETTER && field_is(at, length, "Message-ID")) {
            value = field_value(at, length, &size);
            by_id = letter_with(world, false, value, size);
        }
    }
    return by_id;
}

/* Delivered-To values of the trace fields at the top. */
static char *read_chain(const char *data, size_t size)
{
    static const char *const trace[] = {"Return-Path", "Delivered-To", "Received"};
    const char *at = data, *end = data + size, *next, *value;
    char *chain = must_copy("", 0);
    size_t used = 0, value_size;

    for (; at < end; at = next) {
        size_t length = line_length(at, end, &next);
        bool known = length > 0 && (*at == ' ' || *at == '\t') && at > data;

        for (size_t i = 0; i < sizeof trace / sizeof *trace; i++)
            known = known || field_is(at, length, trace[i]);
        if (!known)
            break;
        if (!field_is(at, length, "Delivered-To"))
            continue;
        value = field_value(at, length, &value_size);
        chain = must_resize(chain, used + value_size + 2);
        memcpy(chain + used, value, value_size);
        used += value_size;
        chain[used++] = '\n';
        chain[used] = 0;
    }
    return chain;
}

void identify(const struct world *world, const char *data, size_t size, const char *sender,
              struct identity *identity)
{
    char path[300];
    size_t body = body_offset(data, size);

    identity->chain = read_chain(data, size);
    identity->bounce = 0;
    identity->letter = find_mark(world, data, data + size, true);
    identity->by_header = identity->letter != NO_LETTER;
    if (identity->by_header)
        return;
    if (!sender && header_value(data, size, "Return-Path", path, sizeof path)) {
        size_t length = strlen(path);

        if (length >= 2 && path[0] == '<' && path[length - 1] == '>') {
            path[length - 1] = 0;
            sender = path + 1;
        }
    }
    if (!sender || (*sender && strcmp(sender, "#@[]") != 0))
        return;
    identity->letter = find_mark(world, data + body, data + size, false);
    identity->bounce = *sender ? 2 : 1;
}

/* The first such number in these bytes; 0: there is none. */
static uint64_t find_number(const char *data, size_t size)
{
    static const char mark[] = "Received: (nixie-queue ";
    const char *at = memmem(data, size, mark, sizeof mark - 1);
    uint64_t number = 0;

    if (!at)
        return 0;
    for (at += sizeof mark - 1; at < data + size && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t) (*at - '0');
    return number;
}

uint64_t number_in_message(const char *data, size_t size)
{
    return find_number(data, body_offset(data, size));
}

uint64_t number_in_bounce(const char *data, size_t size)
{
    size_t body = body_offset(data, size);

    return find_number(data + body, size - body);
}

bool address_names(const char *delivered_to, size_t size, const char *recipient)
{
    size_t length = strlen(recipient);

    if (!strchr(recipient, '@'))
        return size > length && delivered_to[length] == '@' &&
               strncasecmp(delivered_to, recipient, length) == 0;
    if (size < length || strncasecmp(delivered_to + size - length, recipient, length) != 0)
        return false;
    return size == length || delivered_to[size - length - 1] == '-';
}

bool chain_is(const char *chain, const char *address, const char *rest)
{
    size_t size = strlen(address);

    return strncasecmp(chain, address, size) == 0 && chain[size] == '\n' &&
           strcmp(chain + size + 1, rest) == 0;
}
