/* SPDX-License-Identifier: ISC */
#include "mta/lib/envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int record_next(const char *bytes, size_t size, size_t *at, struct record *record)
{
    if (*at >= size)
        return 0;
    const char *start = bytes + *at;
    const char *end = memchr(start, 0, size - *at);
    if (!end || end == start) {
        errno = EBADMSG;
        return -1;
    }
    record->letter = *start;
    record->text = start + 1;
    record->size = (size_t) (end - start) - 1;
    record->offset = *at;
    *at += record->size + 2;
    return 1;
}

/* One address at *at, letter included.  As long as no NUL was seen it may only be too long. */
static enum envelope_result take_address(const char *bytes, size_t size, char letter, size_t *at)
{
    if (*at >= size)
        return ENVELOPE_CUT;
    if (bytes[*at] != letter)
        return ENVELOPE_INVALID;
    const char *text = bytes + *at + 1;
    size_t rest = size - *at - 1;
    size_t look = rest < ENVELOPE_ADDRESS_MAX + 1 ? rest : ENVELOPE_ADDRESS_MAX + 1;
    const char *end = look ? memchr(text, 0, look) : NULL;
    if (!end)
        return look > ENVELOPE_ADDRESS_MAX ? ENVELOPE_LONG : ENVELOPE_CUT;
    *at += (size_t) (end - text) + 2;
    return ENVELOPE_OK;
}

enum envelope_result envelope_resume(struct envelope_progress *progress, const char *bytes,
                                     size_t size, struct envelope *envelope)
{
    enum envelope_result result;
    if (progress->sender_end == 0) {
        result = take_address(bytes, size, 'F', &progress->at);
        if (result != ENVELOPE_OK)
            return result;
        progress->sender_end = progress->at;
    }
    while (progress->at < size && bytes[progress->at]) {
        result = take_address(bytes, size, 'T', &progress->at);
        if (result != ENVELOPE_OK)
            return result;
        progress->recipient_count++;
        if (progress->at + progress->recipient_count * ENVELOPE_ADDED > ENVELOPE_REWRITTEN_MAX)
            return ENVELOPE_LONG;
    }
    if (progress->at >= size)
        return ENVELOPE_CUT;
    *envelope = (struct envelope){.sender = bytes + 1,
                                  .sender_size = progress->sender_end - 2,
                                  .recipients = bytes + progress->sender_end,
                                  .recipients_size = progress->at - progress->sender_end,
                                  .recipient_count = progress->recipient_count,
                                  .size = progress->at + 1};
    return ENVELOPE_OK;
}

enum envelope_result envelope_parse(const char *bytes, size_t size, struct envelope *envelope)
{
    struct envelope_progress progress = {0};
    return envelope_resume(&progress, bytes, size, envelope);
}
