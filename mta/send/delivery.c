/* SPDX-License-Identifier: ISC */
/* Deliveries: a request goes out, a report comes back, the recipient is marked. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/envelope.h"
#include "mta/lib/failure.h"
#include "mta/lib/io.h"
#include "mta/send/send.h"

static const char dying_text[] = FAILURE_EXPIRED;

static struct group *find_free_group(struct channel *channel)
{
    for (unsigned i = 0; i < channel->group_count; i++)
        if (!channel->groups[i].used)
            return &channel->groups[i];
    return NULL;
}

/* Finds `count` free slots; true if there are so many. */
static bool find_free_slots(const struct channel *channel, unsigned *slots, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < channel->slot_count && found < count; i++)
        if (channel->slots[i].state == DELIVERY_FREE)
            slots[found++] = i;
    return found == count;
}

/* The record at an offset of the job's file. */
static struct record record_at(const struct job *job, size_t offset)
{
    struct record record;
    int result = record_next(job->file.data, job->file.length, &offset, &record);
    assert(result == 1);
    return record;
}

/* --- requests ------------------------------------------------------------------------------ */

/* The sender as this recipient sees it: OWNER-@HOST-@[] becomes OWNER-USER=DOMAIN@HOST. */
static int add_sender(struct buf *out, const struct buf *sender, const struct record *recipient)
{
    size_t length = sender->length;
    if (length >= 5 && memcmp(sender->data + length - 4, "-@[]", 4) == 0) {
        const char *at = memrchr(sender->data, '@', length - 4);
        const char *domain = memrchr(recipient->text, '@', recipient->size);
        if (at && domain) {
            size_t owner = (size_t) (at - sender->data);
            size_t user = (size_t) (domain - recipient->text);
            if (buf_add(out, sender->data, owner) < 0 || buf_add(out, recipient->text, user) < 0 ||
                buf_add_byte(out, '=') < 0 || buf_add_text(out, domain + 1) < 0)
                return -1;
            return buf_add(out, at, length - 4 - owner);
        }
    }
    return buf_add(out, sender->data, length);
}

static int add_number(struct buf *out, unsigned number)
{
    char bytes[2] = {(char) (number & 255), (char) (number >> 8)};
    return buf_add(out, bytes, 2);
}

/* What all recipients of a request have in common. */
static int add_message(struct buf *out, const struct job *job, const struct record *recipient)
{
    if (buf_add_number(out, job->message->number) < 0 || buf_add_byte(out, 0) < 0 ||
        add_sender(out, &job->sender, recipient) < 0)
        return -1;
    return buf_add_byte(out, 0);
}

/* The remote channel's requests begin with how many recipients there are, and have the slot with
 * each; the local one's begin with the slot. */
static int add_request(struct channel *channel, const struct job *job, const unsigned *slots,
                       const size_t *offsets, unsigned count)
{
    struct buf *out = &channel->out;
    struct record recipient = record_at(job, offsets[0]);
    bool grouped = channel->group_max > 1;
    if (add_number(out, grouped ? count : slots[0]) < 0 || add_message(out, job, &recipient) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        recipient = record_at(job, offsets[i]);
        if ((grouped && add_number(out, slots[i]) < 0) ||
            buf_add(out, recipient.text, recipient.size + 1) < 0)
            return -1;
    }
    return 0;
}

static void start_one(struct send *send, struct channel *channel, struct delivery *delivery,
                      struct job *job, size_t offset)
{
    struct record recipient = record_at(job, offset);
    delivery->state = DELIVERY_RUNNING;
    delivery->job = job;
    delivery->offset = offset;
    delivery->id = ++send->delivery_count;
    delivery->due = 0;
    delivery->warned = false;
    job->outstanding++;
    if (job->message->direct)
        direct_started(send, job->message);
    channel->used++;
    channel->running++;
    logline_hold(&send->log, "starting delivery %n: msg %n to %s %t", delivery->id,
                 job->message->number, channel->name, recipient.text);
}

int delivery_start(struct send *send, struct channel *channel, struct job *job,
                   const size_t *offsets, unsigned count)
{
    struct group *group = find_free_group(channel);
    unsigned slots[GROUP_MAX];
    assert(count > 0 && count <= channel->group_max);
    if (!group || !find_free_slots(channel, slots, count))
        return -1;
    size_t before = channel->out.length;
    if (add_request(channel, job, slots, offsets, count) < 0) {
        channel->out.length = before;
        channel->stalled_until = send->time.now + PAUSE_TROUBLE;
        logline(&send->log, "alert: out of memory, sleeping...");
        return -1;
    }
    group->used = group->running = count;
    channel->groups_used++;
    channel->groups_running++;
    for (unsigned i = 0; i < count; i++) {
        channel->slots[slots[i]].group = group;
        start_one(send, channel, &channel->slots[slots[i]], job, offsets[i]);
    }
    channel_log_status(send);
    return 0;
}

/* --- results ------------------------------------------------------------------------------- */

static void delivery_end(struct send *send, struct channel *channel, struct delivery *delivery)
{
    struct job *job = delivery->job;
    buf_free(&delivery->piece);
    delivery->state = DELIVERY_FREE;
    delivery->job = NULL;
    channel->used--;
    if (--delivery->group->used == 0)
        channel->groups_used--;
    job->outstanding--;
    job_check(send, channel, job);
}

/* Marks the recipient done, in the file if there is one; tried again later if that fails. */
static void mark(struct send *send, struct channel *channel, struct delivery *delivery)
{
    struct job *job = delivery->job;
    delivery->state = DELIVERY_MARK;
    if (job->fd >= 0 && spool_channel_mark(job->fd, delivery->offset) < 0) {
        if (!delivery->warned)
            file_warn(send, "trouble writing to", channel->kind, job->message->number);
        delivery->warned = true;
        delivery->due = send->time.now + PAUSE_TROUBLE;
        return;
    }
    job->file.data[delivery->offset] = 'D';
    job->to_do--;
    if (job->fd >= 0)
        send_dirty(send);
    delivery_end(send, channel, delivery);
}

/* The line of its result is held. */
static void no_longer_running(struct send *send, struct channel *channel, struct delivery *delivery)
{
    channel->running--;
    if (--delivery->group->running > 0) {
        logline_flush(&send->log);
        return;
    }
    channel->groups_running--;
    channel_log_status(send);
}

static void success(struct send *send, struct channel *channel, struct delivery *delivery,
                    const char *text)
{
    logline_hold(&send->log, "delivery %n: success: %t", delivery->id, text);
    no_longer_running(send, channel, delivery);
    mark(send, channel, delivery);
}

static void note_retry(struct send *send, struct channel *channel, struct job *job)
{
    bool written = job->retry_written;
    job->retry_written = true;
    if (job->message->direct && !written)
        direct_deferred(send, channel, job);
    if (job->fd < 0)
        return;
    send_dirty(send);
    if (!written && spool_channel_write_next_try(job->fd, channel->kind, job->message->number,
                                                 steady_to_wall(&send->time, job->retry)) < 0)
        logline(&send->log, "warning: unable to utime %s/%n; message will be retried too soon",
                channel->name, job->message->number);
}

static void deferral(struct send *send, struct channel *channel, struct delivery *delivery,
                     const char *text)
{
    if (text)
        logline_hold(&send->log, "delivery %n: deferral: %t", delivery->id, text);
    else
        logline_hold(&send->log, "delivery %n: report mangled, will defer", delivery->id);
    no_longer_running(send, channel, delivery);
    note_retry(send, channel, delivery->job);
    delivery_end(send, channel, delivery);
}

/* A permanent failure: the piece of the bounce is made here, written and synced in delivery_step.
 * -1 with ENOMEM: nothing has happened yet. */
static int failure(struct send *send, struct channel *channel, struct delivery *delivery,
                   const char *text)
{
    const struct job *job = delivery->job;
    struct record recipient = record_at(job, delivery->offset);
    buf_reset(&delivery->piece);
    if (spool_bounce_build(&delivery->piece, job->message->number, recipient.text, recipient.size,
                           text, strlen(text)) < 0) {
        buf_free(&delivery->piece);
        return -1;
    }
    logline_hold(&send->log, "delivery %n: failure: %t", delivery->id, text);
    delivery->state = DELIVERY_FAILED;
    delivery->due = 0;
    no_longer_running(send, channel, delivery);
    if (job->message->state == MESSAGE_DIRECT)
        direct_move(send, job->message);
    return 0;
}

/* A deferral of a message that is too old. */
static int last_failure(struct send *send, struct channel *channel, struct delivery *delivery,
                        const char *text)
{
    struct buf all = BUF_INIT(0);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    int result = buf_set(&all, text, length);
    if (result == 0 && length > 0)
        result = buf_add_byte(&all, '\n');
    if (result == 0)
        result = buf_add_text(&all, dying_text);
    if (result == 0 && !buf_text(&all))
        result = -1;
    if (result == 0)
        result = failure(send, channel, delivery, all.data);
    buf_free(&all);
    return result;
}

/* Acts on a report: its letter and text.  -1 with ENOMEM: nothing has happened. */
static int take_report(struct send *send, struct channel *channel, struct delivery *delivery,
                       const char *text)
{
    switch (text[0]) {
    case 'K':
        success(send, channel, delivery, text + 1);
        return 0;
    case 'Z':
        if (delivery->job->dying)
            return last_failure(send, channel, delivery, text + 1);
        deferral(send, channel, delivery, text + 1);
        return 0;
    case 'D':
        return failure(send, channel, delivery, text + 1);
    default:
        deferral(send, channel, delivery, NULL);
        return 0;
    }
}

/* --- reports ------------------------------------------------------------------------------- */

/* The report in channel->report is whole.  -1 with ENOMEM. */
static int report_done(struct send *send, struct channel *channel)
{
    const unsigned char *head = (const unsigned char *) channel->report.data;
    const char *text = buf_text(&channel->report);
    if (!text)
        return -1;
    unsigned slot = head[0] | (unsigned) head[1] << 8;
    if (slot >= channel->slot_count || channel->slots[slot].state != DELIVERY_RUNNING) {
        logline(&send->log, "warning: internal error: delivery report out of range");
    } else if (take_report(send, channel, &channel->slots[slot], text + 2) < 0) {
        return -1;
    }
    buf_reset(&channel->report);
    channel->report_whole = false;
    return 0;
}

static void report_stalls(struct send *send, struct channel *channel)
{
    channel->report_whole = true;
    channel->stalled_until = send->time.now + PAUSE_TROUBLE;
    logline(&send->log, "alert: out of memory, sleeping...");
}

/* Takes what was read, up to a report that cannot be taken yet. */
static void take_input(struct send *send, struct channel *channel)
{
    while (channel->input_at < channel->input_size && !channel->report_whole) {
        char byte = channel->input[channel->input_at++];
        if (channel->report.length < 2 || byte) {
            if (channel->report.length < 2 + REPORT_MAX)
                buf_add_byte(&channel->report, byte);
        } else if (report_done(send, channel) < 0) {
            report_stalls(send, channel);
        }
    }
}

int delivery_reports(struct send *send, struct channel *channel)
{
    if (channel->report_whole || channel->input_at < channel->input_size)
        return 0;
    ssize_t count = io_read(channel->in_fd, channel->input, sizeof channel->input);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count <= 0)
        return -1;
    channel->input_at = 0;
    channel->input_size = (size_t) count;
    take_input(send, channel);
    return 0;
}

/* A report that had to wait for memory, and what was read behind it. */
static void go_on_with_reports(struct send *send, struct channel *channel)
{
    if (channel->report_whole && channel->stalled_until <= send->time.now) {
        if (report_done(send, channel) < 0)
            report_stalls(send, channel);
        else
            take_input(send, channel);
    }
}

/* --- bounces and marks --------------------------------------------------------------------- */

/* The sync failed: what the message's bounce got since the last good one is not believed. */
static void taint(struct send *send, struct message *message)
{
    file_warn(send, "trouble fsyncing", SPOOL_BOUNCE, message->number);
    message->bounce_tainted = true;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        for (unsigned k = 0; k < send->channels[i].slot_count; k++) {
            struct delivery *delivery = &send->channels[i].slots[k];
            if (delivery->state != DELIVERY_FAIL_SYNC || delivery->job->message != message)
                continue;
            delivery->state = DELIVERY_FAILED;
            delivery->due = send->time.now + PAUSE_TROUBLE;
        }
}

static void failures_synced(struct send *send, uint64_t batch, bool done)
{
    for (int i = 0; i < CHANNEL_COUNT; i++)
        for (unsigned k = 0; k < send->channels[i].slot_count; k++) {
            struct channel *channel = &send->channels[i];
            struct delivery *delivery = &channel->slots[k];
            if (delivery->state != DELIVERY_FAIL_SYNC || delivery->batch != batch)
                continue;
            if (!done) {
                taint(send, delivery->job->message);
                continue;
            }
            delivery->job->message->bounce_durable += delivery->piece.length;
            mark(send, channel, delivery);
        }
}

static void add_to_bounce(struct send *send, struct delivery *delivery)
{
    if (bounce_append(delivery->job->message, &delivery->piece) < 0) {
        if (!delivery->warned)
            logline(&send->log, "alert: unable to append to bounce message; HELP! sleeping...");
        delivery->warned = true;
        delivery->due = send->time.now + PAUSE_TROUBLE;
        return;
    }
    delivery->state = DELIVERY_FAIL_SYNC;
    delivery->batch = send->failure_batch;
    send->failures_to_sync = true;
}

/* A bounce belongs to S5. */
static bool is_too_early(const struct delivery *delivery)
{
    return delivery->state == DELIVERY_FAILED && delivery->job->message->state < MESSAGE_QUEUED;
}

static void delivery_go_on(struct send *send, struct channel *channel, struct delivery *delivery)
{
    if (delivery->due > send->time.now)
        return;
    if (is_too_early(delivery))
        return;
    if (delivery->state == DELIVERY_FAILED) {
        add_to_bounce(send, delivery);
    } else if (delivery->state == DELIVERY_MARK) {
        mark(send, channel, delivery);
    }
}

void delivery_step(struct send *send)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct channel *channel = &send->channels[i];
        go_on_with_reports(send, channel);
        if (channel->used == channel->running)
            continue;
        for (unsigned k = 0; k < channel->slot_count; k++)
            delivery_go_on(send, channel, &channel->slots[k]);
    }
    if (send->failures_to_sync &&
        cleaner_sync(&send->cleaner, send->failure_batch, failures_synced) == 0) {
        send->failures_to_sync = false;
        send->failure_batch++;
    }
}

int64_t delivery_next(const struct send *send)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct channel *channel = &send->channels[i];
        if (channel->report_whole && channel->stalled_until < next)
            next = channel->stalled_until;
        if (channel->used == channel->running)
            continue;
        for (unsigned k = 0; k < channel->slot_count; k++) {
            const struct delivery *delivery = &channel->slots[k];
            bool waits = delivery->state == DELIVERY_FAILED || delivery->state == DELIVERY_MARK;
            if (waits && !is_too_early(delivery) && delivery->due < next)
                next = delivery->due;
        }
    }
    return next;
}
