/* SPDX-License-Identifier: ISC */
/* The TCP connections of a capture. */
#ifndef SIM_CAPTURE_FLOW_H
#define SIM_CAPTURE_FLOW_H

#include "sim/capture/frame.h"
#include "sim/capture/stream.h"

#define FLOWS_MAX 262144 /* more are only counted */
#define FLOW_PORTS_MAX 32

enum flow_kind {
    FLOW_UNDECIDED,
    FLOW_SMTP,
    FLOW_OTHER /* its bytes are not kept */
};

/* How one side ended it. */
struct flow_stop {
    uint64_t packet; /* of the first FIN or RST; 0: none */
    int64_t time_ns;
    bool reset;
};

struct flow {
    struct frame_end ends[2]; /* side 0 and 1: of the packet that was seen first */
    struct stream streams[2]; /* what that side sent */
    struct flow_stop stops[2];
    int client; /* which side is; -1: it cannot be told (yet) */
    enum flow_kind kind;
    bool smtp_port; /* one side has a port where SMTP is spoken */
    bool opened;    /* its SYN was seen */
    bool accepted;  /* its SYN and ACK was, or anything else that the server sends then */
    uint64_t packets;
    uint64_t first_packet;
    int64_t first_ns, last_ns;
    int64_t accepted_ns;
    uint32_t open_sequence; /* of the SYN, also if only its answer was seen */
    size_t next;            /* in its bucket; SIZE_MAX: the last */
};

struct flows {
    struct flow **flows; /* in the order in which they began */
    size_t count;
    size_t *buckets;
    size_t bucket_count;
    uint64_t seed;         /* of the hash: hostile captures shall not choose buckets */
    uint64_t not_followed; /* packets of connections beyond FLOWS_MAX */
    struct stream_budget budget;
    uint16_t ports[FLOW_PORTS_MAX]; /* where SMTP is spoken whatever the bytes say */
    size_t port_count;
};

void flows_init(struct flows *flows, size_t memory_max);
/* Adds a packet to its connection, which it may begin. */
void flows_add(struct flows *flows, const struct frame *frame);
/* All packets were added. */
void flows_end(struct flows *flows);
void flows_free(struct flows *flows);

/* The two sides; `client` is known of those that are FLOW_SMTP. */
static inline const struct stream *flow_said(const struct flow *flow, bool server)
{
    return &flow->streams[server ? !flow->client : flow->client];
}
static inline const struct flow_stop *flow_stop_of(const struct flow *flow, bool server)
{
    return &flow->stops[server ? !flow->client : flow->client];
}

#endif
