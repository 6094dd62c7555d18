/* SPDX-License-Identifier: ISC */
/*
 * A run without a network of its own: a part of 127.0.0.0/8, whose addresses and high ports stand
 * for the scenario's.  Runs at the same time have different parts: a socket that is bound there
 * holds it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/reality/reality.h"

#define HOLD_PORT 31999
#define PARTS (1u << (24 - WIRE_NETWORK_BITS))

static int holder = -1;
static uint32_t network;

/* A socket that is bound in that part; -1 with errno. */
static int hold(uint32_t part)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(HOLD_PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

    address.sin_addr.s_addr = htonl(part + WIRE_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

int loopback_renew(void)
{
    uint32_t start = (uint32_t) getpid() * 61 + (uint32_t) (network >> WIRE_NETWORK_BITS);
    int next = -1;

    for (uint32_t i = 1; i < PARTS && next < 0; i++) {
        uint32_t part = (start + i) % PARTS;

        if (part < 64) /* what others may use: 127.0.0.0/16 */
            continue;
        network = (uint32_t) 127 << 24 | part << WIRE_NETWORK_BITS;
        next = hold(network);
        if (next < 0 && errno != EADDRINUSE)
            return -1;
    }
    if (holder >= 0)
        close(holder);
    holder = next;
    return next < 0 ? -1 : 0;
}

const char *loopback_lacks(void)
{
    return loopback_renew() < 0 ? "addresses of 127.0.0.0/8 cannot be had" : NULL;
}

bool loopback_has_v6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int loopback_add_address(struct wire_page *page, const char *text)
{
    uint8_t *to;
    uint8_t address[16] = {[10] = 0xff, [11] = 0xff};

    if (!page || page->address_count == WIRE_ADDRESSES) {
        errno = ENOSPC;
        return -1;
    }
    if (inet_pton(AF_INET, text, address + 12) != 1 && inet_pton(AF_INET6, text, address) != 1) {
        errno = EINVAL;
        return -1;
    }
    to = page->addresses[page->address_count++];
    memcpy(to, address, sizeof address);
    page->network = network;
    return 0;
}
