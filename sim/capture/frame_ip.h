/* SPDX-License-Identifier: ISC */
/* What the files of frame share: pieces of a packet; IP and TCP. */
#ifndef SIM_CAPTURE_FRAME_IP_H
#define SIM_CAPTURE_FRAME_IP_H

#include "sim/capture/frame.h"

/* What is left of a packet. */
struct span {
    const uint8_t *bytes;
    size_t size;      /* that are there */
    size_t full_size; /* that were sent, `size` at least */
};

/* The two bytes at `at`, which are there. */
static inline unsigned span_16(const struct span *span, size_t at)
{
    return (unsigned) span->bytes[at] << 8 | span->bytes[at + 1];
}

static inline uint32_t span_32(const struct span *span, size_t at)
{
    return (uint32_t) span_16(span, at) << 16 | span_16(span, at + 2);
}

/* Leaves out the first `count` bytes.  False if they are not all there. */
static inline bool span_skip(struct span *span, size_t count)
{
    if (count > span->size)
        return false;
    span->bytes += count;
    span->size -= count;
    span->full_size -= count;
    return true;
}

/* Leaves out what is behind the first `count` bytes that were sent. */
static inline void span_limit(struct span *span, size_t count)
{
    if (count < span->full_size)
        span->full_size = count;
    if (span->size > span->full_size)
        span->size = span->full_size;
}

/* IP of that version, down to TCP. */
enum frame_kind frame_decode_ip(struct frame_decoder *decoder, struct span span, unsigned version,
                                struct frame *frame);

#endif
