/* SPDX-License-Identifier: ISC */
#include "mta/lib/bounce_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mta/lib/io.h"

#define WINDOW_SIZE ((size_t) 4 * BOUNCE_PIECE_MAX)

int bounce_file_open(struct bounce_file *file, uint64_t number, uint64_t offset)
{
    *file =
        (struct bounce_file){.number = number, .offset = offset, .window = BUF_INIT(WINDOW_SIZE)};
    file->fd = spool_open(SPOOL_BOUNCE, number, O_RDONLY);
    if (file->fd < 0)
        return -1;
    if (offset == 0 || lseek(file->fd, (off_t) offset, SEEK_SET) >= 0)
        return 0;
    bounce_file_close(file);
    return -1;
}

/* Sees to it that a whole piece is in the window, if one comes. */
static int fill(struct bounce_file *file)
{
    struct buf *window = &file->window;
    if (file->ended || window->length - file->at >= BOUNCE_PIECE_MAX)
        return 0;
    buf_drop(window, file->at);
    file->offset += file->at;
    file->from = file->at = 0;
    if (buf_reserve(window, WINDOW_SIZE - window->length) < 0)
        return -1;
    while (window->length < WINDOW_SIZE) {
        ssize_t count =
            io_read(file->fd, window->data + window->length, WINDOW_SIZE - window->length);
        if (count < 0) {
            errno = errno == EBADMSG ? EIO : errno; /* of the disk, not of a piece */
            return -1;
        }
        file->ended = count == 0;
        if (file->ended)
            break;
        window->length += (size_t) count;
    }
    return 0;
}

int bounce_file_next(struct bounce_file *file, struct spool_bounce *piece)
{
    if (fill(file) < 0)
        return -1;
    file->from = file->at;
    int found =
        spool_bounce_next(file->window.data, file->window.length, file->number, &file->at, piece);
    /* The begin of a piece may be the window's last bytes. */
    if (found < 0 && !file->ended && file->at == file->window.length)
        file->at -= SPOOL_LABEL_SIZE;
    return found;
}

uint64_t bounce_file_begin(const struct bounce_file *file)
{
    return file->offset + file->from;
}

uint64_t bounce_file_end(const struct bounce_file *file)
{
    return file->offset + file->at;
}

void bounce_file_close(struct bounce_file *file)
{
    int saved = errno;
    io_close(&file->fd);
    buf_free(&file->window);
    errno = saved;
}
