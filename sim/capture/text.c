/* SPDX-License-Identifier: ISC */
/* Bytes from captures as safe text. */
#include "sim/capture/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <time.h>

bool text_is_printable(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return false;
    /* Marks and overrides of direction, separators of lines, what is no character. */
    return !(code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
             (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
             (code >= 0xe000 && code <= 0xf8ff) || code == 0xfeff ||
             (code >= 0xfff0 && code <= 0xffff) || code >= 0xe0000);
}

size_t text_character(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char) text[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (length == 0 || length > size)
        return 0;
    *code = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char) text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | ((unsigned char) text[i] & 0x3f);
    }
    return *code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)
               ? 0
               : length;
}

static void escape_byte(FILE *to, unsigned char byte)
{
    switch (byte) {
    case '\\':
        fputs("\\\\", to);
        break;
    case '\n':
        fputs("\\n", to);
        break;
    case '\r':
        fputs("\\r", to);
        break;
    case '\t':
        fputs("\\t", to);
        break;
    default:
        fprintf(to, "\\x%02x", byte);
    }
}

size_t text_print_character(FILE *to, const char *text, size_t size)
{
    uint32_t code = 0;
    size_t length = text_character(text, size, &code);

    if (length > 0 && text_is_printable(code)) {
        fwrite(text, 1, length, to);
        return length;
    }
    for (size_t i = 0; i < (length ? length : 1); i++)
        fprintf(to, "\\x%02x", (unsigned char) text[i]);
    return length ? length : 1;
}

void text_escape(FILE *to, const char *bytes, size_t size)
{
    size_t at = 0, plain = 0;

    while (at < size) {
        uint32_t code = 0;
        size_t length = text_character(bytes + at, size - at, &code);

        if (length > 0 && text_is_printable(code) && code != '\\') {
            at += length;
            continue;
        }
        fwrite(bytes + plain, 1, at - plain, to);
        for (size_t end = at + (length ? length : 1); at < end; at++)
            escape_byte(to, (unsigned char) bytes[at]);
        plain = at;
    }
    fwrite(bytes + plain, 1, at - plain, to);
}

size_t text_line_size(const char *bytes, size_t size)
{
    if (size > 0 && bytes[size - 1] == '\n')
        size--;
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    return size;
}

void text_time(char text[TEXT_TIME_SIZE], int64_t ns)
{
    time_t seconds = (time_t) (ns / 1000000000);
    struct tm parts;
    char day[TEXT_TIME_SIZE - 10];

    if (!gmtime_r(&seconds, &parts) || !strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &parts))
        snprintf(day, sizeof day, "%jd", (intmax_t) seconds);
    snprintf(text, TEXT_TIME_SIZE, "%s.%06d", day, (int) (ns % 1000000000 / 1000));
}

const char *text_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}
