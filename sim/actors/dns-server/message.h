/* SPDX-License-Identifier: ISC */
/* Writes a DNS message with compressed names (RFC 1035 4.1.4). */
#ifndef SIM_ACTORS_DNS_SERVER_MESSAGE_H
#define SIM_ACTORS_DNS_SERVER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "mta/lib/dns.h"
#include "sim/actors/dns-server/data.h"

#define MESSAGE_NAMES_MAX 512

struct message {
    unsigned char bytes[DNS_MESSAGE_MAX];
    size_t size;
    size_t limit; /* of size; what does not fit sets `full` and leaves no trace */
    bool full;
    struct dns_header header;          /* written by message_end */
    uint16_t names[MESSAGE_NAMES_MAX]; /* where names, and names within them, begin */
    size_t name_count;
};

enum message_section { MESSAGE_ANSWER, MESSAGE_AUTHORITY };

/* Begins a message of at most `limit` bytes with that header (its counts do not matter). */
void message_begin(struct message *message, size_t limit, uint16_t id, uint16_t flags);
/* Adds the question as it was asked: `size` bytes that begin with its name (not compressed). */
void message_add_question(struct message *message, const unsigned char *bytes, size_t size);
/* Adds a record; `name` is its owner, as text, which may differ from the record's in case. */
void message_add_record(struct message *message, enum message_section section, const char *name,
                        const struct record_entry *entry);
/* Adds an OPT record (RFC 6891 6.1): the largest message that is taken over UDP, the upper bits of
 * the code. */
void message_add_opt(struct message *message, uint16_t udp_size, unsigned upper_code);
/* Writes the header; the message is whole. */
void message_end(struct message *message);

#endif
