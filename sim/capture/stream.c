/* SPDX-License-Identifier: ISC */
/* One direction of a TCP connection, put together. */
#include "sim/capture/stream.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

#define AT_ONCE_NS                                                                                 \
    3000000 /* what comes so soon behind what should come after it went another way */

/* What a segment costs besides its bytes: lists are up to twice as large as what is in them. */
#define MARK_COST (2 * (sizeof(struct stream_mark) + sizeof(struct stream_gap)))
#define WAITING_COST (2 * sizeof(struct stream_waiting) + 32)

struct stream_waiting {
    uint64_t position;
    uint8_t *bytes;
    size_t size;
    int64_t time_ns;
    uint64_t packet;
};

/* Some bytes of a segment, and where they belong. */
struct piece {
    uint64_t position;
    const uint8_t *bytes;
    size_t size;
    int64_t time_ns;
    uint64_t packet;
};

void stream_begin(struct stream *stream, uint32_t sequence)
{
    stream->begun = true;
    stream->next = sequence;
}

/* --- bytes that are in order -----------------------------------------------------------------*/

/* Room for a mark and for `size` bytes; false if there is no memory for them. */
static bool room_for(struct stream *stream, struct stream_budget *budget, size_t size)
{
    size_t capacity = stream->capacity ? stream->capacity : 512;

    while (capacity - stream->size < size)
        capacity *= 2;
    if (capacity - stream->capacity + MARK_COST > budget->left)
        return false;
    budget->left -= capacity - stream->capacity + MARK_COST;
    if (capacity != stream->capacity)
        stream->bytes = must_resize(stream->bytes, capacity);
    stream->capacity = capacity;
    return true;
}

static void add_gap(struct stream *stream, uint64_t size, uint64_t packet)
{
    struct stream_gap *gap = stream->gap_count ? &stream->gaps[stream->gap_count - 1] : NULL;

    stream->position += size;
    stream->next += (uint32_t) size;
    stream->lost += size;
    if (!gap || gap->at != stream->size) {
        gap = LIST_ADD(stream->gaps, stream->gap_count);
        gap->at = stream->size;
    }
    gap->size += size;
    gap->packet = packet;
}

static void add_mark(struct stream *stream, const struct piece *piece)
{
    struct stream_mark *mark = LIST_ADD(stream->marks, stream->mark_count);

    mark->at = stream->size;
    mark->time_ns = piece->time_ns;
    mark->packet = piece->packet;
}

/* Takes the piece, which begins at `position`. */
static void append(struct stream *stream, struct stream_budget *budget, const struct piece *piece)
{
    if (piece->size == 0)
        return;
    if (!room_for(stream, budget, piece->size)) {
        budget->refused += piece->size;
        add_gap(stream, piece->size, piece->packet);
        return;
    }
    stream->position += piece->size;
    stream->next += (uint32_t) piece->size;
    add_mark(stream, piece);
    memcpy(stream->bytes + stream->size, piece->bytes, piece->size);
    stream->size += piece->size;
}

static uint64_t count_others(const void *one, const void *other, size_t size)
{
    const uint8_t *a = one, *b = other;
    uint64_t count = 0;

    if (memcmp(a, b, size) == 0)
        return 0;
    for (size_t i = 0; i < size; i++)
        count += a[i] != b[i];
    return count;
}

/* Compares `size` bytes that come again, from `position` on, with those that are there; only with
 * what is behind the last gap. */
static void compare_taken(struct stream *stream, const struct piece *piece, size_t size)
{
    size_t kept =
        stream->gap_count ? stream->size - stream->gaps[stream->gap_count - 1].at : stream->size;
    uint64_t back = stream->position - piece->position;
    size_t skip = back > kept ? (size_t) (back - kept) : 0;

    if (stream->muted || skip >= size)
        return;
    stream->other_bytes += count_others(stream->bytes + stream->size - (back - skip),
                                        piece->bytes + skip, size - skip);
}

static void piece_skip(struct piece *piece, size_t count)
{
    piece->position += count;
    piece->bytes += count;
    piece->size -= count;
}

/* Leaves out of the piece what was taken before. */
static void trim_taken(struct stream *stream, struct piece *piece)
{
    uint64_t back = stream->position - piece->position;
    size_t known = back < piece->size ? (size_t) back : piece->size;

    compare_taken(stream, piece, known);
    piece_skip(piece, known);
}

/* --- bytes that wait -------------------------------------------------------------------------*/

static void drop_waiting(struct stream *stream, struct stream_budget *budget, size_t count)
{
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        stream->waiting_bytes -= stream->waiting[i].size;
        budget->left += stream->waiting[i].size + WAITING_COST;
        free(stream->waiting[i].bytes);
    }
    stream->waiting_count -= count;
    memmove(stream->waiting, stream->waiting + count,
            stream->waiting_count * sizeof *stream->waiting);
}

/* Takes what waits and is next; first what is behind a gap, if `behind_gap`. */
static void take_waiting(struct stream *stream, struct stream_budget *budget, bool behind_gap)
{
    size_t count = 0;

    for (; count < stream->waiting_count; count++) {
        const struct stream_waiting *waiting = &stream->waiting[count];
        struct piece piece = {waiting->position, waiting->bytes, waiting->size, waiting->time_ns,
                              waiting->packet};

        if (piece.position > stream->position) {
            if (!behind_gap)
                break;
            add_gap(stream, piece.position - stream->position, piece.packet);
            behind_gap = false;
        }
        trim_taken(stream, &piece);
        append(stream, budget, &piece);
    }
    drop_waiting(stream, budget, count);
}

/* False if there is no memory for it: it becomes a gap. */
static bool insert_waiting(struct stream *stream, struct stream_budget *budget, size_t index,
                           const struct piece *piece)
{
    struct stream_waiting *waiting;

    if (piece->size == 0)
        return false;
    if (piece->size + WAITING_COST > budget->left) {
        budget->refused += piece->size;
        return false;
    }
    LIST_ADD(stream->waiting, stream->waiting_count);
    waiting = &stream->waiting[index];
    memmove(waiting + 1, waiting, (stream->waiting_count - 1 - index) * sizeof *waiting);
    waiting->position = piece->position;
    waiting->size = piece->size;
    waiting->time_ns = piece->time_ns;
    waiting->packet = piece->packet;
    waiting->bytes = must_alloc(piece->size);
    memcpy(waiting->bytes, piece->bytes, piece->size);
    stream->waiting_bytes += piece->size;
    budget->left -= piece->size + WAITING_COST;
    return true;
}

/* The first one that ends behind `position`. */
static size_t find_waiting(const struct stream *stream, uint64_t position)
{
    size_t low = 0, high = stream->waiting_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct stream_waiting *waiting = &stream->waiting[middle];

        if (waiting->position + waiting->size > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Keeps of the piece what is not waiting already. */
static void keep_waiting(struct stream *stream, struct stream_budget *budget, struct piece piece)
{
    size_t index = find_waiting(stream, piece.position);
    bool overlaps = false;

    while (piece.size > 0) {
        bool last = index == stream->waiting_count;
        const struct stream_waiting *waiting = last ? NULL : &stream->waiting[index];
        struct piece before = piece;

        if (!last && waiting->position < piece.position + piece.size) {
            size_t into, common;

            before.size = waiting->position > piece.position
                              ? (size_t) (waiting->position - piece.position)
                              : 0;
            piece_skip(&piece, before.size);
            into = (size_t) (piece.position - waiting->position);
            common = waiting->size - into < piece.size ? waiting->size - into : piece.size;
            stream->other_bytes += count_others(waiting->bytes + into, piece.bytes, common);
            piece_skip(&piece, common);
            overlaps = true;
        } else {
            piece_skip(&piece, piece.size);
        }
        if (insert_waiting(stream, budget, index, &before))
            index++;
        index++;
    }
    stream->overlapping += overlaps;
    while (stream->waiting_count > STREAM_WAITING_MAX ||
           stream->waiting_bytes > STREAM_WAITING_BYTES_MAX)
        take_waiting(stream, budget, true);
}

/* --- segments --------------------------------------------------------------------------------*/

/* What a segment is, seen from what was sent before it. */
static void count_segment(struct stream *stream, const struct stream_segment *segment,
                          uint64_t position, bool repeated)
{
    uint64_t end = position + segment->full_size;

    if (repeated)
        stream->repeated++;
    else if (position < stream->highest && segment->time_ns - stream->highest_ns < AT_ONCE_NS)
        stream->reordered++;
    else if (position < stream->highest)
        stream->resent++;
    if (end > stream->highest) {
        stream->highest = end;
        stream->highest_ns = segment->time_ns;
    }
}

static void skip_muted(struct stream *stream, uint64_t size)
{
    stream->position += size;
    stream->next += (uint32_t) size;
}

void stream_add(struct stream *stream, struct stream_budget *budget,
                const struct stream_segment *segment)
{
    struct piece piece = {0, segment->bytes, segment->size, segment->time_ns, segment->packet};
    int64_t distance;
    bool repeated, overlaps;

    if (segment->full_size == 0)
        return;
    if (!stream->begun)
        stream_begin(stream, segment->sequence);
    distance = (int32_t) (segment->sequence - stream->next);
    if (distance < 0 && (uint64_t) -distance > stream->position) {
        /* From before the first byte that is known. */
        stream->repeated++;
        return;
    }
    /* A byte that was answered already asks whether the other side is alive. */
    if (distance == -1 && segment->full_size == 1)
        return;
    stream->packets++;
    stream->cut += segment->size < segment->full_size;
    piece.position = stream->position + (uint64_t) distance;
    repeated = piece.position + segment->full_size <= stream->position;
    overlaps = distance < 0 && !repeated;
    count_segment(stream, segment, piece.position, repeated);
    if (distance < 0)
        trim_taken(stream, &piece);
    stream->overlapping += overlaps;
    if (stream->muted) {
        if (piece.position + segment->full_size > stream->position)
            skip_muted(stream, piece.position + segment->full_size - stream->position);
    } else if (piece.position > stream->position || stream->waiting_count > 0) {
        keep_waiting(stream, budget, piece);
        take_waiting(stream, budget, false);
    } else {
        append(stream, budget, &piece);
    }
}

void stream_end(struct stream *stream, struct stream_budget *budget)
{
    const struct stream_mark *last;

    while (stream->waiting_count > 0)
        take_waiting(stream, budget, true);
    last = stream_mark_at(stream, stream->size);
    if (!stream->muted && stream->highest > stream->position)
        add_gap(stream, stream->highest - stream->position, last ? last->packet : 0);
}

void stream_mute(struct stream *stream, struct stream_budget *budget)
{
    drop_waiting(stream, budget, stream->waiting_count);
    budget->left += stream->capacity + stream->mark_count * MARK_COST;
    free(stream->bytes);
    free(stream->marks);
    free(stream->gaps);
    free(stream->waiting);
    stream->bytes = NULL;
    stream->marks = NULL;
    stream->gaps = NULL;
    stream->waiting = NULL;
    stream->size = stream->capacity = stream->mark_count = stream->gap_count = 0;
    stream->muted = true;
}

void stream_free(struct stream *stream)
{
    struct stream_budget budget = {0};

    stream_mute(stream, &budget);
}

/* --- looking at it ---------------------------------------------------------------------------*/

const struct stream_mark *stream_mark_at(const struct stream *stream, size_t at)
{
    size_t low = 0, high = stream->mark_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (stream->marks[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return stream->mark_count ? &stream->marks[low] : NULL;
}

const struct stream_gap *stream_gap_in(const struct stream *stream, size_t from, size_t to)
{
    size_t low = 0, high = stream->gap_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (stream->gaps[middle].at < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < stream->gap_count && stream->gaps[low].at < to ? &stream->gaps[low] : NULL;
}

uint64_t stream_lost_in(const struct stream *stream, size_t from, size_t to)
{
    const struct stream_gap *gap = stream_gap_in(stream, from, to);
    uint64_t lost = 0;

    for (; gap && gap < stream->gaps + stream->gap_count && gap->at < to; gap++)
        lost += gap->size;
    return lost;
}

size_t stream_behind_packet(const struct stream *stream, size_t from, uint64_t packet)
{
    const struct stream_mark *mark = stream_mark_at(stream, from);

    for (; mark && mark < stream->marks + stream->mark_count; mark++)
        if (mark->packet > packet)
            return mark->at > from ? mark->at : from;
    return stream->size;
}
