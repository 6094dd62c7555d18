/* SPDX-License-Identifier: ISC */
/* The TCP connections of a capture. */
#define XXH_INLINE_ALL
#include "sim/capture/flow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "sim/capture/flow_kind.h"
#include "sim/world/pool.h"

#define NONE SIZE_MAX

static const uint16_t usual_ports[] = {25, 587};

void flows_init(struct flows *flows, size_t memory_max)
{
    memset(flows, 0, sizeof *flows);
    flows->budget.left = memory_max;
    if (getrandom(&flows->seed, sizeof flows->seed, 0) < 0)
        flows->seed = 1;
}

/* --- finding a connection --------------------------------------------------------------------*/

static uint64_t hash_end(const struct flows *flows, const struct frame_end *end)
{
    uint8_t bytes[19];

    memcpy(bytes, end->bytes, 16);
    bytes[16] = end->family;
    bytes[17] = (uint8_t) (end->port >> 8);
    bytes[18] = (uint8_t) end->port;
    return XXH64(bytes, sizeof bytes, flows->seed);
}

/* The same for both directions. */
static size_t bucket_of(const struct flows *flows, const struct frame_end *one,
                        const struct frame_end *other)
{
    return (size_t) (hash_end(flows, one) + hash_end(flows, other)) & (flows->bucket_count - 1);
}

static void grow_buckets(struct flows *flows)
{
    if (flows->count < flows->bucket_count)
        return;
    flows->bucket_count = flows->bucket_count ? flows->bucket_count * 2 : 64;
    flows->buckets = must_resize(flows->buckets, flows->bucket_count * sizeof *flows->buckets);
    for (size_t i = 0; i < flows->bucket_count; i++)
        flows->buckets[i] = NONE;
    for (size_t i = 0; i < flows->count; i++) {
        struct flow *flow = flows->flows[i];
        size_t *bucket = &flows->buckets[bucket_of(flows, &flow->ends[0], &flow->ends[1])];

        flow->next = *bucket;
        *bucket = i;
    }
}

/* The last connection of the frame's two ends, and which of its sides sent it. */
static struct flow *find_flow(struct flows *flows, const struct frame *frame, int *side)
{
    size_t i = flows->bucket_count
                   ? flows->buckets[bucket_of(flows, &frame->source, &frame->target)]
                   : NONE;

    for (; i != NONE; i = flows->flows[i]->next) {
        struct flow *flow = flows->flows[i];

        for (*side = 0; *side < 2; ++*side)
            if (frame_end_same(&flow->ends[*side], &frame->source) &&
                frame_end_same(&flow->ends[!*side], &frame->target))
                return flow;
    }
    return NULL;
}

static bool is_smtp_port(const struct flows *flows, uint16_t port)
{
    for (size_t i = 0; i < sizeof usual_ports / sizeof *usual_ports; i++)
        if (port == usual_ports[i])
            return true;
    for (size_t i = 0; i < flows->port_count; i++)
        if (port == flows->ports[i])
            return true;
    return false;
}

static struct flow *add_flow(struct flows *flows, const struct frame *frame)
{
    struct flow *flow;
    size_t *bucket;
    bool source, target;

    if (flows->count == FLOWS_MAX) {
        flows->not_followed++;
        return NULL;
    }
    grow_buckets(flows);
    flow = must_zeroed(sizeof *flow);
    flow->ends[0] = frame->source;
    flow->ends[1] = frame->target;
    flow->client = -1;
    flow->first_packet = frame->number;
    flow->first_ns = frame->time_ns;
    source = is_smtp_port(flows, frame->source.port);
    target = is_smtp_port(flows, frame->target.port);
    flow->smtp_port = source || target;
    if (source != target)
        flow->client = target ? 0 : 1;
    bucket = &flows->buckets[bucket_of(flows, &frame->source, &frame->target)];
    flow->next = *bucket;
    *bucket = flows->count;
    *LIST_ADD(flows->flows, flows->count) = flow;
    return flow;
}

/* --- a packet --------------------------------------------------------------------------------*/

static bool is_opening(const struct frame *frame)
{
    return (frame->flags & (FRAME_SYN | FRAME_ACK | FRAME_RST)) == FRAME_SYN;
}

/* True if the SYN is of another connection between the same ends. */
static bool begins_anew(const struct flow *flow, const struct frame *frame, int side)
{
    if (!is_opening(frame))
        return false;
    if ((flow->opened || flow->accepted_ns) && flow->client == side &&
        flow->open_sequence == frame->sequence)
        return false; /* sent again, or captured behind its answer */
    return flow->opened || flow->streams[0].begun || flow->streams[1].begun ||
           flow->stops[0].packet || flow->stops[1].packet;
}

static void take_flags(struct flow *flow, const struct frame *frame, int side)
{
    struct flow_stop *stop = &flow->stops[side];

    if (is_opening(frame)) {
        flow->opened = true;
        flow->client = side;
        flow->open_sequence = frame->sequence;
        if (!flow->streams[side].begun)
            stream_begin(&flow->streams[side], frame->sequence + 1);
    } else if (frame->flags & FRAME_SYN) {
        if (!flow->accepted) {
            flow->accepted = true;
            flow->accepted_ns = frame->time_ns;
        }
        flow->client = !side;
        if (!flow->opened)
            flow->open_sequence = frame->acknowledgement - 1;
        if (!flow->streams[side].begun)
            stream_begin(&flow->streams[side], frame->sequence + 1);
        if (!flow->streams[!side].begun)
            stream_begin(&flow->streams[!side], frame->acknowledgement);
    }
    if (frame->flags & (FRAME_FIN | FRAME_RST) && !stop->packet) {
        stop->packet = frame->number;
        stop->time_ns = frame->time_ns;
        stop->reset = (frame->flags & FRAME_RST) != 0;
    }
}

static void take_bytes(struct flows *flows, struct flow *flow, const struct frame *frame, int side)
{
    struct stream *stream = &flow->streams[side];
    struct stream_segment segment = {.sequence =
                                         frame->sequence + ((frame->flags & FRAME_SYN) != 0),
                                     .bytes = frame->payload,
                                     .size = frame->size,
                                     .full_size = frame->full_size,
                                     .time_ns = frame->time_ns,
                                     .packet = frame->number};

    /* What a RST carries is no data (RFC 9293 3.5.3). */
    if (frame->full_size == 0 || frame->flags & FRAME_RST)
        return;
    if (flow->client == !side)
        flow->accepted = true;
    stream_add(stream, &flows->budget, &segment);
    flow_decide(flow, false);
    if (flow->kind == FLOW_OTHER && !stream->muted) {
        stream_mute(&flow->streams[0], &flows->budget);
        stream_mute(&flow->streams[1], &flows->budget);
    }
}

void flows_add(struct flows *flows, const struct frame *frame)
{
    int side = 0;
    struct flow *flow = find_flow(flows, frame, &side);

    if (!flow || begins_anew(flow, frame, side)) {
        flow = add_flow(flows, frame);
        side = 0;
        if (!flow)
            return;
    }
    flow->packets++;
    flow->last_ns = frame->time_ns;
    take_flags(flow, frame, side);
    take_bytes(flows, flow, frame, side);
}

void flows_end(struct flows *flows)
{
    for (size_t i = 0; i < flows->count; i++) {
        struct flow *flow = flows->flows[i];

        for (int side = 0; side < 2; side++)
            stream_end(&flow->streams[side], &flows->budget);
        flow_decide(flow, true);
    }
}

void flows_free(struct flows *flows)
{
    for (size_t i = 0; i < flows->count; i++) {
        stream_free(&flows->flows[i]->streams[0]);
        stream_free(&flows->flows[i]->streams[1]);
        free(flows->flows[i]);
    }
    free(flows->flows);
    free(flows->buckets);
    memset(flows, 0, sizeof *flows);
}
