/* SPDX-License-Identifier: ISC */
#include "mta/lib/utf8.h"

size_t utf8_next(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *) text;
    if (size == 0)
        return 0;
    *code = bytes[0];
    if (bytes[0] < 0x80)
        return 1;
    size_t length = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
    if (bytes[0] < 0xC2 || bytes[0] > 0xF4 || length > size)
        return 0;
    *code &= 0x7Fu >> length;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (bytes[i] & 0x3F);
    }
    bool surrogate = *code >= 0xD800 && *code < 0xE000;
    return *code < smallest[length] || *code > 0x10FFFF || surrogate ? 0 : length;
}

bool utf8_is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char) text[i] >= 0x80)
            return false;
    return true;
}

bool utf8_is_valid(const char *text, size_t size)
{
    uint32_t code;
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        length = utf8_next(text + at, size - at, &code);
        if (length == 0)
            return false;
    }
    return true;
}

void utf8_clean(char *text, size_t size)
{
    uint32_t code;
    for (size_t at = 0; at < size;) {
        size_t length = utf8_next(text + at, size - at, &code);
        if (length == 0)
            text[at] = '?';
        at += length ? length : 1;
    }
}
