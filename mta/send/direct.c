/* SPDX-License-Identifier: ISC */
#include "mta/send/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/send/send.h"

static void later(struct send *send, struct message *message, int64_t pause)
{
    message_due(&send->messages, message, DUE_CHORE, send->time.now + pause);
}

static void drop(struct send *send, struct message *message)
{
    message_drop_direct(message);
    send->direct_count--;
}

static struct buf take(struct buf *from)
{
    struct buf taken = *from;
    *from = (struct buf) BUF_INIT(0);
    return taken;
}

int direct_begin(struct send *send, struct message *message, const char *sender, struct buf *info,
                 struct buf channels[CHANNEL_COUNT])
{
    struct direct *direct = mem_alloc(sizeof *direct);
    if (!direct)
        return -1;
    memset(direct, 0, sizeof *direct);
    if (buf_add(&direct->sender, sender, strlen(sender) + 1) < 0) {
        mem_free(direct);
        return -1;
    }
    direct->info = take(info);
    message->direct = direct;
    message->state = MESSAGE_DIRECT;
    send->direct_count++;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        direct->channels[i] = take(&channels[i]);
        if (message->has[i])
            message_due(&send->messages, message, (enum due_kind) i, send->time.now);
    }
    return 0;
}

void direct_started(struct send *send, struct message *message)
{
    if (message->direct->started)
        return;
    message->direct->started = true;
    if (message->state == MESSAGE_DIRECT)
        later(send, message, DIRECT_SECONDS);
}

/* --- to S5 --------------------------------------------------------------------------------- */

static void close_jobs(struct send *send, const struct message *message)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct job *job = channel_job(&send->channels[i], message);
        if (job)
            io_close(&job->fd);
    }
}

/* Jobs mark in the files from now on. */
static int open_jobs(struct send *send, const struct message *message)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct job *job = channel_job(&send->channels[i], message);
        if (!job)
            continue;
        job->fd = spool_open(send->channels[i].kind, message->number, O_RDWR);
        if (job->fd < 0)
            return -1;
    }
    return 0;
}

static int write_files(const struct send *send, const struct message *message)
{
    const struct buf *files[CHANNEL_COUNT];
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct job *job = channel_job(&send->channels[i], message);
        files[i] = job ? &job->file : &message->direct->channels[i];
    }
    return todo_write(message->number, &message->direct->info, files);
}

/* Writes the files, and waits for the sync. */
static int begin_move(struct send *send, struct message *message)
{
    if (write_files(send, message) < 0)
        return -1;
    if (open_jobs(send, message) == 0 && todo_sync(send, message) == 0)
        return 0;
    int saved = errno;
    close_jobs(send, message);
    todo_unwrite(message->number);
    errno = saved;
    return -1;
}

static void move_later(struct send *send, struct message *message)
{
    message->state = MESSAGE_MOVING;
    later(send, message, PAUSE_TROUBLE);
}

void direct_move(struct send *send, struct message *message)
{
    /* A pass that has begun goes on; what has not begun does so from the files. */
    for (int i = 0; i < CHANNEL_COUNT; i++)
        message_not_due(&send->messages, message, (enum due_kind) i);
    message_not_due(&send->messages, message, DUE_CHORE);
    if (begin_move(send, message) == 0)
        return;
    file_warn(send, "unable to preprocess", SPOOL_TODO, message->number);
    move_later(send, message);
}

void direct_move_failed(struct send *send, struct message *message)
{
    close_jobs(send, message);
    todo_unwrite(message->number);
    move_later(send, message);
}

void direct_moved(struct send *send, struct message *message)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        int64_t retry = message->direct->retry[i];
        if (message->has[i] && !channel_job(&send->channels[i], message))
            message_due(&send->messages, message, (enum due_kind) i,
                        retry ? retry : send->time.now);
    }
    drop(send, message);
}

/* --- jobs ---------------------------------------------------------------------------------- */

int direct_open(struct job *job, enum due_kind channel)
{
    struct direct *direct = job->message->direct;
    struct spool_channel found;
    static const enum spool_kind kinds[CHANNEL_COUNT] = {SPOOL_LOCAL, SPOOL_REMOTE};
    if (buf_set(&job->sender, direct->sender.data, direct->sender.length - 1) < 0 ||
        !buf_text(&job->sender) ||
        spool_channel_parse(direct->channels[channel].data, direct->channels[channel].length,
                            kinds[channel], job->message->number, &found) < 0)
        return -1;
    job->file = take(&direct->channels[channel]);
    job->at = found.first;
    job->to_do = found.to_do;
    return 0;
}

void direct_close(struct job *job, enum due_kind channel)
{
    job->message->direct->channels[channel] = take(&job->file);
}

void direct_job_ended(struct send *send, struct message *message, enum due_kind channel,
                      size_t left, int64_t retry)
{
    message->has[channel] = left > 0;
    message->direct->retry[channel] = retry;
    if (message->state != MESSAGE_DIRECT || message->has[DUE_LOCAL] || message->has[DUE_REMOTE])
        return;
    logline(&send->log, "end msg %n", message->number);
    message->state = MESSAGE_DONE;
    direct_remove(send, message);
}

void direct_deferred(struct send *send, const struct channel *channel, struct job *job)
{
    spool_channel_set_next_try(job->file.data, channel->kind, job->message->number,
                               steady_to_wall(&send->time, job->retry));
    if (job->message->state == MESSAGE_DIRECT)
        direct_move(send, job->message);
}

/* --- the end ------------------------------------------------------------------------------- */

static void removed(struct send *send, uint64_t number, bool done)
{
    struct message *message = message_find(&send->messages, number);
    if (!message)
        return;
    send_dirty(send);
    if (done) {
        drop(send, message);
        message_drop(&send->messages, message);
        marked_gone(send, number);
        return;
    }
    logline(&send->log, "warning: nixie-clean unable to clean up todo/%n and mess/%n", number,
            number);
    later(send, message, PAUSE_TROUBLE);
}

void direct_remove(struct send *send, struct message *message)
{
    message_not_due(&send->messages, message, DUE_CHORE);
    if (cleaner_ask(&send->cleaner, "done", message->number, removed) < 0)
        later(send, message, PAUSE_TROUBLE);
}

/* --- the end of send ----------------------------------------------------------------------- */

static bool has_results(const struct message *message)
{
    bool in_memory = message->state == MESSAGE_DIRECT || message->state == MESSAGE_MOVING;
    return (in_memory && message->direct->started) ||
           (message->state == MESSAGE_DONE && file_is_there(SPOOL_TODO, message->number));
}

void direct_save(struct send *send)
{
    if (!send->clean_is_gone) {
        direct_exit(send);
        send_wait_cleaner(send);
        return;
    }
    /* What is found whole at the next start is believed (recover.c). */
    for (size_t i = 0; i < send->messages.capacity; i++) {
        const struct message *message = send->messages.table[i];
        if (message && has_results(message))
            write_files(send, message);
    }
}

void direct_exit(struct send *send)
{
    for (size_t i = 0; i < send->messages.capacity; i++) {
        struct message *message = send->messages.table[i];
        if (!message)
            continue;
        if ((message->state == MESSAGE_DIRECT && message->direct->started) ||
            message->state == MESSAGE_MOVING)
            direct_move(send, message);
        else if (message->state == MESSAGE_DONE && message->at[DUE_CHORE]) /* clean could not */
            direct_remove(send, message);
    }
}
