/* SPDX-License-Identifier: ISC */
#include "mta/lib/header.h"

#include <string.h>
#include <strings.h>

enum line_type { LINE_UNKNOWN, LINE_FIELD, LINE_MORE, LINE_EMPTY, LINE_OTHER };

static size_t name_length(const char *text, size_t size)
{
    size_t length = 0;
    while (length < size && text[length] > 32 && text[length] < 127 && text[length] != ':')
        length++;
    return length;
}

/* What kind of line begins at `text`; LINE_UNKNOWN if more bytes are needed to tell. */
static enum line_type judge_line(const char *text, size_t size, bool ended)
{
    enum line_type short_type = ended ? LINE_OTHER : LINE_UNKNOWN;
    if (size == 0)
        return short_type;
    if (text[0] == ' ' || text[0] == '\t')
        return LINE_MORE;
    if (text[0] == '\n')
        return LINE_EMPTY;
    if (text[0] == '\r') {
        if (size == 1)
            return short_type;
        return text[1] == '\n' ? LINE_EMPTY : LINE_OTHER;
    }
    size_t length = name_length(text, size < HEADER_NAME_MAX + 1 ? size : HEADER_NAME_MAX + 1);
    if (length == 0 || length > HEADER_NAME_MAX)
        return LINE_OTHER;
    while (length < size && length <= HEADER_NAME_MAX &&
           (text[length] == ' ' || text[length] == '\t'))
        length++; /* "Subject :" (RFC 5322 4.5) */
    if (length == size)
        return short_type;
    return text[length] == ':' ? LINE_FIELD : LINE_OTHER;
}

bool header_scan(struct header_scan *scan, const char *text, size_t size, bool ended)
{
    for (;;) {
        const char *line = text + scan->line;
        size_t rest = size - scan->line;
        enum line_type type = judge_line(line, rest, ended);
        if (type == LINE_UNKNOWN)
            return false;
        if (type == LINE_EMPTY || type == LINE_OTHER || (type == LINE_MORE && scan->line == 0)) {
            scan->header_size = scan->line;
            scan->body = scan->line;
            if (type == LINE_EMPTY)
                scan->body += line[0] == '\r' ? 2 : 1;
            return true;
        }
        const char *end = memchr(line, '\n', rest);
        if (!end && !ended)
            return false;
        scan->line = end ? (size_t) (end - text) + 1 : size;
    }
}

bool header_next(const char *text, size_t size, size_t *at, struct header_field *field)
{
    if (*at >= size)
        return false;
    size_t end = *at;
    do {
        const char *newline = memchr(text + end, '\n', size - end);
        end = newline ? (size_t) (newline - text) + 1 : size;
    } while (end < size && (text[end] == ' ' || text[end] == '\t'));
    field->whole = text + *at;
    field->whole_size = end - *at;
    field->name = field->whole;
    field->name_size = name_length(field->whole, field->whole_size);
    const char *colon = memchr(field->whole, ':', field->whole_size);
    field->body = colon ? colon + 1 : text + end;
    field->body_size = (size_t) (text + end - field->body);
    *at = end;
    return true;
}

bool header_is(const struct header_field *field, const char *name)
{
    size_t length = strlen(name);
    return field->name_size == length && strncasecmp(field->name, name, length) == 0;
}
