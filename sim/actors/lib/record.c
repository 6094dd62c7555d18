/* SPDX-License-Identifier: ISC */
#include "sim/actors/lib/record.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/io.h"

static void add(struct record *record, const char *bytes, size_t size)
{
    if (buf_add(&record->line, bytes, size) < 0)
        record->failed = true;
}

void record_begin(struct record *record, const char *kind)
{
    buf_reset(&record->line);
    record->failed = false;
    add(record, kind, strlen(kind));
}

/* Whether it stands for itself within quotes. */
static bool is_clear(char byte)
{
    return byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
}

static bool is_plain(const char *bytes, size_t size)
{
    if (size == 0 || *bytes == '#')
        return false;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == ' ' || !is_clear(bytes[i]))
            return false;
    return true;
}

/* A byte that is not clear. */
static void add_escaped(struct record *record, char byte)
{
    static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt", hex[] = "0123456789abcdef";
    const char *found = memchr(plain, byte, sizeof plain - 1);

    if (found) {
        char text[2] = {'\\', letters[found - plain]};
        add(record, text, sizeof text);
    } else { /* bytes beyond ASCII too: char is signed, or over '~' */
        char text[4] = {'\\', 'x', hex[(unsigned char) byte >> 4], hex[byte & 15]};
        add(record, text, sizeof text);
    }
}

void record_quoted(struct record *record, const char *bytes, size_t size)
{
    add(record, " \"", 2);
    for (size_t i = 0, run; i < size; i += run) {
        for (run = 0; i + run < size && is_clear(bytes[i + run]);)
            run++;
        if (run > 0)
            add(record, bytes + i, run);
        else
            add_escaped(record, bytes[i + run++]);
    }
    add(record, "\"", 1);
}

void record_bytes(struct record *record, const char *bytes, size_t size)
{
    if (!is_plain(bytes, size)) {
        record_quoted(record, bytes, size);
        return;
    }
    add(record, " ", 1);
    add(record, bytes, size);
}

void record_word(struct record *record, const char *text)
{
    record_bytes(record, text, strlen(text));
}

void record_number(struct record *record, uint64_t number)
{
    add(record, " ", 1);
    if (buf_add_number(&record->line, number) < 0)
        record->failed = true;
}

void record_payload(struct record *record, const char *bytes, size_t size)
{
    add(record, "\n", 1);
    add(record, bytes, size);
}

int record_flush(struct record *record)
{
    if (record->held.length == 0)
        return 0;
    int result = io_write(record->fd, record->held.data, record->held.length);
    buf_reset(&record->held);
    return result;
}

/* The record with its newline.  0, or -1: it is dropped. */
static int end_line(struct record *record)
{
    add(record, "\n", 1);
    if (!record->failed)
        return 0;
    errno = ENOMEM;
    return -1;
}

int record_write(struct record *record)
{
    if (end_line(record) < 0 || record_flush(record) < 0)
        return -1;
    return io_write(record->fd, record->line.data, record->line.length);
}

int record_hold(struct record *record)
{
    if (end_line(record) < 0)
        return -1;
    return buf_add(&record->held, record->line.data, record->line.length);
}

void record_free(struct record *record)
{
    buf_free(&record->line);
    buf_free(&record->held);
}
