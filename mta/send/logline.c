/* SPDX-License-Identifier: ISC */
#include "mta/send/logline.h"

#include <stdarg.h>
#include <string.h>

#include "mta/lib/io.h"
#include "mta/lib/logtext.h"

#define LOG_FD 0

int logline_init(struct logline *log)
{
    memset(log, 0, sizeof *log);
    log->line.limit = LOGLINE_LIMIT;
    return buf_reserve(&log->line, LOGLINE_LIMIT);
}

void logline_free(struct logline *log)
{
    buf_free(&log->line);
}

/* As much of it as fits, with room for the newline. */
static void add(struct buf *line, const char *text, bool safe)
{
    size_t size = strlen(text);
    size_t room = LOGLINE_LIMIT - 1 - line->length;
    if (size > room)
        size = room;
    if (safe)
        logtext_add(line, text, size);
    else
        buf_add(line, text, size);
}

static void add_number(struct buf *line, uint64_t number)
{
    if (LOGLINE_LIMIT - line->length > 20)
        buf_add_number(line, number);
}

void logline(struct logline *log, const char *format, ...)
{
    struct buf *line = &log->line;
    va_list arguments;
    buf_reset(line);
    va_start(arguments, format);
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            if (LOGLINE_LIMIT - line->length > 1)
                buf_add_byte(line, *at);
            continue;
        }
        at++;
        if (*at == 'n')
            add_number(line, va_arg(arguments, uint64_t));
        else
            add(line, va_arg(arguments, const char *), *at == 't');
    }
    va_end(arguments);
    buf_add_byte(line, '\n');
    io_write(LOG_FD, line->data, line->length);
}
