/* SPDX-License-Identifier: ISC */
/* IP packets put together from fragments. */
#include "sim/capture/fragment.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

#define TOO_OLD_NS (60 * (int64_t) 1000000000) /* RFC 8200 4.5 */

struct fragment_packet {
    struct fragment first; /* who it is of; its bytes are not looked at */
    int64_t time_ns;       /* of its last piece */
    bool ended;
    size_t size;    /* once it is ended */
    size_t highest; /* behind the last byte that is there */
    size_t have;    /* bytes that are there */
    uint8_t bytes[FRAGMENT_SIZE_MAX];
    uint8_t there[FRAGMENT_SIZE_MAX / 8]; /* a bit a byte */
};

static bool is_of(const struct fragment_packet *packet, const struct fragment *fragment)
{
    const struct fragment *first = &packet->first;

    return first->family == fragment->family && first->id == fragment->id &&
           (first->family == 6 || first->protocol == fragment->protocol) &&
           memcmp(first->source, fragment->source, 16) == 0 &&
           memcmp(first->target, fragment->target, 16) == 0;
}

static void give_up(struct fragments *fragments, size_t index)
{
    free(fragments->packets[index]);
    fragments->packets[index] = NULL;
    fragments->given_up++;
}

/* The place of the fragment's packet, which is made if it is not there. */
static size_t find_packet(struct fragments *fragments, const struct fragment *fragment)
{
    size_t oldest = 0;

    for (size_t i = 0; i < FRAGMENT_PACKETS_MAX; i++) {
        struct fragment_packet *packet = fragments->packets[i];

        if (packet && fragment->time_ns - packet->time_ns > TOO_OLD_NS)
            give_up(fragments, i);
        else if (packet && is_of(packet, fragment))
            return i;
        packet = fragments->packets[oldest];
        if (packet && (!fragments->packets[i] || fragments->packets[i]->time_ns < packet->time_ns))
            oldest = i;
    }
    if (fragments->packets[oldest])
        give_up(fragments, oldest);
    fragments->packets[oldest] = must_zeroed(sizeof(struct fragment_packet));
    fragments->packets[oldest]->first = *fragment;
    fragments->packets[oldest]->first.bytes = NULL;
    return oldest;
}

static void keep_bytes(struct fragment_packet *packet, const struct fragment *fragment)
{
    for (size_t i = 0; i < fragment->size; i++) {
        size_t at = fragment->offset + i;
        uint8_t bit = (uint8_t) (1 << (at % 8));

        if (packet->there[at / 8] & bit)
            continue;
        packet->there[at / 8] |= bit;
        packet->bytes[at] = fragment->bytes[i];
        packet->have++;
    }
}

bool fragments_add(struct fragments *fragments, const struct fragment *fragment,
                   const uint8_t **bytes, size_t *size)
{
    size_t end = fragment->offset + fragment->size, index;
    struct fragment_packet *packet;

    if (end > FRAGMENT_SIZE_MAX)
        return false;
    index = find_packet(fragments, fragment);
    packet = fragments->packets[index];
    packet->time_ns = fragment->time_ns;
    keep_bytes(packet, fragment);
    if (end > packet->highest)
        packet->highest = end;
    if (fragment->last && !packet->ended) {
        packet->ended = true;
        packet->size = end;
    }
    if (!packet->ended || packet->have != packet->size || packet->highest != packet->size)
        return false;
    free(fragments->whole);
    fragments->whole = must_alloc(packet->size + 1);
    memcpy(fragments->whole, packet->bytes, packet->size);
    *bytes = fragments->whole;
    *size = packet->size;
    free(packet);
    fragments->packets[index] = NULL;
    return true;
}

uint64_t fragments_open(const struct fragments *fragments)
{
    uint64_t count = fragments->given_up;

    for (size_t i = 0; i < FRAGMENT_PACKETS_MAX; i++)
        count += fragments->packets[i] != NULL;
    return count;
}

void fragments_free(struct fragments *fragments)
{
    for (size_t i = 0; i < FRAGMENT_PACKETS_MAX; i++)
        free(fragments->packets[i]);
    free(fragments->whole);
    memset(fragments, 0, sizeof *fragments);
}
