/* SPDX-License-Identifier: ISC */
/* The end of data, dots, bare CR and LF: against the rules written down plainly, in pieces of any
 * size, and that what nixie-remote sends comes in as what it was. */
#include "mta/lib/smtp_data.h"

#include <stdbool.h>

#include "mta/lib/smtp_send.h"
#include "tests/fuzz/fuzz.h"

struct decoded {
    char *content;
    size_t size;
    size_t used;
    struct smtp_data data;
};

/* In pieces of up to `largest` bytes. */
static struct decoded decode(const char *wire, size_t size, size_t largest, uint64_t random)
{
    struct decoded result = {.content = fuzz_memory(size + 1)};
    smtp_data_begin(&result.data);
    while (result.used < size && !smtp_data_ended(&result.data)) {
        size_t piece = 1 + fuzz_next(&random) % largest, made;
        if (piece > size - result.used)
            piece = size - result.used;
        char *from = fuzz_copy(wire + result.used, piece), *to = fuzz_memory(piece + 1);
        size_t took = smtp_data_feed(&result.data, from, piece, to, &made);
        FUZZ_CHECK(took == piece || (took < piece && smtp_data_ended(&result.data)));
        FUZZ_CHECK(made <= took + 1 && result.size + made <= size);
        memcpy(result.content + result.size, to, made);
        result.size += made;
        result.used += took;
        free(from);
        free(to);
    }
    return result;
}

/* RFC 5321 4.5.2 on whole lines; what is behind the last CR LF is left out.  *ended: the dot came.
 */
static struct decoded plain(const char *wire, size_t size, bool *ended)
{
    struct decoded result = {.content = fuzz_memory(size)};
    *ended = false;
    while (!*ended) {
        const char *line = wire + result.used;
        const char *end = memmem(line, size - result.used, "\r\n", 2);
        if (!end)
            break;
        result.used = (size_t) (end - wire) + 2;
        size_t length = (size_t) (end - line);
        if (length == 1 && *line == '.') {
            *ended = true;
        } else {
            size_t dot = length && *line == '.';
            memcpy(result.content + result.size, line + dot, length - dot);
            result.size += length - dot;
            result.content[result.size++] = '\n';
        }
    }
    return result;
}

static void compare_with_rules(const char *wire, size_t size, const struct decoded *decoded)
{
    bool ended;
    struct decoded want = plain(wire, size, &ended);
    FUZZ_CHECK(ended == smtp_data_ended(&decoded->data));
    FUZZ_CHECK(decoded->size >= want.size &&
               memcmp(decoded->content, want.content, want.size) == 0);
    if (ended)
        FUZZ_CHECK(decoded->size == want.size && decoded->used == want.used);
    bool bare_lf = false, bare_cr = false;
    for (size_t i = 0; i < decoded->used; i++) {
        bare_lf = bare_lf || (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r'));
        bare_cr = bare_cr || (wire[i] == '\r' && i + 1 < decoded->used && wire[i + 1] != '\n');
    }
    FUZZ_CHECK(bare_lf == decoded->data.bare_lf && bare_cr == decoded->data.bare_cr);
    free(want.content);
}

/* What a message becomes on its way to another server of ours. */
static size_t canonical(const char *message, size_t size, char *to)
{
    size_t put = 0;
    for (size_t i = 0; i < size; i++) {
        bool before_lf = i + 1 < size && message[i + 1] == '\n';
        if (message[i] != '\r')
            to[put++] = message[i];
        else if (!before_lf)
            to[put++] = ' ';
    }
    if (put && to[put - 1] != '\n')
        to[put++] = '\n';
    return put;
}

static void send_and_take(const char *message, size_t size, uint64_t random)
{
    struct smtp_send send;
    char *wire = fuzz_memory(SMTP_SEND_ROOM(size) * 2 + SMTP_SEND_END_ROOM);
    size_t length = 0;
    smtp_send_begin(&send);
    for (size_t at = 0; at < size;) {
        size_t piece = 1 + fuzz_next(&random) % 50;
        if (piece > size - at)
            piece = size - at;
        char *to = fuzz_memory(SMTP_SEND_ROOM(piece));
        size_t made = smtp_send_some(&send, message + at, piece, to);
        FUZZ_CHECK(made <= SMTP_SEND_ROOM(piece));
        memcpy(wire + length, to, made);
        free(to);
        length += made;
        at += piece;
    }
    length += smtp_send_end(&send, wire + length, false);
    FUZZ_CHECK(send.size + 3 == length);
    struct decoded decoded = decode(wire, length, 100, random);
    FUZZ_CHECK(smtp_data_ended(&decoded.data) && decoded.used == length);
    FUZZ_CHECK(!decoded.data.bare_lf && !decoded.data.bare_cr);
    char *want = fuzz_memory(size + 1);
    FUZZ_CHECK(decoded.size == canonical(message, size, want));
    FUZZ_CHECK(memcmp(decoded.content, want, decoded.size) == 0);
    free(want);
    free(decoded.content);
    free(wire);
}

int fuzz_input(const uint8_t *data, size_t size)
{
    uint64_t random = size;
    const char *wire = (const char *) data;
    struct decoded whole = decode(wire, size, size + 1, random);
    for (size_t largest = 1; largest < 20; largest *= 3) {
        struct decoded pieces = decode(wire, size, largest, random + largest);
        FUZZ_CHECK(pieces.used == whole.used && pieces.size == whole.size);
        FUZZ_CHECK(memcmp(pieces.content, whole.content, whole.size) == 0);
        FUZZ_CHECK(pieces.data.state == whole.data.state && pieces.data.size == whole.data.size);
        FUZZ_CHECK(pieces.data.bare_lf == whole.data.bare_lf);
        FUZZ_CHECK(pieces.data.bare_cr == whole.data.bare_cr);
        free(pieces.content);
    }
    compare_with_rules(wire, size, &whole);
    free(whole.content);
    send_and_take(wire, size, random);
    return 0;
}
