/* SPDX-License-Identifier: ISC */
/*
 * From what the simulated network does to packets.
 *
 * The simulated kernel sends pieces, as its senders hand them over, without headers; what arrives
 * counts as acknowledged in that moment.  Here they become packets as Linux hosts on an Ethernet
 * (MTU 1500; 65535 inside of a host) would send them: segments, initial sequence numbers, an
 * acknowledgement for each piece that arrives, windows, RST, ICMP, fragments of large datagrams.
 *
 * The time of a packet is when its sender sends it.  Packets that never arrive are there, too.
 * What the network does itself comes from addresses that stand for it: host unreachable from
 * 192.0.0.8 (RFC 7600 4.8) and fe80::1, resets of a cut connection from each end's peer.
 */
#ifndef SIM_CAPTURE_SYNTH_H
#define SIM_CAPTURE_SYNTH_H

#include "sim/kernel/net.h"

struct synth;

/* Takes a packet from its IP header on.  `inside`: the host in which it stays on a loopback
 * address, which other hosts have as well; else NULL.  Times never go back, unless the hosts'
 * clock is set back. */
typedef void synth_sink(void *context, const struct host *inside, int64_t wall_ns,
                        const void *packet, size_t size);

struct synth *synth_create(synth_sink *sink, void *context);
/* Also while connections exist: no more is told to synth_observe then. */
void synth_free(struct synth *synth);

/* For net_observe, with the synth as context. */
net_observer synth_observe;

#endif
