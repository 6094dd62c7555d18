/* SPDX-License-Identifier: ISC */
#include "mta/send/cleaner.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/send/send.h"

/* --- the ring ------------------------------------------------------------------------------ */

static int queue_reserve(struct cleaner_queue *queue)
{
    if (queue->count < queue->capacity)
        return 0;
    size_t capacity = queue->capacity ? queue->capacity * 2 : 64;
    struct cleaner_request *requests = mem_alloc(capacity * sizeof *requests);
    if (!requests)
        return -1;
    for (size_t i = 0; queue->capacity && i < queue->count; i++)
        requests[i] = queue->requests[(queue->first + i) % queue->capacity];
    mem_free(queue->requests);
    queue->requests = requests;
    queue->first = 0;
    queue->capacity = capacity;
    return 0;
}

/* There must be room. */
static void queue_push(struct cleaner_queue *queue, uint64_t number, cleaner_done *done)
{
    size_t at = (queue->first + queue->count++) % queue->capacity;
    queue->requests[at] = (struct cleaner_request){done, number};
}

static struct cleaner_request queue_pop(struct cleaner_queue *queue)
{
    struct cleaner_request request = queue->requests[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return request;
}

void cleaner_free(struct cleaner *cleaner)
{
    buf_free(&cleaner->out);
    mem_free(cleaner->asked.requests);
    mem_free(cleaner->waiting.requests);
    mem_free(cleaner->syncing.requests);
    memset(cleaner, 0, sizeof *cleaner);
}

/* --- asking -------------------------------------------------------------------------------- */

#define COMMAND_MAX 64

int cleaner_ask(struct cleaner *cleaner, const char *command, uint64_t number, cleaner_done *done)
{
    if (queue_reserve(&cleaner->asked) < 0 || buf_reserve(&cleaner->out, COMMAND_MAX) < 0)
        return -1;
    buf_add_text(&cleaner->out, command);
    buf_add_byte(&cleaner->out, '/');
    buf_add_number(&cleaner->out, number);
    buf_add_byte(&cleaner->out, 0);
    queue_push(&cleaner->asked, number, done);
    return 0;
}

static int ask_plain(struct cleaner *cleaner, const char *command, size_t size, cleaner_done *done)
{
    if (queue_reserve(&cleaner->asked) < 0 || buf_reserve(&cleaner->out, size) < 0)
        return -1;
    buf_add(&cleaner->out, command, size);
    queue_push(&cleaner->asked, 0, done);
    return 0;
}

int cleaner_sweep(struct cleaner *cleaner)
{
    return ask_plain(cleaner, "sweep", sizeof "sweep", NULL);
}

int cleaner_sync(struct cleaner *cleaner, uint64_t number, cleaner_done *done)
{
    if (queue_reserve(&cleaner->waiting) < 0)
        return -1;
    queue_push(&cleaner->waiting, number, done);
    return 0;
}

bool cleaner_busy(const struct cleaner *cleaner)
{
    return cleaner->asked.count || cleaner->waiting.count;
}

/* --- talking ------------------------------------------------------------------------------- */

static void answer_all(struct send *send, struct cleaner_queue *requests, size_t count, bool done)
{
    while (count-- > 0) {
        struct cleaner_request request = queue_pop(requests);
        if (request.done)
            request.done(send, request.number, done);
    }
}

/* The error of one that failed may be of what was written while it ran, and the next one then says
 * that all is well: who waits for that hears no, too. */
static void sync_done(struct send *send, uint64_t number, bool done)
{
    struct cleaner *cleaner = &send->cleaner;
    size_t waiting = done ? 0 : cleaner->waiting.count; /* not those that come again now */
    (void) number;
    cleaner->sync_runs = false;
    if (!done) { /* marks and removals that it was to make durable */
        logline(&send->log, "warning: trouble syncing the queue; will try again later");
        send_dirty(send);
    }
    answer_all(send, &cleaner->syncing, cleaner->syncing.count, done);
    answer_all(send, &cleaner->waiting, waiting, done);
}

static void begin_sync(struct cleaner *cleaner)
{
    if (cleaner->sync_runs || !cleaner->waiting.count)
        return;
    if (ask_plain(cleaner, "sync", sizeof "sync", sync_done) < 0)
        return; /* at the next flush */
    struct cleaner_queue served = cleaner->waiting;
    cleaner->waiting = cleaner->syncing;
    cleaner->syncing = served;
    cleaner->sync_runs = true;
}

int cleaner_flush(struct cleaner *cleaner)
{
    begin_sync(cleaner);
    return send_flush(FD_CLEAN_OUT, &cleaner->out);
}

int cleaner_answers(struct send *send)
{
    char answers[256];
    ssize_t count = io_read(FD_CLEAN_IN, answers, sizeof answers);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count <= 0)
        return -1;
    for (ssize_t i = 0; i < count; i++) {
        if (!send->cleaner.asked.count)
            return -1;
        struct cleaner_request request = queue_pop(&send->cleaner.asked);
        if (request.done)
            request.done(send, request.number, answers[i] == '+');
    }
    return 0;
}
