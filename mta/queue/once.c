/* SPDX-License-Identifier: ISC */
/* The one-shot form: message on descriptor 0, envelope on descriptor 1. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/number.h"
#include "mta/lib/queue_result.h"
#include "mta/queue/commit.h"
#include "mta/queue/entry.h"
#include "mta/queue/queue.h"

#define DEADLINE_MS (INT64_C(86400) * 1000)
#define BLOCK_SIZE 16384

/* One read that does not outlast the deadline.  The count goes into *count, 0 at the end. */
static int read_some(int fd, int64_t deadline_ms, char *block, size_t *count)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        int result = poll(&ready, 1, left_ms > 0 ? (int) left_ms : 0);
        if (result == 0)
            return QUEUE_TIMEOUT;
        if (result > 0)
            break;
        if (errno != EINTR)
            return entry_result(errno, QUEUE_READ);
    }
    ssize_t got = io_read(fd, block, BLOCK_SIZE);
    if (got < 0)
        return QUEUE_READ;
    *count = (size_t) got;
    return QUEUE_OK;
}

static int copy_message(struct entry *entry, int64_t deadline_ms)
{
    char block[BLOCK_SIZE];
    for (;;) {
        size_t count = 0;
        int result = read_some(0, deadline_ms, block, &count);
        if (result != QUEUE_OK || count == 0)
            return result;
        result = entry_write(entry, block, count);
        if (result != QUEUE_OK)
            return result;
    }
}

static int add_to_envelope(struct buf *bytes, const char *block, size_t count)
{
    if (buf_add(bytes, block, count) == 0)
        return QUEUE_OK;
    return errno == EMSGSIZE ? QUEUE_REFUSED : QUEUE_MEMORY;
}

static int read_envelope(struct buf *bytes, int64_t deadline_ms, struct envelope *envelope)
{
    char block[BLOCK_SIZE];
    struct envelope_progress progress = {0};
    for (;;) {
        size_t count = 0;
        int result = read_some(1, deadline_ms, block, &count);
        if (result == QUEUE_OK && count == 0)
            result = QUEUE_READ;
        if (result == QUEUE_OK)
            result = add_to_envelope(bytes, block, count);
        if (result != QUEUE_OK)
            return result;
        switch (envelope_resume(&progress, bytes->data, bytes->length, envelope)) {
        case ENVELOPE_OK:
            return QUEUE_OK;
        case ENVELOPE_LONG:
            return QUEUE_ADDRESS_LONG;
        case ENVELOPE_INVALID:
            return QUEUE_ENVELOPE;
        case ENVELOPE_CUT:
            break;
        }
    }
}

static int receive(struct queue *queue, struct entry *entry)
{
    uint64_t number;
    struct envelope envelope;
    struct buf bytes = BUF_INIT(ENVELOPE_SIZE_MAX);
    int64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;
    if (number_reserve(1, &number) < 0)
        return entry_result(errno, QUEUE_PID);
    int result = entry_begin(entry, number, queue->caller, queue->claim, &queue->users);
    if (result == QUEUE_OK)
        result = copy_message(entry, deadline_ms);
    if (result == QUEUE_OK)
        result = read_envelope(&bytes, deadline_ms, &envelope);
    if (result == QUEUE_OK)
        result = entry_finish(entry, &envelope);
    buf_free(&bytes);
    return result;
}

int queue_once(struct queue *queue, uint64_t *number)
{
    struct entry entry = ENTRY_INIT;
    struct entry *one = &entry;
    int result = receive(queue, &entry);
    if (result != QUEUE_OK)
        entry_withdraw(&entry);
    else if ((result = commit(queue->commit_fd, &one, 1)) != QUEUE_OK)
        commit_forget(queue->commit_fd);
    if (result == QUEUE_OK) {
        commit_trigger(&entry.number, 1);
        *number = entry.number;
    }
    entry_free(&entry);
    return result;
}
