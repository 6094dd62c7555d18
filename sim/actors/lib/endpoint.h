/* SPDX-License-Identifier: ISC */
/* An address and a port of the network, as configurations and records have them. */
#ifndef SIM_ACTORS_LIB_ENDPOINT_H
#define SIM_ACTORS_LIB_ENDPOINT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sim/actors/lib/config.h"

struct endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t size;
};

#define ENDPOINT_TEXT 46 /* INET6_ADDRSTRLEN */

/* Takes the words `ADDR PORT` (198.51.100.1 or 2001:db8::1; a port from `port_least`). */
struct endpoint endpoint_read(struct config *config, unsigned port_least);
/* The address without the port. */
const char *endpoint_text(const struct endpoint *endpoint, char to[ENDPOINT_TEXT]);
unsigned endpoint_port(const struct endpoint *endpoint);

/* A socket that listens there, non-blocking and close-on-exec; IPv6 only IPv6.  Its own address
 * (with the port that was chosen for port 0) replaces *endpoint.  -1 with errno. */
int endpoint_listen(struct endpoint *endpoint);
/* A non-blocking, close-on-exec socket that connects there (the connection comes later, as POLLOUT
 * tells).  -1 with errno. */
int endpoint_connect(const struct endpoint *endpoint);
/* Closes so that the peer gets a reset, what was not sent thrown away; *fd becomes -1. */
void endpoint_reset(int *fd);

#endif
