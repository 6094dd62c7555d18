/* SPDX-License-Identifier: ISC */
#include "mta/lib/logtext.h"

static char safe(char byte)
{
    unsigned char value = (unsigned char) byte;
    if (value == '\n')
        return '/';
    if (value <= ' ' || value > '~' || value == '%')
        return '_';
    return byte;
}

int logtext_add(struct buf *to, const char *text, size_t size)
{
    if (buf_reserve(to, size) < 0)
        return -1;
    for (size_t i = 0; i < size; i++)
        to->data[to->length++] = safe(text[i]);
    return 0;
}
