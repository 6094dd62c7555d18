/* SPDX-License-Identifier: ISC */
/* Passes: one message a channel at a time is gone through, and its recipients are tried. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/schedule.h"
#include "mta/send/send.h"

#define STARTS_A_STEP 8
#define RECORDS_A_STEP 4096

static struct job *find_free_job(const struct channel *channel)
{
    for (unsigned i = 0; i <= channel->group_count; i++)
        if (!channel->jobs[i].message)
            return &channel->jobs[i];
    return NULL; /* there is one more than groups, and each other has one in use or is the pass */
}

static void job_release(struct job *job)
{
    io_close(&job->fd);
    buf_free(&job->file);
    buf_free(&job->sender);
    memset(job, 0, sizeof *job);
    job->fd = -1;
}

/* Opens and reads local/N or remote/N.  0 or -1 with errno. */
static int read_channel_file(struct job *job, enum spool_kind kind)
{
    struct spool_channel found;
    uint64_t number = job->message->number;
    job->fd = spool_open(kind, number, O_RDWR);
    if (job->fd < 0 || io_read_all(job->fd, &job->file) < 0)
        return -1;
    if (spool_channel_parse(job->file.data, job->file.length, kind, number, &found) < 0)
        return -1;
    job->at = found.first;
    job->to_do = found.to_do;
    return 0;
}

struct job *channel_job(const struct channel *channel, const struct message *message)
{
    for (unsigned i = 0; i <= channel->group_count; i++)
        if (channel->jobs[i].message == message)
            return &channel->jobs[i];
    return NULL;
}

bool channel_works_on(const struct channel *channel, const struct message *message)
{
    return channel_job(channel, message);
}

/* A file that says for whom the message is, or from whom, is damaged, or somebody took it away: all
 * that is left of it is set aside, as soon as the other channel has let go of it. */
static void message_aside(struct send *send, struct channel *channel, struct message *message,
                          enum spool_kind kind, const char *why)
{
    logline(&send->log, "warning: %s/%n %s", spool_directory(kind), message->number, why);
    if (channel_works_on(&send->channels[1 - channel->index], message)) {
        message_due(&send->messages, message, channel->index, send->time.now + PAUSE_TROUBLE);
        return;
    }
    if (message_files_aside(send, message->number) < 0 &&
        (file_is_there(SPOOL_INFO, message->number) || errno != ENOENT)) {
        message_due(&send->messages, message, channel->index, send->time.now + PAUSE_CHORE);
        return;
    }
    uint64_t number = message->number;
    message_drop(&send->messages, message);
    marked_gone(send, number);
}

static void message_withdrawn(struct send *send, struct channel *channel, struct message *message)
{
    if (channel_works_on(&send->channels[1 - channel->index], message) ||
        todo_withdrawn(send, message) < 0)
        message_due(&send->messages, message, channel->index, send->time.now + PAUSE_TROUBLE);
}

/* A file of the message could not be read. */
static void open_failed(struct send *send, struct channel *channel, struct message *message,
                        enum spool_kind kind, int error)
{
    if (error == EBADMSG) {
        message_aside(send, channel, message, kind, "does not check out");
        return;
    }
    if (error == ENOENT && message->found && !file_is_there(SPOOL_MESS, message->number) &&
        errno == ENOENT) {
        message_withdrawn(send, channel, message);
        return;
    }
    if (error == ENOENT && kind == channel->kind) { /* recipients were left in it */
        message_aside(send, channel, message, kind, "is gone");
        return;
    }
    file_warn(send, "unable to open", kind, message->number);
    message_due(&send->messages, message, channel->index, send->time.now + PAUSE_TROUBLE);
}

/* Fills the job from the message's files.  0, or -1 with errno: of the kind *failed. */
static int open_job(struct job *job, const struct channel *channel, enum spool_kind *failed)
{
    const struct message *message = job->message;
    *failed = SPOOL_TODO;
    if (message->direct)
        return direct_open(job, channel->index);
    *failed = SPOOL_INFO;
    if (info_read_sender(message->number, &job->sender) < 0)
        return -1;
    *failed = channel->kind;
    if (read_channel_file(job, channel->kind) < 0)
        return -1;
    *failed = SPOOL_MESS;
    uint64_t length;
    if (message->found && spool_length(SPOOL_MESS, message->number, &length) < 0)
        return -1;
    return message->unverified ? mess_verify(message->number) : 0;
}

static void pass_begin(struct send *send, struct channel *channel, struct message *message)
{
    struct job *job = find_free_job(channel);
    message_not_due(&send->messages, message, channel->index);
    job->message = message;
    enum spool_kind failed;
    if (open_job(job, channel, &failed) < 0) {
        int error = errno;
        job_release(job);
        open_failed(send, channel, message, failed, error);
        return;
    }
    message->unverified = false;
    int64_t now = send->time.now;
    job->retry = schedule_next(message->birth, now, channel->skip);
    job->dying = message->expired || now > message->birth + send->lifetime;
    job->passing = true;
    channel->pass = job;
}

/* Nothing is left to wait for: the message waits for its next try, or is done in this channel. */
static void job_end(struct send *send, struct channel *channel, struct job *job)
{
    struct message *message = job->message;
    size_t to_do = job->to_do;
    bool again = job->again || (message->expired && !job->dying);
    int64_t retry = again ? send->time.now : job->retry;
    if (message->direct)
        direct_close(job, channel->index);
    job_release(job);
    if (message->direct) {
        direct_job_ended(send, message, channel->index, to_do, retry);
        return;
    }
    if (to_do > 0) {
        message_due(&send->messages, message, channel->index, retry);
        if (message->removed)
            message_check_done(send, message);
        return;
    }
    message_channel_done(send, message, channel->index);
}

void job_check(struct send *send, struct channel *channel, struct job *job)
{
    if (!job->passing && job->outstanding == 0)
        job_end(send, channel, job);
}

/* A list's sender is another one for each recipient. */
static bool has_sender_for_each(const struct job *job)
{
    return job->sender.length >= 5 &&
           memcmp(job->sender.data + job->sender.length - 4, "-@[]", 4) == 0;
}

static bool is_same_host(const struct record *a, const struct record *b)
{
    const char *host_a = strrchr(a->text, '@'), *host_b = strrchr(b->text, '@');
    return host_a && host_b && strcasecmp(host_a, host_b) == 0;
}

/* The recipients that go with `first` in one request: those behind it at the same host.  *at is
 * moved behind the last.  Returns how many. */
static unsigned collect_group(const struct channel *channel, const struct job *job,
                              const struct record *first, size_t *at, size_t offsets[GROUP_MAX])
{
    unsigned room = channel->slot_count - channel->used, count = 1;
    unsigned most = has_sender_for_each(job) ? 1 : channel->group_max;
    size_t next = *at;
    struct record record;
    offsets[0] = first->offset;
    for (unsigned i = 0; i < RECORDS_A_STEP && count < most && count < room; i++) {
        if (record_next(job->file.data, job->file.length, &next, &record) != 1)
            break;
        if (record.letter != 'T')
            continue;
        if (!is_same_host(first, &record))
            break;
        offsets[count++] = record.offset;
        *at = next;
    }
    return count;
}

/* Goes on with the pass.  *starts: how many groups it may still start in this step. */
static void pass_go_on(struct send *send, struct channel *channel, unsigned *starts)
{
    struct job *job = channel->pass;
    struct record record;
    size_t offsets[GROUP_MAX];
    for (unsigned i = 0; i < RECORDS_A_STEP; i++) {
        size_t at = job->at;
        bool stop = job->message->held || job->message->removed;
        if (stop || record_next(job->file.data, job->file.length, &at, &record) != 1) {
            job->passing = false;
            channel->pass = NULL;
            job_check(send, channel, job);
            return;
        }
        if (record.letter == 'T') {
            if (!*starts || !channel_has_room(channel))
                return;
            unsigned count = collect_group(channel, job, &record, &at, offsets);
            if (delivery_start(send, channel, job, offsets, count) < 0)
                return;
            --*starts;
        }
        job->at = at;
    }
}

bool pass_ready(const struct send *send, const struct channel *channel)
{
    const struct message *message = message_first(&send->messages, channel->index);
    if (send->exit_asap || !channel_has_room(channel) || channel->stalled_until > send->time.now)
        return false;
    return channel->pass || (message && message->due[channel->index] <= send->time.now);
}

void pass_step(struct send *send, struct channel *channel)
{
    unsigned starts = STARTS_A_STEP;
    for (unsigned i = 0; i < STARTS_A_STEP && starts && pass_ready(send, channel); i++) {
        if (!channel->pass)
            pass_begin(send, channel, message_first(&send->messages, channel->index));
        if (channel->pass)
            pass_go_on(send, channel, &starts);
    }
}
