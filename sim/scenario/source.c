/* SPDX-License-Identifier: ISC */
#include "sim/scenario/source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void complain(struct complaints *complaints, struct position at, const char *format, ...)
{
    char message[512];
    struct complaint *complaint;
    va_list arguments;

    complaints->total++;
    if (complaints->count == COMPLAINTS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (char *c = message; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 127)
            *c = '?';
    complaint = POOL_ADD(complaints->pool, complaints->list, complaints->count);
    complaint->at = at;
    complaint->message = pool_text(complaints->pool, message);
}

/* The start of line `number` and its length without the line end. */
static const char *source_line(const struct source *source, unsigned number, size_t *length)
{
    const char *at = source->text, *end = source->text + source->size;
    const char *newline;

    while (--number > 0 && at < end) {
        newline = memchr(at, '\n', (size_t) (end - at));
        at = newline ? newline + 1 : end;
    }
    newline = memchr(at, '\n', (size_t) (end - at));
    *length = (size_t) ((newline ? newline : end) - at);
    if (*length > 0 && at[*length - 1] == '\r')
        --*length;
    return at;
}

#define SHOWN_BEFORE 60
#define SHOWN_MAX 110

void position_show(struct position at, FILE *to)
{
    size_t length, first = 0, last;
    const char *line;
    int digits;

    if (!at.source || !at.line)
        return;
    line = source_line(at.source, at.line, &length);
    if (at.column > SHOWN_BEFORE + 20 && length > SHOWN_MAX)
        first = at.column - SHOWN_BEFORE;
    last = length - first > SHOWN_MAX ? first + SHOWN_MAX : length;
    digits = fprintf(to, "%u", at.line);
    fprintf(to, " | %s", first ? "..." : "");
    for (size_t i = first; i < last; i++) {
        unsigned char c = (unsigned char) line[i];

        fputc(c == '\t' ? ' ' : c < ' ' || c == 127 ? '?' : c, to);
    }
    fprintf(to, "%s\n%*s | %s", last < length ? "..." : "", digits, "", first ? "   " : "");
    for (size_t i = first; i + 1 < at.column && i < last; i++)
        if (((unsigned char) line[i] & 0xc0) != 0x80)
            fputc(' ', to);
    fputc('^', to);
    for (size_t i = at.column; i + 1 < at.column + at.length && i < last; i++)
        if (((unsigned char) line[i] & 0xc0) != 0x80)
            fputc('^', to);
    fputc('\n', to);
}

/* Brings complaints about one file into the order of its lines. */
static void sort(struct complaint *list, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && list[k].at.source == list[k - 1].at.source &&
                           list[k].at.line < list[k - 1].at.line;
             k--) {
            struct complaint swap = list[k];

            list[k] = list[k - 1];
            list[k - 1] = swap;
        }
}

void complaints_print(const struct complaints *complaints, FILE *to)
{
    sort(complaints->list, complaints->count);
    for (size_t i = 0; i < complaints->count; i++) {
        const struct complaint *complaint = &complaints->list[i];

        if (complaint->at.source && complaint->at.line)
            fprintf(to, "%s:%u:%u: ", complaint->at.source->name, complaint->at.line,
                    complaint->at.column);
        else if (complaint->at.source)
            fprintf(to, "%s: ", complaint->at.source->name);
        fprintf(to, "%s\n", complaint->message);
        position_show(complaint->at, to);
    }
    if (complaints->total > complaints->count)
        fprintf(to, "and %zu more\n", complaints->total - complaints->count);
}

int source_read(struct pool *pool, const char *path, size_t size_max, struct source *source)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    size_t size = 0, room = 0;
    char *text = NULL;
    int error = 0;

    if (!file)
        return -1;
    if (fstat(fileno(file), &status) < 0)
        error = errno;
    else if (S_ISDIR(status.st_mode))
        error = EISDIR;
    else if ((uint64_t) status.st_size > size_max)
        error = EFBIG;
    while (!error) {
        size_t got;

        if (size == room)
            text = must_resize(text, room = room ? 2 * room : 65536);
        got = fread(text + size, 1, room - size, file);
        size += got;
        if (size > size_max)
            error = EFBIG;
        else if (ferror(file))
            error = errno ? errno : EIO;
        else if (got == 0)
            break;
    }
    fclose(file);
    if (!error) {
        source->name = pool_text(pool, path);
        source->text = pool_copy(pool, text, size);
        source->size = size;
    }
    free(text);
    errno = error;
    return error ? -1 : 0;
}
