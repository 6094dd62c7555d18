/* SPDX-License-Identifier: ISC */
/* Socket addresses, decoded.  IPv4 addresses are held as ::ffff:a.b.c.d. */
#include <errno.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define SIZE_V6_OLD 24 /* RFC 2133: without the scope */

static const unsigned char mapped_head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool name_is_mapped(const struct in6_addr *address)
{
    return memcmp(address->s6_addr, mapped_head, sizeof mapped_head) == 0;
}

bool name_is_any(const struct in6_addr *address)
{
    static const unsigned char zeros[16];
    if (name_is_mapped(address))
        return memcmp(address->s6_addr + 12, zeros, 4) == 0;
    return memcmp(address->s6_addr, zeros, 16) == 0;
}

bool name_is_loopback(const struct in6_addr *address)
{
    static const unsigned char one[16] = {[15] = 1};
    if (name_is_mapped(address))
        return address->s6_addr[12] == 127;
    return memcmp(address->s6_addr, one, 16) == 0;
}

bool name_is_multicast(const struct in6_addr *address)
{
    static const unsigned char ones[4] = {255, 255, 255, 255};
    if (!name_is_mapped(address))
        return address->s6_addr[0] == 0xff;
    return (address->s6_addr[12] & 0xf0) == 0xe0 || memcmp(address->s6_addr + 12, ones, 4) == 0;
}

bool name_same_address(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool name_same(const struct net_name *a, const struct net_name *b)
{
    return a->port == b->port && name_same_address(&a->address, &b->address);
}

static struct in6_addr mapped(const void *v4)
{
    struct in6_addr address = {0};
    memcpy(address.s6_addr, mapped_head, sizeof mapped_head);
    memcpy(address.s6_addr + 12, v4, 4);
    return address;
}

struct in6_addr name_any(int family)
{
    static const unsigned char zeros[4];
    struct in6_addr address;
    memset(&address, 0, sizeof address);
    return family == AF_INET ? mapped(zeros) : address;
}

void name_resolve_any(struct net_name *name)
{
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    if (!name_is_any(&name->address))
        return;
    if (name_is_mapped(&name->address))
        name->address = mapped(loopback);
    else
        name->address.s6_addr[15] = 1;
}

int name_read(int family, const struct sockaddr *address, socklen_t size, struct net_name *name)
{
    if (size < (family == AF_INET ? sizeof(struct sockaddr_in) : SIZE_V6_OLD))
        return -EINVAL;
    if (address->sa_family != family)
        return -EAFNOSUPPORT;
    if (family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        name->address = mapped(&v4.sin_addr);
        name->port = ntohs(v4.sin_port);
        return 0;
    }
    struct sockaddr_in6 v6;
    memset(&v6, 0, sizeof v6);
    memcpy(&v6, address, size < sizeof v6 ? size : sizeof v6);
    name->address = v6.sin6_addr;
    name->port = ntohs(v6.sin6_port);
    return 0;
}

socklen_t name_write(int family, const struct net_name *name, struct sockaddr_storage *to)
{
    if (family == AF_INET) {
        struct sockaddr_in v4;
        memset(&v4, 0, sizeof v4);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(name->port);
        memcpy(&v4.sin_addr, name->address.s6_addr + 12, 4);
        memcpy(to, &v4, sizeof v4);
        return sizeof v4;
    }
    struct sockaddr_in6 v6;
    memset(&v6, 0, sizeof v6);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(name->port);
    v6.sin6_addr = name->address;
    memcpy(to, &v6, sizeof v6);
    return sizeof v6;
}
