/* SPDX-License-Identifier: ISC */
#include "mta/lib/smtp_address.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* A path as it is read. */
struct reader {
    const char *text;
    size_t size;
    size_t at;
    char *to;
    size_t put;
};

static bool ended(const struct reader *reader)
{
    return reader->at == reader->size;
}

static char next(const struct reader *reader)
{
    return reader->text[reader->at];
}

static bool is_next(const struct reader *reader, char byte)
{
    return !ended(reader) && next(reader) == byte;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_control(char byte)
{
    unsigned char value = (unsigned char) byte;
    return value < ' ' || value == 127;
}

static void skip_blanks(struct reader *reader)
{
    while (!ended(reader) && is_blank(next(reader)))
        reader->at++;
}

static void put(struct reader *reader, char byte)
{
    reader->to[reader->put++] = byte;
}

/* What stands behind a backslash. */
static int read_quoted_byte(struct reader *reader)
{
    reader->at++;
    if (ended(reader) || is_control(next(reader)))
        return -1;
    put(reader, next(reader));
    reader->at++;
    return 0;
}

/* From a quote to the next; RFC 5321 4.1.2, Quoted-string. */
static int read_quoted_string(struct reader *reader)
{
    reader->at++;
    while (!ended(reader) && next(reader) != '"') {
        if (next(reader) == '\\') {
            if (read_quoted_byte(reader) < 0)
                return -1;
            continue;
        }
        if (is_control(next(reader)))
            return -1;
        put(reader, next(reader));
        reader->at++;
    }
    if (ended(reader))
        return -1;
    reader->at++;
    return 0;
}

/* Everything up to an `@`, or the end of the path.  *quoted: there were quotes. */
static int read_local(struct reader *reader, bool *quoted)
{
    *quoted = false;
    while (!ended(reader) && !is_blank(next(reader))) {
        char byte = next(reader);
        int result = 0;
        if (byte == '@' || byte == '>')
            return 0;
        if (byte == '<' || is_control(byte))
            return -1;
        if (byte == '"') {
            *quoted = true;
            result = read_quoted_string(reader);
        } else if (byte == '\\') {
            result = read_quoted_byte(reader);
        } else {
            put(reader, byte);
            reader->at++;
        }
        if (result < 0)
            return -1;
    }
    return 0;
}

/* RFC 5321 4.1.3, loosely. */
static int read_literal(struct reader *reader)
{
    put(reader, '[');
    reader->at++;
    while (!ended(reader) && next(reader) != ']') {
        if (is_control(next(reader)) || strchr(" <>[\\\"@", next(reader)))
            return -1;
        put(reader, next(reader));
        reader->at++;
    }
    if (ended(reader))
        return -1;
    put(reader, ']');
    reader->at++;
    return 0;
}

static bool is_domain_byte(char byte)
{
    return !is_control(byte) && !strchr(" <>()[]\\\",;:@", byte);
}

/* The domain behind an `@`, at least one byte. */
static int read_domain(struct reader *reader)
{
    size_t begin = reader->put;
    if (is_next(reader, '['))
        return read_literal(reader);
    while (!ended(reader) && is_domain_byte(next(reader))) {
        if (next(reader) == '.' && (reader->put == begin || reader->to[reader->put - 1] == '.'))
            return -1;
        put(reader, next(reader));
        reader->at++;
    }
    if (reader->put > begin && reader->to[reader->put - 1] == '.')
        reader->put--;
    return reader->put > begin ? 0 : -1;
}

static int read_mailbox(struct reader *reader)
{
    bool quoted;
    size_t begin = reader->put;
    if (read_local(reader, &quoted) < 0 || (reader->put == begin && !quoted))
        return -1;
    size_t size = reader->put - begin;
    if (!is_next(reader, '@')) /* `"a@b"` would be taken for an address with a domain later */
        return size && !memchr(reader->to + begin, '@', size) ? 0 : -1;
    put(reader, '@');
    reader->at++;
    return read_domain(reader);
}

/* `@a,@b:`, which is skipped. */
static int skip_route(struct reader *reader)
{
    while (is_next(reader, '@')) {
        size_t kept = reader->put;
        reader->at++;
        if (read_domain(reader) < 0)
            return -1;
        reader->put = kept;
        if (is_next(reader, ':')) {
            reader->at++;
            return 0;
        }
        if (!is_next(reader, ','))
            return -1;
        reader->at++;
    }
    return -1;
}

static int read_path(struct reader *reader)
{
    if (!is_next(reader, '<'))
        return read_mailbox(reader);
    reader->at++;
    if (is_next(reader, '>')) {
        reader->at++;
        return 0;
    }
    if (is_next(reader, '@') && skip_route(reader) < 0)
        return -1;
    if (read_mailbox(reader) < 0 || !is_next(reader, '>'))
        return -1;
    reader->at++;
    return 0;
}

/* Blanks, the keyword, perhaps blanks, a colon, perhaps blanks. */
static int read_keyword(struct reader *reader, const char *keyword)
{
    size_t length = strlen(keyword);
    skip_blanks(reader);
    if (reader->size - reader->at < length ||
        strncasecmp(reader->text + reader->at, keyword, length) != 0)
        return -1;
    reader->at += length;
    skip_blanks(reader);
    if (!is_next(reader, ':'))
        return -1;
    reader->at++;
    skip_blanks(reader);
    return 0;
}

int smtp_path_parse(const char *argument, size_t size, const char *keyword, char *address,
                    size_t *address_size, size_t *at)
{
    struct reader reader = {.text = argument, .size = size, .to = address};
    if (read_keyword(&reader, keyword) < 0 || read_path(&reader) < 0)
        return -1;
    if (!ended(&reader) && !is_blank(next(&reader)))
        return -1;
    *address_size = reader.put;
    *at = reader.at;
    return 0;
}

static bool is_keyword_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-';
}

static bool is_value_byte(char byte)
{
    return byte > ' ' && byte != '=' && byte != 127;
}

int smtp_parameter_next(const char *argument, size_t size, size_t *at,
                        struct smtp_parameter *parameter)
{
    struct reader reader = {.text = argument, .size = size, .at = *at};
    *parameter = (struct smtp_parameter){.value = NULL};
    skip_blanks(&reader);
    *at = reader.at;
    if (ended(&reader))
        return 0;
    parameter->keyword = argument + reader.at;
    while (!ended(&reader) && is_keyword_byte(next(&reader)))
        reader.at++;
    parameter->keyword_size = reader.at - *at;
    if (parameter->keyword_size == 0 || parameter->keyword[0] == '-')
        return -1;
    if (is_next(&reader, '=')) {
        size_t begin = ++reader.at;
        parameter->value = argument + begin;
        while (!ended(&reader) && is_value_byte(next(&reader)))
            reader.at++;
        parameter->value_size = reader.at - begin;
        if (parameter->value_size == 0)
            return -1;
    }
    if (!ended(&reader) && !is_blank(next(&reader)))
        return -1;
    *at = reader.at;
    return 1;
}
