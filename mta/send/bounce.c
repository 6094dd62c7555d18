/* SPDX-License-Identifier: ISC */
/* Bounces: the record of failed recipients in bounce/N, and handing over the message made of it
 * (notice*.c). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/bounce_file.h"
#include "mta/lib/io.h"
#include "mta/lib/submit.h"
#include "mta/send/notice.h"
#include "mta/send/send.h"

/* --- the record ---------------------------------------------------------------------------- */

static int write_file(const char *path, const char *bytes, size_t size)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int result = io_write(fd, bytes, size);
    int saved = errno;
    close(fd);
    if (result < 0)
        unlink(path);
    errno = saved;
    return result;
}

/* After a failed sync: only what was durable before counts.  What comes behind it is written anew,
 * in place: were the file replaced, a power loss could leave neither the old nor the new one.  0,
 * or -1 with errno. */
static int renew(struct message *message)
{
    if (message->bounce_durable == 0) {
        if (file_remove(SPOOL_BOUNCE, message->number) < 0)
            return -1;
        message->has_bounce = false;
    }
    message->bounce_length = message->bounce_durable;
    message->bounce_tainted = false;
    return 0;
}

int bounce_append(struct message *message, const struct buf *piece)
{
    char path[SPOOL_PATH_SIZE];
    if (message->bounce_tainted && renew(message) < 0)
        return -1;
    spool_path(path, SPOOL_BOUNCE, message->number);
    if (!message->has_bounce) {
        if (write_file(path, piece->data, piece->length) < 0)
            return -1;
        message->has_bounce = true;
        message->bounce_length = piece->length;
        return 0;
    }
    int fd = spool_open(SPOOL_BOUNCE, message->number, O_WRONLY);
    if (fd < 0)
        return -1;
    /* A piece that was cut off, because there was no room or no sync, goes first. */
    int result = ftruncate(fd, (off_t) message->bounce_length);
    if (result == 0 && lseek(fd, (off_t) message->bounce_length, SEEK_SET) < 0)
        result = -1;
    if (result == 0)
        result = io_write(fd, piece->data, piece->length);
    int saved = errno;
    close(fd);
    errno = saved;
    if (result == 0)
        message->bounce_length += piece->length;
    return result;
}

/* --- handing it over ----------------------------------------------------------------------- */

static void copy_message(struct submit *submit, uint64_t number)
{
    char block[8192];
    int fd = spool_open(SPOOL_MESS, number, O_RDONLY);
    if (fd < 0) {
        if (errno == ENOENT || errno == EBADMSG)
            submit_text(submit, "\n(The message is lost.)\n");
        else
            submit_fail(submit, QUEUE_READ);
        return;
    }
    for (;;) {
        ssize_t count = io_read(fd, block, sizeof block);
        if (count < 0)
            submit_fail(submit, QUEUE_READ);
        if (count <= 0)
            break;
        submit_write(submit, block, (size_t) count);
    }
    close(fd);
}

/* Hands it to the queue.  0: accepted. */
static int hand_over(struct send *send, const struct notice *notice)
{
    struct submit submit;
    struct submit_result result;
    const char *sender = notice->type == NOTICE_BOUNCE ? "" : "#@[]";
    submit_open_as(&submit, &send->home, send->environment, CALLER_BOUNCE, NULL);
    submit_write(&submit, notice->begin.data, notice->begin.length);
    copy_message(&submit, notice->number);
    submit_write(&submit, notice->end.data, notice->end.length);
    submit_sender(&submit, sender, strlen(sender));
    submit_recipient(&submit, notice->recipient.data, notice->recipient.length);
    if (submit_finish(&submit, &result) != QUEUE_OK) {
        logline(&send->log, "warning: trouble injecting bounce message, will try later");
        return -1;
    }
    logline(&send->log, "bounce msg %n qp %n", notice->number, result.number);
    return 0;
}

/* Adds whole pieces to the notice, as many as one tells of.  0, 1: there are more; -1 with errno.
 */
static int read_pieces(struct send *send, struct notice *notice, struct bounce_file *file)
{
    struct spool_bounce piece;
    bool damaged = false;
    int found;
    while ((found = bounce_file_next(file, &piece)) != 0) {
        size_t size = file->at - file->from;
        if (found < 0 && errno != EBADMSG)
            return -1;
        if (found < 0) {
            if (!damaged)
                logline(&send->log, "warning: bounce/%n is damaged in part", notice->number);
            notice->damaged = damaged = true;
        } else if (notice->record.length > 0 && notice->record.length + size > NOTICE_RECORD_MAX) {
            notice->end_at = bounce_file_begin(file);
            return 1;
        } else if (buf_add(&notice->record, file->window.data + file->from, size) < 0) {
            return -1;
        }
    }
    return 0;
}

static int read_record(struct send *send, struct notice *notice)
{
    struct bounce_file file;
    if (bounce_file_open(&file, notice->number, notice->begin_at) < 0)
        return errno == EBADMSG || errno == ENOENT ? 0 : -1;
    int result = read_pieces(send, notice, &file);
    bounce_file_close(&file);
    notice->more = result == 1;
    return result < 0 ? -1 : 0;
}

/* Reads what the notice tells of.  0, or -1 after a warning. */
static int read_files(struct send *send, struct notice *notice)
{
    if (file_read(SPOOL_INFO, notice->number, &notice->info_file) < 0 ||
        spool_info_parse(notice->info_file.data, notice->info_file.length, notice->number,
                         &notice->info) < 0) {
        file_warn(send, "trouble reading", SPOOL_INFO, notice->number);
        return -1;
    }
    if (read_record(send, notice) == 0)
        return 0;
    file_warn(send, "trouble reading", SPOOL_BOUNCE, notice->number);
    return -1;
}

int bounce_inject(struct send *send, struct message *message)
{
    struct notice notice;
    notice_init(&notice, message->number, message->bounce_lost);
    notice.begin_at = message->bounce_told;
    int result = read_files(send, &notice);
    if (result == 0 && strcmp(notice.info.sender, "#@[]") == 0) {
        logline(&send->log, "triple bounce: discarding bounce/%n", message->number);
    } else if (result == 0) {
        result = notice_build(send, &notice);
        if (result == 0)
            result = hand_over(send, &notice);
        else
            file_warn(send, "trouble making the notice of", SPOOL_BOUNCE, message->number);
        if (result == 0 && notice.more) {
            message->bounce_told = notice.end_at;
            result = 1;
        }
    }
    notice_free(&notice);
    return result;
}
