/* SPDX-License-Identifier: ISC */
#include "sim/actors/lib/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "mta/lib/io.h"

#define BACKLOG 128

struct endpoint endpoint_read(struct config *config, unsigned port_least)
{
    struct endpoint endpoint = {.size = 0};
    const char *text = config_word(config, "an address");
    uint16_t port = htons((uint16_t) config_number(config, port_least, 65535));

    if (inet_pton(AF_INET, text, &endpoint.address.v4.sin_addr) == 1) {
        endpoint.address.v4.sin_family = AF_INET;
        endpoint.address.v4.sin_port = port;
        endpoint.size = sizeof endpoint.address.v4;
        return endpoint;
    }
    memset(&endpoint, 0, sizeof endpoint);
    if (inet_pton(AF_INET6, text, &endpoint.address.v6.sin6_addr) == 1) {
        endpoint.address.v6.sin6_family = AF_INET6;
        endpoint.address.v6.sin6_port = port;
        endpoint.size = sizeof endpoint.address.v6;
    } else {
        config_fail(config, "this is no IPv4 or IPv6 address: ", text);
    }
    return endpoint;
}

const char *endpoint_text(const struct endpoint *endpoint, char to[ENDPOINT_TEXT])
{
    const void *bytes = endpoint->address.any.sa_family == AF_INET6
                            ? (const void *) &endpoint->address.v6.sin6_addr
                            : (const void *) &endpoint->address.v4.sin_addr;

    if (!inet_ntop(endpoint->address.any.sa_family, bytes, to, ENDPOINT_TEXT))
        memcpy(to, "?", 2);
    return to;
}

unsigned endpoint_port(const struct endpoint *endpoint)
{
    return ntohs(endpoint->address.any.sa_family == AF_INET6 ? endpoint->address.v6.sin6_port
                                                             : endpoint->address.v4.sin_port);
}

static int new_socket(const struct endpoint *endpoint)
{
    return socket(endpoint->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Closes and keeps errno. */
static int give_up(int fd)
{
    int error = errno;

    io_close(&fd);
    errno = error;
    return -1;
}

int endpoint_listen(struct endpoint *endpoint)
{
    int on = 1, fd = new_socket(endpoint);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return give_up(fd);
    if (endpoint->address.any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return give_up(fd);
    if (bind(fd, &endpoint->address.any, endpoint->size) < 0 || listen(fd, BACKLOG) < 0)
        return give_up(fd);
    if (getsockname(fd, &endpoint->address.any, &endpoint->size) < 0)
        return give_up(fd);
    return fd;
}

int endpoint_connect(const struct endpoint *endpoint)
{
    int fd = new_socket(endpoint);

    if (fd < 0)
        return -1;
    if (connect(fd, &endpoint->address.any, endpoint->size) < 0 && errno != EINPROGRESS)
        return give_up(fd);
    return fd;
}

void endpoint_reset(int *fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (*fd >= 0)
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    io_close(fd);
}
