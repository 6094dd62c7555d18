/* SPDX-License-Identifier: ISC */
#include "mta/send/message.h"

#include <assert.h>
#include <string.h>

#include "mta/lib/mem.h"

/* --- the table ----------------------------------------------------------------------------- */

static size_t place_of(const struct messages *messages, uint64_t number)
{
    uint64_t mixed = number * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t) (mixed >> 32) & (messages->capacity - 1);
}

static void table_put(struct messages *messages, struct message *message)
{
    size_t at = place_of(messages, message->number);
    while (messages->table[at])
        at = (at + 1) & (messages->capacity - 1);
    messages->table[at] = message;
}

static int table_reserve(struct messages *messages)
{
    if ((messages->count + 1) * 2 <= messages->capacity)
        return 0;
    size_t old_capacity = messages->capacity;
    struct message **old = messages->table;
    size_t capacity = old_capacity ? old_capacity * 2 : 64;
    struct message **table = mem_alloc(capacity * sizeof *table);
    if (!table)
        return -1;
    memset(table, 0, capacity * sizeof *table);
    messages->table = table;
    messages->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            table_put(messages, old[i]);
    mem_free(old);
    return 0;
}

struct message *message_find(const struct messages *messages, uint64_t number)
{
    if (!messages->capacity)
        return NULL;
    size_t at = place_of(messages, number);
    while (messages->table[at] && messages->table[at]->number != number)
        at = (at + 1) & (messages->capacity - 1);
    return messages->table[at];
}

/* Takes an entry out and moves those behind it up, so that none is cut off from its place. */
static void table_remove(struct messages *messages, const struct message *message)
{
    size_t mask = messages->capacity - 1;
    size_t hole = place_of(messages, message->number);
    while (messages->table[hole] != message)
        hole = (hole + 1) & mask;
    for (size_t at = (hole + 1) & mask; messages->table[at]; at = (at + 1) & mask) {
        size_t home = place_of(messages, messages->table[at]->number);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        messages->table[hole] = messages->table[at];
        hole = at;
    }
    messages->table[hole] = NULL;
}

/* --- the heaps: entries 1 to heap_count ---------------------------------------------------- */

static int heaps_reserve(struct messages *messages)
{
    if (messages->count + 2 <= messages->heap_capacity)
        return 0;
    size_t capacity = messages->heap_capacity ? messages->heap_capacity * 2 : 64;
    for (int kind = 0; kind < DUE_KINDS; kind++) {
        struct message **heap =
            mem_resize(messages->heaps[kind], capacity * sizeof *messages->heaps[kind]);
        if (!heap)
            return -1;
        messages->heaps[kind] = heap;
    }
    messages->heap_capacity = capacity;
    return 0;
}

static bool is_before(const struct message *a, const struct message *b, enum due_kind kind)
{
    if (a->due[kind] != b->due[kind])
        return a->due[kind] < b->due[kind];
    return a->number < b->number;
}

static void heap_put(struct messages *messages, enum due_kind kind, size_t at,
                     struct message *message)
{
    messages->heaps[kind][at] = message;
    message->at[kind] = at;
}

static void sift_up(struct messages *messages, enum due_kind kind, struct message *message)
{
    size_t at = message->at[kind];
    while (at > 1 && is_before(message, messages->heaps[kind][at / 2], kind)) {
        heap_put(messages, kind, at, messages->heaps[kind][at / 2]);
        at /= 2;
    }
    heap_put(messages, kind, at, message);
}

static void sift_down(struct messages *messages, enum due_kind kind, struct message *message)
{
    struct message **heap = messages->heaps[kind];
    size_t count = messages->heap_count[kind];
    size_t at = message->at[kind];
    for (;;) {
        size_t child = at * 2;
        if (child > count)
            break;
        if (child < count && is_before(heap[child + 1], heap[child], kind))
            child++;
        if (!is_before(heap[child], message, kind))
            break;
        heap_put(messages, kind, at, heap[child]);
        at = child;
    }
    heap_put(messages, kind, at, message);
}

void message_due(struct messages *messages, struct message *message, enum due_kind kind,
                 int64_t when)
{
    message->due[kind] = when;
    if (kind != DUE_CHORE && (message->held || message->removed))
        return;
    if (!message->at[kind]) {
        assert(messages->heap_count[kind] + 1 < messages->heap_capacity);
        message->at[kind] = ++messages->heap_count[kind];
    }
    sift_up(messages, kind, message);
    sift_down(messages, kind, message);
}

void message_not_due(struct messages *messages, struct message *message, enum due_kind kind)
{
    size_t at = message->at[kind];
    if (!at)
        return;
    message->at[kind] = 0;
    struct message *last = messages->heaps[kind][messages->heap_count[kind]--];
    if (last == message)
        return;
    last->at[kind] = at;
    sift_up(messages, kind, last);
    sift_down(messages, kind, last);
}

struct message *message_first(const struct messages *messages, enum due_kind kind)
{
    return messages->heap_count[kind] ? messages->heaps[kind][1] : NULL;
}

void messages_hurry(struct messages *messages, enum due_kind kind, int64_t when)
{
    /* Cutting all at the same bound keeps parents no later than children; equals are then in any
     * order, so each is sifted anew. */
    for (size_t i = 1; i <= messages->heap_count[kind]; i++)
        if (messages->heaps[kind][i]->due[kind] > when)
            messages->heaps[kind][i]->due[kind] = when;
    for (size_t i = messages->heap_count[kind] / 2; i >= 1; i--)
        sift_down(messages, kind, messages->heaps[kind][i]);
}

/* --- both ---------------------------------------------------------------------------------- */

struct message *message_new(struct messages *messages, uint64_t number)
{
    if (table_reserve(messages) < 0 || heaps_reserve(messages) < 0)
        return NULL;
    struct message *message = mem_alloc(sizeof *message);
    if (!message)
        return NULL;
    memset(message, 0, sizeof *message);
    message->number = number;
    table_put(messages, message);
    messages->count++;
    return message;
}

void message_drop_direct(struct message *message)
{
    struct direct *direct = message->direct;
    message->direct = NULL;
    if (!direct)
        return;
    buf_free(&direct->sender);
    buf_free(&direct->info);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        buf_free(&direct->channels[i]);
    mem_free(direct);
}

void message_drop(struct messages *messages, struct message *message)
{
    for (int kind = 0; kind < DUE_KINDS; kind++)
        message_not_due(messages, message, (enum due_kind) kind);
    table_remove(messages, message);
    messages->count--;
    message_drop_direct(message);
    mem_free(message);
}

void messages_free(struct messages *messages)
{
    for (size_t i = 0; i < messages->capacity; i++) {
        if (messages->table[i])
            message_drop_direct(messages->table[i]);
        mem_free(messages->table[i]);
    }
    mem_free(messages->table);
    for (int kind = 0; kind < DUE_KINDS; kind++)
        mem_free(messages->heaps[kind]);
    memset(messages, 0, sizeof *messages);
}
