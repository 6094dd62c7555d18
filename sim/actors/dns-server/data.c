/* SPDX-License-Identifier: ISC */
#include "sim/actors/dns-server/data.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/mem.h"
#include "mta/lib/num.h"

#define TTL_MAX 2147483647 /* RFC 2181 8 */

static const struct {
    const char *word;
    uint16_t type;
} types[] = {{"A", DNS_A},         {"AAAA", DNS_AAAA}, {"MX", DNS_MX},
             {"CNAME", DNS_CNAME}, {"TXT", DNS_TXT},   {"NS", DNS_NS},
             {"SOA", DNS_SOA},     {"PTR", DNS_PTR},   {"ANY", DNS_ANY}};

uint16_t data_type(const char *word)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].word, word) == 0)
            return types[i].type;
    return 0;
}

const char *data_type_text(uint16_t type, char to[DATA_TYPE_TEXT])
{
    char digits[NUM_DIGITS];

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].word;
    num_format(digits, type);
    stpcpy(stpcpy(to, "TYPE"), digits);
    return to;
}

/* --- reading ----------------------------------------------------------------------------------*/

static void no_memory(struct config *config)
{
    config_fail(config, "out of memory", NULL);
}

/* The next word as a name on the wire; its size, 0 if it is none. */
static size_t read_wire(struct config *config, unsigned char wire[DNS_NAME_WIRE])
{
    const char *word = config_word(config, "a domain name");
    size_t size = dns_name_to_wire(wire, word);

    if (size == 0)
        config_fail(config, "this is no domain name: ", word);
    return size;
}

/* The next word as a name in its one form, in memory of its own; NULL after a failure. */
static char *read_name(struct config *config)
{
    unsigned char wire[DNS_NAME_WIRE];
    char text[DNS_NAME_TEXT];
    struct dns_reader reader = {wire, read_wire(config, wire), 0};

    if (reader.size == 0 || dns_read_name(&reader, text) < 0)
        return NULL;
    char *name = mem_alloc(strlen(text) + 1);
    if (name)
        strcpy(name, text);
    else
        no_memory(config);
    return name;
}

static void add_data(struct config *config, struct buf *data, const void *bytes, size_t size)
{
    if (buf_add(data, bytes, size) < 0)
        no_memory(config);
}

static void read_data_name(struct config *config, struct buf *data)
{
    unsigned char wire[DNS_NAME_WIRE];

    add_data(config, data, wire, read_wire(config, wire));
}

static void read_data_address(struct config *config, struct buf *data, int family)
{
    unsigned char bytes[16];
    const char *word = config_word(config, "an address");

    if (inet_pton(family, word, bytes) != 1)
        config_fail(config, "this is no address of that kind: ", word);
    add_data(config, data, bytes, family == AF_INET ? 4 : 16);
}

static void read_data_number(struct config *config, struct buf *data, unsigned bytes)
{
    uint64_t number = config_number(config, 0, bytes == 2 ? UINT16_MAX : UINT32_MAX);

    while (bytes-- > 0) {
        char byte = (char) (number >> 8 * bytes);
        add_data(config, data, &byte, 1);
    }
}

/* One word is one string of at most 255 bytes; longer ones become several. */
static void read_data_text(struct config *config, struct buf *data)
{
    do {
        struct config_word word = config_bytes(config, "a text");

        do {
            size_t size = word.size < 255 ? word.size : 255;
            char length = (char) size;

            add_data(config, data, &length, 1);
            add_data(config, data, word.text, size);
            word.text += size;
            word.size -= size;
        } while (word.size > 0);
    } while (config_peek(config));
}

static void read_data(struct config *config, uint16_t type, struct buf *data)
{
    switch (type) {
    case DNS_A:
        read_data_address(config, data, AF_INET);
        break;
    case DNS_AAAA:
        read_data_address(config, data, AF_INET6);
        break;
    case DNS_MX:
        read_data_number(config, data, 2);
        read_data_name(config, data);
        break;
    case DNS_TXT:
        read_data_text(config, data);
        break;
    case DNS_SOA:
        read_data_name(config, data);
        read_data_name(config, data);
        for (int i = 0; i < 5; i++)
            read_data_number(config, data, 4);
        break;
    default:
        read_data_name(config, data);
    }
}

void data_read_record(struct data *data, struct config *config)
{
    struct record_entry entry = {.name = read_name(config)};

    entry.ttl = (uint32_t) config_number(config, 0, TTL_MAX);
    const char *word = config_word(config, "a type of record");
    entry.type = data_type(word);
    if (entry.type == 0 || entry.type == DNS_ANY)
        config_fail(config, "there are no records of this type: ", word);
    entry.data = (struct buf) BUF_INIT(UINT16_MAX);
    if (entry.name && entry.type)
        read_data(config, entry.type, &entry.data);
    if (entry.name && buf_add(&data->records, &entry, sizeof entry) == 0)
        return;
    no_memory(config);
    mem_free(entry.name);
    buf_free(&entry.data);
}

void data_read_zone(struct data *data, struct config *config)
{
    char *name = read_name(config);

    if (name && buf_add(&data->zones, &name, sizeof name) < 0) {
        no_memory(config);
        mem_free(name);
    }
}

void data_free(struct data *data)
{
    struct record_entry *entries = (struct record_entry *) data->records.data;
    char **zones = (char **) data->zones.data;

    for (size_t i = 0; i < data->records.length / sizeof *entries; i++) {
        mem_free(entries[i].name);
        buf_free(&entries[i].data);
    }
    for (size_t i = 0; i < data->zones.length / sizeof *zones; i++)
        mem_free(zones[i]);
    buf_free(&data->records);
    buf_free(&data->zones);
}

/* --- looking up -------------------------------------------------------------------------------*/

const struct record_entry *data_records(const struct data *data, size_t *count)
{
    *count = data->records.length / sizeof(struct record_entry);
    return (const struct record_entry *) data->records.data;
}

/* True if `name` is `parent` or below it.  A dot in a label is written `\.`, so that a dot behind
 * no backslash parts labels; a backslash in a label is `\\`. */
static bool is_in(const char *name, const char *parent)
{
    size_t length = strlen(name), parent_length = strlen(parent);

    if (parent_length == 0)
        return true;
    if (length < parent_length || strcasecmp(name + length - parent_length, parent) != 0)
        return false;
    if (length == parent_length)
        return true;
    size_t dot = length - parent_length - 1, backslashes = 0;
    while (backslashes < dot && name[dot - backslashes - 1] == '\\')
        backslashes++;
    return name[dot] == '.' && backslashes % 2 == 0;
}

const char *data_zone(const struct data *data, const char *name)
{
    char *const *zones = (char *const *) data->zones.data;
    const char *best = NULL;

    for (size_t i = 0; i < data->zones.length / sizeof *zones; i++)
        if (is_in(name, zones[i]) && (!best || strlen(zones[i]) > strlen(best)))
            best = zones[i];
    return best;
}

bool data_has_name(const struct data *data, const char *name)
{
    size_t count;
    const struct record_entry *entries = data_records(data, &count);

    for (size_t i = 0; i < count; i++)
        if (is_in(entries[i].name, name))
            return true;
    return false;
}

const struct record_entry *data_find(const struct data *data, const char *name, uint16_t type)
{
    size_t count;
    const struct record_entry *entries = data_records(data, &count);

    for (size_t i = 0; i < count; i++)
        if (entries[i].type == type && strcasecmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}
