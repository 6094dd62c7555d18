/* SPDX-License-Identifier: ISC */
#include "sim/actors/dns-server/message.h"

#include <string.h>

#define POINTER 0xc000
#define POINTER_MAX 0x3fff

void message_begin(struct message *message, size_t limit, uint16_t id, uint16_t flags)
{
    message->size = DNS_HEADER_SIZE;
    message->limit = limit < DNS_MESSAGE_MAX ? limit : DNS_MESSAGE_MAX;
    message->full = false;
    message->header = (struct dns_header){.id = id, .flags = flags};
    message->name_count = 0;
}

static void put(struct message *message, const void *bytes, size_t size)
{
    if (message->full || size > message->limit - message->size) {
        message->full = true;
        return;
    }
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
}

static void put_u16(struct message *message, unsigned number)
{
    unsigned char bytes[2];

    dns_put_u16(bytes, (uint16_t) number);
    put(message, bytes, sizeof bytes);
}

/* --- names ------------------------------------------------------------------------------------*/

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char) (c + 32) : c;
}

/* True if both labels are the same, length and all. */
static bool same_label(const unsigned char *a, const unsigned char *b)
{
    for (unsigned i = 1; i <= *a; i++)
        if (*a != *b || lower(a[i]) != lower(b[i]))
            return false;
    return *a == *b;
}

/* True if the name that begins at `at` in the message is that one on the wire. */
static bool is_name_at(const struct message *message, size_t at, const unsigned char *wire)
{
    for (;;) {
        const unsigned char *label = message->bytes + at;

        if (*label >= 0xc0) {
            at = (size_t) ((label[0] & 0x3f) << 8 | label[1]);
            continue;
        }
        if (!same_label(label, wire))
            return false;
        if (*label == 0)
            return true;
        at += *label + 1u;
        wire += *wire + 1;
    }
}

/* Where the message has that name already; 0 if nowhere. */
static unsigned find_name(const struct message *message, const unsigned char *wire)
{
    for (size_t i = 0; i < message->name_count; i++)
        if (is_name_at(message, message->names[i], wire))
            return message->names[i];
    return 0;
}

/* Notes that a name begins at `at`, once the message has all of it. */
static void note_name(struct message *message, size_t at)
{
    if (message->name_count < MESSAGE_NAMES_MAX && at <= POINTER_MAX && !message->full)
        message->names[message->name_count++] = (uint16_t) at;
}

/* Adds a name that is given uncompressed.  Returns behind it. */
static const unsigned char *put_name(struct message *message, const unsigned char *wire)
{
    size_t begin = message->size, count = 0;
    const unsigned char *label = wire;
    unsigned known = 0;

    for (; *label != 0 && !(known = find_name(message, label)); label += *label + 1, count++)
        put(message, label, *label + 1u);
    if (known)
        put_u16(message, POINTER | known);
    else
        put(message, "", 1);
    for (size_t at = begin; count > 0; at += *wire + 1u, wire += *wire + 1, count--)
        note_name(message, at);
    while (*label != 0)
        label += *label + 1;
    return label + 1;
}

void message_add_question(struct message *message, const unsigned char *bytes, size_t size)
{
    size_t at = message->size;

    put(message, bytes, size);
    for (; *bytes != 0; at += *bytes + 1u, bytes += *bytes + 1)
        note_name(message, at);
    message->header.questions++;
}

/* --- records ----------------------------------------------------------------------------------*/

/* Adds data: `skip` bytes, `names` names that can be compressed, the rest. */
static void put_data(struct message *message, const struct buf *data, size_t skip, unsigned names)
{
    const unsigned char *at = (const unsigned char *) data->data, *end = at + data->length;
    size_t length_at = message->size;

    put_u16(message, 0);
    put(message, at, skip);
    at += skip;
    for (; names > 0; names--)
        at = put_name(message, at);
    put(message, at, (size_t) (end - at));
    if (!message->full)
        dns_put_u16(message->bytes + length_at, (uint16_t) (message->size - length_at - 2));
}

static unsigned names_in(uint16_t type)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
    case DNS_TXT:
        return 0;
    case DNS_SOA:
        return 2;
    default:
        return 1;
    }
}

void message_add_record(struct message *message, enum message_section section, const char *name,
                        const struct record_entry *entry)
{
    unsigned char wire[DNS_NAME_WIRE];
    size_t size = message->size, name_count = message->name_count;

    dns_name_to_wire(wire, name);
    put_name(message, wire);
    put_u16(message, entry->type);
    put_u16(message, DNS_IN);
    put_u16(message, entry->ttl >> 16);
    put_u16(message, entry->ttl & 0xffff);
    put_data(message, &entry->data, entry->type == DNS_MX ? 2 : 0, names_in(entry->type));
    if (message->full) {
        message->size = size;
        message->name_count = name_count;
    } else if (section == MESSAGE_ANSWER) {
        message->header.answers++;
    } else {
        message->header.authorities++;
    }
}

void message_add_opt(struct message *message, uint16_t udp_size, unsigned upper_code)
{
    put(message, "", 1);
    put_u16(message, DNS_OPT);
    put_u16(message, udp_size);
    put_u16(message, upper_code << 8);
    put_u16(message, 0);
    put_u16(message, 0);
    message->header.additionals++;
}

void message_end(struct message *message)
{
    dns_put_header(message->bytes, &message->header);
}
