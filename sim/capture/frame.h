/* SPDX-License-Identifier: ISC */
/*
 * One captured packet, from its link layer to TCP.  Every byte may be wrong, huge, cut or hostile.
 *
 * Link layers: Ethernet, Linux cooked v1 and v2, raw IP, BSD null and loop; VLAN tags (802.1Q,
 * QinQ) and PPPoE in between.  IPv4, and IPv6 with extension headers; fragments are put together.
 * Checksums are not looked at: the sending host's captures have none, where its card makes them.
 */
#ifndef SIM_CAPTURE_FRAME_H
#define SIM_CAPTURE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/capture/fragment.h"

struct frame_end {
    uint8_t family;    /* 4 or 6 */
    uint8_t bytes[16]; /* the address; 4 bytes of IPv4, then zeros */
    uint16_t port;
};

#define FRAME_END_TEXT 64 /* of [ADDRESS]:PORT, with a NUL */

enum frame_flag { FRAME_FIN = 1, FRAME_SYN = 2, FRAME_RST = 4, FRAME_ACK = 16 };

struct frame {
    uint64_t number; /* of the packet in the capture, from 1 */
    int64_t time_ns; /* since 1970 */
    struct frame_end source, target;
    uint32_t sequence, acknowledgement;
    uint8_t flags;
    const uint8_t *payload; /* `size` bytes that are there; it is the capture's, or the decoder's */
    size_t size;
    size_t full_size; /* that were sent: more than `size` if the packet was cut */
};

enum frame_kind {
    FRAME_TCP,
    FRAME_OTHER,    /* something else, well-formed or not looked at */
    FRAME_FRAGMENT, /* of a packet that is not whole yet */
    FRAME_CUT,      /* its headers are not all there */
    FRAME_BAD       /* what it says of itself cannot be */
};

struct frame_decoder {
    int link;                   /* a DLT_ value */
    struct fragments fragments; /* zeroed */
};

/* True if packets of this link layer can be read. */
bool frame_knows_link(int link);
/* Decodes the `size` bytes that are there of a packet of `full_size`.  Fills in all of *frame but
 * number and time (which must be set before: fragments are forgotten by it), if it is FRAME_TCP. */
enum frame_kind frame_decode(struct frame_decoder *decoder, const uint8_t *bytes, size_t size,
                             size_t full_size, struct frame *frame);
void frame_decoder_free(struct frame_decoder *decoder);

bool frame_end_same(const struct frame_end *one, const struct frame_end *other);
/* ADDRESS:PORT or [ADDRESS]:PORT; ADDRESS alone. */
void frame_end_print(const struct frame_end *end, char text[FRAME_END_TEXT]);
void frame_end_address(const struct frame_end *end, char text[FRAME_END_TEXT]);

#endif
