/* SPDX-License-Identifier: ISC */
/*
 * Paths of the network that take time.  The clock stands while bytes go over the real one, so it is
 * the sender who waits: as long as its bytes take at the path's rate, and the delay of the path
 * when it is its turn to speak.  What is sent on and on arrives as it does in a stream.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

static int option(int fd, int name)
{
    int value = 0;
    socklen_t size = sizeof value;
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

static bool is_internet(int fd)
{
    int family = option(fd, SO_DOMAIN);
    return family == AF_INET || family == AF_INET6;
}

static bool takes_time(void)
{
    return preload.fd >= 0 && preload.page && preload.page->takes_time;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET
                     ? ((const struct sockaddr_in *) (const void *) address)->sin_port
                     : ((const struct sockaddr_in6 *) (const void *) address)->sin6_port);
}

/* The side with the lower port is the one that was there first. */
static bool has_listened(int fd, const struct sockaddr_storage *other)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    return syscall(SYS_getsockname, fd, &own, &size) == 0 && port_of(&own) > 0 &&
           port_of(&own) < port_of(other);
}

/* The other side, as the system knows it. */
static socklen_t find_other(int fd, const struct msghdr *header, struct sockaddr_storage *to)
{
    socklen_t size = sizeof *to;
    if (header && header->msg_name) {
        const struct sockaddr *real = address_out(header->msg_name, header->msg_namelen, to);
        if (real && real != (const struct sockaddr *) to)
            __builtin_memcpy(to, real, header->msg_namelen);
        return real ? header->msg_namelen : 0;
    }
    return syscall(SYS_getpeername, fd, to, &size) == 0 ? size : 0;
}

void turn_send(struct told *told, const struct msghdr *header, struct sockaddr_storage *to)
{
    int saved = errno;
    socklen_t size = 0;
    if (takes_time() && is_internet(told->fd))
        size = find_other(told->fd, header, to);
    if (size > 0) {
        bool asks = option(told->fd, SO_TYPE) == SOCK_DGRAM && preload.turn != WIRE_ON;
        told->argument[0] = asks ? WIRE_QUESTION : preload.turn;
        told->argument[1] = has_listened(told->fd, to);
        told->argument[2] = WIRE_SENDS;
        address_in((struct sockaddr *) to, size);
        told->address = (const struct sockaddr *) to;
        told->address_size = size;
        preload.turn = WIRE_ON;
    }
    errno = saved;
}

void turn_receive(int fd)
{
    int saved = errno;
    if (takes_time() && is_internet(fd))
        preload.turn = WIRE_TURN;
    errno = saved;
}
