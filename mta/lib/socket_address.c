/* SPDX-License-Identifier: ISC */
#include "mta/lib/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/num.h"

#define V4_PREFIX 96 /* bits in front of an IPv4 address that is mapped */

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Copies a counted text that is no longer than an address; -1 if it is, or holds a NUL. */
static int copy_text(char to[SOCKET_ADDRESS_SIZE], const char *text, size_t size)
{
    if (size >= SOCKET_ADDRESS_SIZE || memchr(text, 0, size))
        return -1;
    memcpy(to, text, size);
    to[size] = 0;
    return 0;
}

static int parse_port(const char *text, size_t size, in_port_t *port)
{
    uint64_t number;
    if (num_parse(text, size, &number) < 0 || number > 65535)
        return -1;
    *port = htons((uint16_t) number);
    return 0;
}

static int parse_v6(const char *text, size_t size, struct sockaddr_in6 *address)
{
    char host[SOCKET_ADDRESS_SIZE];
    const char *end = memchr(text, ']', size);
    if (!end || (size_t) (end - text) + 2 > size || end[1] != ':' ||
        copy_text(host, text + 1, (size_t) (end - text) - 1) < 0)
        return -1;
    address->sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host, &address->sin6_addr) != 1)
        return -1;
    size_t before = (size_t) (end - text) + 2;
    return parse_port(text + before, size - before, &address->sin6_port);
}

static int parse_v4(const char *text, size_t size, struct sockaddr_in *address)
{
    char host[SOCKET_ADDRESS_SIZE];
    const char *colon = memchr(text, ':', size);
    if (!colon || copy_text(host, text, (size_t) (colon - text)) < 0)
        return -1;
    address->sin_family = AF_INET;
    if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
        return -1;
    size_t before = (size_t) (colon - text) + 1;
    return parse_port(text + before, size - before, &address->sin_port);
}

int socket_address_parse(const char *text, size_t size, struct sockaddr_storage *address,
                         socklen_t *length)
{
    memset(address, 0, sizeof *address);
    if (size > 0 && text[0] == '[') {
        *length = sizeof(struct sockaddr_in6);
        return parse_v6(text, size, (struct sockaddr_in6 *) address);
    }
    *length = sizeof(struct sockaddr_in);
    return size > 0 ? parse_v4(text, size, (struct sockaddr_in *) address) : -1;
}

void socket_address_bytes(const struct sockaddr_storage *address, unsigned char to[16])
{
    memset(to, 0, 16);
    if (address->ss_family == AF_INET) {
        memcpy(to, mapped, sizeof mapped);
        memcpy(to + 12, &((const struct sockaddr_in *) address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        memcpy(to, &((const struct sockaddr_in6 *) address)->sin6_addr, 16);
    }
}

unsigned socket_address_port(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *) address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *) address)->sin6_port);
    return 0;
}

static bool is_v4(const unsigned char bytes[16])
{
    return memcmp(bytes, mapped, sizeof mapped) == 0;
}

size_t socket_address_format_host(char to[SOCKET_ADDRESS_SIZE],
                                  const struct sockaddr_storage *address)
{
    unsigned char bytes[16];
    const char *text = NULL;
    socket_address_bytes(address, bytes);
    if (is_v4(bytes))
        text = inet_ntop(AF_INET, bytes + 12, to, SOCKET_ADDRESS_SIZE);
    else if (address->ss_family == AF_INET6)
        text = inet_ntop(AF_INET6, bytes, to, SOCKET_ADDRESS_SIZE);
    if (!text)
        strcpy(to, "unknown");
    return strlen(to);
}

size_t socket_address_format(char to[SOCKET_ADDRESS_SIZE], const struct sockaddr_storage *address)
{
    char host[SOCKET_ADDRESS_SIZE];
    socket_address_format_host(host, address);
    bool known = address->ss_family == AF_INET || address->ss_family == AF_INET6;
    int length = 0;
    if (!known)
        length = snprintf(to, SOCKET_ADDRESS_SIZE, "unknown");
    else
        length = snprintf(to, SOCKET_ADDRESS_SIZE, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
                          socket_address_port(address));
    return (size_t) length;
}

/* The network's address and how many bits of it count, of 128. */
static int parse_network(const char *text, size_t size, unsigned char bytes[16], unsigned *bits)
{
    char host[SOCKET_ADDRESS_SIZE];
    const char *slash = size ? memchr(text, '/', size) : NULL;
    size_t host_size = slash ? (size_t) (slash - text) : size;
    uint64_t number = 128;
    if (copy_text(host, text, host_size) < 0)
        return -1;
    memcpy(bytes, mapped, sizeof mapped);
    bool v4 = inet_pton(AF_INET, host, bytes + 12) == 1;
    if (!v4 && inet_pton(AF_INET6, host, bytes) != 1)
        return -1;
    if (slash) {
        if (num_parse(slash + 1, size - host_size - 1, &number) < 0 || number > (v4 ? 32 : 128))
            return -1;
        number += v4 ? V4_PREFIX : 0;
    }
    *bits = (unsigned) number;
    return 0;
}

bool socket_address_in(const unsigned char bytes[16], const char *network, size_t size)
{
    unsigned char wanted[16];
    unsigned bits;
    if (parse_network(network, size, wanted, &bits) < 0)
        return false;
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(bytes, wanted, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ wanted[whole]) >> (8 - rest) == 0;
}

int socket_address_parse_host(const char *text, size_t size, struct sockaddr_storage *address)
{
    char host[SOCKET_ADDRESS_SIZE];
    struct sockaddr_in *four = (struct sockaddr_in *) address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *) address;
    memset(address, 0, sizeof *address);
    if (copy_text(host, text, size) < 0)
        return -1;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        address->ss_family = AF_INET;
        return 0;
    }
    unsigned char bytes[16];
    if (inet_pton(AF_INET6, host, bytes) != 1)
        return -1;
    if (is_v4(bytes)) {
        address->ss_family = AF_INET;
        memcpy(&four->sin_addr, bytes + 12, 4);
    } else {
        address->ss_family = AF_INET6;
        memcpy(&six->sin6_addr, bytes, 16);
    }
    return 0;
}

int socket_address_parse_literal(const char *text, size_t size, struct sockaddr_storage *address)
{
    static const char tag[] = "IPv6:";
    const size_t tag_size = sizeof tag - 1;
    if (size < 3 || text[0] != '[' || text[size - 1] != ']')
        return -1;
    text++;
    size -= 2;
    bool tagged = size > tag_size && strncasecmp(text, tag, tag_size) == 0;
    if (!tagged)
        return socket_address_parse_host(text, size, address);
    if (!memchr(text + tag_size, ':', size - tag_size))
        return -1;
    return socket_address_parse_host(text + tag_size, size - tag_size, address);
}

void socket_address_set_port(struct sockaddr_storage *address, unsigned port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *) address)->sin6_port = htons((uint16_t) port);
    else
        ((struct sockaddr_in *) address)->sin_port = htons((uint16_t) port);
}

socklen_t socket_address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

bool socket_address_is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    unsigned char bytes_a[16], bytes_b[16];
    socket_address_bytes(a, bytes_a);
    socket_address_bytes(b, bytes_b);
    return memcmp(bytes_a, bytes_b, sizeof bytes_a) == 0;
}

bool socket_address_is_any(const struct sockaddr_storage *address)
{
    static const unsigned char zeros[16];
    unsigned char bytes[16];
    socket_address_bytes(address, bytes);
    return memcmp(is_v4(bytes) ? bytes + 12 : bytes, zeros, is_v4(bytes) ? 4 : 16) == 0;
}

bool socket_address_is_loopback(const struct sockaddr_storage *address)
{
    static const unsigned char one[16] = {[15] = 1};
    unsigned char bytes[16];
    socket_address_bytes(address, bytes);
    if (is_v4(bytes))
        return bytes[12] == 127 || bytes[12] == 0;
    return memcmp(bytes, one, sizeof one) == 0 || socket_address_is_any(address);
}
