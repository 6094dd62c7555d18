/* SPDX-License-Identifier: ISC */
/* Replies, and ends of sessions, as deeds of a rule. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/import_internal.h"

#define REPLY_SIZE_MAX 12000 /* in quotes it may be four times as long, and a line has 64 KiB */

void import_print_quoted(FILE *to, const char *bytes, size_t size)
{
    fputc('"', to);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char) bytes[i];

        if (byte == '"' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else if (byte == '\n')
            fputs("\\n", to);
        else if (byte == '\r')
            fputs("\\r", to);
        else if (byte == '\t')
            fputs("\\t", to);
        else if (byte == '$' && i + 1 < size && bytes[i + 1] == '{')
            fputs("\\x24", to); /* no parameter */
        else if (byte < ' ' || byte > '~')
            fprintf(to, "\\x%02x", byte);
        else
            fputc(byte, to);
    }
    fputc('"', to);
}

/* What open_memstream made, in the pool. */
static const char *keep(struct import *import, FILE *to, char **text, const size_t *size)
{
    const char *kept;

    if (fclose(to) != 0)
        abort();
    kept = pool_copy(&import->pool, *text, *size);
    free(*text);
    return kept;
}

static FILE *open_text(char **text, size_t *size)
{
    FILE *to = open_memstream(text, size);

    if (!to)
        abort();
    return to;
}

const char *import_quoted(struct import *import, const char *bytes, size_t size)
{
    char *text;
    size_t length;
    FILE *to = open_text(&text, &length);

    import_print_quoted(to, bytes, size);
    return keep(import, to, &text, &length);
}

/* True if the reply is what a server makes of a code and lines: then *lines gets them, parted by
 * LF, without codes. */
static bool is_regular(const char *text, size_t size, char *lines, size_t *length)
{
    const char *at = text, *end = text + size;

    *length = 0;
    if (size < 6 || *text < '2' || *text > '5' || !isdigit((unsigned char) text[1]) ||
        !isdigit((unsigned char) text[2]))
        return false;
    while (at < end) {
        const char *next = memchr(at, '\n', (size_t) (end - at));
        size_t line = next ? (size_t) (next - at) : 0;
        bool last = next && next + 1 == end;

        if (!next || line < 5 || at[line - 1] != '\r' || memcmp(at, text, 3) != 0 ||
            at[3] != (last ? ' ' : '-') || memchr(at, '\r', line - 1) || memchr(at, 0, line))
            return false;
        if (*length)
            lines[(*length)++] = '\n';
        else if (at != text)
            return false; /* the first line was empty */
        memcpy(lines + *length, at + 4, line - 5);
        *length += line - 5;
        at = next + 1;
    }
    return true;
}

/* Its bytes, whatever they are; but no NUL. */
static void print_raw(struct import *import, FILE *to, const char *bytes, size_t size)
{
    char *copy = must_copy(bytes, size);

    for (size_t i = 0; i < size; i++)
        if (!copy[i]) {
            copy[i] = '?';
            import_note(import, "a reply with a NUL has ? there");
        }
    fputs("raw ", to);
    import_print_quoted(to, copy, size);
    free(copy);
}

/* A reply that breaks off, as far as a rule can tell it. */
static bool print_cut(struct import *import, FILE *to, const struct smtp_said *reply)
{
    char *copy;
    unsigned code = 0;

    for (size_t i = 0; i < 3; i++)
        code = code * 10 + (i < reply->size && reply->text[i] >= '0' && reply->text[i] <= '9'
                                ? (unsigned) (reply->text[i] - '0')
                                : 0);
    if (reply->size == 0 || reply->text[0] < '2' || reply->text[0] > '5' ||
        memchr(reply->text, '\n', reply->size) || memchr(reply->text, 0, reply->size))
        return false;
    if (reply->size < 3)
        code = (unsigned) (reply->text[0] - '0') * 100 +
               (reply->size > 1 && reply->text[1] >= '0' && reply->text[1] <= '9'
                    ? (unsigned) (reply->text[1] - '0') * 10
                    : 0);
    copy = must_copy(reply->text, reply->size);
    fprintf(to, "reply %u ", code);
    import_print_quoted(to, reply->size > 4 ? copy + 4 : "...",
                        reply->size > 4 ? reply->size - 4 : 3);
    fprintf(to, " cut %zu bytes", reply->size);
    free(copy);
    (void) import;
    return true;
}

const char *import_reply(struct import *import, const struct smtp_exchange *exchange, bool closed)
{
    const struct smtp_said *reply = &exchange->reply;
    size_t size = reply->size, length;
    char *text, *lines;
    FILE *to;

    if (!reply->there || size == 0)
        return NULL;
    if (size > REPLY_SIZE_MAX) {
        import_note(import, "a reply of %zu bytes is cut to %d", size, REPLY_SIZE_MAX);
        size = REPLY_SIZE_MAX;
    }
    to = open_text(&text, &length);
    if (closed && !reply->whole && print_cut(import, to, reply))
        return keep(import, to, &text, &length);
    lines = must_alloc(size);
    size_t line_size;
    if (is_regular(reply->text, size, lines, &line_size)) {
        fprintf(to, "reply %u ", exchange->code);
        import_print_quoted(to, lines, line_size);
        /* A server closes behind 421 anyway. */
        if (closed && exchange->code != 421)
            fprintf(to, " cut %zu bytes", size);
    } else {
        print_raw(import, to, reply->text, size);
        if (closed)
            import_note(import, "a server that closed behind an odd reply does not close here");
    }
    free(lines);
    return keep(import, to, &text, &length);
}

const char *import_end_deed(struct import *import, const struct import_session *session)
{
    const char *how;
    bool message = session->unanswered && session->unanswered->step == SMTP_MESSAGE &&
                   !session->unanswered->command.whole;

    switch (session->end) {
    case END_CLOSED:
        how = "close";
        break;
    case END_RESET:
        how = "reset";
        break;
    case END_SILENT:
    case END_CLIENT:
        how = "silence";
        break;
    case END_ORDERLY:
    case END_REFUSED:
    case END_NO_ANSWER:
    default:
        return NULL;
    }
    return message ? pool_format(&import->pool, "%s after %zu bytes", how,
                                 session->unanswered->command.size)
                   : how;
}
