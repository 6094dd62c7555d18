/* SPDX-License-Identifier: ISC */
/*
 * Bounces: the record of failed recipients in bounce/N, and the message made of it, in the form
 * of QSBMF (https://cr.yp.to/proto/qsbmf.txt), which mailing list managers read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/address.h"
#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/submit.h"
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

/* Makes bounce/N hold these bytes, as a fresh file that is durable before it takes the old one's
 * place: with another power loss right now either may be found.  Waits for the disk.  0, or -1 with
 * errno. */
static int replace(uint64_t number, const char *bytes, size_t size)
{
    char path[SPOOL_PATH_SIZE], fresh[SPOOL_PATH_SIZE + 4];
    snprintf(fresh, sizeof fresh, "%s.new", spool_path(path, SPOOL_BOUNCE, number));
    return io_replace_file(spool_directory(SPOOL_BOUNCE), path, fresh, bytes, size, 0600);
}

/* After a failed sync: a fresh file with what was durable before. */
static int renew(struct message *message)
{
    struct buf content = BUF_INIT(0);
    uint64_t number = message->number;
    int result;
    if (message->bounce_durable == 0) {
        result = file_remove(SPOOL_BOUNCE, number);
        if (result == 0)
            message->has_bounce = false;
    } else {
        result = file_read(SPOOL_BOUNCE, number, &content);
        if (result == 0 && content.length < message->bounce_durable) {
            errno = EIO;
            result = -1;
        }
        if (result == 0)
            result = replace(number, content.data, message->bounce_durable);
    }
    int saved = errno;
    buf_free(&content);
    errno = saved;
    if (result < 0)
        return -1;
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
    /* A piece that was cut off, because there was no room, goes first. */
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

/* --- the message --------------------------------------------------------------------------- */

enum bounce_type { BOUNCE_SINGLE, BOUNCE_DOUBLE, BOUNCE_TRIPLE };

static enum bounce_type type_of(const struct buf *sender)
{
    if (buf_equals(sender, "#@[]"))
        return BOUNCE_TRIPLE;
    return sender->length ? BOUNCE_SINGLE : BOUNCE_DOUBLE;
}

/* An address as a header field has it: quoted where needed, on one line. */
static int add_quoted(struct buf *to, const char *address, size_t size)
{
    const char *at = size ? memrchr(address, '@', size) : NULL;
    size_t local = at ? (size_t) (at - address) : size;
    size_t start = to->length;
    if ((size && address_add_local(to, address, local) < 0) ||
        buf_add(to, address + local, size - local) < 0)
        return -1;
    for (size_t i = start; i < to->length; i++)
        if ((unsigned char) to->data[i] < ' ')
            to->data[i] = '_';
    return 0;
}

static int add_pair(struct buf *to, const struct buf *local, const struct buf *host)
{
    if (buf_add(to, local->data, local->length) < 0 || buf_add_byte(to, '@') < 0)
        return -1;
    return buf_add(to, host->data, host->length);
}

/* Who gets the bounce. */
static int add_recipient(const struct send *send, enum bounce_type type, const struct buf *sender,
                         struct buf *to)
{
    if (type == BOUNCE_DOUBLE)
        return add_pair(to, &send->double_to, &send->double_host);
    size_t length = sender->length;
    if (length >= 5 && memcmp(sender->data + length - 4, "-@[]", 4) == 0)
        length -= 4;
    return buf_add(to, sender->data, length);
}

static int add_head(const struct send *send, enum bounce_type type, const struct buf *recipient,
                    struct buf *text)
{
    char date[CLOCK_DATE_SIZE];
    struct buf from = BUF_INIT(0);
    clock_format_date(date, clock_wall());
    int result = add_pair(&from, &send->bounce_from, &send->bounce_host);
    if (result == 0 &&
        (buf_add_text(text, "Date: ") < 0 || buf_add_text(text, date) < 0 ||
         buf_add_text(text, "\nFrom: ") < 0 || add_quoted(text, from.data, from.length) < 0 ||
         buf_add_text(text, "\nTo: ") < 0 ||
         add_quoted(text, recipient->data, recipient->length) < 0 ||
         buf_add_text(text, "\nSubject: failure notice\n\n"
                            "Hi. This is the nixie-send program at ") < 0 ||
         buf_add(text, send->bounce_host.data, send->bounce_host.length) < 0))
        result = -1;
    buf_free(&from);
    if (result < 0)
        return -1;
    return buf_add_text(
        text, type == BOUNCE_SINGLE
                  ? ".\n"
                    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
                    "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
                  : ".\n"
                    "I tried to deliver a bounce message to this address, but the bounce "
                    "bounced!\n\n");
}

/* "<ADDRESS>:" and the report.  A paragraph ends at an empty line, so none may be within. */
static int add_paragraph(const struct send *send, const struct spool_bounce *piece,
                         struct buf *text)
{
    const char *address = rewrite_strip(&send->rewrite, piece->recipient);
    if (buf_add_byte(text, '<') < 0)
        return -1;
    for (; *address; address++)
        if (buf_add_byte(text, *address == '\n' ? '_' : *address) < 0)
            return -1;
    if (buf_add_text(text, ">:\n") < 0)
        return -1;
    size_t start = text->length;
    if (buf_add(text, piece->text, piece->text_size) < 0)
        return -1;
    while (text->length > start && text->data[text->length - 1] == '\n')
        text->length--;
    for (size_t i = start; i < text->length; i++)
        if (text->data[i] == '\n' && text->data[i - 1] == '\n')
            text->data[i] = '/';
    return buf_add_text(text, text->length > start ? "\n\n" : "\n");
}

static int add_paragraphs(struct send *send, const struct message *message, struct buf *text)
{
    struct buf content = BUF_INIT(0);
    struct spool_bounce piece;
    size_t at = 0;
    bool damaged = message->bounce_lost;
    int result = file_read(SPOOL_BOUNCE, message->number, &content);
    if (result < 0 && (errno == EBADMSG || errno == ENOENT)) {
        buf_reset(&content);
        result = 0;
    }
    while (result == 0) {
        int found = spool_bounce_next(content.data, content.length, message->number, &at, &piece);
        if (found == 0)
            break;
        if (found < 0) {
            logline(&send->log, "warning: bounce/%n is damaged in part", message->number);
            damaged = true;
            continue;
        }
        result = add_paragraph(send, &piece, text);
    }
    if (result == 0 && (damaged || content.length == 0))
        result = buf_add_text(text, "(The record of the addresses was damaged.)\n\n");
    int saved = errno;
    buf_free(&content);
    errno = saved;
    return result;
}

static int add_tail(enum bounce_type type, const struct buf *sender, struct buf *text)
{
    if (buf_add_text(text, type == BOUNCE_SINGLE
                               ? "--- Below this line is a copy of the message.\n\n"
                               : "--- Below this line is the original bounce.\n\n") < 0 ||
        buf_add_text(text, "Return-Path: <") < 0 ||
        add_quoted(text, sender->data, sender->length) < 0)
        return -1;
    return buf_add_text(text, ">\n");
}

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
static int hand_over(struct send *send, const struct message *message, enum bounce_type type,
                     const struct buf *recipient, const struct buf *text)
{
    struct submit submit;
    struct submit_result result;
    const char *sender = type == BOUNCE_SINGLE ? "" : "#@[]";
    submit_open(&submit, &send->home, send->environment);
    submit_write(&submit, text->data, text->length);
    copy_message(&submit, message->number);
    submit_sender(&submit, sender, strlen(sender));
    submit_recipient(&submit, recipient->data, recipient->length);
    if (submit_finish(&submit, &result) != QUEUE_OK) {
        logline(&send->log, "warning: trouble injecting bounce message, will try later");
        return -1;
    }
    logline(&send->log, "bounce msg %n qp %n", message->number, result.number);
    return 0;
}

static int inject(struct send *send, const struct message *message, const struct buf *sender)
{
    struct buf recipient = BUF_INIT(0), text = BUF_INIT(0);
    enum bounce_type type = type_of(sender);
    int result = 0;
    if (type == BOUNCE_TRIPLE) {
        logline(&send->log, "triple bounce: discarding bounce/%n", message->number);
        return 0;
    }
    if (add_recipient(send, type, sender, &recipient) < 0 ||
        add_head(send, type, &recipient, &text) < 0 || add_paragraphs(send, message, &text) < 0 ||
        add_tail(type, sender, &text) < 0) {
        file_warn(send, "trouble reading", SPOOL_BOUNCE, message->number);
        result = -1;
    }
    if (result == 0)
        result = hand_over(send, message, type, &recipient, &text);
    buf_free(&recipient);
    buf_free(&text);
    return result;
}

int bounce_inject(struct send *send, struct message *message)
{
    struct buf sender = BUF_INIT(0);
    int result = info_read_sender(message->number, &sender);
    if (result < 0)
        file_warn(send, "trouble reading", SPOOL_INFO, message->number);
    else
        result = inject(send, message, &sender);
    buf_free(&sender);
    return result;
}
