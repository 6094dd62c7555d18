/* SPDX-License-Identifier: ISC */
#include "mta/lib/buf.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/mem.h"
#include "mta/lib/num.h"

static size_t limit_of(const struct buf *buf)
{
    return buf->limit ? buf->limit : BUF_LIMIT;
}

int buf_reserve(struct buf *buf, size_t extra)
{
    size_t limit = limit_of(buf), need = buf->length + extra;
    if (extra > limit || need > limit) {
        errno = EMSGSIZE;
        return -1;
    }
    if (need <= buf->capacity)
        return 0;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity + buf->capacity / 2;
    if (capacity < need)
        capacity = need;
    char *data = mem_resize(buf->data, capacity);
    if (!data)
        return -1;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int buf_add(struct buf *buf, const void *bytes, size_t size)
{
    if (buf_reserve(buf, size) < 0)
        return -1;
    if (size)
        memcpy(buf->data + buf->length, bytes, size);
    buf->length += size;
    return 0;
}

int buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

int buf_add_number(struct buf *buf, uint64_t number)
{
    char digits[NUM_DIGITS];
    return buf_add(buf, digits, num_format(digits, number));
}

int buf_set(struct buf *buf, const void *bytes, size_t size)
{
    size_t length = buf->length;
    buf->length = 0;
    if (buf_add(buf, bytes, size) == 0)
        return 0;
    buf->length = length;
    return -1;
}

int buf_set_text(struct buf *buf, const char *text)
{
    return buf_set(buf, text, strlen(text));
}

const char *buf_text(struct buf *buf)
{
    if (buf->length == buf->capacity) {
        /* The NUL is not content and may stand behind the limit. */
        char *data = mem_resize(buf->data, buf->capacity + 16);
        if (!data)
            return NULL;
        buf->data = data;
        buf->capacity += 16;
    }
    buf->data[buf->length] = 0;
    return buf->data;
}

void buf_drop(struct buf *buf, size_t count)
{
    if (count > buf->length)
        count = buf->length;
    if (count == 0)
        return;
    memmove(buf->data, buf->data + count, buf->length - count);
    buf->length -= count;
}

void buf_reset(struct buf *buf)
{
    buf->length = 0;
}

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    buf->data = NULL;
    buf->length = 0;
    buf->capacity = 0;
}

bool buf_equals(const struct buf *buf, const char *text)
{
    size_t length = strlen(text);
    return buf->length == length && (length == 0 || memcmp(buf->data, text, length) == 0);
}
