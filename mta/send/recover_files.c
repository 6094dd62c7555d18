/* SPDX-License-Identifier: ISC */
/* Start-up: bounce, local and remote of a message in S5. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/bounce_file.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/schedule.h"
#include "mta/send/recover.h"
#include "mta/send/send.h"

/* --- who has failed -------------------------------------------------------------------------- */

/* What a crash may have found before the mark: a recipient who is not marked.  Of those with the
 * same address the first counts for all. */
struct waiting {
    char *record; /* in the channel's file, which is in memory: 'T', the address, NUL */
    uint32_t failed, done;
};

static int compare_waiting(const void *a, const void *b)
{
    const struct waiting *left = a, *right = b;
    int order = strcmp(left->record + 1, right->record + 1);
    if (order != 0)
        return order;
    return left->record < right->record ? -1 : left->record > right->record;
}

/* The first with that address, or NULL. */
static struct waiting *find_waiting(struct waiting *waiting, size_t count, const char *address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(waiting[middle].record + 1, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && strcmp(waiting[low].record + 1, address) == 0 ? &waiting[low] : NULL;
}

/* The unmarked ones, sorted, with how often their addresses are marked. */
static void list_waiting(struct waiting *waiting, struct buf *file,
                         const struct spool_channel *channel)
{
    struct record record;
    struct waiting *found;
    size_t at = channel->first, count = 0;
    while (record_next(file->data, file->length, &at, &record) == 1)
        if (record.letter == 'T')
            waiting[count++] = (struct waiting){.record = file->data + record.offset};
    qsort(waiting, count, sizeof *waiting, compare_waiting);
    at = channel->first;
    while (record_next(file->data, file->length, &at, &record) == 1)
        if (record.letter == 'D' && (found = find_waiting(waiting, count, record.text)))
            found->done++;
}

/* How often each stands in the bounce. */
static int count_failures(struct waiting *waiting, size_t count, uint64_t number)
{
    struct bounce_file bounce;
    struct spool_bounce piece;
    int next;
    for (size_t i = 0; i < count; i++)
        waiting[i].failed = 0;
    if (bounce_file_open(&bounce, number, 0) < 0)
        return -1;
    while ((next = bounce_file_next(&bounce, &piece)) != 0 && (next == 1 || errno == EBADMSG)) {
        struct waiting *found = next == 1 ? find_waiting(waiting, count, piece.recipient) : NULL;
        if (found)
            found->failed++;
    }
    bounce_file_close(&bounce);
    return next;
}

static bool is_any_failed(const struct waiting *waiting, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (waiting[i].failed > waiting[i].done)
            return true;
    return false;
}

static int mark_waiting(struct send *send, int fd, const struct buf *file, struct waiting *waiting,
                        size_t count, struct spool_channel *channel)
{
    struct waiting *first = waiting;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(first->record + 1, waiting[i].record + 1) != 0)
            first = &waiting[i];
        if (first->failed <= first->done)
            continue;
        if (spool_channel_mark(fd, (size_t) (waiting[i].record - file->data)) < 0)
            return -1;
        send_dirty(send);
        *waiting[i].record = 'D';
        first->done++;
        channel->to_do--;
        channel->done++;
    }
    return 0;
}

/* A recipient whose failure stands in the bounce must not be tried again: marks what the crash
 * left unmarked. */
static int mark_failed(struct send *send, int fd, struct buf *file, uint64_t number,
                       struct spool_channel *channel)
{
    size_t count = channel->to_do;
    if (count == 0)
        return 0;
    struct waiting *waiting = mem_alloc(count * sizeof *waiting);
    if (!waiting)
        return -1;
    list_waiting(waiting, file, channel);
    int result = count_failures(waiting, count, number);
    if (result == 0 && is_any_failed(waiting, count)) {
        result = recover_make_sure(send, number, BIT(SPOOL_BOUNCE));
        if (result == 0) /* of what was read to be written over */
            result = count_failures(waiting, count, number);
    }
    if (result == 0)
        result = mark_waiting(send, fd, file, waiting, count, channel);
    int saved = errno == EBADMSG ? EIO : errno; /* the channel's file is not what is bad */
    mem_free(waiting);
    errno = saved;
    return result;
}

/* --- the channels ---------------------------------------------------------------------------- */

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
                        bool has_bounce, int fd, struct buf *file)
{
    struct spool_channel found;
    uint64_t number = message->number;
    if (fd < 0 && errno == ENOENT && file_is_there(channel->kind, number))
        errno = EIO; /* not to be believed: all its recipients would be forgotten */
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (io_read_all(fd, file) < 0)
        return -1;
    if (spool_channel_parse(file->data, file->length, channel->kind, number, &found) < 0)
        return -1;
    if (has_bounce && mark_failed(send, fd, file, number, &found) < 0)
        return -1;
    if (found.to_do == 0)
        return 0; /* it goes with the message */
    message->has[channel->index] = true;
    message_due(&send->messages, message, channel->index,
                message->expired ? send->time.now : due_time(send, message, &found, channel->skip));
    return 0;
}

static int recover_channel(struct send *send, struct message *message,
                           const struct channel *channel, bool has_bounce)
{
    struct buf file = BUF_INIT(0);
    int fd = spool_open(channel->kind, message->number, O_RDWR);
    int result = read_channel(send, message, channel, has_bounce, fd, &file);
    int saved = errno == EMSGSIZE ? EBADMSG : errno;
    io_close(&fd);
    buf_free(&file);
    errno = saved;
    return result;
}

/* --- the bounce ------------------------------------------------------------------------------ */

/* What is in the file. */
struct bounce_found {
    bool any;     /* whole pieces */
    bool torn;    /* something else, or nothing at all */
    uint64_t end; /* of the last whole piece */
};

static int read_pieces(struct bounce_file *file, struct bounce_found *found)
{
    struct spool_bounce piece;
    int next;
    while ((next = bounce_file_next(file, &piece)) != 0 && (next == 1 || errno == EBADMSG)) {
        if (next == 1)
            found->end = bounce_file_end(file);
        found->any |= next == 1;
        found->torn |= next < 0;
    }
    found->torn |= !found->any;
    return next;
}

static int read_bounce(struct send *send, uint64_t number, struct bounce_found *found)
{
    struct bounce_file file;
    if (bounce_file_open(&file, number, 0) < 0) {
        if (errno != EBADMSG && errno != ENOENT)
            return -1;
        if (errno == EBADMSG) /* no file at all */
            file_aside(send, SPOOL_BOUNCE, number);
        found->torn = true;
        return 0;
    }
    int result = read_pieces(&file, found);
    bounce_file_close(&file);
    return result;
}

/* Cuts off what stands behind the last whole piece.  In place: were the file replaced, another
 * power loss could leave neither the old nor the new one. */
static int cut_bounce(uint64_t number, uint64_t end)
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
static int mend_bounce(struct send *send, struct message *message, uint64_t end)
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
    struct bounce_found bounce = {.any = false};
    int result = 0;
    *failed = SPOOL_BOUNCE;
    if (entry->kinds & BIT(SPOOL_BOUNCE))
        result = read_bounce(send, entry->number, &bounce);
    for (int i = 0; i < CHANNEL_COUNT && result == 0; i++) {
        *failed = send->channels[i].kind;
        if (entry->kinds & BIT(*failed))
            result = recover_channel(send, message, &send->channels[i], bounce.any);
        if (result < 0 && errno == EBADMSG && bounce.any)
            result = finish_channel(send, message, *failed);
    }
    message->has_bounce = bounce.any;
    message->bounce_length = bounce.end;
    message->bounce_durable = bounce.end;
    return result == 0 && bounce.torn ? mend_bounce(send, message, bounce.end) : result;
}
