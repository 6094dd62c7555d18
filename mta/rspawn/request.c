/* SPDX-License-Identifier: ISC */
/* count (2 bytes, little-endian), message number NUL, sender NUL, then count times: slot (2 bytes),
 * recipient NUL. */
#include <errno.h>
#include <string.h>

#include "mta/lib/mem.h"
#include "mta/rspawn/rspawn.h"

enum { COUNT_LOW, COUNT_HIGH, NUMBER, SENDER, SLOT_LOW, SLOT_HIGH, RECIPIENT };

int request_init(struct request *request)
{
    memset(request, 0, sizeof *request);
    request->number.limit = request->sender.limit = FIELD_MAX;
    request->recipients.limit = RECIPIENTS_BYTES_MAX;
    return request_reset(request);
}

/* Adds to a field that began at `start`. */
static void add(struct request *request, struct buf *field, size_t start, char byte)
{
    if (request->broken)
        return;
    if (field->length - start >= FIELD_MAX || buf_add_byte(field, byte) < 0)
        request->broken = true;
}

static int take_count(struct request *request, char byte)
{
    request->count |= (unsigned) (unsigned char) byte << 8;
    if (request->count == 0 || request->count > GROUP_MAX) {
        errno = EPROTO;
        return -1;
    }
    request->stage = NUMBER;
    return 0;
}

static int end_recipient(struct request *request)
{
    request->group.count++;
    request->recipient_start = request->recipients.length;
    request->whole = request->group.count == request->count;
    request->stage = SLOT_LOW;
    return request->whole;
}

int request_add(struct request *request, char byte)
{
    uint16_t *slot = &request->group.slots[request->group.count];
    switch (request->stage) {
    case COUNT_LOW:
        request->count = (unsigned char) byte;
        request->stage = COUNT_HIGH;
        return 0;
    case COUNT_HIGH:
        return take_count(request, byte);
    case NUMBER:
        if (byte)
            add(request, &request->number, 0, byte);
        else
            request->stage = SENDER;
        return 0;
    case SENDER:
        add(request, &request->sender, 0, byte);
        if (!byte)
            request->stage = SLOT_LOW;
        return 0;
    case SLOT_LOW:
        *slot = (unsigned char) byte;
        request->stage = SLOT_HIGH;
        return 0;
    case SLOT_HIGH:
        *slot = (uint16_t) (*slot | (unsigned) (unsigned char) byte << 8);
        request->stage = RECIPIENT;
        return 0;
    default:
        add(request, &request->recipients, request->recipient_start, byte);
        return byte ? 0 : end_recipient(request);
    }
}

int request_reset(struct request *request)
{
    uint16_t *slots = request->group.slots;
    if (!slots)
        slots = mem_alloc(GROUP_MAX * sizeof *slots);
    memset(&request->group, 0, sizeof request->group);
    request->group.slots = slots;
    buf_reset(&request->number);
    buf_reset(&request->sender);
    buf_reset(&request->recipients);
    request->broken = request->whole = false;
    request->recipient_start = 0;
    request->stage = COUNT_LOW;
    return slots ? 0 : -1;
}

void request_free(struct request *request)
{
    group_free(&request->group);
    buf_free(&request->number);
    buf_free(&request->sender);
    buf_free(&request->recipients);
}
