/* SPDX-License-Identifier: ISC */
#include "mta/lib/smtp_reply.h"

#include <string.h>
#include <strings.h>

void smtp_reply_begin(struct smtp_reply *reply)
{
    reply->code = 0;
    reply->text_length = reply->whole_length = reply->line_length = reply->byte_count = 0;
    reply->carriage_return = reply->last = false;
    reply->text[0] = 0;
}

static void keep(struct smtp_reply *reply, char byte)
{
    if (reply->text_length < SMTP_REPLY_TEXT_MAX)
        reply->text[reply->text_length++] = byte;
}

static enum smtp_reply_state finish(struct smtp_reply *reply, enum smtp_reply_state state)
{
    if (reply->text_length == SMTP_REPLY_TEXT_MAX)
        reply->text_length--;
    if (reply->text_length == 0 || reply->text[reply->text_length - 1] != '\n')
        reply->text[reply->text_length++] = '\n';
    reply->text[reply->text_length] = 0;
    return state;
}

/* One byte within a line.  False: this is no line of a reply. */
static bool add_to_line(struct smtp_reply *reply, char byte)
{
    size_t at = reply->line_length++;
    keep(reply, byte ? byte : '?');
    if (at < 3) {
        char lowest = at == 0 ? '2' : '0', highest = at == 0 ? '5' : '9';
        unsigned digit = (unsigned) (byte - '0');
        if (byte < lowest || byte > highest)
            return false;
        reply->code = at == 0 ? digit : reply->code * 10 + digit;
    } else if (at == 3) {
        if (byte != ' ' && byte != '-')
            return false;
        reply->last = byte == ' ';
    }
    return true;
}

static enum smtp_reply_state end_line(struct smtp_reply *reply)
{
    bool fits = reply->text_length < SMTP_REPLY_TEXT_MAX;
    keep(reply, '\n');
    if (fits)
        reply->whole_length = reply->text_length;
    if (reply->line_length < 3)
        return SMTP_REPLY_RUBBISH;
    if (reply->line_length == 3 || reply->last)
        return SMTP_REPLY_WHOLE;
    reply->line_length = 0;
    return SMTP_REPLY_MORE;
}

static enum smtp_reply_state add_byte(struct smtp_reply *reply, char byte)
{
    if (byte == '\n') {
        reply->carriage_return = false;
        return end_line(reply);
    }
    if (reply->carriage_return && !add_to_line(reply, '?'))
        return SMTP_REPLY_RUBBISH;
    reply->carriage_return = byte == '\r';
    if (!reply->carriage_return && !add_to_line(reply, byte))
        return SMTP_REPLY_RUBBISH;
    return SMTP_REPLY_MORE;
}

size_t smtp_reply_add(struct smtp_reply *reply, const char *bytes, size_t size,
                      enum smtp_reply_state *state)
{
    for (size_t i = 0; i < size; i++) {
        *state = ++reply->byte_count > SMTP_REPLY_BYTES_MAX ? SMTP_REPLY_RUBBISH
                                                            : add_byte(reply, bytes[i]);
        if (*state != SMTP_REPLY_MORE) {
            *state = finish(reply, *state);
            return i + 1;
        }
    }
    *state = SMTP_REPLY_MORE;
    return size;
}

unsigned smtp_reply_class(const struct smtp_reply *reply)
{
    return reply->code / 100;
}

const char *smtp_reply_extension(const struct smtp_reply *reply, const char *keyword, size_t *size)
{
    size_t length = strlen(keyword);
    const char *line = strchr(reply->text, '\n'); /* the first line is the greeting */
    const char *whole = reply->text + reply->whole_length;
    while (line && line + 1 < whole) {
        line++;
        const char *end = strchr(line, '\n');
        if (!end)
            return NULL;
        if ((size_t) (end - line) >= 4 + length && strncasecmp(line + 4, keyword, length) == 0) {
            const char *rest = line + 4 + length;
            if (rest == end || *rest == ' ' || *rest == '=') {
                rest += rest < end;
                *size = (size_t) (end - rest);
                return rest;
            }
        }
        line = end;
    }
    return NULL;
}
