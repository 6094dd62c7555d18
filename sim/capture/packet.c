/* SPDX-License-Identifier: ISC */
/* RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443. */
#include <string.h>

#include "sim/capture/packet.h"

#define V4_HEADER 20
#define V6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define TTL 64
#define DO_NOT_FRAGMENT 0x4000
#define MORE_FRAGMENTS 0x2000
#define FRAGMENT_HEADER 8 /* of IPv6: a header of its own */
#define FRAGMENT 44

bool packet_is_v4(const struct net_name *name)
{
    return IN6_IS_ADDR_V4MAPPED(&name->address);
}

size_t packet_header_size(const struct net_name *source)
{
    return packet_is_v4(source) ? V4_HEADER : V6_HEADER;
}

static void put16(unsigned char *to, unsigned number)
{
    to[0] = (unsigned char) (number >> 8);
    to[1] = (unsigned char) number;
}

static void put32(unsigned char *to, uint32_t number)
{
    put16(to, number >> 16);
    put16(to + 2, number & 0xffff);
}

/* --- checksums (RFC 1071) ----------------------------------------------------------------------*/

/* Sums in the byte order of the machine, which the folded sum keeps. */
static uint64_t add(uint64_t sum, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t word = 0;

    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        memcpy(&word, at, sizeof word);
        sum += word;
    }
    word = 0;
    memcpy(&word, at, size);
    return sum + word;
}

/* Writes the checksum of that sum. */
static void put_sum(unsigned char *to, uint64_t sum)
{
    uint16_t folded;

    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    folded = (uint16_t) ~sum;
    memcpy(to, &folded, sizeof folded);
}

/* The pseudo-header of a transport's checksum (RFC 9293 3.1, RFC 8200 8.1). */
static uint64_t pseudo_header(const struct net_name *source, const struct net_name *target,
                              uint8_t protocol, size_t size)
{
    size_t skip = packet_is_v4(source) ? 12 : 0;
    unsigned char rest[8] = {[7] = protocol};
    uint64_t sum;

    put32(rest, (uint32_t) size);
    sum = add(0, source->address.s6_addr + skip, 16 - skip);
    sum = add(sum, target->address.s6_addr + skip, 16 - skip);
    return add(sum, rest, sizeof rest);
}

/* --- transports --------------------------------------------------------------------------------*/

static size_t put_options(unsigned char *to, const struct tcp_fields *fields)
{
    if (fields->mss == 0)
        return 0;
    to[0] = 2; /* maximum segment size */
    to[1] = 4;
    put16(to + 2, fields->mss);
    to[4] = 1; /* no operation */
    to[5] = 3; /* window scale */
    to[6] = 3;
    to[7] = fields->shift;
    return 8;
}

size_t packet_tcp(unsigned char *to, const struct net_name *source, const struct net_name *target,
                  const struct tcp_fields *fields, const void *data, size_t size)
{
    size_t header = TCP_HEADER + put_options(to + TCP_HEADER, fields);

    put16(to, source->port);
    put16(to + 2, target->port);
    put32(to + 4, fields->sequence);
    put32(to + 8, fields->acknowledgement);
    to[12] = (unsigned char) (header / 4 << 4);
    to[13] = fields->flags;
    put16(to + 14, fields->window);
    put32(to + 16, 0);
    if (size > 0)
        memcpy(to + header, data, size);
    put_sum(to + 16,
            add(pseudo_header(source, target, PACKET_TCP, header + size), to, header + size));
    return header + size;
}

size_t packet_udp(unsigned char *to, const struct net_name *source, const struct net_name *target,
                  const void *data, size_t size)
{
    size_t whole = UDP_HEADER + size;

    put16(to, source->port);
    put16(to + 2, target->port);
    put16(to + 4, (unsigned) whole);
    put16(to + 6, 0);
    if (size > 0)
        memcpy(to + UDP_HEADER, data, size);
    put_sum(to + 6, add(pseudo_header(source, target, PACKET_UDP, whole), to, whole));
    if (to[6] == 0 && to[7] == 0)
        put16(to + 6, 0xffff); /* 0 would mean: none */
    return whole;
}

size_t packet_unreachable(unsigned char *to, const struct net_name *source,
                          const struct net_name *target, bool port, const void *quoted, size_t size)
{
    bool v4 = packet_is_v4(source);
    size_t most = v4 ? 576 - V4_HEADER - ICMP_HEADER : 1280 - V6_HEADER - ICMP_HEADER;
    size_t part = size < most ? size : most;

    memset(to, 0, ICMP_HEADER);
    to[0] = v4 ? 3 : 1;
    to[1] = v4 ? (port ? 3 : 1) : (port ? 4 : 3);
    memcpy(to + ICMP_HEADER, quoted, part);
    part += ICMP_HEADER;
    put_sum(to + 2, add(v4 ? 0 : pseudo_header(source, target, PACKET_ICMP6, part), to, part));
    return part;
}

/* --- IP ----------------------------------------------------------------------------------------*/

static void put_v4(unsigned char *to, const struct net_name *source, const struct net_name *target,
                   uint8_t protocol, const struct packet_part *part, size_t size)
{
    memset(to, 0, V4_HEADER);
    to[0] = 0x45;
    put16(to + 2, (unsigned) (V4_HEADER + size));
    if (part) {
        put16(to + 4, part->identification & 0xffff);
        put16(to + 6, (unsigned) (part->offset / 8) | (part->more ? MORE_FRAGMENTS : 0));
    } else {
        put16(to + 6, DO_NOT_FRAGMENT); /* and no identification (RFC 6864 4.1) */
    }
    to[8] = TTL;
    to[9] = protocol;
    memcpy(to + 12, source->address.s6_addr + 12, 4);
    memcpy(to + 16, target->address.s6_addr + 12, 4);
    put_sum(to + 10, add(0, to, V4_HEADER));
}

static void put_v6(unsigned char *to, const struct net_name *source, const struct net_name *target,
                   uint8_t next, size_t size)
{
    put32(to, 0x60000000);
    put16(to + 4, (unsigned) size);
    to[6] = next;
    to[7] = TTL;
    memcpy(to + 8, source->address.s6_addr, 16);
    memcpy(to + 24, target->address.s6_addr, 16);
}

static size_t put_v6_fragment(unsigned char *to, uint8_t next, const struct packet_part *part)
{
    memset(to, 0, FRAGMENT_HEADER);
    to[0] = next;
    put16(to + 2, (unsigned) part->offset | (part->more ? 1 : 0));
    put32(to + 4, part->identification);
    return FRAGMENT_HEADER;
}

size_t packet_ip_part(unsigned char *to, const struct net_name *source,
                      const struct net_name *target, uint8_t protocol,
                      const struct packet_part *part, const void *content, size_t size)
{
    size_t header = packet_header_size(source);

    if (packet_is_v4(source)) {
        put_v4(to, source, target, protocol, part, size);
    } else if (part) {
        put_v6(to, source, target, FRAGMENT, FRAGMENT_HEADER + size);
        header += put_v6_fragment(to + header, protocol, part);
    } else {
        put_v6(to, source, target, protocol, size);
    }
    if (content != to + header)
        memcpy(to + header, content, size);
    return header + size;
}

size_t packet_ip(unsigned char *to, const struct net_name *source, const struct net_name *target,
                 uint8_t protocol, const void *content, size_t size)
{
    return packet_ip_part(to, source, target, protocol, NULL, content, size);
}
