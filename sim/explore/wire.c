/* SPDX-License-Identifier: ISC */
/* Numbers: seven bits a byte, the lowest first, the top bit set in all but the last. */
#include "sim/explore/wire.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

void wire_put_bytes(struct wire *wire, const void *bytes, size_t size)
{
    if (size > wire->capacity - wire->size) {
        while (size > wire->capacity - wire->size)
            wire->capacity = wire->capacity ? 2 * wire->capacity : 256;
        wire->bytes = must_resize(wire->bytes, wire->capacity);
    }
    if (size)
        memcpy(wire->bytes + wire->size, bytes, size);
    wire->size += size;
}

void wire_put(struct wire *wire, uint64_t number)
{
    uint8_t bytes[10];
    size_t size = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[size++] = (uint8_t) (number | 0x80);
    bytes[size++] = (uint8_t) number;
    wire_put_bytes(wire, bytes, size);
}

void wire_put_signed(struct wire *wire, int64_t number)
{
    wire_put(wire, ((uint64_t) number << 1) ^ (number < 0 ? UINT64_MAX : 0));
}

void wire_put_text(struct wire *wire, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    wire_put(wire, text ? size + 1 : 0);
    wire_put_bytes(wire, text, size);
}

void wire_free(struct wire *wire)
{
    free(wire->bytes);
    memset(wire, 0, sizeof *wire);
}

struct wire_reader wire_read(const void *bytes, size_t size)
{
    const uint8_t *start = bytes;
    return (struct wire_reader){.at = start, .end = start + size};
}

uint64_t wire_get(struct wire_reader *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        number |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return number;
    }
    reader->broken = true;
    return 0;
}

int64_t wire_get_signed(struct wire_reader *reader)
{
    uint64_t number = wire_get(reader);
    return (int64_t) ((number >> 1) ^ (number & 1 ? UINT64_MAX : 0));
}

uint64_t wire_get_count(struct wire_reader *reader)
{
    uint64_t count = wire_get(reader);
    if (count <= (size_t) (reader->end - reader->at))
        return count;
    reader->broken = true;
    return 0;
}

char *wire_get_text(struct wire_reader *reader)
{
    uint64_t size = wire_get(reader);
    if (size == 0)
        return NULL;
    if (size - 1 > (size_t) (reader->end - reader->at)) {
        reader->broken = true;
        return NULL;
    }
    char *text = must_copy(reader->at, size - 1);
    reader->at += size - 1;
    return text;
}
