/* SPDX-License-Identifier: ISC */
/*
 * IP packets put together from fragments (RFC 791 3.2, RFC 8200 4.5).  Bounded: so many packets at
 * a time, 64 KiB each; the oldest is given up for a new one.  Bytes that came first win.
 */
#ifndef SIM_CAPTURE_FRAGMENT_H
#define SIM_CAPTURE_FRAGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAGMENT_PACKETS_MAX 64
#define FRAGMENT_SIZE_MAX 65536

struct fragment {
    uint8_t family, protocol;
    uint8_t source[16], target[16];
    uint32_t id;
    size_t offset; /* in bytes */
    bool last;
    const uint8_t *bytes;
    size_t size;
    int64_t time_ns;
};

struct fragment_packet;

struct fragments {
    struct fragment_packet *packets[FRAGMENT_PACKETS_MAX];
    uint8_t *whole;    /* the last one that was put together */
    uint64_t given_up; /* packets of which pieces are missing */
};

/* Adds one.  Returns true, and the payload of the packet as *bytes and *size, if it is whole now;
 * it is there until the next call. */
bool fragments_add(struct fragments *fragments, const struct fragment *fragment,
                   const uint8_t **bytes, size_t *size);
/* Packets that are not whole, those given up too. */
uint64_t fragments_open(const struct fragments *fragments);
void fragments_free(struct fragments *fragments);

#endif
