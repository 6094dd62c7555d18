/* SPDX-License-Identifier: ISC */
/* One captured packet: IP, its extension headers and fragments, TCP. */
#include "sim/capture/frame_ip.h"

#include <string.h>

#define HEADERS_MAX 32 /* extension headers of IPv6 */
#define TUNNELS_MAX 4  /* IP in IP */

enum protocol {
    PROTOCOL_HOP = 0,
    PROTOCOL_IPV4 = 4,
    PROTOCOL_TCP = 6,
    PROTOCOL_IPV6 = 41,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_AH = 51,
    PROTOCOL_OPTIONS = 60,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_HIP = 139,
    PROTOCOL_SHIM6 = 140
};

struct packet {
    struct frame_decoder *decoder;
    struct frame *frame;
    unsigned tunnels;
};

static enum frame_kind decode_ip(struct packet *packet, struct span span, unsigned version);

/* RFC 9293 3.1 */
static enum frame_kind decode_tcp(struct packet *packet, struct span span)
{
    struct frame *frame = packet->frame;
    size_t header;

    if (span.size < 20)
        return span.full_size < 20 ? FRAME_BAD : FRAME_CUT;
    header = (size_t) (span.bytes[12] >> 4) * 4;
    if (header < 20 || header > span.full_size)
        return FRAME_BAD;
    frame->source.port = (uint16_t) span_16(&span, 0);
    frame->target.port = (uint16_t) span_16(&span, 2);
    frame->sequence = span_32(&span, 4);
    frame->acknowledgement = span_32(&span, 8);
    frame->flags = span.bytes[13];
    frame->full_size = span.full_size - header;
    if (!span_skip(&span, header))
        span.size = 0;
    frame->payload = span.bytes;
    frame->size = span.size;
    return FRAME_TCP;
}

static enum frame_kind decode_protocol(struct packet *packet, struct span span, unsigned protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        return decode_tcp(packet, span);
    case PROTOCOL_IPV4:
        return decode_ip(packet, span, 4);
    case PROTOCOL_IPV6:
        return decode_ip(packet, span, 6);
    default:
        return FRAME_OTHER;
    }
}

/* Keeps a fragment.  Returns FRAME_TCP if the packet is whole: it is *span then. */
static enum frame_kind take_fragment(struct packet *packet, struct span *span, uint32_t id,
                                     size_t offset, bool more, unsigned protocol)
{
    struct frame *frame = packet->frame;
    struct fragment fragment = {.family = frame->source.family,
                                .protocol = (uint8_t) protocol,
                                .id = id,
                                .offset = offset,
                                .last = !more,
                                .bytes = span->bytes,
                                .size = span->size,
                                .time_ns = frame->time_ns};

    /* What is missing of it will never come, and where it ends is not where the packet ends. */
    if (span->size < span->full_size)
        return FRAME_CUT;
    if (more && span->size % 8 != 0)
        return FRAME_BAD;
    memcpy(fragment.source, frame->source.bytes, 16);
    memcpy(fragment.target, frame->target.bytes, 16);
    if (!fragments_add(&packet->decoder->fragments, &fragment, &span->bytes, &span->size))
        return FRAME_FRAGMENT;
    span->full_size = span->size;
    return FRAME_TCP;
}

static void set_ends(struct frame *frame, unsigned family, const uint8_t *source,
                     const uint8_t *target)
{
    size_t size = family == 4 ? 4 : 16;

    memset(&frame->source, 0, sizeof frame->source);
    memset(&frame->target, 0, sizeof frame->target);
    frame->source.family = frame->target.family = (uint8_t) family;
    memcpy(frame->source.bytes, source, size);
    memcpy(frame->target.bytes, target, size);
}

/* RFC 791 3.1 */
static enum frame_kind decode_ipv4(struct packet *packet, struct span span)
{
    size_t header, total;
    unsigned protocol, fragment;
    uint32_t id;

    if (span.size < 20)
        return span.full_size < 20 ? FRAME_BAD : FRAME_CUT;
    header = (size_t) (span.bytes[0] & 15) * 4;
    total = span_16(&span, 2);
    /* A sender whose card cuts packets up shows large ones with a length of 0. */
    if (total != 0)
        span_limit(&span, total);
    if (header < 20 || (total != 0 && total < header) || header > span.full_size)
        return FRAME_BAD;
    id = span_16(&span, 4);
    fragment = span_16(&span, 6);
    protocol = span.bytes[9];
    set_ends(packet->frame, 4, span.bytes + 12, span.bytes + 16);
    if (!span_skip(&span, header))
        return FRAME_CUT;
    if (fragment & 0x3fff) {
        enum frame_kind kind = take_fragment(packet, &span, id, (size_t) (fragment & 0x1fff) * 8,
                                             fragment & 0x2000, protocol);

        if (kind != FRAME_TCP)
            return kind;
    }
    return decode_protocol(packet, span, protocol);
}

static bool is_extension(unsigned protocol)
{
    switch (protocol) {
    case PROTOCOL_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_OPTIONS:
    case PROTOCOL_AH:
    case PROTOCOL_MOBILITY:
    case PROTOCOL_HIP:
    case PROTOCOL_SHIM6:
        return true;
    default:
        return false;
    }
}

/* Behind the fixed header (RFC 8200 4). */
static enum frame_kind decode_extensions(struct packet *packet, struct span span, unsigned protocol)
{
    for (int headers = 0; headers < HEADERS_MAX; headers++) {
        if (!is_extension(protocol) && protocol != PROTOCOL_FRAGMENT)
            return decode_protocol(packet, span, protocol);
        if (span.size < 8)
            return FRAME_CUT;
        unsigned next = span.bytes[0];
        size_t size = protocol == PROTOCOL_FRAGMENT ? 8
                      : protocol == PROTOCOL_AH     ? ((size_t) span.bytes[1] + 2) * 4
                                                    : ((size_t) span.bytes[1] + 1) * 8;
        unsigned fragment = span_16(&span, 2);
        uint32_t id = span_32(&span, 4);

        if (!span_skip(&span, size))
            return size > span.full_size ? FRAME_BAD : FRAME_CUT;
        if (protocol == PROTOCOL_FRAGMENT && (fragment & 0xfff9)) {
            enum frame_kind kind =
                take_fragment(packet, &span, id, fragment & 0xfff8, fragment & 1, next);

            if (kind != FRAME_TCP)
                return kind;
        }
        protocol = next;
    }
    return FRAME_BAD;
}

/* RFC 8200 3 */
static enum frame_kind decode_ipv6(struct packet *packet, struct span span)
{
    size_t length;
    unsigned protocol;

    if (span.size < 40)
        return span.full_size < 40 ? FRAME_BAD : FRAME_CUT;
    length = span_16(&span, 4);
    protocol = span.bytes[6];
    set_ends(packet->frame, 6, span.bytes + 8, span.bytes + 24);
    span_skip(&span, 40);
    if (length != 0)
        span_limit(&span, length);
    return decode_extensions(packet, span, protocol);
}

static enum frame_kind decode_ip(struct packet *packet, struct span span, unsigned version)
{
    if (packet->tunnels++ == TUNNELS_MAX)
        return FRAME_BAD;
    if (span.size == 0)
        return FRAME_CUT;
    if (span.bytes[0] >> 4 != version)
        return FRAME_BAD;
    return version == 4 ? decode_ipv4(packet, span) : decode_ipv6(packet, span);
}

enum frame_kind frame_decode_ip(struct frame_decoder *decoder, struct span span, unsigned version,
                                struct frame *frame)
{
    struct packet packet = {.decoder = decoder, .frame = frame};

    return decode_ip(&packet, span, version);
}
