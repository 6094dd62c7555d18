/* SPDX-License-Identifier: ISC */
/*
 * Where no network of its own can be had: the scenario's addresses stand for some of 127.0.0.0/8,
 * and its ports below 1024 for high ones (wire.h).  Programs see their own.  IPv6 sockets take IPv4
 * addresses (RFC 4291 2.5.5.2), so that both families have one number an address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sim/reality/preload/preload.h"

/* The number of the scenario's own address; -1: no machine has it. */
static int64_t number_of(const struct in6_addr *address)
{
    const struct wire_page *page = preload.page;
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(address);
    if (is_v4 ? address->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(address))
        return page->network + WIRE_LOOPBACK;
    for (uint32_t i = 0; i < page->address_count; i++)
        if (memcmp(page->addresses[i], address, sizeof *address) == 0)
            return page->network + WIRE_FIRST + i;
    return -1;
}

static struct in6_addr mapped(uint32_t v4)
{
    struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    v4 = htonl(v4);
    memcpy(&address.s6_addr[12], &v4, sizeof v4);
    return address;
}

static uint16_t port_out(uint16_t port)
{
    uint16_t number = ntohs(port);
    return number && number < WIRE_PORTS ? htons((uint16_t) (number + WIRE_PORT_SHIFT)) : port;
}

static uint16_t port_in(uint16_t port)
{
    uint16_t number = ntohs(port);
    return number > WIRE_PORT_SHIFT && number < WIRE_PORT_SHIFT + WIRE_PORTS
               ? htons((uint16_t) (number - WIRE_PORT_SHIFT))
               : port;
}

/* Of a program that does not say which: its machine's first. */
static void fill_any(struct in6_addr *address, int family)
{
    const char *own = getenv(family == AF_INET ? "NIXIE_REALITY_4" : "NIXIE_REALITY_6");
    struct in_addr v4;
    if (family == AF_INET) {
        *address =
            mapped(own && inet_pton(AF_INET, own, &v4) == 1 ? ntohl(v4.s_addr) : INADDR_LOOPBACK);
    } else if (!own || inet_pton(AF_INET6, own, address) != 1) {
        *address = in6addr_loopback;
    }
}

const struct sockaddr *address_out(const struct sockaddr *address, socklen_t size,
                                   struct sockaddr_storage *to)
{
    struct sockaddr_in *in = (struct sockaddr_in *) (void *) to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) (void *) to;
    if (!preload.page || !preload.page->network || !address || size > sizeof *to)
        return address;
    bool is_v4 = address->sa_family == AF_INET && size >= sizeof *in;
    if (!is_v4 && (address->sa_family != AF_INET6 || size < sizeof *in6))
        return address;
    memcpy(to, address, size);
    struct in6_addr own = is_v4 ? mapped(ntohl(in->sin_addr.s_addr)) : in6->sin6_addr;
    if (is_v4 ? in->sin_addr.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&own))
        fill_any(&own, address->sa_family);
    int64_t number = number_of(&own);
    if (number < 0) {
        errno = ENETUNREACH;
        return NULL;
    }
    if (is_v4) {
        in->sin_addr.s_addr = htonl((uint32_t) number);
        in->sin_port = port_out(in->sin_port);
    } else {
        in6->sin6_addr = mapped((uint32_t) number);
        in6->sin6_port = port_out(in6->sin6_port);
        in6->sin6_scope_id = 0;
    }
    return (const struct sockaddr *) to;
}

/* The scenario's address of that number; false: it is none of this run. */
static bool own_of(uint32_t number, bool v6, struct in6_addr *own)
{
    const struct wire_page *page = preload.page;
    if (number == page->network + WIRE_LOOPBACK)
        *own = v6 ? in6addr_loopback : mapped(INADDR_LOOPBACK);
    else if (number >= page->network + WIRE_FIRST &&
             number < page->network + WIRE_FIRST + page->address_count)
        memcpy(own, page->addresses[number - page->network - WIRE_FIRST], sizeof *own);
    else
        return false;
    return true;
}

void address_in(struct sockaddr *address, socklen_t size)
{
    struct sockaddr_in *in = (struct sockaddr_in *) (void *) address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) (void *) address;
    struct in6_addr own;
    uint32_t number;
    if (!preload.page || !preload.page->network || !address)
        return;
    if (size >= sizeof *in && address->sa_family == AF_INET) {
        if (own_of(ntohl(in->sin_addr.s_addr), false, &own)) {
            memcpy(&in->sin_addr, &own.s6_addr[12], sizeof in->sin_addr);
            in->sin_port = port_in(in->sin_port);
        }
    } else if (size >= sizeof *in6 && address->sa_family == AF_INET6 &&
               IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        memcpy(&number, &in6->sin6_addr.s6_addr[12], sizeof number);
        if (own_of(ntohl(number), true, &own)) {
            in6->sin6_addr = own;
            in6->sin6_port = port_in(in6->sin6_port);
        }
    }
}

bool address_is_rewritten(void)
{
    return preload.page && preload.page->network;
}
