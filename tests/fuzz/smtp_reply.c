/* SPDX-License-Identifier: ISC */
/* Replies of a server, whole and in pieces. */
#include "mta/lib/smtp_reply.h"

#include "tests/fuzz/fuzz.h"

/* One reply from the start of `bytes`, in pieces.  How many bytes it took. */
static size_t read_reply(struct smtp_reply *reply, const char *bytes, size_t size, size_t largest,
                         enum smtp_reply_state *state)
{
    uint64_t random = size;
    size_t used = 0;
    smtp_reply_begin(reply);
    *state = SMTP_REPLY_MORE;
    while (used < size && *state == SMTP_REPLY_MORE) {
        size_t piece = 1 + fuzz_next(&random) % largest;
        if (piece > size - used)
            piece = size - used;
        char *from = fuzz_copy(bytes + used, piece);
        size_t took = smtp_reply_add(reply, from, piece, state);
        FUZZ_CHECK(took == piece || (took < piece && *state != SMTP_REPLY_MORE));
        FUZZ_CHECK(took > 0);
        used += took;
        free(from);
    }
    return used;
}

static void look_up(const struct smtp_reply *reply)
{
    static const char *const keywords[] = {"SIZE", "PIPELINING", "8BITMIME", "X"};
    const char *end = reply->text + strlen(reply->text);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        size_t size = 0;
        const char *found = smtp_reply_extension(reply, keywords[i], &size);
        if (found)
            FUZZ_CHECK(found > reply->text && found + size < end && !memchr(found, '\n', size));
    }
}

int fuzz_input(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *) data;
    struct smtp_reply *whole = fuzz_memory(sizeof *whole), *pieces = fuzz_memory(sizeof *pieces);
    enum smtp_reply_state state = SMTP_REPLY_WHOLE;
    for (size_t at = 0; at < size && state == SMTP_REPLY_WHOLE;) {
        enum smtp_reply_state other;
        size_t used = read_reply(whole, bytes + at, size - at, size, &state);
        FUZZ_CHECK(read_reply(pieces, bytes + at, size - at, 5, &other) == used && other == state);
        at += used;
        if (state == SMTP_REPLY_MORE)
            break;
        FUZZ_CHECK(whole->code == pieces->code && strcmp(whole->text, pieces->text) == 0);
        FUZZ_CHECK(strlen(whole->text) == whole->text_length && whole->text_length > 0);
        FUZZ_CHECK(whole->text[whole->text_length - 1] == '\n' && !strchr(whole->text, '\r'));
        if (state == SMTP_REPLY_WHOLE)
            FUZZ_CHECK(whole->code >= 200 && whole->code <= 599);
        look_up(whole);
    }
    free(whole);
    free(pieces);
    return 0;
}
