/* SPDX-License-Identifier: ISC */
/*
 * Packets as they are on the wire: IPv4 or IPv6 with TCP, UDP or ICMP in it, all lengths and
 * checksums right.  The family is that of the addresses: IPv4 ones are ::ffff:a.b.c.d.
 *
 * None of these functions fails.  What is written goes to a buffer of the caller; the value is its
 * size in bytes.
 */
#ifndef SIM_CAPTURE_PACKET_H
#define SIM_CAPTURE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/kernel/net.h"

#define PACKET_MAX 65600 /* an IPv6 header (40), a fragment header (8), 65535 bytes; rounded up */

enum { PACKET_ICMP = 1, PACKET_TCP = 6, PACKET_UDP = 17, PACKET_ICMP6 = 58 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

/* RFC 9293 3.1 */
struct tcp_fields {
    uint32_t sequence, acknowledgement;
    uint8_t flags;
    uint16_t window; /* as it is written, scaled */
    uint16_t mss;    /* an option of SYNs; 0: none */
    uint8_t shift;   /* RFC 7323 2.2, written with mss */
};

bool packet_is_v4(const struct net_name *name);

/* What goes behind the IP header: at most 20 + 12 + `size` bytes for TCP, 8 + `size` for UDP.  Of
 * UDP `size` is at most 65527.  `data` may be NULL if `size` is 0. */
size_t packet_tcp(unsigned char *to, const struct net_name *source, const struct net_name *target,
                  const struct tcp_fields *fields, const void *data, size_t size);
size_t packet_udp(unsigned char *to, const struct net_name *source, const struct net_name *target,
                  const void *data, size_t size);
/* The report (RFC 792, RFC 4443 3.1) that a packet could not be delivered, `quoted` being that
 * packet from its IP header on; as much of it is quoted as the report may hold (576 bytes of IPv4,
 * 1280 of IPv6).  `port`: nobody listens there; else the host cannot be reached. */
size_t packet_unreachable(unsigned char *to, const struct net_name *source,
                          const struct net_name *target, bool port, const void *quoted,
                          size_t size);

/* Puts an IP header before `size` bytes of that protocol, which may lie in `to` already, at
 * packet_header_size. */
size_t packet_ip(unsigned char *to, const struct net_name *source, const struct net_name *target,
                 uint8_t protocol, const void *content, size_t size);
size_t packet_header_size(const struct net_name *source); /* 20 or 40 */

/* The same for a part of the content, as a fragment with that identification: `offset` is a
 * multiple of 8, and `part` is one, too, if `more` follows. */
struct packet_part {
    uint32_t identification;
    size_t offset;
    bool more;
};
size_t packet_ip_part(unsigned char *to, const struct net_name *source,
                      const struct net_name *target, uint8_t protocol,
                      const struct packet_part *part, const void *content, size_t size);

#endif
