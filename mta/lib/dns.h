/* SPDX-License-Identifier: ISC */
/*
 * DNS messages as they are on the wire (RFC 1035 4): reading them, and the parts that are written.
 * No I/O.  The bytes may be anything; nothing is read outside of them, and compressed names end.
 *
 * A name as text is as in master files (RFC 1035 5.1): labels with dots between them and none at
 * the end, "" the root; a dot or backslash in a label is `\.`, `\\`, any byte that is no printable
 * ASCII `\DDD`.
 */
#ifndef MTA_LIB_DNS_H
#define MTA_LIB_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_WIRE 255 /* bytes of a name at most, RFC 1035 2.3.4 */
#define DNS_NAME_TEXT 1024
#define DNS_HEADER_SIZE 12
#define DNS_MESSAGE_MAX 65535
#define DNS_UDP_SIZE 512 /* without EDNS, RFC 1035 4.2.1 */

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_OPT = 41,
    DNS_ANY = 255
};
#define DNS_IN 1 /* the one class */

enum dns_code {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5
};

/* Bits of the header's flags. */
#define DNS_QR 0x8000
#define DNS_OPCODE 0x7800
#define DNS_AA 0x0400
#define DNS_TC 0x0200
#define DNS_RD 0x0100
#define DNS_RA 0x0080
#define DNS_CODE 0x000f

struct dns_header {
    uint16_t id;
    uint16_t flags;
    uint16_t questions;
    uint16_t answers;
    uint16_t authorities;
    uint16_t additionals;
};

struct dns_record { /* or a question, which has no more than name, type and class */
    char name[DNS_NAME_TEXT];
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    size_t data; /* where its data begin in the message */
    size_t size; /* of its data */
};

/* A message that is read from front to end. */
struct dns_reader {
    const unsigned char *bytes;
    size_t size;
    size_t at;
};

/* All return 0, or -1 with EBADMSG if the message is cut or wrong there. */
int dns_read_header(struct dns_reader *reader, struct dns_header *header);
int dns_read_question(struct dns_reader *reader, struct dns_record *question);
int dns_read_record(struct dns_reader *reader, struct dns_record *record);
int dns_read_name(struct dns_reader *reader, char name[DNS_NAME_TEXT]);
int dns_read_u16(struct dns_reader *reader, uint16_t *number);
/* The name that is all of a record's data behind the first `skip` bytes (CNAME, NS, PTR: 0; MX: 2,
 * its preference). */
int dns_record_name(const struct dns_reader *reader, const struct dns_record *record, size_t skip,
                    char name[DNS_NAME_TEXT]);

/* Turns a text, with or without a dot at its end, into a name on the wire, not compressed.  Returns
 * its length (1 to 255), or 0 if it is no name: an empty or too long label, too long in all, a
 * backslash before nothing that it escapes. */
size_t dns_name_to_wire(unsigned char wire[DNS_NAME_WIRE], const char *name);

/* True if both are the same name: ASCII case does not matter, nor a dot at the end. */
bool dns_same_name(const char *a, const char *b);

/* Writes a query with one question, recursion desired; at most DNS_QUERY_SIZE bytes.  Returns its
 * size, 0 if `name` is no name. */
#define DNS_QUERY_SIZE (DNS_HEADER_SIZE + DNS_NAME_WIRE + 4)
size_t dns_write_query(unsigned char to[DNS_QUERY_SIZE], uint16_t id, const char *name,
                       uint16_t type);

void dns_put_u16(unsigned char *to, uint16_t number);
void dns_put_header(unsigned char to[DNS_HEADER_SIZE], const struct dns_header *header);

#endif
