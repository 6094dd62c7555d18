/* SPDX-License-Identifier: ISC */
/* What the parts of the synthesis share: synth.c (datagrams, ICMP) and synth_tcp.c. */
#ifndef SIM_CAPTURE_SYNTH_INTERNAL_H
#define SIM_CAPTURE_SYNTH_INTERNAL_H

#include "sim/capture/packet.h"
#include "sim/capture/synth.h"

struct synth {
    synth_sink *sink;
    void *context;
    struct conversation *conversations;
    uint32_t identification; /* of the last datagram that was sent in fragments */
    unsigned char bytes[PACKET_MAX], quoted[PACKET_MAX];
};

/* Puts an IP header before `size` bytes at packet_header_size in synth->bytes, and gives it away;
 * `inside` as in net.h. */
void synth_send(struct synth *synth, int64_t wall_ns, const struct host *inside,
                const struct net_name *from, const struct net_name *to, uint8_t protocol,
                size_t size);

/* Where it begins. */
unsigned char *synth_content(struct synth *synth, const struct net_name *from);

/* Tells `to` that what it sent, synth->quoted, is undeliverable; `from` NULL: the network tells. */
void synth_unreachable(struct synth *synth, int64_t wall_ns, const struct host *inside,
                       const struct net_name *from, const struct net_name *to, size_t quoted);

void synth_tcp(struct synth *synth, const struct net_event *event);
void synth_tcp_free(struct synth *synth);

#endif
