/* SPDX-License-Identifier: ISC */
/* Start-up: bounce, local and remote of a message in S5. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/schedule.h"
#include "mta/send/recover.h"
#include "mta/send/send.h"

/* How often a recipient stands in the pieces of the bounce. */
static size_t count_pieces(const struct buf *bounce, uint64_t number, const struct record *record)
{
    struct spool_bounce piece;
    size_t at = 0, count = 0;
    while (spool_bounce_next(bounce->data, bounce->length, number, &at, &piece) == 1)
        count += piece.recipient_size == record->size &&
                 memcmp(piece.recipient, record->text, record->size) == 0;
    return count;
}

static size_t count_done(const struct buf *file, size_t first, const struct record *record)
{
    struct record other;
    size_t at = first, count = 0;
    while (record_next(file->data, file->length, &at, &other) == 1)
        count += other.letter == 'D' && other.size == record->size &&
                 memcmp(other.text, record->text, record->size) == 0;
    return count;
}

/* A recipient whose failure stands in the bounce must not be tried again: marks what the crash
 * left unmarked. */
static int mark_failed(struct send *send, int fd, struct buf *file, uint64_t number,
                       struct spool_channel *channel, const struct buf *bounce)
{
    struct record record;
    size_t at = channel->first;
    if (!bounce->length)
        return 0;
    while (record_next(file->data, file->length, &at, &record) == 1) {
        if (record.letter != 'T' ||
            count_pieces(bounce, number, &record) <= count_done(file, channel->first, &record))
            continue;
        if (spool_channel_mark(fd, record.offset) < 0)
            return -1;
        send_dirty(send);
        file->data[record.offset] = 'D';
        channel->to_do--;
        channel->done++;
    }
    return 0;
}

/* When a channel is due that says `next_try`: never later than the schedule could have said. */
static int64_t due_time(const struct send *send, const struct message *message,
                        const struct spool_channel *found, unsigned skip)
{
    int64_t now = send->time.now;
    if (!found->next_try_known)
        return now;
    int64_t due = steady_from_wall(&send->time, found->next_try);
    int64_t largest = schedule_largest_step(send->lifetime, skip);
    return due > now + largest ? schedule_next(message->birth, now, skip) : due;
}

static int read_channel(struct send *send, struct message *message, const struct channel *channel,
                        const struct buf *bounce, int fd, struct buf *file)
{
    struct spool_channel found;
    uint64_t number = message->number;
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (io_read_all(fd, file) < 0)
        return -1;
    if (spool_channel_parse(file->data, file->length, channel->kind, number, &found) < 0)
        return -1;
    if (mark_failed(send, fd, file, number, &found, bounce) < 0)
        return -1;
    if (found.to_do == 0)
        return 0; /* it goes with the message */
    message->has[channel->index] = true;
    message_due(&send->messages, message, channel->index,
                message->expired ? send->time.now : due_time(send, message, &found, channel->skip));
    return 0;
}

static int recover_channel(struct send *send, struct message *message,
                           const struct channel *channel, const struct buf *bounce)
{
    struct buf file = BUF_INIT(0);
    int fd = spool_open(channel->kind, message->number, O_RDWR);
    int result = read_channel(send, message, channel, bounce, fd, &file);
    int saved = errno == EMSGSIZE ? EBADMSG : errno;
    io_close(&fd);
    buf_free(&file);
    errno = saved;
    return result;
}

/* The whole pieces of the bounce, and where the last of them ends.  *torn tells whether there is
 * anything else in it. */
static int read_bounce(struct send *send, uint64_t number, struct buf *whole, size_t *end,
                       bool *torn)
{
    struct buf content = BUF_INIT(0);
    struct spool_bounce piece;
    size_t at = 0, from = 0;
    int found = 0;
    int result = file_read(SPOOL_BOUNCE, number, &content);
    if (result < 0 && errno == EBADMSG) { /* no file at all */
        file_aside(send, SPOOL_BOUNCE, number);
        buf_reset(&content);
        *torn = true;
        result = 0;
    }
    while (result == 0 &&
           (found = spool_bounce_next(content.data, content.length, number, &at, &piece)) != 0) {
        if (found == 1 && buf_add(whole, content.data + from, at - from) < 0)
            result = -1;
        from = at;
        if (found == 1)
            *end = at;
    }
    int saved = errno;
    *torn = *torn || !content.length || whole->length != content.length;
    buf_free(&content);
    errno = saved;
    return result < 0 && errno != ENOENT ? -1 : 0;
}

/* Cuts off what stands behind the last whole piece.  In place: were the file replaced, another
 * power loss could leave neither the old nor the new one. */
static int cut_bounce(uint64_t number, size_t end)
{
    if (end == 0)
        return file_remove(SPOOL_BOUNCE, number);
    int fd = spool_open(SPOOL_BOUNCE, number, O_WRONLY);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, (off_t) end);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

/* A piece that a crash tore is of a recipient who is tried again: then the whole ones are kept.  If
 * nobody is left to be tried it was damaged later: the bounce then says so. */
static int mend_bounce(struct send *send, struct message *message, size_t end)
{
    uint64_t number = message->number;
    if (!message->has[DUE_LOCAL] && !message->has[DUE_REMOTE]) {
        message->bounce_lost = true;
        return 0;
    }
    logline(&send->log, "warning: bounce/%n was torn; its whole records are kept", number);
    send_dirty(send);
    return cut_bounce(number, end);
}

/* local/N or remote/N is damaged, and there is a bounce to be sent.  A file that does not even say
 * that it is ours is a name that came back after its removal: nobody was left in it.  If it does,
 * recipients may be unheard of: the bounce then says so. */
static int finish_channel(struct send *send, struct message *message, enum spool_kind kind)
{
    char path[SPOOL_PATH_SIZE], label[SPOOL_LABEL_SIZE];
    ssize_t count = 0;
    int fd = spool_open(kind, message->number, O_RDONLY);
    if (fd >= 0) {
        count = io_read(fd, label, sizeof label);
        close(fd);
    }
    if (count < 0)
        return -1;
    message->bounce_lost |= spool_is_labelled(label, (size_t) count, kind, message->number);
    logline(&send->log, "warning: %s does not check out; set aside in corrupt/",
            spool_path(path, kind, message->number));
    send_dirty(send);
    return spool_aside(kind, message->number);
}

int recover_files(struct send *send, const struct entry *entry, struct message *message,
                  enum spool_kind *failed)
{
    struct buf bounce = BUF_INIT(0);
    size_t end = 0;
    bool torn = false;
    int result = 0;
    *failed = SPOOL_BOUNCE;
    if (entry->kinds & BIT(SPOOL_BOUNCE))
        result = read_bounce(send, entry->number, &bounce, &end, &torn);
    for (int i = 0; i < CHANNEL_COUNT && result == 0; i++) {
        *failed = send->channels[i].kind;
        if (entry->kinds & BIT(*failed))
            result = recover_channel(send, message, &send->channels[i], &bounce);
        if (result < 0 && errno == EBADMSG && bounce.length > 0)
            result = finish_channel(send, message, *failed);
    }
    message->has_bounce = bounce.length > 0;
    message->bounce_length = end;
    message->bounce_durable = end;
    if (result == 0 && torn)
        result = mend_bounce(send, message, end);
    int saved = errno;
    buf_free(&bounce);
    errno = saved;
    return result;
}
