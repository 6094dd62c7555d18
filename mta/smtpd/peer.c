/* SPDX-License-Identifier: ISC */
#include "mta/smtpd/smtpd.h"

#include <stdio.h>
#include <string.h>

#include "mta/lib/environment.h"

void peer_from_socket(struct peer *peer, int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    *peer = (struct peer){.host = "unknown"};
    memset(&address, 0, sizeof address);
    if (getpeername(fd, (struct sockaddr *) &address, &length) < 0)
        memset(&address, 0, sizeof address);
    socket_address_bytes(&address, peer->bytes);
    socket_address_format_host(peer->address, &address);
    socket_address_format(peer->name, &address);
    memset(&address, 0, sizeof address);
    length = sizeof address;
    if (getsockname(fd, (struct sockaddr *) &address, &length) == 0 &&
        (address.ss_family == AF_INET || address.ss_family == AF_INET6))
        socket_address_format_host(peer->local, &address);
}

/* Parses a bare address by giving it the form of one with a port. */
static bool read_address(const char *text, const char *port, struct sockaddr_storage *address)
{
    char whole[SOCKET_ADDRESS_SIZE + 16];
    socklen_t length;
    int size = snprintf(whole, sizeof whole, strchr(text, ':') ? "[%s]:%s" : "%s:%s", text, port);
    return size > 0 && (size_t) size < sizeof whole &&
           socket_address_parse(whole, (size_t) size, address, &length) == 0;
}

void peer_from_environment(struct peer *peer, char *const *environment)
{
    struct sockaddr_storage address;
    const char *remote = environment_get(environment, "TCPREMOTEIP");
    const char *port = environment_get(environment, "TCPREMOTEPORT");
    const char *local = environment_get(environment, "TCPLOCALIP");
    const char *host = environment_get(environment, "TCPREMOTEHOST");
    peer_from_socket(peer, 0);
    if (remote && read_address(remote, port ? port : "0", &address)) {
        socket_address_bytes(&address, peer->bytes);
        socket_address_format_host(peer->address, &address);
        memcpy(peer->name, peer->address, sizeof peer->name);
        if (port)
            socket_address_format(peer->name, &address);
    }
    if (local && read_address(local, "0", &address))
        socket_address_format_host(peer->local, &address);
    if (host && *host)
        peer->host = host;
    peer->info = environment_get(environment, "TCPREMOTEINFO");
    peer->relay = environment_get(environment, "RELAYCLIENT");
}
