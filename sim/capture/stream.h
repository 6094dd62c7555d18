/* SPDX-License-Identifier: ISC */
/*
 * One direction of a TCP connection: its bytes in order, from segments that may be lost, repeated,
 * out of order, overlapping, cut or hostile.
 *
 * Where segments overlap, the bytes that came first win; whether others said otherwise is counted.
 * What never came is a gap: `bytes` has nothing for it.
 */
#ifndef SIM_CAPTURE_STREAM_H
#define SIM_CAPTURE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* That wait for what is before them; when there are more, what is before them is a gap. */
#define STREAM_WAITING_MAX 1024
#define STREAM_WAITING_BYTES_MAX ((size_t) 8 << 20)

/* From `at` (in bytes, not counting gaps) on, bytes came with that packet. */
struct stream_mark {
    size_t at;
    int64_t time_ns;
    uint64_t packet;
};

struct stream_gap {
    size_t at; /* in bytes: behind what was before it */
    uint64_t size;
    uint64_t packet; /* that is behind it */
};

struct stream_waiting;

/* Memory that streams may use, all together; bytes for which there is none become gaps. */
struct stream_budget {
    size_t left;
    uint64_t refused;
};

struct stream {
    bool begun;
    uint32_t next;     /* the sequence number that is wanted */
    uint64_t position; /* of `next`: bytes since the start, gaps too */
    char *bytes;
    size_t size, capacity;
    struct stream_mark *marks;
    size_t mark_count;
    struct stream_gap *gaps;
    size_t gap_count;
    struct stream_waiting *waiting; /* in the order of their positions */
    size_t waiting_count, waiting_bytes;
    bool muted; /* bytes are counted, not kept */

    uint64_t highest; /* position behind the last byte that was sent, as far as is known */
    int64_t highest_ns;
    uint64_t packets;     /* with bytes */
    uint64_t repeated;    /* packets all of whose bytes were there already */
    uint64_t resent;      /* packets that filled a gap late: lost before the capture */
    uint64_t reordered;   /* packets that filled it at once */
    uint64_t overlapping; /* packets some of whose bytes were there */
    uint64_t other_bytes; /* bytes that came again and were others */
    uint64_t cut;         /* packets that were captured in part */
    uint64_t lost;        /* bytes in gaps */
};

struct stream_segment {
    uint32_t sequence;
    const uint8_t *bytes;
    size_t size;
    size_t full_size; /* more than `size` if it was cut */
    int64_t time_ns;
    uint64_t packet;
};

/* The stream begins with this sequence number.  Without it, it begins with the first segment. */
void stream_begin(struct stream *stream, uint32_t sequence);
void stream_add(struct stream *stream, struct stream_budget *budget,
                const struct stream_segment *segment);
/* No more will come: what waits is taken, behind gaps. */
void stream_end(struct stream *stream, struct stream_budget *budget);
/* Forgets the bytes and keeps no more. */
void stream_mute(struct stream *stream, struct stream_budget *budget);
void stream_free(struct stream *stream);

/* The mark of the byte at `at`, of the last byte if it is behind that; NULL if there are none. */
const struct stream_mark *stream_mark_at(const struct stream *stream, size_t at);
/* The first gap that is at `from` or behind it and before `to`, or NULL. */
const struct stream_gap *stream_gap_in(const struct stream *stream, size_t from, size_t to);
/* Bytes in all such gaps. */
uint64_t stream_lost_in(const struct stream *stream, size_t from, size_t to);
/* The first byte at `from` or behind it that came with a packet behind `packet`; `size` if none
 * did.
 */
size_t stream_behind_packet(const struct stream *stream, size_t from, uint64_t packet);

#endif
