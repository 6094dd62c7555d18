/* SPDX-License-Identifier: ISC */
/* The Subject of a message: unfolded (RFC 5322 2.2.3), encoded words (RFC 2047) decoded. */
#include <string.h>
#include <strings.h>

#include "sim/serve/serve.h"

#define SUBJECT_MAX 2000 /* bytes of the field */

/* --- the field --------------------------------------------------------------------------------*/

/* Copies the value of the first Subject field into `to`, unfolded.  False: there is none. */
static bool find_field(const char *data, size_t size, char to[SUBJECT_MAX + 1])
{
    const char *at = data, *end = data + size;
    bool found = false;
    size_t used = 0;

    while (at < end && *at != '\n') {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        const char *stop = newline ? newline : end;

        if (found && *at != ' ' && *at != '\t')
            break;
        if (!found && stop - at >= 8 && strncasecmp(at, "Subject:", 8) == 0) {
            found = true;
            at += 8;
            while (at < stop && (*at == ' ' || *at == '\t'))
                at++;
        }
        for (; found && at < stop && used < SUBJECT_MAX; at++)
            to[used++] = *at;
        at = newline ? newline + 1 : end;
    }
    while (used > 0 && strchr(" \t\r", to[used - 1]))
        used--;
    to[used] = 0;
    return found;
}

/* --- encoded words ----------------------------------------------------------------------------*/

struct encoded {
    bool utf8; /* else ISO-8859-1 */
    bool base64;
    const char *text;
    size_t size;
    size_t whole; /* length of the encoded word */
};

/* Reads "=?CHARSET?B|Q?TEXT?=" at `text`; false if it is none, or in another charset. */
static bool read_encoded(const char *text, struct encoded *encoded)
{
    const char *charset = text + 2, *kind, *end;
    size_t length;

    if (strncmp(text, "=?", 2) != 0)
        return false;
    kind = strchr(charset, '?');
    if (!kind || !kind[1] || kind[2] != '?')
        return false;
    length = strcspn(charset, "*?"); /* a language may stand behind (RFC 2231 5) */
    encoded->text = kind + 3;
    end = strstr(encoded->text, "?=");
    if (!end || !strchr("bBqQ", kind[1]))
        return false;
    encoded->utf8 = (length == 5 && strncasecmp(charset, "utf-8", 5) == 0) ||
                    (length == 8 && strncasecmp(charset, "us-ascii", 8) == 0);
    if (!encoded->utf8 && !(length == 10 && strncasecmp(charset, "iso-8859-1", 10) == 0))
        return false;
    encoded->base64 = kind[1] == 'b' || kind[1] == 'B';
    encoded->size = (size_t) (end - encoded->text);
    encoded->whole = (size_t) (end + 2 - text);
    return true;
}

static int hex_value(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found =
        digit ? strchr(digits, digit >= 'A' && digit <= 'F' ? digit + 32 : digit) : NULL;

    return found ? (int) (found - digits) : -1;
}

static int base64_value(char digit)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = digit ? strchr(digits, digit) : NULL;

    return found ? (int) (found - digits) : -1;
}

/* One byte of the text, as UTF-8. */
static char *put_byte(char *to, unsigned byte, bool utf8)
{
    if (!utf8 && byte >= 0x80) {
        *to++ = (char) (0xc0 | byte >> 6);
        byte = 0x80 | (byte & 0x3f);
    }
    *to++ = (char) byte;
    return to;
}

static char *decode_base64(const struct encoded *encoded, char *to)
{
    unsigned bits = 0, count = 0;

    for (size_t i = 0; i < encoded->size; i++) {
        int value = base64_value(encoded->text[i]);

        if (value < 0)
            continue;
        bits = bits << 6 | (unsigned) value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            to = put_byte(to, bits >> count & 0xff, encoded->utf8);
        }
    }
    return to;
}

static char *decode_quoted(const struct encoded *encoded, char *to)
{
    for (size_t i = 0; i < encoded->size; i++) {
        char c = encoded->text[i];
        int high = c == '=' && i + 2 < encoded->size ? hex_value(encoded->text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(encoded->text[i + 2]) : -1;

        if (low >= 0) {
            to = put_byte(to, (unsigned) (high * 16 + low), encoded->utf8);
            i += 2;
        } else {
            *to++ = (char) (c == '_' ? ' ' : c);
        }
    }
    return to;
}

/* Blanks between two encoded words are no part of the text (RFC 2047 6.2). */
static size_t blanks_between(const char *text)
{
    struct encoded encoded;
    size_t blanks = strspn(text, " \t");

    return blanks > 0 && read_encoded(text + blanks, &encoded) ? blanks : 0;
}

const char *subject_of(struct pool *pool, const char *data, size_t size)
{
    char field[SUBJECT_MAX + 1], text[2 * SUBJECT_MAX + 1], *to = text;
    struct encoded encoded;

    if (!find_field(data, size, field))
        return NULL;
    for (const char *at = field; *at;) {
        if (!read_encoded(at, &encoded)) {
            *to++ = *at++;
            continue;
        }
        to = encoded.base64 ? decode_base64(&encoded, to) : decode_quoted(&encoded, to);
        at += encoded.whole;
        at += blanks_between(at);
    }
    return pool_copy(pool, text, (size_t) (to - text));
}
