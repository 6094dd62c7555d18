/* SPDX-License-Identifier: ISC */
#include "sim/actors/lib/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_add(struct buf *buf, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += 3) {
        uint32_t bits = 0;
        size_t count = size - at < 3 ? size - at : 3;
        char four[4];

        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < count ? (unsigned char) bytes[at + i] : 0);
        for (size_t i = 0; i < 4; i++)
            four[i] = i > count ? '=' : alphabet[bits >> (18 - 6 * i) & 63];
        if (buf_add(buf, four, sizeof four) < 0)
            return -1;
    }
    return 0;
}

/* Adds the bytes of one group of four, `count` of which are no padding. */
static int read_group(struct buf *buf, const char *four, size_t count)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        const char *found = i < count ? memchr(alphabet, four[i], sizeof alphabet - 1) : alphabet;

        if (!found) {
            errno = EINVAL;
            return -1;
        }
        bits = bits << 6 | (uint32_t) (found - alphabet);
    }
    char bytes[3] = {(char) (bits >> 16), (char) (bits >> 8), (char) bits};
    if (count < 2 || (count < 4 && bytes[count - 1] != 0)) {
        errno = EINVAL;
        return -1;
    }
    return buf_add(buf, bytes, count - 1);
}

int base64_read(struct buf *buf, const char *text, size_t size)
{
    if (size % 4 != 0) {
        errno = EINVAL;
        return -1;
    }
    for (size_t at = 0; at < size; at += 4) {
        size_t count = 4;

        while (at + 4 == size && count > 2 && text[at + count - 1] == '=')
            count--;
        if (read_group(buf, text + at, count) < 0)
            return -1;
    }
    return 0;
}
