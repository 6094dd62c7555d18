/* SPDX-License-Identifier: ISC */
/* The message: gone through once to learn its size, then sent, perhaps more than once. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/remote/remote.h"

#define BLOCK 32768 /* bytes of a file at once */

/* Reads one block of the file into `content`.  Its size, 0 at the end, -1 with errno. */
static ssize_t read_block(struct message *message)
{
    if (buf_reserve(&message->content, BLOCK) < 0)
        return -1;
    ssize_t count = io_read(message->fd, message->content.data, BLOCK);
    message->content.length = count > 0 ? (size_t) count : 0;
    return count;
}

/* Reads what there is up to MESSAGE_MEMORY, or all of a pipe.  1 if that is all, 0, or -1. */
static int read_into_memory(struct message *message, bool is_file)
{
    for (;;) {
        if (is_file && message->content.length > MESSAGE_MEMORY)
            return 0;
        if (buf_reserve(&message->content, 8192) < 0)
            return -1;
        ssize_t count = io_read(message->fd, message->content.data + message->content.length, 8192);
        if (count < 0)
            return -1;
        if (count == 0)
            return 1;
        message->content.length += (size_t) count;
    }
}

static int measure(struct message *message)
{
    struct smtp_send count;
    char end[SMTP_SEND_END_ROOM];
    smtp_send_begin(&count);
    if (message->fd < 0) {
        smtp_send_some(&count, message->content.data, message->content.length, NULL);
    } else {
        ssize_t size;
        if (lseek(message->fd, 0, SEEK_SET) < 0)
            return -1;
        while ((size = read_block(message)) > 0)
            smtp_send_some(&count, message->content.data, (size_t) size, NULL);
        if (size < 0)
            return -1;
    }
    smtp_send_end(&count, end, true);
    message->wire_size = count.size;
    message->eight_bit = count.eight_bit;
    return 0;
}

int message_open(struct message *message, int fd)
{
    memset(message, 0, sizeof *message);
    message->fd = fd;
    bool is_file = lseek(fd, 0, SEEK_SET) == 0;
    int result = read_into_memory(message, is_file);
    if (result < 0)
        return -1;
    if (result == 1)
        io_close(&message->fd);
    return measure(message);
}

void message_close(struct message *message)
{
    io_close(&message->fd);
    buf_free(&message->content);
}

int message_rewind(struct message *message)
{
    message->at = 0;
    message->ended = false;
    smtp_send_begin(&message->encoder);
    if (message->fd < 0)
        return 0;
    return lseek(message->fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* Encodes a piece of the content. */
static int encode(struct message *message, size_t from, size_t size, struct buf *out)
{
    if (buf_reserve(out, SMTP_SEND_ROOM(size)) < 0)
        return -1;
    out->length += smtp_send_some(&message->encoder, message->content.data + from, size,
                                  out->data + out->length);
    return 0;
}

static int add_end(struct message *message, struct buf *out)
{
    char end[SMTP_SEND_END_ROOM];
    size_t size = smtp_send_end(&message->encoder, end, false);
    if (buf_add(out, end, size) < 0)
        return -1;
    message->ended = true;
    return 0;
}

int message_next(struct message *message, struct buf *out)
{
    if (message->fd >= 0) {
        ssize_t size = read_block(message);
        if (size < 0)
            return -1;
        return size == 0 ? add_end(message, out) : encode(message, 0, (size_t) size, out);
    }
    size_t left = message->content.length - message->at;
    size_t size = left < MESSAGE_MEMORY ? left : MESSAGE_MEMORY;
    if (size && encode(message, message->at, size, out) < 0)
        return -1;
    message->at += size;
    return message->at == message->content.length ? add_end(message, out) : 0;
}
