/* SPDX-License-Identifier: ISC */
/* One captured packet: link layers, and what stands between them and IP. */
#include "sim/capture/frame.h"

#include <arpa/inet.h>
#include <pcap/dlt.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "sim/capture/frame_ip.h"

#define TAGS_MAX 8 /* VLAN tags, more are nonsense */

enum ether_type {
    TYPE_IPV4 = 0x0800,
    TYPE_VLAN = 0x8100,
    TYPE_IPV6 = 0x86dd,
    TYPE_PPPOE = 0x8864,
    TYPE_QINQ = 0x88a8,
    TYPE_QINQ_OLD = 0x9100,
    TYPE_VLAN_DOUBLE = 0x9200
};

static enum frame_kind decode_type(struct frame_decoder *decoder, struct span span, unsigned type,
                                   struct frame *frame);

/* PPP's protocol behind six bytes of PPPoE (RFC 2516 4). */
static enum frame_kind decode_pppoe(struct frame_decoder *decoder, struct span span,
                                    struct frame *frame)
{
    if (!span_skip(&span, 6) || span.size < 2)
        return FRAME_CUT;
    unsigned protocol = span_16(&span, 0);

    span_skip(&span, 2);
    return protocol == 0x0021   ? frame_decode_ip(decoder, span, 4, frame)
           : protocol == 0x0057 ? frame_decode_ip(decoder, span, 6, frame)
                                : FRAME_OTHER;
}

static bool is_vlan(unsigned type)
{
    return type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD ||
           type == TYPE_VLAN_DOUBLE;
}

static enum frame_kind decode_type(struct frame_decoder *decoder, struct span span, unsigned type,
                                   struct frame *frame)
{
    for (int tags = 0; is_vlan(type); tags++) {
        if (tags == TAGS_MAX)
            return FRAME_BAD;
        if (span.size < 4)
            return FRAME_CUT;
        type = span_16(&span, 2);
        span_skip(&span, 4);
    }
    switch (type) {
    case TYPE_IPV4:
        return frame_decode_ip(decoder, span, 4, frame);
    case TYPE_IPV6:
        return frame_decode_ip(decoder, span, 6, frame);
    case TYPE_PPPOE:
        return decode_pppoe(decoder, span, frame);
    default:
        return FRAME_OTHER;
    }
}

/* A header of `size` bytes, with the type at `type_at`. */
static enum frame_kind decode_header(struct frame_decoder *decoder, struct span span, size_t size,
                                     size_t type_at, struct frame *frame)
{
    if (span.size < size)
        return FRAME_CUT;
    unsigned type = span_16(&span, type_at);

    span_skip(&span, size);
    return decode_type(decoder, span, type, frame);
}

/* The version decides: some have headers of 4 bytes with a family whose number and byte order are
 * of the machine that captured. */
static enum frame_kind decode_raw(struct frame_decoder *decoder, struct span span, size_t header,
                                  struct frame *frame)
{
    if (!span_skip(&span, header) || span.size == 0)
        return FRAME_CUT;
    unsigned version = span.bytes[0] >> 4;

    return version == 4 || version == 6 ? frame_decode_ip(decoder, span, version, frame)
                                        : FRAME_OTHER;
}

bool frame_knows_link(int link)
{
    switch (link) {
    case DLT_EN10MB:
    case DLT_LINUX_SLL:
    case DLT_LINUX_SLL2:
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
    case DLT_NULL:
    case DLT_LOOP:
        return true;
    default:
        return false;
    }
}

enum frame_kind frame_decode(struct frame_decoder *decoder, const uint8_t *bytes, size_t size,
                             size_t full_size, struct frame *frame)
{
    struct span span = {bytes, size, full_size > size ? full_size : size};

    switch (decoder->link) {
    case DLT_EN10MB:
        return decode_header(decoder, span, 14, 12, frame);
    case DLT_LINUX_SLL:
        return decode_header(decoder, span, 16, 14, frame);
    case DLT_LINUX_SLL2:
        return decode_header(decoder, span, 20, 0, frame);
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        return decode_raw(decoder, span, 0, frame);
    case DLT_NULL:
    case DLT_LOOP:
        return decode_raw(decoder, span, 4, frame);
    default:
        return FRAME_OTHER;
    }
}

void frame_decoder_free(struct frame_decoder *decoder)
{
    fragments_free(&decoder->fragments);
}

bool frame_end_same(const struct frame_end *one, const struct frame_end *other)
{
    return one->family == other->family && one->port == other->port &&
           memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

void frame_end_address(const struct frame_end *end, char text[FRAME_END_TEXT])
{
    if (!inet_ntop(end->family == 6 ? AF_INET6 : AF_INET, end->bytes, text, FRAME_END_TEXT))
        snprintf(text, FRAME_END_TEXT, "?");
}

void frame_end_print(const struct frame_end *end, char text[FRAME_END_TEXT])
{
    char address[INET6_ADDRSTRLEN] = "?";

    inet_ntop(end->family == 6 ? AF_INET6 : AF_INET, end->bytes, address, sizeof address);
    snprintf(text, FRAME_END_TEXT, end->family == 6 ? "[%s]:%u" : "%s:%u", address, end->port);
}
