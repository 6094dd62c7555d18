/* SPDX-License-Identifier: ISC */
/*
 * A growable run of bytes with a stated maximum: the one owner of heap memory in the server.
 *
 * Invariants: `data` is NULL or holds `capacity` bytes; `length` <= `limit`.  Bytes may be
 * anything, NUL too; buf_text adds a NUL behind them that `length` does not count.  A zeroed
 * struct with a limit set is an empty buffer.  Functions that grow return 0, or -1 with ENOMEM,
 * or -1 with EMSGSIZE when `limit` would be passed; the content is then unchanged.
 */
#ifndef MTA_LIB_BUF_H
#define MTA_LIB_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t length;
    size_t capacity;
    size_t limit; /* 0 means BUF_LIMIT */
};

#define BUF_LIMIT ((size_t) 64 << 20)
#define BUF_INIT(limit_bytes)                                                                      \
    {                                                                                              \
        0, 0, 0, (limit_bytes)                                                                     \
    }

/* Makes sure that `extra` more bytes fit. */
int buf_reserve(struct buf *buf, size_t extra);
int buf_add(struct buf *buf, const void *bytes, size_t size);
int buf_add_text(struct buf *buf, const char *text); /* without its NUL */
static inline int buf_add_byte(struct buf *buf, char byte)
{
    size_t limit = buf->limit ? buf->limit : BUF_LIMIT;
    if ((buf->length >= buf->capacity || buf->length >= limit) && buf_reserve(buf, 1) < 0)
        return -1;
    buf->data[buf->length++] = byte;
    return 0;
}
int buf_add_number(struct buf *buf, uint64_t number); /* decimal */
/* Replaces the content. */
int buf_set(struct buf *buf, const void *bytes, size_t size);
int buf_set_text(struct buf *buf, const char *text);
/* The content as a NUL-terminated string, or NULL with ENOMEM. */
const char *buf_text(struct buf *buf);
/* Removes the first `count` bytes (at most `length`). */
void buf_drop(struct buf *buf, size_t count);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *buf);
/* Gives the memory back; the buffer is empty and usable. */
void buf_free(struct buf *buf);

bool buf_equals(const struct buf *buf, const char *text);

#endif
