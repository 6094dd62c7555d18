/* SPDX-License-Identifier: ISC */
/* slot (2 bytes, little-endian), message number NUL, sender NUL, recipient NUL. */
#include "mta/lspawn/lspawn.h"

#include <string.h>

enum { SLOT_LOW, SLOT_HIGH, NUMBER, SENDER, RECIPIENT };

void request_init(struct request *request)
{
    memset(request, 0, sizeof *request);
    request->number.limit = request->sender.limit = request->recipient.limit = LSPAWN_FIELD_MAX;
}

static void add_to_field(struct request *request, struct buf *field, char byte)
{
    if (byte == 0) {
        request->stage++;
        if (!buf_text(field))
            request->too_long = true;
    } else if (!request->too_long && buf_add_byte(field, byte) < 0) {
        request->too_long = true;
    }
}

bool request_add(struct request *request, char byte)
{
    switch (request->stage) {
    case SLOT_LOW:
        request->slot = (unsigned char) byte;
        request->stage++;
        return false;
    case SLOT_HIGH:
        request->slot |= (unsigned) (unsigned char) byte << 8;
        request->stage++;
        return false;
    case NUMBER:
        add_to_field(request, &request->number, byte);
        return false;
    case SENDER:
        add_to_field(request, &request->sender, byte);
        return false;
    default:
        add_to_field(request, &request->recipient, byte);
        return byte == 0;
    }
}

void request_reset(struct request *request)
{
    buf_reset(&request->number);
    buf_reset(&request->sender);
    buf_reset(&request->recipient);
    request->too_long = false;
    request->stage = SLOT_LOW;
}

void request_free(struct request *request)
{
    buf_free(&request->number);
    buf_free(&request->sender);
    buf_free(&request->recipient);
}
