/* SPDX-License-Identifier: ISC */
/* TCP: from pieces to segments (RFC 9293). */
#include <stdlib.h>
#include <string.h>

#include "sim/capture/synth_internal.h"
#include "sim/world/pool.h"

#define SHIFT 7 /* of windows: RFC 7323 */
#define WINDOW_MOST 65535

/* What each end of a connection has sent and knows; [0] is the one that opened it. */
struct conversation {
    struct conversation *next, *previous;
    uint32_t first[2]; /* initial sequence numbers */
    uint64_t sent[2];  /* bytes of data */
    uint64_t taken[2]; /* of these, by the other end */
    bool end_sent[2], end_taken[2];
    bool knows_nothing[2]; /* something has come that belongs to no connection there */
    bool established;
    uint64_t edge[2]; /* how far it may send, as it has been told */
    uint16_t window[2];
};

/* --- conversations -----------------------------------------------------------------------------*/

/* The finisher of splitmix64: numbers that look like chance, the same for the same connection. */
static uint32_t initial_number(const struct net_event *event, unsigned side)
{
    const struct net_name *client = event->way == 0 ? event->from : event->to;
    uint64_t number = (event->connection << 1 | side) * 0x9e3779b97f4a7c15u + client->port;

    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return (uint32_t) (number ^ number >> 31);
}

static struct conversation *conversation_of(struct synth *synth, const struct net_event *event)
{
    struct conversation *conversation = *event->note;

    if (conversation)
        return conversation;
    conversation = must_zeroed(sizeof *conversation);
    for (unsigned side = 0; side < 2; side++)
        conversation->first[side] = initial_number(event, side);
    conversation->next = synth->conversations;
    if (conversation->next)
        conversation->next->previous = conversation;
    synth->conversations = conversation;
    *event->note = conversation;
    return conversation;
}

static void forget(struct synth *synth, struct conversation *conversation)
{
    if (!conversation)
        return;
    if (conversation->previous)
        conversation->previous->next = conversation->next;
    else
        synth->conversations = conversation->next;
    if (conversation->next)
        conversation->next->previous = conversation->previous;
    free(conversation);
}

void synth_tcp_free(struct synth *synth)
{
    struct conversation *next;

    for (struct conversation *one = synth->conversations; one; one = next) {
        next = one->next;
        free(one);
    }
    synth->conversations = NULL;
}

/* --- numbers -----------------------------------------------------------------------------------*/

static uint32_t sequence_at(const struct conversation *conversation, unsigned side, uint64_t offset)
{
    return (uint32_t) (conversation->first[side] + 1 + offset);
}

/* Behind all that it has sent. */
static uint32_t next_sequence(const struct conversation *conversation, unsigned side)
{
    return sequence_at(conversation, side,
                       conversation->sent[side] + (conversation->end_sent[side] ? 1 : 0));
}

/* What the other end expects next of that side. */
static uint32_t expected_of(const struct conversation *conversation, unsigned side)
{
    return sequence_at(conversation, side,
                       conversation->taken[side] + (conversation->end_taken[side] ? 1 : 0));
}

/* Tells the other end. */
static uint16_t window_of(struct conversation *conversation, const struct net_event *event,
                          unsigned side)
{
    uint64_t window = (event->window[side] + (1 << SHIFT) - 1) >> SHIFT;

    if (window > 0)
        conversation->window[side] = (uint16_t) (window < WINDOW_MOST ? window : WINDOW_MOST);
    conversation->edge[1 - side] =
        conversation->taken[1 - side] + ((uint64_t) conversation->window[side] << SHIFT);
    return conversation->window[side];
}

/* --- segments ----------------------------------------------------------------------------------*/

/* A segment that side sends. */
static void send_segment(struct synth *synth, const struct net_event *event, unsigned side,
                         const struct tcp_fields *fields, const char *data, size_t size)
{
    bool along = side == event->way;
    const struct net_name *from = along ? event->from : event->to;
    const struct net_name *to = along ? event->to : event->from;

    size = packet_tcp(synth_content(synth, from), from, to, fields, data, size);
    synth_send(synth, event->wall_ns, event->inside, from, to, PACKET_TCP, size);
}

static struct tcp_fields fields_of(struct conversation *conversation, const struct net_event *event,
                                   unsigned side, uint64_t offset)
{
    return (struct tcp_fields){.sequence = sequence_at(conversation, side, offset),
                               .acknowledgement = expected_of(conversation, 1 - side),
                               .flags = TCP_ACK,
                               .window = window_of(conversation, event, side)};
}

static uint16_t segment_size(const struct net_event *event)
{
    if (event->inside)
        return packet_is_v4(event->from) ? 65495 : 65476;
    return packet_is_v4(event->from) ? 1460 : 1440;
}

static struct tcp_fields syn_fields(struct conversation *conversation,
                                    const struct net_event *event, unsigned side)
{
    uint64_t window = event->window[side];
    struct tcp_fields fields = {.sequence = conversation->first[side],
                                .flags = TCP_SYN,
                                .window = (uint16_t) (window < WINDOW_MOST ? window : WINDOW_MOST),
                                .mss = segment_size(event),
                                .shift = SHIFT};

    conversation->edge[1 - side] = fields.window;
    if (side == 1) {
        fields.acknowledgement = conversation->first[0] + 1;
        fields.flags |= TCP_ACK;
    }
    return fields;
}

static void send_syn(struct synth *synth, struct conversation *conversation,
                     const struct net_event *event)
{
    struct tcp_fields fields = syn_fields(conversation, event, event->way);

    send_segment(synth, event, event->way, &fields, NULL, 0);
}

/* An acknowledgement of what has come, with the news of how much more may come. */
static void send_ack(struct synth *synth, struct conversation *conversation,
                     const struct net_event *event, unsigned side)
{
    struct tcp_fields fields = fields_of(conversation, event, side, 0);

    fields.sequence = next_sequence(conversation, side);
    send_segment(synth, event, side, &fields, NULL, 0);
}

/* The kernel's senders know at once that the other end has read; in a capture they must have been
 * told. */
static void tell_window(struct synth *synth, struct conversation *conversation,
                        const struct net_event *event, uint64_t end)
{
    unsigned other = 1 - event->way;

    if (end > conversation->edge[event->way] && event->window[other] > 0)
        send_ack(synth, conversation, event, other);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Segments end where the connection will be cut.  What is sent again in vain is one segment. */
static void send_data(struct synth *synth, struct conversation *conversation,
                      const struct net_event *event)
{
    uint64_t *sent = &conversation->sent[event->way];
    bool again = event->offset < *sent;
    size_t done = 0, most = segment_size(event);

    tell_window(synth, conversation, event, event->offset + event->size);
    while (done < event->size) {
        uint64_t offset = event->offset + done;
        struct tcp_fields fields = fields_of(conversation, event, event->way, offset);
        size_t part = least(event->size - done, most);

        if (offset < event->cut_at)
            part = (size_t) (event->cut_at - offset < part ? event->cut_at - offset : part);
        if (done + part == event->size)
            fields.flags |= TCP_PSH;
        send_segment(synth, event, event->way, &fields, event->data + done, part);
        done += part;
        if (event->lost && again)
            break;
    }
    if (*sent < event->offset + done)
        *sent = event->offset + done;
}

static void send_end(struct synth *synth, struct conversation *conversation,
                     const struct net_event *event)
{
    struct tcp_fields fields;

    tell_window(synth, conversation, event, event->offset + 1);
    fields = fields_of(conversation, event, event->way, event->offset);
    fields.flags |= TCP_FIN;
    conversation->end_sent[event->way] = true;
    send_segment(synth, event, event->way, &fields, NULL, 0);
}

/* RFC 9293 3.10.7.1: who knows nothing of a connection takes the numbers from what has come. */
static void send_reset(struct synth *synth, struct conversation *conversation,
                       const struct net_event *event)
{
    unsigned side = event->way;
    struct tcp_fields fields = {.flags = TCP_RST};

    if (conversation->knows_nothing[side]) {
        fields.sequence = expected_of(conversation, side);
    } else {
        fields.flags |= TCP_ACK;
        fields.acknowledgement = expected_of(conversation, 1 - side);
        if (conversation->established || side == 0)
            fields.sequence = next_sequence(conversation, side);
    }
    send_segment(synth, event, side, &fields, NULL, 0);
}

/* Each end is told in the name of the other, which has sent nothing. */
static void reset_both(struct synth *synth, struct conversation *conversation,
                       const struct net_event *event)
{
    for (unsigned side = 0; side < 2; side++) {
        struct tcp_fields fields = {.sequence = expected_of(conversation, side),
                                    .acknowledgement = expected_of(conversation, 1 - side),
                                    .flags = TCP_RST | TCP_ACK};

        send_segment(synth, event, side, &fields, NULL, 0);
    }
}

static void tell_no_route(struct synth *synth, struct conversation *conversation,
                          const struct net_event *event)
{
    const struct net_name *client = event->to, *nobody = event->from;
    struct tcp_fields fields = syn_fields(conversation, event, 0);
    size_t header = packet_header_size(client);
    size_t size = packet_tcp(synth->quoted + header, client, nobody, &fields, NULL, 0);

    size = packet_ip(synth->quoted, client, nobody, PACKET_TCP, synth->quoted + header, size);
    synth_unreachable(synth, event->wall_ns, event->inside, NULL, client, size);
}

/* --- what happens ------------------------------------------------------------------------------*/

static void leave(struct synth *synth, struct conversation *conversation,
                  const struct net_event *event)
{
    switch (event->packet) {
    case NET_SYN:
    case NET_SYN_ACK:
        send_syn(synth, conversation, event);
        break;
    case NET_ACK:
        conversation->established = true;
        send_ack(synth, conversation, event, event->way);
        break;
    case NET_DATA:
        send_data(synth, conversation, event);
        break;
    case NET_FIN:
        send_end(synth, conversation, event);
        break;
    case NET_RST:
        send_reset(synth, conversation, event);
        break;
    case NET_NO_ROUTE:
        tell_no_route(synth, conversation, event);
        break;
    }
}

void synth_tcp(struct synth *synth, const struct net_event *event)
{
    struct conversation *conversation;

    if (event->what == NET_GONE) {
        forget(synth, *event->note);
        return;
    }
    conversation = conversation_of(synth, event);
    switch (event->what) {
    case NET_LEFT:
        leave(synth, conversation, event);
        break;
    case NET_TAKEN:
        conversation->taken[event->way] += event->size;
        if (event->packet == NET_FIN)
            conversation->end_taken[event->way] = true;
        send_ack(synth, conversation, event, 1 - event->way);
        break;
    case NET_STRAY:
        conversation->knows_nothing[1 - event->way] = true;
        break;
    case NET_RESET_BOTH:
        reset_both(synth, conversation, event);
        break;
    case NET_GONE:
        break;
    }
}
