/* SPDX-License-Identifier: ISC */
#include "mta/lib/dns.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX 63

static int bad(void)
{
    errno = EBADMSG;
    return -1;
}

/* --- numbers, header --------------------------------------------------------------------------*/

static uint16_t get_u16(const unsigned char *from)
{
    return (uint16_t) (from[0] << 8 | from[1]);
}

void dns_put_u16(unsigned char *to, uint16_t number)
{
    to[0] = (unsigned char) (number >> 8);
    to[1] = (unsigned char) number;
}

int dns_read_u16(struct dns_reader *reader, uint16_t *number)
{
    if (reader->size - reader->at < 2)
        return bad();
    *number = get_u16(reader->bytes + reader->at);
    reader->at += 2;
    return 0;
}

int dns_read_header(struct dns_reader *reader, struct dns_header *header)
{
    const unsigned char *from = reader->bytes + reader->at;

    if (reader->size - reader->at < DNS_HEADER_SIZE)
        return bad();
    *header = (struct dns_header){get_u16(from),     get_u16(from + 2), get_u16(from + 4),
                                  get_u16(from + 6), get_u16(from + 8), get_u16(from + 10)};
    reader->at += DNS_HEADER_SIZE;
    return 0;
}

void dns_put_header(unsigned char to[DNS_HEADER_SIZE], const struct dns_header *header)
{
    dns_put_u16(to, header->id);
    dns_put_u16(to + 2, header->flags);
    dns_put_u16(to + 4, header->questions);
    dns_put_u16(to + 6, header->answers);
    dns_put_u16(to + 8, header->authorities);
    dns_put_u16(to + 10, header->additionals);
}

/* --- names ------------------------------------------------------------------------------------*/

/* Writes one byte of a label as text; returns behind it.  At most 4 bytes. */
static char *add_escaped(char *to, unsigned char byte)
{
    if (byte == '.' || byte == '\\') {
        *to++ = '\\';
        *to++ = (char) byte;
    } else if (byte > ' ' && byte < 127) {
        *to++ = (char) byte;
    } else {
        *to++ = '\\';
        *to++ = (char) ('0' + byte / 100);
        *to++ = (char) ('0' + byte / 10 % 10);
        *to++ = (char) ('0' + byte % 10);
    }
    return to;
}

/* Follows the pointer at *at, which must point to before `start`, the begin of the run of labels
 * that it ends: so names end. */
static int follow(const struct dns_reader *reader, size_t *at, size_t *start)
{
    if (reader->size - *at < 2)
        return bad();
    size_t target = get_u16(reader->bytes + *at) & 0x3fff;
    if (target >= *start)
        return bad();
    *at = *start = target;
    return 0;
}

/* Four bytes of text for each of at most 253 bytes in labels, dots instead of lengths: they fit in
 * DNS_NAME_TEXT. */
int dns_read_name(struct dns_reader *reader, char name[DNS_NAME_TEXT])
{
    size_t at = reader->at, start = at, end = 0, wire = 1;
    char *to = name;

    for (;;) {
        if (at >= reader->size)
            return bad();
        unsigned length = reader->bytes[at];
        if (length >= 0xc0) {
            if (end == 0)
                end = at + 2;
            if (follow(reader, &at, &start) < 0)
                return -1;
            continue;
        }
        at++;
        if (length == 0)
            break;
        wire += length + 1;
        if (length > LABEL_MAX || wire > DNS_NAME_WIRE || length > reader->size - at)
            return bad();
        if (to != name)
            *to++ = '.';
        for (; length > 0; length--)
            to = add_escaped(to, reader->bytes[at++]);
    }
    *to = 0;
    reader->at = end ? end : at;
    return 0;
}

/* The byte that is written as `\.`, `\DDD`, ... at *from (behind the backslash), which is moved
 * behind it; -1 if it is none. */
static int read_escape(const char **from)
{
    const char *at = *from;

    if (!*at)
        return -1;
    if (*at < '0' || *at > '9') {
        *from += 1;
        return (unsigned char) *at;
    }
    int value = 0;
    for (int i = 0; i < 3; i++, at++) {
        if (*at < '0' || *at > '9')
            return -1;
        value = value * 10 + (*at - '0');
    }
    *from = at;
    return value > 255 ? -1 : value;
}

/* Reads one label at *from, which is moved to what ended it (a dot or the end), to wire[1...] and
 * its length to wire[0].  At most `room` bytes.  Returns its length, 0 if it is none. */
static size_t label_to_wire(unsigned char *wire, size_t room, const char **from)
{
    size_t length = 0;

    while (**from && **from != '.') {
        int byte = (unsigned char) *(*from)++;

        if (byte == '\\')
            byte = read_escape(from);
        if (byte < 0 || length == LABEL_MAX || length + 1 >= room)
            return 0;
        wire[++length] = (unsigned char) byte;
    }
    if (length > 0)
        wire[0] = (unsigned char) length;
    return length;
}

size_t dns_name_to_wire(unsigned char wire[DNS_NAME_WIRE], const char *name)
{
    size_t size = 0;

    if (strcmp(name, ".") == 0)
        name++;
    while (*name) {
        size_t length = label_to_wire(wire + size, DNS_NAME_WIRE - 1 - size, &name);

        if (length == 0)
            return 0;
        size += length + 1;
        if (*name == '.')
            name++;
    }
    wire[size] = 0;
    return size + 1;
}

/* Without the dot that may end it. */
static size_t name_length(const char *name)
{
    size_t length = strlen(name);

    if (length > 0 && name[length - 1] == '.' && (length < 2 || name[length - 2] != '\\'))
        length--;
    return length;
}

bool dns_same_name(const char *a, const char *b)
{
    size_t length = name_length(a);

    return length == name_length(b) && strncasecmp(a, b, length) == 0;
}

/* --- questions and records --------------------------------------------------------------------*/

int dns_read_question(struct dns_reader *reader, struct dns_record *question)
{
    question->ttl = 0;
    question->data = question->size = 0;
    if (dns_read_name(reader, question->name) < 0 || dns_read_u16(reader, &question->type) < 0)
        return -1;
    return dns_read_u16(reader, &question->class);
}

int dns_read_record(struct dns_reader *reader, struct dns_record *record)
{
    uint16_t high, low, size;

    if (dns_read_question(reader, record) < 0 || dns_read_u16(reader, &high) < 0 ||
        dns_read_u16(reader, &low) < 0 || dns_read_u16(reader, &size) < 0)
        return -1;
    if (size > reader->size - reader->at)
        return bad();
    record->ttl = (uint32_t) high << 16 | low;
    record->data = reader->at;
    record->size = size;
    reader->at += size;
    return 0;
}

int dns_record_name(const struct dns_reader *reader, const struct dns_record *record, size_t skip,
                    char name[DNS_NAME_TEXT])
{
    struct dns_reader data = {reader->bytes, record->data + record->size, record->data + skip};

    if (record->size <= skip)
        return bad();
    if (dns_read_name(&data, name) < 0)
        return -1;
    return data.at == data.size ? 0 : bad();
}

size_t dns_write_query(unsigned char to[DNS_QUERY_SIZE], uint16_t id, const char *name,
                       uint16_t type)
{
    const struct dns_header header = {id, DNS_RD, 1, 0, 0, 0};
    size_t length = dns_name_to_wire(to + DNS_HEADER_SIZE, name);
    unsigned char *end = to + DNS_HEADER_SIZE + length;

    if (length == 0)
        return 0;
    dns_put_header(to, &header);
    dns_put_u16(end, type);
    dns_put_u16(end + 2, DNS_IN);
    return DNS_HEADER_SIZE + length + 4;
}
