/* SPDX-License-Identifier: ISC */
#include "mta/lib/smtp_send.h"

#include <string.h>

void smtp_send_begin(struct smtp_send *send)
{
    memset(send, 0, sizeof *send);
}

struct output {
    char *to; /* NULL: only counted */
    size_t made;
};

static void put(struct output *output, const char *bytes, size_t size)
{
    if (output->to)
        memcpy(output->to + output->made, bytes, size);
    output->made += size;
}

static void note_eight_bit(struct smtp_send *send, const char *bytes, size_t size)
{
    unsigned char all = 0;
    for (size_t i = 0; i < size && !send->eight_bit; i += 64) {
        size_t part = size - i < 64 ? size - i : 64;
        for (size_t k = 0; k < part; k++)
            all |= (unsigned char) bytes[i + k];
        send->eight_bit = all > 127;
    }
}

/* Bytes of a line that are neither CR nor LF; at least one. */
static void put_plain(struct smtp_send *send, struct output *output, const char *bytes, size_t size)
{
    if (!send->within_line && bytes[0] == '.')
        put(output, ".", 1);
    put(output, bytes, size);
    send->within_line = true;
}

/* A CR that waited turns out to be bare. */
static void put_bare(struct smtp_send *send, struct output *output)
{
    if (send->carriage_return)
        put_plain(send, output, " ", 1);
    send->carriage_return = false;
}

size_t smtp_send_some(struct smtp_send *send, const char *from, size_t size, char *to)
{
    struct output output = {.to = to};
    const char *end = from + size;
    note_eight_bit(send, from, size);
    while (from < end) {
        const char *line_end = memchr(from, '\n', (size_t) (end - from));
        const char *stop = line_end ? line_end : end;
        while (from < stop) {
            const char *mark = memchr(from, '\r', (size_t) (stop - from));
            const char *plain_end = mark ? mark : stop;
            put_bare(send, &output);
            if (plain_end > from)
                put_plain(send, &output, from, (size_t) (plain_end - from));
            send->carriage_return = mark != NULL;
            from = plain_end + (mark != NULL);
        }
        if (line_end) {
            put(&output, "\r\n", 2);
            send->carriage_return = send->within_line = false;
            from++;
        }
    }
    send->size += output.made;
    return output.made;
}

size_t smtp_send_end(struct smtp_send *send, char to[SMTP_SEND_END_ROOM], bool without_dot)
{
    struct output output = {.to = to};
    put_bare(send, &output);
    if (send->within_line)
        put(&output, "\r\n", 2);
    send->within_line = false;
    send->size += output.made;
    if (!without_dot)
        put(&output, ".\r\n", 3);
    return output.made;
}
