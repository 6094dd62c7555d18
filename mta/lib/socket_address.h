/* SPDX-License-Identifier: ISC */
/* Internet addresses of sockets as text, and compared.  No I/O, no allocation. */
#ifndef MTA_LIB_SOCKET_ADDRESS_H
#define MTA_LIB_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SOCKET_ADDRESS_SIZE 56 /* the longest "[ADDRESS]:PORT" and a NUL */

/* Reads "192.0.2.1:25" or "[2001:db8::1]:25" (`size` bytes).  *length gets the size for bind and
 * connect.  Returns 0, or -1 if it is neither. */
int socket_address_parse(const char *text, size_t size, struct sockaddr_storage *address,
                         socklen_t *length);

/* The address as socket_address_parse reads it, NUL-terminated; what is no internet address is
 * "unknown".  Returns its length. */
size_t socket_address_format(char to[SOCKET_ADDRESS_SIZE], const struct sockaddr_storage *address);

/* The same without port and brackets; an IPv4 address that came to an IPv6 socket as IPv4. */
size_t socket_address_format_host(char to[SOCKET_ADDRESS_SIZE],
                                  const struct sockaddr_storage *address);

/* The port, 0 if there is none. */
unsigned socket_address_port(const struct sockaddr_storage *address);

/* The bytes of an address without its port: 16, an IPv4 address mapped (RFC 4291 2.5.5.2).  Of
 * others all zero. */
void socket_address_bytes(const struct sockaddr_storage *address, unsigned char to[16]);

/* Reads "ADDRESS" or "ADDRESS/BITS" (`size` bytes) and tells whether `bytes` (of
 * socket_address_bytes) is in that network.  False also if the text is no address. */
bool socket_address_in(const unsigned char bytes[16], const char *network, size_t size);

/* Reads "192.0.2.1" or "2001:db8::1" (`size` bytes), port 0; an IPv4 address that is written inside
 * IPv6 (::ffff:192.0.2.1) is the IPv4 one.  Returns 0, or -1 if it is neither. */
int socket_address_parse_host(const char *text, size_t size, struct sockaddr_storage *address);

/* Reads an address literal, `size` bytes: "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3), and
 * also "[2001:db8::1]"; port 0.  Returns 0, or -1 if it is none. */
int socket_address_parse_literal(const char *text, size_t size, struct sockaddr_storage *address);

void socket_address_set_port(struct sockaddr_storage *address, unsigned port);

/* The size of the sockaddr inside, for connect and bind. */
socklen_t socket_address_length(const struct sockaddr_storage *address);

/* True if both are the same host, whatever the ports. */
bool socket_address_is_same_host(const struct sockaddr_storage *a,
                                 const struct sockaddr_storage *b);

/* True for 0.0.0.0 and ::. */
bool socket_address_is_any(const struct sockaddr_storage *address);

/* True for addresses that mean the machine itself everywhere: 127.0.0.0/8, ::1, 0.0.0.0/8, ::. */
bool socket_address_is_loopback(const struct sockaddr_storage *address);

#endif
