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

#endif
