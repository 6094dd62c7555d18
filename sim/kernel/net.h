/* SPDX-License-Identifier: ISC */
/*
 * The network between simulated hosts: addresses, what holds on the way from host to host,
 * and connections that break.  Programs use it with AF_INET and AF_INET6 sockets (TCP, UDP).
 *
 * Nothing is lost, doubled or out of order unless it is said here.  Two hosts reach each other if
 * they have addresses.  An address that nobody has is unreachable (EHOSTUNREACH); a host that is
 * down does not answer.
 */
#ifndef SIM_KERNEL_NET_H
#define SIM_KERNEL_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/kernel/kernel.h"

/* Gives the host an address, "192.0.2.1" or "2001:db8::1"; 127.0.0.0/8 and ::1 are every host's
 * own.  The first of a family is the source of what it sends.  0; -EINVAL: it is none, or a
 * loopback, multicast or unspecified one; -EADDRINUSE: a host has it. */
int host_add_address(struct host *host, const char *address);

enum net_fate {
    NET_OPEN,
    NET_REFUSE,      /* new connections: ECONNREFUSED */
    NET_UNREACHABLE, /* new connections: EHOSTUNREACH */
    NET_BLACK_HOLE   /* nothing arrives and nothing comes back */
};

struct net_path {
    int64_t delay_ns;   /* one way; 100 us between hosts and 10 us inside of one if nothing is set.
                           0: what is sent has arrived when the call returns */
    uint64_t bandwidth; /* bytes a second each way, for all connections together; 0: no limit */
    enum net_fate fate;
};

/* What holds from now on from host `from` to host `to`, for packets of both directions of
 * connections that `from` opens, and of UDP questions and their answers.  NULL: any host; a path
 * inside of one host is meant only if both are that host.  The last one set wins.
 *
 * Connections that exist feel it, too: what is on the way arrives sooner if it can now; a black
 * hole keeps what is on the way and what is sent, and it is tried again after 200 ms, 400 ms, ...
 * 60 s; when nothing was acknowledged for 924.6 s, or 102.2 s after the process has closed it, the
 * connection ends with ETIMEDOUT.  A connect is tried again after 1, 3, 7, 15, 31, 63 s and fails
 * at 127 s.  Refusing and unreachable do not disturb them. */
void net_set_path(struct kernel *kernel, struct host *from, struct host *to,
                  const struct net_path *path);

enum net_cut {
    NET_CUT_RESET, /* both ends: ECONNRESET */
    NET_CUT_SILENT /* no more bytes either way; the ends find out by their own timeouts */
};

/* The nth connection from now (1: the next; 0: every one) from host `from` to host `to` (NULL:
 * any) is cut when exactly `bytes` bytes of payload sent by its client (`by_client`) or its server
 * have arrived; 0: when it is established.  Later bytes never arrive.  Connections are counted
 * when a listener takes them up.  Several cuts may hold at once. */
void net_cut(struct kernel *kernel, struct host *from, struct host *to, uint64_t nth,
             bool by_client, uint64_t bytes, enum net_cut how);

/* Sockets and connections that there are, also those that no process holds any more: what a leak
 * report looks at.  Connections in TIME_WAIT do not count. */
size_t net_live_sockets(const struct kernel *kernel);

/* --- what goes over the wire -------------------------------------------------------------------
 * All that hosts send to each other and to themselves can be watched, as it is sent; it changes
 * nothing.  There are no TCP segments here, but pieces: what a sender hands over at once. */

/* IPv4 addresses are ::ffff:a.b.c.d, so 0.0.0.0 and :: are different; the port is in host order. */
struct net_name {
    struct in6_addr address;
    uint16_t port;
};

enum net_happening {
    NET_LEFT,  /* a piece is sent, for the first time or again */
    NET_TAKEN, /* data or a FIN has arrived at `to` and counts as acknowledged */
    NET_STRAY, /* something has arrived at `to`, which knows of no such connection: RST follows */
    NET_RESET_BOTH, /* the network itself resets both ends */
    NET_GONE        /* neither end knows of the connection any more: the last that is told of it */
};

enum net_packet {
    NET_SYN,
    NET_SYN_ACK,
    NET_ACK, /* of the SYN_ACK; others are not pieces: NET_TAKEN */
    NET_DATA,
    NET_FIN,
    NET_RST,
    NET_NO_ROUTE /* ICMP: the client's SYN reached nobody */
};

/* Of a connection.  Way 0 is from the end that opened it. */
struct net_event {
    enum net_happening what;
    enum net_packet packet; /* LEFT, TAKEN */
    int64_t wall_ns;        /* since 1970 */
    uint64_t connection;    /* counts from 1 */
    unsigned way;
    const struct net_name *from, *to; /* on that way */
    const struct host *inside;        /* the host, if both ends are on it; or NULL */
    uint64_t offset;                  /* LEFT: of the data, or end, in what goes that way */
    const char *data;                 /* LEFT */
    size_t size;                      /* LEFT, TAKEN: maybe less arrives than has left */
    uint64_t cut_at; /* LEFT: no byte from this offset on arrives; UINT64_MAX: no cut */
    bool lost;       /* LEFT: in a black hole */
    /* How much more than has arrived each end would take: of the one that opened, of the other.
     * 0: it is not there. */
    uint64_t window[2];
    void **note; /* the observer's own, NULL at first */
};

/* A UDP datagram is sent, or (error) its sender is told by ICMP that it found nobody:
 * ECONNREFUSED, EHOSTUNREACH. */
struct net_datagram {
    int64_t wall_ns;
    struct net_name from, to; /* of the datagram */
    const struct host *inside;
    const char *data;
    size_t size;
    int error;
};

/* One of both is NULL.  What is given is good while the call lasts; it is called in the middle of
 * a change, maybe on a process's stack (kernel.h), and must change nothing. */
typedef void net_observer(void *context, const struct net_event *event,
                          const struct net_datagram *datagram);

/* One observer a kernel; NULL: none.  To be set before anything is sent. */
void net_observe(struct kernel *kernel, net_observer *observer, void *context);

#endif
