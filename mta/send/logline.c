/* SPDX-License-Identifier: ISC */
#include "mta/send/logline.h"

#include <stdarg.h>
#include <string.h>

#include "mta/lib/io.h"
#include "mta/lib/logtext.h"

#define LOG_FD 0
#define HELD_MAX 2048 /* more is written at once */

int logline_init(struct logline *log)
{
    memset(log, 0, sizeof *log);
    log->line.limit = HELD_MAX + LOGLINE_LIMIT;
    return buf_reserve(&log->line, HELD_MAX + LOGLINE_LIMIT);
}

void logline_free(struct logline *log)
{
    buf_free(&log->line);
}

void logline_flush(struct logline *log)
{
    if (log->held > 0)
        io_write(LOG_FD, log->line.data, log->held);
    log->held = 0;
    buf_reset(&log->line);
}

/* As much of it as fits, with room for the newline. */
static void add(struct logline *log, const char *text, bool safe)
{
    size_t size = strlen(text);
    size_t room = log->held + LOGLINE_LIMIT - 1 - log->line.length;
    if (size > room)
        size = room;
    if (safe)
        logtext_add(&log->line, text, size);
    else
        buf_add(&log->line, text, size);
}

static void add_number(struct logline *log, uint64_t number)
{
    if (log->held + LOGLINE_LIMIT - log->line.length > 20)
        buf_add_number(&log->line, number);
}

/* Adds a line behind those that are held; without memory, which there is since logline_init unless
 * that failed, not even a part of it. */
static void add_line(struct logline *log, const char *format, va_list arguments)
{
    if (buf_reserve(&log->line, LOGLINE_LIMIT) < 0)
        return;
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            if (log->held + LOGLINE_LIMIT - log->line.length > 1)
                buf_add_byte(&log->line, *at);
            continue;
        }
        at++;
        if (*at == 'n')
            add_number(log, va_arg(arguments, uint64_t));
        else
            add(log, va_arg(arguments, const char *), *at == 't');
    }
    buf_add_byte(&log->line, '\n');
    log->held = log->line.length;
}

void logline_hold(struct logline *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_line(log, format, arguments);
    va_end(arguments);
    if (log->held > HELD_MAX)
        logline_flush(log);
}

void logline(struct logline *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_line(log, format, arguments);
    va_end(arguments);
    logline_flush(log);
}
